"""The stages as commands: `jorney expand`, `derive`, `sft`, `prm`, `dpo`, `evaluate`, `search`."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from jorney import distributed, storage
from jorney.config import digest
from jorney.distributed import DistributedConfig
from jorney.domain import domains
from jorney.domain.problem import Problem
from jorney.judge.llm import LlmConfig
from jorney.judge.llm_judge import LlmJudgeConfig
from jorney.judge.readouts import AUTO
from jorney.judge.threshold import THRESHOLD
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.model.architecture import ModelConfig
from jorney.policy import EMBEDDED
from jorney.progress import Progress
from jorney.rows.problems import read_problems
from jorney.run.stage import Done, source_digest
from jorney.run.stages.evaluations import plan_evaluation
from jorney.run.stages.judging import Asked, RewardModel, expect_scores, judge_kind, read_model
from jorney.run.stages.searches import VERIFIER, plan_search
from jorney.run.stages.trees import plan_thoughts, plan_trees
from jorney.run.workspace import Model, Stage, Workspace
from jorney.sharding import MeshConfig
from jorney.solve.beam import Beam
from jorney.solve.evaluate import EvaluateConfig
from jorney.solve.search import SearchConfig
from jorney.text.step_format import FORMATS
from jorney.thought.derive import DeriveConfig
from jorney.thought.refine import RefineConfig
from jorney.train.optimizer import DTYPES
from jorney.tree.expand import ExpandConfig

DRAWN = 1000  # problems of a domain that draws them, where no limit is stated


@dataclasses.dataclass(frozen=True)
class StageCommand:
    """What every stage's command takes.

    Attributes:
      model: a folder (local or gs://), a hub id, or "embedded".
      output: folder for what the stage writes; the same command goes on from what stands there.
      step_format: how prompts and steps are written; a key of `text.step_format.FORMATS`.
      dtype: of the computation, "float32" or "bfloat16".
      seed: of everything random.
    """

    name: ClassVar[str]
    split: ClassVar[str] = "trees"  # of problems that a domain draws
    trains: ClassVar[bool] = False  # each record of the training is said

    model: str = EMBEDDED
    output: str = "runs/stage"
    step_format: str = "abel"
    dtype: str = "float32"
    seed: int = 0
    mesh: MeshConfig = dataclasses.field(default_factory=MeshConfig)

    def __post_init__(self) -> None:
        for field, allowed in (("step_format", tuple(FORMATS)), ("dtype", DTYPES)):
            if getattr(self, field) not in allowed:
                raise ValueError(f"{field} = {getattr(self, field)!r}: expected one of {', '.join(allowed)}")
        for field in ("limit", "data_limit"):
            if (limit := getattr(self, field, None)) is not None and limit < 1:
                raise ValueError(f"{field} = {limit}: expected 1 or more, or None for all")

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        """The stages of this command, the last of them its result."""
        raise NotImplementedError

    @property
    def all_hosts(self) -> bool:
        """Whether the hosts of a machine run it together (`machine.plan.planner.Configuration`)."""
        return False

    def programs(self, planner: Planner) -> list[AotProgram]:
        """The programs that it runs on a machine, in the order in which they first run."""
        raise ValueError(f"{self.name}: runs no program on the machine")

    def read(self, source: str, limit: int | None) -> list[Problem]:
        """Problems, by name, file, hub id or tfds:NAME."""
        if domain := domains.drawing(source):
            return domain.draw(self.split, limit or DRAWN, self.seed)
        return read_problems(source, limit)


@dataclasses.dataclass(frozen=True)
class ExpandCommand(StageCommand):
    """Reasoning trees of problems, judged and pruned.

    Attributes:
      problems: "countdown" (its set "trees"), a file, a hub id or tfds:NAME with questions and answers.
      limit: how many problems; None takes all of a file.
      judge: "verifier" (exact, Countdown), "llm" (a language model at an endpoint), or a reward model: one that `jorney prm`
        made, or a published one.
      readout: how the reward model is asked, a key of `judge.readouts.READOUTS`; "auto" where its head leaves no doubt.
      threshold: of a reward model's score, above which a step counts as right; None takes the one of its folder, which
        `jorney prm` found on its held-out problems, or 0.5 where there is none.
      llm: the endpoint of "llm".
      llm_judge: what it is asked.
      shard: "i/n": grows every n-th problem, from the i-th (from 0). Programs that differ in this alone share their output,
        on as many hosts; none needs the others, and the last to end completes it.
    """

    name: ClassVar[str] = "expand"

    output: str = "runs/expand"
    problems: str = domains.DEFAULT
    limit: int | None = 100
    judge: str = VERIFIER
    readout: str = AUTO
    threshold: float | None = None
    shard: str = "0/1"
    expand: ExpandConfig = dataclasses.field(default_factory=ExpandConfig)
    llm: LlmConfig = dataclasses.field(default_factory=LlmConfig)
    llm_judge: LlmJudgeConfig = dataclasses.field(default_factory=LlmJudgeConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_scores(self.judge, self.threshold)
        index, slash, count = self.shard.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise ValueError(f"shard = {self.shard!r}: expected i/n with i from 0 to n - 1, as 0/4")

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        problems = self.read(self.problems, self.limit)
        first, count = map(int, self.shard.split("/"))
        kind = judge_kind(self.judge)
        kind.check(problems)
        made = kind.make(space, Asked(self.judge, self.readout, self.threshold, self.llm, self.llm_judge))
        grown = plan_trees(space, model, problems, digest(problems), self.expand, made.judge, made.key, (first, count))
        return [made.grown(grown)]

    def programs(self, planner: Planner) -> list[AotProgram]:
        return planner.trees(self.expand, planned_judge(self.judge, planner), planner.mesh(self.mesh))


@dataclasses.dataclass(frozen=True)
class DeriveCommand(StageCommand):
    """Shortcuts, journeys and placebo journeys of trees.

    Attributes:
      trees: a .jsonl file of trees, or the folder that `jorney expand` wrote (OUTPUT/trees).
    """

    name: ClassVar[str] = "derive"

    output: str = "runs/derive"
    trees: str = "runs/expand/trees"
    derive: DeriveConfig = dataclasses.field(default_factory=DeriveConfig)
    refine: RefineConfig = dataclasses.field(default_factory=RefineConfig)

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        where = storage.path(self.trees)
        if not where.exists():
            raise FileNotFoundError(f"{self.trees}: no such file or folder: expected trees that `jorney expand` wrote")
        parts = where / "parts"
        return [plan_thoughts(space, where, source_digest(str(parts if parts.exists() else where)), self.derive, self.refine)]


@dataclasses.dataclass(frozen=True)
class TrainCommand(StageCommand):
    """What commands take whose training several processes can share: each starts the same command.

    Attributes:
      distributed: how the processes find each other. Sampling is not shared: every host does its own.
    """

    trains: ClassVar[bool] = True

    distributed: DistributedConfig = dataclasses.field(default_factory=DistributedConfig)


@dataclasses.dataclass(frozen=True)
class EvaluateCommand(StageCommand):
    """A model's accuracy on problems.

    Attributes:
      problems: "countdown" (its test set), a file, a hub id or tfds:NAME with questions and answers.
      limit: how many problems; None takes all of a file.
    """

    name: ClassVar[str] = "evaluate"
    split: ClassVar[str] = "test"

    output: str = "runs/evaluate"
    problems: str = domains.DEFAULT
    limit: int | None = None
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        problems = self.read(self.problems, self.limit)
        return [plan_evaluation(space, self.name, model, problems, self.evaluate)]

    def programs(self, planner: Planner) -> list[AotProgram]:
        return planner.completions("evaluate", self.evaluate.sampling(0), planner.mesh(self.mesh))


@dataclasses.dataclass(frozen=True)
class SearchCommand(StageCommand):
    """A model's accuracy when it searches: the best of N solutions, or a beam of steps (Tree of Thoughts' BFS).

    Attributes:
      problems: "countdown" (its test set), a file, a hub id or tfds:NAME with questions and answers.
      limit: how many problems; None takes all of a file.
      judge: of the steps: a reward model that `jorney prm` made, or "verifier" (Countdown's exact one, an oracle: it knows
        whether the target can still be reached).
      readout: how the reward model is asked, as in `ExpandCommand`.
    """

    name: ClassVar[str] = "search"
    split: ClassVar[str] = "test"

    output: str = "runs/search"
    problems: str = domains.DEFAULT
    limit: int | None = None
    judge: str = VERIFIER
    readout: str = AUTO
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        problems = self.read(self.problems, self.limit)
        kind = judge_kind(self.judge)
        kind.check(problems)
        made = kind.make(space, Asked(self.judge, self.readout, THRESHOLD))
        return plan_search(space, model, problems, self.search, made.judge, made.key)

    def programs(self, planner: Planner) -> list[AotProgram]:
        mesh, judge, solver = planner.mesh(self.mesh), planned_judge(self.judge, planner), self.search.solver
        if isinstance(solver, Beam):
            return planner.trees(solver.expand(self.search, self.step_format), judge, mesh)
        return planner.completions("solutions", self.search.sampling(self.seed), mesh, judge)


def planned_judge(name: str, planner: Planner) -> ModelConfig | None:
    """The model of a judge; None for judges that run no model on the machine."""
    return planner.judge(name) if isinstance(judge_kind(name), RewardModel) else None


COMMANDS: dict[str, type[StageCommand]] = {
    kind.name: kind
    for kind in (
        ExpandCommand,
        DeriveCommand,
        EvaluateCommand,
        SearchCommand,
    )
}


def run(command: StageCommand, progress: Progress) -> Done:
    """Runs a command's stages and returns the last; OUTPUT/summary.json holds its result.

    Raises:
      FileNotFoundError, ValueError: name the file, line or field; nothing is written then.
    """
    model = read_model(command.model)
    space = Workspace(
        command.output, command.mesh, command.dtype, command.step_format, command.seed, progress, lines=command.trains
    )
    stages = command.plan(space, model)
    space.expect(stages)
    done = [space.run(stage) for stage in stages]
    if distributed.is_main():
        storage.write_json(storage.path(command.output) / "summary.json", done[-1].result)
    return done[-1]


def plain(result: Any) -> dict[str, Any]:
    """A result's numbers and words, without its series."""
    return {name: value for name, value in result.items() if not isinstance(value, list | dict)}
