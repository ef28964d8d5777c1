"""`jorney judge` and `jorney refine` as they are run: against an endpoint that errs, is killed, and is asked again."""

from __future__ import annotations

import _thread
import dataclasses
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time
import types
from typing import Any

import pytest
from places import ROOT
from stub_endpoint import Act, Stub
from trees_by_hand import followed_tree

import jorney
from jorney import cli, storage
from jorney.domain.domain import Rating
from jorney.judge import exact
from jorney.run.recipes import journey as pipeline
from jorney.run.stages import expansion
from jorney.run.stages.derivation import read_thoughts
from jorney.run.stages.expansion import read_trees
from jorney.run.stages.judges import kinds, rating
from jorney.run.workspace import Workspace
from jorney.train.objectives.prm import as_reward_model
from jorney.tree.rerate import request, rerate

RIGHT, WRONG = '{"correct": true, "justification": "it holds"}', '{"correct": false, "justification": "it leads nowhere"}'


@pytest.fixture
def trees(tmp_path: pathlib.Path) -> pathlib.Path:
    storage.write_jsonl(tmp_path / "trees.jsonl", (followed_tree(number).to_json() for number in range(6)))
    return tmp_path / "trees.jsonl"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def _judges(number: int, body: dict[str, Any]) -> Act:
    """Right is what the step says of 5 and 5, or what it makes of them; of one step it can never say anything."""
    last = body["messages"][1]["content"].split("Step ")[-1]
    if "25" in last:
        return Act(text="Hmm.")
    return Act(text=RIGHT if any(words in last for words in ("9 - 4", "3 * 5", "5 + 15")) else f"```json\n{WRONG}\n```")


def _options(folder: pathlib.Path, stub: Stub) -> list[str]:
    return ["--llm.model", "m", "--llm.base-url", stub.url, "--llm.cache", str(folder / "cache"), "--llm.backoff", "0.05"]


def test_a_verdict_that_stays_leaves_the_tree_as_it_was(trees) -> None:
    tree = followed_tree(0)
    ratings = exact.judge([request(tree, node) for node in range(1, len(tree.nodes))])
    same = rerate(tree, ratings, {"by": "verifier"})
    assert same.nodes == tree.nodes
    assert same.meta["judged"] == {"by": "verifier", "before": [-1, -1, -1, 1, 1, 1, -1]}
    turned = rerate(tree, [rating._replace(correct=not rating.correct) for rating in ratings], {})
    assert [node.status for node in turned.nodes] == [node.status for node in tree.nodes]
    assert [node.excursion for node in turned.nodes[1:]] == [False, False, False, True, True, True, True]
    assert not turned.valid(6)


def test_trees_are_judged_again_by_the_verifier(trees, tmp_path) -> None:
    assert cli.main(["judge", "--trees", str(trees), "--output", str(tmp_path / "out")]) == 0
    found = list(read_trees(tmp_path / "out" / "judge"))
    assert [tree.nodes for tree in found] == [followed_tree(number).nodes for number in range(6)]
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (summary["agreement"], summary["count"], summary["with_shortcut"]) == (1.0, 6, 1.0)
    # And they are trees like others.
    derive = ["derive", "--trees", str(tmp_path / "out" / "judge"), "--output", str(tmp_path / "derive")]
    assert cli.main(derive) == 0
    assert len(read_thoughts(tmp_path / "derive" / "thoughts" / "journey.jsonl")) == 6


def test_trees_are_judged_again_by_a_reward_model(trees, tmp_path, policy, monkeypatch) -> None:
    jorney.save(as_reward_model(policy, 0), tmp_path / "prm", "float32")
    seen: list[int] = []

    def judge(requests):
        seen.append(len(requests))
        return [Rating(len(steps) < 3, "", 0.25 * len(steps)) for _, steps in requests]

    monkeypatch.setattr(kinds, "prm_judge", lambda *_: judge)
    monkeypatch.setattr(rating, "TOGETHER", 4)
    command = ["judge", "--trees", str(trees), "--judge", str(tmp_path / "prm"), "--output", str(tmp_path / "out")]
    assert cli.main(command) == 0
    assert seen == [4 * 7, 2 * 7]
    for tree in read_trees(tmp_path / "out" / "judge"):
        assert [node.score for node in tree.nodes[1:]] == [0.25, 0.5, 0.75, 0.25, 0.5, 0.75, 0.5]
        assert "prm" in tree.meta["judged"]["by"]


def test_a_step_counts_as_right_by_the_threshold_of_the_reward_models_folder_or_of_the_command(trees, tmp_path, policy) -> None:
    folder = tmp_path / "prm"
    jorney.save(as_reward_model(policy, 0), folder, "float32")
    command = ["judge", "--trees", str(trees), "--judge", str(folder), "--output", str(tmp_path / "out")]

    def judged_by(*options: str) -> list[tuple[float, int]]:
        assert cli.main([*command, *options]) == 0
        return [(node.score, node.rating) for tree in read_trees(tmp_path / "out" / "judge") for node in tree.nodes[1:]]

    found = judged_by()
    assert [rating for _, rating in found] == [1 if score > 0.5 else -1 for score, _ in found]
    middle = statistics.median(score for score, _ in found)
    storage.write_json(folder / "judge.json", {"threshold": middle})
    assert judged_by() == [(score, 1 if score > middle else -1) for score, _ in found]
    assert {rating for _, rating in judged_by()} == {1, -1}
    assert judged_by("--threshold", "1.0") == [(score, -1) for score, _ in found]


@pytest.mark.parametrize("fallback", ["wrong", "unrated"])
def test_trees_are_judged_again_by_a_language_model(trees, tmp_path, fallback, capsys) -> None:
    with Stub(_judges) as stub:
        options = ["--judge", "llm", "--llm-judge.tries", "2", "--llm-judge.fallback", fallback, *_options(tmp_path, stub)]
        command = ["judge", "--trees", str(trees), "--output", str(tmp_path / "out"), *options]
        prices = ["--llm.price-input", "1", "--llm.price-output", "2"]
        assert cli.main([*command, *prices]) == 0
        # All six trees ask the same: six verdicts, and two answers on the seventh step that cannot be read.
        assert stub.total == 8
        out = capsys.readouterr().out
        assert "8 calls paid, 40 answers from" in out
        assert "80 prompt tokens (0 cached) + 24; cost 0.0001" in out
        found = list(read_trees(tmp_path / "out" / "judge"))
        last = {"wrong": False, "unrated": None}[fallback]
        assert [node.correct for node in found[0].nodes[1:]] == [False, False, False, True, True, True, last]
        assert found[0].nodes[4].justification == "it holds"
        assert found[0].nodes[7].justification == ""
        assert all(tree.meta["judged"]["by"]["llm"]["model"] == "m" for tree in found)
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        counts = {name: summary[name] for name in ("calls", "parse_failures", "fallbacks", "failures", "prompt_tokens")}
        assert counts == {"calls": 48, "parse_failures": 12, "fallbacks": 6, "failures": 0, "prompt_tokens": 480}
        assert summary["agreement"] == 1.0
        assert cli.main(command) == 0
        assert "already done" in capsys.readouterr().out
        assert stub.total == 8


def test_a_path_is_judged_in_one_call(trees, tmp_path) -> None:
    def behave(number: int, body: dict[str, Any]) -> Act:
        steps = body["messages"][1]["content"].count("\nStep ")
        return Act(text=json.dumps({"steps": [json.loads(RIGHT)] * (steps - 1) + [json.loads(WRONG)]}))

    with Stub(behave) as stub:
        options = ["--judge", "llm", "--llm-judge.scope", "path", *_options(tmp_path, stub)]
        assert cli.main(["judge", "--trees", str(trees), "--output", str(tmp_path / "out"), *options]) == 0
        assert stub.total == 3  # leaves 3 and 6, and node 7, which was pruned
        (tree, *_) = read_trees(tmp_path / "out" / "judge")
        assert [node.correct for node in tree.nodes[1:]] == [True, True, False, True, True, False, False]


def _refines(number: int, body: dict[str, Any]) -> Act:
    """Writes well at the second asking alone."""
    if len(body["messages"]) == 2:
        return Act(text="<thought>I forgot.</thought>")
    draft = body["messages"][1]["content"]
    lines = [line.split(". ", 1)[1] for line in draft.splitlines() if line[:1].isdigit()]
    words = [f"{line}\n" + ("Wait, this is wrong. " if "33" in line else "Let me compute ") for line in lines]
    return Act(text=f"<thought>Consider {''.join(words)}. Therefore\n#### 20</thought>")


def test_thoughts_are_refined(trees, tmp_path, capsys) -> None:
    thoughts = tmp_path / "derive" / "thoughts"
    assert cli.main(["derive", "--trees", str(trees), "--output", str(tmp_path / "derive")]) == 0
    command = ["refine", "--thoughts", str(thoughts), "--trees", str(trees)]
    with Stub(_refines) as stub:
        options = _options(tmp_path, stub)
        assert cli.main([*command, "--output", str(tmp_path / "out"), *options]) == 0
        assert stub.total == 2  # all six ask the same
        made = read_thoughts(tmp_path / "out" / "refine" / "journey.jsonl")
        drafts = read_thoughts(thoughts / "journey.jsonl")
        assert len(made) == len(drafts) == 6
        for thought, draft in zip(made, drafts, strict=True):
            assert (thought.id, thought.leaf, thought.refiner, thought.note) == (draft.id, draft.leaf, "m", "")
            assert thought.excursions == draft.excursions == 1
            assert thought.text.startswith("Consider 5 * 9 = 45 (left: 3, 4, 45)\nLet me compute 3 * 4 = 12")
            assert "Wait, this is wrong. 9 - 4 = 5" in thought.text
            assert [piece.kind for piece in thought.pieces if piece.kind in ("step", "excursion")] == ["excursion"] * 3 + [
                "step"
            ] * 3
        for name in ("shortcut", "placebo", "more_shortcuts"):
            assert (tmp_path / "out" / "refine" / f"{name}.jsonl").read_text() == (thoughts / f"{name}.jsonl").read_text()
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert {name: summary[name] for name in ("thoughts", "calls", "check_failures", "fallbacks")} == {
            "thoughts": 6,
            "calls": 12,
            "check_failures": 6,
            "fallbacks": 0,
        }
        assert "2 calls paid, 10 answers from" in capsys.readouterr().out
        again = [*command[:2], str(tmp_path / "out" / "refine"), *command[3:], "--output", str(tmp_path / "no"), *options]
        assert cli.main(again) == 2
        message = "journey.jsonl: line 1: refiner = 'm': expected a thought as `jorney derive` wrote it"
        assert message in capsys.readouterr().err
        assert cli.main([*command, "--output", str(tmp_path / "bad"), "--rewrite.tries", "1", *options]) == 0
        made = read_thoughts(tmp_path / "bad" / "refine" / "journey.jsonl")
        assert [dataclasses.replace(thought, note="") for thought in made] == drafts
        assert made[0].note.startswith("m: the step '5 * 9 = 45 (left: 3, 4, 45)' of the draft is missing")
    phrases = ["--refiner", "offline", "--refine.back", "Hence back to {where}."]
    assert cli.main([*command, "--output", str(tmp_path / "offline"), *phrases]) == 0
    (thought, *_) = read_thoughts(tmp_path / "offline" / "refine" / "journey.jsonl")
    assert "Hence back to 3, 4, 5, 9." in thought.text


def test_a_run_that_is_killed_ends_with_exact_accounts(tmp_path) -> None:
    """Each tree asks for things of its own; the process is killed midway, and the same command goes on."""
    storage.write_jsonl(tmp_path / "trees.jsonl", (followed_tree(number, alike=False).to_json() for number in range(8)))
    with Stub(lambda number, body: time.sleep(0.02) or _judges(number, body)) as stub:
        options = ["--judge", "llm", "--llm-judge.tries", "2", "--llm.concurrency", "2", *_options(tmp_path, stub)]
        command = ["judge", "--trees", str(tmp_path / "trees.jsonl"), "--output", str(tmp_path / "out"), *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
        process = subprocess.Popen([sys.executable, "-m", "jorney.cli", *command], env=environment, stdout=subprocess.PIPE)
        end = time.monotonic() + 120
        while stub.total < 20:
            assert time.monotonic() < end, "it took too long"
            time.sleep(0.005)
        process.kill()
        process.communicate()
        kept = {file.stem for file in (tmp_path / "cache").rglob("*.json") if not file.name.startswith(".")}
        before = dict(stub.answered)
        assert cli.main(command) == 0
        assert all(stub.answered[key] == before[key] for key in kept)  # nothing that was kept is paid for again
        assert len(stub.answered) == 64
        assert stub.total <= 64 + 2
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        counts = [summary[name] for name in ("calls", "parse_failures", "fallbacks", "prompt_tokens", "completion_tokens")]
        assert counts == [64, 16, 8, 640, 192]


def test_an_interrupted_run_keeps_what_is_done(tmp_path, capsys) -> None:
    storage.write_jsonl(tmp_path / "trees.jsonl", (followed_tree(number, alike=False).to_json() for number in range(8)))

    def behave(number: int, body: dict[str, Any]) -> Act:
        if number == 30:
            _thread.interrupt_main()
        return _judges(number, body) if number < 30 else Act("hang")

    with Stub(behave) as stub:
        options = ["--judge", "llm", "--llm-judge.tries", "1", "--llm.concurrency", "2", *_options(tmp_path, stub)]
        command = ["judge", "--trees", str(tmp_path / "trees.jsonl"), "--output", str(tmp_path / "out"), *options]
        start = time.monotonic()
        assert cli.main(command) == 130
        assert time.monotonic() - start < 20  # far less than the timeout of a call
        said = capsys.readouterr()
        assert f"{stub.total} calls paid, 0 answers from" in said.out
        assert said.err == "\njorney: interrupted; the same command goes on from here\n"
        assert stub.total >= 29
        (part,) = (tmp_path / "out" / "stages").glob("judge-*/parts/*.jsonl")
        assert 3 <= len(part.read_text().splitlines()) < 8
        paid = stub.total
        stub._behave = _judges
        assert cli.main(command) == 0
        assert stub.total == 8 * 7
        assert f"{8 * 7 - paid} calls paid" in capsys.readouterr().out
        assert len(list(read_trees(tmp_path / "out" / "judge"))) == 8


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["judge", "--trees", "/nowhere"], "/nowhere: no such file or folder: expected trees that `jorney expand` wrote"),
        (["judge", "--judge", "llm"], "llm.model = '': expected the name that the endpoint knows its model by"),
        (["judge", "--judge", "/nowhere"], "/nowhere: no such folder"),
        (["judge", "--llm-judge.scope", "x"], "llm_judge.scope = 'x': expected one of step, path"),
        (["refine", "--thoughts", "/nowhere"], "/nowhere: expected the folder that `jorney derive` wrote"),
        (["refine", "--refiner", "gpt"], "refiner = 'gpt': expected one of offline, llm"),
        (["refine", "--kinds", "story"], "kinds = ('story',): expected one or more of shortcut, journey, placebo"),
        (["expand", "--judge", "llm"], "llm.model = ''"),
        (["quickstart", "--judge", "llm"], "llm.model = ''"),
    ],
)
def test_wrong_input(arguments, message, trees, tmp_path, capsys) -> None:
    given = {"judge": ["--trees", str(trees)], "refine": [], "expand": [], "quickstart": []}[arguments[0]]
    place = ["--output", str(tmp_path / "out")]
    assert cli.main([arguments[0], *(given if "--trees" not in arguments else []), *arguments[1:], *place]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_bad_lines_are_named(trees, tmp_path, capsys) -> None:
    lines = trees.read_text().splitlines()
    row = json.loads(lines[1])
    row["nodes"][3]["status"] = "fine"
    for bad, message in (
        (json.dumps(row), "trees.jsonl: line 2: tree 'p1': node 3: status = 'fine': expected one of kept"),
        ("{", "trees.jsonl: line 2: expected a JSON object"),
        (lines[0], "the tree 'p0' is there twice"),
    ):
        trees.write_text("\n".join([lines[0], bad, *lines[2:]]))
        assert cli.main(["judge", "--trees", str(trees), "--output", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


@pytest.fixture
def _grown_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def grow(generator, policy, problems, judge, step_format, config, seed):
        for number, problem in enumerate(problems):
            tree = dataclasses.replace(followed_tree(number), id=problem.id, question=problem.question)
            ratings = judge([request(tree, node) for node in range(1, len(tree.nodes))])
            yield rerate(tree, ratings, {})

    monkeypatch.setattr(expansion, "grow", grow)
    monkeypatch.setattr(Workspace, "generator", lambda self, model: types.SimpleNamespace(policy=None))


@pytest.mark.usefixtures("_grown_by_hand")
def test_trees_that_grow_may_have_a_language_model_as_their_judge(tmp_path, capsys) -> None:
    with Stub(_judges) as stub:
        command = ["expand", "--limit", "2", "--judge", "llm", "--output", str(tmp_path / "out"), *_options(tmp_path, stub)]
        assert cli.main(command) == 0
        for tree in read_trees(tmp_path / "out" / "trees"):
            assert [node.correct for node in tree.nodes[1:]] == [False, False, False, True, True, True, False]
        summary = json.loads((tmp_path / "out" / "summary.json").read_text())
        assert (summary["calls"], summary["parse_failures"], summary["fallbacks"], stub.total) == (18, 6, 2, 18)
        assert "m: 18 calls paid, 0 answers from" in capsys.readouterr().out
        assert cli.main([*command, "--llm.price-input", "3", "--llm.concurrency", "2"]) == 0  # neither changes a tree
        assert stub.total == 18


@pytest.mark.usefixtures("_grown_by_hand")
def test_a_whole_run_may_have_a_language_model_as_its_judge(tmp_path, monkeypatch) -> None:
    def trees_alone(run: pipeline.Run) -> list[str]:
        run._space.run(run._stages["trees"])
        raise KeyboardInterrupt

    monkeypatch.setattr(pipeline.Run, "_run_stages", trees_alone)
    with Stub(_judges) as stub:
        options = _options(tmp_path, stub)
        command = ["quickstart", "--judge", "llm", "--problems.trees-count", "2", "--share", "0.5", *options]
        cli.main([*command, "--output", str(tmp_path / "out")])
        assert stub.total == 18
    found = list(read_trees(tmp_path / "out" / "trees"))
    assert len(found) == 2
    for tree in found:
        assert [node.correct for node in tree.nodes[1:]] == [False, False, False, True, True, True, False]
