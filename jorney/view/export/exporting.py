"""What is filtered, as JSON lines to take away: trees, thoughts, preference pairs, labels, and all that trees are written as.

The bytes are those that the command writes whose line stands beside them, given the same trees.
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jorney.domain import domains
from jorney.rows.labels import of_tree
from jorney.rows.registry import EXPORTERS, ExportConfig
from jorney.thought.derive import DeriveConfig, shortcuts, walks
from jorney.thought.refine import RefineConfig, check, compose
from jorney.thought.thought import KINDS
from jorney.thought.tree_pairs import PAIR_KINDS
from jorney.tree.contrasts import ContrastConfig
from jorney.tree.tree import Tree

TREES, LABELS = "trees", "labels"
THOUGHTS = KINDS
FORMS = (TREES, *THOUGHTS, LABELS, *EXPORTERS)
_PAIRED = ("preference_pairs", "step_dpo")  # forms that `pairs`, `contrast` and `refine` are for


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """How trees become rows: what `jorney trees export` and `jorney derive` are told.

    Attributes:
      pairs: what the sides of preference_pairs and step_dpo are, one of PAIR_KINDS.
      seed: of the journeys, and of which pairs are taken.
    """

    pairs: str = "step"
    seed: int = 0
    export: ExportConfig = dataclasses.field(default_factory=ExportConfig)
    contrast: ContrastConfig = dataclasses.field(default_factory=ContrastConfig)
    derive: DeriveConfig = dataclasses.field(default_factory=DeriveConfig)
    refine: RefineConfig = dataclasses.field(default_factory=RefineConfig)

    def __post_init__(self) -> None:
        if self.pairs not in PAIR_KINDS:
            raise ValueError(f"pairs = {self.pairs!r}: expected one of {', '.join(PAIR_KINDS)}")


@dataclasses.dataclass(frozen=True)
class Exported:
    """Rows to take away.

    Attributes:
      data: JSON lines, UTF-8.
      name: of the file, for a download.
      rows: how many.
      given: how many trees or rows they come from.
      nothing: ids of the trees that gave no row.
      refused: for each tree that cannot be written in the form, why.
      command: what makes the same of a file of these trees; "" where no command does.
    """

    data: bytes
    name: str
    rows: int
    given: int
    nothing: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()
    command: str = ""

    @property
    def words(self) -> str:
        """What became of what was given, in a sentence."""
        parts = [f"{self.rows:,} rows of {self.given:,}"]
        parts += [f"{len(self.nothing):,} gave none"] if self.nothing else []
        parts += [f"{len(self.refused):,} cannot be written so, the first: {self.refused[0]}"] if self.refused else []
        return "; ".join(parts) + "."


def lines(rows: Iterable[Mapping[str, Any] | ValueError], name: str = "rows.jsonl") -> Exported:
    """Rows as they are, whatever they hold; an error stands for one that cannot be read."""
    given = [*rows]
    made = [_line(row) for row in given if not isinstance(row, ValueError)]
    refused = tuple(str(row) for row in given if isinstance(row, ValueError))
    return Exported(b"".join(made), name, len(made), len(given), (), refused)


def exported(
    trees: Iterable[Tree | ValueError], form: str, settings: ExportSettings | None = None, source: str = "trees.jsonl"
) -> Exported:
    """Trees in a form.

    Args:
      trees: an error stands for one that cannot be read.
      form: one of FORMS: "trees"; "shortcut", "journey" or "placebo", the thoughts of `jorney derive`; "labels", which
        `jorney prm` reads; or a form of `jorney trees export`.
      source: the file of these trees, for the command.

    Raises:
      ValueError: there is no such form.
    """
    if form not in FORMS:
        raise ValueError(f"form = {form!r}: expected one of {', '.join(FORMS)}")
    how, write = settings or ExportSettings(), _writer(form, settings or ExportSettings())
    made: list[bytes] = []
    nothing, refused, given = [], [], 0
    for tree in trees:
        given += 1
        if isinstance(tree, ValueError):
            refused.append(str(tree))
            continue
        try:
            own = [_line(row) for row in write(tree, len(made))]
        except ValueError as error:
            refused.append(f"tree {tree.id!r}: {str(error).removeprefix(f'tree {tree.id!r}: ')}")
            continue
        made += own
        nothing += [] if own else [tree.id]
    told = command(form, how, source)
    return Exported(b"".join(made), f"{form}.jsonl", len(made), given, tuple(nothing), tuple(refused), told)


def _writer(form: str, how: ExportSettings) -> Callable[[Tree, int], Iterator[Mapping[str, Any]]]:
    """(tree, number of the first row) -> rows."""
    if form == TREES:
        return lambda tree, _: iter([tree.to_json()])
    if form in THOUGHTS:
        return lambda tree, _: _thoughts(tree, form, how)
    if form == LABELS:
        return lambda tree, _: (dataclasses.asdict(one) for one in of_tree(tree) if any(x is not None for x in one.labels))
    return lambda tree, first: EXPORTERS[form](tree, how.export, how, first)


def _thoughts(tree: Tree, kind: str, how: ExportSettings) -> Iterator[Mapping[str, Any]]:
    """The thoughts of a tree, as `jorney derive` has them."""
    for leaf in shortcuts(tree, how.derive.per_tree):
        visits = walks(tree, leaf, how.derive, how.seed)[kind]
        thought = compose(tree, visits, kind, domains.state, how.refine, how.seed)
        if wrong := check(tree, visits, thought.text):
            raise ValueError(wrong)
        yield thought.to_json()


def _line(row: Mapping[str, Any]) -> bytes:
    """As `jorney trees export` writes it: half a character, which nothing can encode, is kept as it came."""
    return (json.dumps(row, ensure_ascii=False) + "\n").encode(errors="surrogatepass")


def command(form: str, settings: ExportSettings | None = None, source: str = "trees.jsonl") -> str:
    """The command that makes a form of a file of trees; "" of trees themselves, which no command filters, and of labels.

    Thoughts come as OUTPUT/thoughts/KIND.jsonl; `jorney prm --data` reads trees where there are no labels.
    """
    how = settings or ExportSettings()
    if form in (TREES, LABELS):
        return ""
    if form in THOUGHTS:
        told = [*_flags("derive", how.derive), *_flags("refine", how.refine)]
        return _shell("jorney", "derive", "--trees", source, "--output", "runs/derive", *told, *_seed(how))
    told = _flags("export", how.export)
    if form in _PAIRED:
        told = [*_flag("pairs", how.pairs, "step"), *told, *_flags("contrast", how.contrast), *_flags("refine", how.refine)]
    if form == "long_thoughts":
        told += [*_flags("derive", how.derive), *_flags("refine", how.refine)]
    return _shell("jorney", "trees", "export", source, "--format", form, "--output", f"{form}.jsonl", *told, *_seed(how))


def _seed(how: ExportSettings) -> Sequence[str]:
    return _flag("seed", how.seed, 0)


def _flags(name: str, config: Any) -> list[str]:
    """The options of a configuration's fields that are not what they are by default."""
    found: list[str] = []
    for field in dataclasses.fields(config):
        found += _flag(f"{name}.{field.name}", getattr(config, field.name), getattr(type(config)(), field.name))
    return found


def _flag(name: str, value: Any, usual: Any) -> Sequence[str]:
    option = name.replace("_", "-")
    if value == usual:
        return ()
    if isinstance(value, bool):
        group, _, last = option.rpartition(".")
        return (f"--{option}" if value else f"--{f'{group}.' if group else ''}no-{last}",)
    return (f"--{option}", *(map(str, value) if isinstance(value, tuple) else (str(value),)))


def _shell(*words: str) -> str:
    return " ".join(map(shlex.quote, words))
