r"""LaTeX in JSON, read as it was meant.

JSON wants a backslash doubled. Models forget it, and so \sqrt is no JSON, and \frac, \nu and \times are, of other texts: a form
feed and "rac", a new line and "u", a tab and "imes".
"""

from __future__ import annotations

import re

# Possessive, and with or without an end: time is linear in the text, whatever stands in it.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_ESCAPE = re.compile(r"(?:\\[\"\\/])+|\\(u[0-9a-fA-F]{4}|[A-Za-z]+|.)", re.DOTALL)
_DOUBLED = re.compile(r"(?<!\\)\\\\[A-Za-z]")
# Commands of LaTeX and its mathematics that begin as a line, a return or a tab does in JSON. What begins with b or f and goes
# on with a letter is LaTeX in any case: nobody writes a backspace or a form feed before a word.
_NAMES = """
nLeftarrow nLeftrightarrow nRightarrow nVDash nVdash nabla napprox natural ncong nearrow neg negmedspace negthickspace
negthinspace neq nequiv newcommand newcounter newenvironment newlength newline newpage newtheorem ngeq ngeqq ngeqslant
ngtr nleftarrow nleftrightarrow nleq nleqq nleqslant nobreak nobreakspace nocite noindent nolimits nolinebreak nonumber
nopagebreak norm normalcolor normalfont normalsize not notag notin notni nprec npreceq nrightarrow nshortmid nshortparallel
nsubset nsubseteq nsubseteqq nsucc nsucceq nsupset nsupseteq nsupseteqq ntriangleleft ntrianglelefteq ntriangleright
ntrianglerighteq num numberline numberwithin nvDash nvdash nwarrow
raggedleft raggedright raise raisebox rangle ratio rbrace rbrack rceil ref refstepcounter relax relbar renewcommand
renewenvironment reqno restriction restoredefault rfloor rgroup rhd rho right rightarrow rightarrowtail rightharpoondown
rightharpoonup rightleftarrows rightleftharpoons rightmargin rightrightarrows rightsquigarrow rightthreetimes risingdotseq
rlap rm rmfamily
rmoustache roman root rotatebox rrbracket rtimes rule rvert rVert
tabcolsep tabularnewline tag tan tanh tau tbinom tcfrac textasciicircum textasciitilde textbackslash textbar textbf textbullet
textcircled textcolor textdegree textdollar textellipsis textemdash textendash textgreater textheight textit textless textmd
textmu textnormal textohm textperiodcentered textquotedblleft textquotedblright textquoteleft textquoteright textregistered
textrm textsc textsf textsl textstyle textsubscript textsuperscript texttimes texttrademark texttt textunderscore textup
textvisiblespace textwidth text tfrac tg thanks therefore theta thetasym thickapprox thicklines thicksim thickspace thinlines
thinspace tilde times tiny title to today top toprule triangle triangledown triangleleft trianglelefteq triangleq triangleright
trianglerighteq tt ttfamily twocolumn twoheadleftarrow twoheadrightarrow"""
_COMMANDS = frozenset(_NAMES.split())
# What is left of these without the n is a word or a name, which may well begin a new line.
_OR_A_LINE = ("ne", "nexists", "ni", "nless", "nmid", "nparallel", "nsim", "nu")
# Behind a word or the end of a sentence a line may end; behind a number, a name or a space it does not.
_LINE_MAY_END = re.compile(r"(?:[A-Za-z]{2}|[.,:;!?]|\\[nr])\Z")


def as_meant(text: str) -> str:
    """A JSON text in whose strings every backslash that LaTeX needs is doubled; what is doubled stays as it is.

    An escape of JSON is taken for LaTeX where it begins a command that is known. Of those that may as well begin a line (\\nu,
    \\ne) the words before decide, and whether the text doubles backslashes elsewhere: then its author knows how.
    """
    knows = _DOUBLED.search(text) is not None
    return _STRING.sub(lambda string: _ESCAPE.sub(lambda escape: _meant(escape, knows), string[0]), text)


def _meant(escape: re.Match[str], knows: bool) -> str:
    body = escape[1]
    if body is None or re.fullmatch("u[0-9a-fA-F]{4}", body):
        return escape[0]
    if body == "'":  # as Python and JavaScript would have it
        return body
    latex = body in _COMMANDS or body[0] not in "bfnrt" or (body[0] in "bf" and len(body) > 1)
    if body in _OR_A_LINE:
        latex = not knows and not _LINE_MAY_END.search(escape.string[max(0, escape.start() - 2) : escape.start()])
    return f"\\\\{body}" if latex else escape[0]
