"""What each of two processes does in test_barriers.py."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from jorney import distributed


def main(index: int, what: str) -> Any:
    if what == "decide":
        calls = []
        values = [distributed.from_main(lambda n=n: calls.append(n) or {"round": n, "by": index}) for n in range(3)]
        return {"values": values, "calls": calls}
    if what == "fail":
        found = []
        for kind in (ValueError, OSError):

            def decide(kind: type[Exception] = kind) -> None:
                raise kind("the file is wrong")

            try:
                distributed.from_main(decide)
            except (ValueError, OSError) as error:
                found.append([type(error).__name__, str(error)])
        return found
    if what == "miss":
        distributed.barrier("together")
        if index == 1:
            time.sleep(6)
            print('"late"', flush=True)
            os._exit(0)
        start = time.perf_counter()
        try:
            distributed.barrier("save", seconds=2)
        except TimeoutError as error:
            print(json.dumps([str(error), time.perf_counter() - start]), flush=True)
        time.sleep(8)  # with it ends the service that the other one talks to
        os._exit(0)
    raise AssertionError(what)
