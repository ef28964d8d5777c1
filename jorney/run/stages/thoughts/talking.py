"""`jorney thoughts propose-critique`, `student-teacher`, `human`: thoughts made by asking a model (`thought.asked.asking`)."""

from __future__ import annotations

import dataclasses
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.config import digest
from jorney.domain import domains
from jorney.domain.grading import GRADING, Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import SamplingConfig
from jorney.judge.llm import Account, Ask, Llm, LlmConfig
from jorney.judge.llm.unread import Unread
from jorney.policy import tokenizer_of
from jorney.run.artifact import Artifact, Model
from jorney.run.parts import Parts
from jorney.run.stage import ProblemsCommand, StageCommand
from jorney.run.stages.judges.kinds import same, with_account, with_unread
from jorney.run.stages.thoughts.chat_model import chat_ask
from jorney.run.stages.thoughts.reading import THOUGHTS
from jorney.run.workspace import Workspace
from jorney.thought.asked.asking import Chat, Made, Talking, account, advance, graded
from jorney.thought.asked.augment import AugmentConfig, augment
from jorney.thought.asked.dialogue import DialogueConfig, propose_critique, student_teacher
from jorney.thought.asked.human import segments

OTHERS = "others.jsonl"
_ASKED = ("model", "problems", "limit", "output", "llm.model", "llm.base-url", "llm.max-cost", "replies.max-tokens", "seed")


@dataclasses.dataclass(frozen=True)
class AskingCommand(StageCommand):
    """What commands take that ask a model.

    Attributes:
      model: a chat model: its tokenizer has a chat template. It speaks all parts.
      replies: how its replies are drawn.
      llm: an endpoint that speaks in the model's place; none where `llm.model` is "". `llm.max_unread` holds for both.
    """

    replies: SamplingConfig = dataclasses.field(default_factory=lambda: SamplingConfig(max_tokens=512, rows=32))
    llm: LlmConfig = dataclasses.field(default_factory=LlmConfig)

    @property
    def writer(self) -> str:
        """Who answers."""
        return self.llm.model or self.model

    def asked(self, space: Workspace, model: Model) -> tuple[Callable[[], Ask], list[Any], Callable[[Artifact], Artifact]]:
        """(makes what answers, what its answers depend on, adds to the stage that asks what it has paid)."""
        if self.llm.model:
            llm = Llm(self.llm)
            return lambda: llm, [self.llm.decides()], lambda artifact: with_account(artifact, space, llm)
        if not tokenizer_of(model.folder).chats:
            raise ValueError(f"{self.model}: its tokenizer has no chat template: expected a chat model")
        sampling = dataclasses.replace(self.replies, seed=self.seed)
        decides = {name: getattr(sampling, name) for name in ("max_tokens", "temperature", "top_p", "top_k", "min_p", "seed")}
        return lambda: chat_ask(space.generator(model), sampling), [model.key, decides], same

    def constructed(
        self,
        space: Workspace,
        model: Model,
        problems: Sequence[Problem],
        talk: Callable[[Problem], Talking[Made]],
        config: DialogueConfig | AugmentConfig,
    ) -> list[Artifact]:
        """The stage that makes thoughts of problems by asking."""
        ask, key, paid = self.asked(space, model)
        name, reads, unread = self.command.split()[-1], [*key, config], Unread(self.llm)
        made = plan_constructed(space, name, problems, talk, ask, reads, config.concurrent, count=unread.add)
        return [with_unread(paid(made), space, unread)]


@dataclasses.dataclass(frozen=True)
class DialogueCommand(AskingCommand, ProblemsCommand):
    """What both dialogues take."""

    speaks: ClassVar[Callable[..., Talking[Made]]]
    common = (*_ASKED, "dialogue.concurrent")

    dialogue: DialogueConfig = dataclasses.field(default_factory=DialogueConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        def talk(problem: Problem) -> Talking[Made]:
            return self.speaks(problem, space.format, domains.state, self.dialogue, self.writer)

        return self.constructed(space, model, self.read_problems(), talk, self.dialogue)


@dataclasses.dataclass(frozen=True)
class ProposeCritiqueCommand(DialogueCommand):
    """Thoughts of a proposer that picks an action at a time, and a critic that comments."""

    command: ClassVar[str] = "thoughts propose-critique"
    speaks = staticmethod(propose_critique)

    output: str = "runs/propose-critique"


@dataclasses.dataclass(frozen=True)
class StudentTeacherCommand(DialogueCommand):
    """Thoughts of a student, whom a teacher tells to go on, to look again, or to go back."""

    command: ClassVar[str] = "thoughts student-teacher"
    speaks = staticmethod(student_teacher)

    output: str = "runs/student-teacher"


@dataclasses.dataclass(frozen=True)
class HumanCommand(AskingCommand, ProblemsCommand):
    """Human solutions told at more length: finer steps, recaps, the tone of a student; checked against what was written.

    Attributes:
      problems: a file, a hub id or tfds:NAME with questions, answers and solutions in words.
    """

    command: ClassVar[str] = "thoughts human"
    common = (*_ASKED, "augment.passes")

    output: str = "runs/human"
    problems: str = ""
    augment: AugmentConfig = dataclasses.field(default_factory=AugmentConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        if not self.problems or domains.drawing(self.problems):
            raise ValueError(f"problems = {self.problems!r}: expected a file, a hub id or tfds:NAME with solutions in words")
        problems = self.read_problems()
        for problem in problems:
            try:
                segments(problem, space.format)
            except ValueError as error:
                raise ValueError(f"{self.problems}: {error}") from None

        def talk(problem: Problem) -> Talking[Made]:
            return augment(problem, space.format, self.augment, self.writer)

        return self.constructed(space, model, problems, talk, self.augment)


class Replies:
    """What was answered, kept in a folder in immutable parts; a chat that was answered is not asked for again.

    Args:
      ask: answers the others. A call that failed is not kept: the next run tries it again.
    """

    def __init__(self, folder: storage.Path, ask: Callable[[], Ask]) -> None:
        self._parts, self._ask = Parts(folder, "chat", "reply"), functools.cache(ask)
        self._known = {chat: row["reply"] for chat, row in self._parts.by_id().items()}
        self.asked = 0

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
            with self._parts:  # written at once: each was paid for
                self._parts.add(*rows)
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
    count: Callable[[Account], None] = lambda account: None,
) -> Artifact:
    """Thoughts of problems, by a construction.

    The folder holds thoughts.jsonl, those whose answer is right, in the problems' order; others.jsonl, what became of every
    other problem, with the thought where there is one; and replies/, all that was answered. Stopped midway it goes on from the
    replies: the dialogues are taken up again, and what was answered is not asked for again.

    Args:
      dialogue: of a problem.
      ask: makes what answers, when it is needed.
      reads: what the replies and the dialogues depend on, beside the problems.
      count: is told of the replies of each dialogue that has ended.
    """

    def work(folder: storage.Path) -> dict[str, Any]:
        replies = Replies(folder / "replies", ask)
        found: dict[int, Made] = {}
        ends: Counter[str] = Counter()
        with Grader(timeout_seconds=grading_seconds) as grader, space.progress.bar("problems", len(problems)) as bar:
            for index, made in advance(map(dialogue, problems), replies, concurrent):
                count(made.account)
                found[index] = graded(made, problems[index], grader)
                ends[found[index].status] += 1
                bar(1, f"{ends['kept'] / len(found):.0%} kept, {len(replies):,} replies")
        made_all = [found[index] for index in range(len(problems))]
        kept = [made.thought for made in made_all if made.status == "kept" and made.thought]
        storage.write_jsonl(folder / THOUGHTS, (thought.to_json() for thought in kept))
        storage.write_jsonl(folder / OTHERS, (_other(made) for made in made_all if made.status != "kept"))
        backs = [thought.excursions for thought in kept if thought.excursions]
        return {**account(made_all), "journeys": len(backs), "mean_excursions": sum(backs) / max(1, len(kept))}

    return space.plan(name, [digest(list(problems)), *reads, GRADING], work, f"{len(problems):,} problems")


def _other(made: Made) -> dict[str, Any]:
    about = {name: value for name, value in vars(made).items() if name != "thought"}
    return {**about, "thought": made.thought.to_json() if made.thought else None}
