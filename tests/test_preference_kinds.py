"""tools/preference_kinds.py: as many tokens for every kind of pairs, controls, and tables of rows."""

from __future__ import annotations

import importlib
import math
import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT

from jorney.batch.pairs import Preference


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])


def _tool() -> ModuleType:
    return importlib.import_module("preference_kinds")


def _pair(chosen: int, rejected: int, name: int = 0) -> Preference:
    return Preference((1, name), (2,) * chosen, (3,) * rejected)


@settings(max_examples=50, deadline=None)
@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=30),
    tokens=st.integers(1, 2000),
    seed=st.integers(0, 3),
)
def test_every_kind_learns_as_many_tokens(sizes: list[tuple[int, int]], tokens: int, seed: int) -> None:
    pairs = [_pair(*size, name) for name, size in enumerate(sizes)]
    kept, epochs = _tool().equal_tokens(pairs, tokens, seed)
    own = _tool().completion_tokens(kept)
    assert epochs == math.ceil(tokens / sum(map(sum, sizes)))  # no pair is read again before all were
    assert tokens <= epochs * own < tokens + epochs * 18  # the last pair may go beyond, once an epoch
    assert len(set(kept)) == len(kept)
    assert set(kept) <= set(pairs)
    assert _tool().equal_tokens(pairs, tokens, seed) == (kept, epochs)


def test_sides_are_exchanged_in_half_of_the_pairs() -> None:
    pairs = [_pair(2, 3, name) for name in range(400)]
    found = _tool().exchanged(pairs, 0)
    turned = [one.chosen == other.rejected and one.rejected == other.chosen for one, other in zip(pairs, found, strict=True)]
    assert 160 < sum(turned) < 240
    assert all(one == other for one, other, other_way in zip(pairs, found, turned, strict=True) if not other_way)


def _row(arm: str, seed: int, right: str, split: str = "test", rate: float = 2e-5) -> dict[str, Any]:
    held = {"prefers_before": 0.5, "prefers_after": 0.75}
    held |= {f"{side}_{when}": -1.0 for side in ("chosen", "rejected") for when in ("before", "after")}
    trained = {"pairs": 10, "epochs": 2, "updates": 5, "completion_tokens": 100, "tokens": 300, "shorter_wins": 0.5}
    summary = dict.fromkeys(("first_attempt_accuracy", "recovery_rate", "justified_backtracks", "true_equations"), 0.5)
    return {
        "set": split,
        "seed": seed,
        "arm": arm,
        "more": {},
        "right": right,
        "parameters": 1000,
        "setting": None if arm == "start" else {"beta": 0.1, "rate": rate, "smoothing": "none"},
        "trained": {} if arm == "start" else {**trained, "held_out": held},
        "summary": {**summary, "accuracy": right.count("1") / len(right), "mean_tokens": 9.0, "cut": 1},
        "problems": [f"countdown-{number}-2-3-4-{number % 7}" for number in range(len(right))],
        "tokens": [9] * len(right),
    }


def test_the_bar_is_met_where_the_kind_that_was_chosen_leads_for_sure() -> None:
    module = importlib.import_module("preference_tables")
    rows = [_row("start", seed, "0" * 80 + "1" * 20) for seed in (1, 0)]
    rows += [_row("step", seed, "0" * 70 + "1" * 30) for seed in (0, 1)]
    rows += [_row("leaf", seed, "0" * 79 + "1" * 21) for seed in (0, 1)]
    rows += [_row("journey", 0, "1" * 100)]  # of one seed alone: not told
    lines = list(module.tables(rows, "step"))
    assert "| `step` | 30.0% | 30.0% | 30.0% (21.0% to 39.0%) | +10.0 (+5.0 to +16.0) | 20 / 0 | 0.002 | 0.004 |" in lines
    assert not any("journey`" in line for line in lines)
    assert lines[-1] == "The bar (`step`, best on tuning; +3 points, p < 0.01): met."
    assert list(module.tables(rows, "leaf"))[-1].endswith("not met.")


def test_rows_of_other_problems_are_not_compared() -> None:
    module = importlib.import_module("preference_tables")
    rows = [_row("start", 0, "0101"), _row("step", 0, "010")]
    with pytest.raises(ValueError, match="step and start: expected rows of the same seeds and problems"):
        list(module.tables(rows, "step"))


def test_what_was_committed_is_not_measured_again(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = _tool()
    row = _row("step", 0, "0101", rate=1e-4)
    monkeypatch.setattr(tool, "committed", lambda: [_row("step", 0, "0000"), row])
    assert tool.measured(tmp_path, "test", 0, "step", tool.Setting(0.1, 1e-4)) is row
    assert not list(tmp_path.iterdir())


def test_committed_rows_are_of_the_same_thousand_problems_for_every_arm() -> None:
    tool, module = _tool(), importlib.import_module("preference_tables")
    arms = module.of_test(tool.committed())
    assert {"start", *tool.TUNED, tool.EXCHANGED, tool.CHOSEN_SFT} <= arms.keys()
    problems = [row["problems"] for row in arms["start"]]
    assert [len(one) for one in problems] == [tool.PROBLEMS["test"]] * len(tool.SEEDS)
    for arm, own in arms.items():
        assert [row["problems"] for row in own] == problems, arm
        assert all(len(row["right"]) == len(row["tokens"]) == len(row["problems"]) for row in own)
        tokens = {row["trained"].get("completion_tokens", tool.TOKENS) for row in own}
        assert all(abs(one / tool.TOKENS - 1) < 0.01 for one in tokens), arm
