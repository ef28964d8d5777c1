"""A run: configuration in, report out, in stages that are never done twice."""

from __future__ import annotations

import dataclasses
import itertools
import os
import shlex
from collections.abc import Collection
from typing import Any, ClassVar

from jorney import show as report
from jorney import storage
from jorney.batch.packing import Example
from jorney.batch.pairs import Preference
from jorney.batch.solutions import encode_solutions
from jorney.config import digest, expect_at_least, expect_number, expect_one_of, expect_seed, to_json
from jorney.convert import config_json
from jorney.domain import domains
from jorney.domain.problem import Problem
from jorney.engine.generate import encode_prompts
from jorney.judge.llm import LlmConfig
from jorney.judge.llm_judge import LlmJudgeConfig
from jorney.judge.rollouts import RolloutConfig
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.policy import EMBEDDED, resolve
from jorney.precision import EXACT, PRECISIONS
from jorney.progress import Progress
from jorney.rows.problems import read_problems, write_problems
from jorney.run import inputs, yaml_config
from jorney.run.artifact import Artifact, Done, Lacking, Model
from jorney.run.command import Command, use_jax
from jorney.run.fitting import fit_run
from jorney.run.recipes.problem_sets import ProblemsConfig, draws_exact
from jorney.run.recipes.summary import SETTINGS, make_report, samples, show_thoughts, show_tree
from jorney.run.stages import pairing
from jorney.run.stages.derivation import plan_thoughts
from jorney.run.stages.evaluation import accuracy_line, plan_evaluation
from jorney.run.stages.expansion import plan_trees
from jorney.run.stages.fine_tuning import plan_training
from jorney.run.stages.judges.kinds import JudgedBy, prm_judge
from jorney.run.stages.judges.labelling import plan_rollouts
from jorney.run.stages.judges.reward_training import plan_prm, sampled
from jorney.run.stages.lessons import Lesson, plan_phase1, plan_phase2
from jorney.run.stages.pairing import OWN, plan_pairs, sampled_pairs
from jorney.run.stages.resampling import plan_resampling
from jorney.run.workspace import Workspace
from jorney.sharding import MeshConfig
from jorney.show.tables import terminal_table
from jorney.solve.evaluate import EvaluateConfig
from jorney.solve.resample import ResampleConfig
from jorney.text.step_format import FORMATS
from jorney.text.tokenizer import Tokenizer
from jorney.thought.derive import DeriveConfig
from jorney.thought.refine import RefineConfig
from jorney.thought.tree_pairs import JOURNEY, PAIR_KINDS
from jorney.train import training
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.prm import PrmConfig, reward_model
from jorney.train.objectives.sft import SftConfig
from jorney.train.optimizer import DTYPES, OptimizerConfig
from jorney.tree.contrasts import ContrastConfig
from jorney.tree.expand import ExpandConfig
from jorney.tree.prune import PruneConfig

TREE_JUDGES = ("verifier", "prm", "llm")
UNTIL = ("sft_phase1", "phase2", "dpo")
SAMPLES = "samples"  # of the journey model, graded: what pairs are made of, if not of the trees


@dataclasses.dataclass(frozen=True)
class RunConfig(Command):
    """Everything a run depends on.

    Attributes:
      name: of the run, in the report.
      output: its folder, local or gs://.
      model: what `jorney.load` takes.
      step_format: how prompts and steps are written; a key of `text.step_format.FORMATS`.
      dtype: of the computation, "float32" or "bfloat16"; master weights are float32.
      precision: of products in float32: "dtype", float32 on every platform, or "fast", bfloat16 on TPUs, TF32 on recent GPUs.
      seed: of everything random.
      until: the last part that runs: "sft_phase1", "phase2" (trees, thoughts and the models trained on them) or "dpo" (all).
      judge: of the steps in trees: "verifier" (exact, Countdown), "prm" (trained on rollouts of phase 1) or "llm" (a language
        model at an endpoint).
      share: of the tree problems that rollouts and preference pairs are sampled for.
      pairs: what the journey model prefers: "samples" of its own, or the trees' "step", "first-error", "subtree", "leaf" or
        "journey" (see `jorney dpo --help`).
      contrast: which sides of the trees are held against each other.
      long_tokens: limit of a completion of models that were trained on journeys; the others' is `evaluate.max_tokens`.
      excursion_loss: whether the excursions of journeys bear loss.
      llm, llm_judge: the endpoint of "llm", and what it is asked.
      sft, phase2: training on solutions, and on thoughts.
      mesh: of the trainings.
      sampling_mesh: of all sampling and judging. A large model trains best with its parameters split by `fsdp`, and samples
        best with them split by `tensor`.
    """

    command: ClassVar[str] = "run"
    all_hosts: ClassVar[bool] = False  # each host runs it by itself (`machine.plan.planner.Configuration`)
    common = (
        *("model", "output", "seed", "until", "judge", "problems.train", "problems.trees", "problems.test"),
        *("problems.trees-count", "expand.w", "sft.optimizer.learning-rate", "sft.epochs", "phase2.epochs", "long-tokens"),
    )

    name: str = "quickstart"
    output: str = "runs/quickstart"
    model: str = EMBEDDED
    step_format: str = "abel"
    dtype: str = "float32"
    precision: str = EXACT
    seed: int = 0
    until: str = "dpo"
    judge: str = "verifier"
    share: float = 0.1
    pairs: str = SAMPLES
    long_tokens: int = 2048
    excursion_loss: bool = True
    problems: ProblemsConfig = dataclasses.field(default_factory=ProblemsConfig)
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
    sft: SftConfig = dataclasses.field(default_factory=SftConfig)
    expand: ExpandConfig = dataclasses.field(default_factory=ExpandConfig)
    derive: DeriveConfig = dataclasses.field(default_factory=DeriveConfig)
    refine: RefineConfig = dataclasses.field(default_factory=RefineConfig)
    phase2: SftConfig = dataclasses.field(default_factory=lambda: SftConfig(epochs=3))
    rollouts: RolloutConfig = dataclasses.field(default_factory=RolloutConfig)
    prm: PrmConfig = dataclasses.field(default_factory=PrmConfig)
    contrast: ContrastConfig = dataclasses.field(default_factory=ContrastConfig)
    dpo: DpoConfig = dataclasses.field(default_factory=DpoConfig)
    resample: ResampleConfig = dataclasses.field(default_factory=ResampleConfig)
    llm: LlmConfig = dataclasses.field(default_factory=LlmConfig)
    llm_judge: LlmJudgeConfig = dataclasses.field(default_factory=LlmJudgeConfig)
    mesh: MeshConfig = dataclasses.field(default_factory=MeshConfig)
    sampling_mesh: MeshConfig = dataclasses.field(default_factory=MeshConfig)

    def __post_init__(self) -> None:
        kinds: dict[str, Collection[str]] = {
            "step_format": FORMATS,
            "dtype": DTYPES,
            "precision": PRECISIONS,
            "until": UNTIL,
            "judge": TREE_JUDGES,
            "pairs": (SAMPLES, *PAIR_KINDS),
        }
        for name, allowed in kinds.items():
            expect_one_of(allowed, self, "", name)
        if self.expand.step_format != self.step_format:
            raise ValueError(f"expand.step_format = {self.expand.step_format!r}: expected step_format = {self.step_format!r}")
        expect_number(self, "", "share", most=0.5)
        expect_at_least(1, self, "", "long_tokens")
        expect_seed(self, "")
        if self.judge == "verifier" and self.until != "sft_phase1" and not draws_exact(self.problems.trees):
            raise ValueError(f"judge = 'verifier': expected 'prm' or 'llm': {domains.verifiable()}")

    def long(self) -> EvaluateConfig:
        """How models that were trained on journeys are evaluated."""
        return dataclasses.replace(self.evaluate, max_tokens=self.long_tokens)

    def execute(self) -> None:
        use_jax()
        progress = Progress()
        progress.console.print(terminal_table(Run(self, progress).run()), soft_wrap=False)
        progress.say(f"report: {os.path.join(self.output, 'report.html')}")

    def programs(self, planner: Planner) -> list[AotProgram]:
        """The programs that it runs on a machine, in the order in which they first run."""
        mesh, sampling = planner.mesh(self.mesh), planner.mesh(self.sampling_mesh)
        found = planner.completions("evaluate", self.evaluate.sampling(0), sampling)
        found.append(planner.step("sft_phase1", self.sft, mesh))
        if self.until == "sft_phase1":
            return found
        found += planner.rollouts(self.rollouts, sampling)
        found.append(planner.step("prm", self.prm, mesh))
        found += planner.trees(self.expand, reward_model(planner.model) if self.judge == "prm" else None, sampling)
        found.append(planner.step("phase2", self.phase2, mesh))
        found += planner.completions("journeys", self.long().sampling(0), sampling)
        if self.until == "dpo":
            if self.pairs == SAMPLES:
                found += pairing.sampling_programs(planner, pairing.samples(self.dpo, self.long(), self.seed), sampling)
            found.append(planner.step("dpo", self.dpo, mesh))
        return found


class Run:
    """The stages of one configuration."""

    def __init__(self, config: RunConfig, progress: Progress) -> None:
        self.config = config
        self._progress = progress
        # Read before any folder is made: a wrong path or a bad line leaves nothing behind.
        self._model = resolve(config.model)
        config_json.read(self._model)
        self._space = Workspace(
            config.output,
            config.mesh,
            config.dtype,
            config.step_format,
            config.seed,
            progress,
            sampling_mesh=config.sampling_mesh,
            precision=config.precision,
        )
        self._stages: dict[str, Artifact] = {}
        self._done: dict[str, Done] = {}

    def run(self) -> dict[str, Any]:
        """All stages; returns the report.

        Raises:
          FileNotFoundError, ValueError: something that the configuration names is wrong. All of it is read before the first
            folder is made, so that nothing is left behind.
        """
        problems = self._read_problems()
        base = dataclasses.replace(Model.at(self._model), source=self.config.model)
        asked = list(itertools.chain(*problems.values()))
        self.config = config = fit_run(self.config, base, asked, self._space.format, self._progress.say)
        self._check(base, problems)
        self._plan(base, problems)
        left_out = self._run_stages()
        yaml_config.save(config, os.path.join(config.output, SETTINGS))
        made = make_report(config.name, config.seed, problems, self._done, left_out)
        made["viewer"] = shlex.join(["jorney", "view", os.fspath(config.output)])
        report.write(
            config.output,
            made,
            samples(problems["test"], self._done),
            tree=show_tree(self._done["trees"]) if "trees" in self._done else None,
            thoughts=show_thoughts(self._done["thoughts"]) if "thoughts" in self._done else None,
        )
        return made

    def _run_stages(self) -> dict[str, str]:
        """Runs every stage that there is something for; returns why the others were left out.

        A policy that finds no right path, or is never both right and wrong, is a result, and the rest of the run has its
        report. What a stage needs is what it reads the key of.
        """
        left_out: dict[str, str] = {}
        for name, stage in self._stages.items():
            missing = [other for other in left_out if self._stages[other].key in to_json(stage.reads)]
            try:
                if missing:
                    raise Lacking(f"needs {missing[0]}")
                self._done[name] = self._space.run(stage)
            except Lacking as lack:
                left_out[name] = str(lack)
                self._progress.say(f"{name}: left out: {lack}")
                continue
            if name.startswith("evaluate_"):
                self._progress.say(accuracy_line(self._done[name]))
        return left_out

    def _read_problems(self) -> dict[str, list[Problem]]:
        """The problems to train on, to grow trees for and to test on, by the set's name."""
        wanted = self.config.problems

        def read(name: str) -> list[Problem]:
            source, count = getattr(wanted, name), getattr(wanted, f"{name}_count")
            if not (domain := domains.drawing(source)):
                return read_problems(source, count)
            return domain.draw(name, count, self.config.seed, getattr(wanted, domain.name, None))

        found = {name: read(name) for name in ("train", "trees", "test") if name != "trees" or self.config.until != UNTIL[0]}
        for name in found.keys() - {"test"}:
            shared = {problem.question for problem in found[name]} & {problem.question for problem in found["test"]}
            if shared:
                what = f"problems.{name} and problems.test share {len(shared)} questions, such as {min(shared)!r}"
                raise ValueError(f"{what}: expected none: give the test problems a file of their own")
        return found

    def _check(self, base: Model, problems: dict[str, list[Problem]]) -> None:
        """That prompts and solutions fit the model, before anything is written."""
        config, policy = self.config, self._space.load(base)
        training.prepare(policy, self._solutions(policy.tokenizer, problems["train"]), config.sft, config.seed)
        if config.until != UNTIL[0]:
            config.phase2.expect_split(policy.mesh, "phase2")
            config.prm.expect_split(policy.mesh)
        if config.until == UNTIL[2]:
            config.dpo.expect_split(policy.mesh)
        for name in problems.keys() - {"train"}:
            prompts = [self._space.format.encode(policy.tokenizer, problem.question) for problem in problems[name]]
            limit = max(config.evaluate.max_tokens, config.long_tokens if config.until != UNTIL[0] else 0)
            encode_prompts(policy, prompts, [problem.id for problem in problems[name]], limit)

    def _solutions(self, tokenizer: Tokenizer, train: list[Problem]) -> list[Example]:
        return encode_solutions(tokenizer, self._space.format, train, self.config.problems.train)

    def _add(self, stage: Artifact) -> Artifact:
        self._stages[stage.name] = stage
        return stage

    def _plan(self, base: Model, problems: dict[str, list[Problem]]) -> None:
        """All stages, in the order in which they run."""
        config, space = self.config, self._space
        train, test = problems["train"], problems["test"]
        self._add(self._plan_problems(problems))
        self._add(plan_evaluation(space, "evaluate_base", base, test, config.evaluate))
        phase1 = self._add(plan_phase1(space, base, train, config.problems.train, config.sft)).model
        self._add(plan_evaluation(space, "evaluate_sft_phase1", phase1, test, config.evaluate))
        if config.until != "sft_phase1":
            self._plan_phase2(phase1, problems["trees"], test)

    def _plan_problems(self, problems: dict[str, list[Problem]]) -> Artifact:
        def work(folder: storage.Path) -> dict[str, int]:
            for name, members in problems.items():
                write_problems(folder / f"{name}.jsonl", members)
            return {name: len(members) for name, members in problems.items()}

        texts = ", ".join(f"{name} {len(members):,}" for name, members in problems.items())
        return self._space.plan("problems", [{name: digest(members) for name, members in problems.items()}], work, texts)

    def _plan_phase2(self, phase1: Model, problems: list[Problem], test: list[Problem]) -> None:
        config, space = self.config, self._space
        tenth = max(1, round(config.share * len(problems)))
        few, held_out = problems[:tenth], problems[tenth : 2 * tenth]
        rollouts = self._add(plan_rollouts(space, phase1, few, config.rollouts))
        prm = self._add(plan_prm(space, phase1, sampled(rollouts, few), rollouts.key, held_out, config.rollouts, config.prm))

        grown = (space, phase1, problems, config.expand)
        if config.judge == "llm":
            made = JudgedBy(judge="llm", llm=config.llm, llm_judge=config.llm_judge).made(space)
            trees = made.grown(plan_trees(*grown, made.judge, made.key))
        elif config.judge == "prm":
            trees = plan_trees(*grown, lambda: prm_judge(space, prm.model), prm.key)
        else:
            trees = plan_trees(*grown)
        self._add(trees)
        thoughts = self._add(plan_thoughts(space, trees.folder, trees.key, config.derive, config.refine))

        def phase2(name: str, kind: str, detail: str) -> Model:
            chosen = Lesson(kind, config.excursion_loss)
            return self._add(plan_phase2(space, name, phase1, thoughts, chosen, config.phase2, detail)).model

        shortcut = phase2("phase2_shortcut", "shortcut", "from shortcuts")
        self._add(plan_evaluation(space, "evaluate_phase2_shortcut", shortcut, test, config.evaluate))
        journey = phase2("phase2_journey", "journey", "from journeys of the same trees")
        journey_grades = self._add(plan_evaluation(space, "evaluate_phase2_journey", journey, test, config.long()))

        self._add(plan_resampling(space, shortcut, test, config.evaluate, config.resample, journey_grades))
        matched = phase2("shortcut_token_matched", "matched", "control: shortcuts, as many tokens as the journeys")
        self._add(plan_evaluation(space, "evaluate_shortcut_token_matched", matched, test, config.evaluate))
        swapped = phase2("placebo_journey", "placebo", "control: journeys whose excursions are right steps")
        self._add(plan_evaluation(space, "evaluate_placebo_journey", swapped, test, config.long()))

        if config.until == "dpo":
            dpo = self._plan_dpo(journey, trees, few).model
            self._add(plan_evaluation(space, "evaluate_dpo", dpo, test, config.long()))

    def _plan_dpo(self, journey: Model, trees: Artifact, few: list[Problem]) -> Artifact:
        """DPO of the journey model, on pairs of samples of these problems or of the trees."""
        config, space = self.config, self._space
        if config.pairs == SAMPLES:
            pairs = self._add(plan_pairs(space, journey, few, config.long(), config.dpo))
            return self._add(plan_training(space, "dpo", journey, sampled_pairs(pairs, few), pairs.key, config.dpo, OWN))

        def make(tokenizer: Tokenizer) -> list[Preference]:
            how = (config.pairs, config.contrast, config.refine, space.format, space.seed)
            return inputs.read_tree_pairs(os.fspath(trees.folder), None, *how).make(tokenizer)

        key = [trees.key, config.pairs, config.contrast, *([config.refine] if config.pairs == JOURNEY else [])]
        return self._add(plan_training(space, "dpo", journey, make, key, config.dpo, f"{config.pairs} pairs of the trees"))


def quickstart() -> RunConfig:
    """The whole pipeline on a laptop: the embedded model, Countdown, minutes on two cores."""
    # Small batches: the step from a rule learned to a plan made takes many updates. A rate much above this one unlearns the
    # base model's arithmetic, and the model writes the target as the result of whatever stands there.
    phase1 = SftConfig(batch_rows=4, row_length=128, head_chunk=128, optimizer=OptimizerConfig(learning_rate=5e-4, warmup=0.05))
    return RunConfig(
        # Loss on excursions teaches to err first; configs/experiment.py has both.
        excursion_loss=False,
        problems=ProblemsConfig(trees_count=1000),
        share=0.05,
        evaluate=EvaluateConfig(max_tokens=64, rows=256, chunk=16),
        long_tokens=192,
        sft=phase1,
        expand=ExpandConfig(w=4, depth=4, step_tokens=32, rows=256, prune=PruneConfig(keep=4, explore_wrong=4)),
        derive=DeriveConfig(per_tree=1),
        # The base model's own word of doubt: where it has to learn another one, many a run never learns to compare.
        refine=RefineConfig(reflect=("But {seen}.",)),
        phase2=dataclasses.replace(phase1, epochs=4, row_length=256, batch_rows=1, head_chunk=256),
        # So small a model, in so small batches, is for one device, however many there are.
        mesh=MeshConfig(devices=1),
        sampling_mesh=MeshConfig(devices=1),
        resample=ResampleConfig(attempts=4),
        rollouts=RolloutConfig(max_tokens=64, rows=256, chunk=16),
        prm=PrmConfig(epochs=3, batch_rows=4, row_length=128, optimizer=OptimizerConfig(learning_rate=3e-4, warmup=0.05)),
        dpo=DpoConfig(batch_pairs=8, head_chunk=128, optimizer=OptimizerConfig(learning_rate=2e-5, warmup=0.1)),
    )


class Quickstart(RunConfig):
    """The whole pipeline on a laptop, with the embedded model: Countdown problems, trees, journeys, controls, a report."""

    command: ClassVar[str] = "quickstart"

    @classmethod
    def default(cls) -> RunConfig:
        return quickstart()
