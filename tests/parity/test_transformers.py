"""Against transformers' own models in torch (`make parity`)."""

from __future__ import annotations

import pathlib

import jax
import numpy as np
import pytest

import jorney

torch = pytest.importorskip("torch", reason="parity with transformers needs torch: make parity")


def _transformers(folder: pathlib.Path):
    import transformers

    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, trust_remote_code=False)


def _difference(policy: jorney.Policy, model, tokens: np.ndarray) -> float:
    with torch.no_grad():
        expected = model(torch.tensor(tokens)).logits.numpy()
    return float(np.max(np.abs(np.asarray(jorney.logits(policy, tokens)) - expected)))


@pytest.mark.parametrize("grouped", [True, False])
def test_random_llama(tiny, mesh1, policy: jorney.Policy, tmp_path: pathlib.Path, grouped: bool) -> None:
    """Grouped and full heads, an untied head, another rope base: a wrong transposition or pairing would show."""
    import dataclasses

    from jorney.convert import hf
    from jorney.model import params as parameters

    config = dataclasses.replace(tiny, vocab_size=512, kv_heads=4 if grouped else 8, rope_theta=5e5)
    hf.save(tmp_path, config, parameters.init(config, jax.random.key(3)), policy.tokenizer, np.float32)
    tokens = np.random.default_rng(0).integers(0, 512, (3, 50))
    assert _difference(jorney.load(str(tmp_path), mesh=mesh1), _transformers(tmp_path), tokens) < 1e-4


def test_embedded_model_and_its_greedy_text(policy: jorney.Policy) -> None:
    model = _transformers(pathlib.Path(jorney.__file__).parent / "embedded")
    prompt = "Question:\nExplore 4, 9, 11, 23.\nAnswer:\nLet's think step by step.\n"
    ids = policy.tokenizer.encode_prompt(prompt)
    assert _difference(policy, model, np.array([ids])) < 1e-4
    expected = model.generate(torch.tensor([ids]), max_new_tokens=64, do_sample=False)[0, len(ids) :].tolist()
    assert list(jorney.generate(policy, [prompt], max_tokens=64, temperature=0.0)[0][0].tokens) == expected


def test_saved_policy_loads_in_transformers(policy: jorney.Policy, tmp_path: pathlib.Path) -> None:
    import transformers

    jorney.save(policy, tmp_path, "float32")
    tokens = np.random.default_rng(1).integers(0, 512, (2, 30))
    assert _difference(policy, _transformers(tmp_path), tokens) < 1e-4
    text = "1. 3 * 4 = 12 (left: 5, 9, 12)\n"
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path, trust_remote_code=False)
    assert tokenizer.encode(text) == policy.tokenizer.encode_prompt(text)
