"""Where arrays live: the mesh, and the one table from logical axes to mesh axes."""

from __future__ import annotations

import contextvars
import dataclasses
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jorney.config import expect, expect_at_least, expect_number

MESH_AXES = ("data", "fsdp", "context", "tensor")

# Logical axis -> mesh axes. Parameters are split along `weight_embed` (fully sharded data parallel) and along the axes
# that tensor parallelism splits; activations along their batch.
TABLE: dict[str, str | tuple[str, ...] | None] = {
    # activations
    "batch": ("data", "fsdp"),
    "length": "context",
    "embed": None,
    "sampled": ("data", "fsdp", "tensor"),  # rows whose next token is chosen: a device looks at all the vocabulary for its own
    "replica": "data",  # rows of which the devices of a replica hold all, and split something else
    "loss_vocab": ("fsdp", "tensor"),  # of the head's matrix and logits in a loss, see `train.cross_entropy`
    # parameters
    "layers": None,
    "weight_embed": "fsdp",
    "norm": None,
    # both
    "heads": "tensor",
    "kv_heads": "tensor",
    "head_dim": None,
    "mlp": "tensor",
    "vocab": "tensor",
    "labels": None,
}


@dataclasses.dataclass(frozen=True)
class MeshConfig:
    """Sizes of the mesh axes; at most one may be -1: what is left of the devices.

    Attributes:
      data: replicas of the parameters.
      fsdp: devices that share one replica, its parameters split among them.
      context: reserved for sequence parallelism; 1.
      tensor: devices that split heads, MLP and vocabulary.
      devices: so many of the devices that there are, the first ones; None for all.
      memory: bytes of a device that may be used; None for what it has. CPUs do not tell: there None is no limit.
    """

    data: int = -1
    fsdp: int = 1
    context: int = 1
    tensor: int = 1
    devices: int | None = None
    memory: float | None = None

    def __post_init__(self) -> None:
        expect_number(self, "mesh", *MESH_AXES, least=-1)
        expect(lambda size: size == 1, "1 (sequence parallelism is not built yet)", self, "mesh", "context")
        expect(lambda size: size != 0, "1 or more, or -1 for what is left", self, "mesh", *MESH_AXES)
        sizes = {axis: getattr(self, axis) for axis in MESH_AXES}
        if list(sizes.values()).count(-1) > 1:
            raise ValueError(f"mesh = {sizes}: expected at most one -1")
        expect_at_least(1, self, "mesh", "devices", none="None for all")
        expect_number(self, "mesh", "memory", least=1, none="None for what a device has")


def make_mesh(config: MeshConfig | None = None, devices: list[jax.Device] | None = None) -> Mesh:
    """The mesh that every program of a run uses.

    Devices that lie close together are neighbours on the inner axes. Slices of a multi-slice machine, between which the
    network is slow, are replicas: they share out `data` alone, which is the outermost axis.

    Raises:
      ValueError: the sizes do not multiply to the number of devices, or the slices cannot be replicas; fewer devices than there
        are were asked for, and other processes have some of them.
    """
    config = config or MeshConfig()
    if config.devices is not None:
        devices = _first(config.devices, jax.devices() if devices is None else devices)
    found = jax.devices() if devices is None else devices
    sizes = [getattr(config, axis) for axis in MESH_AXES]
    known = math.prod(size for size in sizes if size != -1)
    sizes = [len(found) // known if size == -1 else size for size in sizes]
    if math.prod(sizes) != len(found):
        stated = ", ".join(f"{axis} = {getattr(config, axis)}" for axis in MESH_AXES)
        raise ValueError(f"mesh: {stated} does not divide the {len(found)} devices there are")
    # Auto, not the default Explicit: shardings are stated at a few places and XLA propagates them from there.
    types = (AxisType.Auto,) * len(MESH_AXES)
    if (slices := len({getattr(device, "slice_index", 0) for device in found})) > 1:
        if sizes[0] % slices:
            raise ValueError(f"mesh.data = {sizes[0]}: expected a multiple of the {slices} slices, which are replicas")
        within = [sizes[0] // slices, *sizes[1:]]
        return Mesh(mesh_utils.create_hybrid_device_mesh(within, [slices, 1, 1, 1], found), MESH_AXES, axis_types=types)
    if devices is None:
        return jax.make_mesh(tuple(sizes), MESH_AXES, axis_types=types)
    return Mesh(np.asarray(found).reshape(sizes), MESH_AXES, axis_types=types)


def for_sampling(mesh: Mesh, kv_heads: int) -> Mesh:
    """The same devices for sampling: those that split parameters (`fsdp`) split heads instead, as far as there are heads.

    A parameter that is split by `fsdp` is gathered whenever it is used: of a training once a step, of sampling for every token.

    Args:
      kv_heads: of the model that samples.
    """
    data, fsdp, context, tensor = mesh.devices.shape
    if fsdp == 1:
        return mesh
    more = next(ways for ways in range(fsdp, 0, -1) if (fsdp % ways == 0 and kv_heads % (ways * tensor) == 0) or ways == 1)
    sizes = data * fsdp // more, 1, context, more * tensor
    return Mesh(mesh.devices.reshape(sizes), MESH_AXES, axis_types=(AxisType.Auto,) * len(MESH_AXES))


def for_sampling_apart(mesh: Mesh, kv_heads: int) -> tuple[Mesh, Mesh]:
    """The same devices for sampling by each process on its own, in loops that need nothing of the others.

    Parameters that lie on the first mesh are whole on every process's devices, split over them as far as training splits them
    and there are heads; those of this process are, as they lie, parameters on the second.

    Args:
      kv_heads: of the model that samples.

    Returns:
      The mesh of all, whose outermost axis goes from process to process, and this process's part of it.
    """
    own: dict[int, list[jax.Device]] = {}
    for device in mesh.devices.flatten().tolist():
        own.setdefault(device.process_index, []).append(device)
    count = len(own[jax.process_index()])
    most = min(count, math.prod(mesh.shape[axis] for axis in ("fsdp", "tensor")))
    tensor = next(ways for ways in range(most, 0, -1) if count % ways == 0 and kv_heads % ways == 0)

    def placed(devices: list[jax.Device]) -> Mesh:
        split = np.asarray(devices).reshape(len(devices) // tensor, 1, 1, tensor)
        return Mesh(split, MESH_AXES, axis_types=(AxisType.Auto,) * len(MESH_AXES))

    return placed([device for index in sorted(own) for device in own[index]]), placed(own[jax.process_index()])


def _first(count: int, devices: list[jax.Device]) -> list[jax.Device]:
    if count > len(devices):
        raise ValueError(f"mesh.devices = {count}: expected at most the {len(devices)} devices there are")
    if count < len(devices) and len({device.process_index for device in devices}) > 1:
        raise ValueError(f"mesh.devices = {count}: expected None, all {len(devices)}, where several processes work together")
    return devices[:count]


# Mesh axes of which a function that is being traced knows nothing, since it runs once for each part of them.
_apart: contextvars.ContextVar[tuple[str, ...]] = contextvars.ContextVar("apart", default=())
_PARTS = "parts"  # what `jax.vmap` calls their axis


def _names(part: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The mesh axes of an entry of the table."""
    names = (part,) if isinstance(part, str) else part or ()
    return tuple(name for name in names if name not in _apart.get())


def spec(*axes: str | None) -> PartitionSpec:
    """Logical axes, one a dimension -> PartitionSpec.

    Raises:
      ValueError: a name is not in the table, or two axes of one array would take the same mesh axis.
    """
    parts: list[str | tuple[str, ...] | None] = []
    taken: dict[str, str] = {}
    for axis in axes:
        if axis is not None and axis not in TABLE:
            raise ValueError(f"logical axis {axis!r} is unknown: expected one of {', '.join(TABLE)}")
        names = _names(TABLE[axis] if axis is not None else None)
        for name in names:
            if name in taken:
                raise ValueError(f"axes {axes}: both {taken[name]!r} and {axis!r} take the mesh axis {name!r}")
            taken[name] = str(axis)
        parts.append(names[0] if len(names) == 1 else names or None)
    return PartitionSpec(*parts)


def named(mesh: Mesh, *axes: str | None) -> NamedSharding:
    """The sharding of an array with these logical axes on a mesh."""
    return NamedSharding(mesh, spec(*axes))


def constrain(x: jax.Array, *axes: str | None) -> jax.Array:
    """States an activation's sharding inside a jitted program.

    A no-op without a mesh (`jax.set_mesh`), which is how single-device tools call the model. Along an axis that cannot be
    divided evenly nothing is: a single row is computed by all devices, and sent to none.
    """
    assert x.ndim == len(axes), f"{x.ndim} dimensions, {len(axes)} axes: {axes}"
    if jax.sharding.get_abstract_mesh().empty:
        return x
    parts = zip(x.shape, axes, spec(*axes), strict=True)
    even = (part if axis and size % ways(axis) == 0 else None for size, axis, part in parts)
    return jax.lax.with_sharding_constraint(x, PartitionSpec(*even))


def ways(axis: str, mesh: Mesh | None = None) -> int:
    """Into how many parts a mesh, or the one that is set, splits a logical axis; 1 without a mesh."""
    sizes = (mesh or jax.sharding.get_abstract_mesh()).shape
    return math.prod(sizes.get(name, 1) for name in _names(TABLE[axis]))


def sum_of_parts(axis: str, function: Callable[[Any, Any], Any], rows: Any, whole: Any = ()) -> Any:
    """function(rows, whole), run by each part of the devices that a logical axis divides on its own rows; the results' sum.

    What parts send each other is that sum, once. Of a gradient they would else send what every product adds to it.

    Inside there is an axis of parts before all others (`jax.vmap`), and `constrain` and `ways` speak of one part.

    Args:
      function: pure; a loop that ends by what is in the rows ends by the `highest` of all parts, or all is computed twice.
      rows: a tree of arrays [B, ...], each B a multiple of the parts.
      whole: a tree of arrays that all parts have.
    """
    if ways(axis) == 1:
        return function(rows, whole)
    return jax.tree.map(lambda leaf: jnp.sum(leaf, axis=0), _in_parts(axis, function, rows, whole))


def side_by_side(axis: str, function: Callable[[Any, Any], Any], rows: Any, whole: Any = ()) -> Any:
    """As `sum_of_parts`, of a function whose results are rows: those of all parts.

    So it is seen that parts need nothing of each other, where an index into all rows might lead to any.
    """
    if ways(axis) == 1:
        return function(rows, whole)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), _in_parts(axis, function, rows, whole))


def _in_parts(axis: str, function: Callable[[Any, Any], Any], rows: Any, whole: Any) -> Any:
    names, count = _names(TABLE[axis]), ways(axis)
    split = jax.tree.map(lambda leaf: leaf.reshape(count, -1, *leaf.shape[1:]), rows)
    before = _apart.set((*_apart.get(), *names))
    try:
        return jax.vmap(function, (0, None), axis_name=_PARTS, spmd_axis_name=names)(split, whole)
    finally:
        _apart.reset(before)


def in_parts() -> bool:
    """Whether what is being traced runs once for each part of the devices (`sum_of_parts`, `side_by_side`)."""
    return bool(_apart.get())


def highest(x: jax.Array) -> jax.Array:
    """The largest x of all parts, where a function runs once for each; elsewhere x itself."""
    return jax.lax.pmax(x, _PARTS) if in_parts() else x


def platform() -> str | None:
    """Of the mesh that is set ("cpu", "gpu", "tpu"), which need not be this process's own; None without a mesh."""
    device = jax.sharding.get_abstract_mesh().abstract_device
    return device.platform if device else None


def check_divides(mesh: Mesh, shape: tuple[int, ...], axes: tuple[str, ...], name: str) -> None:
    """Raises ValueError when a dimension cannot be split evenly over its mesh axes; names the parameter."""
    for size, axis, part in zip(shape, axes, spec(*axes), strict=True):
        if size % (devices := ways(axis, mesh)):
            over = f"{' x '.join(_names(part))} = {devices} devices"
            raise ValueError(f"{name}: its axis {axis!r} of {size} cannot be split over {over}")
