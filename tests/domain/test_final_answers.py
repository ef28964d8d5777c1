"""What a whole text states: run-on text, placeholders, headings, and the many ways to mark an answer."""

from __future__ import annotations

import pytest

from jorney.domain.answers import final_answer
from jorney.text.step_format import BOXED


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # Another question, another turn, or thoughts without end: what they state answers something else.
        ("1. 3 * 8 = 24.\n#### 24\n\nQuestion:\nHow many pens?\nAnswer:\n1. 5.\n#### 5", "24"),
        ("#### 24\n\nProblem: 2 + 2?\n#### 4", "24"),
        ("#### 24\n\n### Question 2\nWhat is 1 + 1?\n#### 2", "24"),
        ("#### 24\n\n**Question:** What is 1 + 1?\n#### 2", "24"),
        ("#### 24\nQ: 1 + 1?\nA: 2\n#### 2", "24"),
        ("#### 24\n<|im_end|>\n<|im_start|>user\n1 + 1?\n#### 2", "24"),
        ("#### 24</s> #### 7", "24"),
        ("#### 24\n\n[INST] 1 + 1? [/INST]\n#### 2", "24"),
        ("#### 24\n<think>\nIs it?\n#### 25", "24"),
        ("<think>Is it?\n#### 25\n</think>\n#### 24", "24"),
        ("Question: what is 4 * 6?\n#### 24", "24"),  # there was no answer yet
        ("#### 23\nNo: there is a question of signs.\n#### 24", "24"),
        # Headings and prose.
        ("#### Step 2\n4 * 6 = 24\n#### Final Answer\n$\\boxed{24}$", "24"),
        ("#### Step 1: multiply\n#### Solution:\n#### 24", "24"),
        ("4 * 6\n#### Answer: 24", "24"),
        ("4 * 6\n#### The final answer is 24.", "24"),
        ("#### Final Answer\n24", "24"),
        ("#### Answer\n\nThe answer is: 24", "24"),
        ("#### 24\n\nThe number behind #### is the answer.", "24"),
        ("#### 24\nAs asked, #### marks it.", "24"),
        # Marks.
        ("##### 24", "24"),
        ("###### 24", "24"),
        ("**#### 24**", "24"),
        ("#### **24**", "24"),
        ("####24", "24"),
        ("####: 24", "24"),
        ("#### $24.50", "24.50"),
        ("#### 24\r\n", "24"),
        ("#### 24\n```", "24"),
        ("#### 24 (twenty-four)", "24 (twenty-four)"),
        ("#### 58,500", "58,500"),  # a number or two
        ("#### $58,500", "58500"),
        ("#### 4,500", "4500"),
        ("#### 23 #### 24", "24"),
        ("### 24", None),
    ],
)
def test_marked(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("It is $\\boxed{24}$.\n\nUser: What is 1 + 1?\n\nAssistant: $\\boxed{2}$", "24"),
        ("It is $\\boxed{24}$.\n\nHuman: and 1 + 1?\n\nIt is $\\boxed{2}$", "24"),
        ("It is $\\boxed{24}$.<|endoftext|>So $\\boxed{2}$", "24"),
        ("It is \\boxed{24}. <think> Or \\boxed{25}?", "24"),
        ("It is \\boxed{24}. <think> Or? </think> No: \\boxed{25}.", "25"),
        ("It is $\\boxed{24}$.\n\nPut your answer in \\boxed as asked.", "24"),
        ("It is \\boxed{24}, in a \\boxed{}.", "24"),
        ("It is \\boxed{24}, in a \\boxed{\\ldots}.", "24"),
        ("It is \\boxed{24}, in a \\boxed{...}.", "24"),
        ("It is \\boxed{24}; the form was \\boxed{answer}.", "24"),
        ("It is \\boxed{24}; the form was \\boxed{\\text{your answer}}.", "24"),
        ("It is \\boxed{24}; the form was \\boxed{?}.", "24"),
        ("\x08oxed{24}", "24"),  # "\b" read as a backspace
        ("\\fbox{24}", "24"),
        ("\\framebox{24}", "24"),
        ("\\boxed\n{24}", "24"),
        ("\\boxed  {24}", "24"),
        ("\\boxed 7", "7"),
        ("\\boxed\\pi", "\\pi"),
        ("**\\boxed{24}**", "24"),
        ("\\boxed{\\boxed{24}}", "24"),
        ("\\boxed{23}\\boxed{24}", "24"),
        ("\\boxed{23}, no: \\boxed{24", None),  # cut off
        ("#### 23\nSo \\boxed{24}", "24"),
        ("Final Answer: The final answer is $24$. I hope it is correct.", "24"),
        ("The final answer is: $\\frac{1}{2}$. I hope it is correct.", "\\frac{1}{2}"),
        ("The final answer is 24.", "24"),
        ("The answer is 24.", None),
        ("\\boxedx{24}", None),
    ],
)
def test_boxed(text: str, answer: str | None) -> None:
    assert final_answer(text, BOXED) == answer


@pytest.mark.parametrize("text", ["#### " * 40_000, "####\n" * 40_000, "\\boxed{" * 20_000, "#### 1\n" + "Question " * 40_000])
def test_endless_texts_take_no_time(text: str) -> None:
    final_answer(text)
    final_answer(text, BOXED)
