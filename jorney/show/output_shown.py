"""What a model wrote, to be read: where it goes back and whether that was right, which equations are false, its grade."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from jorney.domain.domain import Backtrack, Domain
from jorney.domain.domains import DOMAINS
from jorney.domain.equations import FalseEquation, false_equations
from jorney.domain.problem import Problem
from jorney.show.latex_text import MOST, Mark, marked, plain, rich

_FACTS = ("tokens", "finished", "score", "reward", "sample", "true_equations", "equations")
LEGEND = (
    "↩✓ goes back where the goal could no longer be reached, ↩? where it still could; + to where it can be reached. A wavy "
    "line is under an equation that is not true; what is true stands behind it."
)


@dataclasses.dataclass(frozen=True)
class Response:
    """A text that a model wrote, with what is known of it.

    Attributes:
      text: as generated.
      problem: what it answers; None where that is not known: then nothing is said of how it went about it.
      correct: its grade; None where it has none.
      answer: the final answer that it states; None where it states none, or that is not known.
      note: why it is wrong.
      facts: what else is known of it, by name.
      by: who wrote it.
    """

    text: str
    problem: Problem | None = None
    correct: bool | None = None
    answer: str | None = None
    note: str = ""
    facts: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    by: str = ""

    @classmethod
    def of_row(cls, row: Mapping[str, Any], problem: Problem | None = None, by: str = "") -> Response:
        """Of a row of `jorney evaluate` or `jorney search`, or of a sample of GRPO; fields of the wrong kind are left out."""
        text, correct, answer, note = (row.get(name) for name in ("text", "correct", "answer", "note"))
        return cls(
            text if isinstance(text, str) else "",
            problem,
            correct if isinstance(correct, bool) else None,
            answer if isinstance(answer, str) else None,
            note if isinstance(note, str) else "",
            {name: row[name] for name in _FACTS if isinstance(row.get(name), bool | int | float)},
            by,
        )


def response(shown: Response, most: int = MOST) -> str:
    """The text with what can be told of it.

    Args:
      most: characters of it that are shown; marks are of these.

    Returns:
      `<div class="output">`: the grade, the facts, what can be said of its backtracks, and the text, in which
      `<span class="back justified">` (or "needless") is where it goes back, with "recovers" where the goal can be reached from
      where it goes back to, and `<span class="false">` an equation that is not true, with what is true in a
      `<span class="truth">` behind it.
    """
    backs, follows = _backtracks(shown)
    wrong = list(false_equations(shown.text[:most]))
    parts = [_grade(shown)]
    if shown.facts:
        said = " · ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in shown.facts.items())
        parts.append(f'<p class="facts">{plain(said)}</p>')
    if follows or wrong:
        parts.append(f'<p class="facts">{plain(_behaviour(shown, backs, follows, len(wrong)))}</p>')
    if shown.text.strip():
        parts.append(f'<div class="written">{marked(shown.text, _marks(backs, wrong), most)}</div>')
    else:
        parts.append('<p class="note">It wrote nothing.</p>')
    if backs or wrong:
        parts.append(f'<p class="note">{LEGEND}</p>')
    return f'<div class="output">{"".join(parts)}</div>'


def _grade(shown: Response) -> str:
    by = f"{plain(shown.by)}: " if shown.by else ""
    answer = f", answers {rich(shown.answer, 500)}" if shown.answer is not None else ""
    note = f" ({rich(shown.note, 2_000)})" if shown.note else ""
    if shown.correct is None:
        grade = "not graded"
    else:
        kind, sign = ("right", "✓") if shown.correct else ("wrong", "✗")
        grade = f'<span class="{kind}"><span aria-hidden="true">{sign}</span> {kind}</span>'
    return f"<p>{by}{grade}{answer}{note}</p>"


def _value(value: float | bool) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _backtracks(shown: Response) -> tuple[list[Backtrack], bool]:
    """Where the text goes back, and whether its domain can tell."""
    problem = shown.problem
    domain: Domain | None = DOMAINS.get(problem.verifier) if problem is not None else None
    if problem is None or domain is None or not domain.behaves:
        return [], False
    try:
        return domain.backtracks(problem, shown.text), True
    except (ValueError, TypeError, AttributeError):  # a problem whose `meta` lacks what its domain needs, or holds other things
        return [], False


def _behaviour(shown: Response, backs: list[Backtrack], follows: bool, wrong: int) -> str:
    said = []
    if follows and backs:
        justified, recovers = sum(back.justified for back in backs), sum(back.recovers for back in backs)
        times = "once" if len(backs) == 1 else f"{len(backs)} times"
        said.append(f"Goes back {times}: {justified} justified, {recovers} to where the goal can be reached.")
        if shown.correct is not None:
            said.append("It recovered: its answer is right." if shown.correct else "It did not recover: its answer is wrong.")
    elif follows:
        said.append("It never goes back.")
    if wrong:
        said.append(f"{wrong} equation{'s are' if wrong > 1 else ' is'} false.")
    return " ".join(said)


def _marks(backs: list[Backtrack], wrong: list[FalseEquation]) -> list[Mark]:
    """Both kinds, rising; where a line goes back by its number alone, the number is marked, so that its equation can be."""
    found = []
    for back in backs:
        why = (
            "justified: the goal could no longer be reached" if back.justified else "needless: the goal could still be reached"
        )
        ends = "it can be reached from there" if back.recovers else "it cannot be reached from there either"
        kind = f"back {'justified' if back.justified else 'needless'}{' recovers' if back.recovers else ''}"
        sign = f"↩{'✓' if back.justified else '?'}{'+' * back.recovers}"
        title = f"Goes back, {why}; {ends}"
        opens = f'<span class="{kind}" title="{title}"><span class="sign" role="img" aria-label="{title}">{sign}</span>'
        found.append(Mark(back.start, back.stop, opens))
    for one in wrong:
        truth = f"is {one.value}" if one.value else "is nothing: a division by zero"
        opens = f'<span class="false" title="not true: the left side {truth}">'
        found.append(Mark(one.start, one.stop, opens, f'</span><span class="truth">{truth}</span>'))
    return sorted(found, key=lambda mark: mark.start)
