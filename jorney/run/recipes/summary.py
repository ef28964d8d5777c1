"""From finished stages to the report: tables of numbers, and what is shown as an example."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

from jorney import storage
from jorney.domain.problem import Problem
from jorney.run.artifact import Done
from jorney.run.command import line
from jorney.run.stages.derivation import read_thoughts
from jorney.run.stages.evaluation import read_graded
from jorney.run.stages.expansion import read_trees
from jorney.show import Sample, SampleOutput
from jorney.show.formats import mention
from jorney.show.names import BASE, DPO, JOURNEY, MATCHED, PASS, PHASE1, PLACEBO, SHORTCUT, UNTIL
from jorney.solve.behaviour import behaviour
from jorney.solve.resample import takes_oracle
from jorney.solve.statistics import mcnemar
from jorney.thought.derive import shortcuts
from jorney.thought.thought import Thought
from jorney.train.provenance import revision
from jorney.tree.tree import Tree

MODELS = (BASE, PHASE1, SHORTCUT, JOURNEY, DPO)
CONTROLS = (MATCHED, PLACEBO)
SETTINGS = "settings.yaml"  # beside the report
RESAMPLED = (UNTIL, PASS)
# The first is what the run is about; those with a model that was not trained are left out.
COMPARISONS = (
    *((JOURNEY, other) for other in (SHORTCUT, MATCHED, PLACEBO, UNTIL, PASS)),
    (DPO, JOURNEY),
    (SHORTCUT, PHASE1),
    (PHASE1, BASE),
)


def make_report(
    name: str,
    seed: int,
    problems: Mapping[str, Sequence[Problem]],
    done: Mapping[str, Done],
    left_out: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """report.json.

    Args:
      left_out: stages that did not run, and why.
    """
    test = problems["test"]
    graded = {
        model: read_graded(done[f"evaluate_{model}"].folder, test)
        for model in (*MODELS, *CONTROLS)
        if f"evaluate_{model}" in done
    }
    correct = {model: [one.correct for one in members] for model, members in graded.items()}
    made: dict[str, Any] = {
        "name": name,
        "seed": seed,
        "problems": {part: len(members) for part, members in problems.items()},
        "models": {model: done[f"evaluate_{model}"].result for model in MODELS if model in graded},
    }
    if left_out:
        made["left_out"] = dict(left_out)
    if "resampling" in done:
        made["controls"] = {control: done["resampling"].result[control] for control in RESAMPLED}
        made["controls"][UNTIL] = {**made["controls"][UNTIL], "oracle": takes_oracle(test)}
        made["controls"] |= {control: done[f"evaluate_{control}"].result for control in CONTROLS}
        correct |= storage.read_json(done["resampling"].folder / "correct.json")
    made["comparisons"] = [compare(a, b, correct) for a, b in COMPARISONS if a in correct and b in correct]
    made["behaviour"] = {model: behaviour(test, members) for model, members in graded.items()}
    for part in ("prm", "trees", "thoughts"):
        if part in done:
            made[part] = done[part].result
    # Of the thoughts that were trained on; counted there, where the tokenizer was.
    for kind, stage in (("shortcut", SHORTCUT), ("journey", JOURNEY), ("placebo", PLACEBO)):
        if stage in done:
            made["thoughts"][kind]["mean_tokens"] = done[stage].result["mean_tokens"]
    made["training"] = {stage: one.result for stage, one in done.items() if "curve" in one.result}
    made["environment"] = environment()
    made["seconds"] = {stage: round(one.seconds, 1) for stage, one in done.items()}
    made["files"] = {"settings": SETTINGS} | {stage: f"stages/{one.folder.name}" for stage, one in done.items()}
    if command := line():
        made["command"] = command
    return made


def compare(a: str, b: str, correct: Mapping[str, Sequence[bool]]) -> dict[str, Any]:
    """Two models on the same problems: the difference of accuracies and McNemar's exact test with its counts."""
    paired = mcnemar(correct[a], correct[b])
    counts = {"only_a": paired.only_a, "only_b": paired.only_b}
    return {"a": a, "b": b, "difference": paired.difference, "mcnemar_p": paired.p, **counts}


def samples(test: Sequence[Problem], done: Mapping[str, Done], each: int = 2) -> list[Sample]:
    """A few held-out problems with what each model wrote, sorted by who solved them.

    By the two models that the run is about; those that one of them alone solved come first.
    """
    graded = {model: read_graded(done[f"evaluate_{model}"].folder, test) for model in MODELS if f"evaluate_{model}" in done}
    a, b = next(pair for pair in COMPARISONS if set(pair) <= graded.keys())  # the last are evaluated in every run
    groups: dict[tuple[bool, bool], list[int]] = {(True, False): [], (False, True): [], (True, True): [], (False, False): []}
    for index, (one, other) in enumerate(zip(graded[a], graded[b], strict=True)):
        groups[one.correct, other.correct].append(index)
    first, second = mention(a), mention(b)
    who = {
        (True, False): f"by {first}, not by {second}",
        (False, True): f"by {second}, not by {first}",
        (True, True): f"by {first} and {second}",
        (False, False): f"neither by {first} nor by {second}",
    }
    chosen = [
        (index, f"Solved {who[right]}: {len(members):,} of {len(test):,} problems, such as:")
        for right, members in groups.items()
        for index in members[:each]
    ]
    return [
        Sample(
            question=problem.question,
            answer=problem.answer,
            outputs={
                name: SampleOutput(text=answers[index].text, correct=answers[index].correct, note=answers[index].note)
                for name, answers in graded.items()
            },
            group=group,
        )
        for index, group in chosen
        for problem in (test[index],)
    ]


def show_thoughts(done: Done) -> tuple[Thought, Thought]:
    """A journey worth reading, and its shortcut: of those that go back twice the first, or the one that does so most."""
    journeys, paths = (read_thoughts(done.folder / f"{kind}.jsonl") for kind in ("journey", "shortcut"))
    chosen = max(range(len(journeys)), key=lambda i: (min(journeys[i].excursions, 2), -i))
    return journeys[chosen], paths[chosen]


def show_tree(done: Done) -> Tree:
    """The first tree that was solved and has a followed wrong step; else the first."""
    trees = list(read_trees(done.folder))
    fit = (tree for tree in trees if shortcuts(tree, 1) and any(node.excursion for node in tree.nodes))
    return next(fit, trees[0])


def environment() -> dict[str, str]:
    """What the run ran on; not part of what must be reproducible."""
    import jax

    from jorney import __version__

    commit, plus, changes = (revision() or "unknown").partition("+")
    devices = jax.devices()
    return {
        "jorney": __version__,
        "jax": jax.__version__,
        "python": platform.python_version(),
        "devices": f"{len(devices)} x {devices[0].device_kind}",
        "git": commit[:9] + plus + changes,
    }
