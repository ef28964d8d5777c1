"""`jorney convert`, `jorney export` and `jorney inspect`."""

from __future__ import annotations

import dataclasses
import json

import jax

from jorney import storage
from jorney.config import to_json
from jorney.convert import hf, inspect, native
from jorney.judge.threshold import threshold_of, write_threshold
from jorney.policy import Policy, load, resolve
from jorney.progress import Progress
from jorney.sharding import MeshConfig

DTYPES = ("float32", "bfloat16", "float16")


@dataclasses.dataclass(frozen=True)
class ConvertCommand:
    """How weights are converted.

    Attributes:
      dtype: of the weights written; None keeps the one in which they are stored.
      shard_bytes: a Hugging Face folder's weights go into files of at most these (`export`).
    """

    dtype: str | None = None
    shard_bytes: int = hf.SHARD_BYTES
    mesh: MeshConfig = dataclasses.field(default_factory=lambda: MeshConfig(data=1, fsdp=-1))

    def __post_init__(self) -> None:
        if self.dtype is not None and self.dtype not in DTYPES:
            raise ValueError(f"dtype = {self.dtype!r}: expected one of {', '.join(DTYPES)}")
        if self.shard_bytes < 1:
            raise ValueError(f"shard_bytes = {self.shard_bytes}: expected 1 or more")


@dataclasses.dataclass(frozen=True)
class InspectCommand:
    """How a checkpoint is described.

    Attributes:
      json: print one JSON object.
    """

    json: bool = False


def _load(source: str, output: str, command: ConvertCommand) -> tuple[Policy, str, float]:
    """The model, the dtype of its weights, and its threshold as a judge, if it is a reward model."""
    where = storage.path(output)
    if where.exists() and (not where.is_dir() or any(where.iterdir())):
        raise ValueError(f"{output}: is not empty: expected a new folder to write to")
    dtype = command.dtype or inspect.stored_dtype(resolve(source))
    threshold = threshold_of(resolve(source))
    return load(source, mesh=command.mesh, dtype=dtype), dtype, threshold


def convert(source: str, output: str, command: ConvertCommand, progress: Progress) -> None:
    """A Hugging Face folder or hub id -> Jorney's own folder, whose weights load onto any mesh as they lie.

    Raises:
      FileNotFoundError, ValueError: what is wrong with the source; nothing is written then.
    """
    policy, dtype, threshold = _load(source, output, command)
    progress.say(f"{source}: loaded as {dtype}")
    native.save_params(output, policy.params)
    hf.save_description(storage.path(output), policy.config, policy.tokenizer, dtype, policy.generation)
    write_threshold(output, threshold)
    progress.say(f"{output}: written")


def export(source: str, output: str, command: ConvertCommand, progress: Progress) -> None:
    """A folder of Jorney's own -> a Hugging Face folder that transformers loads.

    Raises:
      FileNotFoundError, ValueError: what is wrong with the source; nothing is written then.
    """
    policy, dtype, threshold = _load(source, output, command)
    progress.say(f"{source}: loaded as {dtype}")
    total = sum(leaf.nbytes for leaf in jax.tree.leaves(policy.params))
    with progress.bar("megabytes", total // 1_000_000) as bar:
        written = 0

        def on_bytes(count: int) -> None:
            nonlocal written
            before, written = written, written + count
            bar(written // 1_000_000 - before // 1_000_000, "written")

        arguments = (policy.config, policy.params, policy.tokenizer, dtype, policy.generation, command.shard_bytes, on_bytes)
        hf.save(output, *arguments)
    write_threshold(output, threshold)
    progress.say(f"{output}: written")


def describe(source: str, command: InspectCommand) -> str:
    """What `jorney inspect` prints."""
    found = inspect.inspect(resolve(source))
    return json.dumps(json.loads(to_json(found)), indent=2) if command.json else inspect.describe(found)
