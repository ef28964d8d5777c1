"""Jorney's own configurations, known by their names: those of the checkout, or those that were installed with the package."""

from __future__ import annotations

import difflib
import os
import pathlib
import re
import sys

_PACKAGE = pathlib.Path(__file__).parents[1]
# The checkout's, and where `pip install` puts them (pyproject.toml: data-files).
_FOLDERS = (_PACKAGE.parent / "configs", pathlib.Path(sys.prefix) / "share" / "jorney" / "configs")


def named() -> dict[str, str]:
    """Configuration files by their names."""
    folder = next((one for one in _FOLDERS if (one / "quickstart.py").is_file()), None)
    return {file.stem: os.fspath(file) for file in sorted(folder.glob("*.py"))} if folder else {}


def find(name: str) -> str:
    """The file of a configuration: a path as it stands, or one of Jorney's own by its name.

    Raises:
      FileNotFoundError: it is neither, and looks like a name; says which is near.
    """
    if os.path.exists(name) or re.search(r"[./\\]", name):
        return name
    known = named()
    if name not in known:
        near = difflib.get_close_matches(name, known, 3, 0.5)
        hint = f": did you mean {' or '.join(near)}?" if near else f": expected a file, or one of {', '.join(known)}"
        raise FileNotFoundError(f"{name}: no such file, and no configuration of that name{hint}")
    return known[name]
