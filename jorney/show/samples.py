"""What the models wrote for a handful of problems, and how text that nobody has vetted is made fit to show."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class SampleOutput:
    """One model's output for one problem.

    Attributes:
      text: as generated.
      correct: what the grader said.
      note: the grader's reason, if any: "17 is not 24".
    """

    text: str
    correct: bool
    note: str = ""


@dataclasses.dataclass(frozen=True)
class Sample:
    """One problem and what each model wrote for it.

    Attributes:
      outputs: by the models' names in the report, in the order to be shown.
      group: what it has in common with those before and after it, in a sentence.
    """

    question: str
    answer: str
    outputs: dict[str, SampleOutput]
    group: str = ""


# Control characters become the pictures Unicode has for them, so that one sees that a model wrote them: in a page NUL is an
# error, in a terminal ESC is a command. Lone surrogates, which cannot be encoded, become the replacement character.
_VISIBLE = {code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"}
_VISIBLE |= {0x7F: 0x2421} | dict.fromkeys([*range(0x80, 0xA0), *range(0xD800, 0xE000)], 0xFFFD)


def visible(text: str) -> str:
    """The text with `\\n` as its only line end and with nothing in it that a reader could not see or a file not hold."""
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_VISIBLE)
