"""What a model wrote: backtracks, false equations and the grade, marked where they stand."""

from __future__ import annotations

import dataclasses

import pytest
from inert import HOSTILE, Html

from jorney.domain.countdown.sets import make_problem
from jorney.domain.problem import Problem
from jorney.show.output_shown import Response, response

PROBLEM = make_problem((3, 4, 5, 9), 20)
TEXT = """1. 9 - 4 = 5 (left: 3, 5, 5)
2. 5 * 5 = 26 (left: 3, 26)
Go back to 3, 5, 5.
2. 3 * 5 = 15 (left: 5, 15)
Go back to 3, 4, 5, 9.
1. 9 - 4 = 5 (left: 3, 5, 5)
#### 20"""


def test_backtracks_are_marked_as_justified_or_not():
    html = Html(response(Response(TEXT, PROBLEM, correct=False, answer="20", note="ends with 3 numbers left")))
    assert [(one["class"], one.text) for one in html.all("span", kind="back")] == [
        ("back justified recovers", "↩✓+Go back to 3, 5, 5"),
        ("back needless recovers", "↩?+Go back to 3, 4, 5, 9"),
    ]
    said = html.elements[0].text
    assert "Goes back 2 times: 1 justified, 2 to where the goal can be reached. It did not recover" in said
    assert "✗ wrong, answers 20 (ends with 3 numbers left)" in said


def test_false_equations_are_marked_with_what_is_true():
    html = Html(response(Response("7 / 2 = 3, 1 + 1 = 2 and 4 / 0 = 1")))
    assert [one.text for one in html.all("span", kind="false")] == ["7 / 2 = 3", "4 / 0 = 1"]
    assert [one.text for one in html.all("span", kind="truth")] == ["is 7/2", "is nothing: a division by zero"]
    assert "2 equations are false." in html.elements[0].text
    assert "not graded" in html.elements[0].text


def test_a_number_that_falls_back_is_marked_and_its_equation_too():
    text = "1. 9 - 4 = 5 (left: 3, 5, 5)\n1. 9 - 5 = 3 (left: 3, 3, 4)"
    html = Html(response(Response(text, PROBLEM)))
    assert [one.text for one in html.all("span", kind="back")] == ["↩?+1"]
    assert [one.text for one in html.all("span", kind="false")] == ["9 - 5 = 3"]


@pytest.mark.parametrize(
    "problem",
    [
        None,
        Problem("p", "q", "a"),
        Problem("p", "q", "a", verifier="unheard of"),
        dataclasses.replace(PROBLEM, meta={}),
        dataclasses.replace(PROBLEM, meta={"numbers": 3, "target": "x"}),
    ],
)
def test_where_nobody_can_tell_the_text_is_shown_as_it_is(problem):
    html = Html(response(Response(TEXT, problem, correct=True)))
    assert not html.all("span", kind="back")
    assert "goes back where" not in html.all("p")[1].text
    assert len(html.all("span", kind="false")) == 1


def test_rows_of_several_kinds():
    row = {
        "id": "x",
        "text": "hm",
        "correct": True,
        "answer": None,
        "note": 3,
        "tokens": 12,
        "finished": False,
        "score": 0.51234,
    }
    shown = Response.of_row(row, by="base")
    assert shown == Response("hm", None, True, None, "", {"tokens": 12, "finished": False, "score": 0.51234}, "base")
    html = Html(response(shown))
    assert "base: ✓ right" in html.elements[0].text
    assert "tokens 12 · finished no · score 0.5123" in html.elements[0].text
    assert "It wrote nothing." in response(Response.of_row({"text": None}))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_outputs_are_inert(text):
    shown = Response(text, dataclasses.replace(PROBLEM, id=text, question=text), False, text, text, {"tokens": 1}, text)
    html = response(shown)
    Html(html)
    assert len(html) < 200_000
