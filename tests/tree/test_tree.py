from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import random_tree

from jorney.tree.tree import from_json


@settings(max_examples=200)
@given(st.integers(0, 10_000))
def test_round_trip(seed) -> None:
    tree = random_tree(seed)
    assert from_json(json.loads(json.dumps(tree.to_json()))) == tree


def test_paths_and_children() -> None:
    tree = random_tree(7)
    for index, node in enumerate(tree.nodes[1:], start=1):
        path = tree.path(index)
        assert path[-1] == index
        assert tree.nodes[path[0]].parent == 0
        assert tree.level(index) == len(path)
        assert index in tree.children(node.parent)
    assert tree.path(0) == []
    siblings = [tree.nodes[child].sibling for child in tree.children(0)]
    assert siblings == sorted(siblings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.update(version=4), "version = 4: expected 3, or 1 or 2"),
        (lambda f: f.pop("answer"), "the field 'answer' is missing"),
        (lambda f: f.update(more=1), "the field 'more' is unknown"),
        (lambda f: f["nodes"][1].update(parent=5), "node 1: parent = 5: expected an index from 0 to 0"),
        (lambda f: f["nodes"][1].update(status="lost"), "node 1: status = 'lost'"),
        (lambda f: f["nodes"][1].update(rating="yes"), "node 1: rating = 'yes': expected int | None"),
        (lambda f: f["nodes"][1].update(rating=2), "node 1: rating = 2: expected 1, 0, -1 or null"),
        (lambda f: f["nodes"][1].update(rating=True), "node 1: rating = True: expected 1, 0, -1 or null"),
        (lambda f: f["nodes"][1].update(correct=True), "node 1: the field 'correct' is unknown"),
        (lambda f: f["nodes"][1].update(given=3), "node 1: given = 3: expected 0 to 2, its tokens"),
        (lambda f: f["nodes"][1].update(key=[1]), "node 1: key = (1,): expected two words of 32 bits"),
        (lambda f: f["nodes"][1].update(key=["a", 1]), "node 1: key holds 'a': expected tuple[int, ...] | None"),
        (lambda f: f["nodes"][1].update(score=float("nan")), "node 1: score = nan: expected a number"),
        (lambda f: f["nodes"][1].update(log_probs=[-1, float("inf")]), "node 1: log_probs holds inf"),
        (lambda f: f["nodes"].append({"parent": 0}), "sibling = 0: another child of node 0 has it"),
        (lambda f: f.update(step_format="prose"), "step_format = 'prose': expected one of abel, "),
        (lambda f: f["nodes"][1].update(sibling=True), "node 1: sibling = True: expected int"),
        (lambda f: f["nodes"][1]["tokens"].append(3), "node 1: 3 tokens, 2 log_probs"),
        (lambda f: f["nodes"][1].update(tokens=[1, -2]), "node 1: tokens holds -2: expected ids, 0 or more"),
        (lambda f: f["nodes"][1].update(sibling=-1), "node 1: sibling = -1, count = 1: expected 0 or more, and 1 or more"),
        (lambda f: f["nodes"][1].update(count=0), "node 1: sibling = 0, count = 0: expected 0 or more, and 1 or more"),
        (lambda f: f["nodes"][0].update(rating=5), "node 0: rating = 5: expected 1, 0, -1 or null"),
        (lambda f: f["nodes"][0].update(status="lost"), "node 0: status = 'lost': expected one of kept"),
        (lambda f: f["nodes"][0].update(score=float("inf")), "node 0: score = inf: expected a number"),
        (lambda f: f["nodes"][0].update(tokens=[1]), "node 0: 1 tokens, 0 log_probs"),
        (lambda f: f.update(generated_tokens=-1), "generated_tokens = -1: expected 0 or more"),
        (lambda f: f.update(nodes=[]), "node 0: expected the root"),
        (lambda f: f.update(nodes=[3]), "node 0: expected an object"),
    ],
)
def test_faults_are_named(change, message) -> None:
    fields = json.loads(json.dumps(random_tree(3).to_json()))
    fields["nodes"][1] |= {"tokens": [1, 2], "log_probs": [-1, -2]}
    change(fields)
    with pytest.raises(ValueError, match="tree 'tree-3': ") as error:
        from_json(fields)
    assert message in str(error.value)


def test_files_of_version_2_load_and_do_not_tell_what_was_given() -> None:
    tree = random_tree(3)
    fields = json.loads(json.dumps(tree.to_json()))
    fields["version"] = 2
    for node in fields["nodes"]:
        del node["given"]
    found = from_json(fields)
    assert [node.given for node in found.nodes] == [None if node.tokens else 0 for node in tree.nodes]
    assert None in [node.given for node in found.nodes]
    assert dataclasses.replace(found, nodes=tuple(dataclasses.replace(node, given=0) for node in found.nodes)) == tree
    assert from_json(json.loads(json.dumps(found.to_json()))) == found
