"""Duplicates: equal, near, and neither; against a comparison of all pairs."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.thought.care.dedupe import DedupeConfig, Duplicate, duplicates, jaccard, normalise, shingles

WORDS = [f"w{i}" for i in range(400)]


def _text(rng, length=80):
    return " ".join(rng.choices(WORDS, k=length))


def _edited(text, rng, edits):
    words = text.split()
    for place in rng.sample(range(len(words)), edits):
        words[place] = rng.choice(WORDS)
    return " ".join(words)


def test_equal_after_normalisation() -> None:
    texts = ["1. Add  3 + 4.\n2. So 7", "2. add 3+4.\n3. so 7", "1. Add 3 + 5.\n2. So 8"]
    assert normalise(texts[0]) == normalise(texts[1]) == "add 3 + 4 . so 7"
    assert list(duplicates(texts, DedupeConfig(threshold=1))) == [None, Duplicate(0, 1.0, True), None]


def test_near_duplicates_are_found_and_others_kept() -> None:
    """Of 300 texts, 60 are copies with two words of 80 changed (similarity about 0.77), 60 with thirty."""
    rng = random.Random(0)
    base = [_text(rng) for _ in range(180)]
    near = [_edited(text, rng, 2) for text in base[:60]]
    far = [_edited(text, rng, 30) for text in base[60:120]]
    found = list(duplicates([*base, *near, *far], DedupeConfig(threshold=0.6)))
    assert found[:180] == [None] * 180
    assert found[240:] == [None] * 60
    caught = [(index, one) for index, one in enumerate(found[180:240]) if one is not None]
    assert len(caught) >= 58
    assert all(one.of == index and not one.exact for index, one in caught)
    for index, one in caught:
        assert one.similarity == jaccard(shingles(near[index], 5), shingles(base[index], 5)) >= 0.6


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.7, 0.9]))
def test_what_is_kept_and_what_is_not(seed, threshold) -> None:
    """No text is called a duplicate that is none; what is dropped repeats something that is kept, and earlier."""
    rng = random.Random(seed)
    texts: list[str] = []
    for _ in range(25):
        copied = texts and rng.random() < 0.5
        texts.append(_edited(rng.choice(texts), rng, rng.randint(0, 8)) if copied else _text(rng, rng.randint(1, 60) + 8))
    found = list(duplicates(texts, DedupeConfig(threshold=threshold, shingle=3)))
    assert len(found) == len(texts)
    for index, one in enumerate(found):
        if one is not None:
            assert one.of < index
            assert found[one.of] is None
            assert jaccard(shingles(texts[index], 3), shingles(texts[one.of], 3)) >= threshold
    assert list(duplicates(texts, DedupeConfig(threshold=threshold, shingle=3))) == found


@pytest.mark.parametrize("field", [{"threshold": 0.0}, {"threshold": 1.5}, {"shingle": 0}])
def test_wrong_dedupe_settings(field) -> None:
    with pytest.raises(ValueError, match="dedupe."):
        DedupeConfig(**field)
