from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from live import lasting_bytes, live_bytes

from jorney import sharding
from jorney.batch.loader import Batches
from jorney.batch.packing import Example, pack
from jorney.compiled import Compilations
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.train.loop import LoopConfig, Training, train
from jorney.train.objectives.sft import sft_loss
from jorney.train.optimizer import OptimizerConfig
from jorney.train.stopping import Stopped


class Stop(Exception):
    """Raised in the middle of training."""


def _batches() -> Batches:
    rng = np.random.default_rng(0)
    examples = [Example(tuple(rng.integers(3, 72, 30).tolist()), prompt=5) for _ in range(48)]
    return Batches(pack(examples, 64, 8), batch_size=8, epochs=3, seed=0)


def _train(tiny, mesh, folder: pathlib.Path, stop_at: int | None = None, compilations: Compilations | None = None):
    def on_step(step: int, record: object) -> None:
        if step == stop_at:
            raise Stop

    return train(
        _training(tiny),
        parameters.init(tiny, jax.random.key(0)),
        mesh,
        folder,
        LoopConfig(save_every=3, log_every=2),
        compilations,
        on_step,
    )


def _training(tiny, **changes) -> Training:
    made = Training(tiny, sft_loss(tiny), _batches(), OptimizerConfig(learning_rate=1e-2))
    return dataclasses.replace(made, **changes)


@pytest.fixture(scope="module")
def undisturbed(tiny, mesh1, tmp_path_factory):
    return _train(tiny, mesh1, tmp_path_factory.mktemp("whole"))


def test_records_every_step_and_learns(undisturbed) -> None:
    _, records = undisturbed
    assert [record["step"] for record in records] == list(range(1, 10))
    assert records[-1]["loss"] < records[0]["loss"] - 0.2
    assert {record["count"] for record in records} == {16 * 25.0}


def test_resumed_training_is_bit_exact(tiny, mesh1, tmp_path: pathlib.Path, undisturbed) -> None:
    for stop_at in (2, 5, 8):
        with pytest.raises(Stop):
            _train(tiny, mesh1, tmp_path, stop_at)
    params, records = _train(tiny, mesh1, tmp_path)
    jax.tree.map(np.testing.assert_array_equal, params, undisturbed[0])
    assert records == undisturbed[1]


def test_a_finished_training_is_not_repeated(tiny, mesh1, tmp_path: pathlib.Path, undisturbed) -> None:
    _train(tiny, mesh1, tmp_path)
    compilations = Compilations()
    params, records = _train(tiny, mesh1, tmp_path, compilations=compilations)
    assert compilations.names == []
    assert records == undisturbed[1]
    jax.tree.map(np.testing.assert_array_equal, params, undisturbed[0])


def test_the_step_compiles_once_also_after_a_resume(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    first, second = Compilations(), Compilations()
    with pytest.raises(Stop):
        _train(tiny, mesh1, tmp_path, 5, first)
    _train(tiny, mesh1, tmp_path, compilations=second)
    assert (first.names, second.names) == (["train step"], ["train step"])


def test_resumes_on_another_mesh(tiny, mesh1, tmp_path: pathlib.Path, undisturbed) -> None:
    with pytest.raises(Stop):
        _train(tiny, mesh1, tmp_path, 5)
    params, records = _train(tiny, sharding.make_mesh(sharding.MeshConfig(data=2, fsdp=2, tensor=2)), tmp_path)
    assert [r["loss"] for r in records] == pytest.approx([r["loss"] for r in undisturbed[1]], rel=1e-5)
    assert params["layers"]["mlp"]["up"].addressable_shards[0].data.shape == (2, 16, 32)


def test_a_checkpoint_of_another_model_names_its_leaves(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    _train(tiny, mesh1, tmp_path)
    (tmp_path / "training.json").unlink()
    with pytest.raises(ValueError, match="leaves do not fit") as error:
        _train(dataclasses.replace(tiny, mlp=128), mesh1, tmp_path)
    text = str(error.value)
    assert "params/layers/mlp/up: float32[2, 32, 64] in the checkpoint, expected float32[2, 32, 128]" in text
    assert "attention" not in text


def test_a_loss_that_is_not_finite_stops_with_its_step(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    broken = parameters.init(tiny, jax.random.key(0))
    broken["final_norm"] = broken["final_norm"].at[0].set(np.nan)
    with pytest.raises(ValueError, match="step 1: the loss is nan"):
        train(_training(tiny), broken, mesh1, tmp_path)
    with np.load(tmp_path / "not_finite_00000001.npz") as saved:
        first = _batches()[0]
        assert set(saved) == set(first)
        np.testing.assert_array_equal(saved["tokens"], first["tokens"])
    assert not [path for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()]


@pytest.mark.parametrize("rate", [1e30, 1e35])
@pytest.mark.parametrize("master", ["float32", "bfloat16"])
def test_weights_that_the_last_update_ruins_are_not_saved(tiny, mesh1, tmp_path: pathlib.Path, rate, master) -> None:
    """No loss tells of them: there is no step after."""
    batches = Batches(_batches().rows, batch_size=24, epochs=1, seed=0)
    assert batches.steps == 1
    training = _training(tiny, batches=batches, optimizer=OptimizerConfig(learning_rate=rate, warmup=0.0, master=master))
    message = r"step 1: weights are not finite or beyond 1e\+19 \([\d,]+ of embedding, .*: expected finite numbers"
    with pytest.raises(ValueError, match=message) as error:
        train(training, parameters.init(tiny, jax.random.key(0)), mesh1, tmp_path)
    assert "\n" not in str(error.value)
    assert str(error.value).endswith("there is no checkpoint yet")
    assert (tmp_path / "not_finite_00000001.npz").exists()
    assert not [path for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()]


@pytest.mark.parametrize("sizes", [{"data": 8}, {"data": 1, "fsdp": 8}, {"data": 2, "fsdp": 2, "tensor": 2}])
def test_a_ruined_checkpoint_in_the_middle_is_not_kept_either(tiny, tmp_path: pathlib.Path, sizes: dict[str, int]) -> None:
    """On any mesh, also where it is told to stop: the checkpoint before it stays, and is what training goes on from."""
    mesh = sharding.make_mesh(sharding.MeshConfig(**sizes))
    seen = []

    def beyond(params, most):
        seen.append(most)
        count = jax.numpy.float32(len(seen) == 2)
        return {"embedding": count, "final_norm": jax.numpy.float32(0)}

    training, loop = _training(tiny), LoopConfig(save_every=3, log_every=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parameters, "beyond", beyond)
        with pytest.raises(ValueError, match=r"step 6: weights are .* \(1 of embedding\): .* the checkpoint of step 3 stays"):
            train(training, parameters.init(tiny, jax.random.key(0)), mesh, tmp_path, loop)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir() if path.name.isdigit()] == ["3"]
    again = []
    train(training, parameters.init(tiny, jax.random.key(0)), mesh, tmp_path, loop, on_step=lambda step, _: again.append(step))
    assert again == [4, 5, 6, 7, 8, 9]


def test_parameters_passed_in_survive(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    """The step donates its state; the caller's policy must stay usable."""
    params = parameters.init(tiny, jax.random.key(0))
    train(_training(tiny), params, mesh1, tmp_path)
    assert np.isfinite(np.asarray(params["embedding"])).all()


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ValueError, match="loop.save_every = 0: expected 1 or more"):
        LoopConfig(save_every=0)
    with pytest.raises(ValueError, match="loop.profile = -1: expected 0 or more"):
        LoopConfig(profile=-1)


def test_donated_parameters_give_the_same_result(tiny, mesh1, tmp_path: pathlib.Path, undisturbed) -> None:
    params = parameters.init(tiny, jax.random.key(0))
    found, records = train(_training(tiny), params, mesh1, tmp_path, LoopConfig(save_every=3, log_every=2), donate=True)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(params))
    jax.tree.map(np.testing.assert_array_equal, found, undisturbed[0])
    assert records == undisturbed[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops(tiny, mesh1, tmp_path: pathlib.Path, undisturbed, number: int) -> None:
    before = signal.getsignal(number)

    def on_step(step: int, record: object) -> None:
        if step == 4:
            os.kill(os.getpid(), number)

    params = parameters.init(tiny, jax.random.key(0))
    loop = LoopConfig(save_every=100)
    with pytest.raises(Stopped, match="stopped after step 5, which is saved") as stop:
        train(_training(tiny), params, mesh1, tmp_path, loop, on_step=on_step)
    assert (stop.value.step, stop.value.signal) == (5, number)
    assert signal.getsignal(number) == before
    seen = []
    found, records = train(_training(tiny), params, mesh1, tmp_path, loop, on_step=lambda step, _: seen.append(step))
    assert seen == [6, 7, 8, 9]
    jax.tree.map(np.testing.assert_array_equal, found, undisturbed[0])
    assert records == undisturbed[1]


def test_what_was_started_otherwise_is_refused_by_the_fields_name(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    params = parameters.init(tiny, jax.random.key(0))
    train(_training(tiny, decides={"sft": {"optimizer": {"learning_rate": 1e-2}}}), params, mesh1, tmp_path)
    other = _training(tiny, decides={"sft": {"optimizer": {"learning_rate": 2e-2}}})
    with pytest.raises(ValueError, match="started otherwise: sft.optimizer.learning_rate was 0.01, is 0.02: expected the same"):
        train(other, params, mesh1, tmp_path)


def test_what_a_training_was_started_with_stands_beside_it(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    _train(tiny, mesh1, tmp_path)
    about = json.loads((tmp_path / "training.json").read_text())
    assert about["decides"]["model"]["mlp"] == 64
    assert about["mesh"] == {"data": 1, "fsdp": 1, "context": 1, "tensor": 1}
    assert about["versions"]["jax"] == jax.__version__
    assert about["git"] is None or len(about["git"].split("+")[0]) == 40
    assert about["loop"]["save_every"] == 3


def test_every_step_has_a_row_in_the_parts_and_in_tensorboard(tiny, mesh1, tmp_path: pathlib.Path, undisturbed) -> None:
    with pytest.raises(Stop):
        _train(tiny, mesh1, tmp_path, 5)
    _train(tiny, mesh1, tmp_path)
    parts = sorted((tmp_path / "metrics").glob("*.jsonl"))
    assert [part.stem for part in parts] == ["00000003", "00000006", "00000009"]
    rows = [json.loads(line) for part in parts for line in part.read_text().splitlines()]
    assert [row["step"] for row in rows] == list(range(1, 10))
    assert [row["loss"] for row in rows] == [row["loss"] for row in undisturbed[1]]
    timed = [row["step"] for row in rows if "seconds" in row]
    assert timed == [2, 3, 4, 6, 8, 9]
    assert all(0 < row["goodput"] <= 1 for row in rows if "goodput" in row)
    events = sorted(path.name for path in (tmp_path / "tensorboard").iterdir())
    assert events == [f"events.out.tfevents.{part.stem}" for part in parts]
    losses = [row["loss"] for row in rows]
    found = {step: value for name in events for step, tag, value in _scalars(tmp_path / "tensorboard" / name) if tag == "loss"}
    assert found == {step: pytest.approx(loss, rel=1e-6) for step, loss in enumerate(losses, start=1)}


def _scalars(file: pathlib.Path):
    """(step, tag, value) of a TensorBoard file: records of a length, its checksum, an event and its checksum."""
    from tensorboardX.proto.event_pb2 import Event

    data, at = file.read_bytes(), 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 8], "little")
        event = Event.FromString(data[at + 12 : at + 12 + length])
        yield from ((event.step, value.tag, value.simple_value) for value in event.summary.value)
        at += 16 + length


def test_a_trace_is_written(tiny, tmp_path: pathlib.Path) -> None:
    """By a process of its own: the profiler ends one in which libtpu has described a machine, as tests of plans have it do."""
    code = (
        f"import sys; sys.path[:0] = {sys.path!r}; import test_loop; test_loop.write_trace({repr(tiny)!r}, {str(tmp_path)!r})"
    )
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "JAX_PLATFORMS": "cpu"}, check=True)
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))


def write_trace(model: str, folder: str) -> None:
    config = eval(model, {"ModelConfig": ModelConfig})
    mesh = sharding.make_mesh(devices=jax.devices()[:1])
    train(_training(config), parameters.init(config, jax.random.key(0)), mesh, folder, LoopConfig(profile=2))


def test_the_loop_moves_nothing_unasked(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    """Host to device by the guard. On CPU the guard does not see reads, so that those are counted: one a look."""
    compilations = Compilations()
    first = _training(tiny)
    train(first, parameters.init(tiny, jax.random.key(0)), mesh1, tmp_path / "compiles", compilations=compilations)
    params, read = parameters.init(tiny, jax.random.key(0)), []

    def guarded(step: int, record: object) -> None:
        read.append(record is not None)
        jax.config.update("jax_transfer_guard_host_to_device", "disallow" if step < 8 else "allow")

    reads = _count_reads(
        lambda: train(
            first, params, mesh1, tmp_path / "guarded", LoopConfig(save_every=100, log_every=4), compilations, guarded
        )
    )
    assert read == [False, False, False, True, False, False, False, True, True]
    # Nine metrics of nine steps each, in three reads; the schedule of rates; nothing else.
    assert reads["device_get"] == 3


def _count_reads(work) -> dict[str, int]:
    counts = {"device_get": 0}
    original = jax.device_get

    def counted(*args, **kwargs):
        counts["device_get"] += 1
        return original(*args, **kwargs)

    jax.device_get = counted
    try:
        work()
    finally:
        jax.device_get = original
        jax.config.update("jax_transfer_guard_host_to_device", "allow")
    return counts


def test_where_it_was_stopped_changes_neither_the_best_nor_the_record(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    """A rate at which the first steps are the best: a checkpoint of a stop would win, if it were measured."""
    wild = OptimizerConfig(learning_rate=5e-2, schedule="constant")
    training = _training(tiny, optimizer=wild, held_out=_batches(), best=True)
    loop = LoopConfig(save_every=4, log_every=3)

    def stop_early(step: int, record: object) -> None:
        if step == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    expected = train(training, parameters.init(tiny, jax.random.key(0)), mesh1, tmp_path / "whole", loop)
    with pytest.raises(Stopped, match="after step 2"):
        train(training, parameters.init(tiny, jax.random.key(0)), mesh1, tmp_path / "stopped", loop, on_step=stop_early)
    found = train(training, parameters.init(tiny, jax.random.key(0)), mesh1, tmp_path / "stopped", loop)
    jax.tree.map(np.testing.assert_array_equal, found[0], expected[0])
    assert found[1] == expected[1]
    assert [record["step"] for record in found[1] if "held_out_loss" in record] == [4, 8, 9]


def test_the_best_parameters_are_read_when_the_last_state_is_gone(tiny, mesh1, tmp_path: pathlib.Path, monkeypatch) -> None:
    """At a rate at which the last checkpoint is not the best: at most one state lies on the device while it is read."""
    wild = OptimizerConfig(learning_rate=1.0, schedule="constant")
    training, seen = _training(tiny, optimizer=wild, held_out=_batches(), best=True), []
    for reader in (ocp.CheckpointManager, ocp.Checkpointer):
        restore = reader.restore

        def watched(self, *args, restore=restore, **kwargs):
            read = restore(self, *args, **kwargs)
            seen.append(live_bytes() - before)
            return read

        monkeypatch.setattr(reader, "restore", watched)
    before = lasting_bytes()
    params = parameters.init(tiny, jax.random.key(0))
    state = 3 * sum(leaf.nbytes for leaf in jax.tree.leaves(params))
    found, records = train(training, params, mesh1, tmp_path, LoopConfig(save_every=4), donate=True)
    losses = {record["step"]: record["held_out_loss"] for record in records if "held_out_loss" in record}
    best = min(losses, key=losses.__getitem__)
    assert best != max(losses)
    assert state / 4 < max(seen) <= 1.05 * state
    with ocp.StandardCheckpointer() as reader:
        stored = reader.restore(tmp_path / "checkpoints" / str(best) / "state")
    jax.tree.map(np.testing.assert_array_equal, found, stored["params"])


def test_a_step_that_needs_more_than_there_is_is_refused_before_the_first(tiny, mesh1, tmp_path: pathlib.Path) -> None:
    params, steps = parameters.init(tiny, jax.random.key(0)), []

    def within(memory: float) -> None:
        train(_training(tiny), params, mesh1, tmp_path, on_step=lambda step, _: steps.append(step), memory=memory)

    with pytest.raises(ValueError, match=r"^memory: a device has 1,000 bytes: expected at least [\d,]+ \(what a") as refused:
        within(1000)
    assert steps == []
    least = int(re.search(r"at least ([\d,]+)", str(refused.value))[1].replace(",", ""))
    assert least > 3 * sum(leaf.nbytes for leaf in jax.tree.leaves(params))
    within(least)
    assert len(steps) == 9
