"""Final answers: reading them, the exact Countdown verifier, and the worker that grades mathematics."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from places import ROOT

from jorney.domain.answers import final_answer
from jorney.domain.countdown.game import Numbers, moves, paths_to, sample_solution, write_solution
from jorney.domain.countdown.grade import GO_BACK, grade_countdown
from jorney.domain.countdown.sets import make_problem
from jorney.domain.domain import Grade
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem

GSM8K = ROOT.parent / "shared" / "data" / "gsm8k" / "test.jsonl"
PROBLEM = make_problem((3, 4, 5, 9), 24)
SOLUTION = "1. 3 * 4 = 12 (left: 5, 9, 12)\n2. 9 - 5 = 4 (left: 4, 12)\n3. 12 * 4 = 48 (left: 48)\n#### 48"
ENDLESS = r"\sum_{k=1}^{10^{12}} k^k"  # math-verify would add them all
RIGHT = "1. 9 - 5 = 4 (left: 3, 4, 4)\n2. 4 + 4 = 8 (left: 3, 8)\n3. 3 * 8 = 24 (left: 24)\n#### 24"


def mathematics(answer: str) -> Problem:
    return Problem(id="p1", question="?", answer=answer)


@pytest.fixture(scope="module")
def grader() -> Iterator[Grader]:
    with Grader(timeout_seconds=60) as opened:  # these tests hold on a busy machine too
        yield opened


# Reading the answer.


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("She has 18 left.\n#### 18", "18"),
        ("#### 17\nNo.\n#### 18 \nThat is all.", "18"),
        ("#### 1,600", "1600"),
        ("#### $1,234,567.50.", "1234567.50"),
        (r"#### \$70,000 dollars", "70000 dollars"),
        ("#### -1,000", "-1000"),
        ("#### 1,000, 2,000", "1,000, 2,000"),  # a list
        ("#### (1,234)", "(1,234)"),  # a pair
        (r"Thus $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (r"$\boxed{3}$, no: $\boxed{4.}$.", "4"),
        (r"k. [Final solution] $\boxed{12}$.  #### 12", "12"),
        (r"\boxed{3} #### \boxed{\sqrt{x^{2}}}.", r"\sqrt{x^{2}}"),
        ("#### \\boxed{\\begin{pmatrix}1 \\\\\n 2\\end{pmatrix}}", "\\begin{pmatrix}1 \\\\\n 2\\end{pmatrix}"),
        (r"\boxed{\{1, 2\}}", r"\{1, 2\}"),
        (r"\boxed{\text{if } x = \}}", r"\text{if } x = \}"),
        (r"the answer is $\boxed 5$.", "5"),
        (r"\boxed7 apples", "7"),
        (r"\boxed{5\,}", r"5\,"),
        ("#### $x + 1$.", "x + 1"),
        ("#### $5$ or $6$", "$5$ or $6$"),
        (r"\boxed{8}" + "\n####", "8"),
        (r"cut off in \boxed{\frac{1}{2}", None),
        (r"\boxed{}", None),
        ("####", None),
        ("The answer is 18.", None),
        ("", None),
    ],
)
def test_final_answer(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=r"#\boxed{}$1,. " + "\n", max_size=60))
def test_final_answer_never_fails_and_never_returns_an_empty_answer(text: str) -> None:
    answer = final_answer(text)
    assert answer is None or answer.strip()


# Countdown.


@st.composite
def solved(draw: st.DrawFn) -> tuple[Problem, list[tuple[Numbers, str]], random.Random]:
    """A problem, each state of one of its solutions with the step taken there, and a source of chance."""
    numbers = tuple(sorted(draw(st.lists(st.integers(1, 20), min_size=2, max_size=4))))
    target = draw(st.sampled_from(sorted(paths_to(numbers))))
    rng = random.Random(draw(st.integers(0, 2**32)))
    path, state = [], numbers
    for step in sample_solution(numbers, target, rng):
        path.append((state, str(step)))
        state = step.left
    return make_problem(numbers, target), path, rng


def written(path: list[tuple[Numbers, str]], target: int) -> str:
    return "\n".join([*(f"{k}. {step}" for k, (_, step) in enumerate(path, 1)), f"#### {target}"])


@settings(max_examples=100, deadline=None)
@given(solved())
def test_every_sampled_solution_is_correct(case: tuple[Problem, list[tuple[Numbers, str]], random.Random]) -> None:
    problem, path, rng = case
    numbers, target = tuple(problem.meta["numbers"]), problem.meta["target"]
    text = write_solution(sample_solution(numbers, target, rng))
    count = len(numbers) - 1
    assert grade_countdown(problem, text) == Grade(True, str(target), True, count, count, "")
    assert grade_countdown(problem, written(path, target)).correct


@settings(max_examples=60, deadline=None)
@given(solved(), st.data())
def test_any_one_digit_changed_makes_it_wrong(
    case: tuple[Problem, list[tuple[Numbers, str]], random.Random], data: st.DataObject
) -> None:
    problem, path, _ = case
    text = written(path, problem.meta["target"])
    line_numbers = {i for match in re.finditer(r"^\d+(?=\. )", text, re.MULTILINE) for i in range(*match.span())}
    digits = [i for i, character in enumerate(text) if character.isdigit() and i not in line_numbers]
    i = data.draw(st.sampled_from(digits))
    other = data.draw(st.sampled_from([d for d in "0123456789" if d != text[i]]))
    grade = grade_countdown(problem, text[:i] + other + text[i + 1 :])
    assert not grade.correct
    assert grade.note


@settings(max_examples=100, deadline=None)
@given(solved())
def test_excursions_that_go_back_keep_it_correct(case: tuple[Problem, list[tuple[Numbers, str]], random.Random]) -> None:
    """Legal and false steps may be walked anywhere, as long as the text returns to where it was; each equation counts."""
    problem, path, rng = case
    target = problem.meta["target"]
    lines, equations, true = [], 0, 0
    for k, (state, step) in enumerate(path, 1):
        for _ in range(rng.randrange(3)):
            here = state
            for _ in range(rng.randrange(1, 3)):
                if not (options := moves(here)):
                    break
                wrong = rng.choice(options)
                false = rng.random() < 0.3
                lines.append(f"{k}. {wrong}".replace(f"= {wrong.result} ", f"= {wrong.result + false} "))
                equations, true, here = equations + 1, true + (not false), wrong.left
            back = ", ".join(map(str, state))
            lines.append(rng.choice([f"Go back to {back}.", f"Wait, that is not {target}. Go back to {back}."]))
        lines.append(f"{k}. {step}")
    equations, true = equations + len(path), true + len(path)
    grade = grade_countdown(problem, "\n".join([*lines, f"#### {target}"]))
    assert grade == Grade(True, str(target), True, true, equations, "")


@pytest.mark.parametrize(
    ("text", "note", "valid", "true_of"),
    [
        (SOLUTION, "ends at 48, not 24", True, (3, 3)),
        ("", "no answer", True, (0, 0)),
        ("#### 24", "ends with 4 numbers left", True, (0, 0)),
        ("1. 9 - 5 = 4 (left: 3, 4, 4)", "no answer", True, (1, 1)),
        (RIGHT.replace("#### 24", ""), "no answer", True, (3, 3)),
        (RIGHT.replace("#### 24", "#### 25"), "answers 25, not 24", True, (3, 3)),
        ("1. 3 * 4 = 13 (left: 5, 9, 13)\n#### 24", "step 1: 3 * 4 is 12, not 13", False, (0, 1)),
        ("1. 3 * 4 = 12 (left: 3, 12)\n#### 24", "step 1: what is left is 5, 9, 12", False, (1, 1)),
        ("1. 7 + 3 = 10 (left: 4, 5, 9, 10)\n#### 24", "step 1: 7 is not among 3, 4, 5, 9", False, (1, 1)),
        ("1. 3 + 3 = 6 (left: 4, 5, 6, 9)\n#### 24", "step 1: 3 is not among 4, 5, 9", False, (1, 1)),
        ("1. 3 - 4 = -1 is no use", "step 1 is not of the form `a + b = c (left: ...)`", False, (1, 1)),
        ("1. 9 / 4 = 2.25\n2. 9 / 4 = 2\n3. 1 / 0 = 0", "step 1 is not of the form `a + b = c (left: ...)`", False, (1, 3)),
        ("Go back to 5, 9, 12.\n" + RIGHT, "goes back to 5, 9, 12, which is not on the path", False, (3, 3)),
        # The target reached, then more text without a way back to it.
        (RIGHT.replace("####", "Go back to 3, 8.\n####"), "ends with 2 numbers left", True, (3, 3)),
    ],
)
def test_what_is_wrong_is_said(text: str, note: str, valid: bool, true_of: tuple[int, int]) -> None:
    grade = grade_countdown(PROBLEM, text)
    assert (grade.correct, grade.valid_steps, grade.note) == (False, valid, note)
    assert (grade.true_equations, grade.equations) == true_of


def test_only_the_path_to_the_answer_counts() -> None:
    false = "1. 3 * 4 = 13 (left: 5, 9, 13)\n2. 9 + 5 = 14 (left: 13, 14)\n"
    start = "Go back to 3, 4, 5, 9.\n"
    assert grade_countdown(PROBLEM, false + start + RIGHT) == Grade(True, "24", True, 4, 5)
    unreadable = "1. 3 * 4 is twelve\n"  # leaves the numbers as they were, so that the state stands on the path twice
    assert grade_countdown(PROBLEM, unreadable + start + RIGHT).correct
    assert grade_countdown(PROBLEM, unreadable + RIGHT).note.startswith("step 1 is not of the form")
    # Going back behind the false step, but not before it, leaves it on the path.
    kept = grade_countdown(PROBLEM, false + "Go back to 5, 9, 13.\n2. 9 + 5 = 14 (left: 13, 14)\n#### 24")
    assert not kept.correct
    assert kept.note == "step 1: 3 * 4 is 12, not 13"
    # A state that was undone is not on the path any more; a later return to a state that is undoes this too.
    undone = "1. 3 * 4 = 12 (left: 5, 9, 12)\n" + start + "1. 9 - 5 = 4 (left: 3, 4, 4)\nGo back to 5, 9, 12.\n"
    rest = "2. 9 + 5 = 14 (left: 12, 14)\n3. 12 + 14 = 26 (left: 26)\n"
    grade = grade_countdown(make_problem((3, 4, 5, 9), 26), undone + rest + "#### 26")
    assert not grade.correct
    assert grade.note == "goes back to 5, 9, 12, which is not on the path"
    assert grade_countdown(PROBLEM, undone + start + RIGHT).correct
    # A right answer by a false path.
    lucky = grade_countdown(PROBLEM, "1. 3 * 4 = 24 (left: 24)\n#### 24")
    assert (lucky.correct, lucky.answer, lucky.valid_steps) == (False, "24", False)


def test_prose_boxes_spaces_and_what_follows_the_answer_do_no_harm() -> None:
    text = "Let me see: 9 + 9 = 20.\n\n  " + RIGHT.replace("\n", "\n\nAlternatively, no.\n  ")
    assert grade_countdown(PROBLEM, text) == Grade(True, "24", True, 3, 3)
    assert grade_countdown(PROBLEM, RIGHT.replace("#### 24", r"So $\boxed{24}$.")).correct
    assert grade_countdown(PROBLEM, RIGHT + "\n1. 1 + 1 = 3 (left: 3)").correct
    assert GO_BACK.findall("Wait, 17 is not 24. Go back to 5, 9, 12.") == ["5, 9, 12"]


@pytest.mark.parametrize("text", ["1. " + "9" * 50_000, "1. 1 + " + "2" * 9999 + " = 3 (left: 3)", "Go back to " + "1" * 9999])
def test_endless_digits_are_graded(text: str) -> None:
    """int() refuses more than 4,300 digits; a model that repeats itself writes them."""
    assert not grade_countdown(PROBLEM, text + "\n#### 24").correct
    assert len(grade_countdown(PROBLEM, text + "\n#### 24").note) < 150


def test_countdown_without_its_numbers_is_named() -> None:
    with pytest.raises(ValueError, match=r"problem 'p1'.*meta\['numbers'\]"):
        grade_countdown(mathematics("24"), "#### 24")


# Mathematics.


@pytest.mark.parametrize(
    ("gold", "stated", "correct"),
    [
        (r"\frac{1}{2}", "0.5", True),
        (r"\frac{1}{2}", "1/2", True),
        ("1000", "1,000", True),
        ("x^2+1", "1+x^2", True),
        (r"3\sqrt{2}", r"\sqrt{18}", True),
        (r"\{1,2\}", r"\{2, 1\}", True),
        ("18", "18 dollars", True),
        ("18", r"18\text{ dollars}", True),
        ("18", "18.0", True),
        ("8", "2**3", True),
        ("5", "x=5", True),
        (r"\text{Evelyn}", "Evelyn", True),
        (r"\frac{1}{2}", "0.25", False),
        ("x^2+1", "x^2-1", False),
        ("(1,2)", "(2,1)", False),
        ("2", r"3\sqrt{2}", False),  # no fragment of an answer is taken for it
        ("18", "-18", False),
        ("18", r"\frac{1}{", False),
        ("18", "eighteen", False),
    ],
)
def test_equivalence(grader: Grader, gold: str, stated: str, correct: bool) -> None:
    for text in (f"So \\boxed{{{stated}}}." if stated != r"\frac{1}{" else f"#### {stated}", f"#### {stated}"):
        grade = grader.grade(mathematics(gold), text)
        assert grade.correct is correct, grade
        assert grade.note == ("" if correct else f"answers {grade.answer}, not {gold}")
        assert grade.valid_steps is None


def test_gsm8k_answers_grade_themselves_correct(grader: Grader) -> None:
    if not GSM8K.exists():
        pytest.skip(f"no GSM8K at {GSM8K}")
    with GSM8K.open() as file:
        solutions = [json.loads(line)["answer"] for line, _ in zip(file, range(50), strict=False)]
    problems = [mathematics(final_answer(solution) or "") for solution in solutions]
    assert all(grader.grade(*pair).correct for pair in zip(problems, solutions, strict=True))
    # Through the worker: twice the answer, halved; and the answer plus one.
    halved = [rf"\boxed{{\frac{{{2 * float(problem.answer):g}}}{{2}}}}" for problem in problems]
    assert all(grader.grade(*pair).correct for pair in zip(problems, halved, strict=True))
    assert not any(grader.grade(problem, f"#### {float(problem.answer) + 1:g}").correct for problem in problems[:10])


def test_verifiers() -> None:
    with Grader() as grader:
        assert grader.grade(PROBLEM, RIGHT) == grade_countdown(PROBLEM, RIGHT)
        assert grader.grade(mathematics("$1,000$"), "#### 1000.").correct  # equal as text
        assert grader.grade(mathematics("5"), "I do not know.") == Grade(False, None, note="no answer")
        assert grader.worker.pid is None  # none of these needed the worker
        with pytest.raises(ValueError, match=r"problem 'p2': verifier = 'chess', expected one of choice, code, countdown"):
            grader.grade(Problem(id="p2", question="?", answer="5", verifier="chess"), "#### 5")
    with pytest.raises(ValueError, match="timeout_seconds = 0"):
        Grader(timeout_seconds=0)


def test_a_power_tower_stalls_nothing() -> None:
    with Grader(timeout_seconds=2) as grader:
        assert grader.grade(mathematics("2"), "#### 4/2").correct
        for tower in ("9^{9^{9^9}}", "10**10**10", ENDLESS, r"\int_0^{9^{9^9}} x^{x^x} dx"):
            start = time.monotonic()
            grade = grader.grade(mathematics("2"), f"#### {tower}")
            assert not grade.correct
            assert grade.note in ("grading took longer than 2 s", f"answers {tower}, not 2")  # or memory ran out first
            assert time.monotonic() - start < 30  # a start of the worker included, on a busy machine
        assert grader.grade(mathematics("2"), "#### 6/3").correct


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux enforces a limit of the address space")
def test_memory_is_bounded() -> None:
    """The number's 4 GB are not to be had: the comparison fails, and the worker lives on."""
    with Grader(timeout_seconds=20, memory_limit=200 << 20) as grader:
        assert grader.grade(mathematics("2"), "#### 4/2").correct
        pid = grader.worker.pid
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert re.search(rf"Max address space +{200 << 20} ", limits)
        assert grader.grade(mathematics("2"), "#### 2^{34359738368}").note == "answers 2^{34359738368}, not 2"
        assert grader.grade(mathematics("2"), "#### 6/3").correct
        assert grader.worker.pid == pid


def test_a_dead_worker_is_replaced_and_none_is_left() -> None:
    with Grader(timeout_seconds=30) as grader:
        assert grader.grade(mathematics("2"), "#### 4/2").correct
        first = grader.worker.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        os.waitid(os.P_PID, first, os.WEXITED | os.WNOWAIT)  # dead, and for the grader to notice
        assert grader.grade(mathematics("2"), "#### 6/3").correct  # this answer is not to blame
        second = grader.worker.pid
        assert second is not None
        assert second != first
        threading.Timer(0.5, os.kill, (second, signal.SIGKILL)).start()
        assert grader.grade(mathematics("2"), f"#### {ENDLESS}") == Grade(False, ENDLESS, note="the grading worker died")
        assert grader.grade(mathematics("2"), "#### 8/4").correct
        third = grader.worker.pid
        assert third is not None
    assert grader.worker.pid is None
    for pid in (first, second, third):
        with pytest.raises(ProcessLookupError):  # a zombie would still be there
            os.kill(pid, 0)


def test_ctrl_c_leaves_no_reply_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that was interrupted must not have its reply read as the reply to the next."""
    with Grader(timeout_seconds=30) as grader:
        assert grader.grade(mathematics("2"), "#### 4/2").correct
        assert grader.worker._connection is not None

        def interrupted(self: object, timeout: float) -> bool:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(type(grader.worker._connection), "poll", interrupted)
            with pytest.raises(KeyboardInterrupt):
                grader.grade(mathematics("2"), "#### 6/3")  # the worker replies "right"
        assert not grader.grade(mathematics("2"), "#### 6/4").correct


PARENT = r"""
# A job that a shell put in the background ignores SIGINT, and so would this.
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import sys
import time
from pathlib import Path
import types
sys.modules["jax"] = types.ModuleType("jax")  # the main program has it
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
grader = Grader(timeout_seconds=2)
assert grader.grade(Problem("p", "?", "2"), "#### 4/2").correct
print(grader.worker.pid, flush=True)
if len(sys.argv) > 1:
    grader.grade(Problem("p", "?", "2"), r"#### \sum_{k=1}^{10^{12}} k^k")
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("busy", [False, True])
def test_the_worker_ignores_ctrl_c_and_does_not_outlive_its_parent(tmp_path: Path, busy: bool) -> None:
    """The program has no `if __name__ == "__main__"`: a worker that imported it again would never start."""
    program = tmp_path / "program.py"
    program.write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(program), *(["busy"] if busy else [])]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, start_new_session=True, env=environment, stdout=pipe, stderr=pipe, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stderr is not None
        worker = int(parent.stdout.readline())
        assert os.getsid(worker) == worker  # out of a terminal's reach, even before it ignores SIGINT
        os.kill(worker, signal.SIGINT)
        time.sleep(0.2)
        os.kill(worker, 0)  # lives on
        os.killpg(parent.pid, signal.SIGKILL if busy else signal.SIGINT)  # a terminal's Ctrl-C goes to the whole group
        parent.wait(timeout=20)
        ended = time.monotonic()
        while Path(f"/proc/{worker}").exists() and "\nState:\tZ" not in Path(f"/proc/{worker}/status").read_text():
            assert time.monotonic() - ended < 20, "the worker outlived its parent"
            time.sleep(0.05)
        # One traceback at most, the parent's own.
        assert parent.stderr.read().count("Traceback") == (0 if busy else 1)


def test_the_worker_imports_no_jax() -> None:
    code = (
        "import sys, jorney.domain.equivalence as a; before = set(sys.modules); a.warm_up(); after = set(sys.modules); "
        "print(sorted({m.partition('.')[0] for m in before | after} & {'jax', 'jaxlib', 'flax', 'numpy', 'scipy', 'torch'}), "
        "'math_verify' in before, 'math_verify' in after)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] False True"


def test_a_worker_that_cannot_start_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a run in which every answer is wrong."""
    (tmp_path / "math_verify.py").write_text("raise ImportError('not here')")
    monkeypatch.syspath_prepend(tmp_path)
    with Grader() as grader, pytest.raises(RuntimeError, match="the grading worker did not start"):
        grader.grade(mathematics("2"), "#### 4/2")
    assert grader.worker.pid is None
