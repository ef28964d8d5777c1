"""What an experiment does, said before it is done."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from jorney.config import digest, expect_at_least, expect_number, expect_one_of, expect_seed, to_json
from jorney.domain.countdown.sets import Countdown
from jorney.precision import decides
from jorney.run.recipes.journey import RunConfig

SETS = ("tuning", "final")


@dataclasses.dataclass(frozen=True)
class Dose:
    """One setting of what is varied, all else as in the protocol's run.

    Attributes:
      group: what is varied, such as "K"; doses of a group stand in one table and figure.
      name: of this setting.
      run: the run with this setting.
      kinds: of thoughts that are learned: "journey", "shortcut".
      thoughts: that are learned at most, of each kind; None for all.
      phase1: the model has learned solutions before it learns thoughts.
    """

    group: str
    name: str
    run: RunConfig
    kinds: tuple[str, ...] = ("journey",)
    thoughts: int | None = None
    phase1: bool = True


@dataclasses.dataclass(frozen=True)
class Abroad:
    """Problems of another kind than those that were trained on.

    Attributes:
      name: in the report.
      task: which Countdown problems; or
      file: problems that `rows.problems.read_problems` takes.
      count: how many problems at most.
    """

    name: str
    task: Countdown | None = None
    file: str = ""
    count: int = 1000

    def __post_init__(self) -> None:
        if (self.task is None) == (not self.file):
            raise ValueError(f"abroad {self.name!r}: expected a task or a file, one of the two")
        expect_at_least(1, self, "abroad", "count")


@dataclasses.dataclass(frozen=True)
class Protocol:
    """Everything that an experiment depends on.

    Attributes:
      name, output: of the experiment, and its folder.
      problems: the set that models are measured on: "tuning" while anything is chosen, "final" once, at the end.
      run: the settings of the main comparison; its seed and its output are the experiment's.
      seeds: of the main comparison; doses and the rest run with the first.
      margin: how many points, as a share, journeys are to be ahead of shortcuts, on the mean over seeds.
      doses: what is varied.
      abroad: problems of other kinds.
      small: a smaller model to set, with journeys, against the run's own with shortcuts; "" for none.
      tried: what was tried on the way to these settings, and failed; paragraphs, for the page.
    """

    name: str = "experiment"
    output: str = "runs/experiment"
    problems: str = "tuning"
    run: RunConfig = dataclasses.field(default_factory=RunConfig)
    seeds: tuple[int, ...] = (0, 1, 2)
    margin: float = 0.08
    doses: tuple[Dose, ...] = ()
    abroad: tuple[Abroad, ...] = ()
    small: str = ""
    tried: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expect_one_of(SETS, self, "", "problems")
        expect_seed(self, "", "seeds")
        expect_number(self, "", "margin", least=0, most=1)
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise ValueError(f"seeds = {self.seeds}: expected at least one, each once")
        expect_at_least(1, self.run.problems, "run.problems", "test_count")
        named = [(dose.group, dose.name) for dose in self.doses]
        if len(set(named)) != len(named):
            raise ValueError("doses: expected another name for each of a group")

    def decides(self) -> dict[str, Any]:
        """What the measurements depend on, for the record of who opened the test set."""
        names = ("run", "seeds", "doses", "abroad", "small", "margin")
        found: dict[str, Any] = json.loads(to_json({name: getattr(self, name) for name in names}))
        for run in (found["run"], *(dose["run"] for dose in found["doses"])):
            given = {"precision": run.pop("precision")}
            run |= decides(run["dtype"], **given)  # protocols of before there was the field are the same protocols
        return found

    def digest(self) -> str:
        return digest(self.decides())
