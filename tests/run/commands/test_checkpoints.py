"""`jorney convert` and `jorney export` are begun again as they were typed."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest
from memory_store import memory_root

import jorney
from jorney import cli, storage
from jorney.convert import hf, native


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
