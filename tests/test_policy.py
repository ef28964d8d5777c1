from __future__ import annotations

import dataclasses
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
from jorney.model.architecture import RopeScaling
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


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"eos_token_id": "1"}, "eos_token_id = '1': expected an id below 512, or a list of them"),
        ({"eos_token_id": True}, "eos_token_id = True: expected an id below 512"),
        ({"eos_token_id": [1, 512]}, r"eos_token_id = \[1, 512\]: expected an id below 512"),
        ({"eos_token_id": -1}, "eos_token_id = -1: expected an id below 512"),
        ({"eos_token_id": {}}, "eos_token_id = {}: expected an id below 512"),
        ({"eos_token_id": [[1]]}, r"eos_token_id = \[\[1\]\]: expected an id below 512"),
        ({"bos_token_id": "0"}, "bos_token_id = '0': expected an id"),
        ({"pad_token_id": 1.5}, "pad_token_id = 1.5: expected an id"),
    ],
)
def test_a_generation_config_of_other_kinds_is_named(folder: pathlib.Path, mesh1, fields, error) -> None:
    (folder / "generation_config.json").write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=f"^{folder}/generation_config.json: {error}"):
        jorney.load(str(folder), mesh=mesh1)


def test_ends_that_a_generation_config_states(folder: pathlib.Path, mesh1) -> None:
    (folder / "generation_config.json").write_text('\ufeff{"eos_token_id": [2, 7], "pad_token_id": -1, "bos_token_id": null}')
    assert jorney.load(str(folder), mesh=mesh1).ends == (1, 2, 7)


class Hub:
    """Stands for the hub: of a model's files it gives those that are asked for."""

    def __init__(self, folder: pathlib.Path, *names: str) -> None:
        self.folder, self.names = folder, names

    def snapshot_download(self, name: str, allow_patterns: list[str], ignore_patterns: list[str]) -> str:
        from huggingface_hub.utils import filter_repo_objects

        for one in filter_repo_objects(self.names, allow_patterns=allow_patterns, ignore_patterns=ignore_patterns):
            (self.folder / one).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / one).write_text("")
        return str(self.folder)


@pytest.mark.parametrize(
    ("weights", "others"),
    [
        (["model.safetensors"], ["pytorch_model.bin", "consolidated.safetensors", "model.fp16.safetensors", "original/c.bin"]),
        (["model-1-of-2.safetensors", "model-2-of-2.safetensors"], ["pytorch_model-1-of-1.bin", "onnx/model.safetensors"]),
        (["pytorch_model.bin"], ["optimizer.bin", "training_args.bin", "tf_model.h5", "x.py"]),
    ],
)
def test_of_the_hub_one_copy_of_the_weights_is_taken(tmp_path, monkeypatch, weights, others) -> None:
    described = ["config.json", "tokenizer.json", "chat_template.jinja"]
    hub = Hub(tmp_path / "here", *described, *weights, *others)
    monkeypatch.setattr("huggingface_hub.snapshot_download", hub.snapshot_download)
    assert sorted(os.listdir(resolve("owner/name"))) == sorted([*described, *weights])


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


@pytest.mark.parametrize("positions", [8, 16, 31])
def test_dynamic_scaling_reads_no_more_than_the_positions(policy: jorney.Policy, positions: int) -> None:
    scaled = dataclasses.replace(policy.config, positions=positions, rope_scaling=RopeScaling("dynamic", 2.0))
    ours, tokens = dataclasses.replace(policy, config=scaled), np.arange(positions)[None] % 7
    np.testing.assert_array_equal(jorney.logits(ours, tokens), jorney.logits(policy, tokens))
    with pytest.raises(ValueError, match=f"expected at most {positions} tokens, the model's positions"):
        jorney.logits(ours, np.zeros((1, positions + 1), np.int32))
