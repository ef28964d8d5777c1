from __future__ import annotations

import pytest

from jorney.machine.bench import sample
from jorney.machine.bench.sample import SampleBench, run
from jorney.model import params as parameters
from jorney.model.presets import PRESETS
from jorney.sharding import MeshConfig

SMALL = {"model": "tiny", "trees": 5, "prompt": 24, "step_tokens": 12, "keep": 2, "rows": 8, "runs": 1, "dtype": "float32"}
ONE = MeshConfig(data=1)


def test_figures_agree_with_each_other(monkeypatch) -> None:
    monkeypatch.setattr(sample, "memory_bandwidth", lambda: 1e9)
    monkeypatch.setattr(sample.sharding, "make_mesh", one_device(sample.sharding.make_mesh))
    found = run(SampleBench(**SMALL, shared=16))
    model = PRESETS["tiny"]
    shape = SampleBench(**SMALL, shared=16).shape(model, sample.sharding.make_mesh())
    cached = 2 * model.layers * model.kv_heads * model.head_dim * 4 * (shape.problems * shape.slots + 16)
    assert found["cache_gb"] * 1e9 == cached
    assert found["step_gb"] * 1e9 == 4 * parameters.count(model) + cached
    assert found["of_bandwidth"] == pytest.approx(found["step_gb"] / found["step_seconds"])
    nodes = 5 * (4 + 8 + 8)
    assert found["tokens_per_second_per_chip"] / found["nodes_per_second"] == pytest.approx(7.5, rel=0.2)  # 3 to 12 a step
    assert found["nodes_per_second"] < nodes / found["step_seconds"]
    assert 0.4 < found["occupancy"] < 1
    assert 0.8 < found["writes_per_token"] <= 1.0
    assert found["compilations"] <= 5


def one_device(make):
    import jax

    return lambda config=None: make(devices=jax.devices()[:1])


@pytest.mark.slow
def test_on_eight_devices() -> None:
    found = run(SampleBench(**{**SMALL, "trees": 4, "rows": 16}, mesh=MeshConfig(data=2, fsdp=2, tensor=2)))
    assert found["writes_per_token"] <= 1.0


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"keep": 0}, "keep = 0: expected 1 or more"),
        ({"shared": 24}, "shared = 24: expected below prompt = 24"),
        ({"dtype": "int8"}, "dtype = 'int8': expected one of"),
        ({"cache_tokens": 10}, "cache_tokens = 10: expected at least 512, what one problem on each of 8 devices needs"),
    ],
)
def test_settings_out_of_range_are_named(fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(SampleBench(**{**SMALL, **fields}))
