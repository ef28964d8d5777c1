from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from forward import log_probs

from jorney.batch.packing import Example, pack
from jorney.batch.pairs import Preference, lay_out
from jorney.model import params as parameters
from jorney.train.objectives.dpo import dpo_loss, preference_log_probs
from jorney.train.objectives.sft import sft_loss


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


def test_loss_counts_completion_tokens_only(tiny, params) -> None:
    """Against a plain loop over unpacked examples."""
    examples = _examples(7)
    total, sums = jax.jit(sft_loss(tiny))(params, _batch(pack(examples, 64)))
    expected = 0.0
    for example in examples:
        scores = log_probs(tiny, params, example.tokens)
        expected -= sum(float(scores[i - 1, example.tokens[i]]) for i in range(example.prompt, len(example.tokens)))
    assert float(total) == pytest.approx(expected, rel=1e-5)
    assert int(sums["count"]) == sum(len(e.tokens) - e.prompt for e in examples)


def test_prompt_tokens_and_padding_carry_no_gradient(tiny, params) -> None:
    """Changing the targets where the mask is 0 changes nothing."""
    batch = _batch(pack(_examples(5), 64))
    changed = batch | {"targets": jnp.where(batch["loss_mask"] == 0, 5, batch["targets"])}
    loss = jax.jit(sft_loss(tiny))
    assert float(loss(params, batch)[0]) == float(loss(params, changed)[0])


def _mean_gradient(config, params, batch, **stated):
    def mean(p):
        total, sums = sft_loss(config, **stated)(p, batch)
        return total / sums["count"], sums

    return jax.jit(jax.value_and_grad(mean, has_aux=True))(params)


def _same(found, expected, share: float = 1e-5) -> None:
    """To within a share of each array's largest entry."""
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=share * float(jnp.abs(b).max())), found, expected)


@pytest.mark.parametrize("window", [None, 6])
def test_packed_rows_have_the_loss_and_gradients_of_rows_of_their_own(tiny, params, window: int | None) -> None:
    config, examples = dataclasses.replace(tiny, window=window, family="mistral"), _examples(9)
    together, apart = pack(examples, 64), [pack([one], 64) for one in examples]
    assert len(together) <= len(examples) / 3
    (loss, sums), gradient = _mean_gradient(config, params, _batch(together))
    alone = {name: jnp.concatenate([_batch(one)[name] for one in apart]) for name in _batch(together)}
    (expected, expected_sums), expected_gradient = _mean_gradient(config, params, alone)
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    assert {name: float(value) for name, value in sums.items()} == pytest.approx(
        {name: float(value) for name, value in expected_sums.items()}, rel=1e-6
    )
    _same(gradient, expected_gradient)


@pytest.mark.parametrize("chunk", [1, 24, 512])
@pytest.mark.parametrize("remat", ["none", "full"])
def test_pieces_and_remat_change_neither_loss_nor_gradients(tiny, params, remat: str, chunk: int) -> None:
    batch = _batch(pack(_examples(7), 64))
    (loss, _), gradient = _mean_gradient(tiny, params, batch, remat=remat, head_chunk=chunk)
    (expected, _), expected_gradient = _mean_gradient(tiny, params, batch)
    assert float(loss) == pytest.approx(float(expected), rel=1e-6)
    _same(gradient, expected_gradient)


def test_a_rows_log_probs_do_not_depend_on_the_rows_beside_it(tiny, params) -> None:
    """Whatever the size of the micro-batch."""
    pairs = lay_out([Preference(e.tokens[:4], e.tokens[4:], e.tokens[:3]) for e in _examples(8) if len(e.tokens) > 4], 8)
    batch = _batch(pairs)
    whole = np.asarray(jax.jit(lambda b: preference_log_probs(tiny, params, b, head_chunk=64))(batch))
    for size in (1, 2, 4):
        parts = [{name: rows[at : at + size] for name, rows in batch.items()} for at in range(0, 8, size)]
        one = jax.jit(lambda b: preference_log_probs(tiny, params, b, head_chunk=64))
        np.testing.assert_allclose(np.concatenate([np.asarray(one(part)) for part in parts], axis=1), whole, rtol=1e-5)


@pytest.mark.parametrize("kind", ["sft", "dpo"])
def test_micro_batches_add_up_to_the_batch(tiny, params, kind: str) -> None:
    """Sums and gradients of the sums, in uneven parts."""
    if kind == "sft":
        batch, loss_fn = _batch(pack(_examples(24), 64, 8)), sft_loss(tiny, head_chunk=64)
    else:
        rows = lay_out([Preference(e.tokens[:3], e.tokens[3:], e.tokens[:2]) for e in _examples(7)], 8)
        batch, loss_fn = _batch(rows) | {"reference_chosen": jnp.full(8, -20.0)}, dpo_loss(tiny, 0.1, head_chunk=64)
    run = jax.jit(jax.value_and_grad(loss_fn, has_aux=True))
    (_, sums), gradient = run(params, batch)
    pieces = [run(params, {name: rows[low:high] for name, rows in batch.items()}) for low, high in ((0, 1), (1, 3), (3, 8))]
    added = jax.tree.map(lambda *parts: sum(parts), *[(found, grads) for (_, found), grads in pieces])
    assert {name: float(value) for name, value in added[0].items()} == pytest.approx(
        {name: float(value) for name, value in sums.items()}, rel=1e-5, abs=1e-5
    )
    _same(added[1], gradient, 2e-5)


def test_log_probs_respect_the_completion_mask(tiny, params) -> None:
    """A completion's tokens count, one each; the prompt's and the padding's do not, whatever they are."""
    batch = _batch(lay_out([Preference((5, 6, 7), (8, 9, 10), (11, 12))], 1, 8, 8))
    completions = jax.jit(lambda b: jnp.stack(preference_log_probs(tiny, params, b))[:, 0])
    whole = np.asarray(completions(batch))
    scores = log_probs(tiny, params, [5, 6, 7, 8, 9, 10])
    each = np.array([float(scores[2 + i, token]) for i, token in enumerate((8, 9, 10))])
    for kept in ([0], [1, 2], [0, 1, 2], []):
        mask = jnp.zeros((1, 8), jnp.int32).at[0, jnp.array(kept, int)].set(1)
        np.testing.assert_allclose(
            completions(batch | {"chosen_mask": mask}), [each[kept].sum(), whole[1]], rtol=1e-5, atol=1e-5
        )
    noise = jnp.where(batch["parts"] == 0, 71, batch["tokens"])
    np.testing.assert_allclose(completions(batch | {"tokens": noise}), whole, rtol=1e-6)
