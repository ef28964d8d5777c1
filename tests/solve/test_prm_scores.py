"""F1s of reward models, by hand."""

from __future__ import annotations

import pytest

from jorney.solve.prm_scores import first_error, macro_f1, processbench_f1, solution_f1, step_f1

# Three solutions: right; wrong at its second step; wrong at once (what follows is not counted).
LABELS = [[True, True, True], [True, False, True], [False, False]]
SCORES = [[0.9, 0.8, 0.4], [0.7, 0.3, 0.9], [0.6, 0.1]]


def test_steps_up_to_the_first_error() -> None:
    """Counted labels 1 1 1 | 1 0 | 0, predicted 1 1 0 | 1 0 | 1."""
    right = 2 * 3 / (4 + 4)
    wrong = 2 * 1 / (2 + 2)
    assert step_f1(LABELS, SCORES) == pytest.approx((right + wrong) / 2)


def test_solutions_by_their_lowest_score() -> None:
    """Labels 1 0 0, predicted 0 0 0: no right one is found, of three said to be wrong two are."""
    assert solution_f1(LABELS, SCORES) == pytest.approx((0 + 2 * 2 / (2 + 3)) / 2)
    assert solution_f1(LABELS, SCORES, threshold=0.35) == pytest.approx((2 * 1 / 2 + 2 * 2 / 4) / 2)


def test_the_first_error_exactly() -> None:
    """The second's error is found, the third's is seen a step late, and the right one is doubted."""
    assert processbench_f1(LABELS, SCORES) == 0
    assert processbench_f1(LABELS, SCORES, threshold=0.35) == pytest.approx(2 * 1 * 0.5 / 1.5)
    assert processbench_f1(LABELS[:1], SCORES[:1]) is None  # no wrong one: there is nothing to find, and 0 would be a score


@pytest.mark.parametrize(
    ("labels", "predicted", "expected"),
    [
        ([True, True], [True, True], 1.0),  # no wrong one, none found
        ([True, True], [True, False], (2 * 1 / 3 + 0) / 2),
        ([False], [True], 0.0),
        ([True, False], [True, False], 1.0),
    ],
)
def test_classes_that_are_empty(labels, predicted, expected) -> None:
    assert macro_f1(labels, predicted) == pytest.approx(expected)


def test_nothing_to_count() -> None:
    assert first_error([True, True]) is None
    assert first_error([True, False, False]) == 1
    with pytest.raises(ValueError, match="there are no labels"):
        macro_f1([], [])


@pytest.mark.parametrize("measure", [step_f1, solution_f1, processbench_f1])
def test_labels_and_scores_must_fit(measure) -> None:
    with pytest.raises(ValueError, match="solution 1 has 2 labels and 1 scores"):
        measure([[True], [True, False]], [[0.9], [0.9]])
    with pytest.raises(ValueError, match="solution 0 has 0 labels and 0 scores"):
        measure([[]], [[]])
    with pytest.raises(ValueError, match="labels of 1 solutions, scores of 2"):
        measure([[True]], [[0.9], [0.1]])
