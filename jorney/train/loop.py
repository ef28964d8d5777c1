"""The training loop: any loss, resumable, the same for every objective."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import Mesh

from jorney import devices, distributed, sharding, storage
from jorney.batch.loader import BatchStream
from jorney.checkpoint import Checkpoints, check_room
from jorney.compiled import Compilations, Program
from jorney.config import expect_at_least
from jorney.engine.memory import Memory, too_much
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.lora import LoraConfig
from jorney.model.params import Params
from jorney.precision import products
from jorney.train import provenance, stopping, tracking
from jorney.train import state as states
from jorney.train.metrics import Metrics, Record
from jorney.train.optimizer import OptimizerConfig, make_optimizer, make_schedule
from jorney.train.state import TrainState
from jorney.train.step import LossFn, make_train_step
from jorney.train.throughput import Throughput

_CHECKPOINTS = "checkpoints"  # in the training's folder
_PROFILED_AFTER = 2  # steps: compilation, and the first step's allocations
_LARGEST_WEIGHT = 1e19  # RMSNorm squares what is made of weights, in float32, which ends at 3.4e38


@dataclasses.dataclass(frozen=True)
class LoopConfig:
    """How often a training loop looks, logs and saves. Changes nothing about what is learned, but which step is the best.

    Attributes:
      save_every: steps between checkpoints, at which a held-out set is measured.
      keep: checkpoints that stay: the newest, and beside them the best where there is a held-out set.
      log_every: steps between two looks at the metrics.
      profile: steps of which a trace is written, beside the checkpoints, for xprof or TensorBoard; 0 for none.
    """

    save_every: int = 50
    keep: int = 2
    log_every: int = 10
    profile: int = 0

    def __post_init__(self) -> None:
        expect_at_least(1, self, "loop", "save_every", "keep", "log_every")
        expect_at_least(0, self, "loop", "profile")


@dataclasses.dataclass(frozen=True)
class Training:
    """What is learned, and from what.

    Attributes:
      model: the architecture.
      loss_fn: of a batch.
      batches: all of them, in order.
      optimizer: its settings.
      decides: all else that the result depends on, by name; recorded, and held against a training that goes on.
      accumulate: micro-batches a step.
      held_out: batches whose loss is measured at every checkpoint.
      best: the parameters returned are those of the checkpoint with the lowest loss on `held_out`, not the last.
      products: how exact its matrix products are: `precision.products` of the loss's dtype.
      lora: which adapters are trained, where they are: the loss takes their base last then.
    """

    model: ModelConfig
    loss_fn: LossFn
    batches: BatchStream
    optimizer: OptimizerConfig
    decides: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    accumulate: int = 1
    held_out: BatchStream | None = None
    best: bool = False
    products: str = products(jnp.float32)
    lora: LoraConfig = dataclasses.field(default_factory=LoraConfig)


def train(
    training: Training,
    params: Params,
    mesh: Mesh,
    folder: storage.PathLike,
    loop: LoopConfig | None = None,
    compilations: Compilations | None = None,
    on_step: Callable[[int, Record | None], None] = lambda step, record: None,
    donate: bool = False,
    memory: float | None = None,
    track: Sequence[str] = (),
    base: Params | None = None,
) -> tuple[Params, list[Record]]:
    """Trains until the batches end. Killed and called again with equal arguments it ends with equal parameters.

    Of several processes each calls it; `folder` is one that all of them see.

    Args:
      params: what is trained, to start from: the training tree, or adapters.
      folder: of the checkpoints, the metrics and training.json; when it holds a checkpoint, training goes on from there.
      on_step: called after each step with the steps done, and its record every `log_every` steps.
      donate: the memory of `params` is taken over; otherwise they are copied and stay usable.
      memory: bytes of a device that may be used; a step that needs more is refused before the first.
      track: names of trackers that are told every step, see `train.tracking`.
      base: of adapters; it is neither changed nor saved.

    Returns:
      The trained parameters, and the metrics of every step, without those that depend on the machine.

    Raises:
      ValueError: the loss, the gradient or the weights that would be saved are not finite (names the step and where its batch
        is saved), `folder` holds a training that was started otherwise, or a step needs more than `memory`.
      stopping.Stopped: SIGTERM or Ctrl-C; what was learned is saved.
    """
    loop, compilations, batches = loop or LoopConfig(), compilations or Compilations(), training.batches
    optimizer = make_optimizer(training.optimizer)
    where = states.state_shardings(training.model, mesh, optimizer, training.lora)
    frozen = () if base is None else (base,)
    rates = np.asarray(jax.vmap(make_schedule(training.optimizer, batches.steps))(jnp.arange(batches.steps)), np.float32)
    decides = {**training.decides, "model": dataclasses.asdict(training.model), "steps": batches.steps}
    if not (storage.path(folder) / _CHECKPOINTS).exists():  # found out now, and not after the first steps
        check_room(folder, _shapes(training, params, optimizer))
    started = provenance.begin(folder, decides, {"loop": loop, "mesh": dict(mesh.shape), "processes": jax.process_count()})
    trackers = tracking.open_all(track, folder, training.decides) if distributed.is_main() else []
    metrics = Metrics(folder, distributed.is_main(), trackers)
    with (
        contextlib.ExitStack() as ending,
        jax.set_mesh(mesh),
        Checkpoints(storage.path(folder) / _CHECKPOINTS, loop.keep, best=training.held_out is not None) as checkpoints,
        stopping.listening() as request,
    ):
        for tracker in trackers:
            ending.callback(tracker.end)
        state, done = _begin(training, params, optimizer, where, checkpoints, donate)
        metrics.resume(done)
        program = _step_program(training, optimizer, where, mesh, compilations)
        if memory is not None and done < batches.steps:
            first = put(batches.like(done), mesh), put({"rate": rates[done]}, mesh)["rate"], *frozen
            _expect_memory(program.ahead(state, *first), memory)
            del first
        clock = Throughput(training.model, batches, mesh, compilations, started, metrics.kept_seconds, training.lora)
        waiting: list[tuple[int, float, Any]] = []

        def collect(saves: bool = False) -> None:
            """Moves the metrics that wait on the devices to the host: one transfer for many steps."""
            beyond = parameters.beyond(state.params, _LARGEST_WEIGHT) if saves else {}
            rows, beyond = jax.device_get((waiting, beyond))
            for number, padding, found in rows:
                row = {name: float(value) for name, value in found.items()}
                _check_finite(number, row, batches, folder, checkpoints)
                row = {"step": number, **row, "learning_rate": float(rates[number - 1]), "padding": padding}
                metrics.add({**row, **batches.figures(number - 1)})
            _check_weights(step, beyond, batches, folder, checkpoints)
            waiting.clear()

        def look(saves: bool) -> Record:
            """What is known of the last step."""
            collect(saves)
            return metrics.time(clock.measure())

        with _profile(loop.profile, folder) as profile:
            now = lambda: state.params  # noqa: E731 (as it is when a batch is asked for)
            for step, batch in enumerate(batches.start_at(done, now), start=done + 1):
                profile(step - done, state)
                padding = clock.count(batch)
                state, found = program(state, put(batch, mesh), put({"rate": rates[step - 1]}, mesh)["rate"], *frozen)
                waiting.append((step, padding, found))
                if batches.follows:  # nothing is made of parameters that are not finite
                    collect()
                stops, last = request.reached(step), step == batches.steps
                due = last or step % loop.save_every == 0
                saves = due or stops is not None
                record = look(saves) if saves or step % loop.log_every == 0 else None
                # Not where it is told to stop: what is found, and so the best, must not depend on when that was.
                if due and training.held_out is not None:
                    found = _measure(training, training.held_out, (state.params, *frozen), mesh, compilations)
                    metrics.time({"held_out_loss": found})
                on_step(step, record)
                if saves:
                    metrics.write()  # first: a checkpoint without its rows would leave a gap
                    checkpoints.save(step, state, record.get("held_out_loss") if record else None)
                    clock.restart()
                if stops and not last:
                    raise stopping.Stopped(step, stops)
        if training.best and (best := checkpoints.best()) not in (None, batches.steps):
            like = states.placed(state, where).params
            devices.release(state)  # first: two states at once may not fit; and of the best one the parameters alone are read
            return checkpoints.restore_part(best, {"params": like})["params"], metrics.learned
        return state.params, metrics.learned


def _begin(
    training: Training,
    params: Params,
    optimizer: optax.GradientTransformation,
    where: TrainState,
    checkpoints: Checkpoints,
    donate: bool,
) -> tuple[TrainState, int]:
    """The state to go on from, and the steps done."""
    dtype, latest = jnp.dtype(training.optimizer.master), checkpoints.latest()
    if latest is not None:
        like = states.placed(_shapes(training, params, optimizer), where)
        if donate:
            devices.release(params)
        return checkpoints.restore(latest, like), latest
    if not donate:  # never the caller's own arrays: the step donates its state
        copied = jax.jit(
            lambda tree: states.create(jax.tree.map(lambda leaf: jnp.array(leaf, dtype, copy=True), tree), optimizer),
            out_shardings=where,
        )
        return copied(params), 0
    taken = _cast(params, dtype)
    state = states.creator(optimizer, where)(taken)
    devices.release(taken)  # where it lay otherwise, its memory was not taken over
    return state, 0


def _shapes(training: Training, params: Params, optimizer: optax.GradientTransformation) -> Any:
    """ShapeDtypeStructs of the state that a training of these parameters keeps."""
    dtype = jnp.dtype(training.optimizer.master)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, dtype), params)
    return jax.eval_shape(lambda tree: states.create(tree, optimizer), shapes)


def _cast(params: Params, dtype: Any) -> Params:
    """The parameters in another dtype, each freed as soon as it is cast: one at a time is held twice."""

    def one(leaf: jax.Array) -> jax.Array:
        if leaf.dtype == dtype:
            return leaf
        cast = jax.block_until_ready(jax.jit(lambda x: x.astype(dtype))(leaf))
        leaf.delete()
        return cast

    return jax.tree.map(one, params)


def _step_program(
    training: Training, optimizer: optax.GradientTransformation, where: TrainState, mesh: Mesh, compilations: Compilations
) -> Program:
    # Neither the number of steps nor the rate is part of the program: trainings of one loss and one shape share it.
    shared = dataclasses.replace(training.optimizer, learning_rate=1.0, schedule="constant", warmup=0.0, final_fraction=0.0)
    return compilations.program(
        ("train step", training.loss_fn, shared, training.accumulate, training.lora, mesh),
        "train step",
        make_train_step(training.loss_fn, optimizer, training.accumulate),
        training.products,
        donate_argnums=0,
        out_shardings=(where, None),
    )


def _expect_memory(step: Any, limit: float) -> None:
    """Raises ValueError where a compiled step needs more bytes of a device than there may be used."""
    plan = step.memory_analysis()
    given, temporaries = plan.argument_size_in_bytes, plan.temp_size_in_bytes
    if given + temporaries > limit:
        parts = {"what a training step is given": given, "its temporaries": temporaries}
        raise ValueError(too_much(Memory(limit, {}), parts))


def _check_finite(step: int, row: Record, batches: BatchStream, folder: storage.PathLike, checkpoints: Checkpoints) -> None:
    """Raises ValueError where a step went wrong, after its batch was saved; nothing of it reaches a checkpoint."""
    wrong = [f"the {name} is {row[name]}" for name in ("loss", "grad_norm") if not np.isfinite(row[name])]
    if wrong:
        raise ValueError(_about(step, " and ".join(wrong), batches, folder, checkpoints))


def _check_weights(
    step: int, beyond: Mapping[str, Any], batches: BatchStream, folder: storage.PathLike, checkpoints: Checkpoints
) -> None:
    """As `_check_finite`, of the weights that a step leaves: no loss tells of those of the last.

    Args:
      beyond: {path: how many of its weights nothing can be computed with}.
    """
    if wrong := [f"{int(count):,} of {name}" for name, count in beyond.items() if count]:
        what = f"weights are not finite or beyond {_LARGEST_WEIGHT:g} ({', '.join(wrong):.200})"
        raise ValueError(_about(step, what, batches, folder, checkpoints))


def _about(step: int, wrong: str, batches: BatchStream, folder: storage.PathLike, checkpoints: Checkpoints) -> str:
    """What to tell of a step that went wrong; its batch is saved."""
    file = storage.path(folder) / f"not_finite_{step:08d}.npz"
    if distributed.is_main():
        with storage.open_whole(file) as out:
            np.savez(out, allow_pickle=False, **dict(batches[step - 1]))
    kept = f"the checkpoint of step {latest} stays" if (latest := checkpoints.latest()) else "there is no checkpoint yet"
    return f"step {step}: {wrong}: expected finite numbers (try a lower rate); its batch is in {file}, {kept}"


def _measure(
    training: Training, held_out: BatchStream, whole: tuple[Params, ...], mesh: Mesh, compilations: Compilations
) -> float:
    """The loss on the held-out batches, of what is trained and its base."""
    params, *frozen = whole
    key, loss_fn = ("held-out loss", training.loss_fn, mesh), training.loss_fn
    program = compilations.program(key, "held-out loss", lambda *given: loss_fn(*given)[1], training.products)
    found = jax.device_get([program(params, put(batch, mesh), *frozen) for batch in held_out.start_at(0)])
    return float(sum(sums["loss"] for sums in found) / max(1.0, sum(sums["count"] for sums in found)))


@contextlib.contextmanager
def _profile(steps: int, folder: storage.PathLike) -> Iterator[Callable[[int, Any], None]]:
    """Gives a function to be called before each step, counted from 1, which starts and ends a trace of `steps` of them."""
    with contextlib.ExitStack() as trace:

        def before(step: int, state: Any) -> None:
            if steps and step in (_PROFILED_AFTER + 1, _PROFILED_AFTER + 1 + steps):
                jax.block_until_ready(state)
                trace.close()
                if step == _PROFILED_AFTER + 1:
                    jax.profiler.start_trace(f"{storage.path(folder)}/profile")
                    trace.callback(jax.profiler.stop_trace)

        yield before


def put(batch: Mapping[str, Any], mesh: Mesh) -> dict[str, jax.Array]:
    """A batch {field: [], [B] or [B, T]} that every host holds whole onto the mesh, rows split over data and fsdp."""
    places = [sharding.named(mesh, *axes) for axes in ((), ("batch",), ("batch", "length"))]

    def one(rows: Any) -> jax.Array:
        place = places[rows.ndim]
        # An explicit transfer to each of this process's devices; other ways are implicit, or ask all hosts for equality.
        shards = [jax.device_put(rows[part], d) for d, part in place.addressable_devices_indices_map(rows.shape).items()]
        return jax.make_array_from_single_device_arrays(rows.shape, place, shards)

    return {name: one(rows) for name, rows in batch.items()}
