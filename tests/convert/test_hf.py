from __future__ import annotations

import dataclasses
import json
import pathlib

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

from jorney import sharding
from jorney.convert import config_json, hf
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.params import param_shardings
from jorney.text.tokenizer import Tokenizer


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
    assert config_json.read(tmp_path)[0] == tiny
    found = _load(tmp_path, tiny, mesh1, dtype)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)), params, found)
    again = tmp_path / "again"
    hf.save(again, tiny, found, Tokenizer(_Backend(), 0, 1, 2), dtype)
    assert (again / hf.WEIGHTS).read_bytes() == (tmp_path / hf.WEIGHTS).read_bytes()


@pytest.mark.parametrize("biased", [False, True])
def test_reason_eval_is_read_as_it_was_published(tiny: ModelConfig, tmp_path: pathlib.Path, mesh1, biased: bool) -> None:
    config = dataclasses.replace(
        tiny, family="mistral", window=None, head="linear", labels=3, head_bias=biased, tie_embeddings=False
    )
    params = parameters.init(config, jax.random.key(0))
    hf.save(tmp_path, config, params, Tokenizer(_Backend(), 0, 1, 2), np.float32)
    stated = json.loads((tmp_path / "config.json").read_text())
    stated = {name: value for name, value in stated.items() if name not in ("id2label", "label2id")}
    stated |= {"architectures": ["ReasonEval_7B"], "score_dimension": 3, "use_bias": biased}
    (tmp_path / "config.json").write_text(json.dumps(stated))
    tensors = safetensors.numpy.load_file(tmp_path / hf.WEIGHTS)
    renamed = {name.replace("score.", "score_head."): value for name, value in tensors.items()}
    assert set(renamed) - set(tensors) == {"score_head.weight", *(["score_head.bias"] if biased else [])}
    safetensors.numpy.save_file(renamed, tmp_path / hf.WEIGHTS)
    assert config_json.read(tmp_path)[0] == config
    found = _load(tmp_path, config, mesh1)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)), params, found)


@pytest.mark.parametrize("sizes", [{"fsdp": 8}, {"data": 2, "fsdp": 2, "tensor": 2}, {"fsdp": 2, "tensor": 4}])
def test_shards_equal_the_whole(folder: pathlib.Path, tiny: ModelConfig, mesh1, sizes: dict[str, int]) -> None:
    mesh = sharding.make_mesh(sharding.MeshConfig(**{"data": 1, **sizes}))
    whole, split = _load(folder, tiny, mesh1), _load(folder, tiny, mesh)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)), whole, split)
    up = split["layers"]["mlp"]["up"]
    assert up.addressable_shards[0].data.shape == (2, 32 // sizes["fsdp"], 64 // sizes.get("tensor", 1))


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


def test_doubled_tensors_are_listed_with_the_rest(folder: pathlib.Path, tiny: ModelConfig, mesh1) -> None:
    tensors = safetensors.numpy.load_file(folder / hf.WEIGHTS)
    again = {"model.norm.weight": tensors["model.norm.weight"], "extra": np.zeros(2, np.float32)}
    safetensors.numpy.save_file(again, folder / "b.safetensors")
    (folder / hf.INDEX).write_text(json.dumps({"weight_map": {"x": hf.WEIGHTS, "y": "b.safetensors"}}))
    with pytest.raises(ValueError, match="2 tensors do not fit") as error:
        _load(folder, tiny, mesh1)
    text = str(error.value)
    assert f"model.norm.weight: stands twice, in {folder / 'b.safetensors'} and in {folder / hf.WEIGHTS}" in text
    assert "extra: unknown" in text


@pytest.mark.parametrize(
    "index", [[], {}, {"weight_map": {}}, {"weight_map": {"x": 3}}, {"weight_map": {"x": "../elsewhere.safetensors"}}]
)
def test_broken_index_is_named(folder: pathlib.Path, tiny: ModelConfig, mesh1, index: object) -> None:
    (folder / hf.INDEX).write_text(json.dumps(index))
    with pytest.raises(ValueError, match="model.safetensors.index.json: (expected a weight_map|names the file)"):
        _load(folder, tiny, mesh1)


@pytest.mark.parametrize("name", ["model-{:05}-of-{:06}.safetensors", "pytorch_model-{}-of-{}.safetensors"])
def test_odd_shard_names_are_honoured(folder: pathlib.Path, tiny: ModelConfig, mesh1, name: str) -> None:
    whole = _load(folder, tiny, mesh1)
    tensors = safetensors.numpy.load_file(folder / hf.WEIGHTS)
    weight_map = {key: name.format(1 + i % 2, 2) for i, key in enumerate(tensors)}
    for file in set(weight_map.values()):
        safetensors.numpy.save_file({key: tensors[key] for key in tensors if weight_map[key] == file}, folder / file)
    (folder / hf.WEIGHTS).unlink()
    (folder / hf.INDEX).write_text(json.dumps({"weight_map": weight_map}))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b), whole, _load(folder, tiny, mesh1))


@pytest.mark.parametrize("dtype", [np.float32, ml_dtypes.bfloat16])
def test_export_in_shards(tiny: ModelConfig, tmp_path: pathlib.Path, mesh1, dtype) -> None:
    """Several files and an index: no file above the limit, nothing lost, and the whole loads again."""
    params = parameters.init(tiny, jax.random.key(0), dtype)
    written = []
    hf.save(tmp_path, tiny, params, Tokenizer(_Backend(), 0, 1, 2), dtype, shard_bytes=20_000, on_bytes=written.append)
    index = json.loads((tmp_path / hf.INDEX).read_text())
    files = sorted(tmp_path.glob("*.safetensors"))
    assert [file.name for file in files] == sorted(set(index["weight_map"].values()))
    assert [file.name for file in files] == [f"model-{i:05}-of-{len(files):05}.safetensors" for i in range(1, len(files) + 1)]
    assert len(files) > 2
    sizes = [sum(v.nbytes for v in safetensors.numpy.load_file(file).values()) for file in files]
    assert max(sizes) <= 20_000
    assert sum(sizes) == sum(written) == index["metadata"]["total_size"] == parameters.count(tiny) * np.dtype(dtype).itemsize
    found = _load(tmp_path, tiny, mesh1, dtype)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)), params, found)


def test_an_interrupted_export_is_no_checkpoint(tiny: ModelConfig, tmp_path: pathlib.Path) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    params = parameters.init(tiny, jax.random.key(0))
    with pytest.raises(KeyboardInterrupt):
        hf.save(tmp_path, tiny, params, Tokenizer(_Backend(), 0, 1, 2), np.float32, on_bytes=stop)
    assert list(tmp_path.iterdir()) == []


def test_generation_config_is_kept(tiny: ModelConfig, tmp_path: pathlib.Path) -> None:
    params = parameters.init(tiny, jax.random.key(0))
    hf.save(tmp_path, tiny, params, Tokenizer(_Backend(), 0, 1, 2), np.float32, {"eos_token_id": [1, 7], "temperature": 0.6})
    kept = json.loads((tmp_path / hf.GENERATION).read_text())
    assert kept == {"bos_token_id": 0, "eos_token_id": [1, 7], "pad_token_id": 2, "temperature": 0.6}


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
        ("dtype", "'F8_E4M3' is not supported"),
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
    with pytest.raises(FileNotFoundError, match="expected weights beside config.json: model.safetensors or pytorch_model.bin"):
        _load(folder, tiny, mesh1)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        config_json.read(folder / "nowhere")


def test_dtype_is_converted_while_reading(folder: pathlib.Path, tiny: ModelConfig, mesh1) -> None:
    found = _load(folder, tiny, mesh1, jnp.bfloat16)
    assert {leaf.dtype for leaf in jax.tree.leaves(found)} == {np.dtype(jnp.bfloat16)}


def _renamed(folder: pathlib.Path, rename) -> None:
    tensors = safetensors.numpy.load_file(folder / hf.WEIGHTS)
    safetensors.numpy.save_file({rename(name): value for name, value in tensors.items()}, folder / hf.WEIGHTS)


@pytest.mark.parametrize(
    ("rename", "told"),
    [
        (lambda name: f"_orig_mod.{name}", "_orig_mod."),
        (lambda name: f"module.{name}", "module."),
        (lambda name: f"module._orig_mod.{name}", "_orig_mod., module."),
        (lambda name: name.replace("self_attn.", "self_attn._orig_mod."), "_orig_mod."),
        (lambda name: name.replace("mlp.", "_checkpoint_wrapped_module.mlp."), "_checkpoint_wrapped_module."),
        (lambda name: f"_fsdp_wrapped_module.{name}", "_fsdp_wrapped_module."),
    ],
)
def test_what_wrapped_a_model_is_taken_off_names(folder: pathlib.Path, tiny: ModelConfig, mesh1, rename, told: str) -> None:
    expected = _load(folder, tiny, mesh1)
    _renamed(folder, rename)
    with pytest.warns(UserWarning, match="names of tensors hold") as warned:
        found = _load(folder, tiny, mesh1)
    assert [str(one.message) for one in warned] == [
        f"{folder}: names of tensors hold {told}, of what wrapped the model when it was saved: taken off"
    ]
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_names_that_only_look_wrapped_are_unknown(folder: pathlib.Path, tiny: ModelConfig, mesh1) -> None:
    _renamed(folder, lambda name: f"my_module.{name}")
    with pytest.raises(ValueError, match="my_module.model.embed_tokens.weight: unknown"):
        _load(folder, tiny, mesh1)
