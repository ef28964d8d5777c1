"""A language model as the refiner: GPT-4o's role in the paper, by any OpenAI-compatible endpoint.

It is given a draft (the steps in walk order, what the judge saw attached to wrong ones) and writes it as one line of thought. A
result is checked, never trusted: every step must be in it, in order, a way back must be put in words, and the answer must be
what it was. What does not hold is told to the model; after a bounded number of tries the offline refiner's text stands, and the
thought says why.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from jorney.config import expect_number
from jorney.domain.answers import final_answer
from jorney.judge.llm import Account, Asker
from jorney.judge.llm.endpoint import MOST_TRIES
from jorney.judge.llm.objects import spoken
from jorney.judge.llm.unread import unreadable
from jorney.text.step_format import FORMATS
from jorney.thought.derive import Visit
from jorney.thought.origins import unfounded
from jorney.thought.refine import bare, check, split_answer
from jorney.thought.thought import Piece, Thought
from jorney.tree.tree import ROOT, Tree

_THOUGHT = re.compile(r"<thought>\s*(.*?)\s*</thought>", re.DOTALL)

SYSTEM = """You turn the draft of a solution into the thoughts of the person who found it: one coherent text, in the first \
person, as it went through their mind. The draft lists what they tried, in order. Some of it was wrong; then they noticed, \
went back and went on from an earlier point.

Keep all of it: every step, the wrong ones too, every moment of doubt and every correction, in the draft's order. Copy the \
text of every step exactly, character for character, and write what connects the steps around it. Add no new calculation and \
correct no step: a wrong step is stated as it was, and doubted only where the draft goes back, with the reason given there.

Let it sound like thinking. Use, where they fit: "Therefore" for a conclusion, "Alternatively" for another path, "Wait" for a \
doubt, "Let me compute" before a calculation, "Consider", "if" and "possible" where paths part. Short sentences, no headings, \
no bullet points, no talk about drafts or steps.

Write the text between <thought> and </thought>."""

ASK = """Question:
{question}

Draft:
{draft}

End the text with this line:
{conclusion}"""
WRONG = "\n   (wrong: {seen})"
BACK = "\n   (here they notice that this does not work, and go back to {where})"
AGAIN = "This cannot be used: {wrong}. Write the whole text again between <thought> and </thought>."


@dataclasses.dataclass(frozen=True)
class RewriteConfig:
    """How a language model refines.

    Attributes:
      tries: texts that are asked for until one holds.
    """

    tries: int = 3

    def __post_init__(self) -> None:
        expect_number(self, "rewrite", "tries", least=1, most=MOST_TRIES)


class Rewritten(NamedTuple):
    """A thought, by the model or by the offline refiner, and what it took of the endpoint."""

    thought: Thought
    account: Account


async def rewrite(
    ask: Asker, model: str, tree: Tree, visits: Sequence[Visit], offline: Thought, config: RewriteConfig
) -> Rewritten:
    """A thought in the model's words, or `offline`, the same thought by the offline refiner, with the reason.

    Args:
      model: the name to put under it.
      visits: the walk that the thought tells.
    """
    first = chat = prompt(tree, visits)
    account, wrong = Account(), ""
    for number in range(config.tries):
        reply = await ask(chat, number)
        account += reply.account
        if reply.text is None:
            wrong = reply.error
            break
        text = spoken(reply.text)
        found = _THOUGHT.findall(text)
        if len(found) != 1:
            wrong = "expected one text between <thought> and </thought>"
            account += unreadable(reply.text, wrong)
        elif problem := fault(tree, visits, found[0]):
            wrong = problem
            account += Account(check_failures=1)
        else:
            made = dataclasses.replace(offline, pieces=locate(tree, visits, found[0]), refiner=model, note="")
            return Rewritten(made, account)
        said = {"role": "assistant", "content": text or reply.text}
        chat = [*first, said, {"role": "user", "content": AGAIN.format(wrong=wrong)}]
    return Rewritten(dataclasses.replace(offline, note=f"{model}: {wrong}"[:500]), account + Account(fallbacks=1))


def prompt(tree: Tree, visits: Sequence[Visit]) -> list[dict[str, str]]:
    """The chat that asks for a walk's text."""
    lines = []
    for number, visit in enumerate(visits, start=1):
        node = tree.nodes[visit.node]
        lines.append(f"{number}. {bare(tree, visit.node)}")
        if node.correct is False and node.justification:
            lines[-1] += WRONG.format(seen=node.justification)
        if visit.back_to is not None:
            lines[-1] += BACK.format(where="the question" if visit.back_to == ROOT else repr(bare(tree, visit.back_to)))
    last = visits[-1].node
    conclusion = split_answer(tree, last)[1] or f"#### {final_answer(tree.nodes[last].text)}"
    user = ASK.format(question=tree.question.strip(), draft="\n".join(lines), conclusion=conclusion)
    return [{"role": "system", "content": SYSTEM}, {"role": "user", "content": user}]


def fault(tree: Tree, visits: Sequence[Visit], text: str) -> str | None:
    """What is wrong with a text for a walk: `refine.check`, and a way back that no words announce; or None."""
    wrong = "where the draft goes back, the text must say what is wrong and go back"
    return check(tree, visits, text) or (None if spans(tree, visits, text) else wrong)


def spans(tree: Tree, visits: Sequence[Visit], text: str) -> list[tuple[int, int]] | None:
    """Where each step of a walk stands in a text, its opening ("2. ") included where it is there.

    A step's words may stand in a reflection as well: of all ways to find the steps in order, with words after every step that
    is left, the one with most of them at the start of a line, or behind their opening. None where there is no way.
    """
    opens, letters = FORMATS[tree.step_format].opens, [0, *itertools.accumulate(map(str.isalpha, text))]
    # By the end of the step before: how good the way to there is, and the spans of it.
    ways: dict[int, tuple[int, list[tuple[int, int]]]] = {0: (0, [])}
    left = False
    for visit in visits:
        step, opening = bare(tree, visit.node), opens(tree.level(visit.node))
        if not step:  # one that states the answer alone has no words to find
            ways = {at: (score, [*way, (at, at)]) for at, (score, way) in ways.items()}
            left = left or visit.back_to is not None
            continue
        ways, before = {}, ways
        for match in re.finditer(f"(?={re.escape(step)})", text):
            start, end = match.start(), match.start() + len(step)
            opened = text.endswith(opening, 0, start)
            first = start - len(opening) if opened else start
            good = opened + (first == 0 or text[first - 1] == "\n")
            ends = [at for at in before if at <= first and (not left or letters[first] > letters[at])]
            if ends:
                score, way = before[max(ends, key=lambda at: (before[at][0], -at))]
                ways[end] = (score + good, [*way, (first, end)])
        left = visit.back_to is not None
    return max(ways.values(), key=lambda way: way[0])[1] if ways else None


def locate(tree: Tree, visits: Sequence[Visit], text: str) -> tuple[Piece, ...]:
    """The pieces of a text that `fault` passes: the steps where they stand, and between them the words that join them.

    The texts of the pieces make up the whole. Space alone belongs to the step before it.
    """
    stretches = spans(tree, visits, text)
    assert stretches is not None
    starts = [*(start for start, _ in stretches), len(text)]
    pieces = [Piece(text[: starts[0]], "connective", ROOT)]
    for visit, (start, end), following in zip(visits, stretches, starts[1:], strict=True):
        # Space behind a step belongs to it.
        words = text[end:following].lstrip()
        pieces.append(Piece(text[start : following - len(words)], "excursion" if visit.excursion else "step", visit.node))
        pieces.append(Piece(words, "connective" if visit.back_to is None else "reflection", visit.node, visit.back_to))
    pieces[-1] = Piece(words, "conclusion", visits[-1].node)
    return tuple(piece for piece in pieces if piece.text)


def visits_of(tree: Tree, thought: Thought, place: str) -> list[Visit]:
    """The walk that a thought tells, by the nodes that its pieces come from.

    Raises:
      ValueError: it is no walk in this tree, or its pieces do not say where they come from; names `place`.
    """
    if wrong := unfounded(thought, tree):
        raise ValueError(f"{place}: expected a thought of the tree {tree.id!r}: {wrong}")
    visits: list[Visit] = []
    for piece in thought.pieces:
        if piece.kind == "reflection":
            visits[-1] = visits[-1]._replace(back_to=piece.back_to)
        elif piece.kind in ("step", "excursion"):
            assert piece.node is not None
            visits.append(Visit(piece.node, piece.kind == "excursion"))
    return visits
