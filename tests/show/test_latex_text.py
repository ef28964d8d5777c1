"""Text as HTML: formulas are drawn, money stays money, and nothing that is written can run, load or take long."""

from __future__ import annotations

import re
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from inert import HOSTILE, Html

from jorney.show.latex_text import Mark, formulas, marked, mathml, plain, rich
from jorney.show.samples import visible

pytest.importorskip("latex2mathml", reason="formulas are drawn by latex2mathml, of the extra [view]")


def text_of(html: str) -> str:
    return "".join(one.text for one in Html(html).all("bdi"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"so \(x+1\) holds", ["x+1"]),
        (r"\[a\] and $$b$$", ["a", "b"]),
        ("$n$ items cost $5 and $10", ["n"]),
        ("from $5-$10 to $20", []),
        ("It costs $5, and then 10 more make $", []),
        ("$20 is more than the $15", []),
        ("pay $3 now, then twice as much$", []),
        (r"\$5 and \$6", []),
        (r"$\frac{1}{2}$ of $\$5$", [r"\frac{1}{2}", r"\$5"]),
        ("$x = 5$, $2$ and $1,600$", ["x = 5", "2", "1,600"]),
        ("$ x$ $x $ $$ $$ $$$$ \\(\\) \\[ \\]", []),
        ("$a\nb$", []),
        ("$$a\n\nb$$", []),
        (r"\begin{align*}a&=b\\c&=d\end{align*}", [r"\begin{align*}a&=b\\c&=d\end{align*}"]),
        (r"\begin{equation}a\end{equation}", ["a"]),
        (r"\\[2pt] x", []),
        ("$" + "x" * 2001 + "$", []),
    ],
)
def test_what_is_a_formula(text, expected):
    found = list(formulas(text))
    assert [one.latex for one in found] == expected
    assert all(text[one.start : one.stop].find(one.latex) >= 0 for one in found)


def test_formulas_become_mathml():
    assert mathml(r"\frac{1}{2}") == (
        r'<math title="\frac{1}{2}" display="inline"><mrow><mfrac><mrow><mn>1</mn></mrow><mrow><mn>2</mn></mrow></mfrac>'
        "</mrow></math>"
    )
    assert 'display="block"' in mathml("x", True)
    assert "ℝ" in mathml(r"\mathbb{R}")
    assert "𝐱" in mathml(r"\mathbf{x}")
    assert '<mrow class="boxed">' in mathml(r"\boxed{4}")


@pytest.mark.parametrize("latex", [r"\frac{1}", "x_", r"\left(", "a^b^c", r"\begin{x}", r"\over", "{" * 60, r"\sqrt" * 300])
def test_what_cannot_be_drawn_stays_text(latex):
    html = rich(f"a \\({latex}\\) b")
    Html(html)
    if not mathml(latex):
        assert text_of(html) == f"a \\({latex}\\) b"


@pytest.mark.parametrize(
    "latex",
    [
        r"\newcommand{\a}{aa}\a",
        r"\def\a{\b\b}\a",
        r"\sideset{_1}{_2}{\sideset{_1}{_2}{x}}",
        r"\DeclareMathOperator{\a}{x}",
        r"\newenvironment{q}{a}{b}",
    ],
)
def test_definitions_are_not_followed(latex):
    assert mathml(latex) == ""


@pytest.mark.parametrize(
    ("latex", "kept"),
    [
        (r"\href{javascript:alert(1)}{link}", "l"),
        (r"\style{background:url(//a)}{y}", "y"),
        (r"\class{evil}{y}", "y"),
        (r"\color{red}y", "y"),
        (r"\rule{99em}{99em}y", "y"),
        (r"\text{<b>bold</b>}", "<b>bold</b>"),
        (r"\text{&#x3c;script&#x3e;}", "<script>"),
        (r"\mathrm{<}", "<"),
    ],
)
def test_formulas_hold_nothing_but_mathematics(latex, kept):
    html = Html(mathml(latex))
    assert kept in html.elements[0].text
    for element in html.elements:
        assert not {"href", "style", "mathcolor", "mathbackground"} & set(element.attributes)
        assert element.attributes.get("class", "boxed") == "boxed"
        assert "99" not in element.attributes.get("width", "")


def test_lines_and_directions():
    assert rich("a\nb") == '<bdi class="rich">a\nb</bdi>'
    assert rich("x\u202ey\u2066z") == '<bdi class="rich">x⟨U+202E⟩y⟨U+2066⟩z</bdi>'
    assert plain('a"<\u200f') == "a&quot;&lt;⟨U+200F⟩"
    # A displayed formula ends its line by itself.
    assert rich("\\[x\\]\ny").endswith("</math>y</bdi>")


def test_a_long_text_is_cut_and_says_so():
    assert rich("x" * 30, most=10) == '<bdi class="rich">xxxxxxxxxx<span class="cut">… 20 more characters</span></bdi>'
    assert rich("x" * 20_000).count("x") == 20_000
    assert "80,000 more characters" in rich("x" * 100_000)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_text(text):
    html = rich(text, most=10**6)
    parsed = Html(html)
    assert {one.tag for one in parsed.elements if not one.tag.startswith("m")} == {"bdi"}
    if "\\" not in text and "\u202e" not in text:
        assert parsed.elements[0].text == visible(text)


@given(st.text(alphabet=st.sampled_from(list("$\\()[]{}ab1 \n<&_^'\u202e\ud800")), max_size=60))
def test_any_text_is_inert_and_whole(text):
    html = rich(text)
    parsed = Html(html)
    assert parsed.elements[0].tag == "bdi"
    if not list(formulas(text)):
        assert parsed.elements[0].text.replace("⟨U+202E⟩", "\u202e") == visible(text)
    marks = [Mark(i, i + 3, "<mark>", "</mark>") for i in range(0, len(text), 4)]
    Html(marked(text, marks))
    assert Html(marked(text, marks, draw=False)).elements[0].text.replace("⟨U+202E⟩", "\u202e") == visible(text)


@pytest.mark.parametrize(
    "text",
    [
        "$" * 100_000,
        "{" * 100_000,
        "\\(" * 50_000,
        "$ " * 50_000,
        "$a" * 50_000,
        "$x$ " * 25_000,
        "\\" * 100_000,
        "$$\n" * 33_000,
        "\\begin{align}" * 8_000,
        *(f"$${body}$$" for body in ("{" * 1_990, "^" * 1_990, "\\sqrt" * 390, "x_" * 900, "'" * 1_900, "\\over " * 300)),
    ],
)
def test_no_text_takes_long(text):
    begin = time.process_time()
    Html(rich(text, most=10**6))
    assert time.process_time() - begin < 2


def test_marks_take_whole_formulas():
    html = marked(r"ab \(x^2\) cd", [Mark(0, 1, "<b>", "</b>"), Mark(5, 6, "<i>", "</i>"), Mark(11, 13, "<u>", "</u>")])
    html = re.sub(r"<math.*</math>", "M", html)
    assert html == '<bdi class="rich"><b>a</b>b <i>M</i> <u>cd</u></bdi>'
    # One that begins before a formula and ends in it takes it too; what overlaps an earlier mark is left out.
    html = marked(r"ab \(x^2\) cd", [Mark(1, 6, "<b>", "</b>"), Mark(7, 12, "<i>", "</i>")])
    assert re.sub(r"<math.*</math>", "M", html) == '<bdi class="rich">a<b>b M</b> cd</bdi>'
    assert marked("abc", [Mark(1, 9, "<b>", "</b>"), Mark(9, 12, "<i>", "</i>")]) == '<bdi class="rich">a<b>bc</b></bdi>'


def test_without_the_extra_formulas_stay_text(monkeypatch):
    mathml.cache_clear()
    monkeypatch.setitem(sys.modules, "latex2mathml.converter", None)
    assert rich(r"\(q^7\)") == r'<bdi class="rich">\(q^7\)</bdi>'
    mathml.cache_clear()
