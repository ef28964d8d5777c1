"""Variety by hand, its loss over rounds, and the temperature that follows."""

from __future__ import annotations

import math
import random

import pytest

from jorney.thought.care.diversity import Diversity, DiversityConfig, collapse, measure_rounds, next_temperature, trend


def test_measures_by_hand() -> None:
    ((found),) = measure_rounds([["a b a b", "a b c d"]], DiversityConfig(shingle=2))
    assert (found.texts, found.distinct_1) == (2, 4 / 8)
    counts = {"a": 3, "b": 3, "c": 1, "d": 1}
    assert found.entropy == pytest.approx(-sum(n / 8 * math.log2(n / 8) for n in counts.values()))
    assert found.self_similarity == pytest.approx(1 / 4)  # "a b", "b a" and "a b", "b c", "c d"


def _round(rng, variety):
    """Texts of words of which fewer are in use as variety falls."""
    words = [f"w{i}" for i in range(int(500 * variety) + 5)]
    return [" ".join(rng.choices(words, k=60)) for _ in range(40)]


def test_a_model_that_repeats_itself_is_seen_and_made_warmer() -> None:
    rng = random.Random(0)
    config = DiversityConfig()
    rounds = [_round(rng, variety) for variety in (1.0, 0.9, 0.25, 0.1)]
    history = measure_rounds(rounds, config, temperatures=[0.7, 0.7, 0.7, 0.8])
    assert collapse(history[:1], config) == []
    assert collapse(history[:2], config) == []
    assert next_temperature(history[:2], config) == 0.7
    assert {"distinct_2", "entropy"} <= set(collapse(history, config))
    assert next_temperature(history[:3], config) == pytest.approx(0.8)
    assert next_temperature(history, config) == pytest.approx(0.9)
    slopes = trend(history)
    assert slopes["distinct_1"] < 0
    assert slopes["entropy"] < -0.5
    assert slopes["self_similarity"] > 0
    assert trend(history[:1])["entropy"] == 0


def test_copies_are_seen_by_what_texts_have_in_common() -> None:
    rng = random.Random(0)
    first = _round(rng, 1.0)
    history = measure_rounds([first, [first[0]] * 20 + first[:20]], DiversityConfig())
    assert "self_similarity" in collapse(history, DiversityConfig())


def test_the_temperature_has_a_limit_and_never_falls() -> None:
    config = DiversityConfig(raise_by=0.5, most=1.0)
    good, bad = Diversity(9, 0.5, 0.9, 0.95, 0.0, 9.0, 0.7), Diversity(9, 0.1, 0.2, 0.3, 0.5, 3.0, 0.7)
    assert next_temperature([good, bad], config) == 1.0
    assert next_temperature([good, Diversity(9, 0.1, 0.2, 0.3, 0.5, 3.0, 1.4)], config) == 1.4
    assert next_temperature([], config) == 0.7
    assert next_temperature([good, good], config) == 0.7


def test_rounds_are_compared_at_equal_size() -> None:
    """Ten times as many texts of the same kind are no loss of variety."""
    rng = random.Random(0)
    small, large = _round(rng, 1.0)[:20], [text for _ in range(10) for text in _round(rng, 1.0)]
    history = measure_rounds([small, large], DiversityConfig())
    assert history[1].distinct_1 == pytest.approx(history[0].distinct_1, rel=0.05)
    assert collapse(history, DiversityConfig()) == []
    with pytest.raises(ValueError, match="round 1: holds 1 texts"):
        measure_rounds([small, small[:1]], DiversityConfig())


@pytest.mark.parametrize("field", [{"sample": 1}, {"lost": 0.0}, {"most": -1.0}, {"shingle": 0}])
def test_wrong_diversity_settings(field) -> None:
    with pytest.raises(ValueError, match="diversity."):
        DiversityConfig(**field)
