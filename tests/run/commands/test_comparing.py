"""`jorney compare`: pairs of evaluations on the same problems, by hand; what cannot be paired is refused."""

from __future__ import annotations

import pathlib

import pytest
from scipy.stats import binomtest

from jorney import cli, storage
from jorney.solve.statistics import holm


def evaluation(folder: pathlib.Path, right: list[bool], tokens: int = 10, ids: str = "p") -> pathlib.Path:
    rows = [
        {"id": f"{ids}{n}", "correct": one, "tokens": tokens, "finished": n % 4 > 0, "answer": "1", "note": ""}
        for n, one in enumerate(right)
    ]
    storage.write_jsonl(folder / "evaluate" / "parts" / "000000000-a.jsonl", rows)
    return folder


@pytest.fixture
def three(tmp_path: pathlib.Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    evaluation(tmp_path / "a", [True] * 10 + [False] * 10)
    evaluation(tmp_path / "b", [True] * 18 + [False] * 2, 20)
    evaluation(tmp_path / "c", [False] * 2 + [True] * 8 + [False] * 10)


def test_pairs_are_told_with_their_tests(three, capsys) -> None:
    assert cli.main(["compare", "a", "b", "c", "--output", "out.md"]) == 0
    said = capsys.readouterr().out
    assert "| a | 50.0% | 29.9% to 70.1% | 20 | 10.0 | 5 |" in said
    lines = [line for line in said.splitlines() if " against " in line]
    ps = [binomtest(k, n).pvalue for k, n in ((8, 8), (0, 2), (0, 10))]
    corrected = holm(ps)
    for line, name, cells in zip(
        lines, ("b against a", "c against a", "c against b"), ((40.0, 8, 0), (-10.0, 0, 2), (-50.0, 0, 10)), strict=True
    ):
        assert line.startswith(f"| {name} | {cells[0]:+.1f} | ")
        assert f" | {cells[1]} | {cells[2]} | " in line
    assert [float(line.split("|")[-2]) for line in lines] == pytest.approx(corrected, rel=1e-2)
    assert pathlib.Path("out.md").read_text().splitlines() == [line.rstrip() for line in said.splitlines()]


def test_only_the_first_is_compared_with(three, capsys) -> None:
    assert cli.main(["compare", "a", "b", "c", "--against-first"]) == 0
    assert [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if " against " in line] == [
        "b against a",
        "c against a",
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a"], "RUN...: expected two or more evaluations"),
        (["a", "a"], "expected every evaluation once"),
        (["a", "d"], "d: no such folder: expected what jorney evaluate wrote"),
        (["a", "empty"], "empty: holds no evaluation"),
        (["a", "other"], "a and other: 40 problems are in one of them alone, such as 'p0' in a: expected the same problems"),
    ],
)
def test_what_cannot_be_paired_is_refused(three, words, told: str, capsys) -> None:
    pathlib.Path("empty").mkdir()
    evaluation(pathlib.Path("other"), [True] * 20, ids="q")
    assert cli.main(["compare", *words]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_holm_by_hand() -> None:
    """Holm's example: the smallest by 3, the next by 2; none below one that is smaller."""
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
