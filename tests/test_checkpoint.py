from __future__ import annotations

import errno
import pathlib
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jorney.checkpoint import Checkpoints, check_room, writing


def _state(value: float = 1.0, dtype=jnp.float32) -> dict:
    return {"weights": {"up": jnp.full((4, 2), value, dtype)}, "moments": (jnp.zeros(3), jnp.int32(7))}


def _like(state: dict) -> dict:
    place = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=place), state)


def test_a_state_comes_back(tmp_path: pathlib.Path) -> None:
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.latest() is None
        checkpoints.save(3, _state(0.5))
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.latest() == 3
        state = checkpoints.restore(3, _like(_state()))
    jax.tree.map(np.testing.assert_array_equal, state, _state(0.5))


def test_a_disk_without_room_is_named_before_anything_is_written(tmp_path: pathlib.Path, monkeypatch) -> None:
    """32 bytes of weights, 12 of a moment, 4 of a count."""
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=47))
    with Checkpoints(tmp_path / "c") as checkpoints:
        with pytest.raises(OSError, match="a checkpoint needs 48 bytes: No space left on device") as error:
            checkpoints.save(1, _state())
        assert error.value.filename == str(tmp_path / "c")
        assert checkpoints.latest() is None


@pytest.mark.parametrize("most", [0, 10, 47])
def test_a_limit_of_files_is_named_before_anything_is_written(tmp_path: pathlib.Path, monkeypatch, most: int) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (most, most))
    with Checkpoints(tmp_path / "c") as checkpoints:
        with pytest.raises(OSError, match=f"needs 48 bytes: File too large: ulimit -f allows {most} bytes a file: raise it"):
            checkpoints.save(1, _state())
        assert checkpoints.latest() is None


def test_room_is_asked_for_where_no_folder_is_yet(tmp_path: pathlib.Path, monkeypatch) -> None:
    check_room(tmp_path / "a" / "b", _state())
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=47 if folder == tmp_path else 0))
    with pytest.raises(OSError, match="a checkpoint needs 48 bytes"):
        check_room(tmp_path / "a" / "b", _state())


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_what_fills_up_while_it_is_written_is_told_in_one_line(tmp_path: pathlib.Path, code: int) -> None:
    """As tensorstore tells it, over several lines, and as the system does."""
    for error in (ValueError(f"OUT_OF_RANGE: Error\n[os_error_code='{code}'] at\n"), OSError(code, "x", "some file")):
        (tmp_path / "7.orbax-checkpoint-tmp" / "state").mkdir(parents=True)
        (tmp_path / "6").mkdir(exist_ok=True)
        with pytest.raises(OSError, match="a checkpoint is not written: .*: make room") as told, writing(tmp_path):
            raise error
        assert (told.value.errno, told.value.filename) == (code, str(tmp_path))
        assert [one.name for one in tmp_path.iterdir()] == ["6"]


@pytest.mark.parametrize("error", [ValueError("os_error_code='13'"), OSError(13, "x"), KeyError("x"), ValueError("other")])
def test_other_errors_are_told_as_they_are(tmp_path: pathlib.Path, error: Exception) -> None:
    with pytest.raises(type(error)) as told, writing(tmp_path):
        raise error
    assert told.value is error


def test_only_the_newest_are_kept(tmp_path: pathlib.Path) -> None:
    with Checkpoints(tmp_path / "c", keep=2) as checkpoints:
        for step in (1, 2, 3, 4):
            checkpoints.save(step, _state(step))
    assert sorted(int(p.name) for p in (tmp_path / "c").iterdir() if p.name.isdigit()) == [3, 4]


def test_the_state_may_be_donated_after_save(tmp_path: pathlib.Path) -> None:
    """Saving is asynchronous; what is written must be the state at the call."""
    state = {"x": jnp.arange(1_000_000, dtype=jnp.float32)}
    step = jax.jit(lambda s: {"x": s["x"] * 0 - 1}, donate_argnums=0)
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, state)
        jax.block_until_ready(step(state))
    with Checkpoints(tmp_path / "c") as checkpoints:
        found = checkpoints.restore(1, _like({"x": jnp.zeros(1_000_000)}))
    np.testing.assert_array_equal(found["x"], np.arange(1_000_000, dtype=np.float32))


def test_the_best_stays_beside_the_newest(tmp_path: pathlib.Path) -> None:
    with Checkpoints(tmp_path / "c", keep=1, best=True) as checkpoints:
        for step, loss in enumerate((3.0, 1.0, 2.0, 2.5), start=1):
            checkpoints.save(step, _state(step), loss)
        assert checkpoints.best() == 2
    assert sorted(int(p.name) for p in (tmp_path / "c").iterdir() if p.name.isdigit()) == [2, 4]
    with Checkpoints(tmp_path / "c", keep=1, best=True) as checkpoints:
        assert (checkpoints.best(), checkpoints.latest()) == (2, 4)


def test_what_a_kill_left_half_written_is_cleared_away(tmp_path: pathlib.Path) -> None:
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, _state())
    half = tmp_path / "c" / "2.orbax-checkpoint-tmp"
    half.mkdir()
    (half / "part").write_bytes(b"x" * 1000)
    with Checkpoints(tmp_path / "c") as checkpoints:
        assert checkpoints.latest() == 1
        checkpoints.save(2, _state(2.0))
    with Checkpoints(tmp_path / "c") as checkpoints:
        np.testing.assert_array_equal(checkpoints.restore(2, _like(_state()))["weights"]["up"], np.full((4, 2), 2.0))
    assert not half.exists()


def test_every_leaf_that_does_not_fit_is_named(tmp_path: pathlib.Path) -> None:
    """Orbax alone names none and casts silently."""
    with Checkpoints(tmp_path / "c") as checkpoints:
        checkpoints.save(1, _state())
    other = {"weights": {"up": jnp.zeros((4, 3), jnp.bfloat16), "down": jnp.zeros(2)}, "moments": (jnp.zeros(3),)}
    with Checkpoints(tmp_path / "c") as checkpoints, pytest.raises(ValueError, match="3 leaves do not fit") as error:
        checkpoints.restore(1, _like(other))
    text = str(error.value)
    assert "weights/up: float32[4, 2] in the checkpoint, expected bfloat16[4, 3]" in text
    assert "weights/down: not in the checkpoint" in text
    assert "moments/1: in the checkpoint, not in the model" in text
