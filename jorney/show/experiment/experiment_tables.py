"""An experiment's measurements and findings as sentences and tables of text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jorney.run.recipes.experiment.measure import JOURNEY, MATCHED, PASS, PHASE1, PLACEBO, SHORTCUT, UNTIL
from jorney.show.formats import MISSING, NO_BREAK, count, decimal, interval, label, mention, p_value, percent, points
from jorney.show.tables import Table

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
    return (
        f"Journeys solved {size} points {ahead} of the problems than shortcuts from the same trees "
        f"(95% interval {_span(main)}; by seed {_by_seed(main)})."
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
            _p(one["p"]),
            count(one["only_a"]),
            count(one["only_b"]),
            _p(one["mcnemar_p"]),
        )
        for one in findings["comparisons"]
    ]
    header = ("Journey against", "Points", "95% interval", "p", "Only journey", "Only it", "McNemar p")
    sample = findings["sample"]
    note = (
        f"{count(sample['results'])} results of {count(sample['problems'])} problems in {count(sample['clusters'])} clusters, "
    )
    note += "problems of the same numbers being one. Intervals: bootstrap over clusters; p: their signs turned round. Both are "
    note += "about problems, with the models that were trained here; how much another training would differ, the seeds tell. "
    note += "McNemar's exact test counts the results that only one of the two got right, as if they were independent."
    return Table("comparisons", "Journeys against each of the others, on the same problems", header, tuple(rows), note=note)


def seeds_table(findings: Found) -> Table:
    """The main comparison, seed by seed."""
    models, main = findings["models"], findings["comparisons"][0]
    rows = [
        (
            seed,
            percent(models[SHORTCUT]["by_seed"][seed]),
            percent(models[JOURNEY]["by_seed"][seed]),
            points(one["difference"]),
            count(one["only_a"]),
            count(one["only_b"]),
            _p(one["mcnemar_p"]),
        )
        for seed, one in main["by_seed"].items()
    ]
    header = ("Seed", "Shortcut", "Journey", "Points", "Only journey", "Only shortcut", "McNemar p")
    spread = main["sd_over_seeds"]
    note = "" if spread is None else f"Standard deviation of the points over seeds: {decimal(100 * spread)}."
    return Table("seeds", "Journeys against shortcuts, seed by seed", header, tuple(rows), note=note)


def settings_table(found: Found) -> Table:
    """What the protocol says; all of it is in experiment.json."""
    run = found["settings"]["run"]
    phase2 = run["phase2"]
    entries = {
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
    return Table("settings", "Settings, as the protocol has them", ("Setting", "Value"), tuple(entries.items()))


def trainings_table(found: Found) -> Table:
    """What each model of phase 2 learned from, as a mean over seeds."""
    rows = []
    for name in found["seeds"][0]["trainings"]:
        own = [one["trainings"][name] for one in found["seeds"]]
        mean = {key: round(_mean(one[key] for one in own) or 0) for key in own[0]}
        rows.append((label(name), *(count(mean[key]) for key in ("examples", "completion_tokens", "tokens", "steps"))))
    header = ("Model", "Examples", "Completion tokens", "Tokens", "Updates")
    note = "Tokens of all epochs; those of completions are what as many tokens means, whether they bear loss or not."
    return Table("trainings", "What was learned from, as a mean over seeds", header, tuple(rows), note=note)


def controls_table(found: Found) -> Table:
    """What the controls that ask again spent."""
    rows = []
    for name in (UNTIL, PASS):
        own = [one["controls"][name] for one in found["seeds"]]
        accuracy, exhausted = (percent(_mean(one[key] for one in own)) for key in ("accuracy", "exhausted"))
        rows.append((label(name), accuracy, _tokens(own), exhausted))
    journeys = [one["models"][JOURNEY] for one in found["seeds"]]
    note = (
        f"Journeys took {_tokens(journeys)} tokens a problem. Out of attempts: problems that might have taken more tokens, had "
    )
    note += "there been more attempts."
    return Table("controls", "Asked again", ("Control", "Accuracy", "Mean tokens", "Out of attempts"), tuple(rows), note=note)


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
            count(row["trained_tokens"]),
            percent(row["accuracy"]),
            interval(row["ci_low"], row["ci_high"]),
            percent(row["recovery_rate"]),
            decimal(row["mean_tokens"]),
        )
        for row in rows
    ]
    header = (label(group), "Learned", "Examples", "Trained tokens", "Accuracy", "95% interval", "Recovered", "Mean tokens")
    return Table(f"dose-{number}", f"{label(group)}, all else as above; first seed", header, tuple(cells))


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
    return Table("abroad", "Problems of kinds that none was trained on; first seed", header, tuple(rows)) if rows else None


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
    lead, (low, high) = equal["lead"], equal["lead_interval"]
    note += f"shortcuts do: {points(lead)} points ({points(low)} to {points(high)}) against these. Training: of phase 2 alone."
    return Table("small", "A small model's journeys, a large one's shortcuts; first seed", header, tuple(rows), note=note)


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
    note = "Over phase 1, first seed; 6 operations a parameter and trained token, 2 a generated one; prompts that are read and "
    note += f"attention are not counted. Growing the trees took {trees} TFLOP more, the same for all (the wrong steps that are "
    note += "followed serve journeys alone)."
    return Table("roi", "What a point costs", header, tuple(rows), note=note)


def _by_seed(one: Found) -> str:
    return ", ".join(points(own["difference"]) for own in one["by_seed"].values())


def _p(value: float) -> str:
    return p_value(value).removeprefix(f"={NO_BREAK}")


def _span(one: Found) -> str:
    return f"{points(one['ci_low'])} to {points(one['ci_high'])}"


def _mean(values: Iterable[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _tokens(own: Sequence[Found]) -> str:
    return decimal(_mean(one["mean_tokens"] for one in own))
