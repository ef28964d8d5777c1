"""Propose and critique (O1 Replication Journey, Part 1): one model picks an action at a time, another comments on it.

The proposer continues, reflects, backtracks or terminates; after each action but the last a critic, who sees what stands, says
what it thinks of it, and the proposer reads that before it acts again. The thought is the proposer's words alone.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import NamedTuple

from jorney.config import expect_at_least
from jorney.domain.problem import Problem
from jorney.text.step_format import StepFormat
from jorney.thought.asked.dialogue import Ended, Made, Talk, Talking, Unreadable, hold
from jorney.thought.asked.draft import Draft
from jorney.thought.asked.human import split_final
from jorney.thought.refine import State
from jorney.thought.thought import Thought

ACTIONS = ("continue", "reflect", "backtrack", "terminate")

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
{shown}{left}"""
_CRITIC = """You are the critic of somebody who solves a problem step by step. Look at the last action. Say in one or two
sentences whether it is right and helps, what is wrong if anything is, and how far one should go back if so. Do not go on with
the solution yourself.
{answer}
{shown}{left}
Last action: {action}
"""


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
        expect_at_least(1, self, "dialogue", "max_turns", "concurrent")
        expect_at_least(0, self, "dialogue", "max_backtracks", "retries")


class Action(NamedTuple):
    """What the proposer does: the action, its words, where it goes back to, and the final answer."""

    name: str
    words: str
    level: int = 0
    answer: str = ""


def propose_critique(
    problem: Problem, step_format: StepFormat, state: State, config: DialogueConfig, writer: str
) -> Talking[Made]:
    """The dialogue about one problem; see `thought.asked.dialogue`.

    Args:
      writer: what the model is known by, in the thought.
    """
    return hold(problem, config.retries, functools.partial(_talk, problem, step_format, state, config, writer))


def _talk(
    problem: Problem, step_format: StepFormat, state: State, config: DialogueConfig, writer: str, talk: Talk
) -> Talking[Thought]:
    draft = Draft(problem, step_format, state)
    critique = ""
    for _ in range(config.max_turns):
        prompt = _PROPOSE.format(critique=critique, shown=draft.shown(), left=draft.left())
        parse = functools.partial(read_action, steps=len(draft.steps), may_go_back=draft.backs < config.max_backtracks)
        action = yield from talk.ask(prompt, parse)
        answer = step_format.states(action.answer) if action.answer else ""
        turn = draft.say("proposer", f"{action.words}\n{answer}".strip())
        if action.name == "backtrack":
            draft.back(action.level, action.words, turn)
        elif action.name == "reflect":
            draft.look(action.words, turn)
        elif action.words:
            draft.step(action.words, turn)
        if action.name == "terminate":
            return draft.finish(action.answer, turn, "propose-critique", writer)
        known = f"The right answer is {problem.answer}; do not tell it." if config.known_answer else ""
        done = f"{action.name} to {action.level}" if action.name == "backtrack" else action.name
        about = f"{done}: {action.words}"
        seen = _CRITIC.format(answer=known, shown=draft.shown(), left=draft.left(), action=about)
        comment = yield from talk.ask(seen, read_words)
        draft.say("critic", comment)
        critique = f"\nYour last action was: {about}\nA critic says of it: {comment}\n"
    raise Ended("unfinished", f"no answer within {config.max_turns} actions")


def read_action(reply: str, steps: int, may_go_back: bool = True) -> Action:
    """The action that a reply states.

    Args:
      steps: how many stand.

    Raises:
      Unreadable: says what was expected.
    """
    match = re.match(r"\W*action\W*[:=]\W*(continue|reflect|backtrack|terminate)\b(?:\W*to(?: step)? (\d{1,4}))?", reply, re.I)
    if match is None:
        raise Unreadable(f"expected 'Action: ' and one of {', '.join(ACTIONS)} on the first line")
    name = match[1].lower()
    words, answer = split_final(reply[match.end() :].lstrip(" .:*)\n"))
    if answer is not None and name != "backtrack":
        name = "terminate"  # whatever it calls it
    if name == "terminate":
        if answer is None:
            raise Unreadable("expected the final answer on a line of its own, as #### ANSWER")
        return Action(name, words, answer=answer)
    if not words:
        raise Unreadable(f"expected words after 'Action: {name}'")
    if name != "backtrack":
        return Action(name, words)
    if not may_go_back:
        raise Unreadable("expected another action than backtrack: you have gone back as often as you may")
    if match[2] is None or int(match[2]) >= steps:
        raise Unreadable(
            f"expected 'Action: backtrack to K', K from 0 to {steps - 1}" if steps else "there is no step to leave"
        )
    return Action(name, words, int(match[2]))


def read_level(stated: str | None, steps: int, form: str) -> int:
    """The last step to keep, of those that stand. Raises Unreadable where at least one step would not be left."""
    if not steps:
        raise Unreadable("there is no step yet to go back from")
    if stated is None or int(stated) >= steps:
        raise Unreadable(f"expected '{form}', K from 0 to {steps - 1}")
    return int(stated)


def read_words(reply: str) -> str:
    """A reply that is free in its form. Raises Unreadable where it is empty."""
    if not reply:
        raise Unreadable("the reply was empty")
    return reply
