"""`jorney prm eval`: how good a reward model is on labelled solutions."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.config import digest
from jorney.domain.problem import Problem
from jorney.judge.labelled import Labelled
from jorney.judge.readouts import AUTO
from jorney.judge.threshold import THRESHOLD, expect_threshold, threshold_of
from jorney.rows.labels import Reading
from jorney.run import inputs
from jorney.run.artifact import Artifact, Model
from jorney.run.parts import Numbered, Parts, in_groups, numbered
from jorney.run.stage import StageCommand, read_model
from jorney.run.stages.judges.kinds import prm_judge
from jorney.run.workspace import Workspace
from jorney.solve.prm_report import draw, markdown, measure, scored
from jorney.solve.prm_scores import best_threshold

SCORED = 256  # solutions that are scored together


@dataclasses.dataclass(frozen=True)
class PrmEvalCommand(StageCommand):
    """How good a reward model is on labelled solutions.

    Attributes:
      judge: the reward model; "scores" for those that the rows themselves have, a list each, one a step.
      readout: how it is asked, a key of `judge.readouts.READOUTS`; "auto" where its head leaves no doubt.
      data: labelled solutions, of the forms that `jorney prm --data` takes, and of MR-GSM8K and BIG-Bench Mistake.
      limit: how many rows; None takes all.
      neutral: what PRM800K's neutral steps count as: "positive", "negative" or "ignored".
      threshold: a step is said to be right above it; None takes the one of the reward model's folder, which `jorney prm` found
        on its held-out problems, or 0.5 where there is none.
      tuning: labelled solutions by which the threshold is chosen instead (the highest macro-F1 by step).
      reasons: for the MR-Score: a .jsonl file of `correct`, whether the reason that some judge gave for the error of a solution
        is right (null where there is none), in the order of the rows.
    """

    command: ClassVar[str] = "prm eval"
    common = ("judge", "data", "limit", "readout", "threshold", "tuning", "neutral", "reasons", "output")

    output: str = "runs/prm_eval"
    judge: str = ""
    readout: str = AUTO
    data: str = ""
    limit: int | None = None
    neutral: str = "positive"
    threshold: float | None = None
    tuning: str = ""
    reasons: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_threshold(self)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        for field, what in (("judge", "a reward model, or scores"), ("data", "labelled solutions")):
            if not getattr(self, field):
                raise ValueError(f"{field}: expected {what}")
        how = Reading(space.format, self.neutral, siblings=False)
        found = inputs.read_labelled(self.data, self.limit, how)
        stored, reasons = [], None
        if self.judge == "scores":
            if self.tuning:
                raise ValueError("tuning: expected none with judge = 'scores'")
            stored = inputs.read_scores(self.data, self.limit, found)
        if self.reasons:
            reasons = [row.get("correct") for _, row in storage.read_jsonl(self.reasons)]
            if len(reasons) != len(found):
                raise ValueError(f"{self.reasons}: {len(reasons)} rows: expected {len(found)}, one a solution of {self.data}")
        tuning = inputs.read_labelled(self.tuning, None, how) if self.tuning else []
        if reasons is not None:
            reasons = [None] * len(tuning) + reasons
        prm = None if self.judge == "scores" else read_model(self.judge, self.verify)
        threshold = self.threshold
        if threshold is None:
            threshold = THRESHOLD if prm is None else threshold_of(prm.folder)
        return [plan_scores(space, prm, self.readout, [*tuning, *found], threshold, stored, reasons, len(tuning))]


def plan_scores(
    space: Workspace,
    judge: Model | None,
    readout: str,
    solutions: Sequence[Labelled],
    threshold: float,
    stored: Sequence[Sequence[float]] = (),
    reasons: Sequence[bool | None] | None = None,
    tuning: int = 0,
) -> Artifact:
    """How good a reward model is on labelled solutions: scores in parts, measures.json, a table and the calibration plot.

    Args:
      judge: None for scores that are given, `stored`.
      reasons: see `prm_report.mr_score`.
      tuning: so many of the solutions, the first ones, choose the threshold, and the others alone are measured.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        scores = list(stored) if judge is None else _scores(space, judge, readout, solutions, folder)
        chosen = threshold
        if tuning:
            tuned = scored(solutions[:tuning], scores[:tuning])
            chosen = best_threshold(tuned.labels, tuned.scores)
        found = measure(scored(solutions[tuning:], scores[tuning:]), chosen, reasons[tuning:] if reasons else None)
        storage.write_text(folder / "measures.md", markdown(found))
        storage.write_json(folder / "measures.json", found)
        for kind in ("png", "svg"):
            storage.write_bytes(folder / f"calibration.{kind}", draw(found["calibration"], found["calibration_error"], kind))
        if reasons is None:
            space.progress.say("  no MR-Score: reward models tell no reasons; --reasons gives a judge's verdicts on them")
        return found

    key = judge.key if judge else digest(stored)
    reads = [key, readout, digest(solutions), threshold, digest(reasons), tuning]
    return space.plan("prm_eval", reads, work, f"{len(solutions):,} labelled solutions")


def _scores(
    space: Workspace, judge: Model, readout: str, solutions: Sequence[Labelled], folder: storage.Path
) -> list[list[float]]:
    """The scores of all solutions; those that are written are not made again."""
    asked = functools.cache(lambda: prm_judge(space, judge, readout, alone=True))

    def score(group: Sequence[Numbered]) -> tuple[list[dict[str, Any]], str]:
        made = asked().score([(Problem(one.id, one.question, ""), one.steps) for _, one in group])
        return [{"id": place, "scores": own} for (place, _), own in zip(group, made, strict=True)], ""

    parts, members = Parts(folder / "parts"), list(numbered(solutions))  # several may be of one problem
    parts.fill(space.progress, "solutions", members, len(members), in_groups(SCORED, score))
    rows = parts.by_id()
    return [rows[place]["scores"] for place, _ in members]
