"""What each reading finds in a text, and what stands beside a grade."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.domain.readings import READINGS, STATED, expect_known

OPTIONS = Problem("c", "Which?", "B", verifier="choice", meta={"options": ["Rome", "Paris", "Oslo"]})
NUMBER = Problem("n", "How many?", "1234")


@pytest.mark.parametrize(
    ("name", "text", "found"),
    [
        ("last-number", "It costs $1,234.50. So 7 of them", "7"),
        ("last-number", "A total of $1,234.", "1234"),
        ("last-number", "none", None),
        ("answer-is-number", "The answer is 5. The answer is $1,200.", "1200"),
        ("answer-is-number", "so it is 5", None),
        ("answer-is-number", "The answer is 9 * 2 = 18.", "18"),
        ("answer-is-number", "The answer is **18**.", "18"),
        ("answer-is-number", "The answer is 1/2.", None),
        ("answer-is-number", "The answer is 5:30", None),
        ("answer-is-text", "The answer is Yes.", "Yes"),
        ("answer-is-text", "So the answer is (B).", "(B)"),
        ("answer-is-text", "So the answer is ] >.\nQ: more", "] >"),
        ("answer-is-text", "Perhaps True.", None),
        ("minerva", "Final Answer: The final answer is $\\frac12$. I hope it is correct.", "\\frac12"),
        ("minerva", "Final Answer: The final answer is $\\frac12$.", None),
        ("mgsm", "5 + 6 = 11。答案是 11。", "11"),
        ("mgsm", "Die Antwort lautet 1.234.", "1234"),
        ("mgsm", "La réponse est 1 800.", "1800"),
        ("mgsm", "Ответ — 11.", "11"),
        ("mgsm", "Ответ -18", "-18"),
        ("mgsm", "答えは29です。", "29"),
        ("mgsm", "La réponse est 39.", "39"),
        ("letter", "The answer is (B).", "B"),
        ("letter", "B", "B"),
        ("letter", "**B.** Paris", "B"),
        ("letter", "#### C", "C"),
        ("letter", "\\boxed{C}", "C"),
        ("letter", "The answer is D", None),  # there are three options
        ("letter", "The answer is (B).\n\nOption A: wrong.", "B"),
        ("letter", "Option A is too hot. Option B fits. Option C is too dry.", None),
        ("letter", "Choice A is incorrect. Choice B is correct. Choice C is incorrect.", "B"),
        ("letter", "A: leaf is no\nB: stem is right\nThe right one: B", None),
        ("letter", "The answer is $B$.", "B"),
        ("letter", "\\boxed{\\text{B}}", "B"),
        ("letter", "The correct option is **B**", "B"),
        ("letter", "Answer:\nB", "B"),
        ("letter", "I think B is right.", "B"),
        ("letter", " B\n\nQuestion: what?\nAnswer: C", "B"),
        ("any-letter", "It might be (D) or (B)", "B"),
        ("any-letter", "The right one: (D)", None),
        ("letter", "A cat sat on it", None),
        ("any-letter", "It must be (B), not (C)", "C"),
        ("any-letter", "A cat sat on it", None),
        ("lenient", "#### 12", "12"),
        ("lenient", "\\boxed{x+1}", "x+1"),
        ("lenient", "so the answer is 3/4.", "3/4"),
        ("lenient", "Answer: 17", "17"),
        ("lenient", "we are left with $x = 3$ then", "x = 3"),
        ("lenient", "6 plus 5 makes 11", "11"),
        ("lenient", "Hence \\frac{1}{2} of it", "\\frac{1}{2}"),
        ("lenient", "we get 3\\sqrt{2}", "3\\sqrt{2}"),
        ("lenient", "The answer is approximately 18.", "18"),
        ("lenient", "no idea", None),
        ("lenient-text", "I think the answer is valid. Yes", "valid"),
        ("lenient-text", "thinking\nyes.", "yes"),
        ("lenient-text", "thus\n**(B)**", "(B)"),
        ("lenient-text", "\\boxed{\\text{(B)}}", "(B)"),
        ("lenient-text", "", None),
    ],
)
def test_what_is_read(name: str, text: str, found: str | None) -> None:
    assert READINGS[name].read(text, OPTIONS) == found


@given(st.text(max_size=200), st.sampled_from(sorted(READINGS)))
def test_any_text_is_read(text: str, name: str) -> None:
    found = READINGS[name].read(text, OPTIONS)
    assert found is None or found


def test_readings_stand_beside_the_one_that_decides() -> None:
    with Grader() as grader:
        grade = grader.grade(NUMBER, "That makes 1,234.", readings=(STATED, "lenient", "last-number"))
        assert (grade.correct, grade.answer) == (False, None)
        assert {name: one.correct for name, one in grade.others.items()} == {"lenient": True, "last-number": True}
        first = grader.grade(NUMBER, "#### 1,234 for 7 days", readings=("last-number", STATED))
        assert (first.answer, first.correct) == ("7", False)


def test_deepseek_reads_and_judges_as_it_was_published() -> None:
    """Of 1,234 its few-shot reading takes 234; where a percentage is meant it is right by a hundredth."""
    with Grader() as grader:
        grade = grader.grade(NUMBER, "The answer is 1,234.", readings=("deepseek-gsm-few-shot", "answer-is-number"))
        assert (grade.answer, grade.correct) == ("234.", False)
        assert grade.others["answer-is-number"].correct
        half = Problem("h", "?", "0.5", solution="so $\\boxed{0.5}$")
        grade = grader.grade(half, "\\boxed{50}", readings=("deepseek-math", STATED))
        assert grade.correct
        assert not grade.others[STATED].correct


def test_where_the_way_counts_an_answer_alone_says_nothing() -> None:
    problem = Problem("p", "Make 24", "24", verifier="countdown", meta={"numbers": [4, 6], "target": 24})
    with Grader() as grader:
        assert grader.grade(problem, "it is 24", readings=(STATED, "lenient")).others == {}


def test_options_and_texts_are_graded() -> None:
    word = Problem("w", "?", "] >", verifier="text")
    with Grader() as grader:
        assert grader.grade(OPTIONS, "The answer is (B).").correct
        assert grader.grade(OPTIONS, "The answer is (C).").note == "answers C, not B"
        assert grader.grade(word, "So the answer is ]  >.", readings=("answer-is-text",)).correct
        assert not grader.grade(word, "So the answer is > ].", readings=("answer-is-text",)).correct


def test_an_unknown_reading_is_named() -> None:
    with pytest.raises(ValueError, match=r"protocol.readings: 'best': expected some of stated, last-number"):
        expect_known(("stated", "best"), "protocol.readings")
