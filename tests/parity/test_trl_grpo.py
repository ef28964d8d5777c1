"""The surrogate against the loss of TRL's own GRPOTrainer, by the gradient of logits (`make parity`, and trl)."""

from __future__ import annotations

import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trl_trainer

from jorney.train.policy_gradient.surrogate import SurrogateConfig, SurrogateTokens, high_entropy, surrogate_loss

torch = pytest.importorskip("torch", reason="parity with TRL needs torch: make parity")
pytest.importorskip("trl", reason="parity with TRL needs trl")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

B, T, V, LONGEST, SEED = 5, 7, 11, 9, 6
AGGREGATES = {"grpo": "sequence", "bnpo": "token", "dapo": "token", "dr_grpo": "constant"}
# TRL's names of settings -> ours.
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "clip-higher": ({"epsilon_high": 0.28}, {"clip_high": 0.28}),
    "delta": ({"delta": 1.3}, {"dual_clip": 1.3}),
    "beta": ({"beta": 0.3, "use_bias_correction_kl": False}, {"beta": 0.3, "kl": "k3"}),
    "beta-unbiased": ({"beta": 0.3, "use_bias_correction_kl": True}, {"beta": 0.3, "kl": "k3_ratio"}),
    "truncate": ({"importance": "token_truncate", "cap": 1.4}, {"importance": "token_truncate", "truncate_ratio": 1.4}),
    "truncate-sequence": (
        {"importance": "sequence_truncate", "cap": 1.4},
        {"importance": "sequence_truncate", "truncate_ratio": 1.4},
    ),
    "mask-tokens": (
        {"importance": "token_mask", "cap": 1.4, "beta": 0.3, "use_bias_correction_kl": False},
        {"importance": "token_mask", "truncate_ratio": 1.4, "count_masked": True, "beta": 0.3, "kl": "k3"},
    ),
    "mask-sequences": (
        {"importance": "sequence_mask", "cap": 1.4, "beta": 0.3, "use_bias_correction_kl": True},
        {"importance": "sequence_mask", "truncate_ratio": 1.4, "count_masked": True, "beta": 0.3, "kl": "k3_ratio"},
    ),
    "entropy": ({"top_entropy_quantile": 0.4, "beta": 0.3}, {"entropy_share": 0.4, "beta": 0.3}),
    "all": (
        {"epsilon_high": 0.28, "delta": 1.3, "beta": 0.1, "importance": "token_truncate", "cap": 2.0},
        {"clip_high": 0.28, "dual_clip": 1.3, "beta": 0.1, "importance": "token_truncate", "truncate_ratio": 2.0},
    ),
}


def _batch(advantages_of_tokens: bool = False) -> dict[str, np.ndarray]:
    """Completions of many lengths; some ratios are beyond every bound, on either side of advantages of either sign."""
    rng = np.random.default_rng(SEED)
    logits = rng.normal(size=(B, T, V)).astype(np.float32)
    ids = rng.integers(0, V, (B, T))
    log_probs = np.take_along_axis(np.asarray(jax.nn.log_softmax(logits)), ids[..., None], -1)[..., 0]
    near = lambda scale: (log_probs + scale * rng.normal(size=(B, T))).astype(np.float32)  # noqa: E731
    advantages = rng.normal(size=(B, T) if advantages_of_tokens else (B, 1)).astype(np.float32)
    mask = (np.arange(T) < np.array([7, 1, 4, 6, 3])[:, None]).astype(np.int64)
    old = near(0.6)
    sampled = (old + 0.5 * rng.normal(size=(B, T))).astype(np.float32)
    return {
        "logits": logits, "ids": ids, "advantages": advantages, "mask": mask, "old": old, "reference": near(0.3),
        "sampled": sampled,
    }  # fmt: skip


def _importance(batch: dict[str, np.ndarray], way: str, cap: float) -> Any:
    return trl_trainer.importance(torch.tensor((batch["old"] - batch["sampled"]) * batch["mask"]), way, cap)


def _theirs(batch: dict[str, np.ndarray], loss_type: str, stated: dict[str, Any]) -> tuple[float, np.ndarray, dict[str, Any]]:
    """Loss, gradient by logits, and metrics, of the method itself on an object that holds its settings alone."""
    from trl import GRPOTrainer

    logits = torch.tensor(batch["logits"], requires_grad=True)
    ids, mask = torch.tensor(batch["ids"]), torch.tensor(batch["mask"])

    def log_probs(*_: Any, **__: Any) -> tuple[Any, Any, None]:
        found = torch.log_softmax(logits, -1)
        entropies = -(found.exp() * found).sum(-1).detach()
        return torch.gather(found, -1, ids[..., None])[..., 0], entropies, None

    trainer = trl_trainer.trainer(loss_type, stated, LONGEST)
    trainer._get_per_token_logps_and_entropies = log_probs
    inputs = {
        "prompt_ids": ids[:, :1],
        "prompt_mask": mask[:, :1],
        "completion_ids": ids,
        "completion_mask": mask,
        "advantages": torch.tensor(batch["advantages"]),
        "old_per_token_logps": torch.tensor(batch["old"]),
        "ref_per_token_logps": torch.tensor(batch["reference"]),
        "num_items_in_batch": mask.sum(),
    }
    if "importance" in stated:
        inputs["importance_sampling_ratio"] = _importance(batch, stated["importance"], stated["cap"])
    loss = GRPOTrainer._compute_loss(trainer, None, inputs)
    loss.backward()
    metrics = {name: value for name, (value,) in trainer._metrics["train"].items()}
    return loss.item(), logits.grad.numpy(), metrics


def _ours(batch: dict[str, np.ndarray], config: SurrogateConfig) -> tuple[float, np.ndarray, dict[str, float]]:
    def mean(logits: jax.Array) -> Any:
        found = jax.nn.log_softmax(logits)
        entropies = jax.lax.stop_gradient(-jnp.sum(jnp.exp(found) * found, axis=-1))
        tokens = SurrogateTokens(
            jnp.broadcast_to(batch["advantages"], (B, T)),
            jnp.asarray(batch["mask"]),
            None,
            *(jnp.asarray(batch[name]) for name in ("old", "reference", "sampled")),
            chosen=jnp.asarray(high_entropy(np.asarray(entropies_of), batch["mask"], config.entropy_share)),
            entropies=entropies,
        )
        total, sums = surrogate_loss(config, jnp.take_along_axis(found, batch["ids"][..., None], -1)[..., 0], tokens)
        return total / sums["count"], {name: value / sums["count"] for name, value in sums.items()}

    found = jax.nn.log_softmax(batch["logits"])
    entropies_of = -jnp.sum(jnp.exp(found) * found, axis=-1)
    (loss, metrics), gradient = jax.value_and_grad(mean, has_aux=True)(jnp.asarray(batch["logits"]))
    return float(loss), np.asarray(gradient), {name: float(value) for name, value in metrics.items()}


def _same(ours: tuple[float, np.ndarray, Any], theirs: tuple[float, np.ndarray, Any]) -> None:
    assert ours[0] == pytest.approx(theirs[0], rel=1e-5, abs=1e-6)
    largest = np.abs(theirs[1]).max()
    assert largest > 1e-3
    np.testing.assert_allclose(ours[1], theirs[1], rtol=0, atol=1e-5 * largest)


@pytest.mark.parametrize(("loss_type", "name"), list(itertools.product(AGGREGATES, SETTINGS)))
@pytest.mark.parametrize("of_tokens", [False, True], ids=["completions", "tokens"])
def test_losses_and_gradients(loss_type: str, name: str, of_tokens: bool) -> None:
    theirs, ours = SETTINGS[name]
    batch = _batch(of_tokens)
    aggregate = AGGREGATES[loss_type]
    config = SurrogateConfig(aggregate=aggregate, max_length=LONGEST if aggregate == "constant" else None, **ours)
    expected, found = _theirs(batch, loss_type, theirs), _ours(batch, config)
    _same(found, expected)
    if aggregate == "token":  # TRL's metrics are means over tokens
        for metric in ("clip_ratio/low_mean", "clip_ratio/high_mean", "clip_ratio/region_mean", "entropy"):
            assert found[2][metric] == pytest.approx(expected[2][metric], rel=1e-5), metric
        assert expected[2]["clip_ratio/low_mean"] > 0
        assert expected[2]["clip_ratio/high_mean"] > 0
        if config.beta and config.kl == "k3":
            assert found[2]["kl"] == pytest.approx(expected[2]["kl"], rel=1e-5)


def test_every_setting_matters() -> None:
    batch = _batch()
    losses = [
        _theirs(batch, loss_type, theirs)[0] for loss_type in ("grpo", "dapo", "dr_grpo") for theirs, _ in SETTINGS.values()
    ]
    assert len({round(loss, 6) for loss in losses}) == len(losses)


def test_sequence_ratios() -> None:
    batch = _batch()
    config = SurrogateConfig(ratio_level="sequence", aggregate="sequence", clip_low=0.05, clip_high=0.06)
    expected = _theirs(batch, "grpo", {"level": "sequence", "epsilon": 0.05, "epsilon_high": 0.06})
    found = _ours(batch, config)
    _same(found, expected)
    assert 0 < expected[2]["clip_ratio/region_mean"] < 1
    assert found[2]["clip_ratio/region_mean"] == pytest.approx(expected[2]["clip_ratio/region_mean"])


def test_cispo() -> None:
    batch = _batch()
    _same(_ours(batch, SurrogateConfig(surrogate="cispo", cispo_cap=1.3)), _theirs(batch, "cispo", {"epsilon_high": 1.3}))


def test_without_masked_tokens_in_the_denominator_it_is_theirs_over_the_share_that_is_kept() -> None:
    batch = _batch()
    stated = {"importance": "token_mask", "cap": 1.4}
    kept = float(((_importance(batch, "token_mask", 1.4).numpy() > 0) * batch["mask"]).sum() / batch["mask"].sum())
    assert 0.5 < kept < 0.95
    loss, gradient, _ = _theirs(batch, "dapo", stated)
    config = SurrogateConfig(importance="token_mask", truncate_ratio=1.4)
    _same(_ours(batch, config), (loss / kept, gradient / kept, None))
