from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jorney.data.packing import Example, pack
from jorney.model import params as parameters
from jorney.model import transformer
from jorney.train.losses import chunked_log_probs, sft_loss


@pytest.fixture(scope="module")
def params(tiny):
    return parameters.init(tiny, jax.random.key(0))


def _examples(count: int, longest: int = 30, seed: int = 0) -> list[Example]:
    rng = np.random.default_rng(seed)
    sizes = rng.integers(4, longest, count)
    return [Example(tuple(rng.integers(3, 72, n).tolist()), prompt=int(rng.integers(1, n - 1))) for n in sizes]


def _batch(packed) -> dict[str, jax.Array]:
    rows = [packed[row] for row in range(len(packed))]
    return {name: jnp.asarray(np.stack([row[name] for row in rows])) for name in rows[0]}


@pytest.mark.parametrize("chunk", [4, 8, 32, 512])
def test_chunks_equal_the_whole_head(tiny, params, chunk: int) -> None:
    hidden = jax.random.normal(jax.random.key(1), (2, 32, 32))
    targets = jax.random.randint(jax.random.key(2), (2, 32), 0, 72)

    def whole(p, h):
        scores = jax.nn.log_softmax(transformer.read_out(tiny, p, h))
        return jnp.take_along_axis(scores, targets[..., None], -1)[..., 0]

    found, hits = chunked_log_probs(tiny, params, hidden, targets, chunk)
    np.testing.assert_allclose(found, whole(params, hidden), atol=2e-5)
    np.testing.assert_array_equal(hits, jnp.argmax(transformer.read_out(tiny, params, hidden), -1) == targets)
    gradient = jax.grad(lambda p, h: chunked_log_probs(tiny, p, h, targets, chunk)[0].sum(), (0, 1))(params, hidden)
    expected = jax.grad(lambda p, h: whole(p, h).sum(), (0, 1))(params, hidden)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-4), gradient, expected)


def test_logits_of_a_sequence_are_never_held(tiny, params) -> None:
    """No array in the gradient's program has length x vocabulary elements."""
    hidden, targets = jnp.ones((2, 64, 32)), jnp.ones((2, 64), jnp.int32)
    program = jax.make_jaxpr(jax.grad(lambda p: chunked_log_probs(tiny, p, hidden, targets, 8)[0].sum()))(params)
    assert "f32[2,8,72]" in str(program)
    assert "f32[2,64,72]" not in str(program)
    assert "f32[8,2,8,72]" not in str(program)


def test_a_chunk_that_does_not_divide_is_refused(tiny, params) -> None:
    with pytest.raises(ValueError, match="30 tokens is not a multiple of the head's chunk of 8"):
        chunked_log_probs(tiny, params, jnp.ones((1, 30, 32)), jnp.ones((1, 30), jnp.int32), 8)


def test_loss_counts_completion_tokens_only(tiny, params) -> None:
    """Against a plain loop over unpacked examples."""
    examples = _examples(7)
    total, sums = sft_loss(tiny)(params, _batch(pack(examples, 64)))
    expected = 0.0
    for example in examples:
        scores = jax.nn.log_softmax(transformer.logits(tiny, params, jnp.asarray([example.tokens])))[0]
        expected -= sum(float(scores[i - 1, example.tokens[i]]) for i in range(example.prompt, len(example.tokens)))
    assert float(total) == pytest.approx(expected, rel=1e-5)
    assert int(sums["count"]) == sum(len(e.tokens) - e.prompt for e in examples)


def test_prompt_tokens_and_padding_carry_no_gradient(tiny, params) -> None:
    """Changing the targets where the mask is 0 changes nothing."""
    batch = _batch(pack(_examples(5), 64))
    changed = batch | {"targets": jnp.where(batch["loss_mask"] == 0, 5, batch["targets"])}
    assert float(sft_loss(tiny)(params, batch)[0]) == float(sft_loss(tiny)(params, changed)[0])
