from __future__ import annotations

import pytest

from jorney.machine.bench.train import TrainBench, run
from jorney.model import flops
from jorney.model.presets import PRESETS
from jorney.sharding import MeshConfig

SMALL = {"model": "tiny", "rows": 8, "length": 32, "prompt": 16, "completion": 8, "steps": 1, "runs": 1, "dtype": "float32"}


@pytest.mark.parametrize("objective", ["sft", "dpo", "grpo"])
@pytest.mark.parametrize(
    "mesh", [MeshConfig(data=2, fsdp=2, tensor=2), pytest.param(MeshConfig(data=8), marks=pytest.mark.slow)]
)
def test_figures_agree_with_each_other(objective: str, mesh: MeshConfig) -> None:
    command = TrainBench(**SMALL, objective=objective, mesh=mesh)
    found = run(command)
    positions, row, read = {
        "sft": (32, flops.packed_row(32), 32),
        "dpo": (32, flops.group_row(16, 8, 2), 16),
        "grpo": (80, flops.group_row(16, 8, 8), 64),
    }[objective]
    assert found["tokens_per_second_per_chip"] * found["step_seconds"] * 8 == pytest.approx(8 * positions)
    full, causal = (flops.training(PRESETS["tiny"], row, 8, 8 * read, name) for name in ("full", "causal"))
    assert found["mfu_full"] / found["mfu_causal"] == pytest.approx(full / causal)
    peak = found["mfu_full"] ** -1 * full / found["step_seconds"] / 8
    assert found["peak"] == f"{peak / 1e12:.3g} TFLOP/s, measured on cpu"
    assert found["arguments_gb"] > 0


def test_parameters_and_moments_are_what_a_device_holds() -> None:
    """Parameters and two moments in float32, split over eight devices, and the batch."""
    found = run(TrainBench(**SMALL, mesh=MeshConfig(data=1, fsdp=8)))
    from jorney.model import params

    state = 3 * 4 * params.count(PRESETS["tiny"]) / 8
    assert found["arguments_gb"] * 1e9 == pytest.approx(state, rel=0.05)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"rows": 0}, "rows = 0: expected 1 or more"),
        ({"objective": "ppo"}, "objective = 'ppo': expected one of sft, dpo"),
        ({"rows": 3, "accumulate": 2}, "rows = 3: expected a multiple of accumulate = 2"),
    ],
)
def test_settings_out_of_range_are_named(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainBench(**fields)


def test_rows_that_the_mesh_does_not_divide_are_named() -> None:
    with pytest.raises(ValueError, match="rows = 4: expected a multiple of accumulate x data x fsdp devices"):
        run(TrainBench(**{**SMALL, "rows": 4}, mesh=MeshConfig(data=8)))
