"""The child of test_corpus.py: runs the cases of a group one after the other, in a bounded process, and reports each in a line.

A case that takes too long, or all of the memory, ends the process; the parent starts another for those that are left.
"""

from __future__ import annotations

import contextlib
import faulthandler
import io
import json
import pathlib
import resource
import sys
import tempfile
import traceback
from typing import Any

SECONDS = 20  # a case
MEMORY = 3 << 30  # bytes of the heap and its like, of which jax alone takes some hundred million


def outcome(words: list[str]) -> dict[str, Any]:
    """What a command line comes to: its code and what it says, or the traceback that it ends in."""
    from jorney import cli

    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = cli.main(words)
    except BaseException:
        return {"raised": traceback.format_exc()[-1500:]}
    return {"code": code, "err": err.getvalue()}


def main(group: str, first: int) -> None:
    import corpus

    from jorney.devices import only_what_is_here

    only_what_is_here()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    for number, case in enumerate(corpus.GROUPS[group]()):
        if number < first:
            continue
        with tempfile.TemporaryDirectory() as local:
            folder = pathlib.Path(local)
            words = case.write(folder)
            before = set(folder.rglob("*"))
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            found = outcome(words)
            faulthandler.cancel_dump_traceback_later()
            left = sorted(str(file.relative_to(folder)) for file in set(folder.rglob("*")) - before)
        print(json.dumps({"name": case.name, **found, "left": left}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
