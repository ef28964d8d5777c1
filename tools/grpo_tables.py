"""The tables of `tools/grpo_countdown.py`, made of its rows alone."""

from __future__ import annotations

import functools
import itertools
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

import jorney
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.problem import Problem
from jorney.solve.comparison import AVERAGE, Compared, compare, compared_by
from jorney.solve.estimators import pass_at_k
from jorney.solve.evaluate import about
from jorney.solve.resample import Attempts, resampled_until_target
from jorney.solve.sample_rows import SampleRow, cost
from jorney.solve.statistics import holm
from jorney.text.step_format import ABEL

Row = dict[str, Any]
BUDGETS = (1, 2, 4)  # times the tokens of the longest greedy arm
FIRST = (0,)  # seeds whose credits by exact values were measured where their starts were; all later ones where "again" was
LAST = 10  # rounds that are the end of a training, and its beginning
_WAYS = ("first_attempt_accuracy", "excursion_rate", "justified_backtracks", "recovery_rate")
_COURSE = {
    "reward": "reward",
    "accuracy": "right",
    "excursion_rate": "excursions",
    "justified_backtracks": "justified",
    "recovery_rate": "recovery",
    "completions/mean_length": "tokens",
    "completions/clipped_ratio": "cut",
    "entropy": "entropy",
    "frac_reward_zero_std": "equal groups",
}


def tables(rows: Sequence[Row], courses: Sequence[Row]) -> Iterator[str]:
    """All of them, in Markdown."""
    found = {split: [row for row in rows if (row["kind"], row["set"]) == ("greedy", split)] for split in ("tuning", "test")}
    yield from tuned(found["tuning"])
    if not (greedy := found["test"]):
        return
    yield from results("GRPO from each start; greedy texts", greedy, _reinforced(greedy))
    yield from others(greedy)
    again = {(row["seed"], row["arm"]): row for row in rows if row["kind"] == "again"}
    later = [again.get((row["seed"], row["arm"]), row) for row in greedy]
    exact = [first if first["seed"] in FIRST else then for first, then in zip(greedy, later, strict=True)]
    yield from results("Credits on journeys, exact values; greedy texts", exact, _credits(greedy, unsure=False))
    unsure = _credits(greedy, unsure=True)
    seeds = {row["seed"] for row in greedy if row["arm"] in dict(unsure[1:])}
    yield from results("Values that err; greedy texts", [row for row in later if row["seed"] in seeds], unsure)
    yield from remade(greedy, list(again.values()))
    attempts = [row for row in rows if (row["kind"], row["set"]) == ("attempts", "test")]
    if attempts:
        yield from asked_again(greedy, attempts)
        yield from chances(attempts)
    there = {(row["seed"], row["arm"], row["rate"]) for row in greedy}
    yield from trainings([one for one in courses if (one["seed"], one["arm"], one["rate"]) in there])


def tuned(rows: Sequence[Row]) -> Iterator[str]:
    """What the rates were chosen by."""
    yield "| tuning, seed 0 | rate | accuracy | excursions | tokens | cut |"
    yield "|---|---|---|---|---|---|"
    for row in rows:
        told, rate = row["summary"], f"{row['rate']:g}" if row["rate"] else ""
        figures = f"{told['accuracy']:.1%} | {told['excursion_rate']:.1%} | {told['mean_tokens']:.0f} | {told['cut']}"
        yield f"| {row['arm']} | {rate} | {figures} |"
    yield ""


def _reinforced(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """(arm, what it is compared with) of those that are there."""
    pairs = [pair for one in ("phase1", "shortcut", "journey", "placebo") for pair in ((one, ""), (f"{one}-outcome", one))]
    names = {row["arm"] for row in rows}
    return [pair for pair in [*pairs, ("journey-outcome-shuffled", "journey"), ("journey-sft", "journey")] if pair[0] in names]


def _credits(rows: Sequence[Row], unsure: bool) -> list[tuple[str, str]]:
    """(arm, what it is compared with) of the credits by exact values, or of those by values that err."""
    known = ("journey-outcome", "journey-outcome-shuffled", "journey-sft")
    own = dict.fromkeys(row["arm"] for row in rows if row["arm"].startswith("journey-") and row["arm"] not in known)
    errs = [name for name in own if (name.endswith("-judge") or "-noise" in name) == unsure]
    return [("journey-outcome", "journey"), *((name, "journey-outcome") for name in errs)]


@functools.cache
def drawn(split: str, seed: int, count: int) -> tuple[tuple[Problem, int, dict[str, str]], ...]:
    """Each problem of an evaluation, the tokens of its prompt, and what it is told apart by."""
    tokenizer = jorney.load().tokenizer
    problems = sample_problems(Countdown(), split, count, seed)
    return tuple((one, len(ABEL.encode(tokenizer, one.question)), about(one)) for one in problems)


def compared(name: str, rows: Sequence[Row]) -> Compared:
    """An arm's rows of several seeds, as `solve.comparison` takes them; a problem of another seed is another."""
    found: dict[str, list[SampleRow]] = {}
    for row in rows:
        for place, (problem, prompt, told) in enumerate(drawn(row["set"], row["seed"], len(row["right"]))):
            right = row["right"][place] == "1"
            known = (f"{row['seed']}/{problem.id}", row["seed"], 0, None, -1, right, "right" if right else "wrong")
            spent = (row["tokens"][place], prompt, 0, True, 1e6 * row["mflops"][place], 0.0)
            found[known[0]] = [SampleRow(*known, None, [], *spent, {}, told)]
    return compared_by(name, found, AVERAGE, None)


def shared(rows: Sequence[Row], *arms: str) -> list[list[Row]]:
    """The rows of arms of the seeds that all of them have, in the order of seeds."""
    by_seed = [{row["seed"]: row for row in rows if row["arm"] == arm} for arm in arms]
    seeds = sorted(set.intersection(*(set(one) for one in by_seed)))
    return [[one[seed] for seed in seeds] for one in by_seed]


def difference(rows: Sequence[Row], arm: str, other: str) -> dict[str, Any] | None:
    """What an arm solves more than another, of the seeds that both have."""
    own, its = shared(rows, arm, other)
    return compare([compared(other, its), compared(arm, own)])["pairs"][0] if own else None


def told_differences(found: Sequence[dict[str, Any] | None]) -> list[str]:
    """Cells of differences, whose p-values are corrected for their number."""
    corrected = iter(holm([one["p"] for one in found if one]))
    return [
        f"{100 * one['difference']:+.1f} ({100 * one['ci_low']:+.1f} to {100 * one['ci_high']:+.1f}), {_p(next(corrected))}"
        if one
        else ""
        for one in found
    ]


def _p(value: float) -> str:
    return f"p {value:.3f}" if value >= 0.001 else "p < 0.001"


def results(title: str, rows: Sequence[Row], pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    """What arms solve, how they go about it, what they cost."""
    yield f"{title}:"
    yield ""
    yield (
        "| arm | seeds | accuracy (95%) | first attempt | excursions | justified | recovery | tokens | cut | training TFLOP "
        "| MFLOP a problem | beside, points |"
    )
    yield "|" + "---|" * 12
    cells = told_differences([difference(rows, arm, other) if other else None for arm, other in pairs])
    for (arm, other), cell in zip(pairs, cells, strict=True):
        own = shared(rows, arm)[0]
        if not own:
            continue
        whole = compare([one := compared(arm, own), one])["evaluations"][arm]
        seeds = ", ".join(f"{row['summary']['accuracy']:.1%}" for row in own)
        ways = " | ".join(_mean([row["summary"][name] for row in own], ".1%") for name in _WAYS)
        spent = _mean([row["summary"]["mean_tokens"] for row in own], ".0f")
        cut = _mean([row["summary"]["cut"] / row["summary"]["n"] for row in own], ".1%")
        costs = f"{_mean([row['trained']['flops'] / 1e12 for row in own], '.0f')} | {1e6 * whole['teraflops']:.0f}"
        interval = f"{whole['accuracy']:.1%} ({whole['ci_low']:.1%} to {whole['ci_high']:.1%})"
        yield f"| {arm} | {seeds} | {interval} | {ways} | {spent} | {cut} | {costs} | {f'{other}: {cell}' if cell else ''} |"
    yield ""


def others(rows: Sequence[Row]) -> Iterator[str]:
    """What journeys + GRPO solve more than every other arm of one text that learned by reward, or by imitation."""
    arms = ("phase1-outcome", "shortcut-outcome", "placebo-outcome", "journey-outcome-shuffled", "journey-sft", "shortcut")
    found = {arm: pair for arm in arms if (pair := difference(rows, "journey-outcome", arm))}
    if found:
        yield "| beside | journeys + GRPO, points |"
        yield "|---|---|"
        for arm, cell in zip(found, told_differences(list(found.values())), strict=True):
            yield f"| {arm} | {cell} |"
        yield ""


def remade(rows: Sequence[Row], again: Sequence[Row]) -> Iterator[str]:
    """Models that were made twice by the same command, on two machines."""
    if not again:
        return
    yield "| made twice | seed | first | again | the same outcome |"
    yield "|---|---|---|---|---|"
    for row in again:
        first = next(one for one in rows if (one["seed"], one["arm"]) == (row["seed"], row["arm"]))
        same = statistics.fmean(a == b for a, b in zip(first["right"], row["right"], strict=True))
        accuracies = " | ".join(f"{one['summary']['accuracy']:.1%}" for one in (first, row))
        yield f"| {row['arm']} | {row['seed']} | {accuracies} | {same:.1%} |"
    yield ""


def _mean(values: Sequence[float | None], form: str) -> str:
    known = [one for one in values if one is not None]
    return format(statistics.fmean(known), form) if known else ""


def budget_of(rows: Sequence[Row], seed: int) -> float:
    """Tokens a problem of the longest arm of journeys that answers once."""
    arms = ("journey", "journey-outcome")
    return max(row["summary"]["mean_tokens"] for row in rows if row["seed"] == seed and row["arm"] in arms)


def spent_again(row: Row, budget: float) -> Row:
    """A row of attempts as one of an evaluation: taken until one states the target, with so many tokens on the mean."""
    config, found = jorney.load().config, drawn(row["set"], row["seed"], len(row["states"]))
    attempts = []
    for (problem, _, _), tokens, states in zip(found, row["tokens"], row["states"], strict=True):
        answers = [problem.answer if state in "23" else None for state in states]
        attempts.append(Attempts(problem.id, tokens, answers, [state in "13" for state in states]))
    spent = resampled_until_target([problem for problem, _, _ in found], attempts, budget)
    mflops = []
    for (_, prompt, _), one, total in zip(found, attempts, spent.tokens, strict=True):
        before = [0, *itertools.accumulate(one.tokens)]
        own = [min(tokens, total - done) for tokens, done in zip(one.tokens, before, strict=False) if done < total]
        mflops.append(sum(sum(cost(config, prompt, tokens, place == 0)) for place, tokens in enumerate(own)) / 1e6)
    right = "".join(str(int(one)) for one in spent.correct)
    return {**row, "right": right, "tokens": spent.tokens, "mflops": mflops, "exhausted": spent.exhausted}


def asked_again(greedy: Sequence[Row], attempts: Sequence[Row]) -> Iterator[str]:
    """Attempts until one states the target, at the tokens of the longest greedy arm; beside journeys + GRPO, answering once."""
    yield "Asked again, at equal tokens; beside are journeys + GRPO, greedily:"
    yield ""
    yield "| arm | tokens | seeds | accuracy (95%) | used | MFLOP a problem | training TFLOP | journeys + GRPO beside it |"
    yield "|" + "---|" * 8
    once = [row for row in greedy if row["arm"] == "journey-outcome"]
    seeds = {row["seed"] for row in once}
    lines, differences = [], list[dict[str, Any] | None]()
    for factor, arm in itertools.product(BUDGETS, dict.fromkeys(row["arm"] for row in attempts)):
        own = [row for row in attempts if row["arm"] == arm and row["seed"] in seeds]
        rows = [spent_again(row, factor * budget_of(greedy, row["seed"])) for row in sorted(own, key=lambda row: row["seed"])]
        if not rows:
            continue
        name = f"{arm}, asked again"
        whole = compare([one := compared(name, rows), one])["evaluations"][name]
        its = [row for row in once if row["seed"] in {row["seed"] for row in rows}]
        pair = compare([one, compared("once", sorted(its, key=lambda row: row["seed"]))])["pairs"][0]
        differences.append(pair if factor == 1 else None)
        trained = [row["trained"]["flops"] / 1e12 for row in greedy if row["arm"] == arm]
        accuracies = ", ".join(f"{row['right'].count('1') / len(row['right']):.1%}" for row in rows)
        interval = f"{whole['accuracy']:.1%} ({whole['ci_low']:.1%} to {whole['ci_high']:.1%})"
        told = f"| {arm} | {factor} x | {accuracies} | {interval} | {whole['tokens']:.0f} | {1e6 * whole['teraflops']:.0f} "
        lines.append(f"{told}| {_mean(trained, '.0f')} |")
    for told, cell in zip(lines, told_differences(differences), strict=True):
        yield f"{told} {cell} |"
    yield ""


def chances(attempts: Sequence[Row]) -> Iterator[str]:
    """What one attempt is worth, and sixteen, of which an oracle chooses."""
    yield "| attempts at temperature 0.7 | pass@1 | pass@4 | pass@16 |"
    yield "|---|---|---|---|"
    for arm in dict.fromkeys(row["arm"] for row in attempts):
        counts = [states for row in attempts if row["arm"] == arm for states in row["states"]]
        right = [(len(states), sum(state in "13" for state in states)) for states in counts]
        found = [np.mean([pass_at_k(n, own, k) for n, own in right]) for k in (1, 4, 16)]
        yield f"| {arm} | {' | '.join(f'{one:.1%}' for one in found)} |"
    yield ""


def trainings(courses: Sequence[Row]) -> Iterator[str]:
    """What the rounds of trainings told: at their beginning, at their end."""
    yield f"Trainings, sampled: means over the first {LAST} rounds, and the last {LAST}:"
    yield ""
    yield f"| arm | rate | seeds | {' | '.join(_COURSE.values())} | greedy, round by round |"
    yield "|" + "---|" * (len(_COURSE) + 4)
    for name, rate in dict.fromkeys((one["arm"], one["rate"]) for one in courses):
        own = [one for one in courses if (one["arm"], one["rate"]) == (name, rate)]
        cells = []
        for figure in _COURSE:
            form = ".0f" if "length" in figure else ".2f" if figure in ("entropy", "reward") else ".0%"
            parts = slice(None, LAST), slice(-LAST, None)
            cells.append(" to ".join(_mean([value for one in own for value in one[figure][part]], form) for part in parts))
        looked = zip(*([value for value in one["eval/accuracy"] if value is not None] for one in own), strict=False)
        greedy = ", ".join(f"{statistics.fmean(values):.0%}" for values in looked)
        yield f"| {name} | {rate:g} | {len(own)} | {' | '.join(cells)} | {greedy} |"
    yield ""
