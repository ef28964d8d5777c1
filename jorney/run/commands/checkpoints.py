"""`jorney convert`, `jorney export` and `jorney inspect`."""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Callable
from typing import Any, ClassVar

import jax

from jorney import storage
from jorney.config import expect_at_least, expect_one_of, to_json
from jorney.convert import hf, inspect, native, peft
from jorney.convert.locate import is_adapter
from jorney.convert.streaming import Overflow
from jorney.judge.threshold import threshold_of, write_threshold
from jorney.policy import ABOUT, Policy, about_of, load
from jorney.progress import Progress
from jorney.run.artifact import open_model
from jorney.run.command import Command, use_jax
from jorney.run.lock import contents, emptied, filling
from jorney.sharding import MeshConfig

DTYPES = ("float32", "bfloat16", "float16")
_NOTED = ".jorney-conversion.json"  # in the folder that is written: what was asked for, and whether it is complete


def expect_dtype(command: Any) -> None:
    """Raises ValueError where `dtype` is none in which weights are written; None keeps their own."""
    if command.dtype is not None:
        expect_one_of(DTYPES, command, "", "dtype")


@dataclasses.dataclass(frozen=True)
class ConvertCommand(Command):
    """A Hugging Face checkpoint, or a hub id, as Jorney's own folder, whose weights load onto any mesh as they lie.

    Attributes:
      source: the checkpoint: a folder (local or gs://) or a hub id.
      output: the new folder.
      dtype: of the weights written; None keeps the one in which they are stored.
      verify: of a source that a stage made, large files are read again and held against their digests, too.
    """

    command: ClassVar[str] = "convert"
    places: ClassVar[dict[str, str]] = {"source": "MODEL", "output": "DIR"}

    source: str = ""
    output: str = ""
    dtype: str | None = None
    verify: bool = False
    mesh: MeshConfig = dataclasses.field(default_factory=lambda: MeshConfig(data=1, fsdp=-1))

    def __post_init__(self) -> None:
        expect_dtype(self)

    def execute(self) -> None:
        """The same command goes on where one was cut off, and does nothing where one has ended.

        Raises:
          FileNotFoundError, ValueError: for what is wrong with the source, the folder, or a dtype that does not hold the
            weights, or another program writes there; nothing is written then.
          OSError: the disk is full, say; nothing is left then.
        """
        use_jax()
        progress, where = Progress(), storage.path(self.output)
        if self._is_done(where):
            progress.say(f"{self.output}: already done")
            return
        folder = open_model(self.source, self.verify)
        threshold, about = threshold_of(folder), about_of(folder)
        write = self.prepared(folder, progress)
        with filling(where):
            if self._is_done(where):  # by another program, meanwhile
                progress.say(f"{self.output}: already done")
                return
            with emptied(where):  # of what one that was cut off has left
                storage.write_json(where / _NOTED, {**self._asked, "complete": False})
                write()
                write_threshold(self.output, threshold)  # of a reward model
                if about:  # of one that was trained here
                    storage.write_json(where / ABOUT, about)
                storage.write_json(where / _NOTED, {**self._asked, "complete": True})
        progress.say(f"{self.output}: written")

    @property
    def _asked(self) -> dict[str, Any]:
        """What decides what is written."""
        return {"command": self.command, **{name: one for name, one in dataclasses.asdict(self).items() if name != "verify"}}

    def _is_done(self, where: storage.Path) -> bool:
        """Whether the same command has ended before. Raises ValueError for a place that another has filled."""
        if not where.exists() or (where.is_dir() and not contents(where)):
            return False
        noted = where / _NOTED
        before = storage.read_json(noted) if noted.exists() else None
        if not isinstance(before, dict) or before != {**self._asked, "complete": before.get("complete")}:
            raise ValueError(f"{self.output}: is not empty: expected a new folder to write to")
        return bool(before["complete"])

    def prepared(self, folder: str, progress: Progress) -> Callable[[], None]:
        """Loads the model of a folder; what it returns writes it."""
        dtype = self.dtype or inspect.stored_dtype(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("error", Overflow)  # what is written outlives a line on a screen
            policy = load(folder, mesh=self.mesh, dtype=dtype)
        merged = ", the adapter merged into its base" if is_adapter(folder) else ""
        progress.say(f"{self.source}: loaded as {dtype}{merged}")
        return lambda: self.write(policy, dtype, progress)

    def write(self, policy: Policy, dtype: str, progress: Progress) -> None:
        """Writes the model."""
        native.save_params(self.output, policy.params)
        hf.save_description(storage.path(self.output), policy.config, policy.tokenizer, dtype, policy.generation)


@dataclasses.dataclass(frozen=True)
class ExportCommand(ConvertCommand):
    """A checkpoint as a Hugging Face folder that transformers loads; of an adapter, a folder that peft loads.

    Attributes:
      merge: an adapter becomes part of its base, and a whole model is written.
      shard_bytes: the weights go into files of at most these.
    """

    command: ClassVar[str] = "export"

    merge: bool = False
    shard_bytes: int = hf.SHARD_BYTES

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_at_least(1, self, "", "shard_bytes")

    def prepared(self, folder: str, progress: Progress) -> Callable[[], None]:
        if self.merge and not is_adapter(folder):
            raise ValueError(f"{self.source}: --merge: expected an adapter: there is nothing to be merged into a whole model")
        if self.merge or not is_adapter(folder):
            return super().prepared(folder, progress)
        found = peft.checked(folder)  # its base is not needed
        progress.say(f"{self.source}: an adapter: it is written without its base (--merge writes the model that both are)")
        return lambda: peft.copy(folder, found, self.output, self.dtype)

    def write(self, policy: Policy, dtype: str, progress: Progress) -> None:
        written, total = 0, sum(leaf.nbytes for leaf in jax.tree.leaves(policy.params))
        with progress.bar("megabytes", _megabytes(total)) as bar:

            def on_bytes(count: int) -> None:
                nonlocal written
                before, written = written, written + count
                bar(_megabytes(written) - _megabytes(before), "written")

            about = (policy.config, policy.params, policy.tokenizer, dtype, policy.generation)
            hf.save(self.output, *about, self.shard_bytes, on_bytes)


def _megabytes(nbytes: int) -> int:
    """Those begun: a model smaller than one has one."""
    return -(-nbytes // 1_000_000)


@dataclasses.dataclass(frozen=True)
class InspectCommand(Command):
    """What a checkpoint holds, whether it is healthy, and where it fits.

    Attributes:
      model: a folder (local or gs://) or a hub id.
      json: print one JSON object.
      verify: of a model that a stage made, large files are read again and held against their digests, too.
    """

    command: ClassVar[str] = "inspect"
    places: ClassVar[dict[str, str]] = {"model": "MODEL"}

    model: str = ""
    json: bool = False
    verify: bool = False

    def execute(self) -> None:
        found = inspect.inspect(open_model(self.model, self.verify))
        print(json.dumps(json.loads(to_json(found)), indent=2) if self.json else inspect.describe(found))
