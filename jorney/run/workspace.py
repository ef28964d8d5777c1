"""What stages share: the run's folder, its progress, its mesh and its compiled programs. A stage is planned, then run."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from jorney import storage
from jorney.compiled import Compilations
from jorney.engine.generate import Generator
from jorney.policy import Policy, load, resolve
from jorney.progress import Bar, Progress
from jorney.run.stage import Done, Stages, source_digest
from jorney.sharding import MeshConfig, make_mesh
from jorney.text.step_format import FORMATS
from jorney.train.metrics import Record

T = TypeVar("T")
TRAINING = "training"  # the folder in a stage's that `train.loop` keeps


@dataclasses.dataclass(frozen=True)
class Model:
    """A model that stages read.

    Attributes:
      folder: what `jorney.load` takes.
      key: what its content is known by: a digest of the folder, or the key of the stage that trained it.
    """

    folder: str
    key: str

    @classmethod
    def at(cls, source: str) -> Model:
        """The model at a folder or a hub id, or the embedded one."""
        folder = resolve(source)
        return cls(folder, source_digest(folder))


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


class Workspace:
    """Where stages are planned and run.

    Args:
      output: folder of the run, local or gs://.
      mesh: on which models are trained.
      sampling_mesh: on which they sample and judge; None for the same.
      dtype: of the computation; parameters are loaded in float32.
      step_format: a key of `text.step_format.FORMATS`.
      seed: of everything random.
      lines: whether a training says each of its records.
    """

    def __init__(
        self,
        output: str,
        mesh: MeshConfig,
        dtype: str,
        step_format: str,
        seed: int,
        progress: Progress,
        lines: bool = False,
        sampling_mesh: MeshConfig | None = None,
    ) -> None:
        self.progress, self._lines = progress, lines
        self.mesh = make_mesh(mesh)
        self.sampling_mesh = make_mesh(sampling_mesh) if sampling_mesh else self.mesh
        self.dtype, self.seed = dtype, seed
        self.format = FORMATS[step_format]
        self.compilations = Compilations(announce=progress.announce)
        self._stages = Stages(output, progress)
        self._loaded: tuple[Model, Policy] | None = None
        self._generator: tuple[Model, Generator] | None = None

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

    def follow(self, bar: Bar) -> Callable[[int, Record | None], None]:
        """Moves a bar with the steps of a training loop; in the training commands each record is a line, too."""
        shown = 0

        def on_step(step: int, record: Record | None) -> None:
            nonlocal shown
            bar(step - shown, f"loss {record['loss']:.3f}" if record and not self._lines else "")
            shown = step
            if record and self._lines:
                self.progress.say(training_line(record))

        return on_step

    def load(self, model: Model) -> Policy:
        """The model on the mesh; the one loaded last is kept."""
        if self._loaded is None or self._loaded[0] != model:
            self._loaded = self._generator = None  # two at once may not fit
            self._loaded = model, load(model.folder, mesh=self.mesh, dtype=self.dtype, param_dtype="float32")
        return self._loaded[1]

    def generator(self, model: Model) -> Generator:
        """A generator of the model, in the dtype of the computation; the one made last is kept, and no other parameters."""
        if self._generator is None or self._generator[0] != model:
            self._loaded = self._generator = None
            policy = load(model.folder, mesh=self.sampling_mesh, dtype=self.dtype)
            self._generator = model, Generator(policy, self.compilations, donate=True)
        return self._generator[1]

    def take(self, model: Model) -> Policy:
        """The model on the mesh, to be trained: its parameters are the caller's to give away."""
        policy = self.load(model)
        self._loaded = None
        return policy

    def load_beside(self, model: Model) -> Policy:
        """The model on the sampling mesh, beside the one that samples: a judge beside its policy."""
        return load(model.folder, mesh=self.sampling_mesh, dtype=self.dtype)


def training_line(record: Record) -> str:
    """A record of a training on one line of a terminal."""
    parts = [f"{record['step']:6,.0f}", f"loss {record['loss']:.4f}", f"grad {record['grad_norm']:.2f}"]
    if "held_out_loss" in record:
        parts.append(f"held out {record['held_out_loss']:.4f}")
    parts.append(f"{record['tokens_per_second_per_chip']:,.0f} tok/s/chip")
    if "mfu_full" in record:
        parts.append(f"MFU {record['mfu_full']:.0%} ({record['mfu_causal']:.0%} causal)")
    parts += [f"{record['memory_gb']:.1f} GB", f"pad {record['padding']:.0%}", f"good {record['goodput']:.0%}"]
    return "  ".join(parts)


def generation(rows: int, w: int, tokens: int, chunk: int) -> list[str]:
    """Labels of the programs that sample `w` completions a prompt of up to `tokens` tokens; prompts of one bucket."""
    shape = f"{rows // w} x {w} x {tokens} by {chunk}"
    return [f"{program}, {shape}" for program in ("empty cache", "extend", "decode")]


def in_parts(
    folder: storage.Path,
    progress: Progress,
    noun: str,
    members: Sequence[T],
    size: int,
    make: Callable[[int, Sequence[T]], tuple[list[dict[str, Any]], str]],
) -> list[dict[str, Any]]:
    """A stage's rows, made for `size` members at a time and written as a part; parts that are there are not made again.

    Args:
      noun: what the members are, on the bar.
      make: called with the place of the first of some members, and with them; returns their rows, and a note for the bar.
    """
    parts = {start: folder / "parts" / f"{start:06d}.jsonl" for start in range(0, len(members), size)}
    waiting = [start for start, part in parts.items() if not part.exists()]
    if waiting:
        done = len(members) - sum(len(members[start : start + size]) for start in waiting)
        with progress.bar(noun, len(members), done) as bar:
            for start in waiting:
                group = members[start : start + size]
                rows, note = make(start, group)
                storage.write_jsonl(parts[start], rows)
                bar(len(group), note)
    return list(read_parts(folder / "parts"))


def read_parts(folder: storage.Path) -> Iterator[dict[str, Any]]:
    """The rows of a stage's immutable parts, in order."""
    for part in sorted(folder.glob("*.jsonl")) if folder.exists() else ():
        for _, row in storage.read_jsonl(os.fspath(part)):
            yield row
