"""Thoughts that are made by asking: by hand with scripted replies, and with a simulated model that errs in every way."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
from simulated_model import SimulatedModel

from jorney.domain.countdown.grade import grade_countdown
from jorney.domain.countdown.sets import Countdown, make_problem, sample_problems
from jorney.domain.domains import state
from jorney.domain.grading import Grader
from jorney.text.step_format import ABEL
from jorney.thought.asked.asking import STATUSES, Made, Unreadable, account, advance, graded
from jorney.thought.asked.augment import AugmentConfig, augment
from jorney.thought.asked.dialogue import DialogueConfig, propose_critique, read_action, read_verdict, student_teacher
from jorney.thought.origins import unfounded
from jorney.thought.thought import from_json

PROBLEM = make_problem((3, 4, 5, 9), 20)


def _run(dialogue, replies):
    """What becomes of a dialogue whose replies are given, and the prompts that it asked with."""
    replies, prompts = iter(replies), []

    def ask(chats):
        prompts.extend(chat[-1]["content"] for chat in chats)
        return [next(replies) for _ in chats]

    ((_, made),) = advance([dialogue], ask, 4)
    assert next(replies, "none left") == "none left"
    return made, prompts


def test_propose_and_critique_by_hand() -> None:
    made, prompts = _run(
        propose_critique(PROBLEM, ABEL, state, DialogueConfig(), "m"),
        [
            "Action: continue\n1. 5 * 9 = 45 (left: 3, 4, 45)",
            "That is large.",
            "I would multiply.",  # not in the form
            "Action: reflect\nLet me see, 45 is far from 20.",
            "Indeed.",
            "Action: backtrack to 0\nWait, 45 is too large.",
            "Good.",
            "action: Continue\n9 - 4 = 5 (left: 3, 5, 5)",
            "Fine.",
            "Action: continue\n3 * 5 = 15 (left: 5, 15)",
            "Fine.",
            "Action: terminate\n5 + 15 = 20 (left: 20)\n#### 20",
        ],
    )
    assert (made.status, made.calls, made.unreadable, made.failed) == ("kept", 12, 1, 0)
    thought = made.thought
    assert thought is not None
    assert thought.text == (
        "1. 5 * 9 = 45 (left: 3, 4, 45)\nLet me see, 45 is far from 20.\nWait, 45 is too large. Go back to 3, 4, 5, 9.\n"
        "1. 9 - 4 = 5 (left: 3, 5, 5)\n2. 3 * 5 = 15 (left: 5, 15)\n3. 5 + 15 = 20 (left: 20)\n#### 20"
    )
    assert [(piece.kind, piece.node, piece.back_to) for piece in thought.pieces] == [
        ("excursion", 1, None),
        ("connective", 3, None),
        ("reflection", 5, 0),
        ("step", 7, None),
        ("step", 9, None),
        ("step", 11, None),
        ("conclusion", 11, None),
    ]
    assert [turn.role for turn in thought.turns] == ["question", *itertools.islice(itertools.cycle(["proposer", "critic"]), 11)]
    assert (thought.kind, thought.construction, thought.refiner, thought.leaf) == ("journey", "propose-critique", "m", 11)
    assert unfounded(thought) is None
    assert from_json(thought.to_json(), "row") == thought
    assert grade_countdown(PROBLEM, thought.text).correct
    assert "A critic says of it: That is large." in prompts[2]
    assert "expected 'Action: ' and one of continue" in prompts[3]
    assert "Tried before, and left:\n- 1. 5 * 9 = 45 (left: 3, 4, 45)" in prompts[7]
    assert all("20; do not tell" not in prompt for prompt in prompts)


def test_student_and_teacher_by_hand() -> None:
    made, prompts = _run(
        student_teacher(PROBLEM, ABEL, state, DialogueConfig(known_answer=True), "m"),
        [
            "9 - 4 = 5 (left: 3, 5, 5)",
            "Verdict: go on. Good.",
            "5 * 5 = 25 (left: 3, 25)",
            "Verdict: backtrack to 1\n25 is too large.",
            "Hm, 3 and 25 do not give 20.",
            "3 * 5 = 15 (left: 5, 15)",
            "Verdict: reflect\nHow far is it?",
            "I need 5 more, and 5 is left.",
            "5 + 15 = 20 (left: 20)\n#### 20",
            "Verdict: go on",
        ],
    )
    assert (made.status, made.calls, made.unreadable) == ("kept", 10, 0)
    assert made.thought is not None
    assert made.thought.text == (
        "1. 9 - 4 = 5 (left: 3, 5, 5)\n2. 5 * 5 = 25 (left: 3, 25)\nHm, 3 and 25 do not give 20. Go back to 3, 5, 5.\n"
        "2. 3 * 5 = 15 (left: 5, 15)\nI need 5 more, and 5 is left.\n3. 5 + 15 = 20 (left: 20)\n#### 20"
    )
    assert made.thought.excursions == 1
    assert [piece.node for piece in made.thought.pieces] == [1, 3, 5, 6, 8, 9, 9]
    assert made.thought.pieces[2].back_to == 1
    assert unfounded(made.thought) is None
    told = ["The right answer is 20; do not tell it." in prompt for prompt in prompts]
    assert told == ["teacher who watches" in prompt for prompt in prompts]  # and nobody else


def test_dialogues_are_bounded() -> None:
    config = DialogueConfig(max_turns=3, retries=1)
    step = ["Action: continue\nstep", "fine"]
    made, _ = _run(propose_critique(PROBLEM, ABEL, state, config, "m"), step * 3)
    assert (made.status, made.note, made.calls) == ("unfinished", "no answer within 3 actions", 6)
    made, _ = _run(propose_critique(PROBLEM, ABEL, state, config, "m"), [*step, "?", "??"])
    assert (made.status, made.unreadable, made.calls) == ("unreadable", 2, 4)
    made, _ = _run(student_teacher(PROBLEM, ABEL, state, config, "m"), ["a step", None])
    assert (made.status, made.failed, made.calls, made.thought) == ("failed call", 1, 2, None)
    off = DialogueConfig(max_backtracks=0, retries=0)
    made, _ = _run(propose_critique(PROBLEM, ABEL, state, off, "m"), [*step, "Action: backtrack to 0\nno"])
    assert "as often as you may" in made.note
    with pytest.raises(ValueError, match="2 replies to 1 chats"):
        list(advance([propose_critique(PROBLEM, ABEL, state, config, "m")], lambda chats: ["", ""], 4))
    with pytest.raises(ValueError, match="dialogue.max_turns = 0: expected 1 or more"):
        DialogueConfig(max_turns=0)
    with pytest.raises(ValueError, match="dialogue.retries = 1000000000: expected 0 or more, 100 at most"):
        DialogueConfig(retries=10**9)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("Action: continue\n2. x = 3", ("continue", "2. x = 3", 0, "")),
        ("**Action:** backtrack to step 1.\nWrong.", ("backtrack", "Wrong.", 1, "")),
        ("Action: continue\nSo it is\n#### 5", ("terminate", "So it is", 0, "5")),
        (r"Action: terminate" + "\n" + r"It is $\boxed{5}$.", ("terminate", r"It is $\boxed{5}$.", 0, "5")),
    ],
)
def test_actions_are_read(reply, expected) -> None:
    assert tuple(read_action(reply, 3)) == expected


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        ("", "expected 'Action: '"),
        ("I will continue.", "expected 'Action: '"),
        ("Action: continue", "expected words after"),
        ("Action: terminate\nDone.", "expected the final answer"),
        ("Action: backtrack\nno", "K from 0 to 2"),
        ("Action: backtrack to 3\nno", "K from 0 to 2"),
    ],
)
def test_actions_off_form(reply, message) -> None:
    with pytest.raises(Unreadable, match=message):
        read_action(reply, 3)


def test_verdicts_are_read() -> None:
    assert tuple(read_verdict("Verdict: **backtrack to 0**\nNo.", 2)) == ("backtrack", "No.", 0)
    assert tuple(read_verdict("verdict = Go on", 2)) == ("go on", "", 0)
    for reply in ("fine", "Verdict: backtrack to 2\nNo.", "Verdict: backtrack\nNo."):
        with pytest.raises(Unreadable):
            read_verdict(reply, 2)
    with pytest.raises(Unreadable, match="no step yet"):
        read_verdict("Verdict: backtrack to 0", 0)


@pytest.mark.parametrize("construction", ["propose-critique", "student-teacher", "human"])
def test_every_problem_and_every_call_is_accounted_for(construction) -> None:
    problems = sample_problems(Countdown(), "trees", 60, 0)
    if construction == "human":  # every line of a Countdown solution is graded as a move
        problems = [dataclasses.replace(problem, verifier="math", meta={}) for problem in problems]
    model = SimulatedModel(off_form=0.15, silent=0.01)
    config = DialogueConfig(max_turns=12, retries=1)
    makes = {
        "propose-critique": lambda problem: propose_critique(problem, ABEL, state, config, "m"),
        "student-teacher": lambda problem: student_teacher(problem, ABEL, state, config, "m"),
        "human": lambda problem: augment(problem, ABEL, AugmentConfig(retries=1), "m"),
    }
    results: dict[int, Made] = {}
    with Grader() as grader:
        for index, made in advance(map(makes[construction], problems), model, 8):
            assert index not in results
            results[index] = graded(made, problems[index], grader)
    assert [results[index].id for index in range(60)] == [problem.id for problem in problems]
    counts = account(results.values())
    assert counts["problems"] == sum(counts[status.replace(" ", "_")] for status in STATUSES) == 60
    assert counts["calls"] == len(model.chats)
    assert counts["failed_calls"] == model.none > 0
    assert counts["unreadable_replies"] > 0
    assert model.largest_round == 8
    assert counts["kept"] >= 10
    for index, made in results.items():
        if made.status == "kept":
            assert made.thought is not None
            assert made.thought.construction == construction
            assert unfounded(made.thought) is None
            assert Grader().grade(problems[index], made.thought.text).correct
            assert from_json(made.thought.to_json(), "row") == made.thought
    kept = [made.thought for made in results.values() if made.status == "kept"]
    if construction != "human":
        assert sum(thought.excursions > 0 for thought in kept if thought) >= 5
        assert counts["wrong_answer"] + counts["unfinished"] > 0


def test_what_is_under_way_beside_a_dialogue_changes_nothing() -> None:
    problems = sample_problems(Countdown(), "trees", 20, 0)

    def all_of(concurrent):
        dialogues = (propose_critique(problem, ABEL, state, DialogueConfig(), "m") for problem in problems)
        return dict(advance(dialogues, SimulatedModel(off_form=0.2), concurrent))

    assert all_of(1) == all_of(7) == all_of(100)
    assert dataclasses.asdict(all_of(3)[0])["id"] == problems[0].id
