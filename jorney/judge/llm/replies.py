"""What comes back of an endpoint: answers, their account, and the folder that keeps them."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from typing import Any

from jorney import storage

_MOST_TOKENS = 10**9  # of one answer: an endpoint that tells of more has not counted


@dataclasses.dataclass(frozen=True)
class Account:
    """What was asked, and what came of it; accounts add up.

    Attributes:
      calls: answers, whenever they were paid for.
      failures: chats without one.
      parse_failures, check_failures: answers that could not be read, or did not hold.
      fallbacks: what had to be done without the model in the end.
      cut: answers that the limit of tokens ended.
      unmetered: answers whose tokens the endpoint did not tell.
      unread: one of the answers that could not be read, and why.
      prompt_tokens: cached ones included.
      cached_tokens: of them, those that the endpoint had in a cache of its own.
      completion_tokens: thoughts that are not shown included.
    """

    calls: int = 0
    failures: int = 0
    parse_failures: int = 0
    check_failures: int = 0
    fallbacks: int = 0
    cut: int = 0
    unmetered: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    unread: str = dataclasses.field(default="", compare=False)

    def __add__(self, other: Account) -> Account:
        mine, others = dataclasses.asdict(self), dataclasses.asdict(other)
        counts = {name: mine[name] + others[name] for name in mine if name != "unread"}
        return Account(**counts, unread=self.unread or other.unread)


@dataclasses.dataclass(frozen=True)
class Reply:
    """What came back of a chat.

    Attributes:
      text: the answer; None where the call failed for good.
      finish: why it ended: "stop", "length" (the limit of tokens came first), or a word of the endpoint's own.
      account: of this call.
      error: why there is no answer.
    """

    text: str | None
    finish: str = ""
    account: Account = Account()
    error: str = ""


class Cache:
    """Answers by what was asked: one file each, written whole, never changed."""

    def __init__(self, folder: storage.PathLike) -> None:
        self._folder = storage.path(folder)

    def place(self, key: str) -> storage.Path:
        return self._folder / key[:2] / f"{key}.json"

    def read(self, key: str) -> Reply | None:
        """Raises ValueError that names a file which is not what `write` writes."""
        place = self.place(key)
        try:
            return read_reply(storage.read_json(os.fspath(place))["response"])
        except FileNotFoundError:
            return None
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{place}: expected an answer of an endpoint; delete the file to ask again ({error})") from None

    def write(self, key: str, request: Mapping[str, Any], response: Mapping[str, Any]) -> None:
        text = json.dumps({"request": request, "response": response}, ensure_ascii=False) + "\n"
        storage.write_text(self.place(key), text)


def read_reply(body: Any) -> Reply:
    """The reply in an endpoint's answer; a refusal to speak is an empty text.

    Raises:
      ValueError: it is no chat completion.
    """
    try:
        choice = body["choices"][0]
        text, finish, usage = choice["message"].get("content"), choice.get("finish_reason"), body.get("usage")
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError("the answer is no chat completion") from None
    if not isinstance(text, str | None):
        raise ValueError("the answer's content is no text")
    prompt, completion = (_count(usage, name) for name in ("prompt_tokens", "completion_tokens"))
    cached = _count(usage.get("prompt_tokens_details"), "cached_tokens") if isinstance(usage, dict) else None
    account = Account(
        calls=1,
        cut=int(finish == "length"),
        unmetered=int(None in (prompt, completion)),
        prompt_tokens=prompt or 0,
        cached_tokens=min(cached or 0, prompt or 0),
        completion_tokens=completion or 0,
    )
    return Reply(text or "", str(finish or ""), account)


def _count(usage: Any, name: str) -> int | None:
    value = usage.get(name) if isinstance(usage, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MOST_TOKENS else None
