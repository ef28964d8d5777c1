"""GRPO's loss over rows of groups: it is that of every completion alone, however they are laid out, cut and split."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from forward import whole_logits

from jorney.batch.groups import Group, GroupRows, Trajectory, lay_out_groups
from jorney.compiled import Compilations
from jorney.model import lora
from jorney.model import params as parameters
from jorney.model.lora import LoraConfig
from jorney.model.params import param_shardings
from jorney.policy import Policy
from jorney.sharding import MeshConfig, make_mesh
from jorney.train import training
from jorney.train.loop import put
from jorney.train.objective import objective_of
from jorney.train.objectives.grpo import GrpoConfig, completion_log_probs, group_log_probs, grpo_loss
from jorney.train.optimizer import OptimizerConfig
from jorney.train.policy_gradient.surrogate import SurrogateConfig
from jorney.train.state import TrainState
from jorney.train.step import make_train_step

PLAIN = SurrogateConfig()
RICH = SurrogateConfig(aggregate="sequence", beta=0.2, clip_high=0.28, dual_clip=3.0, importance="token_truncate")
SEQUENCE = SurrogateConfig(
    aggregate="constant", max_length=9, ratio_level="sequence", beta=0.1, kl="k2", importance="sequence_mask", count_masked=True
)
SURROGATES = {"plain": PLAIN, "rich": RICH, "sequence": SEQUENCE}


@pytest.fixture(scope="module")
def params(tiny):
    return parameters.init(tiny, jax.random.key(0))


def _groups(count: int = 4, group: int = 4, seed: int = 0, known: bool = True, like: Any = None) -> list[Group]:
    """Prompts and completions of many lengths; log-probabilities about those of `like`, or of anything."""
    rng = np.random.default_rng(seed)

    def trajectory() -> Trajectory:
        length = int(rng.integers(1, 10))
        numbers = {name: rng.normal(-4, 0.4, length).astype(np.float32) for name in ("sampled", "old", "reference")}
        numbers["chosen"] = rng.random(length) < 0.7
        ids = tuple(rng.integers(3, 72, length).tolist())
        return Trajectory(ids, rng.normal(size=length).astype(np.float32), **(numbers if known else {}))

    prompts = [tuple(rng.integers(3, 72, rng.integers(1, 8)).tolist()) for _ in range(count)]
    return [Group(prompt, tuple(trajectory() for _ in range(group))) for prompt in prompts]


def _near(tiny, params, groups: list[Group]) -> list[Group]:
    """The groups with log-probabilities near the policy's own, so that some ratios are within the bounds."""
    rows = lay_out_groups(groups, len(groups[0].completions))
    own = rows.per_completion(completion_log_probs(tiny, params, _batch(rows))[0])

    def moved(one: Trajectory, log_probs: np.ndarray) -> Trajectory:
        shift = {name: (log_probs + (getattr(one, name) + 4)).astype(np.float32) for name in ("sampled", "old", "reference")}
        return dataclasses.replace(one, **shift)

    return [
        dataclasses.replace(group, completions=tuple(map(moved, group.completions, found)))
        for group, found in zip(groups, own, strict=True)
    ]


def _batch(rows: GroupRows) -> dict[str, jax.Array]:
    return {name: jnp.asarray(value) for name, value in rows.arrays.items()}


@functools.cache
def _graded(config, surrogate, **stated):
    """Jitted: ((loss, sums), gradient), all over the count."""

    def mean(params, batch):
        total, sums = grpo_loss(config, surrogate, **{"entropy": True, "head_chunk": 16} | stated)(params, batch)
        count = sums["count"]
        return total / count, {name: value / count for name, value in sums.items()} | {"count": count}

    return jax.jit(jax.value_and_grad(mean, has_aux=True))


def _same(found: Any, expected: Any, share: float = 1e-5) -> None:
    """Losses, metrics and gradients, to within a share of each array's largest entry."""
    (loss, sums), gradient = found
    (expected_loss, expected_sums), expected_gradient = expected
    assert float(loss) == pytest.approx(float(expected_loss), rel=share, abs=share)
    assert {n: float(v) for n, v in sums.items()} == pytest.approx(
        {n: float(v) for n, v in expected_sums.items()}, rel=5 * share, abs=share
    )
    for a, b in zip(jax.tree.leaves(gradient), jax.tree.leaves(expected_gradient), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=share * max(1e-3, float(jnp.abs(b).max())))


def _alone(groups: list[Group]) -> list[Group]:
    """Every completion in a group of its own."""
    return [dataclasses.replace(group, completions=(one,)) for group in groups for one in group.completions]


@pytest.fixture(scope="module")
def near(tiny, params):
    return _near(tiny, params, _groups())


# The richest of them; the others take minutes together.
SOME = [name if name == "rich" else pytest.param(name, marks=pytest.mark.slow) for name in SURROGATES]


@pytest.mark.parametrize("name", SURROGATES)
def test_a_groups_row_is_that_of_its_completions_each_in_a_row_of_its_own(tiny, params, near, name: str) -> None:
    run = _graded(tiny, SURROGATES[name])
    together, apart = lay_out_groups(near, 4), lay_out_groups(_alone(near), 1)
    assert (len(together), len(apart)) == (4, 16)
    found, expected = run(params, _batch(together)), run(params, _batch(apart))
    _same(found, expected)
    tokens = sum(len(one.tokens) for group in near for one in group.completions)
    assert float(found[0][1]["count"]) == (tokens if name == "plain" else 16)
    assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(found[1])) > 1e-3


@pytest.mark.parametrize("name", SOME)
def test_order_padding_and_rows_change_nothing(tiny, params, near, name: str) -> None:
    run = _graded(tiny, SURROGATES[name])
    expected = run(params, _batch(lay_out_groups(near, 4)))
    turned = [dataclasses.replace(group, completions=group.completions[::-1]) for group in near[::-1]]
    _same(run(params, _batch(lay_out_groups(turned, 4))), expected)
    wide = lay_out_groups(near, 6, rows_multiple=5, prompt_length=40, completion_length=11)
    wide.tokens[wide.parts == 0] = 7
    for numbers in (wide.advantages, wide.sampled, wide.old, wide.reference):
        numbers[wide.segments == 0] = np.nan
    _same(run(params, _batch(wide)), expected)
    for branches in (1, 2, 3):  # three: rows of three and of one
        _same(run(params, _batch(lay_out_groups(near, branches))), expected)


def test_the_first_steps_gradient_is_that_of_advantages_times_log_probs(tiny, params) -> None:
    """Against autodiff over plain forwards, a completion at a time; the loss's value is minus the mean advantage."""
    groups = _groups(3, 3, seed=2, known=False)
    (loss, sums), gradient = _graded(tiny, PLAIN)(params, _batch(lay_out_groups(groups, 3)))
    pairs = [(group.prompt, one) for group in groups for one in group.completions]
    count = sum(len(one.tokens) for _, one in pairs)

    def objective(p):
        total = 0.0
        for prompt, one in pairs:
            ids = np.zeros((1, 24), np.int32)
            ids[0, : len(prompt) + len(one.tokens)] = [*prompt, *one.tokens]
            scores = jax.nn.log_softmax(whole_logits(tiny, p, ids))[0]
            places = jnp.arange(len(one.tokens)) + len(prompt) - 1
            total += jnp.sum(scores[places, np.array(one.tokens)] * one.advantages)
        return -total / count

    expected = jax.grad(objective)(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=1e-5 * float(jnp.abs(b).max())), gradient, expected)
    assert float(loss) == pytest.approx(-sum(float(one.advantages.sum()) for _, one in pairs) / count, rel=1e-5)
    assert float(sums["ratio/mean"]) == 1
    assert float(sums["clip_ratio/region_mean"]) == 0


def test_by_hand(tiny, params) -> None:
    """Two completions of two and six tokens whose losses are +1 and -1 a token: 0, -0.5 and -0.25 (L_max 8)."""
    ones = [Trajectory((5, 6), (-1.0,) * 2), Trajectory((7,) * 6, (1.0,) * 6)]
    batch = _batch(lay_out_groups([Group((1, 2), tuple(ones))], 2))
    for aggregate, expected in (("sequence", 0.0), ("token", -0.5), ("constant", -0.25)):
        surrogate = GrpoConfig(aggregate=aggregate, completion_length=8, group=2).surrogate_config
        (loss, _), _ = _graded(tiny, surrogate)(params, batch)
        assert float(loss) == pytest.approx(expected, abs=1e-6)


def test_log_probs_entropies_and_temperature_are_a_plain_softmaxs(tiny, params) -> None:
    groups = _groups(2, 3, seed=5)
    rows = lay_out_groups(groups, 2)
    for heat in (1.0, 0.7):
        found, entropies = completion_log_probs(tiny, params, _batch(rows), head_chunk=16, temperature=heat, entropies=True)
        for group, own, spread in zip(groups, rows.per_completion(found), rows.per_completion(entropies), strict=True):
            for one, log_probs, entropy in zip(group.completions, own, spread, strict=True):
                ids = np.array([[*group.prompt, *one.tokens]])
                scores = np.asarray(jax.nn.log_softmax(whole_logits(tiny, params, ids)[0] / heat))[len(group.prompt) - 1 : -1]
                np.testing.assert_allclose(log_probs, scores[np.arange(len(one.tokens)), np.array(one.tokens)], atol=2e-5)
                np.testing.assert_allclose(entropy, -(np.exp(scores) * scores).sum(-1), atol=2e-5)
        assert not np.asarray(found)[rows.segments == 0].any()


def test_the_loss_is_of_the_policy_at_its_temperature(tiny, params, near) -> None:
    """Halving all logits is what a temperature of 2 does: an untied head's weights, halved."""
    batch = _batch(lay_out_groups(near, 4))
    (loss, sums), gradient = _graded(tiny, RICH, temperature=2.0)(params, batch)
    halved = params | {"head": params["head"] / 2}
    (expected, expected_sums), halves = _graded(tiny, RICH)(halved, batch)
    _same(((loss, sums), gradient), ((expected, expected_sums), halves | {"head": halves["head"] / 2}))


@pytest.mark.parametrize("window", [None, 5])
def test_windows_count_along_each_text(tiny, params, near, window: int | None) -> None:
    config = dataclasses.replace(tiny, window=window, family="mistral")
    run = _graded(config, PLAIN)
    _same(run(params, _batch(lay_out_groups(near, 4))), run(params, _batch(lay_out_groups(_alone(near), 1))))


@pytest.mark.parametrize("remat", ["dots", "attention", "attended", "full"])
def test_what_is_computed_again_changes_nothing(tiny, params, near, remat: str) -> None:
    batch = _batch(lay_out_groups(near, 4))
    _same(_graded(tiny, RICH, remat=remat)(params, batch), _graded(tiny, RICH)(params, batch))


@pytest.mark.parametrize("chunk", [1, 24, 512])
def test_the_size_of_the_heads_pieces_changes_nothing(tiny, params, near, chunk: int) -> None:
    batch = _batch(lay_out_groups(near, 4))
    _same(_graded(tiny, RICH, head_chunk=chunk)(params, batch), _graded(tiny, RICH)(params, batch))


def _step(tiny, surrogate: SurrogateConfig, accumulate: int):
    return jax.jit(make_train_step(grpo_loss(tiny, surrogate, head_chunk=16, entropy=True), optax.sgd(1.0), accumulate))


def _stepped(step: Any, params: Any, batch: Any) -> tuple[Any, dict[str, float]]:
    optimizer = optax.sgd(1.0)
    state, metrics = step(TrainState(jnp.int32(0), params, optimizer.init(params)), batch)
    return state.params, {name: float(value) for name, value in metrics.items()}


@pytest.mark.parametrize("name", SOME)
def test_micro_batches_and_eight_devices_make_the_step_of_one(tiny, params, near, name: str) -> None:
    rows = lay_out_groups(near, 2, rows_multiple=8)
    expected, metrics = _stepped(_step(tiny, SURROGATES[name], 1), params, _batch(rows))
    assert metrics["grad_norm"] > 1e-2

    def same(found: Any) -> None:
        assert found[1] == pytest.approx(metrics, rel=5e-5, abs=1e-5)
        move = lambda a, b: np.asarray(a) - np.asarray(b)  # noqa: E731
        ours, theirs = (jax.tree.map(move, tree, params) for tree in (found[0], expected))
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=0, atol=3e-5 * max(1e-3, np.abs(b).max())), ours, theirs
        )

    for accumulate in (2, 4):
        same(_stepped(_step(tiny, SURROGATES[name], accumulate), params, _batch(rows)))
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    with jax.set_mesh(mesh):
        for accumulate in (1, 2):
            own = jax.device_put(params, param_shardings(tiny, mesh))
            same(_stepped(_step(tiny, SURROGATES[name], accumulate), own, put(rows.arrays, mesh)))


def _policy(tiny, mesh, params, policy) -> Policy:
    return dataclasses.replace(policy, config=tiny, params=params, mesh=mesh)


def test_a_rounds_log_probs_by_the_trainers_own_forward(tiny, params, mesh1, policy, near) -> None:
    config = GrpoConfig(questions=4, group=4, row_completions=2, accumulate=2, temperature=0.8, head_chunk=16)
    assert config.rows == 8
    rows, compilations = lay_out_groups(near, 2), Compilations()
    start = _policy(tiny, mesh1, params, policy)
    found, entropies = group_log_probs(start, rows, config, compilations)
    expected = completion_log_probs(tiny, params, _batch(rows), temperature=0.8, entropies=True)
    for ours, theirs in zip((found, entropies), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
    # With other numbers about the rows too it is one program, compiled once.
    group_log_probs(start, dataclasses.replace(rows, old=found), config, compilations)
    assert compilations.names == ["group log-probs"]
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    spread = _policy(tiny, mesh, jax.device_put(params, param_shardings(tiny, mesh)), policy)
    np.testing.assert_allclose(group_log_probs(spread, rows, config)[0], found, atol=1e-5)
    with pytest.raises(ValueError, match="16 rows are no multiple of the 3 of a micro-batch"):
        group_log_probs(start, lay_out_groups(_alone(near), 1), GrpoConfig(questions=3, group=4))
    # Of a second update they give ratios of exactly 1, as where there are none.
    batch = _batch(dataclasses.replace(rows, old=found, sampled=None, reference=None, chosen=None))
    first = {name: value for name, value in batch.items() if name != "old"}
    run = _graded(tiny, PLAIN, temperature=0.8)
    _same(run(params, batch), run(params, first))


@pytest.mark.parametrize("adapters", [0, 4], ids=["whole", "adapters"])
def test_training_moves_towards_what_was_better(tiny, params, mesh1, policy, tmp_path, adapters: int) -> None:
    """Advantages of +1 and -1: log-probabilities of the better completions rise. Adapters begin as their base, at ratio 1."""
    groups = [
        dataclasses.replace(
            group,
            completions=tuple(
                Trajectory(one.tokens, (1.0 if place % 2 else -1.0,) * len(one.tokens))
                for place, one in enumerate(group.completions)
            ),
        )
        for group in _groups(seed=3, known=False)
    ]
    start = _policy(tiny, mesh1, params, policy)
    config = GrpoConfig(
        questions=4, group=4, epochs=6, head_chunk=16, completion_length=32, prompt_length=32, lora=LoraConfig(adapters),
        optimizer=OptimizerConfig(learning_rate=5e-3, warmup=0),
    )  # fmt: skip
    rows = lay_out_groups(groups, 4)
    old = group_log_probs(start, rows, config)[0]
    known = [
        dataclasses.replace(
            group,
            completions=tuple(dataclasses.replace(one, old=own) for one, own in zip(group.completions, ours, strict=True)),
        )
        for group, ours in zip(groups, rows.per_completion(old), strict=True)
    ]
    data = training.prepare(start, known, config, 0)
    trained, records = training.train(start, data, config, 0, tmp_path)
    assert records[0]["ratio/mean"] == pytest.approx(1, abs=1e-5)
    assert records[-1]["ratio/mean"] != pytest.approx(1, abs=1e-3)
    new = completion_log_probs(tiny, trained.params, _batch(rows))[0]
    rise = np.sum((np.asarray(new) - old) * rows.advantages) / rows.read_out(rows.arrays)
    assert rise > 0.05
    if adapters:
        base, _ = lora.part(trained.params)
        jax.tree.map(np.testing.assert_array_equal, base, params)


def test_steps_for_benches_and_plans(tiny) -> None:
    objective = objective_of("grpo")
    config = GrpoConfig(
        questions=4, group=6, row_completions=3, updates=2, prompt_length=16, completion_length=8, beta=0.1, entropy_share=0.2
    )
    assert (config.rows, config.steps, config.needs_old) == (4, 200, True)
    shape = objective.shape(tiny, config, jnp.float32)
    assert (shape.rows, shape.read_out, shape.row.positions, shape.tokens) == (4, 4 * 24, 40, 160)
    assert {name: leaf.shape for name, leaf in shape.batch.items()} == {
        **dict.fromkeys(("tokens", "positions", "parts"), (4, 40)),
        **dict.fromkeys(("segments", "advantages", "sampled", "old", "reference", "chosen"), (4, 24)),
        "lengths": (4, 3),
        "owners": (4,),
    }
    plain = objective.shape(tiny, dataclasses.replace(config, updates=1, beta=0.0, entropy_share=1.0), jnp.float32)
    assert not {"old", "reference", "chosen"} & plain.batch.keys()
    with pytest.raises(ValueError, match="expected grpo.prompt_length, which else the problems decide"):
        objective.shape(tiny, GrpoConfig(), jnp.float32)


def test_lengths_fit_the_model(tiny) -> None:
    objective = objective_of("grpo")
    assert objective.fitted(tiny, GrpoConfig(prompt_length=56)).completion_length == 200
    assert objective.fitted(tiny, GrpoConfig(prompt_length=56, completion_length=300)).completion_length == 300
    assert objective.fitted(tiny, GrpoConfig()).completion_length == 1024
    with pytest.raises(
        ValueError, match=r"grpo.prompt_length \+ grpo.completion_length = 356: expected at most the model's 256"
    ):
        objective.check(tiny, GrpoConfig(prompt_length=56, completion_length=300))
    long = lay_out_groups([Group((5,) * 200, (Trajectory((6,) * 100, (1.0,) * 100),))], 1)
    with pytest.raises(ValueError, match="a prompt and its completion need 300 positions"):
        objective.check(tiny, GrpoConfig(), long)
