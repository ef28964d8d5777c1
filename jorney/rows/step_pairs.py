"""Preference pairs of steps under TRL's columns, prompt, chosen and rejected, and beside them what tells where they stand.

prefix                            the end of the prompt that is of the response already: the sides go on amid it
chosen_ends, rejected_ends        whether the solution ends with the side; else it gets no end token
chosen_steps, chosen_scores       (and of rejected) the side cut in its steps, and what each is worth
smoothing                         the share of such pairs that is taken to be the wrong way round
tree, kind, nodes                 where a pair comes from
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from jorney.batch.pairs import Preference
from jorney.batch.sides import PairSide, encode_sides
from jorney.rows.fields import expect, field, filled, holds, shown, texts
from jorney.rows.sources import Row
from jorney.text.step_format import FORMATS, StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.thought.refine import RefineConfig
from jorney.thought.tree_pairs import TreePair, pairs_of
from jorney.tree.contrasts import ContrastConfig
from jorney.tree.tree import Tree

NAME = "preference_pairs"
SIDES = ("chosen", "rejected")
ENDS = ("chosen_ends", "rejected_ends")


def is_row(row: Row) -> bool:
    """Whether a row says of its sides whether they end."""
    return holds(row, *ENDS)


def encode(tokenizer: Tokenizer, row: Row, place: str, step_format: StepFormat) -> Preference:
    """The tokens of a row; its prompt is taken as it stands, whatever the step format.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    prompt, prefix = field(row, "prompt", place, str), row.get("prefix") or ""
    if not isinstance(prefix, str) or not prompt.endswith(prefix):
        raise ValueError(f"{place}: field 'prefix': expected the end of 'prompt', got {shown(prefix)}")
    head = tokenizer.encode_prompt(prompt.removesuffix(prefix))
    if not head:
        raise ValueError(f"{place}: field 'prompt': the model has no bos token: expected more of it than 'prefix'")
    sides = [
        PairSide(filled(row, name, place), field(row, f"{name}_ends", place, bool), _steps(row, name, place)) for name in SIDES
    ]
    return encoded(tokenizer, head, prefix, sides, place, _smoothing(row, place))


def encoded(
    tokenizer: Tokenizer,
    head: Sequence[int],
    prefix: str,
    sides: Sequence[PairSide],
    place: str,
    smoothing: float | None = None,
) -> Preference:
    """The tokens of a pair whose texts the tokenizer holds. Raises ValueError that names the place where it loses some."""
    chosen, rejected = sides
    tokenizer.expect_held((prefix, chosen.text, rejected.text), place)
    if chosen.text == rejected.text:
        raise ValueError(f"{place}: chosen and rejected are the same: expected two completions")
    return encode_sides(tokenizer, head, prefix, chosen, rejected, smoothing)


def encode_tree_pair(tokenizer: Tokenizer, pair: TreePair, place: str, step_format: StepFormat) -> Preference:
    """The tokens of a pair of a tree, asked for as the model is asked.

    Raises:
      ValueError: the tree's steps are written in another format, or the tokenizer would lose some of the text.
    """
    if pair.step_format != step_format.name:
        raise ValueError(
            f"{place}: its steps are written as {pair.step_format!r} has them: expected {step_format.name!r}, in which the "
            f"model is asked (or --step-format {pair.step_format})"
        )
    tokenizer.expect_held(pair.question, place)
    head = step_format.encode(tokenizer, pair.question)
    return encoded(tokenizer, head, pair.prefix, (pair.chosen, pair.rejected), place, pair.nodes.smoothing)


def rows_of(
    tree: Tree, kind: str, config: ContrastConfig | None = None, seed: int = 0, refine: RefineConfig | None = None
) -> Iterator[Row]:
    """A row for every pair of a tree; `encode` makes of it what training makes of the pair.

    Raises:
      ValueError: the tree's format asks in a chat, for which a prompt is no text.
    """
    step_format = FORMATS[tree.step_format]
    if step_format.chat:
        raise ValueError(
            f"tree {tree.id!r}: its questions are asked in a chat ({tree.step_format}), in which no response is half given: "
            "expected --format step_dpo, or `jorney dpo --trees`"
        )
    for pair in pairs_of(tree, kind, config, seed, refine):
        yield {
            "prompt": step_format.ask(tree.question) + pair.prefix,
            **{name: getattr(pair, name).text for name in SIDES},
            "prefix": pair.prefix,
            **{f"{name}_ends": getattr(pair, name).ends for name in SIDES},
            **({} if pair.nodes.smoothing is None else {"smoothing": pair.nodes.smoothing}),
            **_step_columns(pair),
            "tree": pair.tree,
            "kind": pair.kind,
            "nodes": {name: list(getattr(pair.nodes, name)) for name in ("prefix", *SIDES)},
        }


def _step_columns(pair: TreePair) -> dict[str, Any]:
    """The steps of each side, where they are known."""
    found: dict[str, Any] = {}
    for name in SIDES:
        side: PairSide = getattr(pair, name)
        cuts = itertools.pairwise(itertools.accumulate((length for length, _ in side.steps), initial=0))
        if own := [side.text[start:stop] for start, stop in cuts]:
            found |= {f"{name}_steps": own, f"{name}_scores": [score for _, score in side.steps]}
    return found


def _steps(row: Row, name: str, place: str) -> tuple[tuple[int, float], ...]:
    """The lengths and scores of a side's steps; none where the row does not tell them."""
    if not holds(row, f"{name}_steps", f"{name}_scores"):
        return ()
    steps, scores = texts(row[f"{name}_steps"], f"{name}_steps", place, shown), row[f"{name}_scores"]
    if "".join(steps) != row[name]:
        raise ValueError(f"{place}: field '{name}_steps': expected the text of {name!r}, cut in pieces, got {shown(steps)}")
    if not isinstance(scores, list) or len(scores) != len(steps):
        raise ValueError(f"{place}: field '{name}_scores': expected {len(steps)} numbers, one a step, got {shown(scores)}")
    numbers = [float(expect(one, f"{name}_scores[{index}]", place, float)) for index, one in enumerate(scores)]
    return tuple(zip(map(len, steps), numbers, strict=True))


def _smoothing(row: Row, place: str) -> float | None:
    if row.get("smoothing") is None:
        return None
    found = field(row, "smoothing", place, float)
    if not 0 <= found <= 0.5:
        raise ValueError(f"{place}: field 'smoothing': expected a number from 0 to 0.5, got {shown(found)}")
    return float(found)
