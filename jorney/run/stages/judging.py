"""The kinds of judges, by the names that commands give them: how each is made, and what it is known by."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NamedTuple

from jorney.config import digest
from jorney.convert import config_json
from jorney.domain.problem import Problem
from jorney.judge import exact
from jorney.judge.judge import Judge
from jorney.judge.llm import Llm, LlmConfig
from jorney.judge.llm_judge import LlmJudge, LlmJudgeConfig
from jorney.judge.readouts import AUTO
from jorney.judge.threshold import THRESHOLD, threshold_of
from jorney.policy import resolve
from jorney.run.stages.judged import Rater, by_judge, by_llm, with_account
from jorney.run.stages.rewards import prm_judge
from jorney.run.workspace import Model, Stage, Workspace


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a command says of its judge.

    Attributes:
      name: a key of JUDGES, or the place of a reward model.
      readout, threshold: of a reward model; see `judge.readouts` and `judge.threshold`.
      llm, llm_judge: the endpoint of a language model, and what it is asked.
    """

    name: str
    readout: str = AUTO
    threshold: float | None = None
    llm: LlmConfig = dataclasses.field(default_factory=LlmConfig)
    llm_judge: LlmJudgeConfig = dataclasses.field(default_factory=LlmJudgeConfig)


def same(stage: Stage) -> Stage:
    """The stage as it is: nothing was paid."""
    return stage


class MadeJudge(NamedTuple):
    """A judge that stages use.

    Attributes:
      judge: makes it, when it is needed.
      key: what trees that it judges as they grow know it by.
      rater: rates whole trees.
      rater_key: what trees that it rates know it by; JSON values.
      grown, rated: add to a stage that uses the one or the other what this run has paid for.
    """

    judge: Callable[[], Judge]
    key: str
    rater: Rater
    rater_key: Any
    grown: Callable[[Stage], Stage] = same
    rated: Callable[[Stage], Stage] = same


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

    def make(self, space: Workspace, asked: Asked) -> MadeJudge:
        """The judge that is asked for."""
        raise NotImplementedError


class Verifier(JudgeKind):
    """The exact judge."""

    name = "verifier"

    def check(self, problems: Sequence[Problem]) -> None:
        if not exact.verifiable(problems):
            raise ValueError(
                "judge = 'verifier': expected a reward model's folder, since only Countdown's steps can be verified"
            )

    def make(self, space: Workspace, asked: Asked) -> MadeJudge:
        judge: Callable[[], Judge] = lambda: exact.judge  # noqa: E731
        return MadeJudge(judge, self.name, by_judge(judge), self.name)


class LanguageModel(JudgeKind):
    """A language model at an endpoint."""

    name = "llm"

    def make(self, space: Workspace, asked: Asked) -> MadeJudge:
        judge = LlmJudge(Llm(asked.llm), asked.llm_judge)
        return MadeJudge(
            lambda: judge,
            digest([asked.llm.decides(), asked.llm_judge]),
            by_llm(judge.llm, asked.llm_judge),
            {"llm": asked.llm.decides(), "asked": dataclasses.asdict(asked.llm_judge)},
            lambda stage: with_account(stage, space, judge.llm, judge),
            lambda stage: with_account(stage, space, judge.llm),
        )


class RewardModel(JudgeKind):
    """A reward model, of `jorney prm` or a published one; known by its content and how it is asked."""

    name = "reward model"
    scores = True

    def make(self, space: Workspace, asked: Asked) -> MadeJudge:
        prm = read_model(asked.name)
        limit = threshold_of(prm.folder, asked.threshold)
        unusual = [*([] if asked.readout == AUTO else [asked.readout]), *([] if limit == THRESHOLD else [f"{limit}"])]
        judge: Callable[[], Judge] = lambda: prm_judge(space, prm, asked.readout, limit)  # noqa: E731
        key = " ".join([prm.key, *unusual])
        return MadeJudge(judge, key, by_judge(judge), {"prm": key})


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


def expect_scores(name: str, threshold: float | None) -> None:
    """Raises ValueError where a judge without scores is given a threshold."""
    if threshold is not None and not judge_kind(name).scores:
        raise ValueError(f"threshold = {threshold}: expected none with judge = {name!r}, which gives verdicts and no scores")


def read_model(place: str) -> Model:
    """The model of a folder or a hub id, if it is one."""
    config_json.read(resolve(place))  # so that a folder without a model is refused before anything runs
    return Model.at(place)
