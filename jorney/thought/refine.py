"""From a walk to a text: the steps as they were sampled, and between them the words that make one line of thought of it.

The offline refiner writes connective phrases only. A refinement by anyone is checked, never trusted: `check`.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Sequence

from jorney.domain.answers import final_answer
from jorney.domain.problem import Problem
from jorney.text.step_format import FORMATS
from jorney.thought.derive import Visit
from jorney.thought.thought import Piece, Thought
from jorney.tree.tree import ROOT, Tree

# (problem, steps so far without their openings) -> the state after them, in words; "" where nothing is known of it.
State = Callable[[Problem, Sequence[str]], str]


@dataclasses.dataclass(frozen=True)
class RefineConfig:
    """The offline refiner's phrases; of several one is drawn each time.

    Attributes:
      reflect: at an excursion's end, `{seen}` is what the judge saw there.
      reflect_unseen: the same where the judge gave no words.
      back: where the thought goes back to; `{where}` is the state there.
    """

    reflect: tuple[str, ...] = ("Wait, {seen}.",)
    reflect_unseen: tuple[str, ...] = ("Wait, this does not lead there.",)
    back: tuple[str, ...] = ("Go back to {where}.",)

    def __post_init__(self) -> None:
        for name, needed in (("reflect", "{seen}"), ("reflect_unseen", ""), ("back", "{where}")):
            phrases = getattr(self, name)
            if not phrases or not all(needed in phrase for phrase in phrases):
                raise ValueError(f"refine.{name} = {phrases!r}: expected at least one phrase, each with {needed or 'words'}")


def compose(tree: Tree, visits: Sequence[Visit], kind: str, state: State, config: RefineConfig, seed: int) -> Thought:
    """The thought of a walk, by the offline refiner.

    Args:
      visits: from `derive.walk` or `derive.placebo`.
      kind: one of `thought.KINDS`.
      state: what stands at a node, to say where the thought goes back to.
      seed: of the choice among phrases; with the tree and the leaf it decides every one.
    """
    leaf, between = visits[-1].node, FORMATS[tree.step_format].between
    rng = random.Random(f"{seed}/{tree.id}/{leaf}/{kind}")
    pieces: list[Piece] = []
    for visit in visits:
        step, answer = split_answer(tree, visit.node)
        concludes = visit.back_to is None and visit.node == leaf and bool(answer)
        pieces.append(Piece(step + ("\n" if concludes else between), "excursion" if visit.excursion else "step", visit.node))
        if visit.back_to is not None:
            seen = tree.nodes[visit.node].justification
            first = rng.choice(config.reflect).format(seen=seen) if seen else rng.choice(config.reflect_unseen)
            back = rng.choice(config.back).format(where=place(tree, visit.back_to, state))
            pieces.append(Piece(f"{first} {back}{between}", "reflection", visit.node, visit.back_to))
        elif concludes:
            pieces.append(Piece(answer, "conclusion", leaf))
    if pieces[-1].kind != "conclusion":  # the answer stands within the last step
        pieces[-1] = pieces[-1]._replace(text=pieces[-1].text.rstrip("\n"))
    return Thought(tree.id, tree.question, tree.answer, kind, leaf, tuple(pieces))


def split_answer(tree: Tree, node: int) -> tuple[str, str]:
    """A node's step and, where it has one, the line that states the final answer."""
    text = tree.nodes[node].text.strip()
    mark = FORMATS[tree.step_format].answer.partition("{answer}")[0]
    lines = text.splitlines() or [""]
    if mark.strip() and lines[-1].startswith(mark):
        return "\n".join(lines[:-1]).rstrip(), lines[-1]
    return text, ""


def place(tree: Tree, node: int, state: State) -> str:
    """A node in words: its state where that is known, else its step's number."""
    steps = [bare(tree, step) for step in tree.path(node)]
    return state(tree.problem, steps) or ("the question" if node == ROOT else f"step {tree.level(node)}")


def bare(tree: Tree, node: int) -> str:
    """A step without its opening and without the answer's line."""
    opening = FORMATS[tree.step_format].opens(tree.level(node)).strip()
    return split_answer(tree, node)[0].removeprefix(opening).strip()


def check(tree: Tree, visits: Sequence[Visit], text: str) -> str | None:
    """What is wrong with a refined text: a step of the walk is missing or out of order, or the answer has changed; or None."""
    at = 0
    for visit in visits:
        step = bare(tree, visit.node)
        if (found := text.find(step, at)) < 0:
            return f"the step {step!r} of the draft is missing, or stands before an earlier one"
        at = found + len(step)
    mark = FORMATS[tree.step_format].mark
    answer = final_answer(text, mark)
    return None if answer == final_answer(tree.nodes[visits[-1].node].text, mark) else f"the final answer has become {answer!r}"
