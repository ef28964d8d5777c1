"""What is asked of a runner of programs."""

from __future__ import annotations

import json


def known(tests: str, entry_point: str = "f", setup: str = "", prompt: str = "") -> str:
    return json.dumps({"prompt": prompt, "setup": setup, "tests": tests, "entry_point": entry_point})
