"""Human solutions that a model tells at more length: what is accepted, what is refused and why."""

from __future__ import annotations

import dataclasses
import re

import pytest

from jorney.domain.problem import Problem
from jorney.judge.llm import Account
from jorney.text.step_format import ABEL
from jorney.thought.asked.asking import Unreadable, advance
from jorney.thought.asked.augment import AugmentConfig, Passage, augment, read_passages, unfaithful
from jorney.thought.asked.human import from_solution, segments
from jorney.thought.origins import unfounded

EGGS = Problem(
    "eggs",
    "A hen lays 8 eggs a week. What do 11 hens bring in 5 weeks at $4 an egg?",
    "1760",
    "1. A week gives 8 * 11 = 88 eggs\n2. So 88 * 5 = 440 eggs in all\n3. Eggs are sold singly here\n"
    "4. 440 * 4 = 1,760\n#### 1760",
)
STEPS = ["A week gives 8 * 11 = 88 eggs", "So 88 * 5 = 440 eggs in all", "Eggs are sold singly here", "440 * 4 = 1,760"]
FINER = """[1]
One hen lays 8 eggs.
A week gives 8 * 11 = 88 eggs.
[2]
So 88 * 5 = 440 eggs in all.
[3]
The eggs are sold singly.
[4]
440 * 4 = 1,760 dollars."""
RECAP = FINER.replace("[3]\n", "[recap]\nSo far: 88 eggs a week, 440 eggs in all.\n[3]\n")
STUDENT = RECAP.replace("One hen lays", "Hm, one hen lays").replace("440 * 4", "Wait, do I sell them at 4? Yes: 440 * 4")


def _run(replies, config=AugmentConfig()):  # noqa: B008
    replies, prompts = iter(replies), []

    def ask(chats):
        prompts.extend(chat[-1]["content"] for chat in chats)
        return [next(replies) for _ in chats]

    ((_, made),) = advance([augment(EGGS, ABEL, config, "m")], ask, 1)
    return made, prompts


def test_three_passes_by_hand() -> None:
    assert segments(EGGS, ABEL) == STEPS
    made, prompts = _run([FINER, RECAP, STUDENT + "\n#### 1760"])
    thought = made.thought
    assert (made.status, made.calls, made.unreadable) == ("kept", 3, 0)
    assert thought is not None
    assert thought.text == (
        "1. Hm, one hen lays 8 eggs.\n2. A week gives 8 * 11 = 88 eggs.\n3. So 88 * 5 = 440 eggs in all.\n"
        "So far: 88 eggs a week, 440 eggs in all.\n4. The eggs are sold singly.\n"
        "5. Wait, do I sell them at 4? Yes: 440 * 4 = 1,760 dollars.\n#### 1760"
    )
    assert [(piece.kind, piece.node) for piece in thought.pieces] == [
        ("step", 1),
        ("step", 1),
        ("step", 2),
        ("connective", 2),
        ("step", 3),
        ("step", 4),
        ("conclusion", 4),
    ]
    assert [turn.text for turn in thought.turns] == [EGGS.question, *STEPS]
    assert thought.refiner == "m: finer, recap, student"
    assert unfounded(thought) is None
    assert FINER in prompts[1]  # each pass goes on from the one before
    assert RECAP in prompts[2]


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("[3]\n", "", r"\[1\] to \[4\], each once and in order"),
        ("[2]", "[5]", r"\[1\] to \[4\], each once and in order"),
        ("8 * 11 = 88", "11 hens make 88", r"\[1\] has lost an equation"),
        ("88 * 5 = 440", "88 * 5 eggs", r"\[2\] has lost the number 440"),
        ("One hen lays 8", "One hen lays 2 * 3 = 8", r"\[1\] has a false equation"),
        ("The eggs are sold singly.", "Chickens dislike rain.", r"\[3\] says something else"),
        ("440 * 4", "440 * 4 = 1,760, no: 440 * 5", r"\[4\] has a false equation"),
        ("dollars.", "dollars.\n#### 1761", "the answer has become 1761"),
        ("[3]\n", "[recap]\nThat is 90 eggs.\n[3]\n", r"the recap after \[2\] says something new: 90"),
    ],
)
def test_what_changes_the_solution_is_refused(old, new, why) -> None:
    assert old in FINER
    with_fault = FINER.replace(old, new)
    assert unfaithful(EGGS, STEPS, read_passages(FINER)) is None
    found = unfaithful(EGGS, STEPS, read_passages(with_fault))
    assert found is not None
    assert re.search(why, found), found


@pytest.mark.parametrize("reply", ["", "Sure! Here it is:\n" + FINER, "[recap]\nx\n" + FINER, "[1]\n[2]\nx", "no marks"])
def test_replies_off_form(reply) -> None:
    with pytest.raises(Unreadable):
        read_passages(reply)


def test_a_refused_pass_leaves_the_text_as_it_was() -> None:
    replies = [FINER, "no", RECAP.replace("440 * 4", "440 * 5"), STUDENT, STUDENT]
    made, prompts = _run(replies, AugmentConfig(retries=1))
    assert (made.status, made.unreadable) == ("kept", 4)  # a recap was not asked for in the tone of a student
    assert made.account == Account(calls=5, parse_failures=1, check_failures=3)  # three are in the form
    assert made.unread.startswith("'no' (expected the mark [1]")
    assert made.thought is not None
    assert made.thought.refiner == "m: finer"
    assert "[4] has a false equation" not in prompts[2]
    made, _ = _run(["no"] * 3, AugmentConfig(retries=0))
    assert (made.status, made.thought, made.unreadable) == ("unreadable", None, 3)


def test_the_solution_as_it_stands() -> None:
    thought = from_solution(EGGS, ABEL)
    assert thought.text.splitlines()[-2:] == ["4. 440 * 4 = 1,760", "#### 1760"]
    assert unfounded(thought) is None
    with pytest.raises(ValueError, match="'eggs' has no solution"):
        from_solution(dataclasses.replace(EGGS, solution=None), ABEL)
    with pytest.raises(ValueError, match="states an answer alone"):
        from_solution(dataclasses.replace(EGGS, solution="#### 1760"), ABEL)
    assert Passage(1, ("x",)) == read_passages("[1]\nx")[0]


@pytest.mark.parametrize(
    "field", [{"passes": ()}, {"passes": ("funny",)}, {"kept_words": 2.0}, {"retries": -1}, {"retries": 10**9}]
)
def test_wrong_augmentation_settings(field) -> None:
    with pytest.raises(ValueError, match="augment."):
        AugmentConfig(**field)
