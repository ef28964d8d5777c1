"""What a row is, told by its fields alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TREE, THOUGHT, OUTPUT, EPISODE, ATTEMPTS = "tree", "thought", "output", "episode", "attempts"
PAIR, PROBLEM, LABELS, ROW = "pair", "problem", "labels", "row"
NAMES = {
    TREE: "trees",
    THOUGHT: "thoughts",
    OUTPUT: "outputs",
    EPISODE: "samples",
    ATTEMPTS: "attempts",
    PAIR: "pairs",
    PROBLEM: "problems",
    LABELS: "labelled solutions",
    ROW: "rows",
}

# The fields that a kind's rows have, the first that fits counts.
_FIELDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    (TREE, ("question", "nodes")),
    (THOUGHT, ("question", "pieces")),
    (PAIR, ("chosen", "rejected")),
    (EPISODE, ("sample", "text", "log_probs")),
    (OUTPUT, ("text", "correct")),
    (OUTPUT, ("problem", "sample", "right")),
    (ATTEMPTS, ("answers", "correct")),
    (LABELS, ("steps", "labels")),
    (PROBLEM, ("question", "answer")),
)


def kind_of(row: Mapping[str, Any]) -> str:
    """One of NAMES."""
    return next((kind for kind, fields in _FIELDS if all(name in row for name in fields)), ROW)
