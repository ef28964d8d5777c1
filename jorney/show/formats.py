"""Numbers and names as text; what is no finite number is shown as a dash."""

from __future__ import annotations

import math
from typing import Any

MISSING = "\N{EN DASH}"
NO_BREAK = "\N{NO-BREAK SPACE}"

# Other names are shown as they are, with spaces for underscores.
_LABELS = {
    "base": "Base model",
    "sft_phase1": "SFT phase 1",
    "phase2_shortcut": "Shortcut",
    "phase2_journey": "Journey",
    "dpo": "Journey + DPO",
    "prm": "Reward model",
    "resampled_until_target": "Asked again",
    "pass_at_n": "Pass@n (oracle)",
    "shortcut_token_matched": "Shortcut, matched",
    "placebo_journey": "Placebo journey",
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
    share = number(value)
    return MISSING if share is None else f"{100 * share:.1f}%"


def interval(low: Any, high: Any) -> str:
    """0.383, 0.4441 -> 38.3-44.4%, with an en dash"""
    bounds = percent(low), percent(high)
    return MISSING if MISSING in bounds else f"{bounds[0].removesuffix('%')}\N{EN DASH}{bounds[1]}"


def points(value: Any) -> str:
    """0.4137 -> +41.4, a difference in percentage points; the sign is a true minus, and zero has none."""
    difference = number(value)
    if difference is None:
        return MISSING
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "\N{MINUS SIGN}")


def count(value: Any) -> str:
    """10000 -> 10,000"""
    n = number(value)
    return MISSING if n is None else f"{n:,.0f}"


def decimal(value: Any, digits: int = 1) -> str:
    """1234.56 -> 1,234.6"""
    x = number(value)
    return MISSING if x is None else f"{x:,.{digits}f}"


def p_value(value: Any) -> str:
    """The p-value with its relation, `= 0.0312` or `< 0.001`, the space between them one that does not break."""
    p = number(value)
    if p is None:
        return f"={NO_BREAK}{MISSING}"
    return f"<{NO_BREAK}0.001" if p < 0.001 else f"={NO_BREAK}{p:#.3g}"


def duration(value: Any) -> str:
    """30.1 -> 30.1 s, 100.3 -> 1 min 40 s, 7500 -> 2 h 05 min"""
    seconds = number(value)
    if seconds is None:
        return MISSING
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(seconds / 60), 60)
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
    return "the base model" if name == "base" else label(name)
