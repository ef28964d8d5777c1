r"""LaTeX in JSON, read as it was meant.

JSON wants a backslash doubled. Models forget it, and so \sqrt is no JSON, and \frac, \nu and \times are, of other texts: a form
feed and "rac", a new line and "u", a tab and "imes".
"""

from __future__ import annotations

import re

_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|[A-Za-z]+|.)", re.DOTALL)
_DOUBLED = re.compile(r"(?<!\\)\\\\[A-Za-z]")
# Commands that begin with a letter which JSON escapes begin with.
_NAMES = """backslash bar barwedge because begin beta beth between big bigcap bigcirc bigcup bigg biggl biggr bigl bigm
bigoplus bigotimes bigr bigstar bigtriangleup bigvee bigwedge binom blacksquare bmatrix bmod boldsymbol bot bowtie box boxed
boxplus boxtimes breve bullet bumpeq fallingdotseq fbox flat footnotesize forall frac frown nabla natural nearrow neg neq
newcommand newline ngeq ngtr nleftarrow nleq nolimits nonumber norm normalsize not notin nrightarrow nsubseteq nsupseteq
nwarrow raggedright raise rangle rbrace rbrack rceil rfloor rho right rightarrow rightharpoonup rightleftharpoons rule rvert
rVert tan tanh tau tbinom tfrac text textbf textit textrm textsf textstyle texttt textwidth therefore theta thickapprox
thicksim thinspace tilde times tiny to top triangle triangledown triangleleft triangleq triangleright"""
_COMMANDS = frozenset(_NAMES.split())
# What is left of these without the n is a word or a name, which may well begin a new line.
_OR_A_LINE = ("ne", "nexists", "ni", "nless", "nmid", "nparallel", "nsim", "nu")
# Behind a word or the end of a sentence a line may end; behind a number, a name or a space it does not.
_LINE_MAY_END = re.compile(r"(?:[A-Za-z]{2}|[.,:;!?]|\\[nr])$")


def as_meant(text: str) -> str:
    """A JSON text in whose strings every backslash that LaTeX needs is doubled; what is doubled stays as it is.

    An escape of JSON is taken for LaTeX where it begins a command that is known. Of those that may as well begin a line (\\nu,
    \\ne) the words before decide, and whether the text doubles backslashes elsewhere: then its author knows how.
    """
    knows = _DOUBLED.search(text) is not None
    return _STRING.sub(lambda string: _ESCAPE.sub(lambda escape: _meant(escape, knows), string[0]), text)


def _meant(escape: re.Match[str], knows: bool) -> str:
    body = escape[1]
    if body[0] in '"\\/' or re.fullmatch("u[0-9a-fA-F]{4}", body):
        return escape[0]
    if body == "'":  # as Python and JavaScript would have it
        return body
    latex = body in _COMMANDS or body[0] not in "bfnrt"
    if body in _OR_A_LINE:
        latex = not knows and not _LINE_MAY_END.search(escape.string[: escape.start()])
    return f"\\\\{body}" if latex else escape[0]
