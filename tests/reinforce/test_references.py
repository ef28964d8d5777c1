"""The reference: the model that training starts from, or the policy of some rounds ago, wherever a training goes on."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest

import jorney
from jorney.batch.groups import Group, Trajectory, lay_out_groups
from jorney.compiled import Compilations
from jorney.model import lora as adapters
from jorney.model.lora import LoraConfig
from jorney.reinforce.references import References
from jorney.train.loop import LoopConfig
from jorney.train.objectives.grpo import GrpoConfig

CONFIG = GrpoConfig(questions=1, group=2, beta=0.1, reference_every=3, prompt_length=8, completion_length=8)
ONE = Trajectory((5, 6, 7), (0.0,) * 3)
ROWS = lay_out_groups([Group((1, 2, 3), (ONE, ONE))], 2, 1, 8, 8)


@pytest.fixture(scope="module")
def policy(mesh1):
    return jorney.load(mesh=mesh1)


def moved(params, by: float):
    return jax.tree.map(lambda leaf: leaf + by, params)


def read(references: References) -> np.ndarray:
    return references.read_reference(ROWS)


def test_it_is_the_start_until_its_time_comes(policy, tmp_path) -> None:
    references = References(policy, CONFIG, tmp_path, Compilations())
    start, later = read(references), moved(policy.params, 0.01)
    np.testing.assert_array_equal(start, references.read_policy(ROWS, policy.params, None)[0])
    for number in range(3):
        references.at(number, later, None)
        np.testing.assert_array_equal(read(references), start)
    references.at(3, later, None)
    replaced = read(references)
    np.testing.assert_array_equal(replaced, references.read_policy(ROWS, later, None)[0])
    assert np.abs(replaced - start).max() > 1e-3
    references.at(4, moved(policy.params, 0.02), None)
    np.testing.assert_array_equal(read(references), replaced)


def test_a_training_that_goes_on_finds_it(policy, tmp_path) -> None:
    """From before it was replaced, from the midst of its round, and from a later one."""
    compilations = Compilations()
    first = References(policy, CONFIG, tmp_path, compilations)
    found = {}
    for number in range(8):
        first.at(number, moved(policy.params, 0.001 * number), None)
        found[number] = read(first)
    for number in (4, 5, 6, 7):  # the newest two are there: of rounds 3 and 6
        again = References(policy, CONFIG, tmp_path, compilations)
        again.at(number, moved(policy.params, 0.5), None)  # whatever the policy is by now, amid the round
        np.testing.assert_array_equal(read(again), found[number])


def test_as_many_stay_as_lie_between_two_checkpoints(policy, tmp_path) -> None:
    """Replaced in every second round, and saved after five: a training may go on from two references ago."""
    config = dataclasses.replace(CONFIG, reference_every=2, loop=LoopConfig(save_every=5))
    compilations = Compilations()
    first, found = References(policy, config, tmp_path, compilations), {}
    for number in range(10):
        first.at(number, moved(policy.params, 0.001 * number), None)
        found[number] = read(first)
    for number in (5, 6, 7, 8, 9):
        again = References(policy, config, tmp_path, compilations)
        again.at(number, moved(policy.params, 0.5), None)
        np.testing.assert_array_equal(read(again), found[number])
    lost = References(policy, dataclasses.replace(config, loop=LoopConfig(save_every=1)), tmp_path / "other", compilations)
    with pytest.raises(ValueError, match="the reference of round 4 is gone"):
        lost.at(5, policy.params, None)


def test_without_a_price_there_is_none(policy, tmp_path) -> None:
    references = References(policy, GrpoConfig(), tmp_path, Compilations())
    assert not references.needed
    references.at(50, policy.params, None)
    assert not any(tmp_path.iterdir())


def test_of_adapters_the_base_is_the_reference_and_is_not_copied(policy, tmp_path) -> None:
    lora = LoraConfig(rank=2)
    config = GrpoConfig(questions=1, group=2, beta=0.1, prompt_length=8, completion_length=8, lora=lora)
    references = References(policy, config, tmp_path, Compilations())
    assert references._params is policy.params
    trained = adapters.init(policy.config, lora, policy.params, policy.mesh, 0)
    np.testing.assert_allclose(references.read_policy(ROWS, trained, policy.params)[0], read(references), atol=1e-6)
