"""Operations counted by hand against two programs' own products, and against XLA's count of one without a scan."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import product_operations

from jorney.model import blockwise, flops, transformer
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.flops import CONVENTIONS, group_row, packed_row

# A layer of `tiny`, by hand: queries and output 32 x 64 each, keys and values 32 x 32 each, the MLP's three 32 x 64 each.
LAYER = 2 * 32 * 64 + 2 * 32 * 32 + 3 * 32 * 64
# Operations of one query-key pair in a layer: a score and a weighted value, eight heads of eight, two operations each.
PAIR = 2 * 2 * 8 * 8


def test_forward_by_hand(tiny: ModelConfig) -> None:
    """Three rows of ten tokens, seven of them read out of an untied head of 72 words."""
    products, head = 2 * 2 * LAYER * 30, 2 * 72 * 32 * 7
    assert flops.forward(tiny, packed_row(10), 3, 7, "full") == products + 2 * PAIR * 3 * 100 + head == 1_628_160 + head
    assert flops.forward(tiny, packed_row(10), 3, 7, "causal") == products + 2 * PAIR * 3 * 55 + head
    assert flops.training(tiny, packed_row(10), 3, 7, "full") == 3 * flops.forward(tiny, packed_row(10), 3, 7, "full")


@pytest.mark.parametrize(
    ("changes", "weights"),
    [
        ({}, 72 * 32),
        ({"tie_embeddings": True}, 72 * 32),
        ({"head": "linear", "labels": 3, "head_bias": True}, 32 * 3),
        ({"head": "mlp", "labels": 2}, 32 * 32 + 32 * 2),
    ],
)
def test_every_head_is_what_its_program_multiplies(tiny: ModelConfig, changes: dict, weights: int) -> None:
    config = dataclasses.replace(tiny, **changes)
    with_head, without = (flops.forward(config, packed_row(4), 1, read, "full") for read in (5, 0))
    params = parameters.init(config, jax.random.key(0))
    program = product_operations(lambda p: transformer.read_out(config, p, jnp.ones((5, 32))), params)
    assert with_head - without == 2 * weights * 5 == program
    assert without == flops.forward(tiny, packed_row(4), 1, 0, "full")


def test_biases_and_norms_are_not_counted(tiny: ModelConfig) -> None:
    plain = flops.forward(tiny, packed_row(10), 1, 1, "full")
    for family in ("qwen2", "qwen3"):
        assert flops.forward(dataclasses.replace(tiny, family=family), packed_row(10), 1, 1, "full") == plain


def test_rows_by_hand() -> None:
    assert packed_row(4) == flops.RowShape(4, {"full": 16, "causal": 10})
    # A prompt of two; each of two completions of three reads the prompt and itself.
    assert group_row(2, 3, 2) == flops.RowShape(8, {"full": 4 + 2 * 3 * 5, "causal": 3 + 2 * (6 + 6)})
    assert group_row(2, 3, 5) == flops.RowShape(17, {"full": 4 + 5 * 3 * 5, "causal": 3 + 5 * (6 + 6)})


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 64))
def test_a_group_row_reads_its_prompt_once(P: int, L: int, C: int) -> None:
    """P + C*L positions, against C x (P + L) of rows of their own; attention too saves exactly C - 1 prompts'."""
    shared, alone, prompt = group_row(P, L, C), packed_row(P + L), packed_row(P)
    assert shared.positions == P + C * L == C * alone.positions - (C - 1) * P
    assert shared.pairs["causal"] == C * alone.pairs["causal"] - (C - 1) * prompt.pairs["causal"]
    # Whole rows of scores: the prompt's queries see no completion in its own call.
    assert shared.pairs["full"] == C * alone.pairs["full"] - (C - 1) * prompt.pairs["full"] - C * P * L


@pytest.fixture(params=CONVENTIONS)
def convention(request, monkeypatch) -> str:
    """Attention that multiplies what the convention counts: all queries in one block, or each in its own."""
    monkeypatch.setattr(blockwise, "_BLOCK", {"full": 64, "causal": 1}[request.param])
    return request.param


def _packed(config: ModelConfig, B: int, T: int):
    ones, positions = np.ones((B, T), np.int32), np.broadcast_to(np.arange(T, dtype=np.int32), (B, T))
    return lambda p: transformer.hidden_states(config, p, ones, ones, positions)


def test_a_packed_rows_program_multiplies_what_is_counted(tiny: ModelConfig, convention: str) -> None:
    params = parameters.init(tiny, jax.random.key(0))
    assert product_operations(_packed(tiny, 3, 14), params) == flops.forward(tiny, packed_row(14), 3, 0, convention)


@pytest.mark.parametrize("C", [1, 2, 5])
def test_a_group_rows_program_multiplies_what_is_counted(tiny: ModelConfig, convention: str, C: int) -> None:
    """And less than as many rows as it has completions do."""
    params, P, L = parameters.init(tiny, jax.random.key(0)), 9, 5
    T = P + C * L
    ones, positions = np.ones((3, T), np.int32), np.broadcast_to(np.arange(T, dtype=np.int32), (3, T))
    shared = product_operations(lambda p: transformer.forked_hidden_states(tiny, p, ones, ones, positions, L, C), params)
    assert shared == flops.forward(tiny, group_row(P, L, C), 3, 0, convention)
    apart = product_operations(_packed(tiny, 3 * C, P + L), params)
    assert apart == flops.forward(tiny, packed_row(P + L), 3 * C, 0, convention)
    prompts = (C - 1) * 2 * 2 * LAYER * 3 * P
    assert 0 <= apart - shared - prompts <= 2 * PAIR * 3 * ((C - 1) * P * P + C * P * L)


def test_a_training_steps_program_multiplies_three_forwards_and_the_scores_again(tiny: ModelConfig, convention: str) -> None:
    params, forward = parameters.init(tiny, jax.random.key(0)), _packed(tiny, 3, 14)
    head = lambda p: transformer.read_out(tiny, p, forward(p))  # noqa: E731
    program = product_operations(lambda p, g: jax.vjp(head, p)[1](g), params, jnp.ones((3, 14, 72)))
    again = 2 * (PAIR // 2) * 3 * packed_row(14).pairs[convention]
    assert program == flops.training(tiny, packed_row(14), 3, 3 * 14, convention) + again


def test_xla_counts_as_much_where_no_scan_hides_it() -> None:
    """Within three per cent: XLA adds norms, rotations and the softmax. It counts the body of a scan once."""
    config = ModelConfig(vocab_size=1024, embed=256, layers=2, heads=8, kv_heads=2, head_dim=32, mlp=768)
    params = parameters.abstract(config)
    split = jax.eval_shape(lambda p: parameters.unstack(p, 2), params)
    tokens = jax.ShapeDtypeStruct((2, 128), jnp.int32)

    def forward(p: parameters.Params, tokens: jax.Array) -> jax.Array:
        one = jnp.ones_like(tokens)
        attend = lambda q, k, v: (blockwise.blockwise_attention(q, k, v, one, one), None)  # noqa: E731
        hidden, _ = transformer.run_layers(config, jnp.float32, p, tokens, one, [attend] * 2)
        return transformer.read_out(config, p, hidden)

    counted = flops.forward(config, packed_row(128), 2, 2 * 128, "full")  # 128 queries are one block
    found = jax.jit(forward).lower(split, tokens).compile().cost_analysis()["flops"]
    assert 1 < found / counted < 1.03
    scanned = jax.jit(lambda p, t: transformer.logits(config, p, t)).lower(params, tokens).compile().cost_analysis()["flops"]
    assert scanned < 0.8 * counted
