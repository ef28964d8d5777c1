"""The stages as commands: `jorney expand`, `derive`, `sft`, `rollouts`, `prm`, `dpo`, `evaluate`."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

from jorney import storage
from jorney.config import digest
from jorney.convert import config_json
from jorney.data.countdown import Countdown, sample_problems
from jorney.data.encode import encode_solutions
from jorney.data.packing import Example
from jorney.data.problems import Problem, read_problems
from jorney.data.steps import FORMATS
from jorney.data.tokenizer import Tokenizer
from jorney.evaluate.benchmarks import EvaluateConfig
from jorney.judge import verifier
from jorney.judge.rollouts import RolloutConfig
from jorney.policy import EMBEDDED, resolve
from jorney.progress import Progress
from jorney.sharding import MeshConfig
from jorney.stage import Done, source_digest
from jorney.stages.bench import DTYPES, Bench, Model, Stage
from jorney.stages.grades import plan_evaluation
from jorney.stages.models import plan_sft
from jorney.stages.preferences import plan_dpo, plan_pairs
from jorney.stages.rewards import plan_prm, plan_rollouts, prm_judge
from jorney.stages.trees import plan_thoughts, plan_trees, read_thoughts
from jorney.thought.derive import DeriveConfig
from jorney.thought.encode import encode_thought
from jorney.thought.refine import RefineConfig
from jorney.train.dpo import DpoConfig
from jorney.train.prm import PrmConfig
from jorney.train.sft import SftConfig
from jorney.tree.expand import ExpandConfig

COUNTDOWN = "countdown"


@dataclasses.dataclass(frozen=True)
class StageCommand:
    """What every stage's command takes.

    Attributes:
      model: a folder (local or gs://), a hub id, or "embedded".
      output: folder for what the stage writes; the same command goes on from what stands there.
      step_format: how prompts and steps are written; a key of `data.steps.FORMATS`.
      dtype: of the computation, "float32" or "bfloat16".
      seed: of everything random.
    """

    name: ClassVar[str]
    split: ClassVar[str] = "trees"  # of Countdown problems

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
        limit = getattr(self, "limit", None)
        if limit is not None and limit < 1:
            raise ValueError(f"limit = {limit}: expected 1 or more, or None for all")

    def plan(self, bench: Bench, model: Model) -> list[Stage]:
        """The stages of this command, the last of them its result."""
        raise NotImplementedError

    def read(self, source: str, limit: int | None) -> list[Problem]:
        """Problems, by name, file or hub id."""
        if source == COUNTDOWN:
            return sample_problems(Countdown(), self.split, limit or 1000, self.seed)
        return read_problems(source, limit)


@dataclasses.dataclass(frozen=True)
class ExpandCommand(StageCommand):
    """Reasoning trees of problems, judged and pruned.

    Attributes:
      problems: "countdown" (its set "trees"), a file or a hub id with questions and answers.
      limit: how many problems; None takes all of a file.
      judge: "verifier" (exact, Countdown), or a reward model that `jorney prm` made.
    """

    name: ClassVar[str] = "expand"

    output: str = "runs/expand"
    problems: str = COUNTDOWN
    limit: int | None = 100
    judge: str = "verifier"
    expand: ExpandConfig = dataclasses.field(default_factory=ExpandConfig)

    def plan(self, bench: Bench, model: Model) -> list[Stage]:
        problems = self.read(self.problems, self.limit)
        if self.judge != "verifier":
            prm = _model(self.judge)
            return [plan_trees(bench, model, problems, digest(problems), self.expand, lambda: prm_judge(bench, prm), prm.key)]
        if any(problem.verifier != "countdown" for problem in problems):
            raise ValueError(
                "judge = 'verifier': expected a reward model's folder, since only Countdown's steps can be verified"
            )
        return [plan_trees(bench, model, problems, digest(problems), self.expand, lambda: verifier.judge, "verifier")]


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

    def plan(self, bench: Bench, model: Model) -> list[Stage]:
        where = storage.path(self.trees)
        if not where.exists():
            raise FileNotFoundError(f"{self.trees}: no such file or folder: expected trees that `jorney expand` wrote")
        parts = where / "parts"
        return [plan_thoughts(bench, where, source_digest(str(parts if parts.exists() else where)), self.derive, self.refine)]


@dataclasses.dataclass(frozen=True)
class SftCommand(StageCommand):
    """Supervised fine-tuning on thoughts, or on problems with solutions.

    Attributes:
      data: a .jsonl file of thoughts (`jorney derive`), or problems with solutions: "countdown", a file or a hub id.
      limit: how many of them; None takes all of a file.
      excursion_loss: whether the excursions of journeys bear loss.
    """

    name: ClassVar[str] = "sft"
    split: ClassVar[str] = "train"

    output: str = "runs/sft"
    data: str = COUNTDOWN
    limit: int | None = None
    excursion_loss: bool = True
    sft: SftConfig = dataclasses.field(default_factory=SftConfig)

    def plan(self, bench: Bench, model: Model) -> list[Stage]:
        make = self._thoughts if self._holds_thoughts() else self._solutions
        key = source_digest(self.data) if self.data != COUNTDOWN else COUNTDOWN
        reads = [key, self.limit, self.excursion_loss]
        return [plan_sft(bench, "sft", model, lambda tokenizer: make(bench, tokenizer), reads, self.sft, self.data)]

    def _holds_thoughts(self) -> bool:
        if not self.data.endswith(".jsonl"):
            return False
        first = next(iter(storage.read_jsonl(self.data)), (0, {}))[1]
        return "pieces" in first

    def _thoughts(self, bench: Bench, tokenizer: Tokenizer) -> list[Example]:
        thoughts = read_thoughts(self.data)[: self.limit]
        return [encode_thought(tokenizer, bench.format, thought, self.excursion_loss) for thought in thoughts]

    def _solutions(self, bench: Bench, tokenizer: Tokenizer) -> list[Example]:
        return encode_solutions(tokenizer, bench.format, self.read(self.data, self.limit), self.data)


@dataclasses.dataclass(frozen=True)
class PrmCommand(StageCommand):
    """A process reward model from rollouts of a policy.

    Attributes:
      problems: to sample solutions for and to label their steps: "countdown", a file or a hub id.
      limit: how many of them; None takes all of a file.
      held_out: problems on which the reward model is measured; for "countdown" others than `problems`.
      held_out_limit: how many of those.
    """

    name: ClassVar[str] = "prm"

    output: str = "runs/prm"
    problems: str = COUNTDOWN
    limit: int | None = 100
    held_out: str = COUNTDOWN
    held_out_limit: int | None = 100
    rollouts: RolloutConfig = dataclasses.field(default_factory=RolloutConfig)
    prm: PrmConfig = dataclasses.field(default_factory=PrmConfig)

    def plan(self, bench: Bench, model: Model) -> list[Stage]:
        problems = self.read(self.problems, self.limit)
        if self.held_out == COUNTDOWN:
            held_out = sample_problems(Countdown(), "tuning", self.held_out_limit or 100, self.seed)
        else:
            held_out = read_problems(self.held_out, self.held_out_limit)
        labelled = plan_rollouts(bench, model, problems, self.rollouts)
        return [labelled, plan_prm(bench, model, labelled, held_out, self.rollouts, self.prm)]


@dataclasses.dataclass(frozen=True)
class DpoCommand(StageCommand):
    """Direct preference optimisation on pairs of the model's own samples.

    Attributes:
      problems: to sample for: "countdown", a file or a hub id with questions and answers.
      limit: how many of them; None takes all of a file.
      evaluate: limits of a sample, and how many are decoded together.
    """

    name: ClassVar[str] = "dpo"

    output: str = "runs/dpo"
    problems: str = COUNTDOWN
    limit: int | None = 100
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
    dpo: DpoConfig = dataclasses.field(default_factory=DpoConfig)

    def plan(self, bench: Bench, model: Model) -> list[Stage]:
        pairs = plan_pairs(bench, model, self.read(self.problems, self.limit), self.evaluate, self.dpo)
        return [pairs, plan_dpo(bench, model, pairs, self.dpo)]


@dataclasses.dataclass(frozen=True)
class EvaluateCommand(StageCommand):
    """A model's accuracy on problems.

    Attributes:
      problems: "countdown" (its test set), a file or a hub id with questions and answers.
      limit: how many problems; None takes all of a file.
    """

    name: ClassVar[str] = "evaluate"
    split: ClassVar[str] = "test"

    output: str = "runs/evaluate"
    problems: str = COUNTDOWN
    limit: int | None = None
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)

    def plan(self, bench: Bench, model: Model) -> list[Stage]:
        problems = self.read(self.problems, self.limit)
        return [plan_evaluation(bench, self.name, model, problems, self.evaluate)]


COMMANDS: dict[str, type[StageCommand]] = {
    kind.name: kind for kind in (ExpandCommand, DeriveCommand, SftCommand, PrmCommand, DpoCommand, EvaluateCommand)
}


def run(command: StageCommand, progress: Progress) -> Done:
    """Runs a command's stages and returns the last; OUTPUT/summary.json holds its result.

    Raises:
      FileNotFoundError, ValueError: name the file, line or field; nothing is written then.
    """
    model = _model(command.model)
    bench = Bench(command.output, command.mesh, command.dtype, command.step_format, command.seed, progress)
    stages = command.plan(bench, model)
    bench.expect(stages)
    done = [bench.run(stage) for stage in stages]
    storage.write_json(storage.path(command.output) / "summary.json", done[-1].result)
    return done[-1]


def _model(place: str) -> Model:
    folder = resolve(place)
    config_json.read(folder)  # so that a folder without a model is refused before anything runs
    return Model(folder, source_digest(folder))


def plain(result: Any) -> dict[str, Any]:
    """A result's numbers and words, without its series."""
    return {name: value for name, value in result.items() if not isinstance(value, list | dict)}
