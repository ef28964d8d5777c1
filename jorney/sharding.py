"""Where arrays live: the mesh, and the one table from logical axes to mesh axes."""

from __future__ import annotations

import dataclasses
import math

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jorney.config import expect, expect_at_least

MESH_AXES = ("data", "fsdp", "context", "tensor")

# Logical axis -> mesh axes. Parameters are split along `weight_embed` (fully sharded data parallel) and along the axes
# that tensor parallelism splits; activations along their batch.
TABLE: dict[str, str | tuple[str, ...] | None] = {
    # activations
    "batch": ("data", "fsdp"),
    "length": "context",
    "embed": None,
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
    """

    data: int = -1
    fsdp: int = 1
    context: int = 1
    tensor: int = 1
    devices: int | None = None

    def __post_init__(self) -> None:
        expect(lambda size: size >= 1 or size == -1, "1 or more, or -1 for what is left", self, "mesh", *MESH_AXES)
        sizes = {axis: getattr(self, axis) for axis in MESH_AXES}
        if list(sizes.values()).count(-1) > 1:
            raise ValueError(f"mesh = {sizes}: expected at most one -1")
        expect(lambda size: size == 1, "1 (sequence parallelism is not built yet)", self, "mesh", "context")
        expect_at_least(1, self, "mesh", "devices", none="None for all")


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


def _first(count: int, devices: list[jax.Device]) -> list[jax.Device]:
    if count > len(devices):
        raise ValueError(f"mesh.devices = {count}: expected at most the {len(devices)} devices there are")
    if count < len(devices) and len({device.process_index for device in devices}) > 1:
        raise ValueError(f"mesh.devices = {count}: expected None, all {len(devices)}, where several processes work together")
    return devices[:count]


def _names(part: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """The mesh axes of an entry of the table."""
    return (part,) if isinstance(part, str) else part or ()


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
        part = TABLE[axis] if axis is not None else None
        for name in _names(part):
            if name in taken:
                raise ValueError(f"axes {axes}: both {taken[name]!r} and {axis!r} take the mesh axis {name!r}")
            taken[name] = str(axis)
        parts.append(part)
    return PartitionSpec(*parts)


def named(mesh: Mesh, *axes: str | None) -> NamedSharding:
    """The sharding of an array with these logical axes on a mesh."""
    return NamedSharding(mesh, spec(*axes))


def constrain(x: jax.Array, *axes: str | None) -> jax.Array:
    """States an activation's sharding inside a jitted program.

    A no-op without a mesh (`jax.set_mesh`), which is how single-device tools call the model.
    """
    assert x.ndim == len(axes), f"{x.ndim} dimensions, {len(axes)} axes: {axes}"
    if jax.sharding.get_abstract_mesh().empty:
        return x
    return jax.lax.with_sharding_constraint(x, spec(*axes))


def ways(axis: str, mesh: Mesh | None = None) -> int:
    """Into how many parts a mesh, or the one that is set, splits a logical axis; 1 without a mesh."""
    sizes = (mesh or jax.sharding.get_abstract_mesh()).shape
    return math.prod(sizes.get(name, 1) for name in _names(TABLE[axis]))


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
