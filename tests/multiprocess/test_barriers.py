"""Two processes that decide together, and wait for each other no longer than agreed."""

from __future__ import annotations

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import meet_in_two
import two

WORKER = str(pathlib.Path(meet_in_two.__file__))


def test_process_0_decides_for_both() -> None:
    first, second = two.run(WORKER, "decide")
    assert first["values"] == second["values"] == [{"round": n, "by": 0} for n in range(3)]
    assert (first["calls"], second["calls"]) == ([0, 1, 2], [])


def test_what_process_0_refuses_both_refuse() -> None:
    first, second = two.run(WORKER, "fail")
    assert first == second == [["ValueError", "the file is wrong"], ["OSError", "the file is wrong"]]


def test_a_barrier_names_the_process_that_does_not_come() -> None:
    (message, waited), late = two.run(WORKER, "miss")
    assert message.startswith("barrier 'save': waited 2 s in vain for process 1 of 2: expected all of them to be running")
    assert 1.5 < waited < 7
    assert late == "late"
