"""An adapter that was trained here gives peft, on torch, the logits that it gives here; and so does what is merged."""

from __future__ import annotations

import dataclasses
import os
import pathlib

import jax
import numpy as np
import pytest

import jorney
from jorney.model import lora
from jorney.model.lora import TARGETS, LoraConfig
from jorney.policy import EMBEDDED, resolve, save

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")  # which peft asks for
TOKENS = np.random.default_rng(0).integers(3, 500, (2, 24))


def adapted(policy, config: LoraConfig):
    trained = lora.init(policy.config, config, policy.params, policy.mesh, 0)
    leaves, structure = jax.tree.flatten(trained)
    drawn = [0.05 * jax.random.normal(jax.random.key(i), leaf.shape) for i, leaf in enumerate(leaves)]
    whole = lora.join(policy.params, jax.tree.unflatten(structure, drawn), config.scale)
    return dataclasses.replace(policy, params=whole, lora=config, base=os.fspath(resolve(EMBEDDED)))


@pytest.mark.parametrize(
    "config",
    [LoraConfig(4, 8.0), LoraConfig(8, 16.0, ("q_proj", "v_proj")), LoraConfig(4, 3.0, TARGETS, rslora=True)],
    ids=["all", "two", "rslora"],
)
def test_peft_has_our_logits(policy, tmp_path: pathlib.Path, config: LoraConfig) -> None:
    ours = adapted(policy, config)
    save(ours, tmp_path / "adapter")
    base = transformers.AutoModelForCausalLM.from_pretrained(resolve(EMBEDDED), dtype=torch.float32, trust_remote_code=False)
    model = peft.PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    with torch.no_grad():
        theirs = model(torch.tensor(TOKENS)).logits.numpy()
    found = np.asarray(jorney.logits(ours, TOKENS))
    np.testing.assert_allclose(found, theirs, atol=1e-4)
    with torch.no_grad():
        merged = model.merge_and_unload()(torch.tensor(TOKENS)).logits.numpy()
    np.testing.assert_allclose(found, merged, atol=1e-4)


def test_what_peft_writes_again_is_byte_equal(policy, tmp_path: pathlib.Path) -> None:
    save(adapted(policy, LoraConfig(4)), tmp_path / "ours")
    base = transformers.AutoModelForCausalLM.from_pretrained(resolve(EMBEDDED), dtype=torch.float32, trust_remote_code=False)
    peft.PeftModel.from_pretrained(base, tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    ours, theirs = ((tmp_path / name / "adapter_model.safetensors").read_bytes() for name in ("ours", "theirs"))
    assert ours == theirs
