"""Calls of an endpoint: each asked for once, tried again where it may help, and kept before it is seen."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from jorney.config import digest
from jorney.judge.llm.endpoint import LlmConfig
from jorney.judge.llm.errors import Passing, Refused, fault
from jorney.judge.llm.replies import Account, Cache, Reply, read_reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI

GRACE = 1.0  # seconds that calls under way have to come back when all ends early

Chat = Sequence[Mapping[str, str]]


@dataclasses.dataclass
class Spending:
    """What a run has done so far.

    Attributes:
      paid: answers that it has paid for.
      stored: answers that were in the cache.
      retries: attempts that failed and were made again.
      begun: calls, whatever came of them.
    """

    paid: Account = dataclasses.field(default_factory=Account)
    stored: int = 0
    retries: int = 0
    begun: int = 0


class Calls:
    """The calls of an endpoint while one event loop runs.

    Attributes:
      closed: nothing new is begun.
    """

    def __init__(self, config: LlmConfig, client: AsyncOpenAI, cache: Cache, spent: Spending) -> None:
        self._config, self._client, self._cache, self._spent = config, client, cache, spent
        self.closed = False
        self._slots = asyncio.Semaphore(config.concurrency)
        self._under_way: dict[str, asyncio.Future[Reply]] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self._not_before = 0.0  # the endpoint asked all to wait until then
        self._answered, self._in_a_row = False, 0

    async def ask(self, chat: Chat, number: int = 0) -> Reply:
        """An `Asker`; raises as `Llm.each` does."""
        request = {"messages": [dict(message) for message in chat], "try": number, **self._config.decides()}
        key = digest(request, 32)
        if key in self._under_way:  # the same is being asked: it is paid for once
            reply = await asyncio.shield(self._under_way[key])
            self._spent.stored += reply.text is not None
            return reply
        asked = self._under_way[key] = asyncio.ensure_future(self._answer(key, request))
        try:
            return await asked
        finally:
            del self._under_way[key]

    async def close(self) -> None:
        """Begins nothing new, gives what is under way a moment, and waits until every answer is on disk."""
        self.closed = True
        if under_way := list(self._under_way.values()):
            await asyncio.wait(under_way, timeout=GRACE)
        for asked in under_way:
            asked.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _answer(self, key: str, request: dict[str, Any]) -> Reply:
        async with self._slots:
            if (reply := await asyncio.to_thread(self._cache.read, key)) is not None:
                self._spent.stored += 1
                self._answered, self._in_a_row = True, 0
                return reply
            self._check_limits()
            try:
                body = await self._call(key, request)
            except (Passing, Refused) as error:
                return self._failed(str(error))
            reply = read_reply(body)
            self._answered, self._in_a_row = True, 0
            self._spent.paid += reply.account
            # Neither an interrupt nor another's error may lose what is paid for.
            writing = asyncio.create_task(asyncio.to_thread(self._cache.write, key, request, body))
            self._writing.add(writing)
            writing.add_done_callback(self._writing.discard)
            await asyncio.shield(writing)
            return reply

    def _check_limits(self) -> None:
        if self.closed:
            raise asyncio.CancelledError
        config, spent = self._config, self._spent
        if config.max_calls is not None and spent.begun >= config.max_calls:
            raise ValueError(f"llm.max_calls = {config.max_calls}: all are used; what was answered is kept")
        if config.max_cost is not None and (cost := config.cost(spent.paid)) >= config.max_cost:
            raise ValueError(f"llm.max_cost = {config.max_cost}: {cost:.4f} is spent; what was answered is kept")
        spent.begun += 1

    def _failed(self, error: str) -> Reply:
        self._spent.paid += Account(failures=1)
        self._in_a_row += 1
        if self._in_a_row >= (self._config.give_up if self._answered else 2):
            raise ConnectionError(f"{self._config.shown()}: {self._in_a_row} chats in a row got no answer; the last: {error}")
        return Reply(None, account=Account(failures=1), error=error)

    async def _call(self, key: str, request: dict[str, Any]) -> dict[str, Any]:
        """The endpoint's answer, after as many attempts as it takes."""
        import tenacity

        config, backoff = self._config, tenacity.wait_random_exponential(self._config.backoff, max=self._config.max_wait)

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            if isinstance(error, Passing) and error.wait is not None:
                seconds = min(error.wait, config.max_wait)
                self._not_before = max(self._not_before, asyncio.get_running_loop().time() + seconds)
                return seconds
            return backoff(state)

        def again(state: tenacity.RetryCallState) -> None:
            self._spent.retries += 1

        attempts = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(config.attempts),
            wait=wait,
            retry=tenacity.retry_if_exception_type(Passing),
            before_sleep=again,
            reraise=True,
        )
        return await attempts(self._send, key, request)

    async def _send(self, key: str, request: dict[str, Any]) -> dict[str, Any]:
        """One attempt. Raises Passing, Refused or ValueError."""
        import openai

        config = self._config
        while (rest := self._not_before - asyncio.get_running_loop().time()) > 0 and not self.closed:
            await asyncio.sleep(min(rest, 0.1))
        if self.closed:
            raise asyncio.CancelledError
        sent: dict[str, Any] = {"temperature": config.temperature, "top_p": config.top_p, "seed": config.seed}
        sent |= {"model": config.model, "messages": request["messages"], config.limit_field: config.max_tokens}
        try:
            async with asyncio.timeout(config.timeout):
                raw = await self._client.chat.completions.with_raw_response.create(
                    **{name: value for name, value in sent.items() if value is not None},
                    extra_headers={"Idempotency-Key": key},
                )
                body: dict[str, Any] = config.clean(_json(raw.http_response))
            read_reply(body)
        except TimeoutError:
            raise Passing(f"no answer within {config.timeout:g} s") from None
        except (openai.OpenAIError, ValueError, RecursionError) as error:  # of what is no JSON, too
            raise fault(error, config) from None
        return body


def _json(response: Any) -> Any:
    """The JSON of an answer. Raises Passing: some other program has answered, a proxy maybe, or the address is another's."""
    try:
        return response.json()
    except (ValueError, RecursionError) as error:
        kind = response.headers.get("content-type", "").partition(";")[0].strip()
        like = "expected a chat completion; is llm.base_url the endpoint's own, which ends in /v1 most often?"
        what = (
            f"an answer of the type {kind[:100] or '(none stated)'} that is no JSON" if response.content else "an empty answer"
        )
        raise Passing(f"{what} ({error!s:.100}): {like}") from None
