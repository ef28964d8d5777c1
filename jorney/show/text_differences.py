"""How two texts differ: line by line, and word by word in the lines that do."""

from __future__ import annotations

import difflib
import itertools
import re
from collections import Counter
from collections.abc import Sequence

from jorney.show.latex_text import Mark, formulas

_WORD = re.compile(r"\s+|\d+(?:\.\d+)?|\w+|.", re.DOTALL)
MOST_WORDS = 6_000  # of either text: beyond, a comparison could take seconds
_MOST_COST = 10_000_000  # of a comparison, as `_changes` reckons it: beyond, what differs differs as a whole

Span = tuple[int, int]


def differences(
    first: str, second: str, first_kind: str = "gone", second_kind: str = "new"
) -> tuple[list[Mark], list[Mark]] | None:
    """What of each text the other has not, as marks of the two; None where they are too long to compare.

    Args:
      first_kind, second_kind: the marks' classes; letters and hyphens.
    """
    texts = (first, second)
    words = [_words(text) for text in texts]
    if max(map(len, words)) > MOST_WORDS:
        return None
    lines = [_lines(text, own) for text, own in zip(texts, words, strict=True)]
    found: tuple[list[Span], list[Span]] = ([], [])
    said = [["".join(text[a:b] for a, b in line).strip() for line in own] for text, own in zip(texts, lines, strict=True)]
    for places in _changes(*said):
        runs = [
            list(itertools.chain.from_iterable(own[a:b])) for own, (a, b) in zip(lines, (places[:2], places[2:]), strict=True)
        ]
        for own, spans in zip(found, _apart(texts, runs), strict=True):
            own += spans
    one, other = (
        [Mark(a, b, f'<mark class="{kind}">', "</mark>") for a, b in _joined(text, spans)]
        for text, spans, kind in zip(texts, found, (first_kind, second_kind), strict=True)
    )
    return one, other


def _apart(texts: Sequence[str], runs: Sequence[Sequence[Span]]) -> tuple[list[Span], list[Span]]:
    """The words of two stretches that the other has not."""
    first, second = ([span for span in run if not text[slice(*span)].isspace()] for text, run in zip(texts, runs, strict=True))
    words = [[text[a:b] for a, b in run] for text, run in zip(texts, (first, second), strict=True)]
    gone: list[Span] = []
    new: list[Span] = []
    for a, b, c, d in _changes(*words):
        gone += first[a:b]
        new += second[c:d]
    return gone, new


def _changes(first: Sequence[str], second: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Where two sequences differ: (start, stop) in the first, (start, stop) in the second, of each stretch.

    difflib looks at all pairs of equal entries, for each stretch that is equal: on texts that repeat themselves that is cubic.
    """
    least = min(len(first), len(second))
    head = next((i for i in range(least) if first[i] != second[i]), least)
    tail = next((i for i in range(least - head) if first[-1 - i] != second[-1 - i]), least - head)
    one, other = first[head : len(first) - tail], second[head : len(second) - tail]
    if not one and not other:
        return []
    often = Counter(other)
    pairs = sum(count * often[entry] for entry, count in Counter(one).items())
    if pairs * min(len(one), len(other)) > _MOST_COST:
        return [(head, len(first) - tail, head, len(second) - tail)]
    found = difflib.SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return [(a + head, b + head, c + head, d + head) for what, a, b, c, d in found if what != "equal"]


def _joined(text: str, spans: Sequence[Span]) -> list[Span]:
    """Spans as long as only space divides them, without space at their ends."""
    found: list[Span] = []
    for start, stop in spans:
        if not text[start:stop].strip():
            continue
        if found and not text[found[-1][1] : start].strip():
            found[-1] = (found[-1][0], stop)
        else:
            found.append((start, stop))
    return found


def _lines(text: str, words: Sequence[Span]) -> list[list[Span]]:
    """The words of every line; a formula stands in one line."""
    found: list[list[Span]] = [[]]
    for start, stop in words:
        found[-1].append((start, stop))
        if "\n" in text[start:stop] and text[start:stop].isspace():
            found.append([])
    return [line for line in found if line]


def _words(text: str) -> list[Span]:
    """The words, signs and formulas of a text; a formula is one."""
    found: list[Span] = []
    at = 0
    for formula in formulas(text):
        found += [match.span() for match in _WORD.finditer(text, at, formula.start)]
        found.append((formula.start, formula.stop))
        at = formula.stop
    return [*found, *(match.span() for match in _WORD.finditer(text, at))]
