"""Parts: whole, in any order, each row once; several programs on one folder."""

from __future__ import annotations

import contextlib
import time
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import memory_root

from jorney import storage
from jorney.progress import Progress, Unfinished
from jorney.run import parts as module
from jorney.run.parts import Parts, Share, in_groups


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
    monkeypatch.setattr(module, "SECONDS", 60.0)
    later = Parts(folder)
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    later.add(row("c"))  # took a minute: it is not left waiting for the next one
    assert Parts(folder).ids == {"a", "b", "c"}


class One(NamedTuple):
    id: str


@settings(max_examples=60)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 7), st.lists(st.integers(0, 30), max_size=3))
def test_whenever_it_is_stopped_every_row_is_made_once_and_in_order(counts, size, stops) -> None:
    """Of members with several rows each, or none, made in groups, stopped and gone on with at any place."""
    folder = storage.path(memory_root()) / "parts"
    members = [One(f"m{place}") for place in range(len(counts))]
    made: list[str] = []
    asked: list[str] = []

    def run(stop: int | None) -> None:
        def make(group):
            if stop is not None and len(asked) >= stop:
                raise KeyboardInterrupt
            asked.extend(one.id for one in group)
            rows = [{"id": one.id, "n": n} for one in group for n in range(counts[int(one.id[1:])])]
            made.extend(row["id"] for row in rows)
            return rows, ""

        Parts(folder).fill(Progress(quiet=True), "members", members, len(members), in_groups(size, make))

    for stop in (*stops, None):
        with contextlib.suppress(KeyboardInterrupt):
            run(stop)
    expected = [{"id": one.id, "n": n} for one, count in zip(members, counts, strict=True) for n in range(count)]
    assert list(Parts(folder).rows()) == expected
    assert sorted(made) == sorted(row["id"] for row in expected)  # none was made twice


def test_what_has_no_rows_is_not_made_again(folder) -> None:
    members, asked = [One(name) for name in "abcd"], []

    def make(group):
        asked.extend(one.id for one in group)
        return [{"id": one.id} for one in group if one.id in "bd"], ""

    for _ in range(2):
        Parts(folder).fill(Progress(quiet=True), "members", members, len(members), in_groups(3, make))
    assert asked == list("abcd")
    assert Parts(folder).ids == set("abcd")
    assert [row["id"] for row in Parts(folder).rows()] == ["b", "d"]
    assert list(Parts(folder).by_id()) == ["b", "d"]


def test_a_share_waits_for_no_member_without_rows(folder) -> None:
    members = [One(name) for name in "abcd"]

    def make(group):
        return [{"id": one.id} for one in group if one.id in "bd"], ""

    def fill(index: int) -> None:
        Parts(folder).fill_share(Progress(quiet=True), "members", members, Share(index, 2), in_groups(3, make))

    with pytest.raises(Unfinished, match="share 1 of 2 is done; 2 members of other shares are missing"):
        fill(1)
    fill(0)
    assert list(Parts(folder).of(members)) == [{"id": "b"}, {"id": "d"}]
    assert list(Parts(folder).of(reversed(members))) == [{"id": "d"}, {"id": "b"}]


def test_what_two_programs_made_counts_once(folder) -> None:
    members = [One(name) for name in "abcdef"]

    def make(group):
        return [{"id": one.id, "n": n} for one in group for n in range(2)], ""

    def slow(group):  # the other program does all of it meanwhile
        if group[0].id == "a":
            Parts(folder).fill(Progress(quiet=True), "members", members, 6, in_groups(4, make))
        return make(group)

    Parts(folder).fill(Progress(quiet=True), "members", members, 6, in_groups(2, slow))
    assert sorted((row["id"], row["n"]) for row in Parts(folder).rows()) == [(name, n) for name in "abcdef" for n in range(2)]


def test_parts_of_version_0_1_come_first_and_in_their_order(folder) -> None:
    """They were named by the members before them, 32 to a part; not every member had rows."""
    for start in (0, 32, 64):
        storage.write_jsonl(folder / f"{start:06d}.jsonl", [{"id": f"m{start + k}", "n": 0} for k in range(0, 32, 2)])
    with Parts(folder) as parts:
        parts.add({"id": "m96", "n": 0})
    assert [row["id"] for row in Parts(folder).rows()] == [*(f"m{k}" for k in range(0, 96, 2)), "m96"]


def test_nothing_is_loaded_where_all_is_there(folder) -> None:
    with Parts(folder) as parts:
        parts.add(row("a"))
    Parts(folder).fill(Progress(quiet=True), "members", [One("a")], 1, lambda waiting: pytest.fail("it is there"))


def test_rows_without_an_id_are_named(folder) -> None:
    storage.write_jsonl(folder / "x.jsonl", [row("a"), {"text": ""}])
    with pytest.raises(ValueError, match="x.jsonl: line 2: field 'id': expected a text"):
        _ = Parts(folder).ids
