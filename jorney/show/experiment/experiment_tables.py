"""An experiment's measurements and findings as sentences and tables of text."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import Any

from jorney.show.document import ACCURACY, Report, Table, TableSpec, named, values
from jorney.show.formats import bare_p, count, decimal, label, mention, number, percent, points, span, two_digits
from jorney.show.names import JOURNEY, MATCHED, PASS, PHASE1, PLACEBO, SHORTCUT, UNTIL

ABOUT = {
    PHASE1: "the model that both start from",
    SHORTCUT: "one path of right steps from each tree",
    JOURNEY: "the same paths, with wrong turns walked and left",
    MATCHED: "shortcuts, trained on as many tokens as journeys",
    PLACEBO: "journeys whose excursions are right steps",
    UNTIL: "the shortcut model, asked again until its number is the target, with the journeys' tokens",
    PASS: "the same, asked again until an oracle says that it is right",
}


def headline(findings: Report) -> str:
    """The result in one sentence."""
    main = findings["comparisons"][0]
    ahead = "more" if main["difference"] >= 0 else "fewer"
    size = points(abs(main["difference"])).lstrip("+")
    by_seed = ", ".join(points(own["difference"]) for own in main["by_seed"].values())
    return (
        f"Journeys solved {size} points {ahead} of the problems than shortcuts from the same trees "
        f"(95% interval {span(main['ci_low'], main['ci_high'])}; by seed {by_seed})."
    )


def verdicts(found: Report, findings: Report) -> list[str]:
    """Each bar of the protocol, met or not."""
    bars = {
        "mean": f"mean over seeds at least {points(found['margin'])} points",
        "every_seed": "every seed above 0",
        "interval": "pooled 95% interval above 0",
    }
    return [f"{'Met' if findings['verdict'][name] else 'Not met'}: {text}." for name, text in bars.items()]


def plain_words(findings: Report) -> list[str]:
    """What journeys beat, what they equal and what beats them."""
    sides: dict[str, list[str]] = {"beat": [], "cannot be told from": [], "are beaten by": []}
    for one in findings["comparisons"]:
        side = "beat" if one["ci_low"] > 0 else "are beaten by" if one["ci_high"] < 0 else "cannot be told from"
        sides[side].append(f"{mention(one['b'])} ({points(one['difference'])})")
    return [f"Journeys {side}: {'; '.join(members)}." for side, members in sides.items() if members]


def models_table(findings: Report) -> Table | None:
    """Every model, pooled and by seed."""
    columns = {
        "Model": (label, "name"),
        **ACCURACY,
        **{f"Seed {seed}": (percent, seed) for seed in findings["models"][JOURNEY]["by_seed"]},
        "n": (count, "n"),
    }
    rows = [{**one, **one["by_seed"]} for one in named(findings["models"])]
    note = " ".join(f"{label(name)}: {text}." for name, text in ABOUT.items())
    return TableSpec("models", "Accuracy of every model", columns, lambda _: rows, note)(findings)


def _sample(findings: Report) -> str:
    results, problems, clusters = (count(findings["sample"][key]) for key in ("results", "problems", "clusters"))
    return (
        f"{results} results of {problems} problems in {clusters} clusters, problems of the same numbers being one. "
        "Intervals: bootstrap over clusters; p: their signs turned round. Both are about problems, with the models that were "
        "trained here; how much another training would differ, the seeds tell. McNemar's exact test counts the results that "
        "only one of the two got right, as if they were independent."
    )


comparisons_table = TableSpec(
    "comparisons",
    "Journeys against each of the others, on the same problems",
    {
        "Journey against": (label, "b"),
        "Points": (points, "difference"),
        "95% interval": (span, "ci_low", "ci_high"),
        "p": (bare_p, "p"),
        "Only journey": (count, "only_a"),
        "Only it": (count, "only_b"),
        "McNemar p": (bare_p, "mcnemar_p"),
    },
    lambda findings: findings["comparisons"],
    _sample,
)


def _by_seed(findings: Report) -> list[Report]:
    """The main comparison, seed by seed."""
    shortcut, journey = (findings["models"][name]["by_seed"] for name in (SHORTCUT, JOURNEY))
    by_seed = named(findings["comparisons"][0]["by_seed"])
    return [{**one, "shortcut": shortcut[one["name"]], "journey": journey[one["name"]]} for one in by_seed]


def _spread(findings: Report) -> str:
    spread = findings["comparisons"][0]["sd_over_seeds"]
    return "" if spread is None else f"Standard deviation of the points over seeds: {decimal(100 * spread)}."


seeds_table = TableSpec(
    "seeds",
    "Journeys against shortcuts, seed by seed",
    {
        "Seed": (str, "name"),
        "Shortcut": (percent, "shortcut"),
        "Journey": (percent, "journey"),
        "Points": (points, "difference"),
        "Only journey": (count, "only_a"),
        "Only shortcut": (count, "only_b"),
        "McNemar p": (bare_p, "mcnemar_p"),
    },
    _by_seed,
    _spread,
)


def _settings(found: Report) -> list[Report]:
    run = found["settings"]["run"]
    phase2 = run["phase2"]
    return values(
        {
            "Model": run["model"],
            "Phase 1": f"{run['problems']['train_count']:,} solutions, {run['sft']['epochs']} epoch",
            "Trees": f"{run['problems']['trees_count']:,}, {run['expand']['w']} candidates a step, "
            f"{run['expand']['prune']['explore_wrong']} wrong ones followed",
            "Journeys": f"K = {run['derive']['trials']}, {run['derive']['excursion']} excursions, "
            f"{'with' if run['excursion_loss'] else 'no'} loss on them",
            "Phase 2": f"{phase2['epochs']} epochs, {phase2['batch_rows']} x {phase2['row_length']} tokens a step, "
            f"learning rate {phase2['optimizer']['learning_rate']:g}; the same for every kind of thoughts",
            "Answers": f"temperature {run['evaluate']['temperature']:g}, {run['evaluate']['max_tokens']} tokens at most, "
            f"{run['long_tokens']} of journeys",
            "Asked again": f"{run['resample']['attempts']} attempts at most, temperature {run['resample']['temperature']:g}",
            "Problems": f"{run['problems']['test_count']:,} of the set {found['set']!r}, by seed",
        }
    )


# All of them are in experiment.json.
settings_table = TableSpec(
    "settings", "Settings, as the protocol has them", {"Setting": (str, "name"), "Value": (str, "value")}, _settings
)


def _means(found: Report, part: str) -> list[dict[str, Any]]:
    """A row for each name in a part of the seeds: the mean over seeds of every number, of those that there are."""
    seeds = [one[part] for one in found["seeds"]]
    return [
        {"name": name, **{key: _mean(one[name][key] for one in seeds) for key in first}} for name, first in seeds[0].items()
    ]


def _mean(values: Iterable[Any]) -> float | None:
    known = [one for value in values if (one := number(value)) is not None]
    return fmean(known) if known else None


trainings_table = TableSpec(
    "trainings",
    "What was learned from, as a mean over seeds",
    {
        "Model": (label, "name"),
        "Examples": (count, "examples"),
        "Completion tokens": (count, "completion_tokens"),
        "Tokens": (count, "tokens"),
        "Updates": (count, "steps"),
    },
    lambda found: _means(found, "trainings"),
    "Tokens of all epochs; those of completions are what as many tokens means, whether they bear loss or not.",
)

controls_table = TableSpec(
    "controls",
    "Asked again",
    {
        "Control": (label, "name"),
        "Accuracy": (percent, "accuracy"),
        "Mean tokens": (decimal, "mean_tokens"),
        "Out of attempts": (percent, "exhausted"),
    },
    lambda found: _means(found, "controls"),
    lambda found: (
        f"Journeys took {decimal(_mean(one['models'][JOURNEY]['mean_tokens'] for one in found['seeds']))} tokens a problem. "
        "Out of attempts: problems that might have taken more tokens, had there been more attempts."
    ),
)

behaviour_table = TableSpec(
    "behaviour",
    "On the way, as a mean over seeds",
    {
        "Model": (label, "name"),
        "First attempt": (percent, "first_attempt_accuracy"),
        "Justified backtracks": (percent, "justified_backtracks"),
        "Recovered": (percent, "recovery_rate"),
        "True equations": (percent, "true_equations"),
        "Mean tokens": (decimal, "mean_tokens"),
    },
    lambda found: _means(found, "models"),
    "First attempt: right before anything was taken back. Justified: the target could no longer be reached from where "
    "the model went back. Recovered: of the problems whose first attempt failed, those that were right in the end.",
)

trees_table = TableSpec(
    "trees",
    "Trees and thoughts",
    {
        "Seed": (str, "seed"),
        "Trees": (count, "trees"),
        "Wrong nodes": (percent, "share_wrong"),
        "First steps right": (percent, "first_step_accuracy"),
        "True equations": (percent, "true_equations"),
        "Journeys": (count, "count"),
        "Excursions each": (two_digits, "mean_excursions"),
    },
    lambda found: [
        {**one["trees"], "trees": one["trees"]["count"], "seed": one["seed"], **one["thoughts"]["journey"]}
        for one in found["seeds"]
    ],
)


def dose_table(group: str, rows: Iterable[Report], number: int) -> Table | None:
    """One thing varied."""
    columns = {
        label(group): (str, "dose"),
        "Learned": (label, "kind"),
        "Examples": (count, "examples"),
        "Trained tokens": (count, "trained_tokens"),
        **ACCURACY,
        "Recovered": (percent, "recovery_rate"),
        "Mean tokens": (decimal, "mean_tokens"),
    }
    caption = f"{label(group)}, all else as above; first seed"
    return TableSpec(f"dose-{number}", caption, columns, lambda _: rows)({})


abroad_table = TableSpec(
    "abroad",
    "Problems of kinds that none was trained on; first seed",
    {
        "Problems": (str, "problems"),
        "Model": (label, "model"),
        **ACCURACY,
        "n": (count, "n"),
        "Mean tokens": (decimal, "mean_tokens"),
    },
    lambda found: found["abroad"],
)


def _sizes(found: Report) -> list[Report]:
    """A small model with journeys beside a large one with shortcuts, with what a problem costs each."""
    if "small" not in found:
        return []
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
    return [
        {
            **one,
            "name": name,
            "parameters": parameters,
            "megaflop": 2e-6 * parameters * one["mean_tokens"],
            "teraflop": 6e-12 * parameters * tokens,
        }
        for name, parameters, tokens, one in entries
    ]


def _cut(found: Report) -> str:
    equal = found["small"]["equal"]
    return (
        f"Cut: its texts are cut off at {equal['limit']} tokens, so that a problem costs no more than the large model's "
        f"shortcuts do: {points(equal['lead'])} points ({span(*equal['lead_interval'])}) against these. Training: of phase 2 "
        "alone."
    )


small_table = TableSpec(
    "small",
    "A small model's journeys, a large one's shortcuts; first seed",
    {
        "Model": (str, "name"),
        "Parameters": (count, "parameters"),
        **ACCURACY,
        "Mean tokens": (decimal, "mean_tokens"),
        "MFLOP a problem": (decimal, "megaflop"),
        "Training TFLOP": (two_digits, "teraflop"),
    },
    _sizes,
    _cut,
)

roi_table = TableSpec(
    "roi",
    "What a point costs",
    {
        "Model": (label, "name"),
        "Points gained": (points, "gained"),
        "Training TFLOP": (two_digits, "teraflop"),
        "Points a TFLOP": (two_digits, "a_teraflop"),
        "MFLOP a problem": (decimal, "megaflop"),
        "Points a GFLOP a problem": (decimal, "a_gigaflop"),
    },
    lambda found: [
        {
            **one,
            "teraflop": one["training"] / 1e12,
            "a_teraflop": 100 * one["gained"] / (one["training"] / 1e12) if one["training"] else None,
            "megaflop": one["inference"] / 1e6,
            "a_gigaflop": 100 * one["gained"] / (one["inference"] / 1e9),
        }
        for one in named(found["costs"]["models"])
    ],
    lambda found: (
        "Over phase 1, first seed; 6 operations a parameter and trained token, 2 a generated one; prompts that are read and "
        f"attention are not counted. Growing the trees took {decimal(found['costs']['trees'] / 1e12, 2)} TFLOP more, the same "
        "for all (the wrong steps that are followed serve journeys alone)."
    ),
)
