"""What differs between two texts, and that no two texts take long."""

from __future__ import annotations

import itertools
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.show.text_differences import MOST_WORDS, differences


def words(first: str, second: str) -> tuple[list[str], list[str]]:
    one, other = differences(first, second)
    return [first[mark.start : mark.stop] for mark in one], [second[mark.start : mark.stop] for mark in other]


def test_words_that_differ_are_marked():
    assert words("1. 12 - 7 = 5 (left: 4, 5)", "1. 12 - 8 = 4 (left: 4, 4)") == (["7", "5", "5"], ["8", "4", "4"])
    assert words("same", "same") == ([], [])
    assert words("a b c d", "a d") == (["b c"], [])
    assert words("so $x^2$ is", "so $x^3$ is") == (["$x^2$"], ["$x^3$"])
    assert words("", "new") == ([], ["new"])


def test_lines_are_compared_first():
    assert words("one two\nthree four\nfive", "one two\nthree 4\nsix\nfive") == (["four"], ["4\nsix"])
    # Lines that are in both stay unmarked, however much stands between.
    assert words("a b\nc d", "x y\n" * 300 + "a b\nc d")[0] == []


def test_marks_have_their_kinds():
    one, other = differences("a", "b", "old", "young")
    assert one[0].opens + other[0].opens == '<mark class="old"><mark class="young">'


@given(*[st.text(alphabet="ab \n$", max_size=40)] * 2)
def test_what_is_not_marked_is_in_both(first, second):
    one, other = differences(first, second)

    def left(text, marks):
        for mark in reversed(marks):
            text = text[: mark.start] + text[mark.stop :]
        return "".join(text.split())

    assert left(first, one) == left(second, other)
    for text, marks in ((first, one), (second, other)):
        assert all(0 <= mark.start < mark.stop <= len(text) for mark in marks)
        assert all(a.stop <= b.start for a, b in itertools.pairwise(marks))


def test_no_two_texts_take_long():
    rng = random.Random(0)
    mixed = [" ".join(rng.choices([str(i) for i in range(many)], k=2_900)) for many in (6, 6, 80, 80, 400, 400)]
    pairs = [("a b " * 700, "b a " * 700), ("a\n" * 3000, "b\na\n" * 1500), ("a " * 200, "b a " * 100)]
    pairs += [(mixed[i].replace(" ", sep), mixed[i + 1].replace(" ", sep)) for i in (0, 2, 4) for sep in (" ", "\n")]
    for first, second in pairs:
        begin = time.process_time()
        differences(first, second)
        assert time.process_time() - begin < 3


@pytest.mark.parametrize("text", ["a " * MOST_WORDS, "$" * (MOST_WORDS + 1)])
def test_beyond_a_length_nothing_is_compared(text):
    assert differences(text, "a") is None
    assert differences("a", text) is None
