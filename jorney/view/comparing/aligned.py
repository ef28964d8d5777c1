"""Two or more collections of graded rows on the same problems: which of them has which problem right, and how sure that is."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

from jorney.show.formats import bare_p, count, interval, percent, points
from jorney.solve.statistics import Paired, holm, mcnemar, wilson
from jorney.view.markup import Cell, table

# What several samples of a problem are worth together: (how many are right, how many there are) -> right, and its words.
HOW: dict[str, tuple[Callable[[int, int], bool], str]] = {
    "majority": (lambda right, of: 2 * right > of, "right where more than half of its samples are"),
    "any": (lambda right, of: right > 0, "right where any of its samples is"),
    "all": (lambda right, of: right == of, "right where all of its samples are"),
    "first": (lambda right, of: right > 0, "right where the first of its samples is"),
}


@dataclasses.dataclass(frozen=True)
class Side:
    """One collection, a verdict for every problem.

    Attributes:
      name: as it is shown.
      right: of every problem that has a grade, by its id; in the order in which they came.
      ungraded: ids of problems that are there and have no grade.
      words: how several samples of a problem became one verdict, or that there is one sample each.
    """

    name: str
    right: Mapping[str, bool]
    ungraded: tuple[str, ...]
    words: str


def side(name: str, graded: Iterable[tuple[str, bool | None]], how: str = "first") -> Side:
    """One collection's verdicts.

    Args:
      graded: (the problem's id, whether the row is right; None where it has no grade) of every row, in order.
      how: one of HOW; what several samples of a problem are worth together. Rows without a grade do not count.

    Raises:
      ValueError: `how` is unknown.
    """
    if how not in HOW:
        raise ValueError(f"how = {how!r}: expected one of {', '.join(HOW)}")
    samples: dict[str, list[bool]] = {}
    for id_, right in graded:
        samples.setdefault(id_, []).extend([] if right is None else [bool(right)])
    known = {id_: own[:1] if how == "first" else own for id_, own in samples.items() if own}
    worth, told = HOW[how]
    sizes = {len(samples[id_]) for id_ in known}
    several = f"{_span(sizes)} samples a problem; {told}" if max(sizes, default=1) > 1 else "one sample a problem"
    right_ones = {id_: worth(sum(own), len(own)) for id_, own in known.items()}
    return Side(name, right_ones, tuple(id_ for id_, own in samples.items() if not own), several)


def _span(sizes: set[int]) -> str:
    return f"{min(sizes):,}" if len(sizes) == 1 else f"{min(sizes):,} to {max(sizes):,}"


@dataclasses.dataclass(frozen=True)
class Quadrant:
    """The problems on which the collections came out in one way.

    Attributes:
      key: a digit for each collection, 1 where it is right: "10" is "only the first of two".
      words: the same for a reader.
      ids: of the problems, in the first collection's order.
    """

    key: str
    words: str
    ids: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Accuracy:
    """What one collection has right of the problems that all have.

    Attributes:
      right, n: counts.
      low, high: the Wilson interval of the share; None where n is 0.
    """

    name: str
    right: int
    n: int
    low: float | None
    high: float | None


@dataclasses.dataclass(frozen=True)
class PairTest:
    """Two collections by McNemar's exact test, every problem taken for one by itself.

    Attributes:
      a, b: their names.
      paired: difference (a minus b), only_a, only_b, p.
      p_holm: p corrected for the number of pairs.
    """

    a: str
    b: str
    paired: Paired
    p_holm: float


@dataclasses.dataclass(frozen=True)
class LeftOut:
    """Problems that are not compared: why, in words, and which."""

    why: str
    ids: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Alignment:
    """Collections beside each other.

    Attributes:
      sides: the collections.
      quadrants: of two collections always four; of more the ones that hold a problem.
      accuracies: one a collection.
      tests: one a pair; none where no problem is in all.
      left_out: problems that some collection lacks or has no grade of.
    """

    sides: tuple[Side, ...]
    quadrants: tuple[Quadrant, ...]
    accuracies: tuple[Accuracy, ...]
    tests: tuple[PairTest, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def n(self) -> int:
        """How many problems are compared."""
        return sum(len(quadrant.ids) for quadrant in self.quadrants)

    def ids(self, key: str) -> tuple[str, ...]:
        """The problems of a quadrant, by its key; none of a key that there is not."""
        return next((quadrant.ids for quadrant in self.quadrants if quadrant.key == key), ())


def align(sides: Sequence[Side]) -> Alignment:
    """Collections on the problems that all of them have a grade of.

    Raises:
      ValueError: there are fewer than two, or two of one name.
    """
    names = [one.name for one in sides]
    if len(sides) < 2 or len({*names}) < len(names):
        raise ValueError(f"sides = {', '.join(map(repr, names)) or 'none'}: expected two or more, each with a name of its own")
    every = list(dict.fromkeys(itertools.chain.from_iterable((*one.right, *one.ungraded) for one in sides)))
    common = [id_ for id_ in every if all(id_ in one.right for one in sides)]
    found: dict[str, list[str]] = {"10": [], "01": [], "11": [], "00": []} if len(sides) == 2 else {}
    for id_ in common:
        found.setdefault("".join(str(int(one.right[id_])) for one in sides), []).append(id_)
    if len(sides) > 2:
        found = dict(sorted(found.items(), key=lambda pair: (pair[0].count("1"), pair[0]), reverse=True))
    rights = [[one.right[id_] for id_ in common] for one in sides]
    pairs = list(itertools.combinations(range(len(sides)), 2)) if common else []
    paired = [mcnemar(rights[a], rights[b]) for a, b in pairs]
    corrected = holm([one.p for one in paired])
    return Alignment(
        tuple(sides),
        tuple(Quadrant(key, _words(key, names), tuple(ids)) for key, ids in found.items()),
        tuple(_accuracy(one.name, own) for one, own in zip(sides, rights, strict=True)),
        tuple(PairTest(names[a], names[b], own, p) for (a, b), own, p in zip(pairs, paired, corrected, strict=True)),
        _left_out(sides, [id_ for id_ in every if id_ not in {*common}]),
    )


def _words(key: str, names: Sequence[str]) -> str:
    right = [name for name, digit in zip(names, key, strict=True) if digit == "1"]
    if len(right) in (0, len(names)):
        return "neither" if len(names) == 2 and not right else "both" if len(names) == 2 else "all" if right else "none"
    return f"only {' and '.join(right)}"


def _accuracy(name: str, right: Sequence[bool]) -> Accuracy:
    low, high = wilson(sum(right), len(right)) if right else (None, None)
    return Accuracy(name, sum(right), len(right), low, high)


def _left_out(sides: Sequence[Side], ids: Sequence[str]) -> tuple[LeftOut, ...]:
    """Problems by what keeps them out, the most frequent first."""
    ungraded = [{*one.ungraded} for one in sides]
    found: dict[str, list[str]] = {}
    for id_ in ids:
        missing = [one.name for one, own in zip(sides, ungraded, strict=True) if id_ not in one.right and id_ not in own]
        without = [one.name for one, own in zip(sides, ungraded, strict=True) if id_ in own]
        whys = [f"not in {' and '.join(missing)}"] if missing else []
        whys += [f"without a grade in {' and '.join(without)}"] if without else []
        found.setdefault(", ".join(whys), []).append(id_)
    return tuple(LeftOut(why, tuple(own)) for why, own in sorted(found.items(), key=lambda pair: -len(pair[1])))


def words(found: Alignment) -> str:
    """What is compared and what is not, in sentences."""
    samples = {one.words for one in found.sides}
    how = samples.pop() if len(samples) == 1 else "; ".join(f"{one.name}: {one.words}" for one in found.sides)
    left = "; ".join(f"{count(len(one.ids))} {one.why}" for one in found.left_out)
    return f"{count(found.n)} problem{'s' * (found.n != 1)} that all have ({how}). Left out: {left or 'none'}."


def html(found: Alignment, chosen: str = "") -> str:
    """The quadrants as buttons that report `quadrant:KEY`, the accuracies and the tests.

    Args:
      chosen: the key of the quadrant that is shown now.
    """
    return "\n".join(filter(None, (_quadrants(found, chosen), _accuracies(found), _tests(found))))


def _quadrants(found: Alignment, chosen: str) -> str:
    shown = len(found.sides) if len(found.sides) > 2 else 0  # of two the words say it all
    rows = [
        (
            Cell(one.words, go=f"quadrant:{one.key}", pressed=one.key == chosen),
            Cell(count(len(one.ids)), "number"),
            Cell(percent(len(one.ids) / found.n) if found.n else "", "number"),
            *(Cell("right" if digit == "1" else "wrong") for digit in one.key[:shown]),
        )
        for one in found.quadrants
    ]
    header = ("Right in", "Problems", "Share", *(one.name for one in found.sides[:shown]))
    return table("Who has which problem right", header, rows, words(found))


def _accuracies(found: Alignment) -> str:
    rows = [
        (
            Cell(one.name),
            Cell(percent(one.right / one.n) if one.n else "", "number"),
            Cell(interval(one.low, one.high), "number"),
            Cell(f"{count(one.right)} of {count(one.n)}", "number"),
            Cell(f"{count(sum(own.right.values()))} of {count(len(own.right))}", "number"),
        )
        for one, own in zip(found.accuracies, found.sides, strict=True)
    ]
    header = ("", "Accuracy", "95% interval", "Right", "Right of all that it has")
    return table("Accuracy on the problems that all have", header, rows)


def _tests(found: Alignment) -> str:
    several = len(found.tests) > 1
    rows = [
        (
            Cell(f"{one.a} against {one.b}"),
            Cell(points(one.paired.difference), "number"),
            Cell(count(one.paired.only_a), "number"),
            Cell(count(one.paired.only_b), "number"),
            Cell(bare_p(one.paired.p), "number"),
            *([Cell(bare_p(one.p_holm), "number")] if several else []),
        )
        for one in found.tests
    ]
    header = ("", "Difference", "Only the first", "Only the second", "p", *(["p (Holm)"] if several else []))
    note = "Points of accuracy; McNemar's exact test, every problem taken for one by itself (jorney compare minds clusters)."
    return table("Differences", header, rows, note) if rows else ""
