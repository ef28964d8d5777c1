"""Stages that search for answers at test time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jorney import storage
from jorney.config import digest
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.judge.judge import Judge
from jorney.run.parts import Parts
from jorney.run.stages.trees import plan_trees, read_trees
from jorney.run.workspace import Model, Stage, Workspace, generation
from jorney.solve.beam import Beam
from jorney.solve.choice import SELECTIONS, Chosen, Solutions, choose, powers_of_two, summarise
from jorney.solve.search import SearchConfig
from jorney.solve.solver import Sampler

VERIFIER = "verifier"


def plan_search(
    space: Workspace,
    model: Model,
    problems: Sequence[Problem],
    config: SearchConfig,
    judge: Callable[[], Judge],
    judge_key: str,
) -> list[Stage]:
    """A search for every problem's answer; the last stage's result is what it found.

    A solver that grows trees keeps them as trees; any other keeps its solutions.

    Args:
      judge: makes the judge, when it is needed.
      judge_key: what it is known by; VERIFIER for the exact one, which knows what a solver could not: the result says so.
    """
    about = {"method": config.method, "judge": "verifier (an oracle)" if judge_key == VERIFIER else "reward model"}
    solver = config.solver
    if isinstance(solver, Beam):
        planted = [tree for problem in problems for tree in solver.planted(problem, config)]
        expand = solver.expand(config, space.format.name)
        trees = plan_trees(space, model, planted, digest(planted), expand, judge, judge_key)
        return [trees, _plan_choice(space, trees, problems, config, solver, about)]
    solutions = _plan_solutions(space, model, problems, config, judge, judge_key)
    return [solutions, _plan_selections(space, solutions, problems, config, about)]


def _plan_choice(
    space: Workspace, trees: Stage, problems: Sequence[Problem], config: SearchConfig, solver: Beam, about: dict[str, Any]
) -> Stage:
    """What each way of choosing makes of the leaves of every problem's trees; the figures of "weighted" stand for all.

    search.jsonl holds the choices of "weighted".
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        grown = {tree.id: tree for tree in read_trees(trees.folder)}
        chosen: dict[str, list[Chosen]] = {name: [] for name in SELECTIONS}
        texts, solvable = [], 0
        with Grader(config.grading_seconds) as grader:
            for problem in problems:
                own = [grown[tree.id] for tree in solver.planted(problem, config)]
                found, written = solver.found(problem, own, grader)
                for name in SELECTIONS:
                    chosen[name].append(choose(found, len(written), name, config.aggregate))
                index = chosen["weighted"][-1].solution
                texts.append("" if index is None else written[index])
                solvable += any(found.correct)
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

    reads = [trees.key, config.aggregate, config.grading_seconds, SELECTIONS]
    return space.plan("search", reads, work, f"{len(problems):,} problems, chosen among the leaves of their trees")


def _plan_solutions(
    space: Workspace,
    model: Model,
    problems: Sequence[Problem],
    config: SearchConfig,
    judge: Callable[[], Judge],
    judge_key: str,
) -> Stage:
    """Solutions of every problem, judged step by step and graded, in parts."""

    def work(folder: storage.Path) -> dict[str, Any]:
        parts = Parts(folder / "parts")
        waiting = [problem for problem in problems if problem.id not in parts.ids]
        if waiting:
            sampler = Sampler(space.generator(model), space.format, space.seed)
            right = total = 0
            with space.progress.bar("problems", len(problems), len(problems) - len(waiting)) as bar, parts:
                for one in config.solver.solve(waiting, sampler, judge(), config):
                    parts.add(one.to_json())
                    right, total = right + sum(one.correct), total + len(one.correct)
                    bar(1, f"{right / max(1, total):.1%} of the solutions right")
        found = _read(folder, problems)
        flags = [flag for one in found for flag in one.correct]
        return {"problems": len(found), "right": sum(flags) / max(1, len(flags))}

    reads = [model.key, digest(problems), judge_key, config.solver.decides(config)]
    rows = config.sampling(space.seed).rows
    programs = generation(rows, config.n, config.max_tokens, config.chunk)
    return space.plan("solutions", reads, work, f"{len(problems):,} problems, {config.n} solutions each", programs)


def _read(folder: storage.Path, problems: Sequence[Problem]) -> list[Solutions]:
    rows = {row["id"]: Solutions(**row) for row in Parts(folder / "parts").sorted()}
    return [rows[problem.id] for problem in problems]


def _plan_selections(
    space: Workspace, solutions: Stage, problems: Sequence[Problem], config: SearchConfig, about: dict[str, Any]
) -> Stage:
    """What each way of choosing makes of the first 1, 2, 4, ... solutions; the figures of "weighted" stand for all."""

    def work(folder: storage.Path) -> dict[str, Any]:
        found = _read(solutions.folder, problems)
        most = min(len(one.correct) for one in found)

        def of(selection: str, n: int) -> dict[str, Any]:
            return summarise([choose(one, n, selection, config.aggregate) for one in found])

        curves = {name: [{"of": n, **of(name, n)} for n in powers_of_two(most)] for name in SELECTIONS}
        best = {f"{name}_accuracy": curve[-1]["accuracy"] for name, curve in curves.items()}
        pass_at_n = sum(any(one.correct) for one in found) / len(found)
        return {**about, **curves["weighted"][-1], **best, "pass_at_n": pass_at_n, "selections": curves}

    return space.plan("search", [solutions.key, config.aggregate], work, f"{len(problems):,} problems, chosen among solutions")
