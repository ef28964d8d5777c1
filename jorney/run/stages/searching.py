"""`jorney search`: a search for answers at test time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.config import digest
from jorney.domain.grading import GRADING, Grader
from jorney.domain.problem import Problem
from jorney.engine.sampling import DRAWING
from jorney.judge.judge import Judge
from jorney.judge.threshold import THRESHOLD
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.policy import read_architecture, tokenizer_of
from jorney.progress import RunningShare
from jorney.run.artifact import Artifact, Model
from jorney.run.fitting import PLAIN, fit_completions
from jorney.run.parts import ALL, Finished, Making, Parts, Share
from jorney.run.stage import SampledCommand
from jorney.run.stages.expansion import plan_trees, read_trees
from jorney.run.stages.judges.kinds import JudgedBy, judge_kind
from jorney.run.workspace import Workspace
from jorney.solve import sample_rows
from jorney.solve.beam import Beam
from jorney.solve.choice import SELECTIONS, Chosen, Solutions, choose, powers_of_two, summarise
from jorney.solve.evaluate import about as about_problem
from jorney.solve.sample_rows import SampleRow
from jorney.solve.search import SearchConfig
from jorney.solve.solver import Sampler


@dataclasses.dataclass(frozen=True)
class SearchCommand(JudgedBy, SampledCommand):
    """A model's accuracy when it searches: the best of N solutions, or a beam of steps (Tree of Thoughts' BFS).

    The judge "verifier" is an oracle: it knows whether the target can still be reached.

    Attributes:
      threshold: of a reward model's score, above which a step counts as right; None for 0.5. Searches go by the scores.
    """

    command: ClassVar[str] = "search"
    split: ClassVar[str] = "test"
    common = (
        *("model", "problems", "limit", "judge", "output", "search.method", "search.n", "search.keep", "search.width"),
        *("search.max-tokens", "search.step-tokens", "search.temperature", "search.rows", "shard", "seed"),
    )

    output: str = "runs/search"
    limit: int | None = None
    search: SearchConfig = dataclasses.field(default_factory=SearchConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        problems = self.read_problems()
        usual = THRESHOLD if judge_kind(self.judge).scores and self.threshold is None else self.threshold
        made = dataclasses.replace(self, threshold=usual).made(space, problems)
        about = judge_kind(self.judge).told(problems)
        search = fit_completions(self.search, "search", model, problems, space.format, space.progress.say)
        first, last = plan_search(space, model, problems, search, made.judge, made.key, about, self.share)
        return [made.grown(first), last]

    def programs(self, planner: Planner) -> list[AotProgram]:
        mesh, judge = planner.sampling_mesh(self.mesh), self.planned(planner)
        if grows := self.search.solver.expand(self.search, PLAIN):
            return planner.trees(grows, judge, mesh)
        return planner.completions("solutions", self.search.sampling(self.seed), mesh, judge)


def plan_search(
    space: Workspace,
    model: Model,
    problems: Sequence[Problem],
    config: SearchConfig,
    judge: Callable[[], Judge],
    judge_key: str,
    told: str = "",
    share: Share = ALL,
) -> list[Artifact]:
    """A search for every problem's answer; the last one's result is what it found.

    A solver that grows trees keeps them as trees; any other keeps its solutions.

    Args:
      judge: makes the judge, when it is needed.
      judge_key: what it is known by.
      told: what the result says of it; "" for what is usual of its key.
    """
    about = {"method": config.method, "judge": told or judge_kind(judge_key).told(problems)}
    solver = config.solver
    if isinstance(solver, Beam):
        planted = [tree for problem in problems for tree in solver.planted(problem, config)]
        trees = plan_trees(space, model, planted, solver.expand(config, space.format.name), judge, judge_key, share)
        return [trees, _plan_choice(space, model, trees, problems, config, solver, about)]
    solutions = _plan_solutions(space, model, problems, config, judge, judge_key, share)
    return [solutions, _plan_selections(space, model, solutions, problems, config, about)]


def _plan_choice(
    space: Workspace,
    model: Model,
    trees: Artifact,
    problems: Sequence[Problem],
    config: SearchConfig,
    solver: Beam,
    about: dict[str, Any],
) -> Artifact:
    """What each way of choosing makes of the leaves of every problem's trees; the figures of "weighted" stand for all.

    search.jsonl holds the choices of "weighted".
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        grown = {tree.id: tree for tree in read_trees(trees.folder)}
        chosen: dict[str, list[Chosen]] = {name: [] for name in SELECTIONS}
        texts, solvable, solutions = [], 0, []
        with Grader(config.grading_seconds) as grader:
            for problem in problems:
                own = [grown[tree.id] for tree in solver.planted(problem, config)]
                found, written = solver.found(problem, own, grader)
                solutions.append(found)
                for name in SELECTIONS:
                    chosen[name].append(choose(found, len(written), name, config.aggregate))
                index = chosen["weighted"][-1].solution
                texts.append("" if index is None else written[index])
                solvable += any(found.correct)
        write_rows(folder, space, model, problems, solutions, config.aggregate)
        rows = zip(chosen["weighted"], texts, strict=True)
        storage.write_jsonl(folder / "search.jsonl", ({**one._asdict(), "text": text} for one, text in rows))
        figures = {name: summarise(own) for name, own in chosen.items()}
        return {
            **about,
            "keep": config.keep,
            "width": config.width,
            **figures["weighted"],
            **{f"{name}_accuracy": own["accuracy"] for name, own in figures.items()},
            "pass_at_n": solvable / len(problems),
            "answered": sum(map(bool, texts)) / len(texts),
        }

    reads = [trees.key, config.aggregate, config.grading_seconds, SELECTIONS, GRADING]
    return space.plan("search", reads, work, f"{len(problems):,} problems, chosen among the leaves of their trees")


def _plan_solutions(
    space: Workspace,
    model: Model,
    problems: Sequence[Problem],
    config: SearchConfig,
    judge: Callable[[], Judge],
    judge_key: str,
    share: Share,
) -> Artifact:
    """Solutions of every problem, judged step by step and graded, in parts."""

    def work(folder: storage.Path) -> dict[str, Any]:
        def solve(waiting: Iterator[Problem]) -> Making:
            sampler, asked = Sampler(space.generator(model), space.format, space.seed), list(waiting)
            running = RunningShare(problem.id for problem in asked)
            for one in config.solver.solve(asked, sampler, judge(), config):
                running.add(one.id, sum(one.correct), len(one.correct))
                yield Finished([one.to_json()], running.told("problems' solutions right"))

        Parts(folder / "parts").fill_share(space.progress, "problems", problems, share, solve)
        found = _read(folder, problems)
        flags = [flag for one in found for flag in one.correct]
        return {"problems": len(found), "right": sum(flags) / max(1, len(flags))}

    reads = [model.key, digest(problems), judge_key, config.solver.decides(config), GRADING, DRAWING]
    return space.plan("solutions", reads, work, f"{len(problems):,} problems, {config.n} solutions each")


def _read(folder: storage.Path, problems: Sequence[Problem]) -> list[Solutions]:
    rows = Parts(folder / "parts").by_id()
    return [Solutions(**rows[problem.id]) for problem in problems]


def write_rows(
    folder: storage.Path, space: Workspace, model: Model, problems: Sequence[Problem], found: Sequence[Solutions], how: str
) -> list[SampleRow]:
    """The rows of a search's solutions, as rows.jsonl."""
    tokenizer, config = tokenizer_of(model.folder), read_architecture(model.folder)
    prompts = {problem.id: len(space.format.encode(tokenizer, problem.question)) for problem in problems}
    told = {problem.id: about_problem(problem) for problem in problems}
    rows = list(sample_rows.of_solutions(found, told, prompts, space.seed, how, config))
    storage.write_jsonl(folder / sample_rows.FILE, map(dataclasses.asdict, rows))
    return rows


def _plan_selections(
    space: Workspace,
    model: Model,
    solutions: Artifact,
    problems: Sequence[Problem],
    config: SearchConfig,
    about: dict[str, Any],
) -> Artifact:
    """What each way of choosing makes of the first 1, 2, 4, ... solutions; the figures of "weighted" stand for all."""

    def work(folder: storage.Path) -> dict[str, Any]:
        found = _read(solutions.folder, problems)
        most = min(len(one.correct) for one in found)

        def of(selection: str, n: int) -> dict[str, Any]:
            return summarise([choose(one, n, selection, config.aggregate) for one in found])

        curves = {name: [{"of": n, **of(name, n)} for n in powers_of_two(most)] for name in SELECTIONS}
        best = {f"{name}_accuracy": curve[-1]["accuracy"] for name, curve in curves.items()}
        rows = write_rows(folder, space, model, problems, found, config.aggregate)
        pass_at_n = sum(any(one.correct) for one in found) / len(found)
        estimates = sample_rows.estimates(rows) if most > 1 else []
        return {**about, **curves["weighted"][-1], **best, "pass_at_n": pass_at_n, "selections": curves, "estimates": estimates}

    return space.plan("search", [solutions.key, config.aggregate], work, f"{len(problems):,} problems, chosen among solutions")
