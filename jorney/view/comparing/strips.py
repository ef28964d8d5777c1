"""The trees of one problem from several files, such as the rounds of a training, in order."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence

from jorney.show.page import escape
from jorney.text.step_format import FORMATS
from jorney.tree.tree import ROOT, Tree
from jorney.view.markup import button

# A mark for every outcome, so that no strip is told apart by colour. The best first.
MARKS = {"solved": "●", "solved over a wrong step": "◐", "not solved": "✕"}
ABSENT = "–"
KINDS = ("always solved", "gained", "lost", "back and forth", "never solved")


@dataclasses.dataclass(frozen=True)
class Strip:
    """Which files hold which problem, and what came of it there.

    Attributes:
      files: their names, in order.
      outcomes: {problem's id: an outcome for each file, None where it holds no tree of the problem}.
    """

    files: tuple[str, ...]
    outcomes: Mapping[str, tuple[str | None, ...]]

    def kinds(self) -> dict[str, tuple[str, ...]]:
        """{one of KINDS: ids}, over the files that hold the problem.

        "gained" is not solved at first and solved from some file on, "lost" the other way; one that changes more than once
        goes "back and forth". Solved is "solved" alone.
        """
        found: dict[str, list[str]] = {kind: [] for kind in KINDS}
        for id_, own in self.outcomes.items():
            solved = [outcome == "solved" for outcome in own if outcome is not None]
            changes = sum(a != b for a, b in itertools.pairwise(solved))
            ways = ("always solved" if solved[0] else "never solved", "lost" if solved[0] else "gained")
            found[ways[changes] if changes < 2 else "back and forth"].append(id_)
        return {kind: tuple(ids) for kind, ids in found.items()}


def strip(files: Sequence[tuple[str, Iterable[tuple[str, str]]]]) -> Strip:
    """The problems of several files of trees.

    Args:
      files: (name, (problem's id, outcome) of every tree) in order; of several trees of a problem the best outcome counts.

    Raises:
      ValueError: an outcome is none of MARKS; names the file and the problem.
    """
    ranks = {outcome: rank for rank, outcome in enumerate(MARKS)}
    found: dict[str, list[str | None]] = {}
    for at, (name, trees) in enumerate(files):
        for id_, outcome in trees:
            if outcome not in ranks:
                raise ValueError(f"{name}: problem {id_!r}: outcome = {outcome!r}: expected one of {', '.join(ranks)}")
            own = found.setdefault(id_, [None] * len(files))
            own[at] = min(outcome, own[at] or outcome, key=ranks.__getitem__)
    return Strip(tuple(name for name, _ in files), {id_: tuple(own) for id_, own in found.items()})


def html(found: Strip, id_: str, chosen: int | None = None) -> str:
    """The strip of one problem: a button for each file that holds it, which reports `file:NUMBER`, from 0.

    Args:
      chosen: the file whose tree is shown now.
    """
    items = []
    for at, (name, outcome) in enumerate(zip(found.files, found.outcomes.get(id_, ()), strict=False)):
        if outcome is None:
            items.append(f"<li>{escape(f'{ABSENT} {name}: not there')}</li>")
        else:
            items.append(f"<li>{button(f'{MARKS[outcome]} {name}: {outcome}', f'file:{at}', at == chosen)}</li>")
    return f'<ol class="strip" aria-label="The trees of this problem, in order">{"".join(items)}</ol>' if items else ""


def same_paths(one: Tree, other: Tree) -> dict[int, int]:
    """{node of one: node of other} whose steps from the root down are the same, without openings; the roots are.

    Of equal siblings the first is taken for the first, the second for the second.
    """

    def below(tree: Tree) -> list[dict[tuple[str, int], int]]:
        bare, found = FORMATS[tree.step_format].bare, [dict[tuple[str, int], int]() for _ in tree.nodes]
        for index, node in enumerate(tree.nodes):
            if node.parent is not None:
                own, text = found[node.parent], bare(node.text)
                turn = 0
                while (text, turn) in own:
                    turn += 1
                own[text, turn] = index
        return found

    first, second = below(one), below(other)
    same, waiting = {ROOT: ROOT}, [(ROOT, ROOT)]
    while waiting:
        a, b = waiting.pop()
        for text, child in first[a].items():
            if (match := second[b].get(text)) is not None:
                same[child] = match
                waiting.append((child, match))
    return dict(sorted(same.items()))
