"""Two models in a dialogue about a problem, one of whom solves it (O1 Replication Journey, Part 1).

Propose and critique: the proposer picks an action at a time (it continues, reflects, backtracks or terminates); after each but
the last a critic, who sees what stands, says what it thinks of it, and the proposer reads that before it acts again.

Student and teacher (the paper's multi-agent debate): the student writes one step a turn. The teacher says whether to go on, to
look again, or to go back to an earlier step; the student then says in its own words what it has seen.

The thought is the words of the one who solves, alone.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from typing import NamedTuple

from jorney.config import expect_at_least, expect_number
from jorney.domain.problem import Problem
from jorney.judge.llm.endpoint import MOST_TRIES
from jorney.text.step_format import StepFormat
from jorney.thought.asked.asking import Ended, Made, Talk, Talking, Unreadable, hold
from jorney.thought.asked.builder import ThoughtBuilder, one_line, split_final
from jorney.thought.refine import State
from jorney.thought.thought import Thought

ACTIONS = ("continue", "reflect", "backtrack", "terminate")
VERDICTS = ("go on", "reflect", "backtrack")

_PROPOSE = """You solve a problem one action at a time. Choose the action that is best now:

Action: continue
(the next step of the solution: one step, a sentence or two with its calculation)

Action: reflect
(what you notice when you look at the steps so far again, without changing them)

Action: backtrack to K
(why the steps after step K are wrong or lead nowhere; K is the number of the last step to keep, 0 keeps none)

Action: terminate
(the final answer, on a line of its own: #### ANSWER)

Reply with one action: its line exactly as above, then your words. Think as a person does who explores: doubt, try, go back.
{critique}
{shown}"""
_CRITIC = """You are the critic of somebody who solves a problem step by step. Look at the last action. Say in one or two
sentences whether it is right and helps, what is wrong if anything is, and how far one should go back if so. Do not go on with
the solution yourself.
{answer}
{shown}
Last action: {action}
"""
_STUDENT = """You are a student who solves a problem, thinking aloud. Write the next step of your solution, and nothing else:
one step, a sentence or two with its calculation. If the problem is solved with it, end with the final answer on a line of its
own:
#### ANSWER

{shown}"""
_TEACHER = """You are a teacher who watches a student solve a problem. Look at the student's last step. Reply with one line:

Verdict: go on
Verdict: reflect
Verdict: backtrack to K

and after it one or two sentences to the student. "go on": the step is right and helps. "reflect": the student should look at
something again, but nothing has to be undone. "backtrack to K": a step is wrong or leads nowhere; K is the number of the last
step that is right, 0 if none is.
{answer}
{shown}{stated}"""
_REFLECT = """You are a student who solves a problem, thinking aloud. Your teacher says: {said}

{shown}
{todo} Say in one or two sentences, to yourself and in the first person, what you notice. Do not write the next step yet."""


@dataclasses.dataclass(frozen=True)
class DialogueConfig:
    """Limits of a dialogue.

    Attributes:
      max_turns: actions (or steps) a problem may take.
      max_backtracks: how often it may go back.
      retries: how often a reply that is not in the form asked for is asked for again.
      known_answer: whether the critic (or the teacher) is told the answer; whoever solves the problem never is.
      concurrent: problems under way together.
    """

    max_turns: int = 24
    max_backtracks: int = 4
    retries: int = 2
    known_answer: bool = False
    concurrent: int = 64

    def __post_init__(self) -> None:
        expect_number(self, "dialogue", "max_turns", least=1, most=10_000)
        expect_at_least(1, self, "dialogue", "concurrent")
        expect_at_least(0, self, "dialogue", "max_backtracks")
        expect_number(self, "dialogue", "retries", least=0, most=MOST_TRIES)


class Action(NamedTuple):
    """What the proposer does: the action, its words, where it goes back to, and the final answer."""

    name: str
    words: str
    level: int = 0
    answer: str = ""


class Verdict(NamedTuple):
    """What the teacher says: one of VERDICTS, the step to go back to, and words."""

    name: str
    words: str
    level: int = 0


def propose_critique(
    problem: Problem, step_format: StepFormat, state: State, config: DialogueConfig, writer: str
) -> Talking[Made]:
    """The dialogue of a proposer and a critic about one problem; see `thought.asked.asking`.

    Args:
      writer: what the model is known by, in the thought.
    """

    def dialogue(talk: Talk) -> Talking[Thought]:
        builder, critique = ThoughtBuilder(problem, step_format), ""
        for _ in range(config.max_turns):
            prompt = _PROPOSE.format(critique=critique, shown=builder.shown())
            may_go_back = builder.backtracks < config.max_backtracks
            action = yield from talk.ask(prompt, read_action, steps=len(builder.steps), may_go_back=may_go_back)
            turn = builder.say("proposer", action.words, action.answer)
            about = f"{action.name}: {action.words}"
            if action.name == "backtrack":
                about = f"backtrack to {action.level}: {action.words}"
                builder.backtrack(action.level, action.words, turn, state)
            elif action.name == "reflect":
                builder.look(action.words, turn)
            elif action.words:
                builder.step(one_line(action.words, step_format), turn)
            if action.name == "terminate":
                return builder.finish(action.answer, turn, "propose-critique", writer)
            seen = _CRITIC.format(answer=_known(problem, config), shown=builder.shown(), action=about)
            comment = yield from talk.ask(seen, read_words)
            builder.say("critic", comment)
            critique = f"\nYour last action was: {about}\nA critic says of it: {comment}\n"
        raise Ended("unfinished", f"no answer within {config.max_turns} actions")

    return hold(problem, config.retries, dialogue)


def student_teacher(
    problem: Problem, step_format: StepFormat, state: State, config: DialogueConfig, writer: str
) -> Talking[Made]:
    """The dialogue of a student and a teacher about one problem; see `thought.asked.asking`.

    Args:
      writer: what the model is known by, in the thought.
    """

    def dialogue(talk: Talk) -> Talking[Thought]:
        builder = ThoughtBuilder(problem, step_format)
        for _ in range(config.max_turns):
            words, answer = yield from talk.ask(_STUDENT.format(shown=builder.shown()), _read_step)
            turn = builder.say("student", words, answer)
            if words:
                builder.step(one_line(words, step_format), turn)
            stated = f"\nThe student states the final answer: {answer}\n" if answer else ""
            seen = _TEACHER.format(answer=_known(problem, config), shown=builder.shown(), stated=stated)
            may_go_back = builder.backtracks < config.max_backtracks
            verdict = yield from talk.ask(seen, read_verdict, steps=len(builder.steps), may_go_back=may_go_back)
            builder.say("teacher", verdict.words)
            back = verdict.name == "backtrack"
            if verdict.name != "go on":
                kept = f"only the steps up to {verdict.level} stay" if verdict.level else "none of the steps stays"
                todo = f"You go back: {kept}." if back else "You look again at what stands."
                prompt = _REFLECT.format(said=verdict.words or verdict.name, shown=builder.shown(), todo=todo)
                said = yield from talk.ask(prompt, read_words)
                turn = builder.say("student", said)
                if back:
                    builder.backtrack(verdict.level, said, turn, state)
                else:
                    builder.look(split_final(said)[0] or said, turn)
            if answer and not back:  # it stands, be it after another look
                return builder.finish(answer, turn, "student-teacher", writer)
        raise Ended("unfinished", f"no answer within {config.max_turns} steps")

    return hold(problem, config.retries, dialogue)


def _known(problem: Problem, config: DialogueConfig) -> str:
    return f"The right answer is {problem.answer}; do not tell it." if config.known_answer else ""


def read_action(reply: str, steps: int, may_go_back: bool = True) -> Action:
    """The action that a reply states.

    Args:
      steps: how many stand.

    Raises:
      Unreadable: says what was expected.
    """
    name, level, rest = _read_choice(reply, "Action", ACTIONS)
    words, answer = split_final(rest)
    if answer is not None and name != "backtrack":
        return Action("terminate", words, answer=answer)  # whatever it calls it
    if name == "terminate":
        raise Unreadable("expected the final answer on a line of its own, as #### ANSWER")
    if not words:
        raise Unreadable(f"expected words after 'Action: {name}'")
    if name != "backtrack":
        return Action(name, words)
    if not may_go_back:
        raise Unreadable("expected another action than backtrack: you have gone back as often as you may")
    return Action(name, words, _read_level(level, steps, "Action", "there is no step to leave"))


def read_verdict(reply: str, steps: int, may_go_back: bool = True) -> Verdict:
    """The verdict that a teacher's reply states.

    Args:
      steps: how many stand.

    Raises:
      Unreadable: says what was expected.
    """
    name, level, rest = _read_choice(reply, "Verdict", VERDICTS)
    words = rest.strip()
    if name != "backtrack":
        return Verdict(name, words)
    if not may_go_back:
        raise Unreadable("expected another verdict than backtrack: the student has gone back as often as is allowed")
    return Verdict(name, words, _read_level(level, steps, "Verdict", "there is no step yet to go back from"))


def _read_choice(reply: str, title: str, names: Sequence[str]) -> tuple[str, str | None, str]:
    """The name behind a title, K where "to K" follows, and the rest of the reply."""
    match = re.match(rf"\W*{title}\W*[:=]\W*({'|'.join(names)})\b(?:\W*to(?: step)? (\d{{1,4}}))?", reply, re.IGNORECASE)
    if match is None:
        raise Unreadable(f"expected '{title}: ' and one of {', '.join(names)} on the first line")
    return match[1].lower(), match[2], reply[match.end() :].lstrip(" .:*)\n")


def _read_level(stated: str | None, steps: int, title: str, none: str) -> int:
    """The last step to keep, of those that stand. Raises Unreadable where at least one step would not be left."""
    if stated is None or int(stated) >= steps:
        raise Unreadable(f"expected '{title}: backtrack to K', K from 0 to {steps - 1}" if steps else none)
    return int(stated)


def _read_step(reply: str) -> tuple[str, str | None]:
    words, answer = split_final(read_words(reply))
    if not words and answer is None:
        raise Unreadable("expected a step, or the final answer as #### ANSWER")
    return words, answer


def read_words(reply: str) -> str:
    """A reply that is free in its form. Raises Unreadable where it is empty."""
    if not reply:
        raise Unreadable("the reply was empty")
    return reply
