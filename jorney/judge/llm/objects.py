"""What a model's reply says: without the thoughts that it thought aloud, and as the object that it was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from jorney.judge.llm.escapes import as_meant

_THINKING = r"(?:<{0}(?:think|thinking|reasoning)>|\[{0}THINK\])"
_BEGINS, _ENDS = (re.compile(_THINKING.format(slash), re.IGNORECASE) for slash in ("", "/"))
_FENCE = re.compile(r"```(?:json)?\s(.*)```", re.DOTALL | re.IGNORECASE)


class _Twice(ValueError):
    """A key is given twice."""


def spoken(reply: str) -> str:
    """A reply without thoughts aloud before it; "" where they never end.

    Some chat templates write <think> themselves, so that the reply has the end of it alone.
    """
    said = _ENDS.split(reply)[-1]
    return "" if _BEGINS.match(said.lstrip()) else said


def read_object(reply: str) -> dict[str, Any]:
    """The JSON object that a reply is, alone or in one code fence, thoughts aloud before it left out.

    What stands within other words is never taken: a model that examines a text may quote an object from it.

    Raises:
      ValueError: what is wrong, in words for the model.
    """
    for said in (reply, spoken(reply)):  # as a whole first: a string of an object may hold a tag
        text = said.strip().removeprefix("\ufeff").strip()
        fence = _FENCE.fullmatch(text)
        try:
            # Models break lines within strings, too.
            value = json.loads(as_meant(fence[1] if fence else text), object_pairs_hook=_unique, strict=False)
        except _Twice:
            raise
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            return value
    raise ValueError("it is no JSON object")


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Twice(f"the key {json.dumps(key[:40])} is given twice")
        found[key] = value
    return found
