"""Code: what is asked for is a program, and tests say whether it is right. The tests run it in a sandbox."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from jorney.domain.answers import short
from jorney.domain.code.program_extraction import program_of
from jorney.domain.code.sandbox import ProgramRunner
from jorney.domain.domain import Compare, Domain, Grade
from jorney.domain.problem import Problem
from jorney.text.step_format import StepFormat

_TEXTS = ("prompt", "entry_point", "setup")


class Code(Domain):
    """HumanEval, MBPP and whatever else has a question and tests. `Problem.answer` is a program that passes them.

    `Problem.meta` holds "prompt", a program's beginning that is to be gone on with, or ""; "entry_point", the name that tests
    call, or ""; "setup", which runs before the tests; and "tests", a text or a list of lines.
    """

    name = "code"
    any_answer = True  # a program: any mark or tag in it is its own
    runs_code = True
    sandbox = ProgramRunner

    def check(self, meta: Mapping[str, Any], place: str) -> None:
        for name in _TEXTS:
            if not isinstance(meta.get(name, ""), str):
                raise ValueError(f"{place}: field 'meta.{name}': expected a text, got {short(repr(meta[name]))}")
        entry = meta.get("entry_point", "")
        if entry and not entry.isidentifier():
            raise ValueError(f"{place}: field 'meta.entry_point': expected a name, got {short(repr(entry))}")
        tests = meta.get("tests")
        lines = [tests] if isinstance(tests, str) else tests
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines) or not "".join(lines).strip():
            raise ValueError(f"{place}: field 'meta.tests': expected a text or a list of lines, got {short(repr(tests))}")

    def wrong(self, problem: Problem, answer: str, compare: Compare) -> str:
        self.check(problem.meta, f"problem {problem.id!r}")
        tests = problem.meta["tests"]
        known = {name: problem.meta.get(name, "") for name in _TEXTS}
        return compare(json.dumps({**known, "tests": tests if isinstance(tests, str) else "\n".join(tests)}), answer)

    def grade(self, problem: Problem, text: str, step_format: StepFormat, compare: Compare) -> Grade:
        """Grades a response by the program that it states, however its steps are written."""
        program = program_of(text, problem.meta)
        note = "no answer" if program is None else self.wrong(problem, program, compare)
        return Grade(not note, program, note=note)
