"""What a whole text states: run-on text, placeholders, headings, and the many ways to mark an answer."""

from __future__ import annotations

import time
from collections.abc import Sequence

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


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        # Of a question that the text repeats.
        ("Problem: \\boxed{a}+3=8.\nProblem: solved. \\boxed{5}", "5"),
        ("Question: fill \\boxed{A} + 3 = 8\nAnswer: 5, so \\boxed{5}.\n\nQuestion: 1 + 1? \\boxed{2}", "5"),
        ("User: Fill in\n\n$$\\boxed{a}+3=8$$\n\nAssistant: It is $\\boxed{5}$.\n\nUser: And $\\boxed{b}+1=8$?", "5"),
        ("**Problem 3.** In 3\\boxed{x}7, what is x?\n\n**Solution.** $\\boxed{5}$\n\n**Problem 4.** $\\boxed{6}$", "5"),
        ("Q: 8 = 3 + \\boxed{A} = 8?\nQ: It is \\boxed{5}.", "5"),
        ("Problem 1: It is \\boxed{5}.\n\nProblem 2: It is \\boxed{7}.", "5"),  # this one is no question's
        ("Question 1: \\boxed{5}", "5"),
        ("Question 1: \\boxed{5}\n\nQuestion 2: \\boxed{7}", "5"),
        # Placeholders.
        ("It is \\boxed{5}, in the form \\boxed{[answer]}.", "5"),
        ("It is \\boxed{5}, in the form \\boxed{<answer>}.", "5"),
        ("It is \\boxed{5}, in the form \\boxed{\\text{[Insert answer]}}.", "5"),
        ("It is \\boxed{5}, in the form \\boxed{\\text{(answer)}}.", "5"),
        ("It is \\boxed{5}, in the form \\boxed{\\_\\_}.", "5"),
        ("It is \\boxed{5}, in the form \\boxed{number}.", "5"),
        ("It is \\boxed{5}, in the form \\boxed{\\text{result}}.", "5"),
        ("It is \\boxed{5}, in the form \\boxed{\\textbf{Your Final Answer Here}}.", "5"),
        ("It is \\boxed{5}, in the form \\boxed{\\underline{\\hspace{1cm}}}.", "5"),
        ("It is \\boxed{5}, in the form \\boxed{\\text{the value}}.", "5"),
        ("It is \\boxed{5}, in the form \\boxed{\\boxed{}}.", "5"),
        ("It is \\boxed{\\text{no solution}}.", "\\text{no solution}"),
        ("It is a \\boxed{natural number}.", "natural number"),
        ("It is \\boxed{\\{\\}}.", "\\{\\}"),
        ("It is \\boxed{()}.", "()"),
        ("It is \\boxed{-}.", "-"),
        # A thought that the text begins with may ask itself what it likes.
        ("<think>\\boxed{3}?\nProblem: I misread it.</think>\nIt is \\boxed{5}.\n\nProblem: \\boxed{7}", "5"),
        ("\\boxed{3}?\nExample: 2.</think>\nIt is \\boxed{5}.", "5"),
        ("It is \\boxed{5}.\n\nQuestion: x\n<think>Well.</think>\n\\boxed{7}", "5"),
        # Cut off in a box: as for MATH's grader there is no answer.
        ("\\boxed{3}, so it is \\boxed{\\frac{1}{2}", None),
        ("\\boxed{3, so it is \\boxed{5}", "5"),
    ],
)
def test_boxes_that_are_no_answers(text: str, answer: str | None) -> None:
    assert final_answer(text, BOXED) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The final answer is 5. But wait.\nThe final answer is 6.", "6"),
        ("The final answer is 5. The final answer is 6.", "6"),
        ("The final answer is A. because B is too long.", "A"),
        ("The final answer is 12, because 3 * 4 = 12.", "12"),
        ("The final answer is 3.5 kg. That is all.", "3.5 kg"),
        ("The final answer is: $5$? Yes.", "5"),
        ("So the final answer is **5**.", "5"),
        ("So the final answer is `5`", "5"),
        ("**The final answer is:**\n$5$", "5"),
        ("Final Answer: 5", "5"),
        ("**Final Answer:** $5$", "5"),
        ("**Final Answer**: 5 apples.", "5 apples"),
        ("### Final Answer\n\n5", "5"),
        ("The final answer is 5.<|endoftext|>No.", "5"),
        ("The final answer is $x = 0.333...$.", "x = 0.333..."),
        ("The final answer is Mr. Smith.", "Mr. Smith"),
        ("The final answer is $5$.\n\nProblem:\n1 + 1?\nFinal Answer: The final answer is $2$.", "5"),
        ("The final answer is [answer]. I hope it is correct.", None),
        ("The final answer is: $\\boxed{answer}$. I hope it is correct.", None),
        ("Final Answer: The final answer is", None),
        ("Is the final answer 5? We find the final answer\nbelow.", None),
        ("The answer is 5.", None),  # said in passing as well
    ],
)
def test_the_words_final_answer(text: str, answer: str | None) -> None:
    assert final_answer(text, BOXED) == answer


@pytest.mark.parametrize("form", ["#### {}", "So $\\boxed{{{}}}$."])
@pytest.mark.parametrize(
    ("written", "answer"),
    [
        ("1,2,3,...", "1,2,3,..."),
        ("1, 2, 3, ....", "1, 2, 3, ..."),
        ("0.333...", "0.333..."),
        ("0.1666…", "0.1666…"),
        ("x = 0.142857...", "x = 0.142857..."),
        ("1,000, 2,000, ...", "1,000, 2,000, ..."),
        ("1+2+...", "1+2+..."),
        ("24.", "24"),
        ("24..", "24"),
        ("24...", "24"),
        ("24…", "24"),
        ("1,000...", "1000"),
        ("5 apples...", "5 apples"),
        ("0.5.", "0.5"),
    ],
)
def test_dots(form: str, written: str, answer: str) -> None:
    assert final_answer(form.format(written)) == answer


_PIECES = (
    *"\n #\t\\{}$.,*_:?日🎯(-<\"'",
    *(
        "#### ",
        "####\n",
        "1,000",
        "(1,000;",
        "1{,}000",
        "...",
        "a.b ",
        "the ",
        "answer ",
        "answer is ",
        "your answer ",
        "#### 5\n",
    ),
    *(
        "#### Monday\n",
        "#### Answer\n",
        "#### Step 2\n",
        "#### 2. Solve it\n",
        "\\boxed",
        "\\boxed{",
        "\\boxed{}",
        "\\boxed{5}\n",
    ),
    *(
        "\\boxed 5 ",
        "\\text{",
        "\\phantom{",
        "\\_",
        "final answer is ",
        "final answer is\n",
        "final answer\n",
        " because",
        "> ",
    ),
    *("Final Answer: The final answer is ", "Question ", "Question:\n", "Question: \\boxed{5} ", "Problem: \\boxed{a}+3=8\n"),
    *("\n- ", "\n#", "\n1. ", "</think>", "let's try another ", "here is a new ", "</s>", "Answer:\n"),
)
# What took a square of its length once; the rest may not begin to.
_LONG = ("#### \\boxed{5}\n", "#### Answer #### Answer ", "#### Ab cd\n", "<think>", "#### answer is ", "####" + " " * 9996)


@pytest.mark.parametrize("before", ["", "\\boxed{5}\n", "Problem: \\boxed{a} ", "the final answer is "])
@pytest.mark.parametrize(("pieces", "length"), [(_LONG, 200_000), (_PIECES, 30_000)])
def test_time_is_linear(before: str, pieces: Sequence[str], length: int) -> None:
    for piece in pieces:
        text = before + piece * (length // len(piece)) + "}\n"
        start = time.process_time()
        final_answer(text)
        final_answer(text, BOXED)
        assert time.process_time() - start < length / 30_000, piece  # what is quadratic takes ten times that


@pytest.mark.parametrize("text", ["\\boxed{" * 14_000 + "5" + "}" * 14_000, "{" * 100_000 + "}" * 100_000])
def test_time_is_linear_in_depth(text: str) -> None:
    start = time.process_time()
    assert final_answer(text) == final_answer(text, BOXED) == ("5" if "5" in text else None)
    assert time.process_time() - start < 2
