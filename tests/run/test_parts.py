"""Parts: whole, in any order, each row once; several programs on one folder."""

from __future__ import annotations

import contextlib

import pytest
from memory_store import memory_root

from jorney import storage
from jorney.run import parts as module
from jorney.run.parts import Parts


@pytest.fixture(params=["local", "gs"])
def folder(request, tmp_path):
    return storage.path(tmp_path if request.param == "local" else memory_root()) / "parts"


def row(name: str) -> dict[str, object]:
    return {"id": name, "text": "½"}


def test_rows_come_back_in_one_order(folder, monkeypatch) -> None:
    monkeypatch.setattr(module, "ROWS", 2)
    with Parts(folder) as first, Parts(folder) as second:  # two programs
        for name in ("d", "a", "e"):
            first.add(row(name))
        for name in ("c", "b"):
            second.add(row(name))
        assert Parts(folder).ids == {"d", "a", "c", "b"}  # whole parts alone are seen
    assert list(Parts(folder).sorted()) == [row(name) for name in "abcde"]
    assert len(list(folder.glob("*"))) == 3


def test_what_waits_is_written_on_the_way_out(folder) -> None:
    with contextlib.suppress(KeyboardInterrupt), Parts(folder) as parts:
        parts.add(row("a"))
        raise KeyboardInterrupt
    assert Parts(folder).ids == {"a"}


def test_what_has_waited_long_is_written(folder, monkeypatch) -> None:
    parts = Parts(folder)
    parts.add(row("a"))
    assert not Parts(folder).ids
    monkeypatch.setattr(module, "SECONDS", -1.0)
    parts.add(row("b"))
    assert Parts(folder).ids == {"a", "b"}


def test_rows_without_an_id_are_named(folder) -> None:
    storage.write_jsonl(folder / "x.jsonl", [row("a"), {"text": ""}])
    with pytest.raises(ValueError, match="x.jsonl: line 2: field 'id': expected a text"):
        Parts(folder)
