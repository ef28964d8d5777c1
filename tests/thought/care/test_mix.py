"""Mixtures have the stated share, take all they can, and follow from the seed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.thought.care.mix import BY, MixConfig, mix

SIZES = st.lists(st.integers(1, 50).map(float), min_size=1, max_size=80)


@settings(max_examples=150, deadline=None)
@given(SIZES, SIZES, st.floats(0.05, 0.95), st.sampled_from(BY), st.booleans(), st.integers(0, 5))
def test_the_share_is_met_to_within_a_row(made, human, share, by, repeat, seed) -> None:
    config = MixConfig(share, by, repeat)
    found = mix(made, human, config, seed)
    assert mix(made, human, config, seed) == found
    size = {"made": made, "human": human}
    weigh = (lambda kind, index: 1.0) if by == "rows" else (lambda kind, index: size[kind][index])
    total = {kind: sum(weigh(*one) for one in found.chosen if one[0] == kind) for kind in size}
    assert found.share == pytest.approx(total["human"] / max(1.0, sum(total.values())))
    row = max(weigh(kind, index) for kind in size for index in range(len(size[kind])))
    # The set that was drawn from is off by half a row at most.
    assert abs(total["human"] * (1 - share) - total["made"] * share) <= row / 2 + 1e-6
    once = [one for one in found.chosen if one[0] == "made" or not repeat]
    assert len(set(once)) == len(once)
    # One set is taken whole.
    whole = {kind: sum(weigh(kind, index) for index in range(len(size[kind]))) for kind in size}
    assert total["made"] == whole["made"] or total["human"] == whole["human"]


def test_all_and_nothing() -> None:
    assert sorted(mix([1] * 3, [1] * 9, MixConfig(0.0), 0).chosen) == [("made", 0), ("made", 1), ("made", 2)]
    assert sorted(mix([1] * 3, [1] * 2, MixConfig(1.0), 0).chosen) == [("human", 0), ("human", 1)]
    assert mix([1] * 80, [1] * 50, MixConfig(0.2), 0).share == 0.2
    assert mix([1] * 80, [1] * 50, MixConfig(0.2), 0).chosen != mix([1] * 80, [1] * 50, MixConfig(0.2), 1).chosen
    few = mix([1] * 80, [1] * 5, MixConfig(0.2), 0)
    assert (len(few.chosen), few.share) == (25, 0.2)
    again = mix([1] * 80, [1] * 5, MixConfig(0.2, repeat=True), 0)
    assert (len(again.chosen), again.share) == (100, 0.2)
    with pytest.raises(ValueError, match="expected some human rows"):
        mix([1], [], MixConfig(0.5), 0)


@pytest.mark.parametrize("field", [{"share": 1.5}, {"share": -0.1}, {"by": "letters"}])
def test_wrong_mix_settings(field) -> None:
    with pytest.raises(ValueError, match="mix."):
        MixConfig(**field)
