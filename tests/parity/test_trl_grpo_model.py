"""GRPO's loss and its gradients by a model's parameters, through rows of groups, against TRL's own on transformers' model.

`make parity`, and trl. TRL reads each completion in a row of its own, padded; here a group is one row.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trl_trainer

import jorney
from jorney.batch.groups import Group, Trajectory, lay_out_groups
from jorney.convert import hf
from jorney.model import params as parameters
from jorney.train.objectives.grpo import GrpoConfig, completion_log_probs, grpo_loss
from jorney.train.policy_gradient.surrogate import high_entropy

torch = pytest.importorskip("torch", reason="parity with TRL needs torch: make parity")
pytest.importorskip("trl", reason="parity with TRL needs trl")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

LONGEST, VOCABULARY = 16, 512
AGGREGATES = {"grpo": "sequence", "bnpo": "token", "dapo": "token", "dr_grpo": "constant"}
# TRL's names of settings -> ours.
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "first": ({"first": True}, {}),
    "clips": ({"epsilon_high": 0.28, "delta": 1.3}, {"clip_high": 0.28, "dual_clip": 1.3}),
    "beta": ({"beta": 0.3, "use_bias_correction_kl": False}, {"beta": 0.3, "kl": "k3"}),
    "all": (
        {"epsilon_high": 0.28, "delta": 1.3, "beta": 0.1, "importance": "token_truncate", "cap": 1.2},
        {"clip_high": 0.28, "dual_clip": 1.3, "beta": 0.1, "importance": "token_truncate", "truncate_ratio": 1.2},
    ),
    "masked": (
        {"importance": "sequence_mask", "cap": 1.4, "beta": 0.3},
        {"importance": "sequence_mask", "truncate_ratio": 1.4, "count_masked": True, "beta": 0.3},
    ),
    "entropy": ({"top_entropy_quantile": 0.4}, {"entropy_share": 0.4}),
    "heat": ({"temperature": 0.7, "beta": 0.1}, {"temperature": 0.7, "beta": 0.1}),
}


@pytest.fixture(scope="module")
def both(tiny, mesh1, policy, tmp_path_factory):
    """One model, here and in torch."""
    import transformers

    config = dataclasses.replace(tiny, vocab_size=VOCABULARY, init_scale=0.1)
    folder = tmp_path_factory.mktemp("model")
    hf.save(folder, config, parameters.init(config, jax.random.key(0)), policy.tokenizer, np.float32)

    @functools.cache
    def theirs(temperature: float) -> Any:
        from trl.trainer.utils import add_fused_lm_head

        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)
        add_fused_lm_head(model, temperature=temperature, outputs=("log_probs", "entropy"))
        return model

    return jorney.load(str(folder), mesh=mesh1), theirs


@functools.cache
def _groups() -> tuple[Group, ...]:
    """Two prompts of three completions; log-probabilities are of nothing yet."""
    rng = np.random.default_rng(0)

    def one() -> Trajectory:
        count = int(rng.integers(2, 13))
        near = {name: rng.normal(0, 0.3, count).astype(np.float32) for name in ("sampled", "old", "reference")}
        return Trajectory(tuple(rng.integers(3, VOCABULARY, count).tolist()), np.full(count, rng.normal(), np.float32), **near)

    prompts = [tuple(rng.integers(3, VOCABULARY, count).tolist()) for count in (4, 9)]
    return tuple(Group(prompt, (one(), one(), one())) for prompt in prompts)


def _padded(values: list[Any], left: bool = False) -> np.ndarray:
    """[N, longest], zeros beside."""
    width = max(map(len, values))
    return np.stack([np.pad(np.asarray(x), ((width - len(x), 0) if left else (0, width - len(x)))) for x in values])


def _theirs(model: Any, groups: Any, loss_type: str, stated: dict[str, Any]) -> tuple[float, dict[str, np.ndarray]]:
    """Loss, and gradients by the names of the parameters."""
    from trl import GRPOTrainer

    flat = [(group.prompt, one) for group in groups for one in group.completions]
    prompts, completions = _padded([prompt for prompt, _ in flat], left=True), _padded([one.tokens for _, one in flat])
    mask = _padded([np.ones(len(one.tokens), np.int64) for _, one in flat])
    inputs = {
        "prompt_ids": torch.tensor(prompts),
        "prompt_mask": torch.tensor((prompts > 0).astype(np.int64)),
        "completion_ids": torch.tensor(completions),
        "completion_mask": torch.tensor(mask),
        "advantages": torch.tensor([float(one.advantages[0]) for _, one in flat]),
        "num_items_in_batch": torch.tensor(mask.sum()),
        "ref_per_token_logps": torch.tensor(_padded([one.reference for _, one in flat])),
    }
    old = torch.tensor(_padded([one.old for _, one in flat]))
    if "first" not in stated:
        inputs["old_per_token_logps"] = old
    if "importance" in stated:
        gap = old - torch.tensor(_padded([one.sampled for _, one in flat]))
        inputs["importance_sampling_ratio"] = trl_trainer.importance(gap, stated["importance"], stated["cap"])
    model.zero_grad()
    loss = GRPOTrainer._compute_loss(trl_trainer.trainer(loss_type, stated, LONGEST), model, inputs)
    loss.backward()
    return loss.item(), {name: one.grad.numpy().copy() for name, one in model.named_parameters()}


def _ours(policy: Any, groups: Any, config: GrpoConfig, first: bool) -> tuple[float, dict[str, np.ndarray]]:
    """The same, gradients by the parameter table under transformers' names."""
    model = policy.config
    rows = lay_out_groups(groups, 3)
    if first:
        rows = dataclasses.replace(rows, old=None)
    if config.entropy_share < 1:
        how = {"temperature": config.temperature, "entropies": True}
        entropies = np.asarray(completion_log_probs(model, policy.params, rows.arrays, **how)[1])
        rows = dataclasses.replace(rows, chosen=high_entropy(entropies, rows.segments, config.entropy_share))
    loss_fn = grpo_loss(model, config.surrogate_config, head_chunk=16, temperature=config.temperature)

    def mean(params: Any) -> jax.Array:
        total, sums = loss_fn(params, {name: jnp.asarray(value) for name, value in rows.arrays.items()})
        return total / sums["count"]

    loss, gradient = jax.jit(jax.value_and_grad(mean))(policy.params)
    flat = dict(parameters.flatten(gradient))
    found = {}
    for name, row, layer in hf.expected_tensors(model):
        value = np.asarray(flat[row.path] if row.path in flat else flat["/".join(row.path)])
        found[name] = row.to_hf(value[layer] if row.stacked else value)
    return float(loss), found


@pytest.mark.parametrize(("loss_type", "name"), list(itertools.product(AGGREGATES, SETTINGS)))
def test_losses_and_gradients_of_parameters(both, loss_type: str, name: str) -> None:
    policy, theirs = both
    stated, changes = SETTINGS[name]
    config = GrpoConfig(aggregate=AGGREGATES[loss_type], completion_length=LONGEST, group=3, questions=2, **changes)
    # Log-probabilities near the policy's own: some ratios are within the bounds, some beyond each.
    rows = lay_out_groups(_groups(), 3)
    own = rows.per_completion(
        np.asarray(completion_log_probs(policy.config, policy.params, rows.arrays, temperature=config.temperature)[0])
    )
    groups = [
        dataclasses.replace(
            group,
            completions=tuple(
                dataclasses.replace(one, **{field: getattr(one, field) + found for field in ("sampled", "old", "reference")})
                for one, found in zip(group.completions, log_probs, strict=True)
            ),
        )
        for group, log_probs in zip(_groups(), own, strict=True)
    ]
    loss, gradient = _ours(policy, groups, config, name == "first")
    expected, expected_gradient = _theirs(theirs(config.temperature), groups, loss_type, stated)
    assert loss == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert gradient.keys() == expected_gradient.keys()
    for tensor, value in expected_gradient.items():
        largest = np.abs(value).max()
        assert largest > 1e-5, tensor
        np.testing.assert_allclose(gradient[tensor], value, rtol=0, atol=1e-5 * largest, err_msg=tensor)
