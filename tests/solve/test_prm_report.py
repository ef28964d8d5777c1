"""Measures of reward models, by hand and against libraries."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.judge.labelled import Labelled
from jorney.solve.prm_report import auc, calibration, calibration_error, draw, markdown, mcc, measure, mr_score, scored
from jorney.solve.prm_scores import best_threshold, counted, step_f1

LABELS = [[True, True, True], [True, False, True], [False, False]]
SCORES = [[0.9, 0.8, 0.6], [0.7, 0.3, 0.9], [0.6, 0.1]]


def test_unknown_labels_are_left_out() -> None:
    solutions = [Labelled("a", "q", ("1. x", "2. y", "3. z"), (1.0, None, 0.25)), Labelled("b", "q", ("1. x",), (None,))]
    found = scored(solutions, [[0.9, 0.5, 0.2], [0.4]])
    assert (found.labels, found.scores) == ([[True, False]], [[0.9, 0.2]])
    assert counted(found.labels, found.scores) == [(True, 0.9), (False, 0.2)]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=12))
@settings(deadline=None)
def test_auc_is_the_share_of_pairs_in_order(pairs) -> None:
    right, wrong = ([score for label, score in pairs if label == kind] for kind in (True, False))
    found = auc([label for label, _ in pairs], [float(score) for _, score in pairs])
    if not right or not wrong:
        assert found is None
    else:
        wins = sum((a > b) + (a == b) / 2 for a in right for b in wrong)
        assert found == pytest.approx(wins / (len(right) * len(wrong)))


def test_calibration_by_hand() -> None:
    curve = calibration([True, False, True, True], [0.92, 0.98, 0.31, 1.0])
    assert [one["count"] for one in curve] == [1, 3]
    assert curve[1]["right"] == pytest.approx(2 / 3)
    assert calibration_error(curve) == pytest.approx((0.69 + 3 * abs(2.9 / 3 - 2 / 3)) / 4)
    assert draw(curve, 0.1, "png").startswith(b"\x89PNG")
    assert b"<svg" in draw(curve, 0.1, "svg")


def test_mr_score_by_hand() -> None:
    """The right solution and both wrong ones are seen; the error of one is found in its place, and that with its reason."""
    assert mcc([True, False, False], [True, False, False]) == 1
    found = mr_score(LABELS, SCORES, reasons=[None, True, True])
    assert found == {"mcc": 1.0, "step_accuracy": 0.5, "reason_accuracy": 0.5, "mr_score": pytest.approx(0.2 + 0.15 + 0.25)}
    assert mr_score(LABELS, SCORES)["mr_score"] is None
    assert mr_score(LABELS, SCORES, reasons=[None, False, True])["reason_accuracy"] == 0
    # Worse than chance counts nothing.
    turned = mr_score([[True], [False]], [[0.1], [0.9]], reasons=[None, True])
    assert (turned["mcc"], turned["mr_score"]) == (-1, 0)


def test_all_measures() -> None:
    solutions = [Labelled(str(i), "q", ("1. x",) * len(own), tuple(map(float, own))) for i, own in enumerate(LABELS)]
    result = measure(scored(solutions, SCORES), 0.5)
    assert (result["solutions"], result["steps"], result["right_steps"]) == (3, 6, pytest.approx(4 / 6))
    assert result["f1_step"] == pytest.approx((8 / 9 + 2 / 3) / 2)
    assert result["f1_solution"] == 1
    assert result["processbench_f1"] == pytest.approx(2 * 0.5 / 1.5)
    assert result["by_solution"]["last"] == {"f1": pytest.approx((2 / 3 + 2 / 3) / 2), "auc": 0.5}
    assert result["by_solution"]["min"]["auc"] == 1
    assert "| f1_step | 0.778 |" in markdown(result)
    assert "| mr_score | none |" in markdown(result)
    with pytest.raises(ValueError, match="no step has a label"):
        measure(scored(solutions[:0], []), 0.5)


def test_the_best_threshold() -> None:
    assert best_threshold(LABELS, SCORES) == pytest.approx(0.65)  # 1 1 0 | 1 0 | 0: 0.829, where 0.45 gives 0.778
    low = [[score / 10 for score in own] for own in SCORES]
    assert step_f1(LABELS, low, best_threshold(LABELS, low)) == step_f1(LABELS, SCORES, best_threshold(LABELS, SCORES))
    many = [[(index * 37 % 1000) / 1000] for index in range(1000)]
    assert best_threshold([[score[0] > 0.4] for score in many], many) == pytest.approx(0.4, abs=0.006)
