"""A judge against the truth, with numbers by hand."""

from __future__ import annotations

import dataclasses
import json

import pytest
from trees_by_hand import followed_tree

from jorney.domain.domain import Rating
from jorney.rows.registry import IMPORTERS
from jorney.rows.tree_rows import Answers
from jorney.text.step_format import FORMATS
from jorney.tree.rerate import rerate
from jorney.view.judging.judge_views import calibration_figure, confusion_html, score_histogram, worst_html
from jorney.view.judging.judges import (
    BEFORE,
    GRADE,
    VERIFIER,
    JudgedStep,
    against_before,
    against_other,
    against_truth,
    measured,
    sampled,
    worst,
)


def step(node: int, rating: int | None, truth: bool, score: float | None = None) -> JudgedStep:
    probability = score if score is not None and score <= 1 else None
    return JudgedStep(0, "t", node, f"step {node}", rating, score, truth, "", VERIFIER, probability)


# Of ten steps four are wrong: two of them called so, one right, one neutral. Of six right ones one is called wrong, and one is
# not rated.
STEPS = [
    *[step(1, -1, False, 0.05), step(2, -1, False, 0.15), step(3, 1, False, 0.95), step(4, 0, False)],
    *[step(5, 1, True, 0.95), step(6, 1, True, 0.85), step(7, 0, True), step(8, 1, True), step(9, -1, True, 0.25)],
    step(10, None, True, 1.5),
]


def test_measures_by_hand() -> None:
    found = measured(STEPS)
    assert {key: count for key, count in found.counts.items() if count} == {
        (1, True): 3,
        (0, True): 1,
        (-1, True): 1,
        (None, True): 1,
        (1, False): 1,
        (0, False): 1,
        (-1, False): 2,
    }
    assert found.accuracy == pytest.approx(6 / 9)
    assert (found.precision, found.recall, found.f1) == pytest.approx((2 / 3, 2 / 4, 4 / 7))
    chance = (4 * 3 + 5 * 6) / 81
    assert found.kappa == pytest.approx((6 / 9 - chance) / (1 - chance))
    assert (found.scored, found.outside) == (6, 1)
    assert found.brier == pytest.approx((0.05**2 + 0.15**2 + 0.95**2 + 0.05**2 + 0.15**2 + 0.75**2) / 6)
    # The bin of 0.95 twice, one of them right; the others alone.
    assert found.expected_error == pytest.approx((0.05 + 0.15 + 2 * abs(0.95 - 0.5) + 0.15 + 0.75) / 6)
    last = found.bins[-1]
    assert (last.start, last.stop, last.count, last.right) == pytest.approx((0.9, 1.0, 2, 0.5))
    assert last.low < 0.5 < last.high
    assert (last.low, last.high) == pytest.approx((0.09453, 0.90547), abs=1e-4)  # Wilson, 1 of 2


def test_nothing_to_measure() -> None:
    found = measured([])
    assert (found.accuracy, found.precision, found.f1, found.kappa, found.brier, found.bins) == (None,) * 5 + ((),)
    assert "–" in confusion_html(found)
    assert worst_html([]) == ""
    calibration_figure(found)
    score_histogram([])


def test_the_worst_first() -> None:
    assert [(one.node, one.distance) for one in worst(STEPS)] == [(4, 1.0), (3, 0.95), (9, 0.75), (10, 0.5)][:3]
    assert [one.node for one in worst(STEPS, most=1)] == [4]


def test_scores_that_are_no_probabilities_say_nothing_of_how_far_off_a_verdict_is() -> None:
    """Those of GPT-4's Game of 24: 60 for right, 0.003 for wrong."""
    tree = followed_tree(1)
    verdicts = [True, False, False, True, True, True, False]
    scored = rerate(tree, [Rating(one, "", 60.0 if one else 0.003) for one in verdicts], {"by": "votes"})
    held = against_truth([(5, scored)])
    assert [one.node for one in worst(held.steps)] == [1]  # the only one that is not so
    found = measured(held.steps)
    assert (found.scored, found.outside, found.brier, found.bins) == (0, 7, None, ())
    assert found.accuracy == 6 / 7
    assert "7 steps have scores; not all are from 0 to 1" in confusion_html(found)
    sure = against_truth([(5, rerate(tree, [Rating(one, "", 0.9 if one else 0.2) for one in verdicts], {"by": "odds"}))])
    assert [(one.node, one.distance) for one in worst(sure.steps)] == [(1, 0.9)]
    assert measured(sure.steps).scored == 7


def test_a_tree_that_cannot_be_verified_keeps_no_other_from_it() -> None:
    broken = dataclasses.replace(followed_tree(1), id="p9", meta={})
    held = against_truth([(0, broken), (1, followed_tree(1))])
    assert (held.trees, held.lacking, len(held.steps)) == (2, 1, 7)
    assert held.refused[0].startswith("tree 'p9': ")
    assert "nothing is known of 1 of the trees (tree 'p9': " in held.words()


def test_the_verifier_tells_the_truth_of_every_step() -> None:
    tree = followed_tree(1)
    before = [node.rating for node in tree.nodes[1:]]
    assert before == [-1, -1, -1, 1, 1, 1, -1]
    # A judge that finds all well, and says so with 0.9.
    good = rerate(tree, [Rating(True, "fine", 0.9)] * 7, {"by": "praise"})
    held = against_truth([(5, good)])
    assert [one.truth for one in held.steps] == [False, False, False, True, True, True, False]
    assert {(one.number, one.by, one.rating) for one in held.steps} == {(5, VERIFIER, 1)}
    assert (measured(held.steps).accuracy, measured(held.steps).recall) == (3 / 7, 0.0)
    assert [one.node for one in worst(held.steps)] == [1, 2, 3, 7]
    again = against_before([(5, good)])
    assert [one.truth for one in again.steps] == [one.truth for one in held.steps]
    assert {one.by for one in again.steps} == {BEFORE}
    other = against_other([(5, good, tree)], "judge B")
    assert [(one.node, one.truth) for one in other.steps] == [(one.node, one.truth) for one in held.steps]
    assert {one.by for one in other.steps} == {"judge B"}


def test_without_a_verifier_grades_tell_of_leaves() -> None:
    tree = dataclasses.replace(followed_tree(1), verifier="math")
    held = against_truth([(0, tree)])
    assert [(one.node, one.truth, one.by) for one in held.steps] == [(3, False, GRADE), (6, True, GRADE)]


@pytest.mark.parametrize("judged", [None, "x", {"before": 3}, {"before": [1]}, {}])
def test_what_was_judged_before_need_not_be_there(judged: object) -> None:
    tree = dataclasses.replace(followed_tree(1), meta={"judged": judged})
    assert against_before([(0, tree)]).lacking == 1


def test_no_more_trees_are_read_than_asked_for() -> None:
    read = []

    def trees():
        for number in range(100):
            read.append(number)
            yield number, followed_tree(number)

    held = against_truth(trees(), most=20)
    assert (held.trees, len(held.steps), held.whole) == (3, 21, False)
    assert len(read) == 4
    assert held.words() == "21 steps of 3 trees, the first ones up to 21 steps, against the verifier."
    assert held.words(of=100) == "21 steps of 3 trees of 100, drawn at random, against the verifier."
    whole = against_truth([(0, followed_tree(0))])
    assert whole.words(of=5) == "7 steps of 1 tree of 5, against the verifier."  # those that another file has, too
    assert against_truth([(0, followed_tree(0))]).words(of=1) == "7 steps of 1 tree, against the verifier."


def test_a_sample_is_decided_by_its_seed() -> None:
    assert sorted(sampled(50)) == list(range(50))
    assert sampled(50, 1) == sampled(50, 1) != sampled(50, 2)


def test_what_models_wrote_stays_text() -> None:
    hostile = dataclasses.replace(followed_tree(1), id='"><script>alert(1)</script>')
    nodes = (hostile.nodes[0], *(dataclasses.replace(one, text="<img src=x>" + "x" * 100_000) for one in hostile.nodes[1:]))
    held = against_truth([(0, dataclasses.replace(hostile, nodes=nodes, verifier="math"))])
    steps = [one._replace(rating=-1 if one.truth else 1, justification="<b onclick=a>\x00") for one in held.steps]
    shown = worst_html(steps, {(0, 3): -1})
    assert not any(mark in shown for mark in ("<script", "<img", "<b ", "\x00"))
    assert len(shown) < 10_000
    assert 'data-go="judged:0:3"' in shown


def test_figures_hold_what_was_measured() -> None:
    found = measured(STEPS)
    honest, points = calibration_figure(found).data
    assert list(points.x) == [one.mean_score for one in found.bins]
    assert list(points.y) == [one.right for one in found.bins]
    assert [a + b for a, b in zip(points.y, points.error_y.array, strict=True)] == pytest.approx(
        [one.high for one in found.bins]
    )
    assert honest.line.dash == "dash"
    right, wrong = score_histogram(STEPS).data
    assert (sum(right.y), sum(wrong.y)) == (4, -3)
    assert right.marker.pattern.shape != wrong.marker.pattern.shape
    assert score_histogram(STEPS * 90).layout.yaxis.ticktext == ("80", "40", "0", "40", "80")  # the highest are 90


def test_published_labels_are_held_against_grades(shared_data) -> None:
    importer = IMPORTERS["prm800k"]
    rows = [json.loads(line) for line in (shared_data / "prm_samples" / "samples_prm800k.jsonl").read_text().splitlines()]

    class Same(Answers):
        def __init__(self) -> None:
            self.right = lambda answer, stated: answer.strip() == stated.strip()

    trees = [importer.tree_of(row, "here", FORMATS[importer.step_format], Same()) for row in rows]
    held = against_truth(enumerate(trees))
    assert held.trees == len(rows)
    assert {one.by for one in held.steps} <= {GRADE}
    assert sum(measured(held.steps).counts.values()) == len(held.steps) == sum(len(list(tree.leaves())) for tree in trees)
