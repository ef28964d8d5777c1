"""What a model's reply says: without the thoughts that it thought aloud, and as the object that it was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from jorney.judge.llm.escapes import as_meant
from jorney.storage import HALF


class _Marks(NamedTuple):
    """What begins thoughts, and what ends them, as models write it."""

    begins: re.Pattern[str]
    ends: re.Pattern[str]


def _marks(names: str) -> _Marks:
    """Tags of these names, Mistral's, Kimi's, OpenThinker's, and gpt-oss's channels."""
    begins = (
        rf"<(?:{names})>|\[THINK\]|◁think▷|<\|begin_of_thought\|>"
        r"|(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)<\|message\|>"
    )
    ends = rf"</(?:{names})>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|channel\|>final<\|message\|>"
    return _Marks(re.compile(begins, re.IGNORECASE), re.compile(ends, re.IGNORECASE))


_NAMES = "think|thinking|reasoning|seed:think"
_OF_TEXTS, _OF_OBJECTS = _marks(_NAMES), _marks(f"{_NAMES}|thoughts?")  # texts are asked for between <thought> and </thought>
# gpt-oss's channels where the endpoint has dropped their control tokens, and what ends its answers where it has not.
_BARE = re.compile(r"analysis.*?assistantfinal", re.DOTALL)
_SPACE = re.compile(r"\s*")
_OVER = ("<|return|>", "<|end|>")
_FENCE = re.compile(r"```(?:json)?\s(.*)```", re.DOTALL | re.IGNORECASE)
_OBJECT = re.compile(r'\{\s*"')
_DRAFTS = 64  # objects before a reply's own that are looked at: nobody drafts more


class _Doubtful(ValueError):
    """It is an object, but not one that can be relied on."""


def spoken(reply: str) -> str:
    """A reply without thoughts aloud before it; "" where they never end, or where it is not sure where they do."""
    _, said = _parts(reply, _OF_TEXTS)
    return "" if _OF_TEXTS.ends.search(said) else said


def _parts(reply: str, marks: _Marks) -> tuple[str, str]:
    """(What stands before the thoughts, or is one that never began; what follows the first thoughts' end).

    The first end counts: what a thought quotes from a text may write another, with an answer of its own behind it. Some chat
    templates write <think> themselves, so that the reply has the end of it alone.
    """
    start = _space(reply, 0)
    if bare := _BARE.match(reply, start):
        return "", reply[bare.end() :]
    begin, end = marks.begins.search(reply), marks.ends.search(reply)
    if end is None:
        return "", "" if marks.begins.match(reply, start) else reply
    head = reply[: end.start()]
    if begin is not None and begin.start() < end.start():
        head = reply[: begin.start()]
        end = marks.ends.search(reply, begin.end())
    while end is not None:
        if (again := marks.begins.match(reply, _space(reply, end.end()))) is None:
            said, harmony = reply[end.end() :], end[0].startswith("<|channel")
            over = next((one for one in _OVER if harmony and said.rstrip().endswith(one)), "")
            return head, said.rstrip().removesuffix(over) if over else said
        end = marks.ends.search(reply, again.end())
    return head, ""


def _space(text: str, start: int) -> int:
    """Where the white space at a place ends."""
    found = _SPACE.match(text, start)
    return found.end() if found else start


def read_object(reply: str) -> dict[str, Any]:
    """The JSON object that a reply is, alone or in one code fence, thoughts aloud before it left out.

    What stands within other words is never taken: a model that examines a text may quote an object from it. Nor is one that
    contradicts another, which the reply had written before without saying that it was thinking.

    Half a surrogate pair, which JSON can name and no file can hold, becomes U+FFFD.

    Raises:
      ValueError: what is wrong, in words for the model.
    """
    before, said = _parts(reply, _OF_OBJECTS)
    if (found := _object(reply)) is not None:  # as a whole first: a string of an object may hold a tag
        return found
    if said == reply or (found := _object(said)) is None:
        raise ValueError("it is no JSON object")
    if any(_contradict(one, found) for one in _objects(before)):
        raise _Doubtful("it holds two JSON objects that contradict each other")
    return found


def _object(said: str) -> dict[str, Any] | None:
    """Raises _Doubtful where a key is given twice."""
    text = said.strip().removeprefix("\ufeff").strip()
    fence = _FENCE.fullmatch(text)
    try:
        # Models break lines within strings, too.
        value = json.loads(as_meant(fence[1] if fence else text), object_pairs_hook=_unique, strict=False)
    except _Doubtful:
        raise
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _objects(text: str) -> Iterator[dict[str, Any]]:
    """The objects that stand within a text, the outermost ones. Raises _Doubtful where there are too many to look at."""
    text, start, decoder = as_meant(text), 0, json.JSONDecoder(strict=False)
    for count, place in enumerate(_OBJECT.finditer(text)):
        if count == _DRAFTS:
            raise _Doubtful("it holds JSON objects without number")
        if place.start() < start:
            continue
        try:
            value, start = decoder.raw_decode(text, place.start())
        except (ValueError, RecursionError):
            continue
        yield value


def _contradict(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """They have other values for the same key. Two texts, reasons say, may be put in other words."""
    return any(one[key] != other[key] and not isinstance(one[key], str) for key in one.keys() & other.keys())


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Doubtful(f"the key {json.dumps(key[:40])} is given twice")
        found[HALF.sub("\ufffd", key)] = _whole(value)
    return found


def _whole(value: Any) -> Any:
    """Objects are whole already: they are made from within."""
    if isinstance(value, str):
        return HALF.sub("\ufffd", value)
    return [_whole(one) for one in value] if isinstance(value, list) else value
