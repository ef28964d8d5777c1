"""The `Problem` record."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any


@dataclasses.dataclass(frozen=True)
class Problem:
    """A question with a known answer.

    Attributes:
      id: unique within its set; sampling keys and the resuming of stages hang on it.
      question: the text that the step format's prompt template is filled with.
      answer: the known final answer, as text; "" where none is ("open").
      solution: a worked solution in the step format's form, where the set has one.
      verifier: how an answer is checked: "math" (equal by its type, see `domain.reading`), "countdown" (exact), "code" (a
        program, by tests) or another domain's name.
      meta: what the verifier or an analysis needs beyond this; JSON values only.
    """

    id: str
    question: str
    answer: str
    solution: str | None = None
    verifier: str = "math"
    meta: dict[str, Any] = dataclasses.field(default_factory=dict)


def hash_id(question: str) -> str:
    """An id made of the question alone."""
    return hashlib.blake2b(question.encode(), digest_size=8).hexdigest()
