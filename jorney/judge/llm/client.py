"""Any OpenAI-compatible endpoint: chats in, replies out, and every answer paid for once.

An answer is on disk before anybody sees it, under a hash of what was asked: a program that is killed and started again finds
what it has paid for. Only the calls that are under way at that moment can be paid for again; they carry an Idempotency-Key, for
endpoints that know it.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import queue
import threading
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from urllib.parse import parse_qsl, urlsplit

from jorney.judge.llm.calls import Calls, Chat, Spending
from jorney.judge.llm.endpoint import LlmConfig
from jorney.judge.llm.errors import Elsewhere, Refused
from jorney.judge.llm.replies import Cache, Reply
from jorney.judge.llm.unread import Unread

if TYPE_CHECKING:
    from openai import AsyncOpenAI

# Chats in, texts out in their order; None where a call failed for good.
Ask = Callable[[Sequence[Chat]], list[str | None]]
_REDIRECTS = 5  # to the same host
T = TypeVar("T")
R = TypeVar("R")


class Asker(Protocol):
    """Asks for one chat; `number` tells apart answers to the same chat."""

    def __call__(self, chat: Chat, number: int = 0) -> Awaitable[Reply]: ...


class Llm:
    """An endpoint; an `Ask`.

    Attributes:
      spent: what this object has paid for, and more.
      unread: what could be read of the answers in `each`; whoever reads them counts them there.
    """

    def __init__(self, config: LlmConfig) -> None:
        if not config.model:
            raise ValueError("llm.model = '': expected the name that the endpoint knows its model by")
        config.endpoint()  # what is wrong with the address or the key is told before anything is done
        config.key()
        self.config = config
        self.spent = Spending()
        self.unread = Unread(config)
        self._cache = Cache(config.cache)

    def __call__(self, chats: Sequence[Chat]) -> list[str | None]:
        """The answers' texts, in the chats' order; raises as `each` does."""

        async def one(ask: Asker, index: int) -> str | None:
            return (await ask(chats[index])).text

        with contextlib.closing(self.each(one, range(len(chats)))) as done:
            return [text for _, text in sorted(done)]

    def each(self, work: Callable[[Asker, T], Awaitable[R]], items: Iterable[T]) -> Generator[tuple[T, R], None, None]:
        """Does a piece of work for every item, many at a time; yields (item, result) as they are done, in any order.

        Whoever leaves early (close the generator; an interrupt does) waits a second at most: calls under way may still come
        back, and are kept.

        Args:
          work: asks as often as it needs to; it runs on another thread.

        Raises:
          ValueError: the endpoint refuses the key, the model or the settings, or a limit of calls or cost is reached.
          ConnectionError: chat after chat gets no answer.
        """
        results: queue.SimpleQueue[Any] = queue.SimpleQueue()
        stop = concurrent.futures.Future[None]()  # cancelled to tell the other thread's loop to end, be it before there is one
        ended = concurrent.futures.Future[None]()

        def serve() -> None:
            try:
                ended.set_result(asyncio.run(self._serve(work, iter(items), results.put, stop)))
            except BaseException as error:  # the thread ends with it: it is raised where it can be heard
                ended.set_exception(error)
            results.put(ended)

        thread = threading.Thread(target=serve, name="llm", daemon=True)
        thread.start()
        try:
            while True:
                try:
                    result = results.get(timeout=0.2)
                except queue.Empty:  # an interrupt that another thread sent is heard between two looks only
                    continue
                if result is ended:
                    break
                yield result
            ended.result()
        finally:
            stop.cancel()
            thread.join()

    def summary(self) -> str:
        """What this run paid for, in a calls."""
        spent, paid, config = self.spent, self.spent.paid, self.config
        words = [
            f"{paid.calls:,} calls paid, {spent.stored:,} answers from {config.cache}, {spent.retries:,} retries",
            f"{paid.failures:,} without an answer",
            f"{paid.prompt_tokens:,} prompt tokens ({paid.cached_tokens:,} cached) + {paid.completion_tokens:,}",
        ]
        if config.price_input or config.price_output:
            words.append(f"cost {config.cost(paid):.4f}")
        if paid.cut:
            words.append(f"{paid.cut:,} answers cut off at llm.max_tokens = {config.max_tokens}")
        if paid.unmetered:
            words.append(f"{paid.unmetered:,} answers without a count of tokens: the true cost is higher")
        return "; ".join(words)

    async def _serve(
        self,
        work: Callable[[Asker, T], Awaitable[R]],
        items: Iterator[T],
        put: Callable[[tuple[T, R]], None],
        stop: concurrent.futures.Future[None],
    ) -> None:
        async with _client(self.config) as client:
            calls = Calls(self.config, client, self._cache, self.spent)

            async def worker() -> None:
                for item in items:
                    put((item, await work(calls.ask, item)))
                    if calls.closed:
                        return

            workers = [asyncio.create_task(worker()) for _ in range(self.config.concurrency)]
            done, told = asyncio.gather(*workers), asyncio.wrap_future(stop)
            either: list[asyncio.Future[Any]] = [done, told]
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                if done.done():
                    done.result()
            finally:
                told.cancel()
                await calls.close()
                for task in workers:
                    task.cancel()
                await asyncio.gather(*workers, *either, return_exceptions=True)


def _client(config: LlmConfig) -> AsyncOpenAI:
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    class Bounded(DefaultAsyncHttpxClient):
        """Reads answers, those that tell of errors too, no further than `max_bytes`, however they are sent or packed."""

        async def send(self, request: Any, *, redirects: int = 0, **options: Any) -> Any:
            response = await super().send(request, **{**options, "stream": True, "follow_redirects": False})
            content = bytearray()
            async with contextlib.aclosing(response):
                async for chunk in response.aiter_bytes():
                    content += chunk
                    if len(content) > config.max_bytes:
                        raise Refused(f"the answer is longer than llm.max_bytes = {config.max_bytes:,}")
            if (following := response.next_request) is not None:
                to, was = following.url, request.url
                if to.host != was.host or (was.scheme == "https" and to.scheme != "https") or redirects == _REDIRECTS:
                    raise Elsewhere(f"it redirects to {to.scheme}://{to.netloc.decode()}")
                return await self.send(following, redirects=redirects + 1, **options)
            packed = ("content-encoding", "content-length", "transfer-encoding")
            headers = [(name, value) for name, value in response.headers.multi_items() if name not in packed]
            return type(response)(response.status_code, headers=headers, content=bytes(content), request=response.request)

    parts = urlsplit(config.endpoint())
    return AsyncOpenAI(
        base_url=parts._replace(query="").geturl(),
        default_query=dict(parse_qsl(parts.query)),
        api_key=config.key(),
        max_retries=0,  # what is tried again is counted
        timeout=config.timeout,
        http_client=Bounded(timeout=config.timeout),
    )
