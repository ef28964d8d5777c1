"""An experiment's measurements and findings as sentences and tables of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jorney.report.formats import MISSING, NO_BREAK, count, decimal, interval, label, mention, p_value, percent, points
from jorney.report.tables import Table
from jorney.study.run import JOURNEY, MATCHED, PASS, PHASE1, PLACEBO, SHORTCUT, UNTIL

Found = Mapping[str, Any]

ABOUT = {
    PHASE1: "the model that both start from",
    SHORTCUT: "one path of right steps from each tree",
    JOURNEY: "the same paths, with wrong turns walked and left",
    MATCHED: "shortcuts, trained on as many tokens as journeys",
    PLACEBO: "journeys whose excursions are right steps",
    UNTIL: "the shortcut model, asked again until its number is the target, with the journeys' tokens",
    PASS: "the same, asked again until an oracle says that it is right",
}


def headline(findings: Found) -> str:
    """The result in one sentence."""
    main = findings["comparisons"][0]
    ahead = "more" if main["difference"] >= 0 else "fewer"
    size = points(abs(main["difference"])).lstrip("+")
    seeds = ", ".join(points(value) for value in main["by_seed"].values())
    return (
        f"Journeys solved {size} points {ahead} of the problems than shortcuts from the same trees "
        f"(95% interval {_span(main)}; by seed {seeds})."
    )


def verdicts(found: Found, findings: Found) -> list[str]:
    """Each bar of the protocol, met or not."""
    met = findings["verdict"]
    bars = {
        "mean": f"mean over seeds at least {points(found['margin'])} points",
        "every_seed": "every seed above 0",
        "interval": "pooled 95% interval above 0",
    }
    return [f"{'Met' if met[name] else 'Not met'}: {text}." for name, text in bars.items()]


def plain_words(findings: Found) -> list[str]:
    """What journeys beat, what they equal and what beats them."""
    sides: dict[str, list[str]] = {"beat": [], "cannot be told from": [], "are beaten by": []}
    for one in findings["comparisons"]:
        side = "beat" if one["ci_low"] > 0 else "are beaten by" if one["ci_high"] < 0 else "cannot be told from"
        sides[side].append(f"{mention(one['b'])} ({points(one['difference'])})")
    return [f"Journeys {side}: {'; '.join(members)}." for side, members in sides.items() if members]


def models_table(findings: Found) -> Table:
    """Every model, pooled and by seed."""
    models = findings["models"]
    seeds = list(models[JOURNEY]["by_seed"])
    rows = [
        (
            label(name),
            percent(one["accuracy"]),
            interval(one["ci_low"], one["ci_high"]),
            *(percent(one["by_seed"][seed]) for seed in seeds),
            count(one["n"]),
        )
        for name, one in models.items()
    ]
    note = " ".join(f"{label(name)}: {text}." for name, text in ABOUT.items())
    header = ("Model", "Accuracy", "95% interval", *(f"Seed {seed}" for seed in seeds), "n")
    return Table("models", "Accuracy of every model", header, tuple(rows), note=note)


def comparisons_table(findings: Found) -> Table:
    """The journeys' lead over every other model."""
    rows = [
        (
            label(one["b"]),
            points(one["difference"]),
            _span(one),
            ", ".join(points(value) for value in one["by_seed"].values()),
            count(one["only_a"]),
            count(one["only_b"]),
            p_value(one["mcnemar_p"]).removeprefix(f"={NO_BREAK}"),
        )
        for one in findings["comparisons"]
    ]
    header = ("Journey against", "Points", "95% interval", "By seed", "Only journey", "Only it", "McNemar p")
    note = "Intervals: bootstrap over clusters, problems of the same numbers being one. McNemar's exact test takes the "
    note += "problems that only one of the two solved, of all seeds together."
    return Table("comparisons", "Journeys against each of the others, on the same problems", header, tuple(rows), note=note)


def behaviour_table(found: Found) -> Table:
    """What models do on the way, as a mean over seeds."""
    rows = []
    for name in found["seeds"][0]["models"]:
        own = [one["models"][name] for one in found["seeds"]]
        shares = ("first_attempt_accuracy", "justified_backtracks", "recovery_rate", "true_equations")
        rows.append((label(name), *(percent(_mean(one[key] for one in own)) for key in shares), _tokens(own)))
    header = ("Model", "First attempt", "Justified backtracks", "Recovered", "True equations", "Mean tokens")
    note = "First attempt: right before anything was taken back. Justified: the target could no longer be reached from where "
    note += "the model went back. Recovered: of the problems whose first attempt failed, those that were right in the end."
    return Table("behaviour", "On the way, as a mean over seeds", header, tuple(rows), note=note)


def trees_table(found: Found) -> Table:
    """The trees and thoughts of each seed."""
    rows = []
    for one in found["seeds"]:
        trees, thoughts = one["trees"], one["thoughts"]["journey"]
        rows.append(
            (
                str(one["seed"]),
                count(trees["count"]),
                percent(trees["share_wrong"]),
                percent(trees["first_step_accuracy"]),
                percent(trees["true_equations"]),
                count(thoughts["count"]),
                decimal(thoughts["mean_excursions"], 2),
            )
        )
    header = ("Seed", "Trees", "Wrong nodes", "First steps right", "True equations", "Journeys", "Excursions each")
    return Table("trees", "Trees and thoughts", header, tuple(rows))


def groups(found: Found) -> dict[str, list[Found]]:
    """The rows of doses, by what was varied."""
    made: dict[str, list[Found]] = {}
    for row in found["doses"]:
        made.setdefault(row["group"], []).append(row)
    return made


def dose_table(group: str, rows: Sequence[Found], number: int) -> Table:
    """One thing varied."""
    cells = [
        (
            row["dose"],
            label(row["kind"]),
            count(row["examples"]),
            percent(row["accuracy"]),
            interval(row["ci_low"], row["ci_high"]),
            percent(row["recovery_rate"]),
            decimal(row["mean_tokens"]),
        )
        for row in rows
    ]
    header = (label(group), "Learned", "Thoughts", "Accuracy", "95% interval", "Recovered", "Mean tokens")
    return Table(f"dose-{number}", f"{label(group)}, all else as above", header, tuple(cells))


def abroad_table(found: Found) -> Table | None:
    """Problems of other kinds."""
    rows = [
        (
            row["problems"],
            label(row["model"]),
            percent(row["accuracy"]),
            interval(row["ci_low"], row["ci_high"]),
            count(row["n"]),
            decimal(row["mean_tokens"]),
        )
        for row in found["abroad"]
    ]
    header = ("Problems", "Model", "Accuracy", "95% interval", "n", "Mean tokens")
    return Table("abroad", "Problems that none was trained on", header, tuple(rows)) if rows else None


def small_table(found: Found) -> Table | None:
    """A small model with journeys beside a large one with shortcuts, with what a problem costs each."""
    if "small" not in found:
        return None
    large, small = found["costs"]["parameters"], found["small"]["parameters"]
    own, trained, equal = found["seeds"][0], found["small"]["models"], found["small"]["equal"]
    entries = [
        *((f"{label(name)}, small", small, one["trained_tokens"], one) for name, one in trained.items()),
        (f"{label(JOURNEY)}, small, cut", small, trained[JOURNEY]["trained_tokens"], equal),
        *(
            (f"{label(name)}, large", large, own["trainings"][name]["tokens"], own["models"][name])
            for name in (SHORTCUT, JOURNEY)
        ),
    ]
    rows = [
        (
            name,
            count(parameters),
            percent(one["accuracy"]),
            interval(one["ci_low"], one["ci_high"]),
            decimal(one["mean_tokens"]),
            decimal(2e-6 * parameters * one["mean_tokens"]),
            decimal(6e-12 * parameters * tokens, 2),
        )
        for name, parameters, tokens, one in entries
    ]
    header = ("Model", "Parameters", "Accuracy", "95% interval", "Mean tokens", "MFLOP a problem", "Training TFLOP")
    note = f"Cut: its texts are cut off at {equal['limit']} tokens, so that a problem costs no more than the large model's "
    note += "shortcuts do. Training: of phase 2 alone."
    return Table("small", "A small model's journeys, a large one's shortcuts", header, tuple(rows), note=note)


def roi_table(found: Found) -> Table:
    """Points gained, and what they cost."""
    rows = [
        (
            label(name),
            points(one["gained"]),
            decimal(one["training"] / 1e12, 2),
            decimal(100 * one["gained"] / (one["training"] / 1e12), 2) if one["training"] else MISSING,
            decimal(one["inference"] / 1e6),
            decimal(100 * one["gained"] / (one["inference"] / 1e9), 1),
        )
        for name, one in found["costs"]["models"].items()
    ]
    header = ("Model", "Points gained", "Training TFLOP", "Points a TFLOP", "MFLOP a problem", "Points a GFLOP a problem")
    trees = decimal(found["costs"]["trees"] / 1e12, 2)
    note = "Over phase 1, first seed; 6 operations a parameter and trained token, 2 a generated one. Growing the trees took "
    note += f"{trees} TFLOP more, the same for all."
    return Table("roi", "What a point costs", header, tuple(rows), note=note)


def _span(one: Found) -> str:
    return f"{points(one['ci_low'])} to {points(one['ci_high'])}"


def _mean(values: Iterable[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _tokens(own: Sequence[Found]) -> str:
    return decimal(_mean(one["mean_tokens"] for one in own))
