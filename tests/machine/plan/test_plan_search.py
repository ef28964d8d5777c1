"""`jorney plan --search`: candidates ranked by an estimate, the best compiled."""

from __future__ import annotations

import dataclasses
import json

import pytest

from jorney import topology
from jorney.machine.plan import rank as search
from jorney.machine.plan.plan import PlanConfig, run
from jorney.run.stages.expansion import ExpandCommand
from jorney.run.stages.fine_tuning import SftCommand
from jorney.sharding import MeshConfig
from jorney.train.objectives.sft import SftConfig

TINY = SftCommand(model="tiny", dtype="bfloat16", sft=SftConfig(batch_rows=8, row_length=128))
LARGE = SftCommand(model="deepseekmath-7b", dtype="bfloat16", sft=SftConfig(batch_rows=64, row_length=4096))


def test_candidates_divide_the_machine_and_the_rows() -> None:
    found = search.rank(LARGE, topology.find("v5e-16"))
    assert found == sorted(found, key=lambda one: (one.seconds, one.needed))
    for one in found:
        assert one.mesh.data * one.mesh.fsdp * one.mesh.tensor == 16
        assert 64 % (one.mesh.data * one.mesh.fsdp * one.accumulate) == 0
        assert one.needed <= 15.75 * 2**30
    assert {one.remat for one in found} >= {"full"}
    assert all(one.mesh.data * 16 <= 32 for one in found)  # 83 GB of state are on 16 chips, or on half of them at most


def test_more_recomputing_takes_longer_and_less_memory() -> None:
    machine = topology.find("v5p-8")
    same = [one for one in search.rank(LARGE, machine) if (one.mesh, one.accumulate) == (MeshConfig(1, 4), 16)]
    by_remat = {one.remat: one for one in same}
    order = ["none", "dots", "attention", "attended", "full"]
    ordered = [by_remat[name] for name in order if name in by_remat]
    assert len(ordered) > 2
    assert [one.needed for one in ordered] == sorted((one.needed for one in ordered), reverse=True)
    assert [one.seconds for one in ordered] == sorted(one.seconds for one in ordered)


@pytest.mark.slow
def test_the_best_three_are_compiled() -> None:
    pytest.importorskip("libtpu")
    found = json.loads(run(TINY, PlanConfig("v5e-4", search=True, json=True)))
    assert len(found) == 3
    assert all(one["fits"] and 0 < one["needed_bytes"] < one["capacity_bytes"] for one in found)
    assert found == sorted(found, key=lambda one: one["seconds"])


def test_what_cannot_be_searched_is_named() -> None:
    with pytest.raises(ValueError, match="--search: expected a configuration of sft, dpo, prm or grpo, got a ExpandCommand"):
        run(ExpandCommand(model="tiny"), PlanConfig("v5e-8", search=True))
    small = dataclasses.replace(LARGE, sft=SftConfig(batch_rows=8, row_length=4096))
    with pytest.raises(ValueError, match="--search: nothing is expected to fit v5e-4"):
        run(small, PlanConfig("v5e-4", search=True))
