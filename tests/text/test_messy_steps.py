"""Every step format on text as models write it: where steps part, where they end while they are written, what they answer."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.domain.answers import final_answer
from jorney.domain.countdown.grade import grade_countdown
from jorney.domain.countdown.sets import make_problem
from jorney.domain.grading import Grader
from jorney.text.step_format import ABEL, BLANK, BOXED, FORMATS, STEP, StepFormat, closings, rewrite

QWEN = """To find the number of vacuum cleaners, let's work backwards.

1. **Second house**: she sold 2 more than half:
   \\[
   x - \\left(\\frac{x}{2} + 2\\right) = 5

   \\]
   so that $\\frac{x}{2} = 7$.
 \t

$$
\\begin{aligned}
x &= 14 \\\\[2pt]

y &= 2x
\\end{aligned}
$$
Therefore

```python
x = 14

print(2 * x)
```


The final answer is \\(\\boxed{\\frac{1{,}400}{\\sqrt{2}}}\\)."""
QWEN_STEPS = [
    "To find the number of vacuum cleaners, let's work backwards.",
    "1. **Second house**: she sold 2 more than half:\n   \\[\n   x - \\left(\\frac{x}{2} + 2\\right) = 5\n\n   \\]\n"
    "   so that $\\frac{x}{2} = 7$.",
    "$$\n\\begin{aligned}\nx &= 14 \\\\[2pt]\n\ny &= 2x\n\\end{aligned}\n$$\nTherefore",
    "```python\nx = 14\n\nprint(2 * x)\n```",
    "The final answer is \\(\\boxed{\\frac{1{,}400}{\\sqrt{2}}}\\).",
]
LLAMA = """Let us see.
## Step 1: Define the variable
Let $x$ be the price.

2. It costs
3.50 a piece.

### Step 2 : Solve
\\[
## Step 3: not here
\\]
So $x = 3$. See Step 1: it holds.
## Step 1: Start again
$x = 4$, as in ## Step 2: above.
 ## Step 10. Conclude

Therefore, the final answer is: $\\boxed{1,600}$. I hope it is correct."""
LLAMA_STEPS = [
    "Let us see.",
    "## Step 1: Define the variable\nLet $x$ be the price.\n\n2. It costs\n3.50 a piece.",
    "### Step 2 : Solve\n\\[\n## Step 3: not here\n\\]\nSo $x = 3$. See Step 1: it holds.",
    "## Step 1: Start again\n$x = 4$, as in ## Step 2: above.",
    "## Step 10. Conclude\n\nTherefore, the final answer is: $\\boxed{1,600}$. I hope it is correct.",
]
ABELS = """1. Ann has 1.5 apples\n2.5 pears and

 $$ 1
2. \\cdot 3 $$
for her.


2. So $1,600.

3. [Final solution] It is $\\boxed{1600}$.  #### 1,600"""
ABEL_STEPS = [
    "1. Ann has 1.5 apples\n2.5 pears and\n\n $$ 1\n2. \\cdot 3 $$\nfor her.",
    "2. So $1,600.",
    "3. [Final solution] It is $\\boxed{1600}$.  #### 1,600",
]


@pytest.mark.parametrize(
    ("step_format", "text", "steps", "answer"),
    [
        (BLANK, QWEN, QWEN_STEPS, "\\frac{1,400}{\\sqrt{2}}"),
        (STEP, LLAMA, LLAMA_STEPS, "1600"),
        (ABEL, ABELS, ABEL_STEPS, "1600"),
        (BLANK, "Just prose,\nover lines.", ["Just prose,\nover lines."], None),
        (STEP, "Just prose.\n\nNo heading.", ["Just prose.\n\nNo heading."], None),
        (BLANK, "#### A heading\n\nSo \\boxed{{a}, {b}}.", ["#### A heading", "So \\boxed{{a}, {b}}."], "{a}, {b}"),
        (BLANK, "cut \\boxed{\\frac{1", ["cut \\boxed{\\frac{1"], None),
        (BLANK, "a \\[ never closed\n\nb", ["a \\[ never closed", "b"], None),
        (STEP, "## Step 1: a\n## Step 12: b\n## Stepping: c", ["## Step 1: a", "## Step 12: b\n## Stepping: c"], None),
        (BLANK, "", [], None),
        (STEP, " \n\n", [], None),
    ],
)
def test_messy_text(step_format, text, steps, answer) -> None:
    assert step_format.split(text) == steps
    assert final_answer(text, step_format.mark) == answer


@pytest.mark.parametrize(
    ("step_format", "text", "k", "kept"),
    [
        (BLANK, " First,\nso.\n\nSecond", 1, " First,\nso.\n\n"),
        (BLANK, " First,\nso.\n\n", 1, None),  # nothing may follow
        (BLANK, "\n\n First", 1, None),  # an empty step is none
        (BLANK, "a\n \t\n\n  b", 4, "a\n \t\n\n"),
        (BLANK, "a \\[ x\n\ny", 1, None),
        (BLANK, "a \\[ x\n\ny \\]\n\nb", 1, "a \\[ x\n\ny \\]\n\n"),
        (BLANK, "x \\\\[2pt]\n\nb", 1, "x \\\\[2pt]\n\n"),  # the height of a line
        (BLANK, "so \\boxed{3}.\nAnd", 1, "so \\boxed{3}.\n"),
        (BLANK, "so\n\\[\n\\boxed{\\frac{1}{2}}\n\\]\nUser", 1, "so\n\\[\n\\boxed{\\frac{1}{2}}\n\\]\n"),
        (BLANK, "so \\boxed{\\frac{1}{2", 1, None),
        (STEP, " Define\nx.\n\n## Step 2: y", 1, " Define\nx.\n\n"),
        (STEP, " Define\nx.\n\n## Step 2", 1, " Define\nx.\n\n"),
        (STEP, " Define\nx.\n\n## Step ", 1, None),
        (STEP, " Define\n## Step 1: again\n2. y", 1, None),
        (STEP, " a\n\n  ### Step 11: b", 10, " a\n\n  "),
        (STEP, " so \\boxed{3}$. I hope it is correct.\n\nProblem", 2, " so \\boxed{3}$. I hope it is correct.\n"),
        (ABEL, "It is $\\boxed{7}$.  #### 7\nQuestion:", 3, "It is $\\boxed{7}$.  #### 7\n"),
        (ABEL, "a $$ b\n2. c", 1, None),
        (ABEL, "a $$ b\n2. c $$\n2. d", 1, "a $$ b\n2. c $$\n"),
    ],
)
def test_where_a_step_ends(step_format, text, k, kept) -> None:
    end = step_format.end_of_step(text, k)
    assert (None if end is None else text[:end]) == kept


LINES = st.lists(
    st.sampled_from(("a b", "2.5 c", "$x$", "\\[\nu\n\nv\n\\]", "é", "\\begin{align}\nx\n\n2. y\n\\end{align}")),
    min_size=1,
    max_size=3,
)
STEPS = st.lists(LINES.map("\n".join), min_size=1, max_size=5)


@settings(max_examples=100, deadline=None)
@given(STEPS, st.sampled_from(list(FORMATS.values())), st.sampled_from(("7", "\\frac{1}{2}", "1600")))
def test_written_steps_are_split_and_stopped_alike(steps, step_format: StepFormat, answer) -> None:
    """What is written parts into what was written, and a model that writes it is stopped at the same places."""
    text = step_format.write(steps, answer)
    parts = step_format.split(text)
    assert [step_format.bare(part) for part in parts[:-1]] == steps[:-1]
    assert step_format.bare(parts[-1]) == f"{steps[-1]}\n{step_format.states(answer)}"
    assert final_answer(text, step_format.mark) == answer
    rest = text
    for k, part in enumerate(parts[:-1], start=1):
        rest = rest.removeprefix(step_format.opens(k))
        end = step_format.end_of_step(rest, k)
        assert end is not None
        assert step_format.opens(k) + rest[:end].strip() == part
        # It is found as soon as what follows shows it, and not before.
        assert step_format.end_of_step(rest[:end], k) is None
        rest = rest[end:]
    assert step_format.end_of_step(rest.removeprefix(step_format.opens(len(parts))) + "\n", len(parts)) is not None


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="a1.#S\n $\\[]{}", max_size=60), st.sampled_from((BLANK, STEP)))
def test_splitting_loses_nothing_but_space(text, step_format) -> None:
    pieces = step_format.split(text)
    assert "".join("".join(pieces).split()) == "".join(text.split())
    end = step_format.end_of_step(text, 1)
    assert end is None or 0 < end <= len(text)


def test_a_step_that_blank_lines_would_divide_is_written_as_one() -> None:
    assert BLANK.write(["a\n\nb", "c \\[\n\nd\\]"], "7") == "a\nb\n\nc \\[\n\nd\\]\nThe final answer is $\\boxed{7}$."
    assert STEP.write(["a\n\nb"], "7").startswith("## Step 1: a\n\nb\nTherefore, the final answer is: $\\boxed{7}$.")


def test_braces() -> None:
    assert closings("{a{b}\\}}c").get(0) == 8
    assert closings("{a").get(0) is None
    assert final_answer("#### Step 3: x\n$\\boxed{5}$", BOXED) == "5"
    assert final_answer("#### Step 3: x\n$\\boxed{5}$") == "5"  # a heading
    assert final_answer("\\boxed{1{,}600{,}000}") == final_answer("\\boxed{1,\\!600,\\!000}") == "1600000"
    assert final_answer("\\boxed{1{,}5}") == "1{,}5"  # a decimal comma


def test_solutions_are_rewritten() -> None:
    solution = "1. 3 * 4 = 12\n2. 12 * 2 = 24\nso\n#### 24"
    assert rewrite(solution, ABEL, ABEL) == solution
    assert rewrite(solution, ABEL, BLANK) == "3 * 4 = 12\n\n12 * 2 = 24\nso\nThe final answer is $\\boxed{24}$."
    assert rewrite(solution, ABEL, STEP).startswith("## Step 1: 3 * 4 = 12\n\n## Step 2: 12 * 2 = 24\nso\nTherefore, ")
    for other in ("We have $x = 2$.", "1. It is 2.", "1. It is 2.\n####", "It is 2. #### 2"):
        assert rewrite(other, ABEL, BLANK) == other


@pytest.mark.parametrize("step_format", FORMATS.values(), ids=FORMATS)
def test_countdown_is_graded_in_every_format(step_format) -> None:
    problem = make_problem((3, 4, 5, 9), 20)
    steps = ["9 - 4 = 5 (left: 3, 5, 5)", "3 * 5 = 15 (left: 5, 15)", "5 + 15 = 20 (left: 20)"]
    with Grader() as grader:
        good = grader.grade(problem, step_format.write(steps, "20"), step_format)
        assert (good.correct, good.answer, good.valid_steps) == (True, "20", True)
        assert not grader.grade(problem, step_format.write(steps, "21"), step_format).correct
    bad = grade_countdown(problem, step_format.write([steps[0], steps[2]], "20"), step_format)
    assert (bad.correct, bad.valid_steps) == (False, False)
    back = [steps[0], "5 - 3 = 2 (left: 2, 5)\nGo back to 3, 5, 5.", *steps[1:]]
    assert grade_countdown(problem, step_format.write(back, "20"), step_format).correct
