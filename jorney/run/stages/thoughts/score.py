"""`jorney thoughts score`: the quality of thoughts."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.config import expect_number, expect_one_of
from jorney.domain.grading import GRADING
from jorney.judge.llm.unread import Unread
from jorney.run.artifact import Artifact, Model
from jorney.run.parts import Numbered, Parts, in_groups, numbered
from jorney.run.stages.judges.kinds import with_unread
from jorney.run.stages.thoughts.reading import JOURNEYS, THOUGHTS, Row, count_rows, key_of, rows_of, write_rows
from jorney.run.stages.thoughts.talking import AskingCommand
from jorney.run.workspace import Workspace
from jorney.thought.care.quality import Quality, Scorer, measure_all, summarise
from jorney.thought.care.rated import rated_by
from jorney.thought.thought import from_json

TOGETHER = 500  # thoughts that are scored together


@dataclasses.dataclass(frozen=True)
class ScoreCommand(AskingCommand):
    """The quality of thoughts: Q = consistency x completeness x relevance / redundancy.

    Attributes:
      thoughts: a .jsonl file of them.
      by: "measured" (from the text alone), or "model", which rates them.
      least: thoughts of a lower Q are left out.
    """

    command: ClassVar[str] = "thoughts score"
    common = ("thoughts", "by", "least", "output", "model", "llm.model", "llm.base-url", "llm.max-cost")

    output: str = "runs/score"
    thoughts: str = JOURNEYS
    by: str = "measured"
    least: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_one_of(("measured", "model"), self, "", "by")
        expect_number(self, "", "least", least=0)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        if self.by == "measured":
            return [plan_scores(space, self.thoughts, lambda: measure_all, self.by, self.least)]
        ask, key, paid = self.asked(space, model)
        unread = Unread(self.llm)
        scores = plan_scores(space, self.thoughts, lambda: rated_by(ask(), count=unread.add), key, self.least)
        return [with_unread(paid(scores), space, unread)]


def plan_scores(space: Workspace, source: str, scorer: Callable[[], Scorer], scorer_key: Any, least: float) -> Artifact:
    """The quality of every thought: thoughts.jsonl holds them with a field "quality".

    Without those whose Q is below `least`, and those without a score (a reply failed). What is scored is not scored again.
    """
    total = count_rows(source)

    def work(folder: storage.Path) -> dict[str, Any]:
        asked = functools.cache(scorer)

        def score(group: Sequence[Numbered]) -> tuple[list[dict[str, Any]], str]:
            found = asked()([from_json(row, place) for _, (place, row) in group])
            qualities = [one and {**dataclasses.asdict(one), "q": one.q} for one in found]
            rows = zip(group, qualities, strict=True)
            return [{"id": one.id, "row": {**one.member[1], "quality": quality}} for one, quality in rows], ""

        parts = Parts(folder / "parts")
        parts.fill(space.progress, "thoughts", numbered(rows_of(source)), total, in_groups(TOGETHER, score))
        qualities: list[Quality] = []
        below = 0

        def kept() -> Iterator[Row]:
            nonlocal below
            for row in (part["row"] for part in parts.rows() if "row" in part):  # version 0.1 wrote other rows: scored again
                if row["quality"] is not None:
                    qualities.append(Quality(**{name: value for name, value in row["quality"].items() if name != "q"}))
                    if qualities[-1].q >= least:
                        yield row
                    else:
                        below += 1

        write_rows(folder / THOUGHTS, kept())
        return {"without_score": total - len(qualities), "below_least": below, **summarise(qualities)}

    return space.plan("scores", [key_of(source), scorer_key, least, GRADING], work, f"{total:,} thoughts")
