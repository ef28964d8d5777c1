"""Compares answers by DeepSeekMath's verdict in a process that can be killed."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from jorney.domain.worker import Worker

VERDICT_SECONDS = 15.0  # after which a comparison counts as wrong, as published


@dataclasses.dataclass
class DeepseekWorker(Worker):
    """Compares pairs of answers by `deepseek_equality`; the published limit of time stands, whatever others have.

    Answers are texts, or JSON lists of strings where a problem has several.
    """

    comparer: ClassVar[str] = "jorney.domain.deepseek_math.deepseek_equality"

    def __post_init__(self) -> None:
        self.timeout_seconds = VERDICT_SECONDS
