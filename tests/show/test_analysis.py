"""Statistics side by side: names, tables and figures."""

from __future__ import annotations

import io

import pytest

from jorney.show.analysis import MOST, draw, labels, tables
from jorney.thought.care.analyse import AnalyseConfig, analyse


def _found(*texts, **more):
    return analyse([("", {"text": text, **more}) for text in texts], AnalyseConfig())


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        (["runs/d/thoughts/journey.jsonl"], ["thoughts/journey"]),
        (["d/thoughts/shortcut.jsonl", "d/thoughts/journey.jsonl"], ["thoughts/shortcut", "thoughts/journey"]),
        (["a/evaluate", "b/evaluate/"], ["a/evaluate", "b/evaluate"]),
        (["a/x/y.jsonl", "b/x/y.jsonl"], ["a/x/y", "b/x/y"]),
        (["a.jsonl", "a.jsonl"], ["1: a", "2: a"]),
    ],
)
def test_labels_tell_sources_apart(sources, expected) -> None:
    assert labels(sources) == expected


def test_tables_hold_the_numbers() -> None:
    from rich.console import Console

    console = Console(width=100, record=True, file=io.StringIO())
    for table in tables({"one": _found("Wait a b c\nTherefore d"), "two": _found("x y z", "x y")}):
        console.print(table)
    text = console.export_text()
    rows = {line.split("│")[0].strip(): [cell.strip() for cell in line.split("│")[1:]] for line in text.splitlines()}
    assert rows["texts"] == ["1", "2"]
    assert rows["tokens"] == ["6.0", "2.5"]
    assert rows["lines"] == ["2.0", "1.0"]
    assert rows["reflection"] == ["166.7", "0.0"]
    assert rows["2"] == ["Wait a  1", "x y  2"]


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_figures_are_drawn_whole_and_alike(tmp_path, ending) -> None:
    found = {"one": _found("Wait a", level=1), "two": _found("x", "If y z", level=2), "three": _found("a b")}
    for name in ("a", "b") if ending == "svg" else ("a",):
        draw(found, tmp_path / f"{name}.{ending}")
    first = (tmp_path / f"a.{ending}").read_bytes()
    if ending == "svg":
        assert first == (tmp_path / "b.svg").read_bytes()
    assert len(first) > 5000
    assert first.startswith({"svg": b"<?xml", "png": b"\x89PNG"}[ending])


def test_too_many_sets_for_a_figure(tmp_path) -> None:
    with pytest.raises(ValueError, match=f"a figure of {MOST + 1} sets: expected {MOST} at most"):
        draw({str(index): _found("a") for index in range(MOST + 1)}, tmp_path / "a.svg")
