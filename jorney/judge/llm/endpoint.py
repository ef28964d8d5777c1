"""An endpoint, how it is asked, and what it costs."""

from __future__ import annotations

import dataclasses
import os
from typing import Any
from urllib.parse import urlsplit

from jorney.config import expect_number, expect_one_of
from jorney.judge.llm.redaction import redact, secrets_of, without_secrets
from jorney.judge.llm.replies import Account

OPENAI = "https://api.openai.com/v1"
LIMITS = ("max_tokens", "max_completion_tokens")
MOST_TRIES = 100  # of one question, each of them paid for: what is not in the form by then never will be
NO_KEY = "none"  # what is sent where there is none
_DAY = 86_400.0


@dataclasses.dataclass(frozen=True)
class LlmConfig:
    """An endpoint, and how it is asked.

    Attributes:
      model: the name that the endpoint knows it by.
      base_url: such as http://127.0.0.1:8000/v1; "" takes OPENAI_BASE_URL, or else OpenAI's own.
      key_variable: environment variable that holds the key; endpoints other than OpenAI's may need none.
      temperature, top_p, seed: of sampling; None leaves them to the endpoint (some models refuse to be told).
      max_tokens: of an answer.
      limit_field: what the endpoint calls that: "max_tokens", or "max_completion_tokens" (OpenAI's models that reason).
      concurrency: calls under way at a time.
      timeout: seconds until an answer must be there as a whole.
      max_bytes: of an answer as it is sent; one that is longer is not read to its end.
      attempts: of a call that fails as it may (429, 5xx, time-outs, half answers), before it has failed for good.
      backoff, max_wait: seconds before the second attempt, doubled each time, and at most; so long a Retry-After is obeyed.
      max_unread: share of a run's answers that may be in another form than was asked for, before all ends.
      unread_after: answers from which on that is looked at; at a run's end it is, however few there were.
      give_up: chats in a row that fail for good before all ends; two, while none was answered yet.
      max_calls, max_cost: of one run, stored answers not counted; what is under way when the cost is reached is still paid.
      price_input, price_cached, price_output: of a million tokens, in any currency; None takes `price_input` for cached ones.
      cache: folder of all answers, local or gs://; programs may share it (what two ask at the same moment, both pay for).
    """

    model: str = ""
    base_url: str = ""
    key_variable: str = "OPENAI_API_KEY"
    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int = 2048
    limit_field: str = "max_tokens"
    concurrency: int = 8
    timeout: float = 120.0
    max_bytes: int = 16 * 2**20
    attempts: int = 8
    backoff: float = 1.0
    max_wait: float = 60.0
    max_unread: float = 0.5
    unread_after: int = 20
    give_up: int = 8
    max_calls: int | None = None
    max_cost: float | None = None
    price_input: float = 0.0
    price_cached: float | None = None
    price_output: float = 0.0
    cache: str = "runs/llm"

    def __post_init__(self) -> None:
        expect_number(self, "llm", "max_tokens", least=1, most=10_000_000)  # more than any model holds
        expect_number(self, "llm", "concurrency", least=1, most=4096)  # each call has a connection of its own
        expect_number(self, "llm", "attempts", "unread_after", "give_up", least=1, most=10_000)
        expect_number(self, "llm", "max_bytes", least=1024, most=2**30)
        expect_number(self, "llm", "max_unread", least=0, most=1)
        expect_number(self, "llm", "timeout", "backoff", "max_wait", most=_DAY)
        expect_number(self, "llm", "price_input", "price_output", least=0)
        expect_number(self, "llm", "temperature", "max_calls", "max_cost", "price_cached", least=0, none="None")
        expect_number(self, "llm", "top_p", most=1, none="None")
        expect_number(self, "llm", "seed", least=-(2**63), most=2**63 - 1, none="None")
        expect_one_of(LIMITS, self, "llm", "limit_field")
        if not self.key_variable.isidentifier():  # a key, most often: it is not shown
            raise ValueError("llm.key_variable: expected the name of an environment variable that holds the key")
        if self.max_cost is not None and not (self.price_input or self.price_output):
            raise ValueError(f"llm.max_cost = {self.max_cost}: expected llm.price_input and llm.price_output with it")

    def decides(self) -> dict[str, Any]:
        """The fields that an answer depends on."""
        return {name: getattr(self, name) for name in ("model", "temperature", "top_p", "seed", "max_tokens")}

    def cost(self, account: Account) -> float:
        """In the currency of the prices."""
        price_cached = self.price_input if self.price_cached is None else self.price_cached
        prompt = (account.prompt_tokens - account.cached_tokens) * self.price_input + account.cached_tokens * price_cached
        return (prompt + account.completion_tokens * self.price_output) / 1e6

    def endpoint(self) -> str:
        """Its address. Raises ValueError, which does not show it, where it is none: it may hold a key."""
        address = self.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI
        try:
            parts = urlsplit(address)
            if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
                return address
        except ValueError:  # of a port that is no number
            pass
        name = "llm.base_url" if self.base_url else "OPENAI_BASE_URL"
        raise ValueError(f"{name}: expected an address such as http://127.0.0.1:8000/v1, with http or https and a host")

    def shown(self) -> str:
        """The address without what may be a secret in it."""
        return str(self.clean(without_secrets(self.endpoint())))

    def key(self) -> str:
        """The key, from the environment; it is never written anywhere. Raises ValueError where it is missing or is none."""
        named = f"the environment variable {self.key_variable if self.key_variable.isupper() else 'of llm.key_variable'}"
        key = os.environ.get(self.key_variable, "").strip()
        if not key and urlsplit(self.endpoint()).hostname == urlsplit(OPENAI).hostname:
            raise ValueError(f"{OPENAI}: expected a key in {named}")
        if not (key.isascii() and key.isprintable()):
            raise ValueError(f"{named}: expected a key of ASCII characters that can be printed")
        return key or NO_KEY

    def clean(self, value: Any) -> Any:
        """A text, or JSON values, fit to leave for a log, a file or a message: without the key and the address's secrets."""
        return redact(value, secrets_of(self.key(), self.endpoint()))
