"""`jorney plan --expected`: the engine's schedule at the compiler's prices."""

from __future__ import annotations

import pytest

from jorney import topology
from jorney.machine.plan import plan
from jorney.machine.plan.expected import lines, usual_solutions
from jorney.run.stages.expansion import ExpandCommand
from jorney.sharding import MeshConfig
from jorney.tree.expand import ExpandConfig
from jorney.tree.prune import PruneConfig


def test_usual_solutions_are_as_long_as_gsm8ks() -> None:
    found = usual_solutions(90)
    pieces = [step.count(" more") for one in found for step in one]
    assert sum(map(len, found)) / len(found) == pytest.approx(3.66, abs=0.15)  # of its test set's 1,319: 3.66 steps
    assert sum(pieces) / len(pieces) == pytest.approx(25, abs=1)  # and 25.0 words, digits and signs a step


@pytest.mark.slow
def test_trees_have_an_expected_rate() -> None:
    pytest.importorskip("libtpu")
    grows = ExpandConfig(w=2, depth=7, step_tokens=64, rows=8, problem_rows=2, prune=PruneConfig(keep=2))
    command = ExpandCommand(model="smollm2-135m", dtype="bfloat16", expand=grows, mesh=MeshConfig(data=1))
    machine = topology.find("v5e-1")
    found = plan.make(command, machine, prompt=160, expected=True)
    (label, own), (replayed,) = *found.expected.items(), [found.expected["trees"].replay]
    assert label == "trees"
    assert own.rate == pytest.approx(replayed.counts.sampled / sum(own.seconds.values()))
    assert set(own.prices) == set(replayed.runs)
    for call, price in own.prices.items():
        assert price.cost.once.seconds > 0
        if call.kind == "decode":
            assert sum(price.parts.values()) < price.cost.step.seconds
            assert own.seconds[call] > replayed.steps[call] * price.cost.step.seconds
    bound = found.programs[-1]
    assert own.rate < bound.tokens_per_second_per_chip  # what is expected is less than what is possible
    assert own.of_least > 0
    told = list(lines(own))
    assert max(map(len, told)) <= 80
    assert told[-1] == f"{own.rate:,.0f} tokens/s/chip expected"
