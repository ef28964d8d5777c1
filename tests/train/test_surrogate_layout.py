"""A batch may be cut, laid out and split over devices in any way; its loss is that of plain Python."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jorney.sharding import MeshConfig, make_mesh, named, sum_of_parts
from jorney.train.policy_gradient.surrogate import SurrogateConfig, SurrogateTokens, surrogate_loss
from jorney.train.state import TrainState
from jorney.train.step import make_train_step

PLAIN = SurrogateConfig()
LOSS = jax.jit(surrogate_loss, static_argnums=0)
GRADIENT = jax.jit(jax.grad(surrogate_loss, argnums=1, has_aux=True), static_argnums=0)


def _batch(seed: int = 0, B: int = 4, T: int = 9) -> tuple[jax.Array, SurrogateTokens]:
    """Rows of two completions each, behind a prompt and before padding; some ratios are beyond all bounds."""
    rng = np.random.default_rng(seed)
    draw = lambda scale: jnp.asarray(rng.normal(size=(B, T)) * scale, jnp.float32)  # noqa: E731
    segments = np.zeros((B, T), np.int32)
    for row in range(B):
        segments[row, 1 : 2 + row % 3], segments[row, 2 + row % 3 : T - 1 - row % 2] = 1, 2
    log_probs = -2 + draw(0.5)
    tokens = SurrogateTokens(
        draw(1.0),
        jnp.asarray((segments > 0) & (rng.random((B, T)) < 0.9)),
        jnp.asarray(segments),
        old=log_probs + draw(0.4),
        reference=log_probs + draw(0.3),
        sampled=log_probs + draw(0.6),
        chosen=jnp.asarray(rng.random((B, T)) < 0.5),
        entropies=jnp.abs(draw(1.0)),
    )
    return log_probs, tokens


def _each(tokens: SurrogateTokens, change: Any) -> SurrogateTokens:
    found = {one.name: getattr(tokens, one.name) for one in dataclasses.fields(tokens)}
    return SurrogateTokens(**{name: None if value is None else change(value) for name, value in found.items()})


CONFIGS = [
    PLAIN,
    SurrogateConfig(aggregate="sequence", beta=0.1, dual_clip=3.0, importance="token_truncate"),
    SurrogateConfig(aggregate="constant", max_length=9, beta=0.1, kl="k2", importance="sequence_mask"),
    SurrogateConfig(aggregate="sequence", ratio_level="sequence", importance="token_mask", count_masked=True, beta=0.1),
    SurrogateConfig(surrogate="cispo", importance="sequence_truncate", beta=0.1, kl="k3"),
    SurrogateConfig(importance="token_mask", beta=0.1),
]


def _plain_loss(config: SurrogateConfig, log_probs: np.ndarray, tokens: SurrogateTokens) -> tuple[float, float]:
    """Loss and count in plain Python, a completion at a time."""
    a = {one.name: np.asarray(getattr(tokens, one.name)) for one in dataclasses.fields(tokens)}
    sums: list[tuple[float, int]] = []  # of each completion: the loss, and how many tokens count
    for row in range(len(log_probs)):
        for segment in sorted(set(a["segments"][row].tolist()) - {0}):
            places = [t for t in range(log_probs.shape[1]) if a["segments"][row, t] == segment and a["mask"][row, t]]
            get = lambda name, row=row, places=places: [float(a[name][row, t]) for t in places]  # noqa: E731
            now, old, reference = [float(log_probs[row, t]) for t in places], get("old"), get("reference")
            gaps = [one - other for one, other in zip(old, get("sampled"), strict=True)]
            logs = [one - other for one, other in zip(now, old, strict=True)]
            total, count = 0.0, 0
            for i, advantage in enumerate(get("advantages")):
                level = config.ratio_level == "sequence"
                rho = math.exp(sum(logs) / len(logs) if level else logs[i])
                drift = math.exp(sum(gaps) if config.importance.startswith("sequence") else gaps[i])
                weight, out = 1.0, False
                if config.importance.endswith("truncate"):
                    weight = min(drift, config.truncate_ratio)
                elif config.importance.endswith("mask"):
                    out = drift > config.truncate_ratio
                    weight = 0.0 if out else drift
                if out and not config.count_masked:
                    continue
                if config.surrogate == "cispo":
                    loss = -min(rho, config.cispo_cap) * advantage * now[i]
                else:
                    low, high = 1 - config.clip_low, 1 + config.clip_high
                    loss = -min(rho * advantage, min(max(rho, low), high) * advantage)
                    if config.dual_clip and advantage < 0:
                        loss = min(loss, -config.dual_clip * advantage)
                loss *= weight * get("chosen")[i]
                d = reference[i] - now[i]
                k3 = math.exp(d) - d - 1
                loss += config.beta * {"k2": d * d / 2, "k3": k3, "k3_ratio": k3 * math.exp(logs[i])}[config.kl]
                total, count = total + loss, count + 1
            if count:
                sums.append((total, count))
    match config.aggregate:
        case "token":
            return sum(total for total, _ in sums), sum(count for _, count in sums)
        case "sequence":
            return sum(total / count for total, count in sums), len(sums)
        case _:
            return sum(total for total, _ in sums) / (config.max_length or 0), len(sums)


@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("seed", [0, 1])
def test_the_loss_is_that_of_plain_python(config: SurrogateConfig, seed: int) -> None:
    log_probs, tokens = _batch(seed)
    total, metrics = LOSS(config, log_probs, tokens)
    expected, count = _plain_loss(config, np.asarray(log_probs), tokens)
    assert float(total) == pytest.approx(expected, rel=1e-5)
    assert metrics["count"] == count
    assert metrics["loss"] == total


@pytest.mark.parametrize("config", CONFIGS)
def test_micro_batches_padding_packing_and_order_change_nothing(config: SurrogateConfig) -> None:
    log_probs, tokens = _batch()
    gradient, metrics = GRADIENT(config, log_probs, tokens)

    def same(found: dict[str, jax.Array]) -> None:
        assert found.keys() == metrics.keys()
        for name, value in metrics.items():
            assert float(found[name]) == pytest.approx(float(value), rel=1e-5, abs=1e-5), name

    # Micro-batches, in another order.
    parts = [([3, 1], GRADIENT(config, log_probs[jnp.array([3, 1])], _each(tokens, lambda x: x[jnp.array([3, 1])])))]
    parts.append(([0, 2], GRADIENT(config, log_probs[::2], _each(tokens, lambda x: x[::2]))))
    for rows, (found, _) in parts:
        np.testing.assert_allclose(found, gradient[jnp.array(rows)], rtol=1e-5, atol=1e-6)
    same({name: parts[0][1][1][name] + parts[1][1][1][name] for name in metrics})

    # Padding that holds what it likes, and rows that hold nothing.
    def pad(x: jax.Array) -> jax.Array:
        filling = jnp.nan if x.dtype == jnp.float32 else 0
        return jnp.pad(x, ((0, 1), (2, 3)), constant_values=filling)

    found, padded = GRADIENT(config, pad(log_probs), _each(tokens, pad))
    np.testing.assert_allclose(found[:-1, 2:-3], gradient, rtol=1e-5, atol=1e-6)
    assert jnp.isfinite(found).all()
    assert not found[-1].any()
    same(padded)

    # Two rows packed into one.
    pack = lambda x: x.reshape(2, -1)  # noqa: E731
    later = jnp.where((jnp.arange(4) % 2 == 1)[:, None] & (tokens.segments > 0), 2, 0)
    packed = dataclasses.replace(tokens, segments=tokens.segments + later)
    found, metrics_packed = GRADIENT(config, pack(log_probs), _each(packed, pack))
    np.testing.assert_allclose(found, pack(gradient), rtol=1e-5, atol=1e-6)
    same(metrics_packed)


def test_a_train_step_does_not_see_how_the_batch_is_cut() -> None:
    log_probs, tokens = _batch(B=6)
    batch = {one.name: getattr(tokens, one.name) for one in dataclasses.fields(tokens)} | {"features": log_probs}

    def loss(params, batch):
        more = dict(batch)
        found = more.pop("features") * params["scale"] + params["shift"]
        return surrogate_loss(CONFIGS[1], found, SurrogateTokens(**more))

    results = []
    for accumulate in (1, 3):
        params = {"scale": jnp.ones(()), "shift": jnp.zeros(())}
        optimizer = optax.sgd(0.1)
        step = jax.jit(make_train_step(loss, optimizer, accumulate))
        results.append(step(TrainState(jnp.zeros((), jnp.int32), params, optimizer.init(params)), batch))
    (one, metrics), (other, again) = results
    assert one.params["scale"] != 1
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=1e-5), (one.params, metrics), (other.params, again))


@pytest.mark.parametrize("config", CONFIGS[2:4])
def test_rows_split_over_devices_and_replicas_change_nothing(config: SurrogateConfig) -> None:
    log_probs, tokens = _batch(B=8)
    expected, sums = GRADIENT(config, log_probs, tokens)

    def added(rows: Any, _: Any) -> Any:
        return surrogate_loss(config, *rows)[1]

    mesh = make_mesh(MeshConfig(data=2, fsdp=4))
    with jax.set_mesh(mesh):
        put = lambda x: jax.device_put(x, named(mesh, "batch", None))  # noqa: E731
        rows = (put(log_probs), _each(tokens, put))
        found, split = GRADIENT(config, *rows)
        parts = jax.jit(lambda rows: sum_of_parts("replica", added, rows))(rows)
        program = GRADIENT.lower(config, *rows).compile().as_text()
    assert "all-reduce" in program
    assert "all-gather" not in program  # completions do not leave their row
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    for name, value in sums.items():
        for other in (split, parts):
            assert float(other[name]) == pytest.approx(float(value), rel=1e-5, abs=1e-5), name


@pytest.mark.parametrize("config", [PLAIN, SurrogateConfig(aggregate="sequence"), SurrogateConfig(ratio_level="sequence")])
def test_the_first_update_is_plain_policy_gradient(config: SurrogateConfig) -> None:
    log_probs, tokens = _batch()
    tokens = SurrogateTokens(tokens.advantages, tokens.mask, tokens.segments)
    gradient, metrics = GRADIENT(config, log_probs, tokens)
    weights = np.asarray(tokens.mask, float)
    if config.aggregate == "sequence":
        for row, segment in ((row, segment) for row in range(4) for segment in (1, 2)):
            where = tokens.segments[row] == segment
            weights[row, where] /= max(weights[row, where].sum(), 1)
    np.testing.assert_allclose(gradient, -weights * tokens.advantages, rtol=1e-5, atol=1e-7)
    assert metrics["ratio/mean"] == pytest.approx(float(metrics["count"]))
    # As with old log-probabilities that are the policy's own.
    again, _ = GRADIENT(config, log_probs, dataclasses.replace(tokens, old=log_probs))
    np.testing.assert_allclose(again, gradient, rtol=1e-6)
