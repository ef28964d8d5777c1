"""A student reasons, a teacher watches (the multi-agent debate of O1 Replication Journey, Part 1).

The student writes one step a turn. The teacher says whether to go on, to look again, or to go back to an earlier step; the
student then says in its own words what it has seen. The thought is the student's words alone.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from jorney.domain.problem import Problem
from jorney.text.step_format import StepFormat
from jorney.thought.asked.dialogue import Ended, Made, Talk, Talking, Unreadable, hold
from jorney.thought.asked.draft import Draft
from jorney.thought.asked.human import split_final
from jorney.thought.asked.propose_critique import DialogueConfig, read_level, read_words
from jorney.thought.refine import State
from jorney.thought.thought import Thought

VERDICTS = ("go on", "reflect", "backtrack")

_STUDENT = """You are a student who solves a problem, thinking aloud. Write the next step of your solution, and nothing else:
one step, a sentence or two with its calculation. If the problem is solved with it, end with the final answer on a line of its
own:
#### ANSWER

{shown}{left}"""
_TEACHER = """You are a teacher who watches a student solve a problem. Look at the student's last step. Reply with one line:

Verdict: go on
Verdict: reflect
Verdict: backtrack to K

and after it one or two sentences to the student. "go on": the step is right and helps. "reflect": the student should look at
something again, but nothing has to be undone. "backtrack to K": a step is wrong or leads nowhere; K is the number of the last
step that is right, 0 if none is.
{answer}
{shown}{left}{stated}"""
_REFLECT = """You are a student who solves a problem, thinking aloud. Your teacher says: {said}

{shown}{left}
{todo} Say in one or two sentences, to yourself and in the first person, what you notice. Do not write the next step yet."""


class Verdict(NamedTuple):
    """What the teacher says: one of VERDICTS, the step to go back to, and words."""

    name: str
    words: str
    level: int = 0


def student_teacher(
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
    for _ in range(config.max_turns):
        words, answer = yield from talk.ask(_STUDENT.format(shown=draft.shown(), left=draft.left()), _read_step)
        ending = step_format.states(answer) if answer else ""
        turn = draft.say("student", f"{words}\n{ending}".strip())
        if words:
            draft.step(words, turn)
        known = f"The right answer is {problem.answer}; do not tell it." if config.known_answer else ""
        stated = f"\nThe student states the final answer: {answer}\n" if answer else ""
        seen = _TEACHER.format(answer=known, shown=draft.shown(), left=draft.left(), stated=stated)
        may_go_back = draft.backs < config.max_backtracks
        verdict = yield from talk.ask(seen, functools.partial(read_verdict, steps=len(draft.steps), may_go_back=may_go_back))
        draft.say("teacher", verdict.words)
        if verdict.name == "go on":
            if answer:
                return draft.finish(answer, turn, "student-teacher", writer)
            continue
        back = verdict.name == "backtrack"
        kept = f"only the steps up to {verdict.level} stay" if verdict.level else "none of the steps stays"
        todo = f"You go back: {kept}." if back else "You look again at what stands."
        prompt = _REFLECT.format(said=verdict.words or verdict.name, shown=draft.shown(), left=draft.left(), todo=todo)
        said = yield from talk.ask(prompt, read_words)
        turn = draft.say("student", said)
        if back:
            draft.back(verdict.level, said, turn)
        else:
            draft.look(split_final(said)[0] or said, turn)
            if answer:  # it was looked at again, and stands
                return draft.finish(answer, turn, "student-teacher", writer)
    raise Ended("unfinished", f"no answer within {config.max_turns} steps")


def _read_step(reply: str) -> tuple[str, str | None]:
    words, answer = split_final(read_words(reply))
    if not words and answer is None:
        raise Unreadable("expected a step, or the final answer as #### ANSWER")
    return words, answer


def read_verdict(reply: str, steps: int, may_go_back: bool = True) -> Verdict:
    """The verdict that a teacher's reply states.

    Args:
      steps: how many stand.

    Raises:
      Unreadable: says what was expected.
    """
    match = re.match(r"\W*verdict\W*[:=]\W*(go on|reflect|backtrack)\b(?:\W*to(?: step)? (\d{1,4}))?", reply, re.IGNORECASE)
    if match is None:
        raise Unreadable(f"expected 'Verdict: ' and one of {', '.join(VERDICTS)} on the first line")
    name, words = match[1].lower(), reply[match.end() :].lstrip(" .:*)\n").strip()
    if name != "backtrack":
        return Verdict(name, words)
    if not may_go_back:
        raise Unreadable("expected another verdict than backtrack: the student has gone back as often as is allowed")
    return Verdict(name, words, read_level(match[2], steps, "Verdict: backtrack to K"))
