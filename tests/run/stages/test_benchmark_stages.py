"""`jorney evaluate` by protocols: benchmarks, shots, several texts a problem, options by likelihood; and bad input."""

from __future__ import annotations

import json
import pathlib

import pytest

from jorney import cli
from jorney.engine.engine import Engine
from jorney.run.commands.comparing import rows_of
from jorney.solve import sample_rows
from jorney.solve.estimators import majority_at_k, pass_at_k

SEVERAL = ["--evaluate.samples", "4", "--evaluate.temperature", "1"]
QUICK = ["--evaluate.max-tokens", "24", "--evaluate.chunk", "8"]


@pytest.fixture
def sets(tmp_path: pathlib.Path, monkeypatch) -> pathlib.Path:
    """Files of several benchmarks in their published forms, in the working folder."""
    monkeypatch.chdir(tmp_path)
    arithmetic = [{"question": f"{n} + 1 = ?", "answer": f"{n} + 1 = {n + 1}\n#### {n + 1}"} for n in range(6)]
    choice = {
        "question": "2 + 2 = ?",
        "choices": {"text": ["4", "five apples", "6"], "label": ["A", "B", "C"]},
        "answerKey": "A",
    }
    files = {
        "test.jsonl": arithmetic,
        "train.jsonl": arithmetic,
        "arc.jsonl": [{**choice, "id": str(n)} for n in range(3)],
        "HumanEval.jsonl": [
            {"task_id": "HumanEval/0", "prompt": "def f():\n", "entry_point": "f", "canonical_solution": "    return 1\n"}
            | {"test": "def check(candidate):\n    assert candidate() == 1\n"}
        ],
    }
    for name, rows in files.items():
        pathlib.Path(name).write_text("\n".join(map(json.dumps, rows)))
    for subset in ("snarks", "navigate"):
        examples = [{"input": f"{subset} {n}", "target": "yes"} for n in range(2)]
        pathlib.Path(f"{subset}.json").write_text(json.dumps({"examples": examples}))
    return tmp_path


def evaluated(*words: str) -> dict:
    assert cli.main(["evaluate", *words, "--output", "out"]) == 0
    return json.loads(pathlib.Path("out/summary.json").read_text())


def test_a_benchmark_from_its_file_with_shots(sets, capsys, monkeypatch) -> None:
    """Shots are read once; all that is told stands in the rows."""
    engines: list[tuple[Engine, int]] = []
    opened = Engine.__init__

    def counted(self: Engine, *given, **more) -> None:
        engines.append((self, len(given[1])))
        opened(self, *given, **more)

    monkeypatch.setattr(Engine, "__init__", counted)
    found = evaluated("--benchmark", "gsm8k", "--problems", "test.jsonl", "--limit", "4", "--protocol.count", "2", *QUICK)
    said = capsys.readouterr().out
    assert "protocol: 2 shots (split:train), as a text; read by stated, last-number beside it" in said
    assert "step format:" not in said
    assert (found["benchmark"], found["n"], list(found["by_reading"])) == ("gsm8k", 4, ["last-number"])
    ((engine, shared),) = engines
    rows = rows_of("out")
    assert len(rows) == 4
    (first,) = rows[next(iter(rows))]
    assert first.prompt_tokens - 24 < shared < first.prompt_tokens
    assert engine.counts.read == sum(own[0].prompt_tokens - shared for own in rows.values())  # the rest was read once, for all
    assert first.flops > 0 < first.prompt_flops
    assert sum(found["outcomes"].values()) == 4


def test_several_texts_a_problem(sets) -> None:
    words = ["--limit", "5", "--evaluate.samples", "4", "--evaluate.temperature", "1", "--evaluate.max-tokens", "48"]
    found = evaluated(*words)
    rows = rows_of("out")
    assert (found["n"], found["samples"]) == (5, 4)
    assert [[row.sample for row in own] for own in rows.values()] == [[0, 1, 2, 3]] * 5
    right = [[row.right for row in own] for own in rows.values()]
    assert found["accuracy"] == pytest.approx(sum(map(sum, right)) / 20)
    assert [one["k"] for one in found["estimates"]] == [1, 2, 4]
    for one in found["estimates"]:
        expected = [pass_at_k(4, sum(own), one["k"]) for own in right]
        assert one["pass"] == pytest.approx(sum(expected) / 5)
        votes = [majority_at_k(sample_rows.groups(own), [row.right for row in own], one["k"]) for own in rows.values()]
        assert one["majority"] == pytest.approx(sum(votes) / 5)
    again = json.loads((pathlib.Path("out") / "summary.json").read_text())
    assert cli.main(["evaluate", *words, "--output", "out"]) == 0  # done already
    assert json.loads((pathlib.Path("out") / "summary.json").read_text()) == again
    assert cli.main(["compare", "out", "out/evaluate", "--measure", "majority"]) == 0


def test_one_sample_of_several_is_the_one_that_is_drawn_alone(sets) -> None:
    """Random numbers hang on seed, problem and sample alone."""
    hot = ["--limit", "3", "--evaluate.temperature", "1", *QUICK]
    evaluated(*hot)
    alone = {name: own[0].answer for name, own in rows_of("out").items()}
    evaluated(*hot, "--evaluate.samples", "3")
    assert {name: own[0].answer for name, own in rows_of("out").items()} == alone


def test_a_benchmarks_sampling_is_its_own_where_nobody_states_another(sets) -> None:
    words = ["--benchmark", "aime24", "--problems", "test.jsonl", "--limit", "2", "--evaluate.max-tokens", "8"]
    assert evaluated(*words)["samples"] == 16
    found = evaluated(*words, "--evaluate.samples", "4")
    assert (found["samples"], [one["k"] for one in found["estimates"]]) == (4, [1, 2, 4])
    assert (found["accuracy"], found["ci_low"]) == (0.0, 0.0)
    assert found["ci_high"] > 0.5  # of two problems little is known, whatever the number of texts
    assert found["cut"] == sum(count for name, count in found["outcomes"].items() if "cut" in name)


def test_settings_are_kept_without_what_gives_way(sets) -> None:
    words = ["--benchmark", "gsm8k", "--problems", "test.jsonl", "--limit", "2", "--protocol.count", "1", *QUICK]
    found = evaluated(*words, "--save-config", "kept.yaml")
    assert "samples" not in pathlib.Path("kept.yaml").read_text()
    again = evaluated("--config", "kept.yaml")
    assert {name: one for name, one in again.items() if name != "about"} == {n: one for n, one in found.items() if n != "about"}


def test_shots_of_multiple_choice(sets) -> None:
    evaluated("--benchmark", "arc-easy", "--problems", "arc.jsonl", "--protocol.shots", "arc.jsonl", "--protocol.count", "1")
    (first,) = rows_of("out")["0"]
    evaluated("--benchmark", "arc-easy", "--problems", "arc.jsonl")
    (alone,) = rows_of("out")["0"]
    assert first.prompt_tokens > 1.8 * alone.prompt_tokens


def test_options_by_likelihood(sets) -> None:
    found = evaluated("--benchmark", "arc-challenge", "--problems", "arc.jsonl")
    assert found["n"] == 3
    assert found["accuracy"] in (0.0, 1.0)  # all are the same question
    assert list(found["by_reading"]) == ["likelihood-per-character"]
    assert found["mean_tokens"] == 0


def test_subsets_are_told_apart_and_their_mean(sets) -> None:
    words = ["--benchmark", "bbh/snarks,navigate", "--problems", ".", "--protocol.shots", "none", *QUICK]
    found = evaluated(*words)
    assert found["subsets"] == {"snarks": 0.0, "navigate": 0.0}
    assert (found["accuracy"], found["accuracy_over_problems"], found["n"]) == (0.0, 0.0, 4)
    assert {own[0].about["subset"] for own in rows_of("out").values()} == {"snarks", "navigate"}


def test_shots_and_stops_of_ones_own(sets) -> None:
    words = ["--problems", "test.jsonl", "--limit", "3", "--protocol.shots", "train.jsonl", "--protocol.count", "2", *QUICK]
    evaluated(*words)
    before = {name: own[0].prompt_tokens for name, own in rows_of("out").items()}
    evaluated(*words, "--protocol.stops", " ", "1")
    rows = rows_of("out")
    assert {name: own[0].prompt_tokens for name, own in rows.items()} == before
    parts = [
        json.loads(line) for file in pathlib.Path("out/evaluate/parts").iterdir() for line in file.read_text().splitlines()
    ]
    assert not any(" " in row["text"] or "1" in row["text"] for row in parts)
    assert all(row["finished"] for row in parts)


def test_programs_are_run_where_they_may(sets) -> None:
    """What the embedded model writes is no program of Python."""
    found = evaluated("--benchmark", "humaneval", "--problems", "HumanEval.jsonl", "--allow-code", "--sandbox", "none", *QUICK)
    assert (found["n"], found["accuracy"], found["outcomes"]) == (1, 0.0, {"wrong answer": 1})


@pytest.mark.parametrize("command", ["search", "expand", "pairs", "prm label"])
def test_no_other_command_runs_programs(sets, command: str, capsys) -> None:
    assert cli.main([*command.split(), "--problems", "HumanEval.jsonl", "--output", "out"]) == 2
    error = capsys.readouterr().err
    assert f"grading would run programs that the model writes, which jorney {command} does not" in error
    assert error.count("\n") == 1
    assert not pathlib.Path("out").exists()


def test_two_shares_make_the_whole(sets) -> None:
    words = ["--benchmark", "gsm8k", "--problems", "test.jsonl", "--limit", "5", "--protocol.count", "1", *QUICK]
    hot = [*words, "--evaluate.samples", "2", "--evaluate.temperature", "1"]
    whole = evaluated(*hot)
    rows = pathlib.Path("out/evaluate/rows.jsonl").read_text()
    assert cli.main(["evaluate", *hot, "--output", "shared", "--shard", "0/2"]) == 0
    assert not pathlib.Path("shared/summary.json").exists()  # the other share is missing
    assert cli.main(["evaluate", *hot, "--output", "shared", "--shard", "1/2"]) == 0
    assert pathlib.Path("shared/evaluate/rows.jsonl").read_text() == rows
    assert json.loads(pathlib.Path("shared/summary.json").read_text())["accuracy"] == whole["accuracy"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--benchmark", "gsm9k"], "no such benchmark, did you mean gsm8k"),
        (["--benchmark", "gsm8k", "--problems", "nope.jsonl"], "nope.jsonl: no such file"),
        (["--benchmark", "arc-easy", "--problems", "test.jsonl"], "expected the published rows of arc-easy (choice)"),
        (["--benchmark", "humaneval", "--problems", "HumanEval.jsonl"], "expected --allow-code"),
        (["--benchmark", "aime24", "--problems", "test.jsonl"], "evaluate.max-tokens = 32,768, behind a prompt of"),
        (["--evaluate.samples", "4"], "temperature = 0.0: expected above 0, or all samples are the same"),
        (["--benchmark", "arc-easy", "--problems", "arc.jsonl", *SEVERAL], "--evaluate.samples: arc-easy scores options"),
        (["--protocol.shots", "nope.jsonl", "--problems", "test.jsonl"], "nope.jsonl: no such file"),
        (["--protocol.readings", "best"], "protocol.readings: 'best': expected some of stated"),
        (["--sandbox", "maybe"], "sandbox = 'maybe': expected"),
    ],
)
def test_bad_input_ends_with_one_line_and_leaves_nothing(sets, words, told: str, capsys) -> None:
    assert cli.main(["evaluate", *words, "--output", "out"]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1
    assert not pathlib.Path("out").exists()
