"""`jorney compare`: pairs of evaluations on the same problems, by hand; what cannot be paired is refused."""

from __future__ import annotations

import gzip
import json
import pathlib

import pytest
from scipy.stats import binomtest

from jorney import cli, storage
from jorney.run.commands.comparing import shortened
from jorney.solve.statistics import cluster_bootstrap, holm, wilson


def evaluation(folder: pathlib.Path, right: list[bool], tokens: int = 10, ids: str = "p") -> pathlib.Path:
    """As evaluations were kept before there were files of rows."""
    rows = [
        {"id": f"{ids}{n}", "correct": one, "tokens": tokens, "finished": n % 4 > 0, "answer": "1", "note": ""}
        for n, one in enumerate(right)
    ]
    storage.write_jsonl(folder / "evaluate" / "parts" / "000000000-a.jsonl", rows)
    return folder


def row(problem: str, sample: int, right: bool, answer: str | None, score: float | None = None, **more) -> dict:
    about = {"level": "1" if problem < "p2" else "2", "subset": "x"}
    told = {"seed": 0, "outcome": "right" if right else "wrong answer", "step_scores": [], "judge_tokens": 0, "finished": True}
    cost = {"tokens": 10 + sample, "prompt_tokens": 5, "flops": 2e12, "prompt_flops": 0.0 if sample else 1e12}
    group = -1 if answer is None else int(answer)
    said = {"problem": problem, "sample": sample, "right": right, "answer": answer, "group": group, "score": score}
    return {**said, **told, **cost, "others": {"lenient": True}, "about": about, **more}


@pytest.fixture
def three(tmp_path: pathlib.Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    evaluation(tmp_path / "a", [True] * 10 + [False] * 10)
    evaluation(tmp_path / "b", [True] * 18 + [False] * 2, 20)
    evaluation(tmp_path / "c", [False] * 2 + [True] * 8 + [False] * 10)


@pytest.fixture
def sampled(tmp_path: pathlib.Path, monkeypatch) -> None:
    """Four problems with three texts each; of the second evaluation with scores, compressed."""
    monkeypatch.chdir(tmp_path)
    first = [row(f"p{n}", sample, sample < n, str(int(sample >= n))) for n in range(4) for sample in range(3)]
    second = [row(f"p{n}", sample, sample == 2, str(sample // 2), sample / 4) for n in range(4) for sample in range(3)]
    storage.write_jsonl("first/rows.jsonl", first)
    pathlib.Path("second.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, second)).encode()))


def compared(*words: str) -> dict:
    assert cli.main(["compare", *words, "--output", "out.json"]) == 0
    return json.loads(pathlib.Path("out.json").read_text())


def test_pairs_are_told_with_their_tests(three, capsys) -> None:
    found = compared("a", "b", "c")
    said = capsys.readouterr().out
    own = found["evaluations"]["a"]
    assert (own["accuracy"], own["n"], own["tokens"], own["texts"]) == (0.5, 20, 10.0, 1)
    assert (own["ci_low"], own["ci_high"]) == pytest.approx(wilson(10, 20))
    assert own["teraflops"] is None  # nobody told it then
    ps = [binomtest(k, n).pvalue for k, n in ((8, 8), (0, 2), (0, 10))]
    assert [pair["p"] for pair in found["pairs"]] == pytest.approx(ps)
    assert [pair["p_holm"] for pair in found["pairs"]] == pytest.approx(holm(ps))
    assert [(pair["a"], pair["b"], pair["test"]) for pair in found["pairs"]] == [
        ("b", "a", "McNemar"),
        ("c", "a", "McNemar"),
        ("c", "b", "McNemar"),
    ]
    assert [(pair["difference"], pair["only_a"], pair["only_b"]) for pair in found["pairs"]] == [
        (pytest.approx(0.4), 8, 0),
        (pytest.approx(-0.1), 0, 2),
        (pytest.approx(-0.5), 0, 10),
    ]
    *tables, headline = said.splitlines()
    assert max(map(len, tables)) <= 80
    assert headline.startswith("b against a: +40.0 points (+")
    assert headline.replace("\xa0", " ").endswith("McNemar, p = 0.00781 (0.0156 by Holm).")


def test_files_are_written_by_their_end(three) -> None:
    for end, begin in ((".md", "# Evaluations compared\n"), (".html", "<!DOCTYPE html>")):
        assert cli.main(["compare", "a", "b", "--output", f"out{end}"]) == 0
        text = pathlib.Path(f"out{end}").read_text()
        assert text.startswith(begin)
        assert "50.0%" in text
        assert "+40.0" in text
        assert json.loads(pathlib.Path("out.json").read_text())["pairs"][0]["only_a"] == 8
        assert end == ".md" or "The numbers on this page are in out.json beside it." in text


def test_only_the_first_is_compared_with(three) -> None:
    found = compared("a", "b", "c", "--against-first")
    assert [(pair["a"], pair["b"]) for pair in found["pairs"]] == [("b", "a"), ("c", "a")]


def test_several_texts_a_problem_by_each_measure(sampled) -> None:
    """Right of first: 0, 1, 2, 3 of 3; of second: the last of each three, which has the highest score and one vote."""
    values = {
        "average": ([0, 1 / 3, 2 / 3, 1], [1 / 3] * 4),
        "majority": ([0, 0, 1, 1], [0] * 4),
        "pass": ([0, 1, 1, 1], [1] * 4),
    }
    for measure, (first, second) in values.items():
        found = compared("first", "second.jsonl.gz", "--measure", measure)
        sides = found["evaluations"]
        assert sides["first"]["accuracy"] == pytest.approx(sum(first) / 4)
        assert sides["second.jsonl.gz"]["accuracy"] == pytest.approx(sum(second) / 4)
        differences = [b - a for a, b in zip(first, second, strict=True)]
        (pair,) = found["pairs"]
        assert (pair["ci_low"], pair["ci_high"]) == pytest.approx(cluster_bootstrap(differences, range(4)))
        assert pair["test"] == ("sign flips" if measure == "average" else "McNemar")
        assert sides["first"]["tokens"] == pytest.approx(11 if measure == "average" else 33)
        assert sides["first"]["teraflops"] == pytest.approx(3 if measure == "average" else 7)  # the prompt is read once


def test_scores_choose(sampled, capsys) -> None:
    assert cli.main(["compare", "first", "second.jsonl.gz", "--measure", "best"]) == 2
    assert "first: its rows have no scores" in capsys.readouterr().err
    pathlib.Path("other.jsonl.gz").write_bytes(pathlib.Path("second.jsonl.gz").read_bytes())
    found = compared("second.jsonl.gz", "other.jsonl.gz", "--measure", "best", "--k", "2")
    assert [one["accuracy"] for one in found["evaluations"].values()] == pytest.approx([2 / 3] * 2)


def test_groups_and_clusters(sampled) -> None:
    found = compared("first", "second.jsonl.gz", "--by", "level")
    own = found["by"]["level"]
    assert {value: one["n"] for value, one in own.items()} == {"1": 2, "2": 2}
    assert own["1"]["accuracy"]["first"] == pytest.approx(1 / 6)
    assert own["2"]["accuracy"]["second.jsonl.gz"] == pytest.approx(1 / 3)
    (pair,) = compared("first", "second.jsonl.gz", "--clusters", "subset")["pairs"]
    assert pair["ci_low"] == pair["ci_high"] == pytest.approx(-1 / 6)  # all are in one cluster
    assert pair["p"] == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["a"], "RUN...: expected two or more evaluations"),
        (["a", "a"], "expected every evaluation once"),
        (["a", "d"], "d: no such folder: expected what jorney evaluate or search wrote"),
        (["a", "empty"], "empty: holds no evaluation"),
        (["a", "other"], "a and other: 40 problems are in one of them alone, such as 'p0' in a: expected the same problems"),
        (["a", "b", "--by", "level"], "problem 'p0' has no level: its rows say of it: nothing"),
        (["a", "b", "--measure", "majority", "--k", "2"], "a: a problem has 1 texts: expected --k of at most 1"),
        (["a", "b", "--output", "out.txt"], "output = 'out.txt': expected a name that ends in .md"),
        (["a", "b", "--measure", "mean"], "measure = 'mean': expected one of average, majority"),
        (["a", "rows.jsonl"], "rows.jsonl: line 1: the field 'about' is missing: expected a row of an evaluation"),
    ],
)
def test_what_cannot_be_paired_is_refused(three, words, told: str, capsys) -> None:
    pathlib.Path("empty").mkdir()
    pathlib.Path("rows.jsonl").write_text('{"problem": "p0"}\n')
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


def test_names_leave_out_what_all_have_in_common() -> None:
    assert shortened(["runs/a/evaluate", "runs/b/evaluate"]) == ["a", "b"]
    assert shortened(["runs/a", "runs/a/b"]) == ["runs/a", "runs/a/b"]
    assert shortened(["x/a/", "b"]) == ["x/a", "b"]
    assert shortened(["runs/q/evaluate_dpo", "runs/q/evaluate_base"]) == ["dpo", "base"]
