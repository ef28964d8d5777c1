"""Results as people read them."""

from __future__ import annotations

import pytest

from jorney.progress import Progress
from jorney.run.results import figure, show, told


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("accuracy", 0.4567, "45.7%"),
        ("naive_accuracy", 1.0, "100.0%"),
        ("mean_tokens", 115.68, "115.7 tokens"),
        ("token_limit", 1024, "1,024"),
        ("seconds", 3.14159, "3.142 s"),
        ("steps", 12345, "12,345"),
        ("loss", 0.25, "0.25"),  # between 0 and 1, and no share
        ("judge", "verifier", "verifier"),
        ("early", True, "True"),
    ],
)
def test_a_figure_has_its_unit(name: str, value: object, expected: str) -> None:
    assert figure(name, value).startswith(expected)


def test_a_result_is_a_table(capsys) -> None:
    outcomes = {"right": 7, "no answer, cut at the limit": 1}
    result = {"accuracy": 0.875, "n": 8, "outcomes": outcomes, "ci_low": 0.529, "ci_high": 0.978, "curve": [[1, 2.0, None]]}
    assert list(told(result)) == [
        ("accuracy", "87.5% (52.9% to 97.8%, 95% interval)"),
        ("problems", "8"),
        ("  right", "7"),
        ("  no answer, cut at the limit", "1"),
    ]
    show(result, Progress())
    lines = capsys.readouterr().out.splitlines()
    assert [line.rstrip().endswith(end) for line, end in zip(lines, ("interval)", "8", "7", "1"), strict=True)] == [True] * 4
    assert max(map(len, lines)) <= 80
