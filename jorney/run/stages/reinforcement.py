"""`jorney grpo`: a policy learns from what it writes, by group-relative policy optimisation with a credit for every step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.batch.row_arrays import rounded_up
from jorney.config import AtMost, digest, expect_above
from jorney.domain import domains
from jorney.domain.grading import GRADING
from jorney.domain.problem import Problem
from jorney.engine.generate import Generator
from jorney.engine.sampling import DRAWING
from jorney.judge import exact
from jorney.judge.reward_model import PrmJudge
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.model import lora as adapters
from jorney.policy import Policy, read_architecture, tokenizer_of
from jorney.reinforce.assessment import AssessConfig, Assessment
from jorney.reinforce.own_weights import OwnWeights
from jorney.reinforce.planned_phases import round_programs
from jorney.reinforce.references import References
from jorney.reinforce.rewards.reward_terms import RewardContext, Term, load_terms, parse_rewards
from jorney.reinforce.rewards.rewarding import Rewarder, of_steps
from jorney.reinforce.rollouts import Rollouts
from jorney.reinforce.samples import RoundFiles
from jorney.reinforce.values.step_values import ScorePaths, scores_by
from jorney.rows.problems import read_problems
from jorney.run.artifact import Artifact, Model
from jorney.run.stage import ProblemsCommand
from jorney.run.stages.fine_tuning import TrainCommand, save_trained
from jorney.run.stages.judges.kinds import JudgedBy, MadeJudge, judge_kind
from jorney.run.workspace import TRAINING, Workspace
from jorney.solve.evaluate import EvaluateConfig
from jorney.train import training
from jorney.train.metrics import Record
from jorney.train.objectives.grpo import GrpoConfig
from jorney.train.training import Data

_SHOWN = ("reward", "accuracy", "completions/mean_length", "entropy", "frac_reward_zero_std", "excursion_rate")


@dataclasses.dataclass(frozen=True)
class Asked:
    """What a command asks for, found out before anything is made.

    Attributes:
      assessed: problems on which the policy is looked at.
      config: the settings, with all lengths.
      terms, weight_of: of the reward, by name.
      judge: where one is asked.
    """

    problems: Sequence[Problem]
    assessed: Sequence[Problem]
    config: GrpoConfig
    terms: Mapping[str, Term]
    weight_of: Mapping[str, float]
    judge: MadeJudge | None


@dataclasses.dataclass(frozen=True)
class GrpoCommand(TrainCommand, ProblemsCommand, JudgedBy):
    """Reinforcement learning: rounds of problems, several completions of each, rewards, and an update towards the better ones.

    Attributes:
      judge: whose scores of steps are a reward ("judge") or the values that credit is made of (`grpo.values`).
      grading_seconds: a longer grading is stopped and counts as wrong.
    """

    command: ClassVar[str] = "grpo"
    all_hosts: ClassVar[bool] = True
    unanswered: ClassVar[bool] = True
    common = (
        *("model", "problems", "limit", "output", "grpo.rounds", "grpo.questions", "grpo.group", "grpo.rewards", "grpo.credit"),
        *("grpo.completion-length", "grpo.optimizer.learning-rate", "assess.every", "dtype", "mesh.fsdp", "seed"),
    )

    output: str = "runs/grpo"
    limit: int | None = None
    grading_seconds: float = 5.0
    assess: AssessConfig = dataclasses.field(default_factory=AssessConfig)
    grpo: GrpoConfig = dataclasses.field(default_factory=GrpoConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_above(0, self, "", "grading_seconds")
        limits = self.grpo.completion_length, self.grpo.overlong_cache
        about = RewardContext(language=self.grpo.language, longest=limits[0], overlong_cache=limits[1], scores=_no_scores)
        about.expect(parse_rewards(self.grpo.rewards))

    @property
    def asks_judge(self) -> bool:
        """Whether anything is made of a judge's scores."""
        return "judge" in parse_rewards(self.grpo.rewards) or (of_steps(self.grpo) and self.grpo.values == "judge")

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        self.grpo.expect_split(space.mesh)
        problems, weight_of = self.read_problems(), parse_rewards(self.grpo.rewards)
        if "accuracy" in weight_of or of_steps(self.grpo):
            others = " (grpo.credit = 'outcome' and other grpo.rewards than accuracy need none)"
            self.expect_answers(self.problems, problems, others)
        if self.asks_judge:
            judge_kind(self.judge).check(problems)
        if of_steps(self.grpo) and self.grpo.values == "exact" and not exact.verifiable(problems):
            raise ValueError(
                f"grpo.values = 'exact' with grpo.credit = {self.grpo.credit!r}: expected 'judge' or 'rollouts': "
                f"{domains.verifiable()}"
            )
        asked = Asked(
            problems,
            self._assessed(),
            fitted(self.grpo, model, problems, space),
            load_terms(weight_of),
            weight_of,
            self.made(space, problems) if self.asks_judge else None,
        )
        reads: list[Any] = [model.key, digest(problems), asked.config.decides(), asked.judge.key if asked.judge else ""]
        reads += [digest(asked.assessed), self.assess.tries, self.grading_seconds, GRADING, DRAWING, *self.taken]
        detail = f"{len(problems):,} problems, {self.grpo.rounds} rounds"
        planned = space.plan("grpo", reads, lambda folder: self._train(space, model, asked, folder), detail)
        return [asked.judge.grown(planned) if asked.judge else planned]

    def _train(self, space: Workspace, model: Model, asked: Asked, folder: storage.Path) -> dict[str, Any]:
        """What the artifact's work is."""
        config, where = asked.config, folder / TRAINING
        policy = space.take(model, config.lora.rank > 0)
        weights = OwnWeights(policy, config.lora, space.compilations)
        space.sample_on(weights.own)  # a judge, too
        files = RoundFiles(folder / "rollouts", config.group)
        assessment = self._assessment(space, asked, files)
        rollouts = Rollouts(
            asked.problems,
            policy.tokenizer,
            space.format,
            config,
            space.seed,
            weights,
            adapters.part(policy.params)[0] if config.lora.rank else None,
            self._rewarder(space, policy, asked),
            asked.weight_of,
            References(policy, config, where, space.compilations),
            assessment,
            files,
            space.compilations,
        )
        if config.credit == "outcome":
            space.progress.say("  the loss begins near 0 and says little: a group's advantages sum to 0; look at the reward")
        with space.progress.bar("steps", config.steps) as bar:
            place = (config, space.seed, where, space.compilations, space.follow(bar), True, space.track)
            trained, records = training.train(policy, Data(rollouts), *place)
        counts = {"rounds": config.rounds, "steps": config.steps, "problems": len(asked.problems), **_told(records)}
        save_trained(space, "grpo", model, policy, trained, folder, config, counts, self.problems)
        if asked.assessed:
            counts |= self._last(assessment, weights, trained, config, space)
        return {**counts, "curve": [[record["step"], record["loss"], record.get("accuracy")] for record in records]}

    def _rewarder(self, space: Workspace, policy: Policy, asked: Asked) -> Rewarder:
        scores, key = (_scores(asked.judge, space), asked.judge.key) if asked.judge else (None, "")
        about = (policy.tokenizer, space.format, asked.config, asked.terms, space.seed, self.grading_seconds)
        return Rewarder(*about, scores, key)

    def _assessment(self, space: Workspace, asked: Asked, files: RoundFiles) -> Assessment:
        config = asked.config
        limits = EvaluateConfig(
            max_tokens=config.completion_length,
            rows=config.decode_rows,
            chunk=config.chunk,
            grading_seconds=self.grading_seconds,
        )
        heat = config.temperature, config.top_p
        return Assessment(self.assess, asked.assessed, space.format, limits, heat, space.seed, files, space.progress.say)

    def _last(
        self, assessment: Assessment, weights: OwnWeights, trained: Policy, config: GrpoConfig, space: Workspace
    ) -> dict[str, float]:
        """How good the trained policy is."""
        if assessment.complete(config.rounds):
            return assessment.measure(config.rounds, None)
        base, changed = adapters.part(trained.params) if config.lora.rank else (None, trained.params)
        generator = Generator(weights.policy(changed, base), space.compilations, donate=True)
        return assessment.measure(config.rounds, generator)

    def _assessed(self) -> list[Problem]:
        """Problems on which the policy is looked at: others than it learns from."""
        if self.assess.problems:
            assessed = read_problems(self.assess.problems, self.assess.limit, self.rules)
            self.expect_answers(self.assess.problems, assessed)
            return assessed
        if not self.assess.every:
            return []
        if not (domain := domains.drawing(self.problems)):
            raise ValueError(
                f"assess.every = {self.assess.every}: expected assess.problems, others than those of {self.problems}: a file, "
                "a hub id or tfds:NAME"
            )
        return domain.draw("tuning", self.assess.limit, self.seed)

    def programs(self, planner: Planner) -> list[AotProgram]:
        left_out = [f"assessments, every {self.assess.every} rounds"] if self.assess.every else []
        if of_steps(self.grpo) and self.grpo.values == "rollouts":
            left_out.append(f"{self.grpo.rollouts} completions of every step, for its value")
        judge = self.planned(planner) if self.asks_judge else None
        return round_programs(planner, self.grpo, planner.mesh(self.mesh), judge, left_out)


def _scores(made: MadeJudge, space: Workspace) -> Callable[[], ScorePaths]:
    """Makes the judge's scores of steps, when they are needed."""

    def scores() -> ScorePaths:
        judge = made.judge()
        return judge.score if isinstance(judge, PrmJudge) else scores_by(judge, space.format)

    return scores


def _no_scores(paths: Any) -> list[list[float]]:
    """Stands for a judge's where it is only asked whether there is one."""
    raise AssertionError("a judge's scores are asked for before there is one")


def fitted(config: GrpoConfig, model: Model, problems: Sequence[Problem], space: Workspace) -> GrpoConfig:
    """With the length of prompts, and completions no longer than it leaves of the model's positions.

    Raises:
      ValueError: the two together are longer than the model can read.
    """
    positions, tokenizer = read_architecture(model.folder).positions, tokenizer_of(model.folder)
    longest = space.format.longest(tokenizer, (one.question for one in problems))
    length, room = config.completion_length, positions - longest
    if isinstance(length, AtMost) and 0 < room < length:
        length = room
        space.progress.say(f"grpo.completion-length: {room:,}, of {positions:,} positions less a prompt's {longest:,}")
    if longest + length > positions:
        raise ValueError(
            f"grpo.completion-length = {length:,}, behind a prompt of {longest:,} tokens: the model has {positions:,} "
            f"positions: expected at most {max(0, room):,} (--grpo.completion-length), or shorter problems"
        )
    prompt = config.prompt_length or rounded_up(longest)
    if prompt < longest:
        raise ValueError(
            f"grpo.prompt-length = {prompt:,}: expected at least {longest:,}, the longest prompt's tokens, or None"
        )
    return dataclasses.replace(config, prompt_length=prompt, completion_length=int(length))


def _told(records: Sequence[Record]) -> dict[str, Any]:
    """The first and the last figures of a training."""
    found = {}
    for name in _SHOWN:
        short = name.rpartition("/")[2]
        for place, record in ((f"{short}_at_first", records[0]), (short, records[-1])):
            if name in record:
                found[place] = record[name]
    return found
