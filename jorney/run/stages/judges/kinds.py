"""The kinds of judges, by the names that commands give them: how each is made, and what it is known by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from jorney import storage
from jorney.config import digest
from jorney.domain import domains
from jorney.domain.domains import domain_of
from jorney.domain.problem import Problem
from jorney.judge import exact
from jorney.judge.judge import Judge
from jorney.judge.llm import Account, Llm, LlmConfig
from jorney.judge.llm.unread import Unread, told
from jorney.judge.llm_judge import PROTOCOL, LlmJudge, LlmJudgeConfig
from jorney.judge.readouts import AUTO, choose
from jorney.judge.reward_model import PrmJudge
from jorney.judge.threshold import THRESHOLD, expect_threshold, threshold_of
from jorney.machine.plan.planner import Planner
from jorney.model.architecture import ModelConfig
from jorney.policy import learned, read_architecture
from jorney.run.artifact import Artifact, Model
from jorney.run.stage import StageCommand, read_model
from jorney.run.stages.judges.rating import Rater, by_judge, by_llm
from jorney.run.workspace import Workspace
from jorney.text.step_format import FORMATS

VERIFIER = "verifier"
_UNREAD = "unread.json"  # in the folder of an artifact that failed by answers that could not be read


@dataclasses.dataclass(frozen=True)
class JudgedBy(StageCommand):
    """What stages take that have steps judged.

    Attributes:
      judge: "verifier" (exact, Countdown), "llm" (a language model at an endpoint), or a reward model: one that `jorney prm`
        made, or a published one.
      readout: how the reward model is asked, a key of `judge.readouts.READOUTS`; "auto" where its head leaves no doubt.
      threshold: of a reward model's score, above which a step counts as right; None takes the one of its folder, which
        `jorney prm` found on its held-out problems, or 0.5 where there is none.
      llm: the endpoint of "llm".
      llm_judge: what it is asked.
    """

    judge: str = VERIFIER
    readout: str = AUTO
    threshold: float | None = None
    llm: LlmConfig = dataclasses.field(default_factory=LlmConfig)
    llm_judge: LlmJudgeConfig = dataclasses.field(default_factory=LlmJudgeConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_threshold(self)
        if self.threshold is not None and not judge_kind(self.judge).scores:
            raise ValueError(
                f"threshold = {self.threshold}: expected none with judge = {self.judge!r}, which gives verdicts and no scores"
            )

    def made(self, space: Workspace, problems: Sequence[Problem] = ()) -> MadeJudge:
        """The judge. Raises ValueError where it cannot judge the steps of these problems."""
        judge_kind(self.judge).check(problems)
        return judge_kind(self.judge).make(space, self)

    def planned(self, planner: Planner) -> ModelConfig | None:
        """The model of the judge; None where it runs none on the machine."""
        return judge_kind(self.judge).planned(self.judge, planner)


def same(artifact: Artifact) -> Artifact:
    """The artifact as it is: nothing was paid."""
    return artifact


class MadeJudge(NamedTuple):
    """A judge that stages use.

    Attributes:
      judge: makes it, when it is needed.
      key: what trees that it judges as they grow know it by.
      rater: rates whole trees.
      rater_key: what trees that it rates know it by; JSON values.
      grown, rated: add to an artifact that uses the one or the other what this run has paid for.
    """

    judge: Callable[[], Judge]
    key: str
    rater: Rater
    rater_key: Any
    grown: Callable[[Artifact], Artifact] = same
    rated: Callable[[Artifact], Artifact] = same


class JudgeKind:
    """One kind of judge.

    Attributes:
      name: for commands.
      scores: whether it gives scores; others give verdicts, for which there is no threshold.
    """

    name: ClassVar[str]
    scores: ClassVar[bool] = False

    def check(self, problems: Sequence[Problem]) -> None:
        """Raises ValueError where it cannot judge the steps of these problems."""

    def make(self, space: Workspace, asked: JudgedBy) -> MadeJudge:
        """The judge that is asked for."""
        raise NotImplementedError

    def planned(self, name: str, planner: Planner) -> ModelConfig | None:
        """The model that it runs on the machine, if it runs one."""
        return None

    def told(self, problems: Sequence[Problem]) -> str:
        """What results say of it."""
        return self.name


class Verifier(JudgeKind):
    """The exact judge."""

    name = VERIFIER

    def check(self, problems: Sequence[Problem]) -> None:
        if not exact.verifiable(problems):
            raise ValueError(f"judge = 'verifier': expected a reward model's folder: {domains.verifiable()}")

    def make(self, space: Workspace, asked: JudgedBy) -> MadeJudge:
        judge: Callable[[], Judge] = lambda: exact.judge  # noqa: E731
        return MadeJudge(judge, self.name, by_judge(judge), self.name)

    def told(self, problems: Sequence[Problem]) -> str:
        oracle = any(domain_of(problem).oracle for problem in problems)
        return "verifier (an oracle)" if oracle else self.name  # one that knows what a solver could not


class LanguageModel(JudgeKind):
    """A language model at an endpoint."""

    name = "llm"

    def make(self, space: Workspace, asked: JudgedBy) -> MadeJudge:
        judge = LlmJudge(Llm(asked.llm), asked.llm_judge)
        return MadeJudge(
            lambda: judge,
            digest([asked.llm.decides(), asked.llm_judge, PROTOCOL]),
            by_llm(judge.llm, asked.llm_judge),
            {"llm": asked.llm.decides(), "asked": dataclasses.asdict(asked.llm_judge), "protocol": PROTOCOL},
            lambda artifact: with_account(artifact, space, judge.llm, judge),
            lambda artifact: with_account(artifact, space, judge.llm),
        )

    def told(self, problems: Sequence[Problem]) -> str:
        return "language model"


class RewardModel(JudgeKind):
    """A reward model, of `jorney prm` or a published one; known by its content and how it is asked."""

    name = "reward model"
    scores = True

    def make(self, space: Workspace, asked: JudgedBy) -> MadeJudge:
        prm = read_model(asked.judge, space.verify)
        choose(asked.readout, read_architecture(prm.folder), asked.judge)  # said before weights are loaded
        limit = threshold_of(prm.folder, asked.threshold)
        unusual = [*([] if asked.readout == AUTO else [asked.readout]), *([] if limit == THRESHOLD else [f"{limit}"])]
        judge: Callable[[], Judge] = lambda: prm_judge(space, prm, asked.readout, limit)  # noqa: E731
        key = " ".join([prm.key, *unusual])
        return MadeJudge(judge, key, by_judge(judge), {"prm": key})

    def planned(self, name: str, planner: Planner) -> ModelConfig | None:
        return planner.judge(name)


JUDGES: dict[str, JudgeKind] = {}


def register(kind: JudgeKind) -> JudgeKind:
    """Makes a kind of judge known by its name, in place of one that had it; returns it."""
    JUDGES[kind.name] = kind
    return kind


for _kind in (Verifier, LanguageModel):
    register(_kind())


def judge_kind(name: str) -> JudgeKind:
    """The kind of a name; what is not known by one is the place of a reward model."""
    return JUDGES.get(name) or RewardModel()


def prm_judge(
    space: Workspace, model: Model, readout: str = AUTO, threshold: float | None = None, alone: bool = False
) -> PrmJudge:
    """A reward model as a judge of trees; without a threshold by the one of its folder.

    Args:
      alone: the model that sampled is let go first.
    """
    limit, policy = threshold_of(model.folder, threshold), space.load_alone(model) if alone else space.load_beside(model)
    step_format = FORMATS[learned(model.folder) or space.format.name]  # of its own, whatever the policy is asked in
    return PrmJudge(policy, step_format, space.compilations, readout=readout, threshold=limit, donate=True)


def with_account(artifact: Artifact, space: Workspace, llm: Llm, judge: LlmJudge | None = None) -> Artifact:
    """The artifact, at whose end (by an error, too) it is said what this run has paid for, and what could not be read.

    Args:
      judge: whose account the result gets as well, where the artifact keeps none of its own.
    """

    def work(folder: Any) -> Any:
        try:
            result = artifact.work(folder)
        finally:
            space.progress.say(f"  {llm.config.model}: {llm.summary()}")
        return result if judge is None else {**result, **dataclasses.asdict(judge.account)}

    return with_unread(dataclasses.replace(artifact, work=work), space, llm.unread)


def with_unread(artifact: Artifact, space: Workspace, unread: Unread) -> Artifact:
    """The artifact, at whose end it is said what could not be read, and which fails where that is too much.

    Looked at are the answers of all runs together, where the result has an account of them, or else those of this run. What
    failed by them is kept: the next run, which finds all rows and asks nothing, fails as well.
    """

    def work(folder: Any) -> Any:
        try:
            result = artifact.work(folder)
        finally:
            if said := told(unread.account):
                space.progress.say(f"  {said}")
        names, file = [field.name for field in dataclasses.fields(Account)], folder / _UNREAD
        total = Account(**storage.read_json(file)) if file.exists() else Account()
        total += Account(**{name: result[name] for name in names}) if "parse_failures" in result else unread.account
        try:
            unread.check(total)
        except ValueError:
            storage.write_json(file, dataclasses.asdict(total))
            raise
        return result

    return dataclasses.replace(artifact, work=work)
