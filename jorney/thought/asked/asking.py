"""Thoughts that are made by asking a model: what every such construction shares.

A construction is a generator for one problem: it yields a chat, is sent the reply (None where the call failed for good), and
returns what became of the problem. It never knows who answers. `advance` runs many of them, all turns of all problems together.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, TypeVar

from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.judge.llm import Account, Ask, Chat
from jorney.judge.llm.objects import spoken
from jorney.judge.llm.quoting import unmarked
from jorney.judge.llm.unread import unreadable
from jorney.thought.thought import Thought

# What becomes of a problem. Only thoughts that are "kept" are training data.
STATUSES = ("kept", "wrong answer", "unfinished", "unreadable", "failed call")

T = TypeVar("T")
Talking = Generator[Chat, str | None, T]


@dataclasses.dataclass
class Made:
    """What became of one problem.

    Attributes:
      id: of the problem.
      status: one of STATUSES: "unfinished" ran out of turns, "unreadable" gave no reply in the form asked for, however often.
      thought: there whenever a final answer was reached.
      note: why it is not kept, in a few words.
      calls: replies that were asked for.
      unreadable: of those, how many were not in the form asked for.
      failed: of those, how many never came.
      unread: one that was not in the form, and what was expected.
      unfaithful: of the unreadable, how many were in the form but had changed what they were to keep.
    """

    id: str
    status: str = "kept"
    thought: Thought | None = None
    note: str = ""
    calls: int = 0
    unreadable: int = 0
    failed: int = 0
    unread: str = ""
    unfaithful: int = 0

    @property
    def account(self) -> Account:
        """Of the replies that came."""
        unread, unfaithful = self.unreadable - self.unfaithful, self.unfaithful
        return Account(self.calls - self.failed, parse_failures=unread, check_failures=unfaithful, unread=self.unread)


class Unreadable(ValueError):
    """A reply is not in the form that was asked for; says what was expected, in words for the model."""


class Unfaithful(Unreadable):
    """A reply is in the form, but has changed what it was to keep; says what, in words for the model."""


class Ended(Exception):
    """A dialogue ends without a thought."""

    def __init__(self, status: str, note: str) -> None:
        super().__init__(note)
        self.status, self.note = status, note


@dataclasses.dataclass
class Talk:
    """The calls of one problem.

    Attributes:
      made: where they are counted.
      retries: how often an unreadable reply is asked for again.
    """

    made: Made
    retries: int

    def ask(self, prompt: str, parse: Callable[..., T], **known: Any) -> Talking[T]:
        """A reply to a prompt, read by `parse`; one that cannot be read is shown to the model, with what was expected.

        Args:
          known: what else `parse` takes.

        Raises:
          Ended: the call failed, or no reply could be read.
        """
        # One user's message: some chat templates know no system's.
        chat = [{"role": "user", "content": unmarked(prompt)}]
        error = ""
        for _ in range(self.retries + 1):
            reply = yield chat
            self.made.calls += 1
            if reply is None:
                self.made.failed += 1
                raise Ended("failed call", "a call failed for good")
            said = spoken(reply).strip()
            try:
                return parse(said, **known)
            except Unreadable as wrong:
                error = str(wrong)
                self.made.unreadable += 1
                if isinstance(wrong, Unfaithful):
                    self.made.unfaithful += 1
                else:
                    self.made.unread = unreadable(reply, error).unread
                again = f"This could not be read: {error}. Reply again, in the form that was asked for and with nothing else."
                chat = [
                    *chat,
                    {"role": "assistant", "content": said or reply.strip() or "-"},
                    {"role": "user", "content": again},
                ]
        raise Ended("unreadable", error)


def hold(problem: Problem, retries: int, talk: Callable[[Talk], Talking[Thought]]) -> Talking[Made]:
    """A construction's talk about one problem, with its calls counted and its end told."""
    made = Made(problem.id)
    try:
        made.thought = yield from talk(Talk(made, retries))
    except Ended as end:
        made.status, made.note = end.status, end.note
    return made


def advance(dialogues: Iterable[Talking[T]], ask: Ask, concurrent: int) -> Iterator[tuple[int, T]]:
    """(index, what it returned) of every dialogue, as they end; never more than `concurrent` are under way.

    The turns of all that are under way are asked for together; where one ends the next begins.

    Raises:
      ValueError: `ask` gave another number of replies than there were chats.
    """
    waiting = ((index, dialogue, None) for index, dialogue in enumerate(dialogues))
    answered: list[tuple[int, Talking[T], str | None]] = []
    while True:
        following = itertools.chain(answered, waiting)
        live: list[tuple[int, Talking[T], Chat]] = []
        while len(live) < concurrent and (resumed := next(following, None)) is not None:
            index, dialogue, reply = resumed
            try:
                live.append((index, dialogue, dialogue.send(reply)))
            except StopIteration as end:
                yield index, end.value
        if not live:
            return
        replies = ask([chat for _, _, chat in live])
        if len(replies) != len(live):
            raise ValueError(f"{len(replies)} replies to {len(live)} chats: expected one for each, None where a call failed")
        answered = [(index, dialogue, reply) for (index, dialogue, _), reply in zip(live, replies, strict=True)]


def graded(made: Made, problem: Problem, grader: Grader) -> Made:
    """The same, kept only if its final answer is right."""
    if made.thought is None or (grade := grader.grade(problem, made.thought.text)).correct:
        return made
    return dataclasses.replace(made, status="wrong answer", note=grade.note)


def account(results: Iterable[Made]) -> dict[str, int]:
    """How many problems ended how, and all calls: none is left out."""
    found = list(results)
    ends = Counter(made.status for made in found)
    return {
        "problems": len(found),
        **{status.replace(" ", "_"): ends[status] for status in STATUSES},
        "calls": sum(made.calls for made in found),
        "unreadable_replies": sum(made.unreadable for made in found),
        "failed_calls": sum(made.failed for made in found),
    }
