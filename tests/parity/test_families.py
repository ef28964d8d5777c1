"""Every family and head against transformers' own classes in torch: random models that it made and saved (`make parity`)."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
from typing import Any

import jax
import numpy as np
import pytest
import safetensors.numpy
import transformers

import jorney
from jorney.convert import config_json
from jorney.model import transformer

torch = pytest.importorskip("torch", reason="parity with transformers needs torch: make parity")

EMBEDDED = pathlib.Path(jorney.__file__).parent / "embedded"
LENGTH, NEW = 60, 24
PROMPTS = ["1. ", "Question:\nMake 24 from 3, 5, 7.\n", "So 3 * 4 = 12, and 12 + 9 = 21 is not 24: go back, and try 9 - 3 = 6."]

BASE = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
# Wavelengths of 6, 20, 63, … tokens: after a pre-training on 16, those under 6.4 are kept, those above 32 are slowed, and the
# second lies between.
LLAMA3 = {"rope_type": "llama3", "factor": 4.0, "low_freq_factor": 0.5, "high_freq_factor": 2.5, "rope_theta": 1e4}
SLIDES = {"use_sliding_window": True, "max_window_layers": 0}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "llama-grouped": ("Llama", {}),
    "llama-full": ("Llama", {"num_key_value_heads": 8}),
    "llama-tied": ("Llama", {"tie_word_embeddings": True}),
    "llama-head_dim": ("Llama", {"head_dim": 16, "rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}),
    "llama-linear": ("Llama", {"rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 1e4}}),
    "llama-llama3": ("Llama", {"head_dim": 16, "rope_parameters": {**LLAMA3, "original_max_position_embeddings": 16}}),
    "mistral-window": ("Mistral", {"sliding_window": 16}),
    "mistral-whole": ("Mistral", {"sliding_window": None}),
    "qwen2-whole": ("Qwen2", {"sliding_window": 16}),  # stated, and off
    "qwen2-window": ("Qwen2", {"sliding_window": 16, **SLIDES}),
    "qwen2-tied": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen3-whole": ("Qwen3", {"head_dim": 16}),
    "qwen3-window": ("Qwen3", {"head_dim": 16, "sliding_window": 16, **SLIDES}),
    "qwen3-tied": ("Qwen3", {"head_dim": 8, "tie_word_embeddings": True}),
}
# What must show in the logits when it is left out.
DETAILS = {"linear": {"rope_scaling": None}, "llama3": {"rope_scaling": None}, "window": {"window": None}}


def make(name: str, suffix: str, **stated: Any) -> Any:
    """A random model of transformers. Norms start at 1 and biases at 0, where neither would show: they are moved."""
    torch.manual_seed(0)
    kind, fields = CASES[name]
    config = getattr(transformers, kind + "Config")(**{**BASE, **fields, **stated})
    model = getattr(transformers, kind + suffix)(config)
    shake(model)
    return model.eval()


def shake(model: Any) -> None:
    with torch.no_grad():
        for value in model.parameters():
            if value.ndim == 1:
                value += 0.3 * torch.randn(value.shape)


def add_tokenizer(folder: pathlib.Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(EMBEDDED / name, folder / name)


def saved(model: Any, folder: pathlib.Path) -> pathlib.Path:
    model.save_pretrained(folder)
    add_tokenizer(folder)
    return folder


def old_spelling(fields: dict[str, Any]) -> dict[str, Any]:
    """A config.json as transformers 4 wrote it."""
    old = dict(fields)
    rope = dict(old.pop("rope_parameters"))
    old["rope_theta"], kind = rope.pop("rope_theta"), rope.pop("rope_type")
    old["rope_scaling"] = None if kind == "default" else {"type": kind, **rope}
    old["torch_dtype"] = old.pop("dtype")
    old.pop("layer_types", None)
    return old


def random_tokens(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(3, 512, (3, LENGTH))


def run(model: Any, tokens: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        found = model(torch.tensor(tokens))
    return (found if torch.is_tensor(found) else found.logits).float().numpy()


def difference(found: Any, expected: np.ndarray) -> float:
    assert found.shape == expected.shape
    return float(np.max(np.abs(np.asarray(found) - expected)))


def greedy(model: Any, ids: list[int]) -> list[int]:
    made = model.generate(torch.tensor([ids]), max_new_tokens=NEW, do_sample=False)
    return made[0, len(ids) :].tolist()


def same_weights(folder: pathlib.Path, again: pathlib.Path) -> None:
    first, second = (safetensors.numpy.load_file(where / "model.safetensors") for where in (folder, again))
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert value.dtype == second[name].dtype == np.float32
        assert value.tobytes() == second[name].tobytes(), name


@pytest.mark.parametrize("name", CASES)
def test_language_models(name: str, mesh1, tmp_path: pathlib.Path) -> None:
    model, tokens = make(name, "ForCausalLM"), random_tokens()
    folder = saved(model, tmp_path / "model")
    policy = jorney.load(str(folder), mesh=mesh1)
    expected = run(model, tokens)
    assert difference(jorney.logits(policy, tokens), expected) <= 1e-4

    # The test sees what it is about.
    for part, without in DETAILS.items():
        if name.endswith(part):
            plain = transformer.logits(dataclasses.replace(policy.config, **without), policy.params, tokens)
            assert difference(plain, expected) > 0.1

    # The same in the spelling of transformers 4.
    fields = json.loads((folder / "config.json").read_text())
    assert "rope_parameters" in fields
    assert config_json.from_hf(old_spelling(fields)) == policy.config

    # The engine: prompts within the window, beyond it, and completions that cross its edge.
    completions = jorney.generate(policy, PROMPTS, max_tokens=NEW, temperature=0.0)
    for prompt, (completion,) in zip(PROMPTS, completions, strict=True):
        assert list(completion.tokens) == greedy(model, policy.tokenizer.encode_prompt(prompt))
    lengths = [len(policy.tokenizer.encode_prompt(prompt)) for prompt in PROMPTS]
    assert lengths[0] < 16 < lengths[2]
    assert lengths[0] + len(completions[0][0].tokens) > 16

    # Back again.
    jorney.save(policy, tmp_path / "again", "float32")
    same_weights(folder, tmp_path / "again")
    again = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "again", dtype=torch.float32, trust_remote_code=False)
    assert type(again) is type(model)
    assert difference(run(again, tokens), expected) <= 1e-5


@pytest.mark.parametrize("labels", [1, 3])
@pytest.mark.parametrize("name", ["llama-llama3", "mistral-window", "qwen2-window", "qwen3-whole"])
def test_sequence_classifiers(name: str, labels: int, mesh1, tmp_path: pathlib.Path) -> None:
    """Reward models: their value is the one at the last token."""
    model, tokens = make(name, "ForSequenceClassification", num_labels=labels), random_tokens(1)
    folder = saved(model, tmp_path / "model")
    policy = jorney.load(str(folder), mesh=mesh1)
    expected = run(model, tokens)
    found = jorney.logits(policy, tokens)
    assert found.shape == (3, LENGTH, labels)
    assert difference(found[:, -1], expected) <= 1e-4
    jorney.save(policy, tmp_path / "again", "float32")
    same_weights(folder, tmp_path / "again")
    again = transformers.AutoModelForSequenceClassification.from_pretrained(
        tmp_path / "again", dtype=torch.float32, trust_remote_code=False
    )
    assert difference(run(again, tokens), expected) <= 1e-5
    with pytest.raises(ValueError, match="has the head 'linear': expected a language model"):
        jorney.generate(policy, PROMPTS)


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.parametrize("name", ["llama-linear", "mistral-window", "qwen2-whole", "qwen3-window"])
def test_token_classifiers(name: str, labels: int, mesh1, tmp_path: pathlib.Path) -> None:
    """Process reward models as TRL trains them: values at every token, with a bias."""
    model, tokens = make(name, "ForTokenClassification", num_labels=labels), random_tokens(2)
    folder = saved(model, tmp_path / "model")
    policy = jorney.load(str(folder), mesh=mesh1)
    expected = run(model, tokens)
    assert expected.shape == (3, LENGTH, labels)
    assert difference(jorney.logits(policy, tokens), expected) <= 1e-4
    jorney.save(policy, tmp_path / "again", "float32")
    same_weights(folder, tmp_path / "again")
    again = transformers.AutoModelForTokenClassification.from_pretrained(
        tmp_path / "again", dtype=torch.float32, trust_remote_code=False
    )
    assert difference(run(again, tokens), expected) <= 1e-5


class ProcessRewardModel(torch.nn.Module):
    """Qwen2.5-Math-PRM as its folder's own code has it."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        D = config.hidden_size
        self.model = transformers.Qwen2Model(config)
        self.score = torch.nn.Sequential(torch.nn.Linear(D, D), torch.nn.ReLU(), torch.nn.Linear(D, 2))

    def forward(self, tokens: Any) -> Any:
        return self.score(self.model(tokens).last_hidden_state)


def test_qwens_process_reward_model(mesh1, tmp_path: pathlib.Path) -> None:
    torch.manual_seed(0)
    config = transformers.Qwen2Config(**BASE, sliding_window=16)
    model, tokens = ProcessRewardModel(config).eval(), random_tokens(3)
    shake(model)
    folder = tmp_path / "model"
    folder.mkdir()
    add_tokenizer(folder)
    weights = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    assert {name for name in weights if not name.startswith("model.")} == {
        f"score.{layer}.{part}" for layer in (0, 2) for part in ("weight", "bias")
    }
    # The published folder keeps the head of the language model that it was trained from.
    left_behind = {"lm_head.weight": np.zeros((512, 64), np.float32)}
    safetensors.numpy.save_file({**weights, **left_behind}, folder / "model.safetensors")
    fields = {**json.loads(config.to_json_string()), "architectures": ["Qwen2ForProcessRewardModel"], "dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(fields))

    policy = jorney.load(str(folder), mesh=mesh1)
    expected = run(model, tokens)
    assert difference(jorney.logits(policy, tokens), expected) <= 1e-4
    assert config_json.from_hf(old_spelling(fields)) == policy.config

    jorney.save(policy, tmp_path / "again", "float32")
    written = safetensors.numpy.load_file(tmp_path / "again" / "model.safetensors")
    assert written.keys() == weights.keys()
    assert all(written[name].tobytes() == value.tobytes() for name, value in weights.items())
    assert config_json.read(tmp_path / "again")[0] == policy.config


@pytest.mark.parametrize("name", ["llama-llama3", "mistral-window", "qwen2-window", "qwen3-window"])
def test_bfloat16_is_as_close_to_float32_as_theirs(name: str, mesh1, tmp_path: pathlib.Path) -> None:
    """Both round at every step, not at the same places: the mean error is held to theirs, and to 3% of the logits' spread."""
    model, tokens = make(name, "ForCausalLM"), random_tokens(4)
    folder = saved(model, tmp_path)
    exact = run(model, tokens)
    theirs = np.mean(np.abs(run(model.to(torch.bfloat16), tokens) - exact))
    policy = jorney.load(str(folder), mesh=mesh1, dtype=jax.numpy.bfloat16)
    ours = np.mean(np.abs(np.asarray(jorney.logits(policy, tokens)) - exact))
    assert ours < 1.2 * theirs
    assert ours < 0.03 * np.std(exact)
