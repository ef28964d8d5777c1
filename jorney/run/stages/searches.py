"""Stages that search for answers at test time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from jorney import storage
from jorney.config import digest
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.run.parts import Parts
from jorney.run.stages.trees import plan_trees, read_trees
from jorney.run.workspace import Bench, Model, Stage, generation
from jorney.solve.search import SELECTIONS, Chosen, SearchConfig, Solutions, choose, leaves, powers_of_two, solve, summarise
from jorney.tree.expand import Judge

VERIFIER = "verifier"


def plan_search(
    bench: Bench,
    model: Model,
    problems: Sequence[Problem],
    config: SearchConfig,
    judge: Callable[[], Judge],
    judge_key: str,
) -> list[Stage]:
    """A search for every problem's answer; the last stage's result is what it found.

    Args:
      judge: makes the judge, when it is needed.
      judge_key: what it is known by; VERIFIER for the exact one, which knows what a solver could not: the result says so.
    """
    about = {"method": config.method, "judge": "verifier (an oracle)" if judge_key == VERIFIER else "reward model"}
    if config.method != "best-of-n":
        planted = [tree for problem in problems for tree in config.planted(problem)]
        trees = plan_trees(bench, model, planted, digest(planted), config.expand(bench.format.name), judge, judge_key)
        return [trees, _plan_choice(bench, trees, problems, config, about)]
    solutions = _plan_solutions(bench, model, problems, config, judge, judge_key)
    return [solutions, _plan_selections(bench, solutions, problems, config, about)]


def _plan_choice(bench: Bench, trees: Stage, problems: Sequence[Problem], config: SearchConfig, about: dict[str, Any]) -> Stage:
    """What each way of choosing makes of the leaves of every problem's trees; the figures of "weighted" stand for all.

    search.jsonl holds the choices of "weighted".
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        grown = {tree.id: tree for tree in read_trees(trees.folder)}
        chosen: dict[str, list[Chosen]] = {name: [] for name in SELECTIONS}
        texts, solvable = [], 0
        with Grader(config.grading_seconds) as grader:
            for problem in problems:
                own = [grown[tree.id] for tree in config.planted(problem)]
                found, written = leaves(problem, own, grader)
                tokens = sum(tree.generated_tokens for tree in own)
                for name in SELECTIONS:
                    one = choose(found, len(written), name, config.aggregate)
                    chosen[name].append(one._replace(tokens=tokens))
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
    return bench.plan("search", reads, work, f"{len(problems):,} problems, chosen among the leaves of their trees")


def _plan_solutions(
    bench: Bench,
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
            made = solve(bench.generator(model), waiting, judge(), bench.format, config, bench.seed)
            right = total = 0
            with bench.progress.bar("problems", len(problems), len(problems) - len(waiting)) as bar, parts:
                for one in made:
                    parts.add(dataclasses.asdict(one))
                    right, total = right + sum(one.correct), total + config.n
                    bar(1, f"{right / total:.1%} of the solutions right")
        found = _read(folder, problems)
        return {"problems": len(found), "right": sum(sum(one.correct) for one in found) / (config.n * len(found))}

    held = ("method", "keep", "width", "depth", "step_tokens", "aggregate", "rows", "chunk")
    decides = {name: value for name, value in dataclasses.asdict(config).items() if name not in held}
    reads = [model.key, digest(problems), judge_key, decides]
    rows = config.sampling(bench.seed).rows
    programs = generation(rows, config.n, config.max_tokens, config.chunk)
    return bench.plan("solutions", reads, work, f"{len(problems):,} problems, {config.n} solutions each", programs)


def _read(folder: storage.Path, problems: Sequence[Problem]) -> list[Solutions]:
    rows = {row["id"]: Solutions(**row) for row in Parts(folder / "parts").sorted()}
    return [rows[problem.id] for problem in problems]


def _plan_selections(
    bench: Bench, solutions: Stage, problems: Sequence[Problem], config: SearchConfig, about: dict[str, Any]
) -> Stage:
    """What each way of choosing makes of the first 1, 2, 4, ... solutions; the figures of "weighted" stand for all."""

    def work(folder: storage.Path) -> dict[str, Any]:
        found = _read(solutions.folder, problems)

        def of(selection: str, n: int) -> dict[str, Any]:
            return summarise([choose(one, n, selection, config.aggregate) for one in found])

        curves = {name: [{"of": n, **of(name, n)} for n in powers_of_two(config.n)] for name in SELECTIONS}
        best = {f"{name}_accuracy": curve[-1]["accuracy"] for name, curve in curves.items()}
        pass_at_n = sum(any(one.correct) for one in found) / len(found)
        return {**about, **curves["weighted"][-1], **best, "pass_at_n": pass_at_n, "selections": curves}

    return bench.plan("search", [solutions.key, config.aggregate], work, f"{len(problems):,} problems, chosen among solutions")
