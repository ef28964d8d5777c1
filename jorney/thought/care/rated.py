"""The quality score's factors as a language model rates them: another implementation of `quality.Scorer`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from jorney.judge.llm.client import Ask
from jorney.thought.asked.asking import Ended, Made, Talk, Talking, Unreadable, advance
from jorney.thought.care.quality import Quality, Scorer
from jorney.thought.thought import Thought

_PROMPT = """Below is a problem, its known answer, and somebody's line of thought about it. Rate it by four things, each
with a number from 0 to 10:

consistency: nothing in it is false or contradicts something else, but for what it takes back; its answer is the known one
completeness: no step is missing between the question and the answer, and it ends with an answer
relevance: all of it is about this problem
redundancy: how much of it is said more than once; 0 if nothing is

Reply with four lines and nothing else:
consistency: N
completeness: N
relevance: N
redundancy: N

Problem:
{question}

Known answer: {answer}

Thought:
{text}
"""


def rated_by(ask: Ask, retries: int = 2, concurrent: int = 64) -> Scorer:
    """A Scorer that asks a model; None for a thought that it gave no readable rating of.

    Ratings of 0 to 10 become 0 to 1, that of redundancy 1 to 2.
    """

    def rate(thought: Thought) -> Talking[Quality | None]:
        prompt = _PROMPT.format(question=thought.question, answer=thought.answer, text=thought.text)
        try:
            return (yield from Talk(Made(thought.id), retries).ask(prompt, read_ratings))
        except Ended:
            return None

    def score(thoughts: Sequence[Thought]) -> list[Quality | None]:
        found = dict(advance(map(rate, thoughts), ask, concurrent))
        return [found[index] for index in range(len(thoughts))]

    return score


def read_ratings(reply: str) -> Quality:
    """The ratings of a reply. Raises Unreadable where one is missing, given twice, or no number from 0 to 10."""
    values = {}
    for name in ("consistency", "completeness", "relevance", "redundancy"):
        stated = re.findall(rf"^\W*{name}\W*[:=]\W*(\d+(?:\.\d+)?)(?:\s*/\s*10)?\W*$", reply, re.IGNORECASE | re.MULTILINE)
        if len(stated) != 1 or not 0 <= float(stated[0]) <= 10:
            raise Unreadable(f"expected one line '{name}: N', N from 0 to 10")
        values[name] = float(stated[0]) / 10
    return Quality(**{**values, "redundancy": 1 + values["redundancy"]})
