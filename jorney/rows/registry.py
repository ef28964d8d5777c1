"""The published forms: what reads problems, labels and trees from their rows, and what writes trees as rows."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from jorney.batch.pairs import Preference
from jorney.config import expect_at_least
from jorney.rows import code_problems, game24, math_shepherd, openr, prm800k, published_sets, step_dpo, step_pairs, trl
from jorney.rows.fields import Steps
from jorney.rows.readers.rules import PassOver
from jorney.rows.sources import Row, Rows
from jorney.rows.step_labels import BIG_BENCH_MISTAKE, MR_GSM8K, PROCESS_BENCH, own
from jorney.rows.tree_rows import Answers
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.thought.rows import long_thoughts
from jorney.tree.tree import Tree


@dataclasses.dataclass(frozen=True)
class Importer:
    """How rows of a format become trees.

    Attributes:
      tree_of: (row, its place for messages, step format, what grades answers) -> its tree.
      step_format: how steps are written unless another format is asked for.
    """

    tree_of: Callable[[Row, str, StepFormat, Answers], Tree]
    step_format: str = "abel"


@dataclasses.dataclass(frozen=True)
class ExportConfig:
    """How trees become rows.

    Attributes:
      neutral: whether steps that were rated neutral count as right where labels are made.
      soft: whether stepwise labels are scores, where steps have them.
      pairs: preference pairs of one node or one tree at most, of preference_siblings and preference_leaves.
    """

    neutral: bool = True
    soft: bool = False
    pairs: int = 5

    def __post_init__(self) -> None:
        expect_at_least(1, self, "export", "pairs")


# Forms of problems whose rows are not problems as they stand, known by the first row, and what makes them so.
PROBLEMS: tuple[tuple[Callable[[Row], bool], Callable[[Rows, PassOver], Rows]], ...] = (
    (prm800k.is_row, prm800k.problems),
    (game24.is_puzzle, game24.problems),
    (published_sets.is_choice, published_sets.choices),
    (published_sets.is_hard, published_sets.hard),
    (published_sets.is_multilingual, published_sets.multilingual),
    (published_sets.is_capital, published_sets.capital),
    (code_problems.is_human_eval, code_problems.human_eval),
    (code_problems.is_mbpp, code_problems.mbpp),
)
# By the columns that tell the form, the question's first. PRM800K has its own `labels`: a row gives several solutions.
LABELS: dict[tuple[str, ...], Callable[[Row, str], Steps]] = {
    trl.STEPWISE: trl.read_steps,
    ("question", "steps", "labels"): own,
    BIG_BENCH_MISTAKE.columns: BIG_BENCH_MISTAKE.labels,
    math_shepherd.COLUMNS: math_shepherd.labels,
    PROCESS_BENCH.columns: PROCESS_BENCH.labels,
    MR_GSM8K.columns: MR_GSM8K.labels,
    openr.COLUMNS: openr.labels,
}
IMPORTERS = {
    prm800k.NAME: Importer(prm800k.tree_of),
    openr.NAME: Importer(openr.tree_of, "blank"),
    math_shepherd.NAME: Importer(math_shepherd.tree_of),
    game24.NAME: Importer(game24.tree_of),
    trl.NAME: Importer(trl.tree_of),
}
# Forms of preference pairs of steps, known by the row, and what makes tokens of them; other pairs are TRL's plain ones.
STEP_PAIRS: tuple[tuple[Callable[[Row], bool], Callable[[Tokenizer, Row, str, StepFormat], Preference]], ...] = (
    (step_pairs.is_row, step_pairs.encode),
    (step_dpo.is_row, step_dpo.encode),
)
# (tree, configuration, the command with `derive`, `refine`, `seed`, `pairs` and `contrast`, number of the first row) -> rows.
EXPORTERS: dict[str, Callable[..., Iterator[Row]]] = {
    prm800k.NAME: lambda tree, *_: prm800k.rows_of(tree),
    openr.NAME: lambda tree, *_: openr.rows_of(tree),
    math_shepherd.NAME: lambda tree, config, *_: math_shepherd.rows_of(tree, config.neutral),
    trl.NAME: lambda tree, config, *_: trl.stepwise(tree, config.neutral, config.soft),
    "preference_siblings": lambda tree, config, *_: trl.siblings(tree, config.pairs),
    "preference_leaves": lambda tree, config, *_: trl.leaves(tree, config.pairs),
    step_pairs.NAME: lambda tree, _, how, first: step_pairs.rows_of(tree, how.pairs, how.contrast, how.seed, how.refine),
    step_dpo.NAME: lambda tree, _, how, first: step_dpo.rows_of(tree, how.pairs, how.contrast, how.seed, how.refine),
    "prompt_completion": lambda tree, *_: trl.completions(tree),
    "messages": lambda tree, *_: trl.messages(tree),
    "long_thoughts": lambda tree, _, how, first: long_thoughts(tree, how.derive, how.refine, how.seed, first),
}


def encode_preference(tokenizer: Tokenizer, row: Row, place: str, step_format: StepFormat) -> Preference:
    """The tokens of a preference pair of any form.

    Args:
      step_format: how the questions of forms are asked that hold them bare.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    for known, encode in STEP_PAIRS:
        if known(row):
            return encode(tokenizer, row, place, step_format)
    return trl.encode_preference(tokenizer, row, place)


def tree_form(row: Row) -> str:
    """The one of IMPORTERS that a row is a tree of, by its fields; "" for none."""
    return next((name for name, known in _TREE_FORMS.items() if known(row)), "")


_TREE_FORMS: dict[str, Callable[[Row], bool]] = {
    prm800k.NAME: prm800k.is_row,
    openr.NAME: lambda row: {"question", "reasoning_steps"} <= row.keys(),
    math_shepherd.NAME: lambda row: {*math_shepherd.COLUMNS} <= row.keys(),
    game24.NAME: lambda row: isinstance(row.get("steps"), list) and {"ys", "idx"} <= row.keys(),
    trl.NAME: lambda row: {*trl.STEPWISE, "labels"} <= row.keys(),
}


def is_step_pair(row: Row) -> bool:
    """Whether a row is a preference pair of steps."""
    return any(known(row) for known, _ in STEP_PAIRS)


def is_tree(row: Row) -> bool:
    """Whether a row is a tree, as `jorney expand` writes them."""
    return "nodes" in row


def is_thought(row: Row) -> bool:
    """Whether a row is a thought, as `jorney derive` writes them."""
    return "pieces" in row
