"""Preference and reward losses against TRL's formulas, computed in torch on transformers' own models (`make parity`)."""

from __future__ import annotations

import dataclasses
import pathlib

import jax
import numpy as np
import pytest

import jorney
from jorney.batch.packing import Example, pack
from jorney.batch.pairs import Preference, lay_out
from jorney.convert import hf
from jorney.model import params as parameters
from jorney.train.objectives import dpo
from jorney.train.objectives.dpo import DpoConfig, dpo_loss, preference_log_probs
from jorney.train.objectives.prm import prm_loss

torch = pytest.importorskip("torch", reason="parity with transformers needs torch: make parity")
BETA = 0.3


def _batch(rows) -> dict[str, np.ndarray]:
    return {name: np.stack([rows[row][name] for row in range(len(rows))]) for name in rows[0]}


def _log_prob(model, prompt: tuple[int, ...], completion: tuple[int, ...]):
    """TRL's: the sum over completion tokens, the prompt and what follows masked out."""
    logits = model(torch.tensor([[*prompt, *completion]])).logits[0, :-1].log_softmax(-1)
    targets = torch.tensor([*prompt, *completion][1:])
    return logits[torch.arange(len(targets)), targets][len(prompt) - 1 :].sum()


def _trl(pairs, policy, reference, kind: str, smoothing: float = 0.0):
    """Mean loss, and the rewards of both sides, as DPOTrainer has them."""
    sides = {}
    for side in ("chosen", "rejected"):
        for name, model in (("policy", policy), ("reference", reference)):
            found = torch.stack([_log_prob(model, one.prompt, getattr(one, side)) for one in pairs])
            if kind == "ipo":
                found = found / torch.tensor([len(getattr(one, side)) for one in pairs])
            sides[name, side] = found
    ratios = {side: sides["policy", side] - sides["reference", side] for side in ("chosen", "rejected")}
    logits = ratios["chosen"] - ratios["rejected"]
    if kind == "ipo":
        losses = (logits - 1 / (2 * BETA)) ** 2
    else:
        scaled = BETA * logits
        log_sigmoid = torch.nn.functional.logsigmoid
        losses = -log_sigmoid(scaled) * (1 - smoothing) - log_sigmoid(-scaled) * smoothing
    return losses.mean(), BETA * ratios["chosen"].mean(), BETA * ratios["rejected"].mean()


@pytest.fixture(scope="module")
def two(tiny, mesh1, policy, tmp_path_factory):
    """A policy and a reference, here and in torch. Small steps apart, so that no sigmoid is at its end."""
    import transformers

    config = dataclasses.replace(tiny, vocab_size=512, init_scale=0.1)
    start = parameters.init(config, jax.random.key(0))
    other = jax.tree.map(lambda a, b: a + 0.1 * b, start, parameters.init(config, jax.random.key(1)))
    ours, theirs = [], []
    for params in (other, start):
        folder = tmp_path_factory.mktemp("model")
        hf.save(folder, config, params, policy.tokenizer, np.float32)
        ours.append(jorney.load(str(folder), mesh=mesh1))
        theirs.append(transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False))
    return ours, theirs


@pytest.fixture(scope="module")
def pairs():
    rng = np.random.default_rng(0)
    draw = lambda longest: tuple(rng.integers(3, 512, rng.integers(1, longest)).tolist())  # noqa: E731
    return [Preference(draw(20), draw(40), draw(40)) for _ in range(6)]


def test_log_probs(two, pairs) -> None:
    (policy, _), (model, _) = two
    with torch.no_grad():
        expected = [
            [float(_log_prob(model, one.prompt, getattr(one, side))) for one in pairs] for side in ("chosen", "rejected")
        ]
    found = preference_log_probs(policy.config, policy.params, _batch(lay_out(pairs)))
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-5)


@pytest.mark.parametrize(("kind", "smoothing"), [("sigmoid", 0.0), ("sigmoid", 0.2), ("ipo", 0.0)])
def test_dpo(two, pairs, kind: str, smoothing: float) -> None:
    (policy, reference), models = two
    rows = dpo.with_reference(reference, lay_out(pairs, 8), DpoConfig(batch_pairs=8))
    total, sums = dpo_loss(policy.config, BETA, label_smoothing=smoothing, kind=kind)(policy.params, _batch(rows))
    with torch.no_grad():
        loss, chosen, rejected = map(float, _trl(pairs, *models, kind, smoothing))
    assert float(sums["count"]) == 6
    assert float(total) / 6 == pytest.approx(loss, rel=1e-4)
    assert abs(loss - np.log(2)) > 1e-2  # not a loss that any formula would give
    assert float(sums["chosen_reward"]) / 6 == pytest.approx(chosen, rel=1e-3, abs=1e-4)
    assert float(sums["rejected_reward"]) / 6 == pytest.approx(rejected, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize(("kind", "smoothing"), [("sigmoid", 0.2), ("ipo", 0.0)])
def test_gradient_of_dpo(two, pairs, kind: str, smoothing: float) -> None:
    """Of the final norm's scale, through which everything passes."""
    (policy, reference), models = two
    rows = _batch(dpo.with_reference(reference, lay_out(pairs, 8), DpoConfig(batch_pairs=8)))
    loss_fn = dpo_loss(policy.config, BETA, label_smoothing=smoothing, kind=kind)
    found = jax.grad(lambda params: loss_fn(params, rows)[0] / 6)(policy.params)["final_norm"]
    scale = models[0].model.norm.weight
    (expected,) = torch.autograd.grad(_trl(pairs, *models, kind, smoothing)[0], scale)
    np.testing.assert_allclose(found, expected.numpy(), rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


def test_reward_model_with_hard_labels(tiny, mesh1, policy, tmp_path: pathlib.Path) -> None:
    """PRMTrainer's loss: what a token classification model of transformers computes, positions without a label at -100."""
    import transformers

    config = dataclasses.replace(tiny, vocab_size=512, head="linear", labels=2, head_bias=True)
    params = parameters.init(config, jax.random.key(0))
    params["score"]["out_bias"] = params["score"]["out_bias"] + np.array([0.3, -0.2], np.float32)
    hf.save(tmp_path, config, params, policy.tokenizer, np.float32)
    model = transformers.AutoModelForTokenClassification.from_pretrained(
        tmp_path, dtype=torch.float32, trust_remote_code=False
    ).eval()
    rng = np.random.default_rng(0)
    examples = []
    for length in (30, 12, 21):
        ids = tuple(rng.integers(3, 512, length).tolist())
        places = sorted(rng.choice(length - 1, 4, replace=False).tolist())
        examples.append(Example(ids, labels=tuple((place, float(rng.integers(2))) for place in places)))
    total, sums = prm_loss(config)(params, _batch(pack(examples, 64)))
    ids, labels = torch.zeros((3, 30), dtype=torch.long), torch.full((3, 30), -100)
    mask = torch.zeros((3, 30), dtype=torch.long)
    for row, example in enumerate(examples):
        ids[row, : len(example.tokens)], mask[row, : len(example.tokens)] = torch.tensor(example.tokens), 1
        for place, value in example.labels:
            labels[row, place] = int(value)
    with torch.no_grad():
        expected = float(model(input_ids=ids, attention_mask=mask, labels=labels).loss)
    assert float(sums["count"]) == 12
    assert float(total) / 12 == pytest.approx(expected, rel=1e-5)
