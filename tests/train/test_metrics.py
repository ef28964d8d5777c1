"""The training record: parts that are written whole, and rows that are those of a training never stopped."""

from __future__ import annotations

import os
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import memory_root

from jorney import storage
from jorney.train.metrics import TIMES, Metrics


@pytest.fixture(params=["local", "gs"])
def root(request, tmp_path) -> str:
    return str(tmp_path / "run") if request.param == "local" else memory_root()


def _row(step: int) -> dict[str, float]:
    return {"step": step, "loss": 1 / step, "padding": 0.25}


def _steps(metrics: Metrics, first: int, last: int, seconds: float = 2.0) -> None:
    for step in range(first, last + 1):
        metrics.add(_row(step))
        metrics.time({"seconds": seconds, "goodput": 0.5})


def _parts(root: str) -> dict[str, list[float]]:
    """{part: its steps}."""
    files = sorted((storage.path(root) / "metrics").glob("*.jsonl"))
    return {file.stem: [row["step"] for _, row in storage.read_jsonl(os.fspath(file))] for file in files}


def test_a_part_holds_the_rows_since_the_last(root: str) -> None:
    metrics = Metrics(root)
    metrics.resume(0)
    for first, last in ((1, 3), (4, 4), (5, 9)):
        _steps(metrics, first, last)
        metrics.write()
    metrics.write()  # nothing is new: no part
    assert _parts(root) == {"00000003": [1, 2, 3], "00000004": [4], "00000009": [5, 6, 7, 8, 9]}
    events = sorted(file.name for file in (storage.path(root) / "tensorboard").iterdir())
    assert events == [f"events.out.tfevents.{part}" for part in _parts(root)]


def test_rows_after_the_checkpoint_are_dropped(root: str) -> None:
    """A part was written, and the checkpoint behind it was not."""
    metrics = Metrics(root)
    metrics.resume(0)
    _steps(metrics, 1, 3)
    metrics.write()
    _steps(metrics, 4, 6)
    metrics.write()
    again = Metrics(root)
    again.resume(3)
    assert again.learned == [_row(step) for step in (1, 2, 3)]
    _steps(again, 4, 6)
    again.write()
    assert _parts(root) == {"00000003": [1, 2, 3], "00000006": [4, 5, 6]}


def test_parts_that_overlap_give_every_step_once(root: str) -> None:
    """The second run saved at other steps than the first, whose last part stayed."""
    metrics = Metrics(root)
    metrics.resume(0)
    for first, last in ((1, 3), (4, 6)):
        _steps(metrics, first, last)
        metrics.write()
    again = Metrics(root)
    again.resume(3)
    for first, last in ((4, 5), (6, 8)):
        _steps(again, first, last)
        again.write()
    assert _parts(root) == {"00000003": [1, 2, 3], "00000005": [4, 5], "00000006": [4, 5, 6], "00000008": [6, 7, 8]}
    third = Metrics(root)
    third.resume(8)
    assert third.learned == again.learned == [_row(step) for step in range(1, 9)]
    assert third.kept_seconds == 8 * 2


def test_times_stand_in_the_last_row_and_are_not_learned() -> None:
    metrics = Metrics("nowhere")
    metrics.add(_row(1))
    metrics.add(_row(2))
    times = dict.fromkeys(TIMES, 3.0)
    assert metrics.time(times) == _row(2) | times
    assert metrics.time({"held_out_loss": 0.5}) == _row(2) | times | {"held_out_loss": 0.5}
    assert metrics.learned == [_row(1), _row(2) | {"held_out_loss": 0.5}]
    assert metrics.kept_seconds == 3


def test_seconds_kept_are_those_of_the_steps_that_led_here(root: str) -> None:
    metrics = Metrics(root)
    metrics.resume(0)
    _steps(metrics, 1, 2, seconds=1.5)
    metrics.write()
    _steps(metrics, 3, 4, seconds=10)
    metrics.write()
    again = Metrics(root)
    again.resume(2)
    assert again.kept_seconds == 3


def test_a_process_that_does_not_write_knows_the_same(root: str) -> None:
    main, other = Metrics(root), Metrics(root, writes=False)
    for metrics in (main, other):
        metrics.resume(0)
        _steps(metrics, 1, 3)
    other.write()
    assert _parts(root) == {}
    main.write()
    other.resume(3)
    main.resume(3)
    assert other.learned == main.learned == [_row(1), _row(2), _row(3)]


# Runs of one training: how often each saves, and the step at which it is killed.
RUNS = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 20), st.booleans()), max_size=5)


@settings(max_examples=15, deadline=None)
@given(RUNS)
def test_what_was_learned_is_the_same_however_often_it_stopped(runs: list[tuple[int, int, bool]]) -> None:
    """Killed anywhere, also between a part and its checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        saved = 0
        for every, stops, between in [*runs, (7, 99, False)]:
            metrics = Metrics(folder)
            metrics.resume(saved)
            for step in range(saved + 1, 21):
                _steps(metrics, step, step)
                if step % every == 0 or step == 20:
                    metrics.write()
                    if between and step >= stops:
                        break
                    saved = step
                if step == stops:
                    break
            assert [row["step"] for row in metrics.learned] == list(range(1, len(metrics.learned) + 1))
        assert metrics.learned == [_row(step) for step in range(1, 21)]
        assert metrics.kept_seconds == 40
        found = Metrics(folder)
        found.resume(20)
        assert found.learned == metrics.learned
