"""Jorney's own folders: any mesh, any dtype, faults by name; and the commands around them."""

from __future__ import annotations

import json
import pathlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import safetensors.numpy

import jorney
from jorney import cli, sharding, topology
from jorney.convert import hf, native
from jorney.convert.inspect import describe, inspect
from jorney.judge.threshold import threshold_of, write_threshold
from jorney.model import params as parameters
from jorney.model.presets import PRESETS
from jorney.train.objectives.prm import as_reward_model


@pytest.fixture(scope="module")
def converted(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("converted") / "model"
    assert cli.main(["convert", "embedded", str(folder), "--mesh.fsdp", "4", "--mesh.data", "2"]) == 0
    return folder


def _equal(a: parameters.Params, b: parameters.Params) -> None:
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(np.asarray(x), np.asarray(y)), a, b)


@pytest.mark.parametrize("sizes", [{"fsdp": 8}, {"data": 2, "fsdp": 2, "tensor": 2}, {"data": 8}])
def test_loads_onto_any_mesh(converted, policy, sizes) -> None:
    mesh = sharding.make_mesh(sharding.MeshConfig(**{"data": 1, **sizes}))
    found = jorney.load(str(converted), mesh=mesh)
    _equal(policy.params, found.params)
    assert found.config == policy.config
    assert found.params["embedding"].sharding.mesh == mesh


def test_dtype_is_converted_on_request(converted, mesh1) -> None:
    for dtype in (jnp.bfloat16, jnp.float32):
        found = jorney.load(str(converted), mesh=mesh1, param_dtype=dtype)
        assert {leaf.dtype for leaf in jax.tree.leaves(found.params)} == {np.dtype(dtype)}


def test_there_and_back_is_bit_exact(converted, tmp_path) -> None:
    assert cli.main(["export", str(converted), str(tmp_path / "hf"), "--shard-bytes", "500000"]) == 0
    back, original = {}, safetensors.numpy.load_file(pathlib.Path(jorney.__file__).parent / "embedded" / hf.WEIGHTS)
    files = sorted((tmp_path / "hf").glob("model-*.safetensors"))
    assert len(files) > 1
    for file in files:
        back |= safetensors.numpy.load_file(file)
    assert back.keys() == original.keys()
    for name, value in original.items():
        assert value.dtype == back[name].dtype
        np.testing.assert_array_equal(value, back[name])


def test_a_reward_models_threshold_goes_along(policy, tmp_path) -> None:
    jorney.save(as_reward_model(policy, 0), tmp_path / "prm", "float32")
    write_threshold(tmp_path / "prm", 0.2)
    for verb, source, made in (("convert", "prm", "native"), ("export", "native", "back")):
        assert cli.main([verb, str(tmp_path / source), str(tmp_path / made)]) == 0
        assert threshold_of(tmp_path / made) == 0.2


def test_an_architecture_that_does_not_fit_is_refused(converted, tmp_path, mesh1, policy) -> None:
    import shutil

    folder = tmp_path / "model"
    shutil.copytree(converted, folder)
    fields = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(fields | {"intermediate_size": 400, "tie_word_embeddings": False}))
    with pytest.raises(ValueError, match="4 leaves do not fit") as error:
        jorney.load(str(folder), mesh=mesh1)
    assert "head: not in the checkpoint" in str(error.value)
    assert "layers/mlp/up: bfloat16[6, 128, 384] in the checkpoint, expected float32[6, 128, 400]" in str(error.value)


def test_inspect_tells_the_same_of_both(converted, tmp_path) -> None:
    ours, theirs = inspect(str(converted)), inspect(str(pathlib.Path(jorney.__file__).parent / "embedded"))
    assert ours["parameters"] == theirs["parameters"] == 1_345_152
    assert (ours["weights"]["format"], theirs["weights"]["format"]) == ("orbax", "safetensors")
    assert ours["weights"]["dtype"] == theirs["weights"]["dtype"] == "bfloat16"
    assert ours["weights"]["bytes"] == 2 * 1_345_152
    assert ours["slices"] == theirs["slices"]
    assert max(map(len, describe(ours | {"folder": ""}).splitlines())) <= 80


def test_bytes_a_chip() -> None:
    """DeepSeekMath-7B on v5e-16: what an ahead-of-time compile states as its arguments, 5.19 GB."""
    from jorney.convert.inspect import _slice

    found = _slice(PRESETS["deepseekmath-7b"], topology.find("v5e-16"))
    assert found["training_state"] / 1e9 == pytest.approx(5.19, abs=0.01)
    assert found["bfloat16_weights"] * 6 == found["training_state"]


def test_inspect_prints_json(converted, capsys) -> None:
    assert cli.main(["inspect", str(converted), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["model"]["embed"] == 128
    assert found["tokenizer"]["eos"] == 1


def test_weights_that_are_not_finite_are_reported_in_a_line(tmp_path) -> None:
    """In a process of its own: here warnings are errors."""
    import subprocess
    import sys

    params = parameters.init(PRESETS["tiny"], jax.random.key(0))
    params["final_norm"] = params["final_norm"].at[3].set(jnp.nan)
    tokenizer = jorney.load().tokenizer
    hf.save(tmp_path / "model", PRESETS["tiny"], params, tokenizer, "float32")
    command = [sys.executable, "-m", "jorney.cli", "convert", str(tmp_path / "model"), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    file = tmp_path / "model" / hf.WEIGHTS
    assert done.stderr == f"jorney: warning: {file}: model.norm.weight: 1 of 64 weights are not finite\n"


@pytest.mark.parametrize("command", ["convert", "export"])
def test_what_is_there_is_not_written_over(command, tmp_path, capsys) -> None:
    (tmp_path / "kept").write_text("x")
    assert cli.main([command, "embedded", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"jorney: {tmp_path}: is not empty: expected a new folder to write to\n"
    assert [file.name for file in tmp_path.iterdir()] == ["kept"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect"], "MODEL is missing: expected jorney inspect MODEL [OPTIONS]"),
        (["convert", "embedded"], "DIR is missing: expected jorney convert MODEL DIR [OPTIONS]"),
        (["convert", "nowhere/at/all", "{out}"], "nowhere/at/all: no such folder"),
        (["export", "embedded", "{out}", "--dtype", "int8"], "dtype = 'int8': expected one of float32, bfloat16"),
        (["export", "embedded", "{out}", "--shard-bytes", "0"], "shard_bytes = 0: expected 1 or more"),
        (["convert", "embedded", "{out}", "--mesh.fsdp", "3"], "does not divide the 8 devices"),
    ],
)
def test_wrong_arguments_write_nothing(arguments, message, tmp_path, capsys) -> None:
    out = tmp_path / "out"
    assert cli.main([argument.format(out=out) for argument in arguments]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_a_full_disk_is_asked_for_first(policy, tmp_path, monkeypatch) -> None:
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, 10))
    with pytest.raises(OSError, match="a checkpoint needs 5,380,608 bytes: No space left"):
        native.save_params(tmp_path / "model", policy.params)
