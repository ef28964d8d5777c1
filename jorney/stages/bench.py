"""What stages share: the run's folder, its progress, its mesh and its compiled programs. A stage is planned, then run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jorney import storage
from jorney.compiled import Compilations
from jorney.data.steps import FORMATS
from jorney.policy import Policy, load
from jorney.progress import Progress
from jorney.sample.generate import bucket
from jorney.sharding import MeshConfig, make_mesh
from jorney.stage import Done, Stages

DTYPES = ("float32", "bfloat16")


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that stages read.

    Attributes:
      folder: what `jorney.load` takes.
      key: what its content is known by: a digest of the folder, or the key of the stage that trained it.
    """

    folder: str
    key: str


@dataclasses.dataclass(frozen=True)
class Stage:
    """A stage that is planned: where its output will lie is known before it runs.

    Attributes:
      name: unique within a run.
      reads: everything the output depends on (JSON values).
      work: called with the stage's folder; returns JSON values.
      detail: a few words on what there is to do.
      key, folder: of the output.
      programs: labels of the programs that it runs, to count ahead what will be compiled.
    """

    name: str
    reads: Any
    work: Callable[[storage.Path], Any]
    detail: str
    key: str
    folder: storage.Path
    programs: frozenset[str] = frozenset()

    @property
    def model(self) -> Model:
        """The model that it trains."""
        return Model(os.fspath(self.folder / "model"), self.key)


class Bench:
    """Where stages are planned and run.

    Args:
      output: folder of the run, local or gs://.
      dtype: of the computation; parameters are loaded in float32.
      step_format: a key of `data.steps.FORMATS`.
      seed: of everything random.
    """

    def __init__(self, output: str, mesh: MeshConfig, dtype: str, step_format: str, seed: int, progress: Progress) -> None:
        self.progress = progress
        self.mesh = make_mesh(mesh)
        self.dtype, self.seed = dtype, seed
        self.format = FORMATS[step_format]
        self.compilations = Compilations(announce=progress.announce)
        self._stages = Stages(output, progress)
        self._loaded: tuple[Model, Policy] | None = None

    def plan(
        self,
        name: str,
        reads: Sequence[Any],
        work: Callable[[storage.Path], Any],
        detail: str = "",
        programs: Sequence[str] = (),
    ) -> Stage:
        """A stage that reads `reads`, and, as every stage, the step format, the dtype and the seed."""
        everything = [*reads, self.format, self.dtype, self.seed]
        key, folder = self._stages.key(name, everything), self._stages.folder(name, everything)
        return Stage(name, everything, work, detail, key, folder, frozenset(programs))

    def expect(self, stages: Sequence[Stage]) -> None:
        """Counts what the stages that are not complete will compile."""
        waiting = [stage for stage in stages if not self._stages.complete(stage.name, stage.reads)]
        self.compilations.expected = len({program for stage in waiting for program in stage.programs})

    def run(self, stage: Stage) -> Done:
        """Runs a stage, or takes it as it stands where it is complete."""
        return self._stages.run(stage.name, stage.reads, stage.work, stage.detail)

    def load(self, model: Model) -> Policy:
        """The model on the mesh; the one loaded last is kept."""
        if self._loaded is None or self._loaded[0] != model:
            self._loaded = None  # two at once may not fit
            self._loaded = model, load(model.folder, mesh=self.mesh, dtype=self.dtype, param_dtype="float32")
        return self._loaded[1]

    def load_beside(self, model: Model) -> Policy:
        """The model on the mesh, beside the one that `load` keeps: a judge beside its policy."""
        return load(model.folder, mesh=self.mesh, dtype=self.dtype)


def generation(rows: int, w: int, tokens: int, chunk: int) -> list[str]:
    """Labels of the programs that sample `w` completions a prompt of up to `tokens` tokens; prompts of one bucket."""
    shape = f"{rows // w} x {w} x {bucket(tokens)}"
    return [f"prefill {shape}", f"decode {shape} by {chunk}"]


def read_parts(folder: storage.Path) -> Iterator[dict[str, Any]]:
    """The rows of a stage's immutable parts, in order."""
    for part in sorted(folder.glob("*.jsonl")) if folder.exists() else ():
        for _, row in storage.read_jsonl(os.fspath(part)):
            yield row
