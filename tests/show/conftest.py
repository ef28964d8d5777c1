"""A report of the size a quickstart writes, and hostile samples."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from jorney.show import Sample, SampleOutput

REPORT: dict[str, Any] = {
    "name": "quickstart",
    "seed": 0,
    "problems": {"train": 10000, "test": 1000},
    "models": {
        "base": {
            "accuracy": 0.003,
            "n": 1000,
            "ci_low": 0.00102,
            "ci_high": 0.00879,
            "mean_tokens": 88.42,
            "token_limit": 160,
            "true_equations": 0.991,
        },
        "sft_phase1": {
            "accuracy": 0.413,
            "n": 1000,
            "ci_low": 0.3829,
            "ci_high": 0.4438,
            "mean_tokens": 1061.7,
            "token_limit": 2048,
            "true_equations": 0.9834,
        },
    },
    "comparisons": [{"a": "sft_phase1", "b": "base", "difference": 0.41, "mcnemar_p": 1e-60, "only_a": 412, "only_b": 2}],
    "training": {
        "sft_phase1": {
            "steps": 156,
            "examples": 10000,
            "tokens": 1600000,
            "completion_tokens": 512000,
            "padding": 0.021,
            "curve": [[1, 2.5, 0.3], [78, 0.6, 0.8], [156, 0.35, 0.9]],
        }
    },
    "environment": {"jorney": "0.1.0", "jax": "0.10.2", "devices": "1 x cpu", "python": "3.11.7", "git": "abc123"},
    "seconds": {"problems": 1.0, "evaluate_base": 30.1, "sft_phase1": 100.3, "evaluate_sft_phase1": 28.0},
}


@pytest.fixture
def report() -> dict[str, Any]:
    return copy.deepcopy(REPORT)


@pytest.fixture
def samples() -> list[Sample]:
    solution = "1. 12 - 9 = 3 (left: 3, 3, 4)\n2. 3 + 3 = 6 (left: 4, 6)\n3. 4 * 6 = 24 (left: 24)\n#### 24"
    hostile = (
        '</pre></div><script>alert("1 & 2")</script>\n```\n# Not a heading\n````\n<img src=http://example.com/x>\x1b[2J\x00'
    )
    return [
        Sample(
            question="Make 24 from 3, 4, 9 and 12.",
            answer="24",
            outputs={"base": SampleOutput("", False, "no answer"), "sft_phase1": SampleOutput(solution, True)},
        ),
        Sample(
            question="What is <b>1 & 1</b>?\n```\n# Nor this",
            answer="2 | <i>*two*</i>",
            outputs={"base": SampleOutput(hostile, False, "<script>17</script> is not `24`\n# 24")},
        ),
    ]
