"""`jorney convert` and `jorney export` are begun again as they were typed."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shutil
import tracemalloc
import warnings

import jax
import numpy as np
import pytest
from memory_store import memory_root

import jorney
from jorney import cli, storage
from jorney.convert import hf, native
from jorney.policy import resolve
from jorney.progress import Progress
from jorney.run.commands.checkpoints import ExportCommand


# Native weights go to a store by tensorstore, which knows none that is in memory: tests/chain has them.
@pytest.mark.parametrize(("command", "place"), [("convert", "local"), ("export", "local"), ("export", "gs")])
def test_one_that_was_cut_off_is_made_anew(command: str, place: str, tmp_path, capsys, monkeypatch) -> None:
    """Once it has ended, it does nothing."""
    target = str(tmp_path / "made") if place == "local" else f"{memory_root()}/made"
    module, name = {"convert": (native, "save_params"), "export": (hf, "save")}[command]
    save = getattr(module, name)

    def cut_off(folder: str, *given: object) -> None:
        save(folder, *given)
        storage.write_text(f"{folder}/weights-of-another-try", "left")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, name, cut_off)
        assert cli.main([command, "embedded", target]) == 130
    assert cli.main([command, "embedded", target]) == 0
    assert "written" in capsys.readouterr().out
    assert not (storage.path(target) / "weights-of-another-try").exists()
    expected, made = jorney.load(), jorney.load(target)
    tokens = np.arange(1, 9)[None]
    np.testing.assert_array_equal(jorney.logits(made, tokens), jorney.logits(expected, tokens))
    assert cli.main([command, "embedded", target]) == 0
    assert capsys.readouterr().out == f"{target}: already done\n"


@pytest.mark.parametrize("others", ["a model", "another command", "a file"])
def test_somebody_elses_folder_stays(others: str, tmp_path: pathlib.Path, capsys) -> None:
    target = tmp_path / "made"
    if others == "a file":
        target.write_text("mine")
    elif others == "a model":
        target.mkdir()
        (target / "config.json").write_text("{}")
    else:
        assert cli.main(["convert", "embedded", str(target), "--dtype", "bfloat16"]) == 0
    before = sorted(target.rglob("*"))
    capsys.readouterr()
    assert cli.main(["convert", "embedded", str(target)]) == 2
    assert capsys.readouterr().err == f"jorney: {target}: is not empty: expected a new folder to write to\n"
    assert sorted(target.rglob("*")) == before


@pytest.mark.parametrize("command", ["convert", "export"])
@pytest.mark.parametrize(("value", "dtype"), [(1e5, "float16"), (-3.4e38, "bfloat16"), (65520.0, "float16")])
def test_a_dtype_that_does_not_hold_the_weights_is_refused(command, value, dtype, tmp_path: pathlib.Path, capsys) -> None:
    """Loaded it is a warning; a folder outlives one."""
    source = {name: tmp_path / name for name in ("hf", "native")}
    policy = jorney.load()
    ruined = policy.params["final_norm"].at[:2].set(value)
    changed = dataclasses.replace(policy, params={**policy.params, "final_norm": ruined})
    jorney.save(changed, source["hf"], "float32")
    assert cli.main(["convert", str(source["hf"]), str(source["native"])]) == 0
    names = {"hf": f"{hf.WEIGHTS}: model.norm.weight", "native": "orbax: final_norm"}
    for form, folder in source.items():
        capsys.readouterr()
        target = tmp_path / "new" / form
        assert cli.main([command, str(folder), str(target), "--dtype", dtype]) == 2
        expected = f"weights are too large for {dtype}: expected a dtype that holds them, such as float32\n"
        total = ruined.size
        assert capsys.readouterr().err == f"jorney: {folder}/{names[form]}: 2 of {total} {expected}"
        assert not target.exists()
        assert cli.main([command, str(folder), str(target)]) == 0  # as it is stored
        np.testing.assert_array_equal(jorney.load(str(target)).params["final_norm"], ruined)
        with pytest.warns(UserWarning, match=f"2 of {total} weights are too large for {dtype}"):
            jorney.load(str(folder), dtype=dtype)
    with pytest.raises(ValueError, match=f"final_norm: 2 of {total} weights are too large for {dtype}"):
        jorney.save(changed, tmp_path / "saved", dtype)
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("command", ["convert", "export"])
@pytest.mark.parametrize(("value", "dtype", "kept"), [(1e-9, "float16", 0), (-2.9e-8, "float16", 0), (6e-8, "float16", 2)])
def test_weights_that_become_0_are_told(command, value, dtype, kept, tmp_path: pathlib.Path, capsys) -> None:
    """In one line of all of them; what the dtype still holds, if roughly, is not told."""
    policy = jorney.load()
    leaf = policy.params["final_norm"]
    params = jax.tree.map(lambda own: jax.numpy.where(abs(own) < 1e-4, 1e-4, own), policy.params)
    changed = dataclasses.replace(policy, params={**params, "final_norm": leaf.at[:2].set(value)})
    jorney.save(changed, tmp_path / "hf", "float32")
    assert cli.main(["convert", str(tmp_path / "hf"), str(tmp_path / "native")]) == 0
    total = sum(own.size for own in jax.tree.leaves(params))
    said = f"2 of {total:,} weights are too small for {dtype} and become 0: expected a dtype that holds them"
    for form in ("hf", "native"):
        capsys.readouterr()
        target = tmp_path / "new" / form
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            assert cli.main([command, str(tmp_path / form), str(target), "--dtype", dtype]) == 0
        told = capsys.readouterr().err.splitlines()
        assert len(told) == (not kept), told
        assert kept or said in told[0]
        assert np.count_nonzero(jorney.load(str(target)).params["final_norm"][:2]) == kept
    if not kept:
        with pytest.warns(UserWarning, match=said):
            jorney.save(changed, tmp_path / "saved", dtype)


def test_what_is_not_finite_is_told_of_both_forms(tmp_path: pathlib.Path, capsys) -> None:
    policy = jorney.load()
    ruined = policy.params["final_norm"].at[1].set(np.nan)
    jorney.save(dataclasses.replace(policy, params={**policy.params, "final_norm": ruined}), tmp_path / "hf", "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # as outside of tests
        assert cli.main(["convert", str(tmp_path / "hf"), str(tmp_path / "native")]) == 0
    assert re.search(r"model.norm.weight: 1 of \d+ weights are not finite\n", capsys.readouterr().err)
    with pytest.warns(UserWarning, match=r"orbax: final_norm: 1 of \d+ weights are not finite"):
        jorney.load(str(tmp_path / "native"))


@pytest.mark.parametrize("bytes_", [1, 999_999, 1_000_001])
def test_a_model_of_less_than_a_megabyte_is_exported(tiny, bytes_: int, tmp_path: pathlib.Path, capsys, monkeypatch) -> None:
    """Its bar has no quarters."""
    policy = dataclasses.replace(jorney.load(), params={"a": np.zeros(bytes_, np.uint8)})

    def write(*given: object) -> None:
        given[-1](bytes_)

    monkeypatch.setattr(hf, "save", write)
    ExportCommand(source="x", output=str(tmp_path)).write(policy, "float32", Progress())
    assert capsys.readouterr().out == f"  megabytes: {-(-bytes_ // 10**6)} of {-(-bytes_ // 10**6)}, written\n"


@pytest.mark.parametrize("noted", ["[]", "3", "null", '{"complete": true}', '{"complete"'])
def test_a_damaged_note_is_no_folder_of_ours(noted: str, tmp_path: pathlib.Path, capsys) -> None:
    (tmp_path / ".jorney-conversion.json").write_text(noted)
    assert cli.main(["export", "embedded", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"jorney: {tmp_path}")
    assert [file.name for file in tmp_path.iterdir()] == [".jorney-conversion.json"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_hidden_layers": 10_000_000}, "num_hidden_layers = 10,000,000, but the weights are 56 tensors"),
        ({"num_hidden_layers": 2**31 - 1}, "num_hidden_layers = 2,147,483,647, but the weights are"),
        ({"num_hidden_layers": 10**30}, "num_hidden_layers = 1000000000000000000000000000000: expected a whole number"),
        ({"num_hidden_layers": -3}, "num_hidden_layers = -3: expected a whole number, 1 or more"),
        ({"hidden_size": 2**70}, "1180591620717411303424: expected a whole number, 1 or more, 2,147,483,647 at most"),
        ({"hidden_size": 10**9}, "tensors do not fit config.json"),
        ({"intermediate_size": 2**31 - 1}, "tensors do not fit config.json"),
        ({"vocab_size": 10**9}, "tensors do not fit config.json"),
        ({"head_dim": 2**31 - 2}, "tensors do not fit config.json"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps = nan: expected a number above 0"),
        ({"rope_theta": float("inf")}, "rope_theta = inf: expected a number above 0"),
    ],
)
def test_extreme_architectures_are_refused_at_once(fields, message: str, tmp_path: pathlib.Path, capsys) -> None:
    folder = pathlib.Path(shutil.copytree(resolve("embedded"), tmp_path / "model"))
    config = json.loads((folder / "config.json").read_text()) | fields
    (folder / "config.json").write_text(json.dumps(config))
    tracemalloc.start()
    try:
        for command in (["inspect", str(folder)], ["convert", str(folder), str(tmp_path / "new")]):
            assert cli.main(command) == 2
            assert message in capsys.readouterr().err
        assert tracemalloc.get_traced_memory()[1] < 200 << 20
    finally:
        tracemalloc.stop()
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("command", ["convert", "export"])
def test_two_programs_do_not_fill_one_folder(command: str, tmp_path: pathlib.Path, capsys, monkeypatch) -> None:
    """The second is told who does, whatever it would have written; what the first writes stays whole."""
    target, save = tmp_path / "made" / "here", hf.save_description
    told: list[str] = []

    def meanwhile(*given: object) -> None:
        monkeypatch.setattr(hf, "save_description", save)
        for words in ([], ["--dtype", "bfloat16"]):
            told.append(str(cli.main([command, "embedded", str(target), *words])) + capsys.readouterr().err)
        save(*given)

    monkeypatch.setattr(hf, "save_description", meanwhile)
    assert cli.main([command, "embedded", str(target)]) == 0
    assert told[0].startswith(f"2jorney: {target}: process {os.getpid()} on ")
    assert "writes there: expected one program at a time" in told[0]
    assert told[1] == f"2jorney: {target}: is not empty: expected a new folder to write to\n"
    assert not (target / ".lock.json").exists()
    assert cli.main([command, "embedded", str(target)]) == 0
    assert "already done" in capsys.readouterr().out
    jorney.load(str(target))


@pytest.mark.parametrize("command", ["convert", "export"])
def test_a_lock_that_was_left_behind_is_no_content(command: str, tmp_path: pathlib.Path, capsys) -> None:
    (tmp_path / ".lock.json").write_text('{"seen": 1e300}')
    assert cli.main([command, "embedded", str(tmp_path)]) == 0
    assert not (tmp_path / ".lock.json").exists()


@pytest.mark.parametrize("command", ["convert", "export"])
@pytest.mark.parametrize("there", [True, False])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device", "x"), ValueError("x")])
def test_what_fails_leaves_nothing(command: str, there: bool, error: Exception, tmp_path, capsys, monkeypatch) -> None:
    """In a folder that was there, empty, or with parents that were not."""
    target = tmp_path / "new" / "made"
    if there:
        target.mkdir(parents=True)

    def fails(*given: object) -> None:
        (target / "half").write_text("written")
        raise error

    monkeypatch.setattr(hf, "save_description", fails)
    with contextlib.suppress(ValueError):
        assert cli.main([command, "embedded", str(target)]) == 2
    assert list(tmp_path.rglob("*")) == ([target.parent, target] if there else [])
