"""What DeepSeekMath's evaluation reads from a response as its answer, by benchmark and kind of prompt."""

from __future__ import annotations

import re
from collections.abc import Callable

from jorney.domain.deepseek_math.normal_form import SPACE, normal_form

# (question, response) -> the answers that the response states; a list for MATH, whose answers may be several.
ReadsAnswer = Callable[[str, str], list[str] | str]

INVALID = "[invalid]"  # what a response without an answer states, as a text; no known answer equals it

_BRACE = re.compile(r"[{}]")
_NUMBER = re.compile(r"-?\d*\.?\d+")  # .5, but of "5." the 5
_NUMBER_WITH_POINT = re.compile(r"-?\d+\.?\d*")  # "5." with its point, but of ".5" the 5
_AND = re.compile(rf"\\text\{{{SPACE}*+and{SPACE}*+\}}")
_OUTPUT = "```output"
_SAID = "final answer is $"
_HOPED = "$. I hope"


def boxed_answers(text: str) -> list[str]:
    r"""What stands in each `boxed{...}` that is closed.

    A box is looked for up to the next one, so of boxes in each other the innermost is read, and the outer one is not. Where `%`
    follows a box at once, its closing brace is read with it: `\boxed{50}%` is `50}`. Braces with a backslash count as any.
    """
    found = []
    for piece in text.split("boxed{")[1:]:
        depth = 1
        for brace in _BRACE.finditer(piece):
            depth += 1 if brace[0] == "{" else -1
            if depth == 0:
                percent = piece.startswith("%", brace.end())
                found.append(piece[: brace.end() if percent else brace.start()])
                break
    return found


def program_output(text: str) -> str:
    """What the last block of ```output holds; "" where there is none."""
    _, opened, rest = text.rpartition(_OUTPUT)
    return rest.partition("```")[0].strip() if opened else ""


def stated_answers(text: str) -> list[str]:
    """All answers that a text states, in normal form; [] where it states none.

    What is there first of these is read: the words "final answer is $...$. I hope", all boxes, what follows the last "he answer
    is", the output of a program, the last number. A text with the word "boxed" but no closed box states none.
    """
    if _SAID in text and _HOPED in text:
        found = [text.partition(_SAID)[2].partition(_HOPED)[0]]
    elif "boxed" in text:
        found = boxed_answers(text)
    elif "he answer is" in text:
        found = [text.rpartition("he answer is")[2]]
    elif output := program_output(text):
        found = [output]
    else:
        found = _NUMBER.findall(text.replace(",", ""))[-1:]
    return [normal_form(one.strip().partition("\n")[0].lstrip(":").rstrip(".").rstrip("/")) for one in found]


def math(question: str, text: str) -> list[str]:
    r"""The answers to a question of MATH: one for each box, or more where commas or `\text{and}` separate them."""
    listed = "separated by commas" in question
    answers: list[str] = []
    for one in stated_answers(text):
        if listed and not any(bracket in one for bracket in "()[]"):
            parts = one.split(",")
        elif _AND.search(one):
            parts = _AND.sub("[SEP]", one).split("[SEP]")
        else:
            parts = [one]
        answers.extend(part.strip() for part in parts)
    return answers


def math_few_shot(question: str, text: str) -> list[str]:
    """As `math`, up to where the model writes a problem of its own."""
    return math(question, text.partition("Problem:")[0])


def single(question: str, text: str) -> str:
    """The last answer; "" where there is none."""
    return (stated_answers(text) or [""])[-1]


def gsm_few_shot(question: str, text: str) -> str:
    """The last number before the model asks a question of its own. Of 1,234 it is 234; "5." keeps its point."""
    return _last_number(text.partition("Q: ")[0])


def cmath_few_shot(question: str, text: str) -> str:
    """The last number on the line of the first 答案是, else the last answer, before the model asks a question of its own."""
    text = text.partition("问题：")[0]
    _, said, rest = text.partition("答案是")
    return _last_number(rest.strip().partition("\n")[0]) if said else single(question, text)


def _last_number(text: str) -> str:
    return (_NUMBER_WITH_POINT.findall(text) or [INVALID])[-1]


READINGS: dict[str, ReadsAnswer] = {
    "math": math,
    "math few-shot": math_few_shot,
    "single": single,
    "gsm few-shot": gsm_few_shot,
    "cmath few-shot": cmath_few_shot,
}


def known_answer_of_math(question: str, solution: str) -> list[str]:
    """A problem's known answers from its published solution, which the evaluation reads as it reads responses."""
    return math(question, solution)


def known_answer_of_gsm8k(solution: str) -> str:
    """A problem's known answer: what follows the last ####, without the commas of thousands."""
    return solution.rpartition("####")[2].strip().replace(",", "")
