"""The settings of GRPO."""

from __future__ import annotations

import dataclasses
import functools
import operator
from typing import Any, ClassVar

from jorney.config import AtMost, expect, expect_at_least, expect_number, expect_one_of
from jorney.engine.sampling import Sampling
from jorney.train.objective import TrainingConfig
from jorney.train.optimizer import OptimizerConfig
from jorney.train.policy_gradient.credit import CreditConfig
from jorney.train.policy_gradient.surrogate import SurrogateConfig

RESAMPLING = ("off", "drop", "until_full")
VALUES = ("exact", "judge", "rollouts")
# What no result depends on: how much is done at a time, and when nothing comes of it any more.
_BATCHING = ("decode_rows", "chunk", "row_completions", "patience")
_FROM_OTHERS = ("outcome", "return", "myopic")  # credits that a baseline and a scale make of rewards


@dataclasses.dataclass(frozen=True)
class GrpoConfig(TrainingConfig, SurrogateConfig, CreditConfig, Sampling):
    """How a policy samples, and learns from what it sampled (GRPO, arXiv 2402.03300).

    `epochs` are passes over a round's completions (TRL's num_iterations). What is learned is in `SurrogateConfig`, from what
    advantages in `CreditConfig`.

    Attributes:
      rounds: how often questions are sampled.
      questions: problems of a round.
      group: completions of a problem.
      updates: parts that a round's questions are cut into, with an update for each.
      temperature, top_p: of sampling; log-probabilities are those at this temperature.
      prompt_length: tokens of a row's prompt; None for what the longest of all problems needs.
      completion_length: tokens of a completion at most; what "constant" divides by where `max_length` is None.
      row_completions: completions in a row beside their prompt; None for the whole group.
      head_chunk: tokens of a device whose logits are held at a time.
      decode_rows: completions decoded together.
      chunk: tokens a completion between two looks of the host.
      reference_every: rounds after which the reference becomes the policy; 0 for never.
      resample: "off"; "drop", where groups without a signal leave the batch; "until_full", where others are sampled for them
        (DAPO).
      resample_limit: batches of questions a round samples at most, with "until_full".
      patience: rounds in a row without any signal after which training ends with an error.
      overlong_cache: the last tokens of a completion over which DAPO's punishment grows; None for none.
      mask_truncated: whether completions that were cut off bear no loss.
      rewards: "NAME=WEIGHT,...", of weight 1 where none is stated: accuracy, format, tags, length, language, judge, or
        MODULE:FUNCTION (`reinforce.reward_terms`).
      language: that the reward of this name asks for.
      values: where values of steps come from: "exact", "judge" or "rollouts".
      rollouts: completions of each prefix, with "rollouts".
      value_noise: share of values v that are turned round into 1 - v, for experiments.
    """

    name: ClassVar[str] = "grpo"
    batch: ClassVar[str] = "questions"
    counts: ClassVar[tuple[str, ...]] = (
        *TrainingConfig.counts,
        *(
            "rounds",
            "group",
            "updates",
            "completion_length",
            "head_chunk",
            "decode_rows",
            "chunk",
            "resample_limit",
            "patience",
        ),
        "rollouts",
    )

    rounds: int = 100
    questions: int = 16
    group: int = 8
    updates: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    prompt_length: int | None = None
    completion_length: int = AtMost(1024)
    row_completions: int | None = None
    head_chunk: int = 512
    decode_rows: int = 64
    chunk: int = 32
    reference_every: int = 0
    resample: str = "off"
    resample_limit: int = 10
    patience: int = 20
    overlong_cache: int | None = None
    mask_truncated: bool = False
    rewards: str = "accuracy"
    language: str = "en"
    values: str = "exact"
    rollouts: int = 4
    value_noise: float = 0.0
    optimizer: OptimizerConfig = dataclasses.field(
        default_factory=lambda: OptimizerConfig(learning_rate=1e-6, schedule="constant")
    )

    def __post_init__(self) -> None:
        self._expect_rows()
        super().__post_init__()
        self.expect_sampling(self.name, "completions")
        self.surrogate_config  # noqa: B018, for its checks
        self.expect_credit()
        expect_at_least(1, self, self.name, "prompt_length", "overlong_cache", none="None")
        expect_at_least(0, self, self.name, "reference_every")
        expect_one_of(RESAMPLING, self, self.name, "resample")
        expect_one_of(VALUES, self, self.name, "values")
        expect_number(self, self.name, "value_noise", least=0, most=1)
        longest = self.completion_length
        within = f"at most grpo.completion_length = {longest}, or None"
        expect(lambda cache: cache is None or cache <= longest, within, self, self.name, "overlong_cache")
        for field, value, beside in self._without_effect():
            expect(functools.partial(operator.eq, value), f"{value!r} {beside}", self, self.name, field)
        self._expect_comparison()

    def _expect_rows(self) -> None:
        """Raises ValueError where questions or groups cannot be cut as asked; rows are counted after it."""
        for field, value in (("held_out", 0), ("best", False)):
            none = f"{value!r}, since no examples are held out: evaluations measure"
            expect(functools.partial(operator.eq, value), none, self, self.name, field)
        expect_at_least(1, self, self.name, "questions", "group", "updates")
        expect_at_least(1, self, self.name, "row_completions", none="None for the whole group")
        parts = f"a multiple of grpo.updates = {self.updates}"
        expect(lambda questions: questions % self.updates == 0, parts, self, self.name, "questions")
        divides = f"a divisor of grpo.group = {self.group}, or None for the whole group"
        expect(lambda count: count is None or self.group % count == 0, divides, self, self.name, "row_completions")

    def _without_effect(self) -> list[tuple[str, Any, str]]:
        """(field, the value it must have, beside what) of fields that would do nothing, or harm."""
        found: list[tuple[str, Any, str]] = []
        if not self.beta:
            found.append(("reference_every", 0, "with grpo.beta = 0, where there is no reference"))
        if self.kl == "k1_reward" and self.credit not in ("outcome", "return"):
            found.append(("credit", "outcome", "or 'return' with grpo.kl = 'k1_reward', which is paid at a completion's end"))
        if self.importance != "none":  # the sampler's probabilities would be those of the cut distribution
            found.append(("top_p", 1.0, f"with grpo.importance = {self.importance!r}"))
        return found

    def _expect_comparison(self) -> None:
        """Raises ValueError where one completion is to be compared with others, or a price is to be paid that is 0."""
        if self.kl == "k1_reward" and not self.beta:
            raise ValueError("grpo.beta = 0: expected a price above 0 with grpo.kl = 'k1_reward'")
        if self.group > 1 or self.credit not in _FROM_OTHERS:
            return
        for field, allowed in (("baseline", ("none",)), ("scale", ("none", "batch"))):
            value = getattr(self, field)
            if value not in allowed:
                one_of = " or ".join(map(repr, allowed))
                raise ValueError(
                    f"grpo.group = 1: expected 2 or more with grpo.{field} = {value!r}, which compares a problem's completions "
                    f"(or grpo.{field} = {one_of})"
                )

    @property
    def row_branches(self) -> int:
        """Completions of a row at most."""
        return self.row_completions or self.group

    @property
    def rows(self) -> int:
        """Of a step, over all devices."""
        return self.questions * (self.group // self.row_branches) // self.updates

    @property
    def rows_told(self) -> str:
        if self.rows == self.questions:
            return super().rows_told
        made_of = "questions x group / row_completions / updates"
        return f"grpo.questions = {self.questions}, which makes {self.rows} rows a step ({made_of})"

    @property
    def steps(self) -> int:
        """Updates in all rounds together."""
        return self.rounds * self.epochs * self.updates

    @property
    def needs_old(self) -> bool:
        """Whether a round has more than one update: later ones need the log-probabilities from before the first."""
        return self.epochs * self.updates > 1

    @property
    def pays_in_reward(self) -> bool:
        """Whether what a completion pays for leaving the reference is part of its reward."""
        return self.beta > 0 and self.kl == "k1_reward"

    @property
    def reads_policy(self) -> bool:
        """Whether a round's completions are read by the policy, before it is updated, as the trainer reads them."""
        return self.needs_old or self.entropy_share < 1 or self.pays_in_reward

    @property
    def reads_reference(self) -> bool:
        """Whether they are read by a reference."""
        return self.beta > 0

    @property
    def surrogate_config(self) -> SurrogateConfig:
        """The loss's own settings, with what "constant" divides by."""
        fields = {one.name: getattr(self, one.name) for one in dataclasses.fields(SurrogateConfig)}
        if self.aggregate == "constant" and self.max_length is None:
            fields["max_length"] = int(self.completion_length)
        return SurrogateConfig(**fields)

    def decides(self) -> dict[str, Any]:
        """The fields that the trained parameters depend on."""
        return {name: value for name, value in super().decides().items() if name not in _BATCHING}
