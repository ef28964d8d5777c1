"""Texts that run on into another question once they have their answer."""

from __future__ import annotations

import pytest

from jorney.domain.answers import final_answer
from jorney.domain.run_on import asks, runs_on
from jorney.text.step_format import BOXED

FORMS = pytest.mark.parametrize(
    ("first", "second", "mark"), [("#### 5", "#### 7", "####"), ("\\boxed{5}", "\\boxed{7}", BOXED)]
)


@FORMS
@pytest.mark.parametrize(
    "question",
    [
        "Here is another question: 3 + 4?",
        "Here's a similar problem to try.",
        "Now consider a new problem:",
        "Let's try another problem.",
        "Okay, let us now look at the next exercise:",
        "I'll give another example:",
        "Solve the following math problem:",
        "Example 2:",
        "Example: 3 + 4.",
        "Similar problem: 3 + 4",
        "Practice Problems:\n3 + 4",
        "Bonus problem: 3 + 4",
        "Follow-up question: 3 + 4?",
        "Word problem: 3 + 4",
        "Math Problem: 3 + 4",
        "Another practice question: 3 + 4?",
        "Problem Statement: 3 + 4",
        "Problem 1.2 3 + 4",
        "Problem II.\n3 + 4",
        "Question Two: 3 + 4?",
        "Question #2: 3 + 4?",
        "Question No. 2: 3 + 4?",
        "Question - 3 + 4?",
        "*Question:* 3 + 4?",
        "__Question__: 3 + 4?",
        "**Next Question**: 3 + 4?",
        "> Question: 3 + 4?",
        "> > **Problem 3.** 3 + 4?",
        "(Question 2) 3 + 4?",
        "[Problem 2] 3 + 4?",
        "- Question 2: 3 + 4?",
        "\\textbf{Problem 2.} 3 + 4?",
        "\\section*{Problem 2}\n3 + 4?",
        "<question>3 + 4?</question>",
        '"question": "3 + 4?"',
        '{"id": 2, "problem": "3 + 4?"}',
        "1. New problem: 3 + 4",
        "问题：3 + 4",
        "题目：3 + 4",
        "【题目】3 + 4",
        "例2：3 + 4",
        "問題: 3 + 4",
        "Pregunta: 3 + 4",
        "Frage 2: 3 + 4",
        "<｜User｜>3 + 4?",
        "<｜end▁of▁sentence｜>",
        "<start_of_turn>user\n3 + 4?",
        "<end_of_turn>",
        "<|start_of_role|>user<|end_of_role|>3 + 4?",
    ],
)
def test_a_new_question_ends_the_answer(first: str, second: str, mark: str, question: str) -> None:
    assert final_answer(f"It is\n{first}\n\n{question}\nSo\n{second}", mark) == "5"
    assert final_answer(f"{question}\nSo\n{second}", mark) == "7"  # there was no answer yet


@FORMS
@pytest.mark.parametrize(
    "aside",
    [
        "The question is whether this holds.",
        "In the problem: we had 3.",
        "Problem solved? No.",
        "Next, the problem asks for more.",
        "Let's try another approach to the problem.",
        "Let us solve the problem again.",
        "Let's try a different problem-solving strategy.",
        "For example: 2.",
        "2. Problem: a sign was lost.",
        "Question marks: none.",
        "Another question is whether 5 is too small.",
        "Here is the problem: I forgot a sign.",
        "There is a question of signs.",
        "Part (b): 7.",
        "Q.E.D. But",
        "Q. E. D.",
        "Input and output: swapped.",
        "<|assistant|>",
        "<start_of_turn>model",
    ],
)
def test_second_thoughts_do_not(first: str, second: str, mark: str, aside: str) -> None:
    assert final_answer(f"It is\n{first}\n\n{aside}\nSo\n{second}", mark) == "7"


def test_where_it_is() -> None:
    text = "It is 5.\n\n**Question:** 3 + 4?\n"
    assert runs_on(text, 0) == runs_on(text, 8) == 10
    assert runs_on(text, 11) == len(text)
    assert runs_on("<think>a</think> 5 <think>b", 0) == 19
    assert asks(text, 8)
    assert not asks(text, 0)
