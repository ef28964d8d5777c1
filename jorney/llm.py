"""Any OpenAI-compatible endpoint: chats in, replies out, and every answer paid for once.

An answer is on disk before anybody sees it, under a hash of what was asked: a program that is killed and started again finds
what it has paid for. Only the calls that are under way at that moment can be paid for again; they carry an Idempotency-Key, for
endpoints that know it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import queue
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import urlsplit

from jorney.config import digest, expect_at_least
from jorney.llm_errors import Passing, Refused, fault
from jorney.llm_replies import Account, Cache, Reply, read_reply

if TYPE_CHECKING:
    from openai import AsyncOpenAI

OPENAI = "https://api.openai.com/v1"
GRACE = 1.0  # seconds that calls under way have to come back when all ends early
LIMITS = ("max_tokens", "max_completion_tokens")

Chat = Sequence[Mapping[str, str]]
# Chats in, texts out in their order; None where a call failed for good.
Ask = Callable[[Sequence[Chat]], list[str | None]]
__all__ = ["Account", "Ask", "Asker", "Chat", "Llm", "LlmConfig", "Reply"]
T = TypeVar("T")
R = TypeVar("R")


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
      attempts: of a call that fails as it may (429, 5xx, time-outs, half answers), before it has failed for good.
      backoff, max_wait: seconds before the second attempt, doubled each time, and at most; so long a Retry-After is obeyed.
      give_up: chats in a row that fail for good before all ends; two, while none was answered yet.
      max_calls, max_cost: of one run, stored answers not counted; what is under way when the cost is reached is still paid.
      price_input, price_cached, price_output: of a million tokens, in any currency; None takes `price_input` for cached ones.
      cache: folder of all answers, local or gs://; programs may share it.
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
    attempts: int = 6
    backoff: float = 1.0
    max_wait: float = 60.0
    give_up: int = 8
    max_calls: int | None = None
    max_cost: float | None = None
    price_input: float = 0.0
    price_cached: float | None = None
    price_output: float = 0.0
    cache: str = "runs/llm"

    def __post_init__(self) -> None:
        expect_at_least(1, self, "llm", "max_tokens", "concurrency", "attempts", "give_up")
        for name in ("timeout", "backoff", "max_wait"):
            if not getattr(self, name) > 0:
                raise ValueError(f"llm.{name} = {getattr(self, name)}: expected above 0")
        for name in ("temperature", "max_calls", "max_cost", "price_input", "price_cached", "price_output"):
            if (value := getattr(self, name)) is not None and not value >= 0:
                raise ValueError(f"llm.{name} = {value}: expected 0 or more")
        if self.limit_field not in LIMITS:
            raise ValueError(f"llm.limit_field = {self.limit_field!r}: expected one of {', '.join(LIMITS)}")
        if self.max_cost is not None and not (self.price_input or self.price_output):
            raise ValueError(f"llm.max_cost = {self.max_cost}: expected llm.price_input and llm.price_output with it")

    def decides(self) -> dict[str, Any]:
        """The fields that an answer depends on."""
        return {name: getattr(self, name) for name in ("model", "temperature", "top_p", "seed", "max_tokens")}

    def cost(self, account: Account) -> float:
        """In the currency of the prices."""
        price_cached = self.price_input if self.price_cached is None else self.price_cached
        fresh, cached, completion = (
            account.prompt_tokens - account.cached_tokens,
            account.cached_tokens,
            account.completion_tokens,
        )
        return (fresh * self.price_input + cached * price_cached + completion * self.price_output) / 1e6

    def endpoint(self) -> str:
        """Its address."""
        return self.base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI

    def key(self) -> str:
        """The key, from the environment; it is never written anywhere."""
        key = os.environ.get(self.key_variable, "")
        if not key and urlsplit(self.endpoint()).hostname == urlsplit(OPENAI).hostname:
            raise ValueError(f"{OPENAI}: expected a key in the environment variable {self.key_variable}")
        return key or "none"


class Asker(Protocol):
    """Asks for one chat; `number` tells apart answers to the same chat."""

    def __call__(self, chat: Chat, number: int = 0) -> Awaitable[Reply]: ...


class Llm:
    """An endpoint; an `Ask`.

    Attributes:
      paid: what this object has paid for.
      stored: answers that were in the cache.
      retries: attempts that failed and were made again.
    """

    def __init__(self, config: LlmConfig) -> None:
        if not config.model:
            raise ValueError("llm.model = '': expected the name that the endpoint knows its model by")
        config.key()  # a key that is missing is told before anything is done
        self.config = config
        self.paid = Account()
        self.stored = self.retries = self.begun = 0
        self._cache = Cache(config.cache)

    def __call__(self, chats: Sequence[Chat]) -> list[str | None]:
        """The answers' texts, in the chats' order; raises as `each` does."""
        found: list[str | None] = [None] * len(chats)

        async def one(ask: Asker, chat: tuple[int, Chat]) -> str | None:
            return (await ask(chat[1])).text

        for (index, _), text in self.each(one, enumerate(chats)):
            found[index] = text
        return found

    def each(self, work: Callable[[Asker, T], Awaitable[R]], items: Iterable[T]) -> Generator[tuple[T, R], None, None]:
        """Does a piece of work for every item, many at a time; yields (item, result) as they are done, in any order.

        Whoever leaves early (an interrupt, too) waits a second at most: calls under way may still come back, and are kept.

        Args:
          work: asks as often as it needs to; it runs on another thread.

        Raises:
          ValueError: the endpoint refuses the key, the model or the settings, or a limit of calls or cost is reached.
          ConnectionError: chat after chat gets no answer.
        """
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        stop = _Stop()

        def serve() -> None:
            try:
                asyncio.run(self._serve(work, iter(items), results.put, stop))
            except BaseException as error:  # the thread ends with it: it is raised where it can be heard
                results.put(_Failed(error))
            else:
                results.put(_Failed(None))

        thread = threading.Thread(target=serve, name="llm", daemon=True)
        thread.start()
        try:
            while not isinstance(result := results.get(), _Failed):
                yield result
            if result.error is not None:
                raise result.error
        finally:
            stop.now()
            thread.join()

    def summary(self) -> str:
        """What this run paid for, in a line."""
        paid, config = self.paid, self.config
        words = [
            f"{paid.calls:,} calls paid, {self.stored:,} answers from {config.cache}, {self.retries:,} retries",
            f"{paid.failures:,} without an answer",
            f"{paid.prompt_tokens:,} prompt tokens ({paid.cached_tokens:,} cached) + {paid.completion_tokens:,}",
        ]
        if config.price_input or config.price_output:
            words.append(f"cost {config.cost(paid):.4f}")
        if paid.unmetered:
            words.append(f"{paid.unmetered:,} answers without a count of tokens: the true cost is higher")
        return "; ".join(words)

    async def _serve(
        self,
        work: Callable[[Asker, T], Awaitable[R]],
        items: Iterator[T],
        put: Callable[[tuple[T, R]], None],
        stop: _Stop,
    ) -> None:
        async with _client(self.config) as client:
            line = _Line(self, client, self._cache)

            async def worker() -> None:
                for item in items:
                    put((item, await work(line.ask, item)))
                    if line.closed:
                        return

            workers = [asyncio.create_task(worker()) for _ in range(self.config.concurrency)]
            done, told = asyncio.gather(*workers), asyncio.create_task(stop.wait())
            either: list[asyncio.Future[Any]] = [done, told]
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if done.done():
                    done.result()
            finally:
                told.cancel()
                await line.close()
                for task in workers:
                    task.cancel()
                await asyncio.gather(*workers, *either, return_exceptions=True)


@dataclasses.dataclass(frozen=True)
class _Failed:
    """The end of all results, by an error or without."""

    error: BaseException | None


class _Stop:
    """Tells the loop of another thread to end; it may be told before there is one."""

    def __init__(self) -> None:
        self._told = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None

    def now(self) -> None:
        self._told = True
        if self._loop is not None and self._event is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself
                self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        self._event, self._loop = asyncio.Event(), asyncio.get_running_loop()
        if not self._told:
            await self._event.wait()


class _Line:
    """The connection to an endpoint while `each` runs."""

    def __init__(self, llm: Llm, client: AsyncOpenAI, cache: Cache) -> None:
        self._llm, self._client, self._cache, self._config = llm, client, cache, llm.config
        self.closed = False
        self._slots = asyncio.Semaphore(llm.config.concurrency)
        self._under_way: dict[str, asyncio.Future[Reply]] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self._not_before = 0.0  # the endpoint asked all to wait until then
        self._answered, self._in_a_row = False, 0

    async def ask(self, chat: Chat, number: int = 0) -> Reply:
        request = {"messages": [dict(message) for message in chat], "try": number, **self._config.decides()}
        key = digest(request, 32)
        if key in self._under_way:  # the same is being asked: it is paid for once
            reply = await asyncio.shield(self._under_way[key])
            self._llm.stored += reply.text is not None
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
                self._llm.stored += 1
                self._answered, self._in_a_row = True, 0
                return reply
            self._check_limits()
            try:
                body = await self._call(key, request)
            except (Passing, Refused) as error:
                return self._failed(str(error))
            reply = read_reply(body)
            self._answered, self._in_a_row = True, 0
            self._llm.paid += reply.account
            # Neither an interrupt nor another's error may lose what is paid for.
            writing = asyncio.create_task(asyncio.to_thread(self._cache.write, key, request, body))
            self._writing.add(writing)
            writing.add_done_callback(self._writing.discard)
            await asyncio.shield(writing)
            return reply

    def _check_limits(self) -> None:
        if self.closed:
            raise asyncio.CancelledError
        config, llm = self._config, self._llm
        if config.max_calls is not None and llm.begun >= config.max_calls:
            raise ValueError(f"llm.max_calls = {config.max_calls}: all are used; what was answered is kept")
        if config.max_cost is not None and (cost := config.cost(llm.paid)) >= config.max_cost:
            raise ValueError(f"llm.max_cost = {config.max_cost}: {cost:.4f} is spent; what was answered is kept")
        llm.begun += 1

    def _failed(self, error: str) -> Reply:
        self._llm.paid += Account(failures=1)
        self._in_a_row += 1
        if self._in_a_row >= (self._config.give_up if self._answered else 2):
            raise ConnectionError(
                f"{shown(self._config.endpoint())}: {self._in_a_row} chats in a row got no answer; the last: {error}"
            )
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
            self._llm.retries += 1

        attempts = tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(config.attempts),
            wait=wait,
            retry=tenacity.retry_if_exception_type(Passing),
            before_sleep=again,
            reraise=True,
        )
        body: dict[str, Any] = await attempts(self._send, key, request)
        return body

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
                body = raw.http_response.json()
            read_reply(body)
        except TimeoutError:
            raise Passing(f"no answer within {config.timeout:g} s") from None
        except (openai.OpenAIError, ValueError, RecursionError) as error:  # of what is no JSON, too
            raise fault(error, shown(config.endpoint()), config.key()) from None
        found: dict[str, Any] = body
        return found


def shown(url: str) -> str:
    """An endpoint's address without a name and password in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _client(config: LlmConfig) -> AsyncOpenAI:
    from openai import AsyncOpenAI

    # It retries nothing by itself: what is retried is counted.
    return AsyncOpenAI(base_url=config.endpoint(), api_key=config.key(), max_retries=0, timeout=config.timeout)
