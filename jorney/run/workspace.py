"""Where stages run: the run's folder, its progress, its mesh, its compiled programs, and the model that is loaded."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jax.sharding import Mesh

from jorney import storage
from jorney.compiled import Compilations
from jorney.engine.generate import Generator
from jorney.engine.memory import expect_room
from jorney.policy import Policy, load, read_architecture
from jorney.precision import EXACT, decides
from jorney.progress import Bar, Progress
from jorney.run.artifact import Artifact, Done, Model
from jorney.sharding import MeshConfig, for_sampling, make_mesh
from jorney.text.step_format import FORMATS
from jorney.train.metrics import Record

TRAINING = "training"  # the folder in a stage's that `train.loop` keeps
_WIDTH = 80  # columns of a terminal


class Workspace:
    """Where stages are planned and run.

    Args:
      output: folder of the run, local or gs://.
      mesh: on which models are trained.
      sampling_mesh: on which they sample and judge; None for the same devices, see `sharding.for_sampling`.
      dtype: of the computation; parameters are loaded in float32.
      step_format: a key of `text.step_format.FORMATS`.
      seed: of everything random.
      lines: whether a training says each of its records.
      precision: of matrix products, see `jorney.precision`.
      shared: other programs make shares of the same artifacts.
      verify: large files of complete artifacts and their models are read again, see `run.artifact`.
      track: trackers of trainings, see `train.tracking`.
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
        precision: str = EXACT,
        shared: bool = False,
        verify: bool = False,
        track: Sequence[str] = (),
    ) -> None:
        self.root, self.progress, self._lines = storage.path(output), progress, lines
        self.mesh = make_mesh(mesh)
        self._sampling_mesh = make_mesh(sampling_mesh) if sampling_mesh else None
        self._memory, self._sampling_memory = mesh.memory, (sampling_mesh or mesh).memory
        self.dtype, self.precision, self.seed = dtype, precision, seed
        self.format = FORMATS[step_format]
        self._shared, self.verify, self.track = shared, verify, track
        self.compilations = Compilations(announce=progress.announce)
        self._loaded: tuple[tuple[Model, bool], Policy] | None = None
        self._generator: tuple[Any, Generator] | None = None

    def plan(
        self, name: str, reads: Sequence[Any], work: Callable[[storage.Path], Any], detail: str = "", revision: int = 0
    ) -> Artifact:
        """An artifact that depends on `reads`, and, as every one, on the step format, the dtype, its precision and the seed."""
        precise = decides(self.dtype, self.precision)
        reads = [*reads, self.format, self.dtype, self.seed, *([precise] if precise else [])]
        return Artifact(self.root, name, reads, work, detail, revision, self._shared, self.verify)

    def run(self, artifact: Artifact) -> Done:
        """Makes an artifact, or takes it as it stands where it is complete."""
        return artifact.make(self.progress)

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

    def load(self, model: Model, frozen: bool = False) -> Policy:
        """The model on the mesh; the one loaded last is kept.

        Args:
          frozen: adapters alone are trained: the model is held in the dtype of the computation, and an adapter apart from it.
        """
        if self._loaded is None or self._loaded[0] != (model, frozen):
            self._loaded = self._generator = None  # two at once may not fit
            dtype = self.dtype if frozen else "float32"
            expect_room("model", read_architecture(model.folder), dtype, self.mesh, self._memory)
            self._loaded = (model, frozen), self._load(model, self.mesh, self._memory, dtype, merge=not frozen)
        return self._loaded[1]

    def generator(self, model: Model, adapters: Mapping[str, Model] | None = None) -> Generator:
        """A generator of the model, in the dtype of the computation; the one made last is kept, and no other parameters.

        Args:
          adapters: of the model, by name, that prompts choose from.
        """
        asked = model, adapters or {}
        if self._generator is None or self._generator[0] != asked:
            self._loaded = self._generator = None
            policy = self._sampling("policy", model, adapters)
            self._generator = asked, Generator(policy, self.compilations, donate=True)
        return self._generator[1]

    def take(self, model: Model, frozen: bool = False) -> Policy:
        """The model on the mesh, to be trained: its parameters are the caller's to give away."""
        policy = self.load(model, frozen)
        self._loaded = None
        return policy

    def sample_on(self, mesh: Mesh) -> None:
        """From now on what samples and judges lies there: devices of this process alone, where several train together."""
        self._sampling_mesh = mesh

    def load_beside(self, model: Model) -> Policy:
        """The model on the sampling mesh, beside the one that samples: a judge beside its policy."""
        return self._sampling("judge", model)

    def load_alone(self, model: Model) -> Policy:
        """The model on the sampling mesh; whatever was loaded before is let go first."""
        self._loaded = self._generator = None
        return self._sampling("judge", model)

    def _sampling(self, name: str, model: Model, adapters: Mapping[str, Model] | None = None) -> Policy:
        config, memory = read_architecture(model.folder), self._sampling_memory
        mesh = self._sampling_mesh or for_sampling(self.mesh, config.kv_heads)
        expect_room(name, config, self.dtype, mesh, memory, split=True)
        return self._load(model, mesh, memory, adapters=adapters)

    def _load(
        self,
        model: Model,
        mesh: Mesh,
        memory: float | None,
        param_dtype: str | None = None,
        merge: bool = True,
        adapters: Mapping[str, Model] | None = None,
    ) -> Policy:
        policy = load(
            model.folder,
            mesh=mesh,
            dtype=self.dtype,
            param_dtype=param_dtype,
            precision=self.precision,
            merge=merge,
            adapters={name: one.folder for name, one in (adapters or {}).items()},
        )
        return dataclasses.replace(policy, memory=memory)


def training_line(record: Record) -> str:
    """A record of a training on one line of a terminal: what there is no room for stands in its metrics alone."""
    parts = [f"{record['step']:6,.0f}", f"loss {record['loss']:.4f}"]
    grad, memory = f"grad {record['grad_norm']:.2f}", f"{record['memory_gb']:.1f} GB"
    if "reward" in record:  # of completions that the training sampled itself
        right = [f"right {record['accuracy']:.1%}"] if "accuracy" in record else []
        length, same = f"length {record['completions/mean_length']:.0f}", f"same {record['frac_reward_zero_std']:.0%}"
        parts[1:] = [f"reward {record['reward']:.3f}", *right, grad, length, same]
        spread = [f"{name} {record[name]:.4f}" for name in ("entropy", "kl") if name in record]
        parts += spread
        if "eval/accuracy" in record:
            parts.append(f"greedy {record['eval/accuracy']:.1%}")
        return _within(_WIDTH, [*parts, f"{record['seconds']:.1f} s", memory], [memory, grad, same, length, *spread])
    parts.append(grad)
    if "held_out_loss" in record:
        parts.append(f"held out {record['held_out_loss']:.4f}")
    parts.append(f"{record['tokens_per_second_per_chip']:,.0f} tok/s/chip")
    if "mfu_full" in record:
        parts.append(f"MFU {record['mfu_full']:.0%} ({record['mfu_causal']:.0%} causal)")
    pad, good = f"pad {record['padding']:.0%}", f"good {record['goodput']:.0%}"
    return _within(_WIDTH, [*parts, memory, pad, good], [good, pad, memory])


def _within(width: int, parts: Sequence[str], spare: Sequence[str]) -> str:
    """The parts on one line, without as many of `spare`, in their order, as it takes to keep it within a width."""
    for count in range(len(spare) + 1):
        line = "  ".join(one for one in parts if one not in spare[:count])
        if len(line) <= width:
            break
    return line
