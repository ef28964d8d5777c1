"""Fields that rows get from elsewhere: what samples of GRPO earned."""

from __future__ import annotations

import os
from typing import Any

from jorney import storage
from jorney.view.collection import lines

Row = dict[str, Any]


class Join:
    """What the rows of one file earned; nothing without a folder.

    Args:
      folder: of the rewards of the file's rows, told by id and sample; "" for none. It may come later than the rows.

    Attributes:
      mark: another one whenever there is something new.
    """

    def __init__(self, folder: str = "") -> None:
        where = storage.path(folder) if folder else None
        self._files = sorted(map(os.fspath, where.iterdir())) if where is not None and where.exists() else []
        self._earned: dict[tuple[str, str], Row] = {}
        self.mark = " ".join(f"{file} {tuple(lines.mark(file))}" for file in self._files)

    def read(self) -> None:
        """Reads the rewards. Raises ValueError where a line is none; names it."""
        self._earned = {_key(row): row for file in self._files for _, row in storage.read_jsonl(file)}

    def __call__(self, row: Row) -> Row:
        """The row with what it earned."""
        return {**row, **self._earned.get(_key(row), {})} if self._earned else row


def _key(row: Row) -> tuple[str, str]:
    return str(row.get("id")), str(row.get("sample"))
