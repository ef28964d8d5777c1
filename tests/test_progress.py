"""A running share is one of the first, whatever ends first."""

from __future__ import annotations

from jorney.progress import RunningShare


def test_it_is_told_over_a_beginning() -> None:
    share = RunningShare("abcd")
    share.add("c", True)
    share.add("b", True)
    assert share.told() == ""
    share.add("a", False)
    assert share.told() == "66.7% of the first 3 right"
    share.add("d", False)
    assert share.told("problems right") == "50.0% of the first 4 problems right"


def test_each_may_have_several() -> None:
    share = RunningShare("ab")
    share.add("a", 3, 4)
    share.add("b", 0, 4)
    assert share.told() == "37.5% of the first 2 right"


def test_nothing_counted_is_nothing_told() -> None:
    share = RunningShare("a")
    share.add("a", 0, 0)
    assert share.told() == ""
