"""Step-DPO's rows (arXiv 2406.18629; xinlai/Math-Step-DPO-10K): a question, right steps, and two next ones.

dataset, answer                   the source of the problem, and its answer
prompt                            the question
initial_reason_steps              the steps so far, up to the opening of the next ("... Step 3:")
chosen, rejected                  the next step: a right one, and the first wrong one
full_chosen, full_rejected        the same with all that follows it
"""

from __future__ import annotations

from collections.abc import Iterator

from jorney.batch.pairs import Preference
from jorney.batch.sides import PairSide
from jorney.domain.answers import final_answer
from jorney.rows.fields import field, filled, holds
from jorney.rows.sources import Row
from jorney.rows.step_pairs import SIDES, encoded
from jorney.text.step_format import BOXED, FORMATS, StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.thought.refine import RefineConfig
from jorney.thought.tree_pairs import JOURNEY, TreePair, pairs_of
from jorney.tree.contrasts import ContrastConfig, continuation
from jorney.tree.tree import Tree

NAME = "step_dpo"


def is_row(row: Row) -> bool:
    """Whether a row has the columns that training reads."""
    return holds(row, "prompt", "initial_reason_steps", *SIDES)


def encode(tokenizer: Tokenizer, row: Row, place: str, step_format: StepFormat) -> Preference:
    """The tokens of a row, whose question is asked as the step format has it; its steps stay as they are written.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    question, prefix = filled(row, "prompt", place), field(row, "initial_reason_steps", place, str)
    tokenizer.expect_held(question, place)
    sides = [_side(filled(row, name, place), row.get(f"full_{name}"), step_format) for name in SIDES]
    return encoded(tokenizer, step_format.encode(tokenizer, question), prefix, sides, place)


def _side(step: str, whole: object, step_format: StepFormat) -> PairSide:
    """A step, with the space that divides it from the next; it ends the solution where it states the answer and is the last."""
    states = any(final_answer(step, mark) is not None for mark in (step_format.mark, BOXED))
    if not isinstance(whole, str) or not whole.startswith(step):
        return PairSide(step, states)
    after = whole[len(step) :]
    if states and not after.strip():
        return PairSide(step)
    return PairSide(step + after[: len(after) - len(after.lstrip())], ends=False)


def rows_of(
    tree: Tree, kind: str, config: ContrastConfig | None = None, seed: int = 0, refine: RefineConfig | None = None
) -> Iterator[Row]:
    """A row for every pair of a tree. Raises ValueError for journeys, which are no steps."""
    if kind == JOURNEY:
        raise ValueError(f"pairs = {kind!r}: expected another kind with the format {NAME!r}, whose sides are steps")
    for pair in pairs_of(tree, kind, config, seed, refine):
        yield {
            "dataset": str(tree.meta.get("dataset", tree.verifier)),
            "prompt": tree.question,
            "initial_reason_steps": pair.prefix,
            **{name: getattr(pair, name).text.rstrip() for name in SIDES},
            **{f"full_{name}": _whole(tree, pair, name) for name in SIDES},
            "answer": tree.answer,
        }


def _whole(tree: Tree, pair: TreePair, name: str) -> str:
    """A side with what follows it in the tree, to an answer where there is one."""
    side: PairSide = getattr(pair, name)
    if side.ends:
        return side.text.rstrip()
    below = continuation(tree, getattr(pair.nodes, name)[-1], right=name == "chosen")
    return side.text + FORMATS[tree.step_format].between.join(tree.nodes[index].text.strip() for index in below)
