"""Rates, shares and operations a second against what they are by hand, on a clock that the test turns."""

from __future__ import annotations

import types

import jax
import numpy as np
import pytest

from jorney import devices
from jorney.batch.loader import Batches
from jorney.batch.packing import Example, Packed, pack
from jorney.batch.pairs import Preference, PreferenceRows, lay_out
from jorney.compiled import Compilations
from jorney.sharding import MeshConfig, make_mesh
from jorney.train import throughput
from jorney.train.metrics import TIMES
from jorney.train.throughput import Throughput

PEAK = 1e9
ROWS = Batches(pack([Example((5,) * 10)], 10), 1, 1, seed=0)  # what kind of rows batches are of
PAIR_ROWS = lay_out([Preference((5, 6, 7), (8, 9), (10, 11, 12, 13))], 1, 8, 4)
PREFERRED = Batches(PAIR_ROWS, 1, 1, seed=0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    now = types.SimpleNamespace(seconds=1000.0)
    read = lambda: now.seconds  # noqa: E731
    monkeypatch.setattr(throughput, "time", types.SimpleNamespace(perf_counter=read, time=read))
    return now


@pytest.fixture
def peak(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setitem(devices.PEAK, jax.devices()[0].device_kind, PEAK)
    return PEAK


def _batch(rows) -> dict[str, np.ndarray]:
    return {name: np.stack([rows[row][name] for row in range(len(rows))]) for name in rows[0]}


@pytest.fixture
def packed() -> dict[str, np.ndarray]:
    """Two rows of ten: nine and eight positions hold a token, and five and two are read out."""
    return _batch(pack([Example((5,) * 10, prompt=5), Example((6,) * 9, prompt=7)], 10))


@pytest.fixture
def preferences() -> dict[str, np.ndarray]:
    """One row of 8 + 2 x 4: a prompt of three, completions of two and four."""
    return _batch(PAIR_ROWS)


def test_positions_that_hold_a_token_and_those_read_out(packed, preferences) -> None:
    assert (Packed.occupied(packed), Packed.read_out(packed)) == (17, 7)
    assert (PreferenceRows.occupied(preferences), PreferenceRows.read_out(preferences)) == (9, 6)
    labelled = _batch(pack([Example((5,) * 10, labels=((2, 1.0), (7, 0.0)))], 12))
    assert (Packed.occupied(labelled), Packed.read_out(labelled)) == (9, 2)


def test_padding_is_the_share_of_positions_that_hold_nothing(tiny, mesh1, packed, preferences) -> None:
    meter = Throughput(tiny, ROWS, mesh1, Compilations(), 0.0, 0.0)
    assert meter.count(packed) == pytest.approx(3 / 20)
    meter = Throughput(tiny, PREFERRED, mesh1, Compilations(), 0.0, 0.0)
    assert meter.count(preferences) == pytest.approx(7 / 16)


# `tiny` by hand, as in tests/model/test_flops.py: weights of a layer's products, operations of a pair, weights of the head.
LAYERS, PAIR, HEAD = 2 * (2 * 32 * 64 + 2 * 32 * 32 + 3 * 32 * 64), 2 * 2 * 2 * 8 * 8, 72 * 32


def test_operations_a_second_over_the_peak(tiny, mesh1, clock, peak, packed) -> None:
    """Two steps of two rows in half a second."""
    meter = Throughput(tiny, ROWS, mesh1, Compilations(), clock.seconds, 0.0)
    meter.count(packed)
    meter.count(packed)
    clock.seconds += 0.5
    found = meter.measure()
    assert set(found) == set(TIMES)
    for convention, pairs in (("full", 100), ("causal", 55)):
        work = 3 * (2 * LAYERS * 40 + PAIR * 4 * pairs + 2 * HEAD * 14)
        assert found[f"mfu_{convention}"] == pytest.approx(work / 0.5 / 1e9)
    assert found["tokens_per_second_per_chip"] == pytest.approx(34 / 0.5)
    assert found["seconds"] == 0.5
    assert found["memory_gb"] > 0.01


def test_a_preference_row_counts_its_prompt_once(tiny, mesh1, clock, peak, preferences) -> None:
    meter = Throughput(tiny, PREFERRED, mesh1, Compilations(), clock.seconds, 0.0)
    meter.count(preferences)
    clock.seconds += 1
    found = meter.measure()
    for convention, pairs in (("full", 64 + 2 * 4 * 12), ("causal", 36 + 2 * (32 + 10))):
        assert found[f"mfu_{convention}"] == pytest.approx(3 * (2 * LAYERS * 16 + PAIR * pairs + 2 * HEAD * 6) / 1e9)
    assert found["tokens_per_second_per_chip"] == 9


def test_eight_chips_share_the_work(tiny, clock, peak, packed, mesh1) -> None:
    found = []
    for mesh in (mesh1, make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))):
        meter = Throughput(tiny, ROWS, mesh, Compilations(), clock.seconds, 0.0)
        meter.count(packed)
        clock.seconds += 1
        found.append(meter.measure())
    for name in ("mfu_full", "mfu_causal", "tokens_per_second_per_chip"):
        assert found[1][name] == pytest.approx(found[0][name] / 8)


def test_without_a_peak_there_is_no_share_of_it(tiny, mesh1, clock, packed) -> None:
    meter = Throughput(tiny, ROWS, mesh1, Compilations(), clock.seconds, 0.0)
    meter.count(packed)
    clock.seconds += 1
    assert set(meter.measure()) == {name for name in TIMES if not name.startswith("mfu")}


def test_a_measurement_starts_where_the_last_ended(tiny, mesh1, clock, packed) -> None:
    meter = Throughput(tiny, ROWS, mesh1, Compilations(), clock.seconds, 0.0)
    meter.count(packed)
    clock.seconds += 4
    meter.measure()
    meter.count(packed)
    clock.seconds += 1
    assert meter.measure()["tokens_per_second_per_chip"] == 17
    meter.count(packed)
    clock.seconds += 9  # saving
    meter.restart()
    meter.count(packed)
    clock.seconds += 2
    found = meter.measure()
    assert (found["seconds"], found["tokens_per_second_per_chip"]) == (2, 8.5)


def test_compiling_is_not_the_steps_time(tiny, mesh1, clock, packed) -> None:
    compilations = Compilations(seconds=[100.0])
    meter = Throughput(tiny, ROWS, mesh1, compilations, clock.seconds, 0.0)
    meter.count(packed)
    compilations.seconds.append(30.0)
    clock.seconds += 32
    found = meter.measure()
    assert (found["seconds"], found["tokens_per_second_per_chip"]) == (2, 8.5)
    assert found["goodput"] == pytest.approx(2 / 32)


def test_goodput_is_the_share_of_all_time_that_led_here(tiny, mesh1, clock, packed) -> None:
    """Started a hundred seconds ago; thirty were steps that a checkpoint kept; ten more follow, then ten of saving."""
    meter = Throughput(tiny, ROWS, mesh1, Compilations(), clock.seconds - 100, 30.0)
    meter.count(packed)
    clock.seconds += 10
    assert meter.measure()["goodput"] == pytest.approx(40 / 110)
    clock.seconds += 10
    meter.restart()
    meter.count(packed)
    clock.seconds += 5
    assert meter.measure()["goodput"] == pytest.approx(45 / 125)


def test_goodput_is_one_at_most(tiny, mesh1, clock, packed) -> None:
    """Clocks of two machines need not agree."""
    meter = Throughput(tiny, ROWS, mesh1, Compilations(), clock.seconds + 5, 50.0)
    meter.count(packed)
    clock.seconds += 10
    assert meter.measure()["goodput"] == 1
