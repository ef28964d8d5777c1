"""How engines that live together share the memory of devices: by arithmetic alone, no program is compiled."""

from __future__ import annotations

import dataclasses
import re

import pytest

from jorney.engine.memory import Memory, Tenant, share_out, token_bytes, weight_bytes
from jorney.engine.programs import Shape, Work
from jorney.judge.reward_model import held_work
from jorney.sharding import MeshConfig, make_mesh

WORK = Work(problems=16, rows=4, chunk=8, texts=4, needed=100, wanted=600)


@pytest.fixture(scope="module")
def tenants(tiny) -> list[Tenant]:
    mesh = make_mesh(MeshConfig(data=4, tensor=2))
    config = dataclasses.replace(tiny, positions=4096)
    policy = Tenant("policy", config, "float32", mesh, WORK, prompt=20)
    return [policy, dataclasses.replace(policy, name="judge", work=held_work(16, 120), prompt=0)]


def taken(tenants: list[Tenant], shapes: list[Shape]) -> float:
    return sum(tenant.cache(shape) for tenant, shape in zip(tenants, shapes, strict=True))


def test_bytes_by_hand(tenants, tiny) -> None:
    policy = tenants[0]
    assert (
        token_bytes(tiny, "float32", policy.mesh) == 2 * 2 * 4 * 8 * 4 / 2
    )  # both, layers, heads, dimensions, bytes; two ways
    # Of 16 problems a device has 4; each slot has a place, and what all share lies on every device.
    assert policy.cache(Shape(16, 4, 96, 8, 4, shared=32)) == 4 * 96 * (256 + 4) + 32 * 256
    assert policy.least == 120 * (256 + 4)
    whole = 4 * (2 * 72 * 32 + 2 * (32 * 8 * (8 + 4 + 4 + 8) + 3 * 32 * 64))
    assert weight_bytes(tiny, "float32", policy.mesh) == whole / 2 + 4 * (2 * 2 * 32 + 32)  # norms are everywhere


def test_with_room_for_all_everyone_has_what_it_wants(tenants) -> None:
    shapes = share_out(tenants, Memory(1e9, {"weights": 5e8}), lambda tenant, shape: 0)
    assert shapes == [Shape(16, 4, 768, 8, 4, ways=4), Shape(16, 1, 256, 1, 1, ways=4)]


def test_what_programs_need_is_taken_from_the_caches(tenants) -> None:
    """As much as leaves them room, and from the policy's first: the judge keeps half of what is shared."""
    asked: list[tuple[str, Shape]] = []

    def temporaries(tenant: Tenant, shape: Shape) -> float:
        asked.append((tenant.name, shape))
        return 300_000 + shape.problems

    memory = Memory(1_000_000, {"weights": 300_000})
    shapes = share_out(tenants, memory, temporaries)
    assert 0.9 * 400_000 < taken(tenants, shapes) <= 400_000 - max(shape.problems for shape in shapes)
    assert len(asked) == 4  # a share of 80% was too much; the second was not
    wanted = share_out(tenants, Memory(1e9, {}), lambda tenant, shape: 0)
    assert all(shape.tokens <= other.tokens for shape, other in zip(shapes, wanted, strict=True))
    assert tenants[1].cache(shapes[1]) <= tenants[1].least + 200_000
    alone = share_out(tenants[:1], memory, temporaries)
    assert tenants[0].cache(alone[0]) > tenants[0].cache(shapes[0])


def test_the_least_is_accepted_and_a_byte_less_is_refused_with_all_parts(tenants) -> None:
    held = {"the policy's weights": 1000, "other arrays": 0.0}
    least = sum(tenant.least for tenant in tenants)
    shapes = share_out(tenants, Memory(1000 + least + 5000, held), lambda tenant, shape: 5000)
    assert [shape.problems for shape in shapes] == [4, 4]
    assert taken(tenants, shapes) == least
    message = (
        f"memory: a device has {1000 + least + 4999:,.0f} bytes: expected at least {1000 + least + 5000:,.0f} "
        "(the policy's weights 1,000, the policy's cache 31,200, the judge's cache 31,200, temporaries of programs 5,000); "
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        share_out(tenants, Memory(1000 + least + 4999, held), lambda tenant, shape: 5000)


def test_no_memory_is_shared_out_twice(tenants) -> None:
    """Whatever there is, and whatever programs need: all of it together fits, or nothing is begun."""
    for limit in range(80_000, 1_600_000, 70_001):
        for working in (1_000, 40_000, 400_000):
            memory = Memory(limit, {"weights": 10_000})
            try:
                shapes = share_out(tenants, memory, lambda tenant, shape, working=working: working)
            except ValueError:
                assert 10_000 + sum(tenant.least for tenant in tenants) + working > limit
                continue
            assert 10_000 + taken(tenants, shapes) + working <= limit
