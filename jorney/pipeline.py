"""A run: configuration in, report out, in stages that are never done twice."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
from typing import Any

from jorney import report, storage
from jorney.compiled import Compilations
from jorney.config import digest
from jorney.convert import config_json
from jorney.data.countdown import Countdown, sample_problems
from jorney.data.encode import encode_solutions
from jorney.data.loader import Batches
from jorney.data.packing import Example
from jorney.data.problems import Problem, read_problems, write_problems
from jorney.data.steps import FORMATS
from jorney.evaluate.benchmarks import EvaluateConfig, Graded, evaluate, read_parts, summarise
from jorney.evaluate.statistics import mcnemar
from jorney.policy import EMBEDDED, Policy, load, resolve, save
from jorney.progress import Progress
from jorney.report import Sample, SampleOutput
from jorney.sample.generate import Generator, encode_prompts
from jorney.sharding import MeshConfig, make_mesh
from jorney.stage import Done, Stages, source_digest
from jorney.train import sft
from jorney.train.sft import SftConfig

COUNTDOWN = "countdown"
DTYPES = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class ProblemsConfig:
    """Which problems a run trains on and is tested on.

    Attributes:
      train, test: "countdown", or a file or hub id that `data.problems.read_problems` takes; train needs solutions.
      train_count, test_count: how many problems; None takes all of a file.
      countdown: which Countdown problems are drawn.
    """

    train: str = COUNTDOWN
    test: str = COUNTDOWN
    train_count: int | None = 10_000
    test_count: int | None = 1_000
    countdown: Countdown = dataclasses.field(default_factory=Countdown)

    def __post_init__(self) -> None:
        for name in ("train", "test"):
            count = getattr(self, f"{name}_count")
            if count is not None and count < 1:
                raise ValueError(f"problems.{name}_count = {count}: expected 1 or more, or None for all")
            if count is None and getattr(self, name) == COUNTDOWN:
                raise ValueError(f"problems.{name}_count = None: expected a number, since Countdown problems are drawn")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """Everything a run depends on.

    Attributes:
      name: of the run, in the report.
      output: its folder, local or gs://.
      model: what `jorney.load` takes.
      step_format: how prompts and steps are written; a key of `data.steps.FORMATS`.
      dtype: of the computation, "float32" or "bfloat16"; master weights are float32.
      seed: of everything random.
    """

    name: str = "quickstart"
    output: str = "runs/quickstart"
    model: str = EMBEDDED
    step_format: str = "abel"
    dtype: str = "float32"
    seed: int = 0
    problems: ProblemsConfig = dataclasses.field(default_factory=ProblemsConfig)
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
    sft: SftConfig = dataclasses.field(default_factory=SftConfig)
    mesh: MeshConfig = dataclasses.field(default_factory=MeshConfig)

    def __post_init__(self) -> None:
        if self.step_format not in FORMATS:
            raise ValueError(f"step_format = {self.step_format!r}: expected one of {', '.join(FORMATS)}")
        if self.dtype not in DTYPES:
            raise ValueError(f"dtype = {self.dtype!r}: expected one of {', '.join(DTYPES)}")


class Run:
    """The stages of one configuration."""

    def __init__(self, config: RunConfig, progress: Progress) -> None:
        self.config = config
        self._progress = progress
        self._compilations = Compilations(announce=progress.announce)
        self._format = FORMATS[config.step_format]
        self._mesh = make_mesh(config.mesh)
        # Read before any folder is made: a wrong path or a bad line leaves nothing behind.
        self._model = resolve(config.model)
        config_json.read(self._model)
        self._stages = Stages(config.output, progress)

    def run(self) -> dict[str, Any]:
        """All stages; returns the report.

        Raises:
          FileNotFoundError, ValueError: something that the configuration names is wrong. All of it is read before the first
            folder is made, so that nothing is left behind.
        """
        config = self.config
        train, test = self._read_problems()
        policy = self._load(self._model)
        examples = encode_solutions(policy.tokenizer, self._format, train, config.problems.train)
        batches = sft.prepare(policy, examples, config.sft, config.seed)
        prompts = [self._format.ask(problem.question) for problem in test]
        encode_prompts(policy, prompts, [problem.id for problem in test], config.evaluate.max_tokens)

        drawn = self._write_problems(train, test)
        common = [drawn.key, self._format, config.dtype, config.seed]
        model_key = source_digest(self._model)
        base_reads = [model_key, config.evaluate.decides(), *common]
        sft_reads = [model_key, config.sft.decides(), *common]
        after_reads = [self._stages.key("sft_phase1", sft_reads), config.evaluate.decides(), *common]
        planned = [("evaluate_base", base_reads), ("sft_phase1", sft_reads), ("evaluate_sft_phase1", after_reads)]
        open_stages = {name for name, reads in planned if not self._stages.complete(name, reads)}
        # Both evaluations run the same two programs.
        self._compilations.expected = ("sft_phase1" in open_stages) + 2 * bool(open_stages - {"sft_phase1"})

        done = {"problems": drawn, "evaluate_base": self._evaluate("base", base_reads, policy, test)}
        policy, done["sft_phase1"] = self._sft(sft_reads, policy, examples, batches)
        done["evaluate_sft_phase1"] = self._evaluate("sft_phase1", after_reads, policy, test)
        graded = {name: self._graded(done[f"evaluate_{name}"], test) for name in ("base", "sft_phase1")}
        made = {
            "name": config.name,
            "seed": config.seed,
            "problems": {"train": len(train), "test": len(test)},
            "models": {name: done[f"evaluate_{name}"].result for name in graded},
            "comparisons": [compare("sft_phase1", "base", graded)],
            "training": {"sft_phase1": done["sft_phase1"].result},
            "environment": environment(),
            "seconds": {name: round(stage.seconds, 1) for name, stage in done.items()},
        }
        report.write(config.output, made, samples(test, graded))
        return made

    def _read_problems(self) -> tuple[list[Problem], list[Problem]]:
        """The problems to train on and those to test on."""
        wanted = self.config.problems

        def read(split: str, source: str, count: int | None) -> list[Problem]:
            if source != COUNTDOWN:
                return read_problems(source, count)
            assert count is not None
            return sample_problems(wanted.countdown, split, count, self.config.seed)

        train = read("train", wanted.train, wanted.train_count)
        test = read("test", wanted.test, wanted.test_count)
        shared = {problem.question for problem in train} & {problem.question for problem in test}
        if shared:
            raise ValueError(f"problems.train and problems.test share {len(shared)} questions, such as {min(shared)!r}")
        return train, test

    def _write_problems(self, train: list[Problem], test: list[Problem]) -> Done:
        def work(folder: storage.Path) -> dict[str, int]:
            write_problems(folder / "train.jsonl", train)
            write_problems(folder / "test.jsonl", test)
            return {"train": len(train), "test": len(test)}

        reads = {name: digest(members) for name, members in (("train", train), ("test", test))}
        return self._stages.run("problems", reads, work, f"{len(train):,} to train on, {len(test):,} held out")

    def _load(self, folder: str) -> Policy:
        return load(folder, mesh=self._mesh, dtype=self.config.dtype, param_dtype="float32")

    def _evaluate(self, name: str, reads: Any, policy: Policy, test: list[Problem]) -> Done:
        config = self.config

        def work(folder: storage.Path) -> dict[str, Any]:
            generator = Generator(policy, self._compilations)
            with self._progress.bar("problems", len(test)) as bar:
                graded = evaluate(generator, test, self._format, config.evaluate, config.seed, folder, bar)
            return summarise(graded, config.evaluate)

        done = self._stages.run(f"evaluate_{name}", reads, work, f"{len(test):,} held-out problems")
        found = done.result
        self._progress.say(f"  accuracy {found['accuracy']:.1%} ({found['ci_low']:.1%} to {found['ci_high']:.1%})")
        return done

    def _graded(self, done: Done, test: list[Problem]) -> list[Graded]:
        found = {graded.id: graded for graded in read_parts(done.folder / "parts")}
        return [found[problem.id] for problem in test]

    def _sft(self, reads: Any, policy: Policy, examples: list[Example], batches: Batches) -> tuple[Policy, Done]:
        config = self.config

        def work(folder: storage.Path) -> dict[str, Any]:
            with self._progress.bar("steps", batches.steps) as bar:
                shown = 0

                def on_step(step: int, record: sft.Record | None) -> None:
                    nonlocal shown
                    bar(step - shown, f"loss {record['loss']:.3f}" if record else "")
                    shown = step

                trained, records = sft.run(policy, batches, config.sft, folder / "checkpoints", self._compilations, on_step)
            save(trained, folder / "model", config.dtype)
            return {
                "steps": batches.steps,
                "examples": len(examples),
                "tokens": config.sft.epochs * sum(len(example.tokens) for example in examples),
                "completion_tokens": config.sft.epochs * sum(len(example.tokens) - example.prompt for example in examples),
                "padding": batches.padding,
                "curve": [[record["step"], record["loss"], record["accuracy"]] for record in records],
            }

        done = self._stages.run("sft_phase1", reads, work, f"{len(examples):,} solutions, {batches.steps:,} steps")
        return self._load(os.fspath(done.folder / "model")), done


def compare(a: str, b: str, graded: dict[str, list[Graded]]) -> dict[str, Any]:
    """Two models on the same problems: the difference of accuracies and McNemar's exact test with its counts."""
    paired = mcnemar([one.correct for one in graded[a]], [one.correct for one in graded[b]])
    counts = {"only_a": paired.only_a, "only_b": paired.only_b}
    return {"a": a, "b": b, "difference": paired.difference, "mcnemar_p": paired.p, **counts}


def samples(test: list[Problem], graded: dict[str, list[Graded]], count: int = 6) -> list[Sample]:
    """The first few held-out problems, with what each model wrote."""
    return [
        Sample(
            question=problem.question,
            answer=problem.answer,
            outputs={
                name: SampleOutput(text=answers[index].text, correct=answers[index].correct, note=answers[index].note)
                for name, answers in graded.items()
            },
        )
        for index, problem in enumerate(test[:count])
    ]


def environment() -> dict[str, str]:
    """What the run ran on; not part of what must be reproducible."""
    import jax

    from jorney import __version__

    here = os.path.dirname(__file__)
    git = subprocess.run(["git", "-C", here, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    devices = jax.devices()
    return {
        "jorney": __version__,
        "jax": jax.__version__,
        "python": platform.python_version(),
        "devices": f"{len(devices)} x {devices[0].device_kind}",
        "git": git.stdout.strip() if git.returncode == 0 else "unknown",
    }


def quickstart() -> RunConfig:
    """The whole pipeline on a laptop: the embedded model, Countdown, minutes on two cores."""
    from jorney.train.optimizer import OptimizerConfig

    return RunConfig(
        evaluate=EvaluateConfig(max_tokens=64, rows=128, chunk=16),
        # Small batches: the step from a rule learned to a plan made takes many updates. A rate much above this one unlearns the
        # base model's arithmetic, and the model writes the target as the result of whatever stands there.
        sft=SftConfig(batch_rows=4, row_length=128, head_chunk=128, optimizer=OptimizerConfig(learning_rate=5e-4, warmup=0.05)),
    )
