"""The one spelling that DeepSeekMath's evaluation gives to an answer before it compares."""

from __future__ import annotations

import re

# White space as Unicode has it. Python's own `\s` counts four separators of ASCII as well.
SPACE = r"[^\S\x1c-\x1f]"

# What is taken out or put in the place of something, literally and one after another: `dtfrac` becomes `frac` by two of them.
_FRACTIONS_AND_BRACKETS = (("tfrac", "frac"), ("dfrac", "frac"), ("cfrac", "frac"), ("\\left", ""), ("\\right", ""))
# The percent sign twice, for one with two backslashes.
_SIGNS = (("\\$", ""), ("$", ""), ("x\\in", ""), ("\\%", "%"), ("\\%", "%"), (" .", " 0."), ("{.", "{0."), ("\\cdot", ""))
_METRES = re.compile(r"\{[cm]?m\}(?:\^[23])?")  # {m}, {cm}^2, {mm}^3
_T_AT_END = re.compile(rf"(?<=\d){SPACE}*+t\Z")  # "5 t": tons
# The character behind the zeros is taken as well, so that of "1.0.0x" only the first ".0" goes.
_ZEROS = re.compile(r"(?<=\d)\.0++(\D)")
_ZEROS_AT_END = re.compile(r"(?<=\d)\.0++\Z")
_WITHOUT_BRACES = re.compile(r"\\(sqrt|tan)(-?[0-9.a-zA-Z]+)")
_WITHOUT_BRACES_AT_END = re.compile(r"\\(sqrt|tan)\s++(\w++)\Z")
# What int() reads and str() writes the same; longer ones it refuses.
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,4299}")


def normal_form(answer: str) -> str:
    r"""An answer in the spelling in which DeepSeekMath's evaluation compares it.

    Without units in `\text{...}` at the end, `$`, `\left`, degrees, spaces and trailing dots; `\frac12` and `1/2` become
    `\frac{1}{2}`, `3.000` becomes `3`. Also what one would not wish for: every "inf" becomes `\infty`, every j an i where there
    is no i, and `\leftarrow` becomes `arrow`. Time is linear in the length.
    """
    text = answer.strip().replace("\n", "").rstrip(".").replace("\\!", "")
    if text.startswith("\\text{") and text.endswith("}"):
        text = text[len("\\text{") : -1]
    text = _replaced(text, _FRACTIONS_AND_BRACKETS)
    text = _without_unit(text)
    text = text.replace("^{\\circ}", "").strip().replace("^\\circ", "").strip()
    text = _METRES.sub("", text).strip().removesuffix("p.m.").strip()
    text = _replaced(_T_AT_END.sub("", text).strip(), _SIGNS)
    text = text.replace("infinity", "\\infty")
    if "\\infty" not in text:
        text = text.replace("inf", "\\infty")
    text = _without_boxes_of_text(text.replace("+\\inity", "\\infty").replace("\\mathbf", "").replace("\\mathrm", ""))
    if "i" not in text:
        text = text.replace("j", "i")
    text = _ZEROS_AT_END.sub("", _ZEROS.sub(r"\1", text))
    if text.startswith("."):
        text = "0" + text
    text = _WITHOUT_BRACES_AT_END.sub(r"\\\1{\2}", _WITHOUT_BRACES.sub(r"\\\1{\2}", text))
    text = _division(_fractions(text.replace(" ", "")))
    return text.rstrip("\\,.")


def _replaced(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for old, new in pairs:
        text = text.replace(old, new)
    return text


def _without_unit(text: str) -> str:
    r"""A text that ends in `}` loses everything from its first `\text{` on, unless nothing is left."""
    at = text.find("\\text{") if text.endswith("}") else -1
    kept = (text[:at] if at >= 0 else text).strip()
    return kept or text


def _without_boxes_of_text(text: str) -> str:
    r"""Without `\mbox{...}`, each up to the next brace that closes whatever."""
    kept, at = [], 0
    while (opened := text.find("\\mbox{", at)) >= 0 and (closed := text.find("}", opened)) >= 0:
        kept.append(text[at:opened])
        at = closed + 1
    return "".join([*kept, text[at:]])


def _fractions(text: str) -> str:
    r"""`\frac12` as `\frac{1}{2}`; unchanged where any `\frac` has too little behind it."""
    head, *pieces = text.split("\\frac")
    written = [head]
    for piece in pieces:
        if not piece.startswith("{"):
            if len(piece) < 2:
                return text
            under = piece[1:] if piece[1] == "{" else f"{{{piece[1]}}}{piece[2:]}"
            piece = f"{{{piece[0]}}}{under}"
        written.append(piece)
    return "\\frac".join(written)


def _division(text: str) -> str:
    r"""`1/2` as `\frac{1}{2}`: two integers, or anything with a root in it, and one stroke."""
    parts = text.split("/")
    if len(parts) == 2 and all("sqrt" in part or _INTEGER.fullmatch(part) for part in parts):
        return f"\\frac{{{parts[0]}}}{{{parts[1]}}}"
    return text
