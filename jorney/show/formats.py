"""Numbers and names as text; what is no finite number is shown as a dash."""

from __future__ import annotations

import functools
import math
from typing import Any

from jorney.show.names import BASE, DPO, JOURNEY, MATCHED, PASS, PHASE1, PLACEBO, SHORTCUT, UNTIL

MISSING = "\N{EN DASH}"
NO_BREAK = "\N{NO-BREAK SPACE}"

# Other names are shown as they are, with spaces for underscores.
_LABELS = {
    BASE: "Base model",
    PHASE1: "SFT phase 1",
    SHORTCUT: "Shortcut",
    JOURNEY: "Journey",
    DPO: "Journey + DPO",
    "prm": "Reward model",
    UNTIL: "Asked again",
    PASS: "Pass@n (oracle)",
    MATCHED: "Shortcut, matched",
    PLACEBO: "Placebo journey",
    "jorney": "Jorney",
    "jax": "JAX",
    "git": "Commit",
}


def number(value: Any) -> float | None:
    """The value if it is a finite number, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def percent(value: Any) -> str:
    """0.4137 -> 41.4%"""
    return MISSING if number(value) is None else f"{100 * value:.1f}%"


def interval(low: Any, high: Any) -> str:
    """0.383, 0.4441 -> 38.3-44.4%, with an en dash"""
    bounds = percent(low), percent(high)
    return MISSING if MISSING in bounds else f"{bounds[0].removesuffix('%')}\N{EN DASH}{bounds[1]}"


def points(value: Any) -> str:
    """0.4137 -> +41.4, a difference in percentage points; the sign is a true minus, and zero has none."""
    if number(value) is None:
        return MISSING
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "\N{MINUS SIGN}")


def count(value: Any) -> str:
    """10000 -> 10,000"""
    return MISSING if number(value) is None else f"{value:,.0f}"


def decimal(value: Any, digits: int = 1) -> str:
    """1234.56 -> 1,234.6"""
    return MISSING if number(value) is None else f"{value:,.{digits}f}"


two_digits = functools.partial(decimal, digits=2)


def span(low: Any, high: Any) -> str:
    """0.02, 0.0812 -> +2.0 to +8.1, in percentage points"""
    return f"{points(low)} to {points(high)}"


def p_value(value: Any) -> str:
    """The p-value with its relation, `= 0.0312` or `< 0.001`, the space between them one that does not break."""
    if number(value) is None:
        return f"={NO_BREAK}{MISSING}"
    return f"<{NO_BREAK}0.001" if value < 0.001 else f"={NO_BREAK}{value:#.3g}"


def bare_p(value: Any) -> str:
    """The p-value as in a table: 0.0312, or `< 0.001`."""
    return p_value(value).removeprefix(f"={NO_BREAK}")


def duration(value: Any) -> str:
    """30.1 -> 30.1 s, 100.3 -> 1 min 40 s, 7500 -> 2 h 05 min"""
    if number(value) is None:
        return MISSING
    if round(value, 1) < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(value / 60), 60)
    return f"{hours:,} h {minutes:02d} min"


def label(name: Any) -> str:
    """A model's, stage's or field's name as a heading."""
    text = str(name)
    if text.startswith("evaluate_"):
        return f"Evaluate {mention(text.removeprefix('evaluate_'))}"
    text = _LABELS.get(text, text.replace("_", " "))
    return text[:1].upper() + text[1:]


def mention(name: Any) -> str:
    """A model's name within a sentence."""
    return "the base model" if name == BASE else label(name)
