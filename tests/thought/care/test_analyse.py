"""Thought statistics by hand, bounded counts against exact ones, and rows of every kind."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.rows.problems import read_problems
from jorney.thought.care.analyse import (
    FAMILIES,
    AnalyseConfig,
    BoundedCounts,
    Difficulty,
    analyse,
    describe,
    difficulty_of,
    text_of,
)

TEXT = "1. Let me compute: 3 * 4 = 12.\nWait, if that is so, consider 5.\n\nTherefore it is possible. Wait"


def test_by_hand() -> None:
    found = analyse([("a", {"text": TEXT}), ("b", {"text": "Go back to 5"})], AnalyseConfig(top=3))
    assert (found["texts"], found["words"]) == (2, 7 + 7 + 5 + 4)
    assert found["tokens_counted_by"] == "words and signs"
    assert found["tokens"]["histogram"] == [[4, 1], [28, 1]]
    assert found["lines"]["histogram"] == [[1, 1], [3, 1]]
    assert found["words_per_line"]["histogram"] == [[4, 1], [5, 1], [7, 2]]
    assert found["words_per_line"]["mean"] == 23 / 4
    assert found["ngrams"]["1"] == [["Wait", 2], ["is", 2], ["5", 2]]
    assert found["ngrams"]["4"][0] == ["1 Let me compute", 1]
    counts = {name: found["keywords"][name]["count"] for name in FAMILIES}
    assert counts == {
        "conclusion": 1,
        "another path": 0,
        "reflection": 2,
        "calculation": 1,
        "branching": 3,
        "going back": 1,
    }
    assert found["keywords"]["reflection"]["per_1000_words"] == pytest.approx(2000 / 23)
    assert found["keywords"]["reflection"]["share_of_texts"] == 0.5
    assert found["difficulty"] is None
    assert set(found["ngram_error"].values()) == {0}


def test_keywords_are_whole_words() -> None:
    found = analyse([("a", {"text": "Waiter, the ifs; impossible. wait If"})], AnalyseConfig())
    assert {name: one["count"] for name, one in found["keywords"].items() if one["count"]} == {"reflection": 1, "branching": 1}


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 60), max_size=30), max_size=30), st.integers(2, 20))
def test_bounded_counts_are_right_to_within_their_error(batches, capacity) -> None:
    counts: BoundedCounts[int] = BoundedCounts(capacity)
    exact: Counter[int] = Counter()
    for batch in batches:
        counts.update(batch)
        exact.update(batch)
        assert len(counts) <= capacity
    held = dict(counts.most_common(capacity))
    for thing, count in exact.items():
        assert count - counts.error <= held.get(thing, 0) <= count


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 50), min_size=1))
def test_lengths_are_described_exactly(values) -> None:
    found = describe(Counter(values))
    assert found["mean"] == pytest.approx(sum(values) / len(values))
    assert (found["min"], found["max"]) == (min(values), max(values))
    for percent in (10, 25, 50, 75, 90):
        assert sum(value <= found[f"p{percent}"] for value in values) >= percent / 100 * len(values)
        assert sum(value < found[f"p{percent}"] for value in values) < percent / 100 * len(values)


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"longCOT": "a", "answer": "b", "pieces": []}, "a"),
        ({"id": "x", "text": "a", "tokens": 3}, "a"),
        ({"prompt": "q", "completion": "a"}, "a"),
        ({"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}, "a"),
        ({"problem": "q", "solution": "a", "answer": "b"}, "a"),
        ({"question": "q", "answer": "a\n#### 1"}, "a\n#### 1"),
    ],
)
def test_rows_of_every_kind(row, text) -> None:
    assert text_of(row, "place") == text


def test_a_row_without_text_is_named() -> None:
    with pytest.raises(ValueError, match="f: line 2: the fields are id, tokens: expected a text named longCOT"):
        analyse([("f: line 1", {"text": "a"}), ("f: line 2", {"id": "x", "tokens": 3})], AnalyseConfig())
    with pytest.raises(ValueError, match="holds no rows"):
        analyse([], AnalyseConfig())


def test_tokens_are_those_of_whoever_counts() -> None:
    rows = [("a", {"text": "one two", "tokens": 7}), ("b", {"text": "one", "tokens": 3})]
    assert analyse(rows, AnalyseConfig())["tokens"]["histogram"] == [[3, 1], [7, 1]]
    assert analyse(rows, AnalyseConfig())["tokens_counted_by"] == "as generated"
    counted = analyse(rows, AnalyseConfig(tokenizer="m"), len)
    assert counted["tokens"]["histogram"] == [[3, 1], [7, 1]]
    assert counted["tokens_counted_by"] == "m"


def test_keywords_against_difficulty() -> None:
    rows = [
        ("", {"text": "Wait a b c", "level": "Level 5"}),
        ("", {"text": "a b c d", "meta": {"level": 1}}),
        ("", {"text": "Wait Wait a b", "level": 5}),
        ("", {"text": "x", "id": "p"}),
    ]
    found = analyse(rows, AnalyseConfig(), known={"p": Difficulty("solve rate", 0.5)})["difficulty"]
    assert found["by"] == "level"
    assert [(one["value"], one["texts"], one["all_per_1000_words"]) for one in found["values"]] == [(1, 1, 0), (5, 2, 375)]
    assert difficulty_of({"id": "p"}, {"p": Difficulty("solve rate", 0.5)}) == Difficulty("solve rate", 0.5)
    assert difficulty_of({"pieces": [["a", "step"], ["b", "excursion"], ["c", "step"]]}, {}) == Difficulty("own steps", 2)
    assert difficulty_of({"answer": "a\nb\n#### 4"}, {}) == Difficulty("own steps", 2)
    assert difficulty_of({"text": "a"}, {}) is None


def test_gsm8k_as_published(gsm8k) -> None:
    from jorney.rows.sources import read_rows

    found = analyse(read_rows(str(gsm8k / "test.jsonl")), AnalyseConfig())
    assert found["texts"] == len(read_problems(str(gsm8k / "test.jsonl"))) == 1319
    assert found["difficulty"]["by"] == "own steps"
    assert sum(one["texts"] for one in found["difficulty"]["values"]) == 1319
    assert 3 <= found["lines"]["p50"] <= 6
