"""`jorney thoughts KIND` and `jorney analyse`: making thoughts by asking a model, and looking after sets of them."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.domain import domains
from jorney.domain.problem import Problem
from jorney.engine.chat_model import chat_ask
from jorney.engine.generate import SamplingConfig
from jorney.judge.llm import Llm, LlmConfig
from jorney.judge.llm.client import Ask
from jorney.policy import resolve
from jorney.progress import Progress
from jorney.run.commands.command import StageCommand
from jorney.run.stages import thought_sets
from jorney.run.stages.constructions import plan_constructed
from jorney.run.stages.judged import with_account
from jorney.run.workspace import Model, Stage, Workspace
from jorney.show import analysis
from jorney.text.tokenizer import load_tokenizer
from jorney.thought.asked.asking import Made, Talking
from jorney.thought.asked.augment import AugmentConfig, augment
from jorney.thought.asked.dialogue import DialogueConfig, propose_critique, student_teacher
from jorney.thought.asked.human import segments
from jorney.thought.care.analyse import AnalyseConfig
from jorney.thought.care.dedupe import DedupeConfig
from jorney.thought.care.diversity import DiversityConfig
from jorney.thought.care.mix import MixConfig
from jorney.thought.care.quality import measure_all
from jorney.thought.care.rated import rated_by

THOUGHTS = "runs/derive/thoughts/journey.jsonl"
_DIALOGUES = {"thoughts propose-critique": propose_critique, "thoughts student-teacher": student_teacher}


@dataclasses.dataclass(frozen=True)
class AskingCommand(StageCommand):
    """What commands take that ask a model.

    Attributes:
      model: a chat model: its tokenizer has a chat template. It speaks all parts.
      replies: how its replies are drawn.
      llm: an endpoint that speaks in the model's place; none where `llm.model` is "".
    """

    replies: SamplingConfig = dataclasses.field(default_factory=lambda: SamplingConfig(max_tokens=512, rows=32))
    llm: LlmConfig = dataclasses.field(default_factory=LlmConfig)

    @property
    def writer(self) -> str:
        """Who answers."""
        return self.llm.model or self.model

    def asked(self, space: Workspace, model: Model) -> tuple[Callable[[], Ask], list[Any], Callable[[Stage], Stage]]:
        """(makes what answers, what its answers depend on, adds to the stage that asks what it has paid)."""
        if self.llm.model:
            llm = Llm(self.llm)
            return lambda: llm, [self.llm.decides()], lambda stage: with_account(stage, space, llm)
        if not load_tokenizer(model.folder).chats:
            raise ValueError(f"{self.model}: its tokenizer has no chat template: expected a chat model")
        sampling = dataclasses.replace(self.replies, seed=self.seed)
        decides = {name: getattr(sampling, name) for name in ("max_tokens", "temperature", "top_p", "top_k", "min_p", "seed")}
        return lambda: chat_ask(space.generator(model), sampling), [model.key, decides], lambda stage: stage

    def constructed(
        self,
        space: Workspace,
        model: Model,
        problems: Sequence[Problem],
        talk: Callable[[Problem], Talking[Made]],
        config: DialogueConfig | AugmentConfig,
    ) -> list[Stage]:
        """The stage that makes thoughts of problems by asking."""
        ask, key, paid = self.asked(space, model)
        name = self.name.split()[-1]
        return [paid(plan_constructed(space, name, problems, talk, ask, [*key, config], config.concurrent))]


@dataclasses.dataclass(frozen=True)
class DialogueCommand(AskingCommand):
    """What both dialogues take.

    Attributes:
      problems: "countdown" (its set "trees"), a file, a hub id or tfds:NAME with questions and answers.
      limit: how many problems; None takes all of a file.
    """

    problems: str = domains.DEFAULT
    limit: int | None = 100
    dialogue: DialogueConfig = dataclasses.field(default_factory=DialogueConfig)

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        def talk(problem: Problem) -> Talking[Made]:
            return _DIALOGUES[self.name](problem, space.format, domains.state, self.dialogue, self.writer)

        return self.constructed(space, model, self.read(self.problems, self.limit), talk, self.dialogue)


@dataclasses.dataclass(frozen=True)
class ProposeCritiqueCommand(DialogueCommand):
    """Thoughts of a proposer that picks an action at a time, and a critic that comments."""

    name: ClassVar[str] = "thoughts propose-critique"

    output: str = "runs/propose-critique"


@dataclasses.dataclass(frozen=True)
class StudentTeacherCommand(DialogueCommand):
    """Thoughts of a student, whom a teacher tells to go on, to look again, or to go back."""

    name: ClassVar[str] = "thoughts student-teacher"

    output: str = "runs/student-teacher"


@dataclasses.dataclass(frozen=True)
class HumanCommand(AskingCommand):
    """Human solutions told at more length: finer steps, recaps, the tone of a student; checked against what was written.

    Attributes:
      problems: a file, a hub id or tfds:NAME with questions, answers and solutions in words.
      limit: how many problems; None takes all of a file.
    """

    name: ClassVar[str] = "thoughts human"

    output: str = "runs/human"
    problems: str = ""
    limit: int | None = 100
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        if not self.problems or domains.drawing(self.problems):
            raise ValueError(f"problems = {self.problems!r}: expected a file, a hub id or tfds:NAME with solutions in words")
        problems = self.read(self.problems, self.limit)
        for problem in problems:
            try:
                segments(problem, space.format)
            except ValueError as error:
                raise ValueError(f"{self.problems}: {error}") from None

        def talk(problem: Problem) -> Talking[Made]:
            return augment(problem, space.format, self.augment, self.writer)

        return self.constructed(space, model, problems, talk, self.augment)


@dataclasses.dataclass(frozen=True)
class ScoreCommand(AskingCommand):
    """The quality of thoughts: Q = consistency x completeness x relevance / redundancy.

    Attributes:
      thoughts: a .jsonl file of them.
      by: "measured" (from the text alone), or "model", which rates them.
      least: thoughts of a lower Q are left out.
    """

    name: ClassVar[str] = "thoughts score"

    output: str = "runs/score"
    thoughts: str = THOUGHTS
    by: str = "measured"
    least: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.by not in ("measured", "model"):
            raise ValueError(f"by = {self.by!r}: expected one of measured, model")

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        if self.by == "measured":
            return [thought_sets.plan_scores(space, self.thoughts, lambda: measure_all, self.by, self.least)]
        ask, key, paid = self.asked(space, model)
        return [paid(thought_sets.plan_scores(space, self.thoughts, lambda: rated_by(ask()), key, self.least))]


@dataclasses.dataclass(frozen=True)
class DedupeCommand(StageCommand):
    """Thoughts, or rows of any texts, without equal and near duplicates; the first of several stays.

    Attributes:
      data: a .jsonl, .parquet or .csv file, a hub id or tfds:NAME.
    """

    name: ClassVar[str] = "thoughts dedupe"

    output: str = "runs/dedupe"
    data: str = THOUGHTS
    dedupe: DedupeConfig = dataclasses.field(default_factory=DedupeConfig)

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        return [thought_sets.plan_dedupe(space, self.data, self.dedupe)]


@dataclasses.dataclass(frozen=True)
class MixCommand(StageCommand):
    """Thoughts mixed with human ones at a stated share.

    Attributes:
      thoughts: a .jsonl file of them.
      human: a file, a hub id or tfds:NAME of thoughts, or of problems with solutions, which become thoughts as they stand.
    """

    name: ClassVar[str] = "thoughts mix"

    output: str = "runs/mix"
    thoughts: str = THOUGHTS
    human: str = ""
    mix: MixConfig = dataclasses.field(default_factory=MixConfig)

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        if not self.human:
            raise ValueError("human = '': expected a file, a hub id or tfds:NAME of thoughts or of problems with solutions")
        return [thought_sets.plan_mix(space, self.thoughts, self.human, self.mix, space.format)]


@dataclasses.dataclass(frozen=True)
class DiversityCommand(StageCommand):
    """The variety of thoughts from round to round, and the temperature for the next.

    Attributes:
      rounds: a file for each round, the first one first.
      temperatures: that the rounds were sampled at; none, or one for each.
      temperature: of rounds whose temperature is not stated.
    """

    name: ClassVar[str] = "thoughts diversity"

    output: str = "runs/diversity"
    rounds: tuple[str, ...] = ()
    temperatures: tuple[float, ...] = ()
    temperature: float = 0.7
    diversity: DiversityConfig = dataclasses.field(default_factory=DiversityConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.temperatures and len(self.temperatures) != len(self.rounds):
            raise ValueError(f"temperatures: {len(self.temperatures)} of them: expected none, or one a round")

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        if not self.rounds:
            raise ValueError("rounds: expected at least one file")
        return [thought_sets.plan_diversity(space, self.rounds, self.temperatures, self.diversity, self.temperature)]


@dataclasses.dataclass(frozen=True)
class AnalyseCommand(StageCommand):
    """What texts are made of: lengths, n-grams, keywords, and keywords against difficulty; sets side by side.

    Attributes:
      files: files of thoughts, solutions, chats or texts, or folders that `jorney evaluate` wrote (OUTPUT/evaluate).
      problems: that the texts are about, with levels or solutions: tells how hard they are, by their ids.
      trees: of the problems: how rarely a tree reaches the answer tells how hard it is.
      figure: a file that ends in .svg, .png or .pdf; by default OUTPUT/analysis.svg.
    """

    name: ClassVar[str] = "analyse"

    output: str = "runs/analyse"
    files: tuple[str, ...] = ()
    problems: str = ""
    trees: str = ""
    figure: str = ""
    analyse: AnalyseConfig = dataclasses.field(default_factory=AnalyseConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.figure and not self.figure.endswith((".svg", ".png", ".pdf")):
            raise ValueError(f"figure = {self.figure!r}: expected a file that ends in .svg, .png or .pdf")

    def plan(self, space: Workspace, model: Model) -> list[Stage]:
        if not self.files:
            raise ValueError("jorney analyse: expected at least one file: jorney analyse FILES... [OPTIONS]")
        where = resolve(self.analyse.tokenizer) if self.analyse.tokenizer else ""
        tokenizer = (lambda: load_tokenizer(where)) if where else None
        return [
            thought_sets.plan_analysis(space, file, self.analyse, tokenizer, self.problems, self.trees) for file in self.files
        ]


def run_analysis(command: AnalyseCommand, progress: Progress) -> tuple[list[str], list[Any]]:
    """Analyses every file, those that are done already excepted; returns the files that it wrote, and tables to print.

    OUTPUT/analysis.json holds the statistics of all files by their labels.

    Raises:
      FileNotFoundError, ValueError: name the file, line or field; nothing is written then.
    """
    space = Workspace(command.output, command.mesh, command.dtype, command.step_format, command.seed, progress)
    stages = command.plan(space, Model("", ""))
    if len(stages) > analysis.MOST:
        raise ValueError(f"files: {len(stages)} of them: expected {analysis.MOST} at most, so that a figure tells them apart")
    names = analysis.labels(command.files)
    found = {name: space.run(stage).result for name, stage in zip(names, stages, strict=True)}
    output = storage.path(command.output)
    written = [os.fspath(output / "analysis.json"), command.figure or os.fspath(output / "analysis.svg")]
    storage.write_json(written[0], found)
    analysis.draw(found, written[1])
    return written, analysis.tables(found)


_ASKING = (ProposeCritiqueCommand, StudentTeacherCommand, HumanCommand, ScoreCommand)
_OTHERS = (DedupeCommand, MixCommand, DiversityCommand, AnalyseCommand)
COMMANDS: dict[str, type[StageCommand]] = {kind.name: kind for kind in (*_ASKING, *_OTHERS)}
