"""Lines behind `####` that are headings, and lines that are answers."""

from __future__ import annotations

import pytest

from jorney.domain.answers import final_answer
from jorney.domain.headings import HEADING, PROSE, SURE, WORDS, standing


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("24", SURE),
        ("24 apples", SURE),
        ("x + y", SURE),
        ("\\pi", SURE),
        ("A. 5", SURE),
        ("(B) blue", SURE),
        ("blue", SURE),
        ("No solution", SURE),
        ("At least 5", SURE),
        ("The total is 5", SURE),
        ("Monday", WORDS),
        ("Evelyn Smith", PROSE),
        ("2. Solve", PROSE),
        ("Total cost of 5 apples", PROSE),
        ("that is the end of the story", PROSE),
        ("Step 2", HEADING),
        ("Step one: add", HEADING),
        ("1. Understand the problem", HEADING),
        ("Calculate the cost of 3 apples", HEADING),
        ("Check: 2 + 3 = 5", HEADING),
        ("Let me verify", HEADING),
        ("Key points", HEADING),
        ("Given information", HEADING),
        ("What is the cost of 5?", HEADING),
        ("For 3 apples:", HEADING),
    ],
)
def test_standing(line: str, expected: int) -> None:
    assert standing(line) == expected


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # A box, or an earlier answer, is more than words.
        ("#### Understanding the problem\nThere are 2 + 3.\nIt is \\boxed{5}.", "5"),
        ("#### Calculate the total cost\n3+2 = 5\n\n#### Result\n\\boxed{5}", "5"),
        ("#### 1. Understand\nWe add.\n#### 2. Solve\n\\boxed{5}", "5"),
        ("#### Where we stand\n3+2\n\\boxed{5}", "5"),
        ("#### Total cost of 2 apples\n3+2\n\\boxed{5}", "5"),
        ("#### II. Putting it together\n\\boxed{5}", "5"),
        ("#### Evelyn's share\n3+2\n#### 5", "5"),
        ("#### 5\n\n#### Key points\nWe added.", "5"),
        ("#### 5\n\n#### Let me verify\n2+3 = 5", "5"),
        ("#### 5\n\n#### Why this works", "5"),
        ("#### 5\n\n#### Check: 2+3 = 5", "5"),
        ("#### 5\n\n#### Verification of 3 apples\nYes.", "5"),
        ("#### Wednesday\n\n#### Additional remarks", "Wednesday"),
        ("#### ✅ Final Answer:\n**5**.", "5"),
        ("#### The answer is:\n5", "5"),
        ("#### Solution: x = 5", "x = 5"),
        ("#### Understanding the problem\nWe have 2", None),
        # Words that are all there is.
        ("#### blue", "blue"),
        ("#### Monday", "Monday"),
        ("#### no solution", "no solution"),
        ("#### No solution.\nFor x is negative.", "No solution"),
        ("#### Evelyn Smith", "Evelyn Smith"),
        ("#### 23\nNo, there is none.\n#### no solution", "no solution"),
        ("#### Tuesday\nNo.\n#### Monday", "Monday"),
        ("#### Evelyn Smith\n\nQuestion: Who is it?\n#### Tom", "Evelyn Smith"),
        ("#### 3\nNo.\n#### At least 5", "At least 5"),
        ("#### 3\nNo.\n#### Tom has 5", "Tom has 5"),
        # What only holds an answer's place.
        ("#### {answer}", None),
        ("#### <answer>", None),
        ("#### 5\nWrite it as\n#### [your answer]", "5"),
        ("#### 5\n#### \\boxed{}", "5"),
        ("#### ___", None),
        ("#### __5__", "5"),
        ("#### _{10}C_3", "_{10}C_3"),
        ("#### {}", "{}"),  # a set
    ],
)
def test_headings_and_answers(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer
