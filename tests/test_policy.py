from __future__ import annotations

import json
import os
import pathlib
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from memory_store import memory_root

import jorney
from jorney import sharding, storage
from jorney.policy import resolve

EMBEDDED = pathlib.Path(jorney.__file__).parent / "embedded"


@pytest.fixture
def folder(tmp_path: pathlib.Path) -> pathlib.Path:
    shutil.copytree(EMBEDDED, tmp_path / "model")
    return tmp_path / "model"


def _edit(file: pathlib.Path, **fields: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | fields))


def test_the_embedded_model_is_small() -> None:
    assert sum(file.stat().st_size for file in EMBEDDED.iterdir()) < 4_000_000
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= set(os.listdir(EMBEDDED))


def test_numbers_and_marks_of_the_task_are_single_tokens(policy: jorney.Policy) -> None:
    for text in (
        *(f" {n}" for n in range(1, 100) if n != 95),
        " (left:",
        ")\n",
        "Question:\n",
        "Answer:\n",
        "####",
        "Go",
        "Wait",
        "So",
        "But",
    ):
        assert len(policy.tokenizer.encode(text)) == 1, text


def test_dtype_of_parameters(mesh1) -> None:
    policy = jorney.load(mesh=mesh1, dtype=jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves(policy.params)} == {jnp.dtype(jnp.bfloat16)}
    mixed = jorney.load(mesh=mesh1, dtype=jnp.bfloat16, param_dtype=jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(mixed.params)} == {jnp.dtype(jnp.float32)}


def test_logits_on_eight_devices_equal_one(policy: jorney.Policy) -> None:
    split = jorney.load(mesh=sharding.MeshConfig(data=2, fsdp=2, tensor=2))
    tokens = jnp.arange(64).reshape(4, 16) + 10
    np.testing.assert_allclose(np.asarray(jorney.logits(split, tokens)), np.asarray(jorney.logits(policy, tokens)), atol=5e-5)


def test_a_tokenizer_larger_than_the_model_is_refused(folder: pathlib.Path, mesh1) -> None:
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": 512, "content": "<|more|>"})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ValueError, match="the tokenizer has 513 tokens, more than vocab_size = 512"):
        jorney.load(str(folder), mesh=mesh1)


def test_missing_files_are_named(folder: pathlib.Path, mesh1) -> None:
    (folder / "tokenizer.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"tokenizer\.json: no such file"):
        jorney.load(str(folder), mesh=mesh1)
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"config\.json: no such file"):
        jorney.load(str(folder), mesh=mesh1)


def test_broken_config_is_named(folder: pathlib.Path, mesh1) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(ValueError, match=r"config\.json: line 1: expected JSON"):
        jorney.load(str(folder), mesh=mesh1)


def test_unsupported_architecture_is_named(folder: pathlib.Path, mesh1) -> None:
    _edit(folder / "config.json", architectures=["MambaForCausalLM"], model_type="mamba")
    with pytest.raises(ValueError, match="architectures = .*MambaForCausalLM"):
        jorney.load(str(folder), mesh=mesh1)


@pytest.mark.parametrize("name", ["/no/where", "./x", "one", "a/b/c"])
def test_wrong_paths_are_explained(name: str) -> None:
    with pytest.raises(FileNotFoundError, match="no such folder"):
        resolve(name)


def test_paths_resolve(folder: pathlib.Path) -> None:
    assert resolve(str(folder)) == str(folder)
    assert resolve("embedded") == str(EMBEDDED)


def test_a_training_s_output_is_the_model_in_it(tmp_path: pathlib.Path) -> None:
    """On a disk and in a store alike: by OUTPUT/sft, by the stage's folder, by the model's."""
    for root in (str(tmp_path), memory_root()):
        with pytest.raises(FileNotFoundError, match="sft: no such folder"):
            resolve(f"{root}/sft")
        storage.write_text(f"{root}/stages/sft-1/model/config.json", "{}")
        storage.link(f"{root}/sft", "stages/sft-1")
        real = {f"{root}/stages/sft-1/model", f"{root}/sft/model"}
        assert {resolve(f"{root}/sft"), resolve(f"{root}/stages/sft-1"), resolve(f"{root}/sft/model")} <= real


def test_from_a_store(policy: jorney.Policy, mesh1) -> None:
    """A folder of a bucket loads as one of a disk does."""
    root = storage.path(memory_root())
    for file in EMBEDDED.iterdir():
        storage.write_bytes(root / file.name, file.read_bytes())
    found = jorney.load(os.fspath(root), mesh=mesh1)
    jax.tree.map(np.testing.assert_array_equal, policy.params, found.params)
    assert found.tokenizer.encode("1. 3 * 4") == policy.tokenizer.encode("1. 3 * 4")
    jorney.save(found, root / "again")
    assert (root / "again" / "model.safetensors").stat().length == (EMBEDDED / "model.safetensors").stat().st_size
