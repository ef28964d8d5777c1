"""`jorney bench all`: what a machine does at training, decoding and growing trees, in one object."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Callable
from typing import Any

import jax

from jorney import __version__, devices, distributed, sharding
from jorney.machine.bench import sample, train
from jorney.machine.bench.sample import SampleBench
from jorney.machine.bench.train import TrainBench
from jorney.sharding import MeshConfig
from jorney.train.provenance import revision, versions

_LONGEST = 3600  # seconds that the other hosts wait for the first
_ALSO = ("libtpu", "jax-cuda13-plugin")  # what drives the chip, where it is here


@dataclasses.dataclass(frozen=True)
class MachineBench:
    """What is measured: all hosts train together; the first samples by itself, over its own chips.

    Attributes:
      train: a training's step.
      decode: completions of single prompts, one row each.
      trees: trees.
    """

    train: TrainBench = dataclasses.field(default_factory=TrainBench)
    decode: SampleBench = dataclasses.field(default_factory=lambda: SampleBench(w=1, keep=1, depth=1, problem_rows=1))
    trees: SampleBench = dataclasses.field(default_factory=SampleBench)


def run(command: MachineBench, say: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Measures; of several processes each calls it.

    Returns:
      chip, chips, hosts; versions; and for `train`, `decode` and `trees` what was asked ("asked") beside the figures of
      `bench.train` and `bench.sample`: tokens_per_second_per_chip, MFU, and at_most, the rate that the plan's bounds allow.
      All of it in process 0.

    Raises:
      FileNotFoundError, ValueError: what is wrong with a model, a mesh or the cache.
    """
    found = jax.devices()
    about = {
        "chip": found[0].device_kind,
        "chips": devices.chips(found),
        "hosts": jax.process_count(),
        "versions": {"jorney": __version__, "git": revision(), **versions(), **_drivers()},
    }
    say("train")
    results = {"train": train.run(command.train, say)}
    if distributed.is_main():  # every host would measure the same
        for name, bench in (("decode", command.decode), ("trees", command.trees)):
            say(name)
            results[name] = sample.run(bench, say, sharding.make_mesh(bench.mesh, jax.local_devices()))
    distributed.barrier("bench", _LONGEST)
    asked = {name: dataclasses.asdict(getattr(command, name)) for name in results}
    return {**about, **{name: {"asked": asked[name], **figures} for name, figures in results.items()}}


def of_hosts() -> MachineBench:
    """What `jorney bench all` measures unless it is told otherwise: all chips share the training's parameters."""
    spread, split = MeshConfig(data=1, fsdp=-1), MeshConfig(data=1, tensor=-1)
    plain = MachineBench()
    return MachineBench(
        dataclasses.replace(plain.train, mesh=spread, remat="full"),
        dataclasses.replace(plain.decode, mesh=split),
        dataclasses.replace(plain.trees, mesh=split),
    )


def _drivers() -> dict[str, str]:
    known = {}
    for name in _ALSO:
        try:
            known[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return known
