"""Constructions as stages: nothing that was answered is asked for again, whenever it is stopped."""

from __future__ import annotations

import json

import pytest
from simulated_model import SimulatedModel

from jorney import storage
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.domains import state
from jorney.progress import Progress
from jorney.run.stages.derivation import read_thoughts
from jorney.run.stages.thoughts.reading import THOUGHTS
from jorney.run.stages.thoughts.talking import OTHERS, Replies, plan_constructed
from jorney.run.workspace import Workspace
from jorney.sharding import MeshConfig
from jorney.text.step_format import ABEL
from jorney.thought.asked.dialogue import DialogueConfig, propose_critique

PROBLEMS = sample_problems(Countdown(), "trees", 30, 0)
CONFIG = DialogueConfig(max_turns=12, retries=1)


def _plan(folder, ask, problems=PROBLEMS):
    space = Workspace(str(folder), MeshConfig(data=8), "float32", "abel", 0, Progress(quiet=True))

    def dialogue(problem):
        return propose_critique(problem, ABEL, state, CONFIG, "m")

    return space, plan_constructed(space, "propose-critique", problems, dialogue, lambda: ask, [CONFIG, "m"], 8)


def test_stopped_anywhere_it_goes_on_with_what_was_answered(tmp_path) -> None:
    model = SimulatedModel(off_form=0.1)
    space, plan = _plan(tmp_path / "whole", model)
    done = space.run(plan)
    whole, asked = (done.folder / THOUGHTS).read_text(), len(model.chats)
    assert done.result["kept"] == len(read_thoughts(done.folder / THOUGHTS)) > 15
    others = [row for _, row in storage.read_jsonl(done.folder / OTHERS)]
    assert done.result["kept"] + len(others) == done.result["problems"] == 30
    assert {row["status"] for row in others} <= {"unfinished", "unreadable", "wrong answer"}
    assert done.result["calls"] >= asked  # a chat that two problems have in common is asked for once

    again = SimulatedModel(off_form=0.1)
    rounds = 0

    def stopped(chats):
        nonlocal rounds
        rounds += 1
        if rounds in (3, 4, 9):
            raise KeyboardInterrupt
        return again(chats)

    for _ in range(3):
        space, plan = _plan(tmp_path / "stopped", stopped)
        with pytest.raises(KeyboardInterrupt):
            space.run(plan)
        assert not (plan.folder / THOUGHTS).exists()
    space, plan = _plan(tmp_path / "stopped", stopped)
    assert space.run(plan).result == done.result
    assert (plan.folder / THOUGHTS).read_text() == whole
    assert len(again.chats) == len(set(again.chats)) == asked
    space, plan = _plan(tmp_path / "stopped", lambda chats: pytest.fail("it is done"))
    space.run(plan)


def test_a_failed_call_is_tried_again_by_the_next_run(tmp_path) -> None:
    calls = []

    def ask(chats):
        calls.append([chat[0]["content"] for chat in chats])
        return [None if "b" in chat[0]["content"] and len(calls) == 1 else chat[0]["content"].upper() for chat in chats]

    chats = [[{"role": "user", "content": text}] for text in ("a", "b", "a")]
    assert Replies(storage.path(tmp_path), lambda: ask)(chats) == ["A", None, "A"]
    later = Replies(storage.path(tmp_path), lambda: ask)
    assert later(chats) == ["A", "B", "A"]
    assert calls == [["a", "b"], ["b"]]
    assert (len(later), later.asked) == (2, 1)
    with pytest.raises(ValueError, match="1 replies to 2 chats"):
        Replies(storage.path(tmp_path / "new"), lambda: lambda chats: ["x"])(chats)
    (tmp_path / "000009.jsonl").write_text(json.dumps({"chat": "x"}) + "\n")
    with pytest.raises(ValueError, match="000009.jsonl: line 1: field 'reply': expected a text"):
        Replies(storage.path(tmp_path), lambda: ask)
    (tmp_path / "000009.jsonl").write_text(json.dumps({"reply": "x"}) + "\n")
    with pytest.raises(ValueError, match="000009.jsonl: line 1: field 'chat': expected a text"):
        Replies(storage.path(tmp_path), lambda: ask)
