"""What the run found beside accuracy, as tables: controls, behaviour, trees, thoughts, the reward model."""

from __future__ import annotations

from typing import Any

from jorney.show.formats import MISSING, NO_BREAK, count, decimal, interval, label, mention, number, p_value, percent, points
from jorney.show.tables import Report, Table, comparisons, entries, section

# What each control is, in the words under its table.
CONTROLS = {
    "resampled_until_target": (
        "the shortcut model is asked again until the number it wrote itself is the target, at the journey model's mean tokens; "
        "the question names the target, so no oracle is asked"
    ),
    "pass_at_n": "the same attempts with an oracle that stops at the first right one: a bound, not a method",
    "shortcut_token_matched": "a model trained on shortcuts that hold as many tokens as the journeys",
    "placebo_journey": (
        "a model trained on journeys of the same lengths and with as many goings back, whose excursions are right steps"
    ),
}

# (key, name, lowest and highest healthy value)
_HEALTH: tuple[tuple[str, str, float, float], ...] = (
    ("share_wrong", "Nodes judged wrong", 0.3, 0.7),
    ("true_equations", "Equations that hold", 0.95, 1.0),
    ("first_step_accuracy", "First steps judged right", 0.2, 0.8),
)


def left_out_table(report: Report) -> Table | None:
    """The stages that did not run, and why."""
    reasons = section(report, "left_out")
    if not reasons:
        return None
    rows = tuple((label(name), str(reason)) for name, reason in reasons.items())
    note = "There was nothing for these parts of the run to work on. What they would have given is missing above and below."
    return Table("left-out", "Left out", ("Part", "Why"), rows, numeric=False, note=note)


def comparisons_table(report: Report) -> Table | None:
    """All paired comparisons, where there are several."""
    items = comparisons(report)
    if len(items) < 2:
        return None
    rows = tuple(
        (
            f"{label(item.get('a', MISSING))} against {mention(item.get('b', MISSING))}",
            points(item.get("difference")),
            count(item.get("only_a")),
            count(item.get("only_b")),
            p_value(item.get("mcnemar_p")).removeprefix(f"={NO_BREAK}"),
        )
        for item in items
    )
    header = ("Comparison", "Difference, points", "Only the first", "Only the second", "p")
    note = "On the same problems: how many only one of the two solved, and McNemar's exact test that both are equally good."
    return Table("comparisons", "Pairs of models", header, rows, note=note)


def controls_table(report: Report) -> Table | None:
    """Every control's accuracy, and what it is."""
    controls = entries(report, "controls")
    if not controls:
        return None
    rows = tuple(
        (
            label(name),
            percent(control.get("accuracy")),
            interval(control.get("ci_low"), control.get("ci_high")),
            count(control.get("n")),
            decimal(control.get("mean_tokens")),
            count(control.get("token_limit")),
        )
        for name, control in controls.items()
    )
    known = [f"{label(name)}: {CONTROLS[name]}." for name in controls if name in CONTROLS]
    header = ("Control", "Accuracy", "95% interval", "n", "Mean tokens", "Limit")
    return Table("controls", "Other explanations, tried", header, rows, note=" ".join(known))


def behaviour_table(report: Report) -> Table | None:
    """What every model does on the way."""
    models = entries(report, "behaviour")
    if not models:
        return None
    keys = ("first_attempt_accuracy", "justified_backtracks", "recovery_rate", "true_equations")
    rows = tuple((label(name), *(percent(model.get(key)) for key in keys)) for name, model in models.items())
    header = ("Model", "First attempt right", "Justified backtracks", "Recovery rate", "True equations")
    note = (
        "First attempt right: problems whose first attempt, up to the first going back or the end, reaches the target. "
        "Justified backtracks: those from where the target could no longer be reached. Recovery rate: problems answered right, "
        f"of those whose first attempt failed. A dash ({MISSING}): there was nothing to count."
    )
    return Table("behaviour", "What the models do on the way", header, rows, note=note)


def trees_table(report: Report) -> Table | None:
    """How healthy the trees are, and how large."""
    trees = section(report, "trees")
    if not trees:
        return None
    rows = []
    for key, name, low, high in _HEALTH:
        share = number(trees.get(key))
        verdict = MISSING if share is None else "yes" if low <= share <= high else "no"
        healthy = f"{low:.0%} to {high:.0%}" if high < 1 else f"{low:.0%} or more"
        rows.append((name, percent(share), healthy, verdict))
    rows.append(("Trees with a shortcut", percent(trees.get("with_shortcut")), MISSING, MISSING))
    sizes = f"{count(trees.get('count'))} trees of {count(trees.get('nodes'))} nodes together"
    note = f"{sizes}; {count(trees.get('generated_tokens'))} tokens were generated for them."
    return Table("trees", "Are the trees healthy?", ("What", "Found", "Healthy", "Holds"), tuple(rows), note=note)


def thoughts_table(report: Report) -> Table | None:
    """How many thoughts of each kind, and how long they are."""
    thoughts = entries(report, "thoughts")
    if not thoughts:
        return None
    rows = tuple(
        (
            label(kind),
            count(found.get("count")),
            decimal(found.get("mean_tokens")),
            decimal(found.get("mean_lines")),
            decimal(found.get("mean_excursions"), 2),
            percent(found.get("with_excursion")),
        )
        for kind, found in thoughts.items()
    )
    header = ("Kind", "Count", "Mean tokens", "Mean lines", "Excursions each", "With an excursion")
    return Table("thoughts", "The thoughts", header, rows)


def keywords_table(report: Report) -> Table | None:
    """How often the words of long thoughts stand in each kind."""
    thoughts = {kind: section(found, "keywords") for kind, found in entries(report, "thoughts").items()}
    words = sorted({word for found in thoughts.values() for word in found})
    if not words:
        return None
    rows = tuple((word, *(count(found.get(word, 0)) for found in thoughts.values())) for word in words)
    return Table("keywords", "Keywords", ("Word", *map(label, thoughts)), rows)


def prm_table(report: Report) -> Table | None:
    """How well the reward model finds wrong steps."""
    prm: dict[str, Any] = dict(section(report, "prm"))
    names = {"f1_step": "F1 over steps", "f1_solution": "F1 over solutions", "processbench_f1": "ProcessBench F1"}
    rows = tuple((name, decimal(prm.get(key), 3)) for key, name in names.items() if number(prm.get(key)) is not None)
    if not rows:
        return None
    note = (
        "Macro-F1 at the threshold 0.5 (ReasonEval's definition); ProcessBench's is the harmonic mean of the accuracies on "
        f"wrong and on right solutions. On {count(prm.get('held_out_solutions'))} solutions of problems it was not trained on."
    )
    return Table("prm", "The process reward model", ("Measure", "Value"), rows, note=note)
