"""What the run found beside accuracy, as tables: controls, behaviour, trees, thoughts, the reward model."""

from __future__ import annotations

from functools import partial
from typing import Any

from jorney.show.document import Report, Table, TableSpec, entries, section, values
from jorney.show.formats import MISSING, bare_p, count, decimal, label, mention, number, percent, points, two_digits
from jorney.show.names import MATCHED, PASS, PLACEBO, UNTIL
from jorney.show.tables import WRITTEN, comparisons

# What each control is, in the words under its table.
CONTROLS = {
    UNTIL: "the shortcut model is asked again until its own answer is the one to reach, at the journey model's mean tokens",
    PASS: "the same attempts with an oracle that stops at the first right one: a bound, not a method",
    MATCHED: "a model trained on shortcuts that hold as many tokens as the journeys",
    PLACEBO: ("a model trained on journeys of the same lengths and with as many goings back, whose excursions are right steps"),
}

# Whether that takes an oracle, the domain says: Countdown's questions name the target, those of mathematics do not.
_KNOWN: dict[Any, str] = {
    False: "; the question names that answer, so no oracle is asked",
    True: "; the question does not name that answer, so this is an oracle's: a bound, not a method",
}


def _control(report: Report, name: str) -> str:
    """What a control is, in words."""
    oracle = entries(report, "controls")[name].get("oracle") if name == UNTIL else None
    return f"{label(name)}: {CONTROLS[name]}{_KNOWN.get(oracle, '')}."


_HEALTH: tuple[tuple[str, str, float, float], ...] = (
    ("share_wrong", "Nodes judged wrong", 0.3, 0.7),
    ("true_equations", "Equations that hold", 0.95, 1.0),
    ("first_step_accuracy", "First steps judged right", 0.2, 0.8),
)


left_out_table = TableSpec(
    "left-out",
    "Left out",
    {"Part": (label, "name"), "Why": (str, "value")},
    lambda report: values(section(report, "left_out")),
    "There was nothing for these parts of the run to work on. What they would have given is missing above and below.",
    numeric=False,
)


def _pairs(report: Report) -> list[Report]:
    """All paired comparisons, where there are several."""
    pairs: list[Report] = [
        {**item, "pair": f"{label(item.get('a', MISSING))} against {mention(item.get('b', MISSING))}"}
        for item in comparisons(report)
    ]
    return pairs if len(pairs) > 1 else []


comparisons_table = TableSpec(
    "comparisons",
    "Pairs of models",
    {
        "Comparison": (str, "pair"),
        "Difference, points": (points, "difference"),
        "Only the first": (count, "only_a"),
        "Only the second": (count, "only_b"),
        "p": (bare_p, "mcnemar_p"),
    },
    _pairs,
    "On the same problems: how many only one of the two solved, and McNemar's exact test that both are equally good.",
)

controls_table = TableSpec(
    "controls",
    "Other explanations, tried",
    {"Control": (label, "name"), **WRITTEN},
    "controls",
    lambda report: " ".join(_control(report, name) for name in entries(report, "controls") if name in CONTROLS),
)

behaviour_table = TableSpec(
    "behaviour",
    "What the models do on the way",
    {
        "Model": (label, "name"),
        "First attempt right": (percent, "first_attempt_accuracy"),
        "Justified backtracks": (percent, "justified_backtracks"),
        "Recovery rate": (percent, "recovery_rate"),
        "True equations": (percent, "true_equations"),
    },
    "behaviour",
    "First attempt right: problems whose first attempt, up to the first going back or the end, reaches the goal. "
    "Justified backtracks: those from where the goal could no longer be reached. Recovery rate: problems answered right, "
    f"of those whose first attempt failed. A dash ({MISSING}): there was nothing to count.",
)


def _health(report: Report) -> list[Report]:
    """How healthy the trees are."""
    trees = section(report, "trees")
    rows = []
    for key, name, low, high in _HEALTH:
        share = number(trees.get(key))
        holds = MISSING if share is None else "yes" if low <= share <= high else "no"
        healthy = f"{low:.0%} to {high:.0%}" if high < 1 else f"{low:.0%} or more"
        rows.append({"what": name, "found": share, "healthy": healthy, "holds": holds})
    last = {"what": "Trees with a shortcut", "found": trees.get("with_shortcut"), "healthy": MISSING, "holds": MISSING}
    return [*rows, last] if trees else []


def _sizes(report: Report) -> str:
    """How large the trees are."""
    trees, nodes, tokens = (count(section(report, "trees").get(key)) for key in ("count", "nodes", "generated_tokens"))
    return f"{trees} trees of {nodes} nodes together; {tokens} tokens were generated for them."


trees_table = TableSpec(
    "trees",
    "Are the trees healthy?",
    {"What": (str, "what"), "Found": (percent, "found"), "Healthy": (str, "healthy"), "Holds": (str, "holds")},
    _health,
    _sizes,
)

thoughts_table = TableSpec(
    "thoughts",
    "The thoughts",
    {
        "Kind": (label, "name"),
        "Count": (count, "count"),
        "Mean tokens": (decimal, "mean_tokens"),
        "Mean lines": (decimal, "mean_lines"),
        "Excursions each": (two_digits, "mean_excursions"),
        "With an excursion": (percent, "with_excursion"),
    },
    "thoughts",
)


def keywords_table(report: Report) -> Table | None:
    """How often the words of long thoughts stand in each kind."""
    thoughts = {kind: section(found, "keywords") for kind, found in entries(report, "thoughts").items()}
    words = sorted({word for found in thoughts.values() for word in found})
    rows = tuple((word, *(count(found.get(word, 0)) for found in thoughts.values())) for word in words)
    return Table("keywords", "Keywords", ("Word", *map(label, thoughts)), rows) if rows else None


def _prm(report: Report) -> list[Report]:
    """How well the reward model finds wrong steps."""
    prm = section(report, "prm")
    names = {"f1_step": "F1 over steps", "f1_solution": "F1 over solutions", "processbench_f1": "ProcessBench F1"}
    return values({name: prm[key] for key, name in names.items() if number(prm.get(key)) is not None})


prm_table = TableSpec(
    "prm",
    "The process reward model",
    {"Measure": (str, "name"), "Value": (partial(decimal, digits=3), "value")},
    _prm,
    lambda report: (
        "Macro-F1 at the threshold 0.5 (ReasonEval's definition): always the same answer gets less than 0.5, so what is below "
        "has not learned to judge. ProcessBench's is the harmonic mean of the accuracies on "
        f"wrong and on right solutions. On {count(section(report, 'prm').get('held_out_solutions'))} solutions of problems it "
        "was not trained on."
    ),
)
