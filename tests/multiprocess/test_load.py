"""A checkpoint loaded by two processes together: half the bytes each, and the shards a single process would make."""

from __future__ import annotations

import json
import pathlib
import sys

import jax
import numpy as np
import pytest
import safetensors.numpy
from places import ROOT

sys.path.insert(0, str(pathlib.Path(__file__).parent))
sys.path.insert(0, str(ROOT / "tools"))

import load_in_two
import make_random_checkpoint
import two

from jorney import sharding
from jorney.convert import config_json, hf, native
from jorney.model.params import param_shardings

WORKER = str(pathlib.Path(load_in_two.__file__))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> pathlib.Path:
    """A model whose matrices are worth sharing, with heads that eight devices do not divide."""
    import dataclasses

    from jorney.model.presets import PRESETS

    shape = {"embed": 512, "mlp": 2048, "layers": 3, "heads": 16, "kv_heads": 4, "head_dim": 32, "vocab_size": 8192}
    PRESETS["shared"] = dataclasses.replace(PRESETS["tiny"], **shape)
    where = tmp_path_factory.mktemp("shared") / "model"
    make_random_checkpoint.write(where, "shared", "safetensors", None, 20_000_000)
    del PRESETS["shared"]
    return where


def _single(folder: pathlib.Path, sizes: dict[str, int]) -> dict[str, str]:
    config, _ = config_json.read(folder)
    mesh = sharding.make_mesh(sharding.MeshConfig(**sizes))
    return load_in_two.shards(hf.load_params(folder, config, param_shardings(config, mesh), "bfloat16"))


@pytest.mark.parametrize(
    "sizes",
    [
        {"data": 1, "fsdp": 8},
        pytest.param({"data": 1, "fsdp": 4, "tensor": 2}, marks=pytest.mark.slow),
        pytest.param({"data": 2, "fsdp": 4}, marks=pytest.mark.slow),
        pytest.param({"data": 8}, marks=pytest.mark.slow),
    ],
)
def test_two_processes_share_the_reading(folder: pathlib.Path, tmp_path: pathlib.Path, sizes: dict[str, int]) -> None:
    output = str(tmp_path) if sizes == {"data": 1, "fsdp": 8} else ""
    found = two.run(WORKER, str(folder), json.dumps(sizes), output)
    total = sum(tensor.dtype.itemsize * int(np.prod(tensor.shape)) for _, tensor in hf.stored_tensors(folder))
    for process in found:
        assert 0.49 * total < process["read"] < 0.55 * total
        assert not process["tied"]
    assert {**found[0]["shards"], **found[1]["shards"]} == _single(folder, sizes)
    if output:
        assert all(process["restored"] for process in found)
        # What two wrote, one reads: both formats, on another mesh.
        config, _ = config_json.read(folder)
        where = param_shardings(config, sharding.make_mesh(sharding.MeshConfig(data=4, fsdp=2)))
        original = hf.load_params(folder, config, where, "bfloat16")
        for reader, name in ((hf, "hf"), (native, "native")):
            again = reader.load_params(tmp_path / name, config, where, "bfloat16")
            jax.tree.map(lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)), original, again)


def test_both_untie_a_head_of_other_values(tmp_path: pathlib.Path) -> None:
    """The first process compares."""
    for file in (ROOT / "jorney" / "embedded").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = safetensors.numpy.load_file(tmp_path / hf.WEIGHTS)
    tensors["lm_head.weight"] = 2 * tensors["model.embed_tokens.weight"]
    safetensors.numpy.save_file(tensors, tmp_path / hf.WEIGHTS)
    for process in two.run(WORKER, str(tmp_path), json.dumps({"data": 8}), ""):
        assert not process["tied"]
        assert any(name.startswith("head ") for name in process["shards"])
