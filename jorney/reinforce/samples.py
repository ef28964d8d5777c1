"""What a round sampled and what it was worth, kept in immutable parts: whoever goes on finds it, whoever is curious reads it.

FOLDER/samples and FOLDER/rewards hold a folder for each attempt of a round, "000012-0", with JSON lines in parts; a row of the
one is a completion, a row of the other what it earned. Several processes add to a folder, each what is missing of its share.
"""

from __future__ import annotations

import io
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from jorney import distributed, storage
from jorney.domain.problem import Problem

_LONGEST = 4 * 3600  # seconds that hosts wait for the slowest of them to end its share of a phase
_LOOKS, _SECONDS = 10, 2.0  # at a folder, and between two of them

Row = dict[str, Any]
Make = Callable[[Sequence[Problem]], Sequence[Row]]


class Kept:
    """Rows of problems in a folder, of each problem so many; a problem's rows are written together.

    Args:
      folder: local or gs://.
      each: rows of a problem.
    """

    def __init__(self, folder: storage.Path, each: int) -> None:
        self.folder, self._each = folder, each
        self._rows: dict[str, list[Row]] = {}  # those that were read, whole problems

    def complete(self, problems: Sequence[Problem]) -> bool:
        """Whether all rows are there; all processes get the same answer, and come here together."""
        return distributed.from_main(lambda: not self._missing(problems), f"{self.folder.name} is looked for")

    def fill(self, problems: Sequence[Problem], make: Make) -> None:
        """Makes this process's share of what is missing; returns when all processes have theirs.

        Args:
          make: gives all rows of some problems, one after another.
        """
        places = distributed.from_main(lambda: self._missing(problems), f"{self.folder.name} is begun")
        own = [problems[place] for place in places[jax.process_index() :: jax.process_count()]]
        if own:
            storage.write_jsonl(self.folder / f"{uuid.uuid4().hex}.jsonl", make(own))
        distributed.barrier(f"{self.folder.name} is done", _LONGEST)

    def rows(self, problems: Sequence[Problem]) -> dict[str, list[Row]]:
        """{id of the problem: its rows, in the order of their samples}."""
        for _ in range(_LOOKS):  # a shared disk may tell late of what others have written
            if not (missing := self._missing(problems)):
                break
            time.sleep(_SECONDS)
        else:
            name = problems[missing[0]].id
            raise ValueError(f"{self.folder}: no rows of problem {name!r}: expected an output that all hosts see")
        return {problem.id: self._rows[problem.id] for problem in problems}

    def _missing(self, problems: Sequence[Problem]) -> list[int]:
        if any(problem.id not in self._rows for problem in problems):  # what is there stays: it is read once
            found: dict[str, dict[int, Row]] = {}
            for row in self._read():
                found.setdefault(row["id"], {}).setdefault(row["sample"], row)
            whole = {name: own for name, own in found.items() if len(own) == self._each}
            self._rows = {name: [own[key] for key in sorted(own)] for name, own in whole.items()}
        return [place for place, problem in enumerate(problems) if problem.id not in self._rows]

    def _read(self) -> Iterator[Row]:
        if self.folder.exists():
            for part in sorted(self.folder.glob("*.jsonl"), key=lambda part: part.name):
                yield from (row for _, row in storage.read_jsonl(part))


class RoundFiles:
    """The files of a training's rounds.

    Args:
      folder: of the training's rollouts.
      group: completions of a problem.
    """

    def __init__(self, folder: storage.PathLike, group: int) -> None:
        self._folder, self._group = storage.path(folder), group
        self._held: tuple[int, dict[str, Kept]] = (-1, {})  # those of one round

    def samples(self, number: int, attempt: int) -> Kept:
        return self._of(number, f"samples/{number:06d}-{attempt}", self._group)

    def rewards(self, number: int, attempt: int) -> Kept:
        return self._of(number, f"rewards/{number:06d}-{attempt}", self._group)

    def texts(self, number: int, name: str, each: int) -> Kept:
        """Of an assessment after so many rounds."""
        return self._of(number, f"assessments/{number:06d}-{name}", each)

    def _of(self, number: int, place: str, each: int) -> Kept:
        if self._held[0] != number:
            self._held = number, {}
        return self._held[1].setdefault(place, Kept(self._folder / place, each))

    def read_round(self, number: int) -> dict[str, Any] | None:
        """What is known of a whole round, by `write_round`; the same in all processes. None where it was not written yet."""
        file = self._folder / "rounds" / f"{number:06d}.json"
        return distributed.from_main(lambda: storage.read_json(file) if file.exists() else None, "a round is looked for")

    def read_arrays(self, number: int) -> dict[str, np.ndarray]:
        """What `write_round` was given beside."""
        file = self._folder / "rounds" / f"{number:06d}.npz"
        if not file.exists():
            return {}
        with np.load(io.BytesIO(file.read_bytes())) as stored:
            return dict(stored)

    def write_round(self, number: int, about: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
        """Process 0 writes it, last of all that belongs to a round.

        Args:
          arrays: what was read of its completions; a file beside it, where there is any.
        """
        if distributed.is_main():
            if arrays:
                with storage.open_whole(self._folder / "rounds" / f"{number:06d}.npz") as out:
                    np.savez(out, allow_pickle=False, **dict(arrays))
            storage.write_json(self._folder / "rounds" / f"{number:06d}.json", dict(about))
        distributed.barrier("a round is written")
