"""Collectives of compiled programs: those of a known program, counted by hand."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from jorney.machine.hlo import Traffic, collective_traffic
from jorney.sharding import MeshConfig, make_mesh


def test_a_loop_counts_as_often_as_it_runs() -> None:
    mesh = make_mesh(MeshConfig(data=1, fsdp=8))
    split, whole = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((None, "fsdp"), ()))

    def program(x: jax.Array, weights: jax.Array) -> jax.Array:
        """Five products whose sums are spread over the devices, and one more after them."""

        def one(x: jax.Array, w: jax.Array) -> tuple[jax.Array, None]:
            y = jax.lax.with_sharding_constraint(jnp.einsum("ab,bc->ac", x, w), whole)
            return jax.lax.with_sharding_constraint(jnp.tanh(y), split), None

        x, _ = jax.lax.scan(one, x, weights)
        return jax.lax.with_sharding_constraint(x, whole)

    x = jax.ShapeDtypeStruct((16, 64), jnp.float32, sharding=split)
    w = jax.ShapeDtypeStruct((5, 64, 64), jnp.float32, sharding=NamedSharding(mesh, PartitionSpec(None, "fsdp")))
    with jax.set_mesh(mesh):
        text = jax.jit(program).lower(x, w).compile().as_text()
    found = collective_traffic(text)
    assert found["all-reduce"].count == 5
    assert found["all-reduce"].bytes == pytest.approx(5 * 2 * 7 / 8 * 16 * 64 * 4)
    assert found["all-gather"].count == 1
    assert found["all-gather"].bytes == pytest.approx(7 / 8 * 16 * 64 * 4)


TPU = """HloModule jit_step

%body (p: (s32[], bf16[8,128])) -> (s32[], bf16[8,128]) {
  %ag = bf16[64,128]{1,0:T(8,128)(2,1)} all-gather(%x), channel_id=7, replica_groups=mesh['a'=8] {'a'}, dimensions={0}
  %rs = f32[8,128]{1,0} reduce-scatter(%y), channel_id=8, replica_groups={{0,1,2,3,4,5,6,7}}, dimensions={0}, to_apply=%add
  %cp = (bf16[8,128]{1,0}, bf16[8,128]{1,0}, u32[]) collective-permute-start(%x), channel_id=9, source_target_pairs={{0,1}}
}

%again (p: bf16[8,128]) -> bf16[64,128] {
  %ag.2 = bf16[64,128]{1,0:T(8,128)(2,1)} all-gather(%x), channel_id=7, replica_groups=mesh['a'=8] {'a'}, dimensions={0}
}

%condition (p: (s32[], bf16[8,128])) -> pred[] {
  %limit = s32[]{:T(128)} constant(30)
}

%open (p: (s32[], bf16[8,128])) -> pred[] {
  %less = pred[] compare(%a, %b), direction=LT
}

ENTRY %main (p: bf16[8,128]) -> bf16[8,128] {
  %loop = (s32[], bf16[8,128]) while(%init), condition=%condition, body=%body
  %other = (s32[], bf16[8,128]) while(%init), condition=%open, body=%second
  %same = bf16[64,128]{1,0} fusion(%x), kind=kCustom, calls=%again
}

%second (p: (s32[], bf16[8,128])) -> (s32[], bf16[8,128]) {
  %ar = f32[256]{0} all-reduce(%y), channel_id=10, replica_groups=[2,4]<=[8], to_apply=%add
}
"""


def test_as_tpus_programs_are_written() -> None:
    """Loops by their condition's limit, or as often as is said; a collective in several fusions once."""
    found = {kind: (one.count, one.bytes) for kind, one in collective_traffic(TPU, unknown_trips=4).items()}
    assert found == {
        "all-gather": (30, 30 * 7 / 8 * 64 * 128 * 2),
        "reduce-scatter": (30, 30 * 7 * 8 * 128 * 4),
        "collective-permute": (30, 30 * 8 * 128 * 2),
        "all-reduce": (4, 4 * 2 * 3 / 4 * 256 * 4),
    }


OFFLOADED = """HloModule jit_step

%called (p: bf16[2,128]) -> bf16[16,128] {
  ROOT %ag = bf16[16,128]{1,0} all-gather(%p), channel_id=1, replica_groups=mesh['data'=1,'fsdp'=8,'tensor'=1] {'fsdp'}
}, execution_thread="sparsecore"

ENTRY %main (p: bf16[2,128]) -> bf16[16,128] {
  %start = ((), (), (s32[64]{0})) custom-call-start(), custom_call_target="collective", called_computations={%called}
  %update = ((bf16[2,128]{1,0}), bf16[16,128]{1,0}) custom-call-update(%start, %p)
  ROOT %done = bf16[16,128]{1,0} custom-call-done(%update)
}
"""


def test_collectives_of_another_core() -> None:
    """TPU7x gives them to its SparseCores: they stand in computations that a call starts."""
    assert collective_traffic(OFFLOADED) == {"all-gather": Traffic(1, 7 / 8 * 16 * 128 * 2)}


@pytest.mark.parametrize(
    ("groups", "ways"),
    [
        ("{{0,1,2,3},{4,5,6,7}}", 4),
        ("[4,2]<=[8]", 2),
        ("mesh['a'=8] {'a'}", 8),
        ("mesh['data'=4,'fsdp'=2,'tensor'=1] {'data'}", 4),
        ("mesh['data'=4,'fsdp'=2,'tensor'=1] {'data','fsdp'}", 8),
        ("mesh['data'=2,'fsdp'=8] {'fsdp':(2)4}", 4),
        ("mesh['a'=2,'b'=4], device_ids=([4,2]T(1,0)) {'b'}", 4),
    ],
)
def test_how_many_chips_take_part(groups: str, ways: int) -> None:
    line = f"  %ag = f32[64]{{0}} all-gather(%x), channel_id=1, replica_groups={groups}, dimensions={{0}}"
    text = f"ENTRY %main (p: f32[8]) -> f32[64] {{\n{line}\n}}\n"
    assert collective_traffic(text)["all-gather"].bytes == pytest.approx((ways - 1) / ways * 64 * 4)
