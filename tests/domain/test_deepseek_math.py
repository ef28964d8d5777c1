"""DeepSeekMath's reading of answers and its verdict, as its published code gave them for these texts."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.domain.deepseek_math.deepseek_equality import compare, deepseek_equal
from jorney.domain.deepseek_math.deepseek_extraction import READINGS, known_answer_of_gsm8k, known_answer_of_math
from jorney.domain.deepseek_math.deepseek_worker import DeepseekWorker
from jorney.domain.deepseek_math.normal_form import normal_form

COMMAS = "Find all x, separated by commas."
# (reading, what the case shows, question, text, what `answer_extraction.py` of commit 21cc5c6 gave)
READ: list[tuple[str, str, str, str, list[str] | str]] = [
    ("math", "boxed: of nested boxes the innermost", "", r"\boxed{a\boxed{b}}", ["b"]),
    ("math", "boxed: one that is open is dropped", "", r"so \boxed{1{2} and \boxed{3}", ["3"]),
    ("math", "boxed: the word without a box states nothing", "", "It is boxed: 7", []),
    ("math", "boxed: percent behind it keeps the brace", "", r"\boxed{50}%", ["50}"]),
    ("math", "boxed: percent with backslash is dropped", "", r"\boxed{50}\%", ["50"]),
    ("math", "boxed: percent inside is kept without backslash", "", r"\boxed{50\%}", ["50%"]),
    ("math", "boxed: all of them, in order, repetitions too", "", r"\boxed{2}, \boxed{1}, \boxed{2}", ["2", "1", "2"]),
    ("math", "boxed: escaped braces count", "", r"\boxed{\{1,2\}}", [r"\{1,2\}"]),
    ("math", "hope: goes before boxes", "", r"\boxed{5} The final answer is $6$. I hope it is correct.", ["6"]),
    ("math", "hope: the first is read", "", "final answer is $1$. I hope so. final answer is $2$. I hope", ["1"]),
    ("math", "said: the last is read, up to its line's end", "", "The answer is 3. The answer is 4 apples.\nQ", ["4apples"]),
    ("math", "said: numbers are not picked out", "", "The answer is: 12 apples.", ["12apples"]),
    ("math", "output: of the last block", "", "7 ```output\n1\n``` then ```output\n2\n3\n``` 9", ["2"]),
    ("math", "number: the last, without commas", "", "between 5 and 1,234.", ["1234"]),
    ("math", "number: a point at the end is not of it", "", "it weighs 5.", ["5"]),
    ("math", "number: a sign is of it", "", "x=-3", ["-3"]),
    ("math", "nothing: an empty list", "", "none", []),
    ("math", "commas: split where the question says so", COMMAS, r"\boxed{1, 2,-3}", ["1", "2", "-3"]),
    ("math", "commas: not inside brackets", COMMAS, r"\boxed{(1,2)}", ["(1,2)"]),
    ("math", "commas: not split elsewhere", "", r"\boxed{1, 2}", ["1,2"]),
    ("math", "and: splits", "", r"\boxed{1\text{ and }2}", ["1", "2"]),
    ("math", "and: what ends in a brace is cut off as a unit", "", r"\boxed{1\text{ and }\frac{1}{2}}", ["1"]),
    ("math", "unit: text at the end goes", "", r"\boxed{7\text{ cm}}", ["7"]),
    ("math", "unit: text alone is opened", "", r"\boxed{\text{Tuesday}}", ["Tuesday"]),
    ("math", "unit: from the first text on, if a brace ends it", "", r"\boxed{3\text{ in }+\frac12\text{ ft}}", ["3"]),
    ("math", "unit: mathrm cm^2", "", r"\boxed{5\mathrm{cm}^2}", ["5"]),
    ("math", "unit: km stays", "", r"\boxed{5\mathrm{km}}", ["5{km}"]),
    ("math", "unit: mbox goes anywhere", "", r"\boxed{5\mbox{ ft}+1}", ["5+1"]),
    ("math", "unit: 5 t", "", r"\boxed{5 t}", ["5"]),
    ("math", "unit: 2t too loses its t", "", r"\boxed{2t}", ["2"]),
    ("math", "unit: p.m. keeps its letters", "", r"\boxed{3 p.m.}", ["3p.m"]),
    ("math", "unit: p.m. goes before a text", "", r"\boxed{3 p.m.\text{x}}", ["3"]),
    ("math", "unit: degrees", "", r"\boxed{90^{\circ}+1^\circ}", ["90+1"]),
    ("math", "fraction: dfrac and digits without braces", "", r"\boxed{\dfrac12}", [r"\frac{1}{2}"]),
    ("math", "fraction: digit and braces", "", r"\boxed{\frac1{72}}", [r"\frac{1}{72}"]),
    ("math", "fraction: braces and digit stay", "", r"\boxed{\frac{72}1}", [r"\frac{72}1"]),
    ("math", "fraction: too short, all stay", "", r"\boxed{\frac12+\frac3}", [r"\frac12+\frac3"]),
    ("math", "fraction: a stroke between integers", "", r"\boxed{-1/2}", [r"\frac{-1}{2}"]),
    ("math", "fraction: a stroke between letters stays", "", r"\boxed{a/b}", ["a/b"]),
    ("math", "fraction: 01/2 stays", "", r"\boxed{01/2}", ["01/2"]),
    ("math", "fraction: a stroke beside a root", "", r"\boxed{\sqrt3/2}", [r"\frac{\sqrt{3}}{2}"]),
    ("math", "root: without braces", "", r"\boxed{\sqrt12x}", [r"\sqrt{12x}"]),
    ("math", "zeros: 3.000", "", r"\boxed{3.000}", ["3"]),
    ("math", "zeros: before a letter", "", r"\boxed{2.0x+1.50}", ["2x+1.50"]),
    ("math", "zeros: 1.0.0x loses one", "", r"\boxed{1.0.0x}", ["1.0x"]),
    ("math", "zeros: .5 gets one", "", r"\boxed{.5}", ["0.5"]),
    ("math", "inf in any word", "", r"\boxed{infer}", [r"\inftyer"]),
    ("math", "infinity", "", r"\boxed{(-infinity, 3)}", [r"(-\infty,3)"]),
    ("math", "j is i where there is no i", "", r"\boxed{3+4j}", ["3+4i"]),
    ("math", "j stays beside pi", "", r"\boxed{\pi j}", [r"\pij"]),
    ("math", "leftarrow loses left", "", r"\boxed{x\leftarrow y}", ["xarrowy"]),
    ("math", "cdot goes without a trace", "", r"\boxed{3\cdot4}", ["34"]),
    ("math", "x in goes", "", r"\boxed{x\in[1,2]}", ["[1,2]"]),
    ("math", "money: $1,000", "", r"\boxed{\$1,000}", ["1,000"]),
    ("math", "dots and strokes at the end", "", r"\boxed{5/.\,}", ["5/"]),
    ("math", "the first line of a box", "", "\\boxed{5\n6}", ["5"]),
    ("math few-shot", "up to a new problem", "", "final answer is $2$. I hope\n\nProblem:\nfinal answer is $3$. I hope", ["2"]),
    ("math few-shot", "up to those words wherever they are", "", r"\boxed{2} Problem: \boxed{3}", ["2"]),
    ("single", "the last box", "", r"\boxed{2} or \boxed{3}", "3"),
    ("single", "nothing is empty", "", "none", ""),
    ("gsm few-shot", "thousands: only behind the comma", "", "The answer is 1,234", "234"),
    ("gsm few-shot", "point at the end is kept", "", "The answer is 5.", "5."),
    ("gsm few-shot", "half: .5 is 5", "", "The answer is .5", "5"),
    ("gsm few-shot", "no number", "", "The answer is five", "[invalid]"),
    ("gsm few-shot", "up to Q: with a space", "", "The answer is 6. Q: 7", "6."),
    ("gsm few-shot", "Q: without a space is read over", "", "The answer is 6. Q:7", "7"),
    ("gsm few-shot", "minus without a space", "", "10-4", "-4"),
    ("gsm few-shot", "the last number, whatever was said", "", "The answer is 8. That is 2 dozen", "2"),
    ("cmath few-shot", "first 答案是", "", "所以答案是：9。\n答案是：8", "9"),
    ("cmath few-shot", "the last number on its line", "", "答案是：9或10。", "10"),
    ("cmath few-shot", "no number", "", "答案是：无", "[invalid]"),
    ("cmath few-shot", "without the words as zero-shot", "", r"\boxed{7} 8", "7"),
    ("cmath few-shot", "up to a new question", "", "得1,200 问题：3", "1200"),
]
# (what the case shows, predicted, gold, what `eval_script.py` gave with sympy 1.12 and ANTLR 4.11)
JUDGED: list[tuple[str, list[str] | str, list[str] | str, bool]] = [
    ("fraction and decimal", "0.5", r"\frac{1}{2}", True),
    ("percent and fraction of one", "50%", "0.5", True),
    ("50 for 0.5 is right", "50", "0.5", True),
    ("0.005 for 0.5 is right", "0.005", "0.5", True),
    ("numbers within a thousandth", "10.0005", "10", True),
    ("numbers beyond a thousandth", "10.002", "10", False),
    ("large numbers within a billionth", "1000000000.5", "1000000000", True),
    ("thousands", "1,234", "1234", True),
    ("brackets of intervals make no difference", "(1,2)", "[1,2]", True),
    ("tuples part by part", r"(0.5,\sqrt{8})", r"(\frac{1}{2},2\sqrt{2})", True),
    ("tuples in another order", "(2,1)", "(1,2)", False),
    ("tuples of other lengths", "(1,2,3)", "(1,2)", False),
    ("unions in any order", r"(3,4)\cup(1,2)", r"(1,2)\cup(3,4)", True),
    (
        "matrices of other brackets",
        r"\begin{bmatrix}1&2\\3&4\end{bmatrix}",
        r"\begin{pmatrix}1&\frac{4}{2}\\3&4\end{pmatrix}",
        True,
    ),
    ("matrices that differ", r"\begin{pmatrix}1&2\\3&4\end{pmatrix}", r"\begin{pmatrix}1&2\\3&5\end{pmatrix}", False),
    ("equation with sides exchanged", "2x+1=y", "y=2x+1", True),
    ("equation against its value", "x=5", "5", True),
    ("value against an equation", "5", "k=5", True),
    ("a long left side is not dropped", "f(x)=5", "5", False),
    ("terms in another order", "x+1", "1+x", True),
    ("a square multiplied out", "(x+1)^2", "x^2+2x+1", True),
    ("powers", "2^{10}", "1024", True),
    ("pi is a letter", "3.141", r"\pi", False),
    ("words", "Tuesday", "Monday", False),
    ("words alike", "Tuesday", "Tuesday", True),
    ("words of the same letters", "abc", "cba", True),
    ("what follows a comma is dropped", "5,x", "5", True),
    ("an empty answer", "", "5", False),
    ("both empty", "", "", True),
    ("Python's powers", "x**2", "x^2", False),
    ("a root of a fraction", r"\sqrt{\frac{1}{4}}", "0.5", True),
    ("letters differ", "x", "y", False),
    ("binomials", r"\binom{5}{2}", "10", True),
    ("a case of letters", "X", "x", False),
    ("list: another order", ["2", "1"], ["1", "2"], True),
    ("list: repetitions of both", ["1", "1", "2"], ["2", "2", "1"], True),
    ("list: only the last as many", ["7", "1", "2"], ["1", "2"], True),
    ("list: the right one must be last", ["2", "7"], ["2"], False),
    ("list: too few", ["1"], ["1", "2"], False),
    ("list: nothing stated", [], ["1"], False),
    ("list: two alike for one", ["0.5", r"\frac{1}{2}"], ["0.5", "3"], False),
    ("list: nothing is known", ["1"], [], False),
]


@pytest.fixture(scope="module")
def worker() -> Iterator[DeepseekWorker]:
    with_own_process = DeepseekWorker()
    yield with_own_process
    with_own_process.close()


def text_of(answer: list[str] | str) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer)


@pytest.mark.parametrize(
    ("reading", "question", "text", "answer"), [(row[0], *row[2:]) for row in READ], ids=[f"{row[0]}: {row[1]}" for row in READ]
)
def test_what_is_read(reading: str, question: str, text: str, answer: list[str] | str) -> None:
    assert READINGS[reading](question, text) == answer


@pytest.mark.parametrize(("predicted", "gold", "equal"), [row[1:] for row in JUDGED], ids=[row[0] for row in JUDGED])
def test_verdict(worker: DeepseekWorker, predicted: list[str] | str, gold: list[str] | str, equal: bool) -> None:
    note = worker.compare(text_of(gold), text_of(predicted))
    assert note == ("" if equal else f"answers {text_of(predicted)}, not {text_of(gold)}")


def test_one_answer_beside_several_is_a_list_of_one(worker: DeepseekWorker) -> None:
    assert worker.compare('["0.5"]', "1/2") == ""
    assert worker.compare("[1, 2]", "(1,2)") == ""  # an interval, no JSON list of strings
    with pytest.raises(ValueError, match="expected two texts or two lists"):
        deepseek_equal("1", ["1"])


def test_a_comparison_that_lasts_is_wrong_and_others_go_on() -> None:
    worker = DeepseekWorker(timeout_seconds=1)
    assert worker.timeout_seconds == 15  # the published limit stands
    worker.timeout_seconds = 1
    try:
        assert worker.compare("1", "9^{9^{9^{9}}}") == "grading took longer than 1 s"
        assert worker.compare("1", "4/4") == ""
    finally:
        worker.close()


@pytest.mark.parametrize(
    "program",
    ["open({path},{mode})", "().__class__.__base__", "exec({path})", "x.func(1)", "preview(x)", "S({path})", "print(1)"],
)
def test_an_answer_is_no_program(tmp_path: Path, program: str, capsys: pytest.CaptureFixture[str]) -> None:
    made = tmp_path / "made"
    answer = program.format(path=repr(str(made)), mode=repr("w"))
    assert compare("5", answer).startswith("answers ")
    assert not made.exists()
    assert capsys.readouterr().out == ""


def test_brackets_too_deep_are_not_equal(worker: DeepseekWorker) -> None:
    assert worker.compare("(" * 3000 + "1" + ")" * 3000, "(" * 3000 + "2" + ")" * 3000) != ""


@given(st.text(), st.sampled_from(sorted(READINGS)), st.sampled_from(["", COMMAS]))
@settings(deadline=None)
def test_any_text_is_read(text: str, reading: str, question: str) -> None:
    answer = READINGS[reading](question, text)
    assert isinstance(answer, str) or all(isinstance(one, str) for one in answer)


PIECES = sorted(
    {piece for row in READ for piece in row[3].split(" ")} | {"\\text{", "\\mbox{", "boxed{", "}", "%", "```output"}
)


@given(st.lists(st.sampled_from(PIECES)).map(" ".join), st.sampled_from(sorted(READINGS)), st.sampled_from(["", COMMAS]))
@settings(deadline=None)
def test_any_mathematical_text_is_read(text: str, reading: str, question: str) -> None:
    READINGS[reading](question, text)
    assert normal_form(text).strip(" ") == normal_form(text)


NASTY = {
    "texts that are open": "\\text{",
    "boxes of text that are open": "\\mbox{",
    "digits": "1",
    "zeros": "1.0",
    "points": ".",
    "boxes in boxes": "boxed{",
    "braces": "{",
    "closing braces": "}",
    "boxes": "\\boxed{1}%",
    "roots": "\\sqrt ",
    "fractions": "\\frac1",
    "minus signs": "-",
    "strokes": "/",
    "said again and again": "The answer is ",
    "outputs": "```output\n",
    "and": "\\text{ and",
    "commas": "1,",
    "spaces": " ",
    "t": "t",
    "questions": "Q: ",
}


@pytest.mark.parametrize("piece", NASTY.values(), ids=NASTY)
@pytest.mark.parametrize("frame", ["{}", "1{}", "\\boxed{{{}}}", "\\boxed{{1.0{}5", "The answer is {}x"])
def test_a_hundred_thousand_characters_take_no_time(piece: str, frame: str) -> None:
    text = frame.format(piece * (100_000 // len(piece)))
    begun = time.process_time()
    for reading in READINGS.values():
        reading(COMMAS, text)
    normal_form(text)
    assert time.process_time() - begun < 2


@given(st.lists(st.sampled_from(["1", "2", "3", "0.5", "50%", "1.0005", "1,234", "1234", "200"]), max_size=5), st.randoms())
@settings(deadline=None)
def test_the_order_of_answers_makes_no_difference(answers: list[str], order: object) -> None:
    gold = list(dict.fromkeys(answers))
    stated = list(gold)
    order.shuffle(stated)  # type: ignore[attr-defined]
    assert deepseek_equal(stated, gold)
    assert deepseek_equal(gold, stated)
    assert deepseek_equal(stated[1:], gold) == deepseek_equal(stated[1:][::-1], gold[::-1])


def test_known_answers() -> None:
    assert known_answer_of_math("", "so $x=\\boxed{\\dfrac12}$.") == ["\\frac{1}{2}"]
    assert known_answer_of_math(COMMAS, "$\\boxed{1,\\,2}$ #### 3") == ["1", "\\", "2"]
    assert known_answer_of_gsm8k("2+2=<<2+2=4>>4\n#### 1,234") == "1234"
