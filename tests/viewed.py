"""A small run to look at: trees with hostile ones among them, thoughts, outputs of two models, a training."""

from __future__ import annotations

import errno
import json
import os
import pathlib

import pytest
from inert import HOSTILE
from trees_by_hand import followed_tree

from jorney import storage
from jorney.domain import domains
from jorney.thought.derive import DeriveConfig, shortcuts, walk
from jorney.thought.refine import RefineConfig, compose
from jorney.thought.thought import Thought
from jorney.tree.tree import Node, Tree

LONG = "a step that goes on " * 5_000  # 100 kB


def tree(number: int) -> Tree:
    return followed_tree(number)


def hostile_tree(number: int, text: str) -> Tree:
    """A tree in which every text is hostile."""
    nodes = (
        Node(None),
        Node(0, f"1. {text}", rating=1, score=0.5, justification=text),
        Node(1, f"2. {text}\n#### {text}", rating=-1, score=0.1, justification=text, status="leaf-wrong"),
        Node(1, f"2. {text}", sibling=1, status="pruned"),
    )
    return Tree(f"hostile-{number} {text[:20]}", text, text[:100], "abel", nodes, meta={"level": text[:20]})


def hostile_trees() -> list[Tree]:
    return [hostile_tree(number, text) for number, text in enumerate((*HOSTILE, LONG))]


def journey(of: Tree) -> Thought:
    """Its journey, by way of the step that was followed to where it fails."""
    visits = walk(of, shortcuts(of, 1)[0], DeriveConfig(), 0)
    return compose(of, visits, "journey", domains.state, RefineConfig(), 0)


def run(folder: pathlib.Path) -> pathlib.Path:
    """Writes the run; returns its folder."""
    trees = [tree(number) for number in range(12)] + hostile_trees()
    folder.mkdir(parents=True)
    append(folder / "trees.jsonl", *(one.to_json() for one in trees))
    storage.write_jsonl(folder / "journey.jsonl", [journey(one).to_json() for one in trees[:12]])
    for name, right in (("evaluate_a", lambda n: n % 2 == 0), ("evaluate_b", lambda n: n % 3 == 0)):
        (folder / name / "parts").mkdir(parents=True)
        for n, one in enumerate(trees):
            said = f"{name} {n}: Wait. {one.question}"
            row = {"id": one.id, "correct": right(n), "tokens": n, "finished": True, "answer": one.answer, "text": said}
            append(folder / name / "parts" / "000000000-a.jsonl", {**row, "note": one.question[:50]})
    metrics = [{"step": step, "loss": 1 / step, "accuracy": step / 40} for step in range(1, 41)]
    storage.write_jsonl(folder / "sft" / "training" / "metrics" / "00000040.jsonl", metrics)
    return folder


def append(file: pathlib.Path, *rows: object) -> None:
    with open(file, "a", encoding="utf-8") as out:
        out.writelines(one if isinstance(one, str) else json.dumps(one) + "\n" for one in rows)


def lock(patched: pytest.MonkeyPatch, *folders: pathlib.Path) -> None:
    """Makes folders such as may not be looked into; root may look into all of a disk's."""
    listed = os.listdir

    def listdir(place: str) -> list[str]:
        if pathlib.Path(place) in folders:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), os.fspath(place))
        return listed(place)

    patched.setattr(os, "listdir", listdir)
