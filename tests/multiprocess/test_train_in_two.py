"""Training by two processes of four devices each: the losses of one, and either goes on where the other stopped."""

from __future__ import annotations

import json
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import train_in_two
import two

WORKER = str(pathlib.Path(train_in_two.__file__))


def _two(folder: pathlib.Path, sizes: dict[str, int], stop_after: int = 0, signalled: str = "") -> list[dict]:
    return two.run(WORKER, str(folder), json.dumps(sizes), str(stop_after), signalled)


@pytest.fixture(scope="module")
def single(tmp_path_factory) -> dict:
    """One device of this process."""
    return train_in_two.fit(str(tmp_path_factory.mktemp("single")), None)


@pytest.mark.slow
def test_eight_devices_give_one_devices_losses(tmp_path: pathlib.Path, single: dict) -> None:
    found = train_in_two.fit(str(tmp_path), {"data": 2, "fsdp": 2, "tensor": 2})
    assert found["losses"] == pytest.approx(single["losses"], rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("sizes", [{"data": 2, "fsdp": 2, "tensor": 2}, {"data": 2, "fsdp": 4}, {"data": 1, "fsdp": 8}])
def test_two_processes_give_one_processes_losses(tmp_path: pathlib.Path, single: dict, sizes: dict[str, int]) -> None:
    first, second = _two(tmp_path, sizes)
    assert first == second
    assert first["seen"] == list(range(1, 13))
    assert first["losses"] == pytest.approx(single["losses"], rel=1e-5)
    assert first["losses"][-1] < first["losses"][0]


@pytest.mark.slow
def test_one_process_goes_on_where_two_stopped(tmp_path: pathlib.Path, single: dict) -> None:
    assert [found["stopped"] for found in _two(tmp_path, {"data": 2, "fsdp": 4}, stop_after=5)] == [5, 5]
    found = train_in_two.fit(str(tmp_path), {"data": 8})
    assert found["seen"] == list(range(5, 13))  # from the checkpoint of step 4
    assert found["losses"] == pytest.approx(single["losses"], rel=1e-5)


@pytest.mark.slow
def test_two_processes_go_on_where_one_stopped(tmp_path: pathlib.Path, single: dict) -> None:
    assert train_in_two.fit(str(tmp_path), {"data": 1, "fsdp": 8}, stop_after=6)["stopped"] == 6
    first, second = _two(tmp_path, {"data": 2, "fsdp": 4})
    assert first == second
    assert first["seen"] == list(range(5, 13))
    assert first["losses"] == pytest.approx(single["losses"], rel=1e-5)


def test_a_signal_to_one_process_stops_both_at_one_step(tmp_path: pathlib.Path, single: dict) -> None:
    """And together they go on, to one process's losses."""
    sizes = {"data": 2, "fsdp": 2, "tensor": 2}
    first, second = _two(tmp_path, sizes, stop_after=3, signalled="yes")
    assert first == second
    assert 3 <= first["stopped"] < 12
    again, other = _two(tmp_path, sizes)
    assert again == other
    assert again["seen"] == list(range(first["stopped"] + 1, 13))
    assert again["losses"] == pytest.approx(single["losses"], rel=1e-5)


def test_both_refuse_weights_that_are_not_finite(tmp_path: pathlib.Path) -> None:
    """Found at the first checkpoint, or by the loss before it; neither saves."""
    first, second = two.run(WORKER, str(tmp_path), json.dumps({"data": 2, "fsdp": 4}), "0", "", "1e35")
    assert first == second
    assert "expected finite numbers" in first["refused"]
    assert not [path for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()]
