"""Every stage that asks a language model, where it answers in no form that was asked for, or thinks aloud before it does."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import types
from typing import Any

import pytest
from simulated_model import SimulatedModel
from stub_endpoint import Act, Behave, Stub
from trees_by_hand import followed_tree

from jorney import cli, storage
from jorney.run.stages import expansion
from jorney.run.stages.derivation import read_thoughts
from jorney.run.stages.expansion import read_trees
from jorney.run.stages.thoughts.talking import AskingCommand
from jorney.run.workspace import Workspace
from jorney.tree.rerate import request, rerate

RIGHT = '{"correct": true, "justification": "it holds"}'


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1234567890")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def grow(generator, policy, problems, judge, step_format, config, seed):
        for number, problem in enumerate(problems):
            tree = dataclasses.replace(followed_tree(number, alike=False), id=problem.id)
            yield rerate(tree, judge([request(tree, node) for node in range(1, len(tree.nodes))]), {})

    monkeypatch.setattr(expansion, "grow", grow)
    monkeypatch.setattr(Workspace, "generator", lambda self, model: types.SimpleNamespace(policy=None))


@pytest.fixture
def command(tmp_path: pathlib.Path):
    """A command's arguments, by its name; what it reads lies there."""
    trees = tmp_path / "trees.jsonl"
    storage.write_jsonl(trees, (followed_tree(number, alike=False).to_json() for number in range(4)))
    assert cli.main(["derive", "--trees", str(trees), "--output", str(tmp_path / "derive")]) == 0
    thoughts = str(tmp_path / "derive" / "thoughts")
    eggs = {"question": "8 eggs of {n} hens?", "answer": "8 hens lay 8 * {n} = {m} eggs\n#### {m}"}
    rows = ({name: text.format(n=n, m=8 * n) for name, text in eggs.items()} for n in range(3, 11))
    storage.write_jsonl(tmp_path / "human.jsonl", rows)
    commands = {
        "judge": ["judge", "--trees", str(trees), "--judge", "llm"],
        "judge paths": ["judge", "--trees", str(trees), "--judge", "llm", "--llm-judge.scope", "path"],
        "expand": ["expand", "--limit", "4", "--judge", "llm"],
        "refine": ["refine", "--thoughts", thoughts, "--trees", str(trees)],
        "propose": ["thoughts", "propose-critique", "--limit", "8"],
        "teach": ["thoughts", "student-teacher", "--limit", "8"],
        "human": ["thoughts", "human", "--problems", str(tmp_path / "human.jsonl")],
        "score": ["thoughts", "score", "--thoughts", f"{thoughts}/journey.jsonl", "--by", "model"],
    }
    return lambda name, output: [*commands[name], "--output", str(tmp_path / output)]


STAGES = ["judge", "judge paths", "expand", "refine", "propose", "teach", "human", "score"]


def _at(stub: Stub, folder: pathlib.Path) -> list[str]:
    return ["--llm.model", "m", "--llm.base-url", stub.url, "--llm.cache", str(folder / "cache"), "--llm.backoff", "0.05"]


UNREAD = ["I cannot say.", "<think>\nI never come to an end", "Sure!\n```json\n{}\n```"]
# Every stage with one of them, in turn; the others are slow.
RUNS = [
    pytest.param(name, said, marks=() if at % len(UNREAD) == turn else pytest.mark.slow)
    for at, name in enumerate(STAGES)
    for turn, said in enumerate(UNREAD)
]


@pytest.mark.parametrize(("name", "said"), RUNS)
def test_a_run_whose_answers_cannot_be_read_fails(command, name: str, said: str, tmp_path, capsys) -> None:
    with Stub(lambda number, body: Act(text=said)) as stub:
        assert cli.main([*command(name, "out"), *_at(stub, tmp_path)]) == 2
        out, err = capsys.readouterr()
        (line,) = err.splitlines()
        assert "answers could not be read, such as " in line
        assert "expected a share of llm.max_unread = 0.5 at most" in line
        assert " ".join(said.split())[:6] in line
        assert "answers could not be read, such as " in out
        assert not (tmp_path / "out" / "summary.json").exists()
        assert cli.main([*command(name, "out"), *_at(stub, tmp_path)]) == 2  # nor does it come through bit by bit
        assert cli.main([*command(name, "all"), *_at(stub, tmp_path), "--llm.max-unread", "1"]) == 0
        assert "answers could not be read, such as " in capsys.readouterr().out


def test_a_run_is_stopped_early_and_goes_on_to_its_end_in_vain(command, tmp_path, capsys) -> None:
    with Stub(lambda number, body: Act(text="I cannot say.")) as stub:
        judge = [*command("judge", "out"), *_at(stub, tmp_path), "--llm.concurrency", "1", "--llm.unread-after", "30"]
        codes = [cli.main(judge) for _ in range(8)]
        assert codes == [2] * 8
        assert stub.total == 4 * 7 * 3  # each answer was asked for once
    assert not list((tmp_path / "out" / "stages").glob("judge-*/manifest.json"))


def test_a_model_on_the_machine_is_held_to_it_as_well(command, tmp_path, capsys, monkeypatch) -> None:
    def ask(chats: Any) -> list[str]:
        return ["I cannot say." for _ in chats]

    monkeypatch.setattr(AskingCommand, "asked", lambda self, space, model: (lambda: ask, ["m"], lambda stage: stage))
    for name in ("propose", "teach", "human", "score"):
        assert cli.main(command(name, name)) == 2
        assert "answers could not be read, such as 'I cannot say.'" in capsys.readouterr().err
        assert cli.main([*command(name, f"{name} all"), "--llm.max-unread", "1"]) == 0


def test_some_unread_answers_are_told_and_not_all_is_lost(command, tmp_path, capsys) -> None:
    def behave(number: int, body: dict[str, Any]) -> Act:
        return Act(text=RIGHT if len(body["messages"]) > 2 else "Hm, let me see.")  # at the second asking

    with Stub(behave) as stub:
        assert cli.main([*command("judge", "out"), *_at(stub, tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "28 of 56 answers could not be read, such as 'Hm, let me see.' (it is no JSON object)" in said
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["unread"] == "'Hm, let me see.' (it is no JSON object)"
    assert all(node.correct for tree in read_trees(tmp_path / "out" / "judge") for node in tree.nodes[1:])


def _thinks(behave: Behave) -> Behave:
    """The same, with thoughts aloud before each answer, in all the ways in which models do."""

    def act(number: int, body: dict[str, Any]) -> Act:
        said = behave(number, body).text
        thoughts = f'First {RIGHT}? <thought>No.</thought> Verdict: reflect\nAction: continue\n#### 7\n[1] x\n{{"correct": 1}}'
        opens, closes = [("<think>\n", "\n</think>\n\n"), ("", "</think>"), ("[THINK]", "[/THINK]")][number % 3]
        if not opens:  # where nothing says that a thought began, an object in it may be what was meant: it is unread
            thoughts = thoughts.replace(RIGHT, "so").replace('{"correct": 1}', "")
        return Act(text=f"{opens}{thoughts}{closes}{said}")

    return act


@pytest.mark.slow
def test_thoughts_aloud_change_nothing(command, tmp_path, capsys) -> None:
    model = SimulatedModel()

    def answers(number: int, body: dict[str, Any]) -> Act:
        asked = body["messages"][-1]["content"]
        if '"correct"' in asked:
            verdicts = [{"correct": k % 2 == 0, "justification": "3 is odd"} for k in range(asked.count("\nStep "))]
            return Act(text=json.dumps({"steps": verdicts} if "each of the" in asked else verdicts[-1]))
        if "Reply with four lines" in asked:
            return Act(text="consistency: 10\ncompleteness: 8\nrelevance: 7\nredundancy: 0")
        if "End the text with this line" in asked:
            lines = [line.split(". ", 1)[1] for line in asked.splitlines() if line[:1].isdigit()]
            words = [f"{line}\n" + ("Wait, this is wrong. " if "33" in line else "Let me compute ") for line in lines]
            return Act(text=f"<thought>Consider {''.join(words)}. Therefore\n#### 20</thought>")
        return Act(text=model([body["messages"]])[0] or "")

    written: list[list[str]] = []
    for folder, behave in (("plain", answers), ("thinking", _thinks(answers))):
        written.append([])
        for name in STAGES:
            with Stub(behave) as stub:
                options = [*_at(stub, tmp_path / folder), "--llm.concurrency", "1"]
                assert cli.main([*command(name, f"{folder}/{name}"), *options]) == 0, capsys.readouterr().err
            files = sorted((tmp_path / folder / name / "stages").glob("*/*.jsonl"))
            written[-1] += [f"{name} {file.name}: {file.read_text()}" for file in files]
            if name in ("judge", "judge paths", "expand"):
                trees = read_trees(tmp_path / folder / name / ("trees" if name == "expand" else "judge"))
                written[-1].append(str([[(node.correct, node.justification) for node in tree.nodes] for tree in trees]))
    plain, thinking = written
    assert plain == thinking
    refined = read_thoughts(tmp_path / "thinking" / "refine" / "refine" / "journey.jsonl")
    assert {thought.refiner for thought in refined} == {"m"}
