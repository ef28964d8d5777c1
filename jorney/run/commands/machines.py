"""`jorney plan` and `jorney bench`: what programs need of a machine, and how fast they are on this one."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from jorney import config, devices, storage
from jorney.distributed import DistributedConfig, initialize, is_main
from jorney.machine.bench import machine, sample, train
from jorney.machine.bench.machine import MachineBench, of_hosts
from jorney.machine.bench.sample import SampleBench
from jorney.machine.bench.train import TrainBench
from jorney.machine.plan import plan
from jorney.machine.plan.plan import PlanConfig
from jorney.progress import Progress
from jorney.run import options
from jorney.run.command import Command, show, use_jax
from jorney.run.recipes.journey import RunConfig
from jorney.run.stage import StageCommand


@dataclasses.dataclass(frozen=True)
class PlanCommand(PlanConfig, Command):
    """What a configuration's programs need of a TPU machine: they are compiled for it, without one.

    The configuration's own options may stand beside these, as its command takes them: what is planned is what that would run.

    Attributes:
      configuration: the file that holds it.
      changes: those options.
    """

    command: ClassVar[str] = "plan"
    places: ClassVar[dict[str, str]] = {"configuration": "CONFIG.py"}

    configuration: str = ""
    changes: tuple[str, ...] = ()

    @classmethod
    def main(cls, words: Sequence[str]) -> None:
        own, others = options.of_either(cls.default(), words)
        if chosen := options.read(cls.default(), own, cls.usage(), cls.places, cls.common, cls.__doc__):
            dataclasses.replace(chosen, changes=(*chosen.changes, *others)).execute()

    def execute(self) -> None:
        made: Any = config.read(self.configuration, (StageCommand, RunConfig))
        if self.changes:
            usage = made.usage() if isinstance(made, StageCommand) else "jorney run CONFIG.py [OPTIONS]"
            made = options.read(made, self.changes, usage, {}, (), None)
        import jax

        jax.config.update("jax_platforms", "cpu")  # a TPU that is here has no part in it, and may be in use
        print(plan.run(made, self, lambda line: print(line, file=sys.stderr, flush=True)))


@dataclasses.dataclass(frozen=True)
class BenchTrainCommand(TrainBench, Command):
    """Throughput of a training step: tokens a second and chip, MFU, memory."""

    command: ClassVar[str] = "bench train"
    common = ("model", "objective", "rows", "length", "dtype", "remat", "accumulate", "mesh.fsdp", "mesh.tensor", "runs")

    def execute(self) -> None:
        devices.keep_freed_memory()
        use_jax()
        progress = Progress()
        show(train.run(self, progress.say), progress, "{:28} {}", ",.4g")


@dataclasses.dataclass(frozen=True)
class BenchAllCommand(MachineBench, Command):
    """A machine's throughput at training, decoding and growing trees, as one JSON object.

    Attributes:
      output: a file, local or gs://, that gets the object; "" prints it.
      model: of all three, in place of theirs; "" leaves them as they are.
      distributed: how the processes of several hosts find each other.
    """

    command: ClassVar[str] = "bench all"
    common = (
        *("output", "model", "train.rows", "train.length", "train.remat", "train.mesh.fsdp", "decode.rows", "trees.rows"),
        *("trees.trees", "trees.mesh.tensor", "distributed.coordinator"),
    )

    output: str = ""
    model: str = ""
    distributed: DistributedConfig = dataclasses.field(default_factory=DistributedConfig)

    @classmethod
    def default(cls) -> BenchAllCommand:
        return cls(**vars(of_hosts()))

    def execute(self) -> None:
        devices.keep_freed_memory()
        initialize(self.distributed)
        use_jax()
        progress = Progress(quiet=not is_main())
        parts = {name: getattr(self, name) for name in ("train", "decode", "trees")}
        if self.model:
            parts = {name: dataclasses.replace(part, model=self.model) for name, part in parts.items()}
        found = machine.run(MachineBench(**parts), progress.say)
        if is_main() and self.output:
            storage.write_json(self.output, found)
            progress.say(f"{self.output}: written")
        elif is_main():
            print(json.dumps(found, indent=2))


@dataclasses.dataclass(frozen=True)
class BenchSampleCommand(SampleBench, Command):
    """Throughput of growing trees: tokens and nodes a second, memory, share of the bandwidth."""

    command: ClassVar[str] = "bench sample"
    common = ("model", "rows", "trees", "prompt", "w", "dtype", "mesh.tensor")

    def execute(self) -> None:
        use_jax()
        progress = Progress()
        show(sample.run(self, progress.say), progress, "{:28} {}", ",.4g")
