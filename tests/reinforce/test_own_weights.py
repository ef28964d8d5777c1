"""The weights change places: whole on a process's devices, the same numbers, and nothing that training still needs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jorney
from jorney import sharding
from jorney.compiled import Compilations
from jorney.engine.generate import Generator, SamplingConfig
from jorney.model import lora as adapters
from jorney.model.lora import LoraConfig
from jorney.model.params import param_shardings
from jorney.reinforce.own_weights import OwnWeights, moved_bytes
from jorney.sharding import MeshConfig, make_mesh

NONE = LoraConfig()


@pytest.fixture(scope="module")
def split():
    return jorney.load(mesh=MeshConfig(data=2, fsdp=4))


def same(one, other) -> bool:
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    return all(bool(np.array_equal(np.asarray(a), np.asarray(b))) for a, b in pairs)


def test_they_are_the_same_numbers_and_arrays_of_their_own(split) -> None:
    weights = OwnWeights(split, NONE, Compilations())
    own = weights.policy(split.params)
    assert same(own.params, split.params)
    assert own.mesh is weights.own
    for leaf in jax.tree.leaves(own.params):
        leaf.delete()  # the sampler gives them away
    assert not any(leaf.is_deleted() for leaf in jax.tree.leaves(split.params))


@pytest.mark.parametrize(
    ("mesh", "heads", "shape"),
    [
        (MeshConfig(data=8), 8, (8, 1, 1, 1)),  # whole on every device in training: so it is in sampling
        (MeshConfig(data=1, fsdp=8), 8, (1, 1, 1, 8)),
        (MeshConfig(data=1, fsdp=8), 4, (2, 1, 1, 4)),  # as far as there are heads
        (MeshConfig(data=2, fsdp=4), 8, (2, 1, 1, 4)),
        (MeshConfig(data=2, fsdp=2, tensor=2), 3, (8, 1, 1, 1)),
    ],
)
def test_devices_split_heads_as_far_as_training_splits_weights(mesh, heads, shape) -> None:
    everywhere, own = sharding.for_sampling_apart(make_mesh(mesh), heads)
    assert own.devices.shape == everywhere.devices.shape == shape
    assert set(own.devices.flatten()) == set(jax.devices())


def test_devices_of_a_process_stand_side_by_side(monkeypatch) -> None:
    """Of two processes with four devices each, whatever the order in which training has them."""

    class Device:
        def __init__(self, number: int) -> None:
            self.id, self.process_index = number, number % 2

    devices = np.array([Device(number) for number in range(8)]).reshape(1, 8, 1, 1)
    mesh = type("FakeMesh", (), {"devices": devices, "shape": {"fsdp": 8, "tensor": 1}})()
    monkeypatch.setattr(sharding, "Mesh", lambda found, *_, **__: found)
    monkeypatch.setattr(jax, "process_index", lambda: 1)
    everywhere, own = sharding.for_sampling_apart(mesh, 4)
    assert [[one.process_index for one in row.flatten()] for row in everywhere] == [[0] * 4, [1] * 4]
    assert [one.id for one in own.flatten()] == [1, 3, 5, 7]


def test_adapters_are_merged(split) -> None:
    lora = LoraConfig(rank=2)
    base = split.params
    trained = adapters.init(split.config, lora, base, split.mesh, 0)
    trained = jax.tree.map(lambda leaf: jnp.full_like(leaf, 0.01), trained)
    own = OwnWeights(split, lora, Compilations()).policy(trained, base)
    assert same(own.params, adapters.merged(adapters.join(base, trained, lora.scale)))
    assert own.lora is None


def test_a_policy_on_its_own_devices_writes_what_one_on_all_writes(split) -> None:
    sampling = SamplingConfig(w=2, max_tokens=12, temperature=1.0, top_p=1.0)
    prompts = ["Question:\nUse 1, 2, 3", "Use 4, 5"]
    here = Generator(OwnWeights(split, NONE, Compilations()).policy(split.params)).generate(prompts, sampling)
    there = jorney.generate(jorney.load(), prompts, sampling)
    assert [[one.tokens for one in own] for own in here] == [[one.tokens for one in own] for own in there]


def test_bytes_that_move(split) -> None:
    """By hand: of a matrix [128, 4, 32] that fsdp splits by its first axis a device keeps the part of its own heads."""
    config = split.config
    layers, D, mlp, V = config.layers, config.embed, config.mlp, config.vocab_size
    turned = layers * (4 * D * D + 3 * D * mlp) + V * D  # a quarter before, another quarter after, a sixteenth of both
    assert param_shardings(config, split.mesh)["final_norm"].spec == jax.sharding.PartitionSpec(None)
    assert moved_bytes(config, jnp.bfloat16, split.mesh) == 2 * (turned / 4 - turned / 16)
    assert moved_bytes(config, jnp.float32, make_mesh(MeshConfig(data=8))) == 0
