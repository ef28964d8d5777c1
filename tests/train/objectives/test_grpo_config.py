"""GRPO's settings: what is refused says what to do; what counts rows and steps; which fields results depend on."""

from __future__ import annotations

import pytest

from jorney.sharding import MeshConfig, make_mesh
from jorney.train.objectives.grpo_config import GrpoConfig
from jorney.train.policy_gradient.surrogate import SurrogateConfig


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"group": 1}, "grpo.group = 1: expected 2 or more with grpo.baseline = 'mean', which compares .* 'none'"),
        ({"group": 1, "baseline": "leave_one_out"}, "expected 2 or more with grpo.baseline = 'leave_one_out'"),
        ({"group": 1, "baseline": "none"}, "expected 2 or more with grpo.scale = 'sample'.* grpo.scale = 'none' or 'batch'"),
        ({"group": 1, "baseline": "none", "scale": "population", "credit": "myopic"}, "with grpo.scale = 'population'"),
        ({"questions": 5, "updates": 2}, "grpo.questions = 5: expected a multiple of grpo.updates = 2"),
        ({"row_completions": 3}, "grpo.row_completions = 3: expected a divisor of grpo.group = 8, or None"),
        ({"row_completions": 0}, "grpo.row_completions = 0: expected 1 or more"),
        ({"accumulate": 3}, "grpo.questions = 16: expected a multiple of grpo.accumulate = 3"),
        ({"kl": "k1_reward"}, "grpo.beta = 0: expected a price above 0 with grpo.kl = 'k1_reward'"),
        (
            {"kl": "k1_reward", "beta": 0.1, "credit": "progress"},
            "grpo.credit = 'progress': expected 'outcome' or 'return' with",
        ),
        ({"reference_every": 10}, "grpo.reference_every = 10: expected 0 with grpo.beta = 0"),
        ({"overlong_cache": 2000}, "grpo.overlong_cache = 2000: expected at most grpo.completion_length = 1024"),
        ({"overlong_cache": 0}, "grpo.overlong_cache = 0: expected 1 or more"),
        ({"entropy_share": 0.0}, "grpo.entropy_share = 0.0: expected above 0, 1 at most"),
        ({"dual_clip": 1.1}, r"grpo.dual_clip = 1.1: expected 1 \+ grpo.clip_high = 1.2 or more"),
        ({"credit": "all"}, "grpo.credit = 'all': expected one of outcome"),
        ({"resample": "on"}, "grpo.resample = 'on': expected one of off, drop, until_full"),
        ({"values": "guess"}, "grpo.values = 'guess': expected one of exact, judge, rollouts"),
        ({"value_noise": 1.5}, "grpo.value_noise = 1.5: expected 0 or more, 1 at most"),
        ({"temperature": 0.0}, "grpo.temperature = 0.0: expected above 0, or all completions are the same"),
        ({"top_p": 0.0}, "grpo.top_p = 0.0"),
        ({"held_out": 0.1}, "grpo.held_out = 0.1: expected 0, since no examples are held out"),
        ({"best": True}, "grpo.best = True: expected False, since no examples are held out"),
        *(({name: 0}, f"grpo.{name} = 0: expected 1 or more") for name in GrpoConfig.counts),
    ],
)
def test_settings_that_cannot_be_are_named(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        GrpoConfig(**fields)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"group": 1, "credit": "progress"},  # compares with itself
        {"group": 1, "credit": "min"},
        {"group": 1, "baseline": "none", "scale": "none"},
        {"overlong_cache": 1024},
        {"aggregate": "constant"},
        {"kl": "k1_reward", "beta": 0.1},
    ],
)
def test_settings_that_can_be(fields: dict) -> None:
    GrpoConfig(**fields)


def test_rows_and_steps() -> None:
    config = GrpoConfig(questions=12, group=8, row_completions=2, updates=3, epochs=2, rounds=5, accumulate=8)
    assert (config.rows, config.steps, config.row_branches, config.needs_old) == (16, 30, 2, True)
    assert (GrpoConfig().rows, GrpoConfig().steps, GrpoConfig().row_branches, GrpoConfig().needs_old) == (16, 100, 8, False)
    with pytest.raises(
        ValueError, match="grpo.questions = 12, which makes 16 rows a step .*: expected a multiple of grpo.accum"
    ):
        GrpoConfig(questions=12, group=8, row_completions=2, updates=3, accumulate=3)
    mesh = make_mesh(MeshConfig(data=8))
    with pytest.raises(ValueError, match="grpo.questions = 4: expected a multiple of 8, since 8 devices split a batch"):
        GrpoConfig(questions=4).expect_split(mesh)
    GrpoConfig(questions=4, row_completions=4).expect_split(mesh)


def test_a_constant_divides_by_the_longest_completion() -> None:
    assert GrpoConfig(aggregate="constant", completion_length=300).surrogate_config.max_length == 300
    assert GrpoConfig(aggregate="constant", max_length=77).surrogate_config.max_length == 77
    found = GrpoConfig(beta=0.1, clip_high=0.28).surrogate_config
    assert found == SurrogateConfig(beta=0.1, clip_high=0.28)
    assert hash(found) == hash(GrpoConfig(beta=0.1, clip_high=0.28, rounds=3).surrogate_config)


def test_what_is_done_together_decides_nothing() -> None:
    first = GrpoConfig().decides()
    assert GrpoConfig(decode_rows=8, chunk=4, row_completions=4, patience=3).decides() == first
    assert not {"loop", "decode_rows", "chunk", "row_completions", "patience"} & first.keys()
    for fields in ({"group": 4}, {"beta": 0.1}, {"credit": "min"}, {"rewards": "format"}, {"rounds": 3}, {"temperature": 0.9}):
        assert GrpoConfig(**fields).decides() != first
