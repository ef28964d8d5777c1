"""Stages that make thoughts by asking a model (`thought.asked.asking`); a reply is kept, so that nothing is asked twice."""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from jorney import storage
from jorney.config import digest
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.judge.llm.client import Ask
from jorney.run.workspace import Stage, Workspace
from jorney.thought.asked.asking import Chat, Made, Talking, account, advance, graded

THOUGHTS = "thoughts.jsonl"
OTHERS = "others.jsonl"


class Replies:
    """What was answered, kept in a folder in immutable parts; a chat that was answered is not asked for again.

    Args:
      ask: answers the others. A call that failed is not kept: the next run tries it again.
    """

    def __init__(self, folder: storage.Path, ask: Callable[[], Ask]) -> None:
        self._folder, self._ask = folder, functools.cache(ask)
        self._known: dict[str, str] = {}
        parts = sorted(folder.glob("*.jsonl")) if folder.exists() else []
        for part in parts:
            for number, row in storage.read_jsonl(os.fspath(part)):
                if not isinstance(row.get("chat"), str) or not isinstance(row.get("reply"), str):
                    raise ValueError(f"{part}: line {number}: expected the texts 'chat' and 'reply'")
                self._known[row["chat"]] = row["reply"]
        self._parts, self.asked = len(parts), 0

    def __len__(self) -> int:
        return len(self._known)

    def __call__(self, chats: Sequence[Chat]) -> list[str | None]:
        names = [digest(list(map(dict, chat)), 32) for chat in chats]
        new = {name: chat for name, chat in zip(names, chats, strict=True) if name not in self._known}
        if new:
            replies = self._ask()(list(new.values()))
            if len(replies) != len(new):
                raise ValueError(f"{len(replies)} replies to {len(new)} chats: expected one for each, None where a call failed")
            self.asked += len(new)
            rows = [{"chat": name, "reply": reply} for name, reply in zip(new, replies, strict=True) if reply is not None]
            if rows:
                storage.write_jsonl(self._folder / f"{self._parts:06d}.jsonl", rows)
                self._parts += 1
                self._known |= {row["chat"]: row["reply"] for row in rows}
        return [self._known.get(name) for name in names]


def plan_constructed(
    space: Workspace,
    name: str,
    problems: Sequence[Problem],
    dialogue: Callable[[Problem], Talking[Made]],
    ask: Callable[[], Ask],
    reads: Sequence[Any],
    concurrent: int,
    grading_seconds: float = 5.0,
) -> Stage:
    """Thoughts of problems, by a construction.

    The folder holds thoughts.jsonl, those whose answer is right, in the problems' order; others.jsonl, what became of every
    other problem, with the thought where there is one; and replies/, all that was answered. Stopped midway it goes on from the
    replies: the dialogues are taken up again, and what was answered is not asked for again.

    Args:
      dialogue: of a problem.
      ask: makes what answers, when it is needed.
      reads: what the replies and the dialogues depend on, beside the problems.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        replies = Replies(folder / "replies", ask)
        found: dict[int, Made] = {}
        ends: Counter[str] = Counter()
        with Grader(timeout_seconds=grading_seconds) as grader, space.progress.bar("problems", len(problems)) as bar:
            for index, made in advance(map(dialogue, problems), replies, concurrent):
                found[index] = graded(made, problems[index], grader)
                ends[found[index].status] += 1
                bar(1, f"{ends['kept'] / len(found):.0%} kept, {len(replies):,} replies")
        made_all = [found[index] for index in range(len(problems))]
        kept = [made.thought for made in made_all if made.status == "kept" and made.thought]
        storage.write_jsonl(folder / THOUGHTS, (thought.to_json() for thought in kept))
        storage.write_jsonl(folder / OTHERS, (_other(made) for made in made_all if made.status != "kept"))
        backs = [thought.excursions for thought in kept if thought.excursions]
        return {**account(made_all), "journeys": len(backs), "mean_excursions": sum(backs) / max(1, len(kept))}

    return space.plan(name, [digest(list(problems)), *reads], work, f"{len(problems):,} problems")


def _other(made: Made) -> dict[str, Any]:
    about = {name: value for name, value in vars(made).items() if name != "thought"}
    return {**about, "thought": made.thought.to_json() if made.thought else None}
