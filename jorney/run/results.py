"""What a stage found, for people: a table of names and figures with their units."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jorney.progress import Progress

_SHARES = (
    "accuracy",
    "share",
    "ci_low",
    "ci_high",
    "right",
    "solved",
    "with_shortcut",
    "true_equations",
    "pass_at_n",
    "answered",
    "error_over_problems",
    "error_over_samples",
    "shorter_wins",
)
_BY = ("by_reading", "subsets")  # shares, by what they are of
_ESTIMATES = ("pass", "majority", "best", "weighted")
_UNITS = {"tokens": "tokens", "seconds": "s", "bytes": "bytes", "limit": "tokens", "lines": "lines"}


def told(result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, figure) of each number or word of a result; an accuracy with its interval; counts by cause below each other."""
    for name, value in result.items():
        if name == "estimates":
            yield "of k samples", ""
            for one in value:
                shares = (f"{what} {one[what]:.1%}" for what in _ESTIMATES if what in one)
                yield f"  k = {one['k']}", ", ".join(shares)
            continue
        if name in ("ci_low", "ci_high") or value in ("", None) or isinstance(value, list):
            continue
        if isinstance(value, dict):
            if name in _BY:
                yield name.replace("_", " "), ""
                yield from ((f"  {of}", f"{one:.1%}") for of, one in value.items())
            elif value and all(isinstance(one, int) for one in value.values()):
                yield from ((f"  {cause}", f"{count:,}") for cause, count in value.items())
            elif isinstance(count := value.get("count"), int):  # of what there are several kinds
                yield name.replace("_", " "), f"{count:,}"
            continue
        text = figure(name, value)
        if name == "accuracy" and "ci_low" in result:
            text += f" ({result['ci_low']:.1%} to {result['ci_high']:.1%}, 95% interval)"
        yield {"n": "problems"}.get(name, name.replace("_", " ")), text


def figure(name: str, value: Any) -> str:
    """A value with its unit, by what its name says."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if (
        isinstance(value, float)
        and 0 <= value <= 1
        and any(name == one or name.endswith(f"_{one}") or name.startswith(f"{one}_") for one in _SHARES)
    ):
        return f"{value:.1%}"
    unit = _UNITS.get(name.rpartition("_")[2], "")
    number = f"{value:,}" if isinstance(value, int) else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4g}"
    return f"{number} {unit}".strip()


def show(result: Mapping[str, Any], progress: Progress) -> None:
    """Prints a result as a table."""
    rows = list(told(result))
    width = max((len(name) for name, _ in rows), default=0)
    for name, text in rows:
        progress.say(f"  {name:{width}}  {text}")
