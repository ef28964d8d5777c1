"""An object store in memory that answers to gs://, so that tests run on remote paths without a network.

epath reaches stores through fsspec, where a store is registered under its protocol ("memory://" itself epath does not know).
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

import fsspec
from fsspec.implementations.memory import MemoryFileSystem


class MemoryStore(MemoryFileSystem):
    """Objects by name. As in Cloud Storage there are no folders: one exists while an object's name begins with its own."""

    protocol = ("gs", "gcs")
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("gs://").removeprefix("gcs://"))

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        pass

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        pass


def memory_root() -> str:
    """A folder of a new, empty bucket."""
    fsspec.register_implementation("gcs", MemoryStore, clobber=True)
    return f"gs://{uuid.uuid4().hex}/run"
