"""`jorney evaluate`: a model's accuracy on problems, or by a benchmark's protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.config import digest, expect_one_of
from jorney.domain import domains
from jorney.domain.code.sandbox import ISOLATION, OFF
from jorney.domain.domains import domain_of
from jorney.domain.grading import GRADING
from jorney.domain.problem import Problem
from jorney.engine.sampling import DRAWING
from jorney.engine.scoring import Scorer
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.policy import read_architecture, tokenizer_of
from jorney.progress import Progress, RunningShare
from jorney.run.artifact import Artifact, Done, Model
from jorney.run.fitting import PLAIN, fit_asked
from jorney.run.parts import ALL, Finished, Making, Parts, Share
from jorney.run.stage import SampledCommand
from jorney.run.workspace import Workspace
from jorney.solve import sample_rows
from jorney.solve.benchmarks import shots
from jorney.solve.benchmarks.benchmark import BENCHMARKS, Task, named, tasks
from jorney.solve.benchmarks.task_protocol import LIKELIHOOD, YES, ProtocolConfig, TaskProtocol
from jorney.solve.evaluate import EvaluateConfig, Graded, evaluate, summarise
from jorney.solve.likelihood import evaluate_options
from jorney.text.step_format import AUTO


@dataclasses.dataclass(frozen=True)
class EvaluateCommand(SampledCommand):
    """A model's accuracy on problems: it writes one or several texts for each, and they are graded.

    Attributes:
      benchmark: gsm8k, math, aime24, bbh, humaneval, mgsm, arc-challenge or another of jorney/solve/README.md: its protocol
        asks and reads. bbh/object_counting,snarks asks two of its subsets; the limit is of each. Its published files lie where
        `problems` says; without that, they come from the hub.
      allow_code: programs that a model writes may be run (HumanEval, MBPP).
      sandbox: how programs are run: "auto" keeps them off files and the network, and refuses where it cannot; "none" limits
        their time and memory alone.
    """

    command: ClassVar[str] = "evaluate"
    split: ClassVar[str] = "test"
    runs_code: ClassVar[bool] = True  # where it is allowed
    common = (
        *("model", "benchmark", "problems", "limit", "output", "evaluate.samples", "evaluate.max-tokens"),
        *("evaluate.temperature", "evaluate.rows", "protocol.shots", "allow-code", "shard", "seed"),
    )

    output: str = "runs/evaluate"
    limit: int | None = None
    benchmark: str = ""
    allow_code: bool = False
    sandbox: str = ISOLATION[0]
    evaluate: EvaluateConfig = dataclasses.field(default_factory=EvaluateConfig)
    protocol: ProtocolConfig = dataclasses.field(default_factory=ProtocolConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_one_of(ISOLATION, self, "", "sandbox")

    def run(self, progress: Progress) -> Done:
        if self.benchmark:
            named(self.benchmark)  # before a model is asked for
        if self.allow_code and self.sandbox == "none":
            progress.say("programs run without a sandbox: they can read and change whatever this user can")
        return super().run(progress)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        asked = self.tasks(space, model)
        problems = [problem for task in asked for problem in task.problems]
        if not self.allow_code and any(domain_of(problem).runs_code for problem in problems):
            raise ValueError(
                f"{self.benchmark or self.problems}: programs that the model writes would be run here: expected --allow-code "
                "(they run in a sandbox, see --sandbox)"
            )
        config = self.evaluate.by(asked[0].protocol) if self.benchmark else self.evaluate
        if any(task.protocol.by == LIKELIHOOD for task in asked):
            self._expect_nothing_sampled()
        else:
            config.sampling(self.seed)  # so that what cannot be is refused before a model is loaded
        if self.benchmark or self.protocol != ProtocolConfig():
            space.progress.say(f"protocol: {asked[0].protocol.told(config.max_tokens)}")
        limits = fit_asked(config, "evaluate", model, asked, space.progress.say)
        isolation = self.sandbox if self.allow_code else OFF
        return [plan_evaluation(space, self.command, model, asked, limits, self.share, self.benchmark, isolation)]

    def _expect_nothing_sampled(self) -> None:
        """Raises ValueError for settings of texts, where options are scored and nothing is written."""
        stated = {
            "evaluate.samples": self.evaluate.samples > 1,
            "evaluate.temperature": self.evaluate.temperature > 0,
            "protocol.readings": bool(self.protocol.readings),
            "protocol.stops": bool(self.protocol.stops),
        }
        if texts_only := [name for name, given in stated.items() if given]:
            writes = f"{self.benchmark}-cot"
            other = f", or --benchmark {writes}, which writes" if writes in BENCHMARKS else ""
            raise ValueError(f"--{texts_only[0]}: {self.benchmark} scores options and writes no texts: expected none{other}")

    def format_for(self, model: Model, progress: Progress) -> str:
        """A benchmark has its own."""
        return PLAIN if self.benchmark and self.step_format == AUTO else super().format_for(model, progress)

    def tasks(self, space: Workspace, model: Model) -> list[Task]:
        """What is asked, and how."""
        if self.benchmark:
            source = "" if self.problems == domains.DEFAULT else self.problems
            chats = tokenizer_of(model.folder).chats
            return tasks(self.benchmark, source, self.limit, self.protocol, self.rules, chats)
        problems = self.read_problems()
        protocol = self.protocol.over(TaskProtocol.of(space.format))
        if protocol.chat == YES and not space.format.chat and not self.protocol.prompt:
            protocol = dataclasses.replace(protocol, prompt="{question}")
        return [Task("", tuple(problems), shots.read(protocol, self.problems, "", self.protocol))]

    def programs(self, planner: Planner) -> list[AotProgram]:
        config = self.evaluate
        if self.benchmark:
            benchmark, subsets = named(self.benchmark)
            protocol = benchmark.task(subsets[0])
            if protocol.by == LIKELIHOOD:
                raise ValueError(f"--benchmark {self.benchmark}: goes by likelihoods: expected one that samples, to plan")
            config = config.by(protocol)
        return planner.completions("evaluate", config.sampling(0), planner.sampling_mesh(self.mesh))


def plan_evaluation(
    space: Workspace,
    name: str,
    model: Model,
    asked: Sequence[Problem] | Sequence[Task],
    config: EvaluateConfig,
    share: Share = ALL,
    benchmark: str = "",
    isolation: str = OFF,
) -> Artifact:
    """Grades the texts of every problem.

    Args:
      asked: problems, which are asked in the step format; or tasks, each with its protocol.
      isolation: of programs that are run.
    """
    own = [one if isinstance(one, Task) else None for one in asked]
    plain = TaskProtocol.of(space.format)
    told = [one for one in own if one] or [Task("", tuple(one for one in asked if isinstance(one, Problem)), plain)]
    problems = [problem for task in told for problem in task.problems]

    def work(folder: storage.Path) -> dict[str, Any]:
        def grade(waiting: Iterator[Problem]) -> Making:
            left = {problem.id for problem in waiting}
            running = RunningShare(problem.id for problem in problems if problem.id in left)
            for texts in _made(space, model, told, left, config, isolation):
                running.add(texts[0].id, sum(one.correct for one in texts), len(texts))
                yield Finished([dataclasses.asdict(one) for one in texts], running.told(), [texts[0].id])

        Parts(folder / "parts").fill_share(space.progress, "problems", problems, share, grade)
        return conclude(folder, problems, space, model, config, benchmark)

    # The problems whole: a file may keep its ids and change its questions.
    how: list[Any] = [] if all(task.protocol == plain for task in told) else [[task.protocol for task in told]]
    if isolation != OFF and any(domain_of(problem).runs_code for problem in problems):
        how.append(isolation)
    reads = [model.key, digest(problems), config.decides(), *how, GRADING, DRAWING]
    return space.plan(name, reads, work, f"{len(problems):,} held-out problems")


def _made(
    space: Workspace, model: Model, asked: Sequence[Task], left: set[str], config: EvaluateConfig, isolation: str
) -> Iterator[list[Graded]]:
    """The texts of each problem that is left, task by task: the shots of one are read once."""
    scorer: Scorer | None = None
    for task in asked:
        mine = [problem for problem in task.problems if problem.id in left]
        if not mine:
            continue
        questions = [problem.question for problem in mine]
        if task.protocol.by == LIKELIHOOD:
            tokenizer = tokenizer_of(model.folder)
            tokenizer.warn_of_lost(questions)
            scorer = scorer or Scorer(space.load_alone(model), space.compilations)
            yield from evaluate_options(scorer, tokenizer, mine, task.protocol)
        else:
            generator = space.generator(model)
            generator.policy.tokenizer.warn_of_lost(questions)
            yield from evaluate(generator, mine, task.protocol, config, space.seed, isolation)


def conclude(
    folder: storage.Path, problems: Sequence[Problem], space: Workspace, model: Model, config: EvaluateConfig, benchmark: str
) -> dict[str, Any]:
    """What an evaluation found; its rows lie in rows.jsonl."""
    graded = read_texts(folder, problems)
    rows = list(sample_rows.of_graded(graded, space.seed, read_architecture(model.folder)))
    storage.write_jsonl(folder / sample_rows.FILE, map(dataclasses.asdict, rows))
    found = summarise(graded, config)
    if benchmark or config.samples > 1:
        found |= sample_rows.accuracy(rows)
    if config.samples > 1:
        found["estimates"] = sample_rows.estimates(rows)
    if benchmark:
        found |= _of_benchmark(benchmark, rows, found["accuracy"])
    return found


def _of_benchmark(name: str, rows: Sequence[sample_rows.SampleRow], over_problems: float) -> dict[str, Any]:
    """What is said of a benchmark: its subsets, and what was published."""
    benchmark, subsets = named(name)
    found: dict[str, Any] = {"benchmark": name, "published": benchmark.figures()}
    if len(subsets) > 1 and all("subset" in row.about for row in rows):  # one file may hold all
        shares = sample_rows.by_group(rows, "subset")
        found["subsets"] = {subset: sum(own) / len(own) for subset, own in shares.items()}
        if benchmark.apart:  # what is published is the mean over subsets, whatever their sizes
            found["accuracy_over_problems"] = over_problems
            found |= sample_rows.mean_over_groups(rows, "subset")
    return found


def read_texts(folder: storage.Path, problems: Sequence[Problem]) -> list[Graded]:
    """All texts that `plan_evaluation` graded: in the problems' order, and of a problem in that of its samples."""
    found: dict[str, list[Graded]] = {}
    for row in Parts(folder / "parts").rows():
        found.setdefault(row["id"], []).append(Graded(**row))
    return [one for problem in problems for one in sorted(found[problem.id], key=lambda one: one.sample)]


def read_graded(folder: storage.Path, problems: Sequence[Problem]) -> list[Graded]:
    """The first text of every problem that `plan_evaluation` graded, in the problems' order."""
    return [one for one in read_texts(folder, problems) if one.sample == 0]


def accuracy_line(done: Done) -> str:
    """An evaluation's result, for people."""
    found = done.result
    return f"  accuracy {found['accuracy']:.1%} ({found['ci_low']:.1%} to {found['ci_high']:.1%})"
