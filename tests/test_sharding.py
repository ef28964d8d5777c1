from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, PartitionSpec

from jorney import sharding
from jorney.sharding import MeshConfig, make_mesh


def test_minus_one_takes_what_is_left() -> None:
    mesh = make_mesh(MeshConfig(data=-1, fsdp=2, tensor=2))
    assert dict(mesh.shape) == {"data": 2, "fsdp": 2, "context": 1, "tensor": 2}
    assert set(mesh.axis_types) == {AxisType.Auto}


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"data": 3}, "data = 3, .* does not divide the 8 devices"),
        ({"tensor": 0}, "mesh.tensor = 0"),
        ({"data": -1, "fsdp": -1}, "at most one -1"),
        ({"context": 2}, "mesh.context = 2"),
        ({"devices": 0}, "mesh.devices = 0: expected 1 or more"),
        ({"devices": 9}, "mesh.devices = 9: expected at most the 8 devices there are"),
        ({"devices": 4, "data": 8}, "data = 8, .* does not divide the 4 devices"),
    ],
)
def test_sizes_that_do_not_fit_are_named(sizes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_mesh(MeshConfig(**sizes))


def test_fewer_devices_are_the_first_ones() -> None:
    mesh = make_mesh(MeshConfig(devices=2, tensor=2))
    assert mesh.devices.ravel().tolist() == jax.devices()[:2]
    assert dict(mesh.shape) == {"data": 1, "fsdp": 1, "context": 1, "tensor": 2}


def test_spec_follows_the_table() -> None:
    assert sharding.spec("batch", "length", "embed") == PartitionSpec(("data", "fsdp"), "context", None)
    assert sharding.spec("layers", "weight_embed", "mlp") == PartitionSpec(None, "fsdp", "tensor")


def test_unknown_axes_and_collisions_are_refused() -> None:
    with pytest.raises(ValueError, match="logical axis 'bacth' is unknown"):
        sharding.spec("bacth")
    with pytest.raises(ValueError, match=r"both 'batch' and 'weight_embed' take the mesh axis 'fsdp'"):
        sharding.spec("batch", "weight_embed")


def test_constrain_shards_under_a_mesh() -> None:
    mesh = make_mesh(MeshConfig(data=4, tensor=2))
    with jax.set_mesh(mesh):
        out = jax.jit(lambda x: sharding.constrain(x * 1, "batch", "length", "mlp"))(jnp.ones((8, 3, 4)))
    assert out.addressable_shards[0].data.shape == (2, 3, 2)
    assert sharding.constrain(jnp.ones((2, 3)), "batch", "length").shape == (2, 3)


@dataclasses.dataclass(frozen=True)
class Device:
    """What is asked of a device when it is given its place."""

    id: int
    slice_index: int
    process_index: int
    platform: str = "cpu"
    device_kind: str = "cpu"


def _slices(count: int, each: int) -> list[Device]:
    """Devices of a multi-slice machine, in no order."""
    listed = [Device(i, i % count, i % count) for i in range(count * each)]
    return [*listed[1::2], *listed[::2]]


def test_slices_are_replicas_on_the_outermost_axis() -> None:
    mesh = make_mesh(MeshConfig(data=-1, fsdp=2, tensor=2), _slices(2, 8))
    assert dict(mesh.shape) == {"data": 4, "fsdp": 2, "context": 1, "tensor": 2}
    for replica in range(4):  # the first slice's replicas, then the second's: none spans both
        assert {device.slice_index for device in mesh.devices[replica].flatten()} == {replica // 2}


def test_a_replica_that_would_span_slices_is_refused() -> None:
    with pytest.raises(ValueError, match="mesh.data = 1: expected a multiple of the 2 slices, which are replicas"):
        make_mesh(MeshConfig(data=1, fsdp=-1), _slices(2, 8))


@pytest.mark.parametrize(
    ("sizes", "kv_heads", "expected"),
    [
        ({"data": 1, "fsdp": 8}, 32, (1, 1, 1, 8)),
        ({"data": 1, "fsdp": 8}, 4, (2, 1, 1, 4)),
        ({"data": 2, "fsdp": 2, "tensor": 2}, 4, (2, 1, 1, 4)),
        ({"data": 2, "fsdp": 2, "tensor": 2}, 2, (4, 1, 1, 2)),
        ({"data": 1, "fsdp": 8}, 3, (8, 1, 1, 1)),
        ({"data": 4, "tensor": 2}, 2, (4, 1, 1, 2)),
    ],
)
def test_what_splits_parameters_splits_heads_when_it_samples(sizes: dict, kv_heads: int, expected: tuple) -> None:
    mesh = make_mesh(MeshConfig(**sizes))
    found = sharding.for_sampling(mesh, kv_heads)
    assert found.devices.shape == expected
    assert found.devices.flatten().tolist() == mesh.devices.flatten().tolist()
    assert found.axis_names == mesh.axis_names


def test_replicas_add_up_their_own_rows_first() -> None:
    """Inside, shardings are those of one replica, and a loop of data-dependent length runs as often in all of them."""
    mesh = make_mesh(MeshConfig(data=2, fsdp=4))
    seen = []

    def added(rows: jax.Array, factor: jax.Array) -> tuple[jax.Array, jax.Array]:
        seen.append((sharding.ways("batch"), sharding.ways("replica"), sharding.spec("batch")))
        times = sharding.highest(jnp.max(rows))
        return jax.lax.fori_loop(0, times, lambda _, total: total + jnp.sum(rows), 0) * factor, times

    def run(rows: jax.Array) -> tuple[jax.Array, jax.Array]:
        return sharding.sum_of_parts("replica", added, rows, jnp.int32(3))

    rows = jnp.arange(8, dtype=jnp.int32)
    assert run(rows)[0] == 3 * 7 * 28  # without a mesh: the function itself
    assert seen.pop() == (1, 1, PartitionSpec(("data", "fsdp")))
    with jax.set_mesh(mesh):
        total, times = jax.jit(run)(rows)
    assert (int(total), int(times)) == (3 * 7 * 28, 2 * 7)
    assert seen == [(4, 1, PartitionSpec("fsdp"))]
    assert sharding.spec("batch") == PartitionSpec(("data", "fsdp"))
