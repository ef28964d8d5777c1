"""Losses and gradients against TRL's own trainers, on random models of transformers (`make parity`, and trl)."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

import jax
import numpy as np
import pytest
import transformers
from datasets import Dataset

import jorney
from jorney.batch.packing import Example, pack
from jorney.batch.pairs import Preference, lay_out
from jorney.convert.hf import expected_tensors
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.model import params as parameters
from jorney.text.step_format import ABEL
from jorney.train.objectives import dpo
from jorney.train.objectives.dpo import DpoConfig, dpo_loss
from jorney.train.objectives.sft import sft_loss

torch = pytest.importorskip("torch", reason="parity with TRL needs torch: make parity")
trl = pytest.importorskip("trl", reason="parity with TRL needs trl")

# Theirs, of one library at another.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")

EMBEDDED = pathlib.Path(jorney.__file__).parent / "embedded"
BETA, PAIRS = 0.1, 6


def _model(seed: int, tied: bool) -> Any:
    """Three layers, grouped heads; norms moved from 1, where their gradients would not depend on them."""
    torch.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=512,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        initializer_range=0.1,
        tie_word_embeddings=tied,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
        dtype="float32",
    )
    model = transformers.LlamaForCausalLM(config)
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim == 1:
                value += 0.2 * torch.randn(value.shape)
    return model


def _load(model: Any, folder: pathlib.Path, mesh: jax.sharding.Mesh) -> jorney.Policy:
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(EMBEDDED / name, folder / name)
    return jorney.load(str(folder), mesh=mesh)


@pytest.fixture(scope="module", params=[False, True], ids=["untied", "tied"])
def models(request, mesh1, tmp_path_factory) -> tuple[tuple[Any, Any], tuple[jorney.Policy, jorney.Policy]]:
    """A policy and a reference, a small step apart; TRL's and ours."""
    policy, reference = _model(0, request.param), _model(0, request.param)
    with torch.no_grad():
        for value, other in zip(policy.parameters(), _model(1, request.param).parameters(), strict=True):
            value += 0.3 * other
    folders = [tmp_path_factory.mktemp(name) for name in ("policy", "reference")]
    ours = _load(policy, folders[0], mesh1), _load(reference, folders[1], mesh1)
    assert ours[0].config.tie_embeddings == request.param
    return (policy, reference), ours


def _texts() -> list[tuple[str, str, str]]:
    """Prompts of many lengths, each with two completions of many lengths."""
    found = []
    for count, problem in enumerate(sample_problems(Countdown(), "train", PAIRS, seed=0)):
        prompt, lines = "Another one.\n" * (count % 3) + ABEL.ask(problem.question), problem.solution.splitlines(True)
        wrong = "So that is not it: go back.\n" * (count % 4) + "1. 2 + 3 = 5\n"
        found.append((prompt, "".join(lines[: 1 + count % 3]), wrong))
    return found


SETTINGS = {
    "report_to": "none",
    "use_cpu": True,
    "bf16": False,
    "gradient_checkpointing": False,
    "max_length": None,
    "disable_tqdm": True,
    "dataloader_pin_memory": False,
}


def _trainer(kind: str, models: tuple[Any, ...], rows: list[dict[str, str]], folder: pathlib.Path, **stated: Any) -> Any:
    config = getattr(trl, kind + "Config")(output_dir=str(folder), **SETTINGS, **stated)
    tokenizer = transformers.AutoTokenizer.from_pretrained(EMBEDDED, trust_remote_code=False)
    extra = {"ref_model": models[1]} if len(models) > 1 else {}
    return getattr(trl, kind + "Trainer")(
        model=models[0], args=config, train_dataset=Dataset.from_list(rows), processing_class=tokenizer, **extra
    )


def _losses(trainer: Any) -> tuple[float, dict[str, np.ndarray]]:
    """Mean of compute_loss over the trainer's batches, and its gradient by Hugging Face's names."""
    model = trainer.model.train()
    model.zero_grad()
    batches = list(trainer.get_train_dataloader())
    total = sum(trainer.compute_loss(model, batch) for batch in batches) / len(batches)
    total.backward()
    found = {name: value.grad.numpy().copy() for name, value in model.named_parameters()}
    model.zero_grad()
    return total.item(), found


def _by_hf_names(config: Any, gradient: parameters.Params) -> dict[str, np.ndarray]:
    leaves = {path: np.asarray(leaf) for path, leaf in parameters.flatten(gradient)}
    return {
        name: row.to_hf(leaves[row.path][layer] if row.stacked else leaves[row.path])
        for name, row, layer in expected_tensors(config)
    }


def _same(config: Any, ours: tuple[Any, parameters.Params], theirs: tuple[float, dict[str, np.ndarray]]) -> None:
    """Losses within 1e-5 of their size, gradients within 1e-5 of each tensor's largest entry."""
    assert float(ours[0]) == pytest.approx(theirs[0], rel=1e-5)
    found = _by_hf_names(config, ours[1])
    assert found.keys() == theirs[1].keys()
    for name, expected in theirs[1].items():
        largest = float(np.abs(expected).max())
        assert largest > 1e-4, name
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-5 * largest, err_msg=name)


def _batch(rows: Any) -> dict[str, np.ndarray]:
    return {name: np.stack([rows[row][name] for row in range(len(rows))]) for name in rows[0]}


def _mean(loss_fn: Any, params: parameters.Params, batch: dict[str, np.ndarray]) -> tuple[jax.Array, parameters.Params]:
    def mean(p: parameters.Params) -> jax.Array:
        total, sums = loss_fn(p, batch)
        return total / sums["count"]

    return jax.jit(jax.value_and_grad(mean))(params)


@pytest.mark.parametrize("completion_only", [True, False])
def test_fine_tuning_on_packed_rows_is_trls_on_padded_ones(models, completion_only: bool, tmp_path: pathlib.Path) -> None:
    (model, _), (policy, _) = models
    rows = [{"prompt": prompt, "completion": completion} for prompt, completion, _ in _texts()]
    trainer = _trainer(
        "SFT",
        (model,),
        rows,
        tmp_path,
        per_device_train_batch_size=PAIRS,
        completion_only_loss=completion_only,
    )
    examples = []
    for row in trainer.train_dataset:
        silent = sum(label == -100 for label in row["labels"])
        assert row["input_ids"][-1] == policy.tokenizer.eos
        assert row["labels"][silent:] == row["input_ids"][silent:]
        examples.append(Example(tuple(row["input_ids"]), prompt=silent))
    assert len({len(example.tokens) for example in examples}) > 2
    assert (min(example.prompt for example in examples) > 0) == completion_only
    packed = pack(examples, 2 * max(len(example.tokens) for example in examples))
    assert len(packed) < len(examples)
    _same(policy.config, _mean(sft_loss(policy.config, head_chunk=32), policy.params, _batch(packed)), _losses(trainer))


# TRL's "sigmoid" knows no label smoothing. Its "aot_unpaired" is the smoothed sigmoid of the two sides' sorted ratios: of one
# pair a batch, where nothing is sorted, the very formula.
# "sft" is a mean over all tokens of a batch: of one pair a batch, the mean over its chosen completion.
@pytest.mark.parametrize(
    ("settings", "theirs", "weights", "batch_pairs"),
    [
        ({}, ["sigmoid"], None, PAIRS),
        ({}, ["sigmoid"], None, 2),
        ({"label_smoothing": 0.2}, ["aot_unpaired"], None, 1),
        ({"kind": "ipo"}, ["ipo"], None, PAIRS),
        ({"nll": 0.7}, ["sigmoid", "sft"], [1.0, 0.7], 1),
        ({"kind": "ipo", "nll": 0.3}, ["ipo", "sft"], [1.0, 0.3], 1),
        ({"label_smoothing": 0.2, "nll": 0.7}, ["aot_unpaired", "sft"], [1.0, 0.7], 1),
        ({"length_normalise": True}, ["sigmoid_norm"], None, PAIRS),
    ],
)
def test_preferences(
    models, settings: dict[str, Any], theirs: list[str], weights: list[float] | None, batch_pairs: int, tmp_path: pathlib.Path
) -> None:
    smoothing = settings.get("label_smoothing", 0.0)
    torch_models, (policy, reference) = models
    rows = [{"prompt": prompt, "chosen": chosen, "rejected": rejected} for prompt, chosen, rejected in _texts()]
    trainer = _trainer(
        "DPO",
        torch_models,
        rows,
        tmp_path,
        per_device_train_batch_size=batch_pairs,
        precompute_ref_log_probs=True,
        loss_type=theirs,
        loss_weights=weights,
        label_smoothing=smoothing,
        beta=BETA,
    )
    made = list(trainer.train_dataset)
    pairs = [Preference(*(tuple(row[f"{name}_ids"]) for name in ("prompt", "chosen", "rejected"))) for row in made]
    assert all(len({len(getattr(one, side)) for one in pairs}) > 2 for side in ("prompt", "chosen", "rejected"))
    laid_out = dpo.with_reference(reference, lay_out(pairs, 4), DpoConfig(batch_pairs=4))
    assert len(laid_out) == 8  # two rows that only fill the batch
    for side in ("chosen", "rejected"):
        expected = [row[f"ref_{side}_logps"] for row in made]
        np.testing.assert_allclose(getattr(laid_out, f"reference_{side}")[:PAIRS], expected, rtol=1e-5)
    loss_fn = dpo_loss(policy.config, BETA, head_chunk=32, **settings)
    expected = _losses(trainer)
    assert abs(expected[0] - np.log(2)) > 2e-3  # not a loss that any formula would give
    _same(policy.config, _mean(loss_fn, policy.params, _batch(laid_out)), expected)


def test_robust_preferences_are_conservative_ones_without_their_bias(models, tmp_path: pathlib.Path) -> None:
    """TRL's "robust" turns the same share e of the pairs round, and takes away what that adds.

    (1 - e) of the loss less e of the loss turned round, over 1 - 2 e: two of ours, smoothed by e and by nothing, give it.
    """
    torch_models, (policy, reference) = models
    rows = [{"prompt": prompt, "chosen": chosen, "rejected": rejected} for prompt, chosen, rejected in _texts()]
    share = 0.2
    settings = {"per_device_train_batch_size": PAIRS, "precompute_ref_log_probs": True, "beta": BETA}
    trainer = _trainer("DPO", torch_models, rows, tmp_path, loss_type=["robust"], label_smoothing=share, **settings)
    made = list(trainer.train_dataset)
    pairs = [Preference(*(tuple(row[f"{name}_ids"]) for name in ("prompt", "chosen", "rejected"))) for row in made]
    batch = _batch(dpo.with_reference(reference, lay_out(pairs, PAIRS), DpoConfig(batch_pairs=PAIRS)))
    plain, smoothed = (dpo_loss(policy.config, BETA, head_chunk=32, label_smoothing=e) for e in (0.0, share))

    def robust(params: parameters.Params, batch: dict[str, np.ndarray]) -> Any:
        (whole, sums), (part, _) = plain(params, batch), smoothed(params, batch)
        turned = (part - (1 - share) * whole) / share
        return ((1 - share) * whole - share * turned) / (1 - 2 * share), sums

    _same(policy.config, _mean(robust, policy.params, batch), _losses(trainer))
