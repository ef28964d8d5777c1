"""Final answers: find the one a response states, and grade it.

Countdown is graded exactly and at once. Mathematics is graded by math-verify, which evaluates what a model wrote and so can run
for ever or take all memory (`9^{9^{9^9}}`): it runs in one worker process, which is killed and replaced when it takes too long.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from fractions import Fraction
from multiprocessing.connection import Connection
from operator import add, mul, sub

from jorney.domain.countdown import Numbers, parse_step, step_error
from jorney.domain.problem import Problem
from jorney.text.step_format import ABEL, BOXED, StepFormat, closings

VERIFIERS = ("countdown", "math")  # the values of Problem.verifier
GO_BACK = re.compile(r"Go back to (\d{1,9}(?:, \d{1,9})*)")  # anywhere in a line: "Wait, 17 is not 24. Go back to 5, 9, 12."

NUMBERED = re.compile(r"\s*(\d+)\.\s+(.*)")  # of Abel's lines
_EQUATION = re.compile(r"(?<![-+*/\d.])(?<![-+*/] )(\d{1,18}) ?([-+*/]) ?(\d{1,18}) ?= ?(-?\d{1,18}(?:\.\d{1,18})?)(?!\d)")
_LATEX_COMMA = re.compile(r"(?<=\d)(?:\{,\}|,\\!)(?=\d{3}(?!\d))")  # 1{,}600 and 1,\!600
_THOUSANDS = re.compile(r"[-+]?\d{1,3}(?:,\d{3})+(?:\.\d+)?(?!\d)")
_UNIT = re.compile(r"(?<=\d) +([A-Za-z]{3,}(?: [A-Za-z]+)*)$")
_PLAIN = re.compile(r"[-+*/^().\d\s]+")
_OPERATION: dict[str, Callable[[int, int], object]]
_OPERATION = {"+": add, "-": sub, "*": mul, "/": lambda a, b: Fraction(a, b) if b else None}


@dataclasses.dataclass(frozen=True)
class Grade:
    """What became of one response.

    Attributes:
      correct: the response states the right answer; for Countdown also by a path that is legal and true.
      answer: the final answer that the response states, None when it states none.
      valid_steps: whether every step that leads to the end is legal and true; None where steps are not checked.
      true_equations, equations: of the equations written in numbered lines, how many are true, and how many there are.
      note: why the response is wrong, in a few words; empty when it is correct.
    """

    correct: bool
    answer: str | None
    valid_steps: bool | None = None
    true_equations: int = 0
    equations: int = 0
    note: str = ""


def final_answer(text: str, mark: str = "####") -> str | None:
    r"""The answer that `text` states: what follows the last `####` on its line, else the last `\boxed{...}`, else None.

    Trailing punctuation, surrounding `$` and the commas of a number's thousands are dropped: `#### $1,600.` is `1600`.

    Args:
      mark: a step format's; by `\boxed` only boxes state answers.
    """
    at = text.rfind("####") if mark != BOXED else -1
    if at >= 0:
        line = text[at + 4 :].partition("\n")[0]
        if r"\boxed" in line:
            return _boxed(text, at + 4 + line.rindex(r"\boxed"))
        if answer := _clean(line):
            return answer
    return _boxed(text, text.rfind(r"\boxed"))


def _boxed(text: str, start: int) -> str | None:
    r"""The cleaned inside of the `\boxed` at `start`; None when start < 0, the box is empty or its brace is never closed."""
    if start < 0:
        return None
    rest = text[start + len(r"\boxed") :].lstrip(" ")
    if not rest.startswith("{"):  # `\boxed 5`
        return _clean(re.split(r"[\s$]", rest, maxsplit=1)[0]) or None
    stop = closings(rest).get(0)
    return _clean(rest[1 : stop - 1]) or None if stop else None


def _clean(answer: str) -> str:
    answer = _LATEX_COMMA.sub(",", answer)
    bare = answer.strip().removeprefix("\\$").lstrip("$ ").rstrip("$ .,;:")
    if "$" in bare or bare.endswith("\\"):  # "$5$ or $6$" keeps its formulas, "5\\," its LaTeX space
        bare = answer.strip()
    number = _THOUSANDS.match(bare)
    if number and not bare[number.end() :].lstrip().startswith(","):  # "1,000, 2" is a list
        bare = number[0].replace(",", "") + bare[number.end() :]
    return bare


def grade_countdown(problem: Problem, text: str, step_format: StepFormat = ABEL) -> Grade:
    """Grades a Countdown response exactly, from its text alone.

    Numbered lines are steps (in a format without numbers, lines of a step's form), `Go back to 5, 9, 12.` returns to an earlier
    state, the rest is prose. What counts is the path that leads to the answer: going back to a state before a false step, or
    before a false return, undoes it.

    Raises:
      ValueError: `problem.meta` lacks "numbers" or "target".
    """
    if not {"numbers", "target"} <= set(problem.meta):
        raise ValueError(f"problem {problem.id!r}: the countdown verifier needs meta['numbers'] and meta['target']")
    target = problem.meta["target"]
    # The path: each state (the numbers left), and what is wrong with the line that led to it, if anything.
    trail: list[tuple[Numbers, str]] = [(tuple(sorted(problem.meta["numbers"])), "")]
    true_equations = all_equations = 0
    end = text.rfind(step_format.mark)  # what follows the answer did not lead to it
    for line in text[: end if end >= 0 else None].splitlines():
        numbered = _numbered(line, step_format)
        if numbered:
            true, stated = equations(line)
            true_equations, all_equations = true_equations + true, all_equations + stated
        backs = GO_BACK.findall(line)
        for back in backs:
            state, known = tuple(sorted(map(int, back.split(", ")))), [numbers for numbers, _ in trail]
            if state in known:
                del trail[known.index(state) + 1 :]  # the first of equal states: those before an error come first
            else:
                trail.append((state, f"goes back to {_short(back)}, which is not on the path"))
        if numbered and not backs:
            trail.append(take_step(trail[-1][0], *numbered))

    numbers, answer = trail[-1][0], final_answer(text, step_format.mark)
    note = error = next((error for _, error in trail if error), "")
    if not error:
        if len(numbers) == 1 and numbers[0] != target:
            note = f"ends at {numbers[0]}, not {target}"
        elif answer is None:
            note = "no answer"
        elif len(numbers) > 1:
            note = f"ends with {len(numbers)} numbers left"
        elif answer != str(target):
            note = f"answers {_short(answer)}, not {target}"
    return Grade(not note, answer, not error, true_equations, all_equations, note)


def _numbered(line: str, step_format: StepFormat) -> tuple[str, str] | None:
    """The number and the text of a line that is a step; "" where steps have no numbers."""
    if not step_format.numbered:
        return ("", line) if parse_step(line) else None
    opening = re.match(step_format.start, line)
    return (opening[1], line[opening.end() :].lstrip()) if opening else None


def equations(text: str) -> tuple[int, int]:
    """How many of the equations `a op b = c` in a text are true, and how many there are."""
    found = _EQUATION.findall(text)
    return sum(_OPERATION[op](int(a), int(b)) == Fraction(c) for a, op, b, c in found), len(found)


def take_step(numbers: Numbers, number: str, text: str) -> tuple[Numbers, str]:
    """The state that a step claims to leave, and what is wrong with the step."""
    step = parse_step(text)
    if step is None:
        return numbers, f"step {_short(number)} is not of the form `a + b = c (left: ...)`"
    error = step_error(numbers, step)
    return step.left, f"step {_short(number)}: {error}" if error else ""


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."


@dataclasses.dataclass
class Grader:
    """Grades responses; a context manager that owns the worker process for mathematics. For one thread at a time.

    Attributes:
      timeout_seconds: how long one grading may take; starting the worker is not counted.
      memory_limit: bytes of address space the worker may take (it starts with under 0.1 GB). Not enforced on macOS.
    """

    timeout_seconds: float = 5.0
    memory_limit: int = 4 << 30
    _process: subprocess.Popen[bytes] | None = dataclasses.field(default=None, init=False, repr=False)
    _connection: Connection | None = dataclasses.field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.timeout_seconds <= 0:
            raise ValueError(f"timeout_seconds = {self.timeout_seconds}: expected more than 0")

    def __enter__(self) -> Grader:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def grade(self, problem: Problem, text: str, step_format: StepFormat = ABEL) -> Grade:
        """Grades one response, which states its answer as the format has it.

        Raises:
          ValueError: `problem.verifier` is not one of VERIFIERS.
          RuntimeError: the worker cannot be started at all.
        """
        if problem.verifier not in VERIFIERS:
            raise ValueError(f"problem {problem.id!r}: verifier = {problem.verifier!r}, expected one of {', '.join(VERIFIERS)}")
        if problem.verifier == "countdown":
            return grade_countdown(problem, text, step_format)
        answer = final_answer(text, step_format.mark)
        if answer is None:
            return Grade(False, None, note="no answer")
        note = "" if answer == _clean(problem.answer) else self._ask_worker(problem.answer, answer)
        return Grade(not note, answer, note=note)

    def grade_all(self, pairs: Iterable[tuple[Problem, str]]) -> list[Grade]:
        """The grades of (problem, response) pairs, in their order."""
        return [self.grade(problem, text) for problem, text in pairs]

    @property
    def worker_pid(self) -> int | None:
        """The worker's process id, None while there is none."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """Ends the worker, if there is one. The grader may be used again: it starts another."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._connection = None

    def _ask_worker(self, gold: str, answer: str) -> str:
        """Why `answer` is wrong, by the worker; "" when it is right."""
        replied = False
        try:
            if self._connection is None or self._process is None or self._process.poll() is not None:
                self._connection = self._start()
            with contextlib.suppress(EOFError, OSError):
                self._connection.send((gold, answer))
                if not self._connection.poll(self.timeout_seconds):
                    return f"grading took longer than {self.timeout_seconds:g} s"
                note: str = self._connection.recv()
                replied = True
                return note
            return "the grading worker died"
        finally:
            if not replied:  # after Ctrl-C too: the next question must not read this one's reply
                self.close()

    def _start(self) -> Connection:
        """Starts the worker and waits until it is ready.

        Not by multiprocessing.Process, whose child imports the parent's main program again, and jax with it. In a session of
        its own the worker gets no Ctrl-C, even while it starts; it ends with the connection, so it does not outlive the parent.
        """
        self.close()
        ours, theirs = multiprocessing.Pipe()
        with theirs:
            arguments = [theirs.fileno(), self.memory_limit, int(self.timeout_seconds) + 2]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-W", "ignore", "-c", f"from jorney.domain.answers import _serve; _serve(*{arguments})"],
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        try:
            ours.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError("the grading worker did not start; its own message is above") from error
        return ours


def _serve(descriptor: int, memory_limit: int, longest: int) -> None:
    """The worker's program: replies to each (gold, answer) with a note, until the connection closes.

    A grading that lasts `longest` seconds ends the process, should no parent be left to do it.
    """
    import logging
    import resource
    import signal

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # ends the process, whatever C code it is in
    logging.disable(logging.CRITICAL)  # math-verify logs every answer that it cannot read
    with contextlib.suppress(ValueError, OSError):  # macOS refuses; so does a system whose own limit is lower
        resource.setrlimit(resource.RLIMIT_AS, (memory_limit, resource.getrlimit(resource.RLIMIT_AS)[1]))
    from math_verify import verify

    with contextlib.suppress(EOFError, OSError), Connection(descriptor) as connection:
        connection.send(verify(_parse("1"), _parse("2/2")))  # ready, with all that is imported and cached at first use
        while True:
            gold, answer = connection.recv()
            signal.alarm(longest)
            try:
                # No timeout of math-verify's own: it is a signal to Python code, to which a huge power never returns.
                equal = verify(_parse(gold), _parse(answer), timeout_seconds=0)
                note = "" if equal else f"answers {_short(answer)}, not {_short(gold)}"
            except Exception as error:
                note = f"grading failed: {type(error).__name__}"
            signal.alarm(0)
            connection.send(note)


def _parse(answer: str) -> list[object]:
    """math-verify's readings of an answer as LaTeX, or as a plain expression such as `2**3`; its text is one of them."""
    from math_verify import ExprExtractionConfig, parse

    answer = _clean(answer)
    with_unit = _UNIT.sub(r"\\text{ \1}", answer)  # "18 dollars" would be 18 times d, o, l, l, ...
    latex = answer if "$" in answer else f"\\boxed{{{with_unit}}}"  # text with formulas stays as it is
    found = parse(latex, parsing_timeout=0)
    if all(isinstance(reading, str) for reading in found) and _PLAIN.fullmatch(answer):
        found = parse(answer, [ExprExtractionConfig()], parsing_timeout=0)
    return list(found)
