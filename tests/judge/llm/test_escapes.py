r"""LaTeX in JSON: what models write with one backslash is read as they meant it, and right JSON stays right."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.judge.llm.escapes import as_meant


def _read(inside: str) -> str:
    return json.loads(as_meant(f'{{"text": "{inside}"}}'), strict=False)["text"]


@pytest.mark.parametrize(
    "inside",
    [
        r"\frac{1}{2} is not \dfrac{1}{3}",
        r"3 \times 4 = 13",
        r"\sqrt{2} is no fraction",
        r"\beta and \bar{x}, \binom52, \boxed{5}, \big( \begin{cases}",
        r"\nu, \neq, \nabla f, \not\in, \notin, \neg p",
        r"5 \ne 6, x\ne 5, $\ne$, {\nu}, 3\nmid 4",
        r"\rho \to \infty, \right), a \rightarrow b, \rangle, \rfloor",
        r"\tan\theta, \text{no}, \tau, \therefore, \triangle ABC, \tfrac12",
        r"\forall \varepsilon, \underline{x}, \upsilon, \cup",
        r"\(x\), \[y\], \{1\}, 5\%, \$5, \, \; \!",
        r"\bf x, \rm y, \tt z, \tag{1}, \bigodot, \textsc{a}, \textup{b}, \footnote{c}, \ref{d}, \blacktriangle",
        r"a \rtimes b \ncong c \nRightarrow d \backsim e \fnsymbol \bbox \frown \bigsqcup \flushleft",
        r"\notag \noindent \nVdash \rlap{x} \roman{n} \root 3 \of 8, \textcolor{red}{5} \twoheadrightarrow \tg x",
        r"\alpha \cdot \pi \le \Delta",
    ],
)
def test_latex_with_one_backslash_is_latex(inside: str) -> None:
    assert _read(inside) == inside


@pytest.mark.parametrize(
    ("inside", "meant"),
    [
        (r"\\frac{1}{2} \\times \\nu \\right \\beta", r"\frac{1}{2} \times \nu \right \beta"),
        (r"\\\\frac", r"\\frac"),
        (r"a \"b\" c\/d \\ e", 'a "b" c/d \\ e'),
        (r"caf\u00e9, \uD83D\uDE00, \u2264", "café, 😀, ≤"),
        (r"first\nThe second\tcolumn\r\nthird", "first\nThe second\tcolumn\r\nthird"),
        (r"it is 25.\nnot 24", "it is 25.\nnot 24"),
        (r"it is 25.\ntherefore wrong\nfrom here\rnew", "it is 25.\ntherefore wrong\nfrom here\rnew"),
        (r"a backspace\b, a feed\f.", "a backspace\b, a feed\f."),
        (
            r"it is\nat step 3\nas said, the\toption\nis\tto",
            "it is\nat step 3\nas said, the\toption\nis\tto",
        ),
        # Behind a word or a sentence a line begins; and whoever doubles backslashes elsewhere breaks lines by \n.
        (r"it is wrong\nu = 5", "it is wrong\nu = 5"),
        (r"it is wrong.\nless is right", "it is wrong.\nless is right"),
        (r"lines:\n\ne = 3", "lines:\n\ne = 3"),
        (r"by \\times it is 5 \nu = 3", "by \\times it is 5 \nu = 3"),
        (r"half \\frac{1}{2} and half 3 \times 4", r"half \frac{1}{2} and half 3 \times 4"),
        (r"it\'s 5", "it's 5"),
        ("line\nbreak\tand tab", "line\nbreak\tand tab"),
    ],
)
def test_what_json_says_stays(inside: str, meant: str) -> None:
    assert _read(inside) == meant


@given(st.text().filter(lambda text: not re.search(r"[\b\f\n\r\t][A-Za-z]", text)), st.booleans())
def test_right_json_is_read_as_it_is(text: str, plain: bool) -> None:
    assert json.loads(as_meant(json.dumps({text: [text, 1.5, None]}, ensure_ascii=plain))) == {text: [text, 1.5, None]}


@given(st.text(alphabet='\\"/{}[]:,ntfrub059 '))
def test_any_text_has_a_meaning_and_outside_of_strings_nothing_changes(text: str) -> None:
    as_meant(text)
    bare = text.replace('"', "")
    assert as_meant(bare) == bare
