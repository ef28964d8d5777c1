"""What a stage is: its configuration (a command), what it reads, its work and its programs, in one place."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from typing import Any, ClassVar

from jorney import __version__, distributed, storage
from jorney.config import expect_at_least, expect_one_of, expect_seed, to_json
from jorney.convert import config_json
from jorney.domain import domains
from jorney.domain.problem import Problem
from jorney.judge.llm.redaction import without_secrets
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.policy import EMBEDDED, expect_language_model, read_architecture
from jorney.precision import EXACT, PRECISIONS
from jorney.progress import Progress
from jorney.rows.problems import read_problems
from jorney.rows.readers.rules import ERROR, RowRules
from jorney.run.artifact import Artifact, Done, Model, open_model
from jorney.run.command import Command, use_jax
from jorney.run.fitting import PLAIN, format_of
from jorney.run.integrity import STAGES
from jorney.run.parts import Share
from jorney.run.results import show
from jorney.run.workspace import Workspace
from jorney.sharding import MeshConfig
from jorney.text.step_format import AUTO, FORMATS
from jorney.train.optimizer import DTYPES
from jorney.train.provenance import revision, versions

DRAWN = 1000  # problems of a domain that draws them, where no limit is stated


@dataclasses.dataclass(frozen=True)
class StageCommand(Command):
    """What every stage's command takes.

    Attributes:
      model: a folder (local or gs://), a hub id, or "embedded".
      output: folder for what the stage writes; the same command goes on from what stands there.
      step_format: how prompts and steps are written: abel, blank, step, blank-chat, step-chat; or auto, the one that the model
        learned here, else blank-chat where its tokenizer has a chat template, and abel where it has none.
      dtype: of the computation, "float32" or "bfloat16".
      precision: of products in float32: "dtype", float32 on every platform, or "fast", bfloat16 on TPUs, TF32 on recent GPUs.
      seed: of everything random.
      verify: large files of stages that are done already, and of models that stages made, are read again and held against their
        digests, too.
    """

    file: ClassVar[str] = "[CONFIG.py]"
    split: ClassVar[str] = "trees"  # of problems that a domain draws
    trains: ClassVar[bool] = False  # each record of the training is said
    by_model: ClassVar[bool] = False  # what it finds is a model's, under whose name it stays
    generates: ClassVar[bool] = False  # samples from the model
    all_hosts: ClassVar[bool] = False  # the hosts of a machine run it together (`machine.plan.planner.Configuration`)

    model: str = EMBEDDED
    output: str = "runs/stage"
    step_format: str = "abel"
    dtype: str = "float32"
    precision: str = EXACT
    seed: int = 0
    verify: bool = False
    mesh: MeshConfig = dataclasses.field(default_factory=MeshConfig)

    def __post_init__(self) -> None:
        expect_one_of((*FORMATS, AUTO), self, "", "step_format")
        expect_one_of(DTYPES, self, "", "dtype")
        expect_one_of(PRECISIONS, self, "", "precision")
        expect_seed(self, "")
        limits = [field for field in ("limit", "data_limit", "held_out_limit") if hasattr(self, field)]
        expect_at_least(1, self, "", *limits, none="None for all")

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        """What it makes, the last of it its result."""
        raise NotImplementedError

    def programs(self, planner: Planner) -> list[AotProgram]:
        """The programs that it runs on a machine, in the order in which they first run."""
        raise ValueError(f"{self.command}: expected a training, or a stage that samples: nothing else is planned")

    def execute(self) -> None:
        use_jax()
        progress = Progress(quiet=not distributed.is_main())
        done = self.run(progress)
        show(done.result, progress)
        progress.say(f"{self.command}: {done.folder}")

    def run(self, progress: Progress) -> Done:
        """Makes what it plans and returns the last; OUTPUT/summary.json holds its result.

        Raises:
          FileNotFoundError, ValueError: name the file, line or field; nothing is written then.
        """
        model = read_model(self.model, self.verify)
        if self.generates:  # said before problems are read and weights are loaded
            expect_language_model(read_architecture(model.folder), self.model)
        space = self.space(progress, self.format_for(model, progress))
        done = [artifact.make(progress) for artifact in self.plan(space, model)]
        if distributed.is_main():
            self._conclude(done[-1], model, space.format.name)
        return done[-1]

    def format_for(self, model: Model, progress: Progress) -> str:
        """The step format that the model is asked in; a line says which, where it was not stated."""
        return format_of(self.step_format, model, progress.say)

    def _conclude(self, done: Done, model: Model, step_format: str) -> None:
        """Writes what was found, and what it was found with. Another model's result in the same OUTPUT keeps its own file."""
        output = storage.path(self.output)
        about = {
            "command": self.command,
            "weights": model.key,
            "asked_in": step_format,
            "jorney": __version__,
            "git": revision(),
            "versions": versions(),
            "settings": _without_secrets(json.loads(to_json(self))),
        }
        found = {**done.result, "about": about}
        storage.write_json(output / "summary.json", found)
        if self.by_model:
            own = f"{done.folder.name.rpartition('-')[0]}-{_short(self.model)}-{model.key[:6]}"
            storage.link(output / own, f"{STAGES}/{done.folder.name}")
            storage.write_json(output / f"{own}.json", found)

    def space(self, progress: Progress, step_format: str = "") -> Workspace:
        """Where it works; with the step format that is stated, where no other is."""
        stated = PLAIN if self.step_format == AUTO else self.step_format
        about = (self.output, self.mesh, self.dtype, step_format or stated, self.seed, progress)
        return Workspace(
            *about, lines=self.trains, precision=self.precision, shared=self.shared, verify=self.verify, track=self.trackers
        )

    @property
    def shared(self) -> bool:
        """Other programs do other shares of it."""
        return False

    @property
    def trackers(self) -> Sequence[str]:
        """Of its training, see `train.tracking`."""
        return ()


def _without_secrets(settings: Any) -> Any:
    """Settings whose addresses hold no keys."""
    if isinstance(settings, dict):
        return {name: _without_secrets(value) for name, value in settings.items()}
    if isinstance(settings, list):
        return [_without_secrets(value) for value in settings]
    return without_secrets(settings) if isinstance(settings, str) else settings


def _short(model: str) -> str:
    """What people call a model: the last part of a hub id or path that says something."""
    parts = [part for part in re.split(r"[/\\]+", model) if part not in ("", "model")]
    return re.sub(r"[^\w.-]+", "-", parts[-1]) if parts else "model"


@dataclasses.dataclass(frozen=True)
class RowsCommand(StageCommand):
    """What stages take that read rows of other people's files.

    Attributes:
      columns: other names for their columns, as question=prompt,answer=response; NAME= leaves a column out.
      bad_rows: what becomes of rows that cannot be read: "error", or "skip", which passes them over, counts them and tells the
        first.
    """

    unanswered: ClassVar[bool] = False  # whether questions may lack answers

    columns: str = ""
    bad_rows: str = ERROR

    def __post_init__(self) -> None:
        super().__post_init__()
        RowRules(self.columns, self.bad_rows)  # so that what they cannot be is refused before anything runs

    @property
    def rules(self) -> RowRules:
        """How rows are read."""
        return RowRules(self.columns, self.bad_rows, self.unanswered)

    def read(self, source: str, limit: int | None) -> list[Problem]:
        """Problems, by name, file, hub id or tfds:NAME."""
        if domain := domains.drawing(source):
            return domain.draw(self.split, limit or DRAWN, self.seed)
        return read_problems(source, limit, self.rules)


@dataclasses.dataclass(frozen=True)
class ProblemsCommand(RowsCommand):
    """What stages take that work on problems.

    Attributes:
      problems: "countdown" (problems that are drawn), a file, a hub id or tfds:NAME with questions and answers.
      limit: how many problems; None takes all of a file.
    """

    generates: ClassVar[bool] = True
    runs_code: ClassVar[bool] = False

    problems: str = domains.DEFAULT
    limit: int | None = 100

    def read_problems(self) -> list[Problem]:
        """Those that are asked for.

        Raises:
          ValueError: grading them would run programs that the model writes, and the command does not.
        """
        found = self.read(self.problems, self.limit)
        if not self.runs_code and any(domains.domain_of(problem).runs_code for problem in found):
            raise ValueError(
                f"{self.problems}: grading would run programs that the model writes, which jorney {self.command} does not: "
                "expected other problems (jorney evaluate --allow-code evaluates these)"
            )
        if not self.unanswered:
            self.expect_answers(self.problems, found)
        return found

    def expect_answers(self, source: str, problems: Sequence[Problem], unless: str = "") -> None:
        """Raises ValueError where problems have no known answers.

        Args:
          source: of the problems.
          unless: what else would do, in words.
        """
        if (problem := next((one for one in problems if not domains.domain_of(one).answered), None)) is not None:
            raise ValueError(f"{source}: problem {problem.id!r} has no answer: expected one{unless}")


@dataclasses.dataclass(frozen=True)
class SampledCommand(ProblemsCommand):
    """What stages take that sample for every problem by itself, so that several hosts can share the problems.

    Attributes:
      shard: "i/n": works on every n-th problem, from the i-th (from 0). Programs that differ in this alone share their output,
        on as many hosts; none needs the others, and the last to end completes it.
    """

    by_model: ClassVar[bool] = True

    step_format: str = AUTO
    shard: str = "0/1"

    def __post_init__(self) -> None:
        super().__post_init__()
        index, slash, count = self.shard.partition("/")
        if not (slash and index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise ValueError(f"shard = {self.shard!r}: expected i/n with i from 0 to n - 1, as 0/4")

    @property
    def share(self) -> Share:
        """Of the problems."""
        index, count = map(int, self.shard.split("/"))
        return Share(index, count)

    @property
    def shared(self) -> bool:
        return self.share.count > 1


def read_model(place: str, verify: bool = False) -> Model:
    """The model of a folder or a hub id, if it is one; `verify` as `run.artifact.open_model` has it."""
    folder = open_model(place, verify)  # once: the hub may be asked
    config_json.read(folder)  # so that a folder without a model is refused before anything runs
    return Model.of(folder, place, verify)
