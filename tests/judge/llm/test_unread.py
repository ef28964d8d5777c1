"""Answers that cannot be read: counted, shown, and too many of them end a run."""

from __future__ import annotations

import pytest

from jorney.judge.llm import Account, LlmConfig
from jorney.judge.llm.unread import Unread, told, unreadable


def _unread(**fields: float) -> Unread:
    return Unread(LlmConfig("m", **fields))


def test_a_share_above_the_limit_ends_the_run_once_there_are_enough() -> None:
    unread = _unread(max_unread=0.25, unread_after=8)
    for _ in range(5):
        unread.add(Account(calls=1) + unreadable("hm", "no object"))
    for _ in range(2):
        unread.add(Account(calls=1))
    with pytest.raises(ValueError, match=r"^5 of 8 answers could not be read, such as 'hm' \(no object\): expected .*0\.25"):
        unread.add(Account(calls=1))


def test_a_share_at_the_limit_does_not() -> None:
    unread = _unread(max_unread=0.5, unread_after=2)
    for _ in range(50):
        unread.add(Account(calls=2) + unreadable("hm", "no object"))
    assert told(unread.account) == "50 of 100 answers could not be read, such as 'hm' (no object)"
    with pytest.raises(ValueError, match="51 of 101"):
        unread.add(Account(calls=1) + unreadable("hm", "no object"))
    everything = _unread(max_unread=1.0, unread_after=1)
    for _ in range(50):
        everything.add(Account(calls=1) + unreadable("hm", "no object"))
    nothing = _unread(max_unread=0.0, unread_after=1)
    nothing.add(Account(calls=1000))
    nothing.add(Account(failures=3, fallbacks=3))  # a call that failed is no answer
    assert told(nothing.account) == ""


def test_however_few_there_are_at_the_end() -> None:
    unread = _unread()
    unread.check(Account())
    unread.check(Account(calls=2) + unreadable("hm", "no object"))
    with pytest.raises(ValueError, match="1 of 1 answers could not be read, such as 'hm'"):
        unread.check(Account(calls=1) + unreadable("hm", "no object"))
    with pytest.raises(ValueError, match="1 were cut off at llm.max_tokens = 2048: expected"):
        unread.check(Account(calls=1, cut=1) + unreadable("<think>hm", "no object"))


def test_the_example_is_one_line_of_what_was_said() -> None:
    assert unreadable("<think>long</think>\n so\nit is", "why").unread == "'so it is' (why)"
    assert unreadable("<think>\nI am cut", "why").unread == "'<think> I am cut' (why)"
    assert unreadable("", "why").unread == "'' (why)"
    assert len(unreadable("x" * 10**6, "why").unread) < 120
    first, second = unreadable("a", "1"), unreadable("b", "2")
    assert (first + second).unread == (Account() + first).unread == "'a' (1)"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_unread": 1.5}, "llm.max_unread = 1.5: expected 0 or more, 1 at most"),
        ({"max_unread": float("nan")}, "llm.max_unread = nan: expected 0 or more"),
        ({"unread_after": 0}, "llm.unread_after = 0: expected 1 or more"),
        ({"unread_after": 2.5}, "llm.unread_after = 2.5: expected a whole number"),
    ],
)
def test_fields(fields: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _unread(**fields)
