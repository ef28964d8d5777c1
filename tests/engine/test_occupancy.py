"""How full the engine keeps its rows: GSM8K's own steps as the policy's, programs that only pretend to compute."""

from __future__ import annotations

import pytest

from jorney.engine.programs import Shape, patience
from jorney.machine.plan.replay import replay, steps_of
from jorney.rows.problems import read_problems


def test_tpus_read_less_often() -> None:
    """What the engine waits for changes how often it looks, and nothing of the texts."""
    solutions = [["so " * (3 + 7 * number % 11)] * (1 + number % 3) for number in range(48)]
    often, seldom = (
        replay(Shape(problems=32, rows=4, slots=1024, chunk=16, texts=3), solutions, w=3, k=3, share=patience(platform))
        for platform in ("cpu", "tpu")
    )
    assert sum(seldom.runs.values()) < 0.7 * sum(often.runs.values())
    assert seldom.counts.occupancy < often.counts.occupancy  # the price


@pytest.mark.parametrize("chunk", [pytest.param(8, marks=pytest.mark.slow), 16])
def test_rows_are_kept_full(gsm8k, chunk) -> None:
    solutions = [steps_of(problem.solution) for problem in read_problems(str(gsm8k / "test.jsonl"), 480)]
    assert solutions[0] == [
        "Janet sells 16 - 3 - 4 = 9 duck eggs a day.",
        "She makes 9 * 2 = $18 every day at the farmer’s market.",
    ]
    shape = Shape(problems=16, rows=4, slots=4096, chunk=chunk, texts=4)
    found = replay(shape, solutions, w=4, k=4, spacious=True)
    assert found.counts.busy >= 0.85
    assert found.counts.occupancy >= 0.76  # of a step's last ids some stand behind the stop
    assert {call.number for call in found.runs if call.kind == "decode"} == {64, 32}  # rows that are not there are left out
    assert found.counts.writes <= found.counts.read + found.counts.sampled  # nothing twice
    assert sum(found.steps.values()) == found.counts.steps
    assert min(found.steps.values()) > 0
