"""The step format: prompts, and telling steps apart in text as models write it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.text.step_format import ABEL, FORMATS

STARTS_A_STEP = re.compile(ABEL.start, re.MULTILINE)
# A line of a step may hold anything but what begins a step: a number with a dot and a space at a line's start.
STEP = st.text(max_size=60).map(str.strip).filter(lambda text: text and not STARTS_A_STEP.search(text))


def test_the_prompt_is_abels():
    asked = ABEL.ask("  What is {x} + 1?\n")
    assert asked == "Question:\nWhat is {x} + 1?\nAnswer:\nLet's think step by step.\n"
    assert ABEL.opens(12) == "12. "
    assert list(FORMATS) == ["abel", "blank", "step", "blank-chat", "step-chat"]


def test_writing_numbers_steps_and_drops_empty_ones():
    assert ABEL.write([" a = {1}\n", "", "  ", "b"], "{7}") == "1. a = {1}\n2. b\n#### {7}"
    assert ABEL.write([], "7") == "#### 7"


def test_splitting_messy_text():
    text = (
        "First of all.\n\n1. Ann buys\n1.5 apples\nfor 3.20 each.\n\n\n  2. So she pays 2.\n12) no step\n10. $x = 1.\n$\n#### 4"
    )
    steps = [
        "First of all.",
        "1. Ann buys\n1.5 apples\nfor 3.20 each.",
        "2. So she pays 2.\n12) no step",
        "10. $x = 1.\n$\n#### 4",
    ]
    assert ABEL.split(text) == steps


def test_numbers_within_a_line_begin_no_step():
    assert ABEL.split("1. She has 2. apples and 3. pears\n#### 5") == ["1. She has 2. apples and 3. pears\n#### 5"]


def test_numbering_that_restarts_begins_steps_all_the_same():
    assert ABEL.split("1. a\n2. b\n1. c\n1. d") == ["1. a", "2. b", "1. c", "1. d"]


def test_text_without_steps_or_answer():
    assert ABEL.split("") == ABEL.split(" \n\n ") == []
    assert ABEL.split("\n just prose\n\nover lines \n") == ["just prose\n\nover lines"]
    assert ABEL.split("1. a\n2. b is cut o") == ["1. a", "2. b is cut o"]
    assert ABEL.split("#### 4") == ["#### 4"]


@settings(max_examples=100)
@given(st.lists(STEP, min_size=1, max_size=6), st.from_regex(r"-?\d+(\.\d+)?", fullmatch=True))
def test_split_gives_written_steps_back(steps, answer):
    *others, last = ABEL.split(ABEL.write(steps, answer))
    expected = [f"{k}. {step}" for k, step in enumerate(steps, start=1)]
    assert others == expected[:-1]
    assert last == f"{expected[-1]}\n#### {answer}"


@settings(max_examples=100)
@given(st.text(alphabet="1. \n\ta#é", max_size=40))
def test_splitting_loses_nothing_but_space(text):
    pieces = ABEL.split(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    assert all(piece == piece.strip() != "" for piece in pieces)


@pytest.mark.parametrize(
    ("text", "k", "kept"),
    [
        ("3 * 4 = 12 (left: 5, 12)\n2. 5", 1, "3 * 4 = 12 (left: 5, 12)\n"),
        ("3 * 4 = 12 (left: 5, 12)\n2", 1, None),  # the number is not complete
        ("two lines,\n  one step\n\n2. then", 1, "two lines,\n  one step\n\n"),
        ("it has 2. 5 in it", 1, None),  # not where a line begins
        ("numbers again\n1. from the start\n2. on", 1, "numbers again\n1. from the start\n"),
        ("last\n#### 12", 2, None),
        ("ten\n11. more", 10, "ten\n"),
    ],
)
def test_a_step_ends_where_the_next_number_begins(text: str, k: int, kept: str | None) -> None:
    end = ABEL.end_of_step(text, k)
    assert (None if end is None else text[:end]) == kept


def test_a_step_ends_where_the_next_begins_or_behind_the_answer():
    assert ABEL.end_of_step(" a is 2.\nStill a.\n 2. b", 1) == len(" a is 2.\nStill a.\n ")
    assert ABEL.end_of_step(" a is 2.\n2.5 of it\n3. c\n", 1) is None  # no step 2
    assert ABEL.end_of_step(" so 7.\n#### 7\n\nQuestion:\n1. x\n2. y", 1) == len(" so 7.\n#### 7\n")
    assert ABEL.end_of_step(" so 7.\n#### 7", 1) is None  # its line may go on
    assert ABEL.end_of_step(" a\n2. b\n#### 7\n", 1) == len(" a\n")


def test_two_dollars_amid_a_line_open_no_formula() -> None:
    """As GSM8K has them."""
    assert ABEL.end_of_step("She owes $85 - $15 = $$70.\n2. Then", 1) == len("She owes $85 - $15 = $$70.\n")
    assert ABEL.end_of_step("We have $$\n2. x\n$$ so\n2. Then", 1) == len("We have $$\n2. x\n$$ so\n")
    assert ABEL.end_of_step("We have\n$$ x\n2. y", 1) is None
