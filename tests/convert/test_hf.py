from __future__ import annotations

import json
import pathlib

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from jorney import sharding
from jorney.convert import hf
from jorney.convert import safetensors as reader
from jorney.data.tokenizer import Tokenizer
from jorney.model import params as parameters
from jorney.model.config import ModelConfig
from jorney.train.state import param_shardings


class _Backend:
    """Stands for a transformers tokenizer where only its saving is called."""

    def save_pretrained(self, folder: str) -> None:
        pathlib.Path(folder, "tokenizer.json").write_text("{}")


@pytest.fixture
def folder(tiny: ModelConfig, tmp_path: pathlib.Path) -> pathlib.Path:
    params = parameters.init(tiny, jax.random.key(0))
    hf.save(tmp_path / "model", tiny, params, Tokenizer(_Backend(), 0, 1, 2), np.float32)
    return tmp_path / "model"


def _load(folder: pathlib.Path, config: ModelConfig, mesh, dtype=np.float32) -> parameters.Params:
    return hf.load_params(folder, config, param_shardings(config, mesh), dtype)


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_round_trip_is_bit_exact(tiny: ModelConfig, tmp_path: pathlib.Path, mesh1, dtype) -> None:
    params = parameters.init(tiny, jax.random.key(0), dtype)
    hf.save(tmp_path, tiny, params, Tokenizer(_Backend(), 0, 1, 2), dtype)
    assert hf.read_config(tmp_path) == tiny
    found = _load(tmp_path, tiny, mesh1, dtype)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)), params, found)
    again = tmp_path / "again"
    hf.save(again, tiny, found, Tokenizer(_Backend(), 0, 1, 2), dtype)
    assert (again / hf.WEIGHTS).read_bytes() == (tmp_path / hf.WEIGHTS).read_bytes()


@pytest.mark.parametrize("sizes", [{"fsdp": 8}, {"data": 2, "fsdp": 2, "tensor": 2}, {"fsdp": 2, "tensor": 4}])
def test_shards_equal_the_whole(folder: pathlib.Path, tiny: ModelConfig, mesh1, sizes: dict[str, int]) -> None:
    mesh = sharding.make_mesh(sharding.MeshConfig(**{"data": 1, **sizes}))
    whole, split = _load(folder, tiny, mesh1), _load(folder, tiny, mesh)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)), whole, split)
    up = split["layers"]["mlp"]["up"]
    assert up.addressable_shards[0].data.shape == (2, 32 // sizes["fsdp"], 64 // sizes.get("tensor", 1))


def test_only_the_rows_of_a_shard_are_read(folder: pathlib.Path, tiny: ModelConfig, monkeypatch) -> None:
    """With heads split four ways, a shard of the queries reads a quarter of each stored matrix."""
    read = []
    rows = reader.StoredTensor.rows
    monkeypatch.setattr(
        reader.StoredTensor, "rows", lambda self, a, b: read.append((b - a) / self.shape[0]) or rows(self, a, b)
    )
    row = parameters.table(tiny)["layers", "attention", "query"]
    tensor = hf.stored_tensors(folder)["model.layers.0.self_attn.q_proj.weight"]
    part = hf._read(row, tensor, (slice(None), slice(2, 4), slice(None)), np.float32)
    assert read == [0.25]
    np.testing.assert_array_equal(part, row.from_hf(tensor.rows(0, 64))[:, 2:4])


def test_every_fault_is_listed_in_one_error(folder: pathlib.Path, tiny: ModelConfig, mesh1) -> None:
    tensors = safetensors.numpy.load_file(folder / hf.WEIGHTS)
    del tensors["model.norm.weight"]
    tensors["model.layers.7.mlp.up_proj.weight"] = np.zeros(3, np.float32)
    tensors["lm_head.weight"] = tensors["lm_head.weight"][:-1]
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.zeros(4, np.float32)  # computed here: ignored
    safetensors.numpy.save_file(tensors, folder / hf.WEIGHTS)
    with pytest.raises(ValueError, match="3 tensors do not fit") as error:
        _load(folder, tiny, mesh1)
    text = str(error.value)
    assert "model.norm.weight: missing" in text
    assert "model.layers.7.mlp.up_proj.weight: unknown" in text
    assert "lm_head.weight: shape [71, 32], expected [72, 32]" in text
    assert "inv_freq" not in text


def test_sharded_folder_with_index(folder: pathlib.Path, tiny: ModelConfig, mesh1) -> None:
    whole = _load(folder, tiny, mesh1)
    tensors = safetensors.numpy.load_file(folder / hf.WEIGHTS)
    names = sorted(tensors)
    files = {"model-00001-of-000002.safetensors": names[:9], "model-00002-of-000002.safetensors": names[9:]}
    for file, members in files.items():
        safetensors.numpy.save_file({name: tensors[name] for name in members}, folder / file)
    (folder / hf.WEIGHTS).unlink()
    weight_map = {name: file for file, members in files.items() for name in members}
    (folder / hf.INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b), whole, _load(folder, tiny, mesh1))
    (folder / "model-00002-of-000002.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="model-00002-of-000002"):
        _load(folder, tiny, mesh1)


def test_a_tensor_in_two_files_is_refused(folder: pathlib.Path, tiny: ModelConfig, mesh1) -> None:
    (folder / "b.safetensors").write_bytes((folder / hf.WEIGHTS).read_bytes())
    (folder / hf.INDEX).write_text(json.dumps({"weight_map": {"x": hf.WEIGHTS, "y": "b.safetensors"}}))
    with pytest.raises(ValueError, match="stands in"):
        _load(folder, tiny, mesh1)


def test_tensors_of_every_dtype_are_read(tmp_path: pathlib.Path) -> None:
    values = np.arange(6).reshape(2, 3)
    tensors = {str(np.dtype(kind)): values.astype(kind) for kind in reader.DTYPES.values()}
    reader.write(tmp_path / "x.safetensors", tensors)
    for name, tensor in reader.read_header(str(tmp_path / "x.safetensors")).items():
        assert tensor.dtype == tensors[name].dtype
        np.testing.assert_array_equal(tensor.rows(1, 2), tensors[name][1:2])


def _corrupt(data: bytes, how: str) -> bytes:
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    if how == "truncated":
        return data[:-10]
    if how == "short":
        return data[:5]
    if how == "header length":
        return (1 << 60).to_bytes(8, "little") + data[8:]
    if how == "not JSON":
        return data[:8] + b"?" * length + data[8 + length :]
    entry = header["model.norm.weight"]
    entry |= {"shape": {"shape": [33]}, "dtype": {"dtype": "F8_E4M3"}, "offsets": {"data_offsets": [-4, 124]}}[how]
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data[8 + length :]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("truncated", "within a file of"),
        ("short", "5 bytes"),
        ("header length", "claims"),
        ("not JSON", "not JSON"),
        ("shape", "model.norm.weight"),
        ("dtype", "F8_E4M3 is not supported"),
        ("offsets", "model.norm.weight"),
    ],
)
def test_broken_files_are_named(folder: pathlib.Path, tiny: ModelConfig, mesh1, how: str, message: str) -> None:
    file = folder / hf.WEIGHTS
    file.write_bytes(_corrupt(file.read_bytes(), how))
    with pytest.raises(ValueError, match=message) as error:
        _load(folder, tiny, mesh1)
    assert str(file) in str(error.value)


def test_missing_weights_are_named(folder: pathlib.Path, tiny: ModelConfig, mesh1) -> None:
    (folder / hf.WEIGHTS).unlink()
    with pytest.raises(FileNotFoundError, match=r"expected model\.safetensors"):
        _load(folder, tiny, mesh1)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        hf.read_config(folder / "nowhere")


def test_dtype_is_converted_while_reading(folder: pathlib.Path, tiny: ModelConfig, mesh1) -> None:
    found = _load(folder, tiny, mesh1, jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype(jnp.bfloat16)}
