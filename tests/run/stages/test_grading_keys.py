"""Results that were drawn or graded otherwise are not taken for those of today."""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Callable
from typing import Any

import pytest

from jorney.domain.grading import GRADING
from jorney.domain.problem import Problem
from jorney.engine.sampling import DRAWING
from jorney.judge.rollouts import RolloutConfig
from jorney.policy import resolve
from jorney.progress import Progress
from jorney.run.artifact import Artifact, Model
from jorney.run.stages import evaluation, expansion, pairing, resampling, searching
from jorney.run.stages.judges import labelling
from jorney.run.stages.thoughts import talking
from jorney.run.workspace import Workspace
from jorney.sharding import MeshConfig
from jorney.solve.evaluate import EvaluateConfig
from jorney.solve.resample import ResampleConfig
from jorney.solve.search import SearchConfig
from jorney.train.objectives.dpo import DpoConfig
from jorney.tree.expand import ExpandConfig

MODEL = Model(resolve("embedded"), "policy")
PROBLEMS = [Problem("p1", "1 + 1?", "2")]
LIMITS = EvaluateConfig(max_tokens=8)


def never(*_: object, **__: object) -> Any:
    raise AssertionError("nothing is made here")


def evaluated(space: Workspace) -> Artifact:
    return evaluation.plan_evaluation(space, "evaluate", MODEL, PROBLEMS, LIMITS)


PLANS: list[Callable[[Workspace], list[Artifact]]] = [
    lambda space: [evaluated(space)],
    lambda space: [pairing.plan_pairs(space, MODEL, PROBLEMS, LIMITS, DpoConfig())],
    lambda space: [expansion.plan_trees(space, MODEL, PROBLEMS, ExpandConfig(), never, "judge")],
    lambda space: [labelling.plan_rollouts(space, MODEL, PROBLEMS, RolloutConfig())],
    lambda space: [resampling.plan_resampling(space, MODEL, PROBLEMS, LIMITS, ResampleConfig(), evaluated(space))],
    lambda space: searching.plan_search(space, MODEL, PROBLEMS, SearchConfig(), never, "prm"),
    lambda space: searching.plan_search(space, MODEL, PROBLEMS, SearchConfig(method="beam"), never, "prm"),
    lambda space: [talking.plan_constructed(space, "thoughts", PROBLEMS, never, never, [], 1)],
]


@pytest.mark.parametrize("what", [GRADING, DRAWING])
@pytest.mark.parametrize("plan", PLANS)
def test_a_change_of_verdicts_or_of_drawing_changes_the_key(tmp_path: pathlib.Path, monkeypatch, plan, what) -> None:
    if plan is PLANS[-1] and what is DRAWING:
        pytest.skip("a dialogue by an endpoint draws nothing here")
    space = Workspace(str(tmp_path), MeshConfig(devices=1), "float32", "abel", 0, Progress(quiet=True))
    before = [artifact.key for artifact in plan(space)]
    assert before == [artifact.key for artifact in plan(space)]
    for module in [module for name, module in list(sys.modules.items()) if name.startswith("jorney.")]:
        for name in ("GRADING", "DRAWING"):
            if getattr(module, name, None) is what:
                monkeypatch.setattr(module, name, {key: number + 1 for key, number in what.items()})
    after = [artifact.key for artifact in plan(space)]
    assert all(one != other for one, other in zip(before, after, strict=True))
