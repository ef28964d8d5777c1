from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.tree.prune import Candidate, PruneConfig, prune

RIGHT, WRONG = True, False


def _candidates(*verdicts: tuple[bool, float, float]) -> list[Candidate]:
    return [Candidate(i + 1, correct, score, likelihood) for i, (correct, score, likelihood) in enumerate(verdicts)]


LEVEL = _candidates((RIGHT, 0.9, -3.0), (RIGHT, 0.6, -1.0), (WRONG, 0.95, -0.5), (RIGHT, 0.6, -2.0), (WRONG, 0.1, -0.1))


def test_binary_keeps_the_likeliest_that_are_right() -> None:
    assert prune(LEVEL, PruneConfig(keep=2)) == ([2, 4], [5])
    assert prune(LEVEL, PruneConfig(keep=9, explore_wrong=2)) == ([1, 2, 4], [3, 5])
    assert prune(LEVEL, PruneConfig(keep=1, explore_wrong=0)) == ([2], [])


def test_score_keeps_the_highest_right_or_not() -> None:
    assert prune(LEVEL, PruneConfig(keep=2, by="score")) == ([1, 3], [5])
    assert prune(LEVEL, PruneConfig(keep=3, by="score")) == ([1, 2, 3], [5])  # a tie goes by likelihood


def test_a_judge_without_scores_cannot_be_pruned_by_score() -> None:
    with pytest.raises(ValueError, match="expected a judge that gives scores"):
        prune([Candidate(1, True, None, -1.0)], PruneConfig(by="score"))


@given(
    st.lists(st.tuples(st.booleans(), st.floats(0, 1), st.floats(-9, 0)), max_size=12),
    st.integers(1, 5),
    st.integers(0, 3),
    st.sampled_from(("binary", "score")),
)
def test_never_more_than_k_and_never_the_same_node_twice(verdicts, keep, explore, by) -> None:
    level = _candidates(*verdicts)
    beam, wrong = prune(level, PruneConfig(keep, by, explore))
    assert len(beam) <= keep
    assert len(wrong) <= explore
    assert not set(beam) & set(wrong)
    assert all(level[node - 1].correct is False for node in wrong)
    if by == "binary":
        assert all(level[node - 1].correct for node in beam)
        assert len(beam) == min(keep, sum(candidate.correct for candidate in level))


@pytest.mark.parametrize(("field", "value"), [("keep", 0), ("by", "vote"), ("explore_wrong", -1)])
def test_wrong_settings(field, value) -> None:
    with pytest.raises(ValueError, match=f"prune.{field} = "):
        PruneConfig(**{field: value})
