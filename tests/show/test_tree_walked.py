"""The drawing of a tree that is walked: what nodes lead to, their neighbours, what is folded; and that the picture stays."""

from __future__ import annotations

import dataclasses
import time

import pytest
from inert import HOSTILE, Html
from random_trees import random_tree
from trees_by_hand import followed_tree

from jorney.show import node_words
from jorney.show.tree_drawing import Drawn, draw
from jorney.show.tree_folding import Folding
from jorney.tree.rerate import JUDGED
from jorney.tree.tree import Node, Tree


def nodes_of(html: str) -> dict[int, dict[str, str]]:
    return {int(one["data-node"]): one.attributes for one in Html(html).all("g") if "data-node" in one.attributes}


def test_nodes_say_their_neighbours():
    found = nodes_of(draw(followed_tree(0), Drawn(Folding(selected=2))))
    moves = ("parent", "child", "previous", "next", "wrong")
    near = {node: tuple(one.get(f"data-{name}") for name in moves) for node, one in found.items()}
    assert near == {
        0: (None, "1", None, None, "1"),
        1: ("0", "2", None, "4", "2"),
        4: ("0", "5", "1", None, "2"),
        2: ("1", "3", None, "5", "7"),
        5: ("4", "6", "2", "7", "7"),
        7: ("4", None, "5", None, "3"),
        3: ("2", None, None, "6", "1"),
        6: ("5", None, "3", None, "1"),
    }
    assert all(one["data-go"] == f"node:{node}" and one["role"] == "button" for node, one in found.items())
    # One stop for the Tab key; arrows move on from there.
    assert [node for node, one in found.items() if one["tabindex"] == "0"] == [2]
    assert [node for node, one in found.items() if "aria-current" in one] == [2]
    assert [node for node, one in found.items() if "ghost" in one["class"]] == [1, 2, 7, 3]


def test_the_selected_node_and_its_path_are_marked():
    html = Html(draw(followed_tree(0), Drawn(Folding(selected=5))))
    assert len(html.all("line", kind="path")) == 2
    assert [one["class"] for one in html.all("circle", kind="ring")] == ["ring on-path", "ring on-path", "ring selected"]
    assert not Html(draw(followed_tree(0), Drawn())).all(kind="ring")


def test_what_is_folded_is_counted_and_can_be_unfolded():
    tree = followed_tree(0)
    html = Html(draw(tree, Drawn(Folding("beam"))))
    assert [(one["data-go"], one["aria-label"]) for one in html.all("g", kind="stub")] == [
        ("unfold:0", "3 steps below are folded away"),
        ("unfold:4", "1 step below is folded away"),
    ]
    assert html.elements[0]["aria-label"].startswith("A tree of 7 steps, 3 levels deep. 4 steps are folded away")
    html = Html(draw(tree, Drawn(Folding("beam", unfolded={0}))))
    assert {one["data-go"] for one in html.all("g", kind="stub")} == {"unfold:1", "unfold:4", "fold:0"}


def test_titles_and_counts():
    tree = followed_tree(0)
    one = dataclasses.replace(tree.nodes[1], count=3, tokens=(7, 8, 9), log_probs=(0.0, -0.5, -1.5), given=1)
    meta = {**tree.meta, JUDGED: {"by": "x", "before": [1] * 7}}
    tree = dataclasses.replace(tree, nodes=(tree.nodes[0], one, *tree.nodes[2:]), meta=meta)
    title = next(one.text for one in Html(draw(tree, Drawn())).all("title") if "45" in one.text)
    assert title.splitlines()[:2] == [
        "1. 5 * 9 = 45 (left: 3, 4, 45)",
        "Judged: wrong · Judged before: right (changed) · Score: 0 · Then: expanded, on an excursion · Sampled: 3 times · "
        "Tokens: 2 · Mean log-prob: -1.000",
    ]
    assert [one.text for one in Html(draw(tree, Drawn())).all("text", kind="count")] == ["×3"]


@pytest.mark.parametrize("before", [None, [], [1] * 6, ["1"] * 7, {"a": 1}, [True] * 7, [2] * 7, 3])
def test_an_earlier_judge_that_does_not_fit_is_left_out(before):
    tree = dataclasses.replace(followed_tree(0), meta={JUDGED: {"before": before}})
    assert node_words.Told.of(tree).before is None
    assert node_words.Told.of(dataclasses.replace(tree, meta={JUDGED: before})).before is None


def test_links_need_no_script():
    html = Html(draw(followed_tree(0), Drawn(link="t1-")))
    assert [one["href"] for one in html.all("a")] == [f"#t1-{node}" for node in (0, 1, 4, 2, 5, 7, 3, 6)]
    assert not [one for one in html.elements if any(name.startswith("data-") for name in one.attributes)]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_trees_are_inert(text):
    node = Node(0, text, rating=1, justification=text, status="leaf-correct")
    tree = Tree(text, text, text, "abel", (Node(None), node))
    for drawn in (Drawn(), Drawn(Folding("best", selected=1)), Drawn(link="a-")):
        html = draw(tree, drawn)
        Html(html)
        assert len(html) < 10_000


def test_three_hundred_nodes_are_fast_and_deep_trees_are_drawn():
    nodes = [Node(None)]
    nodes += [
        Node((i - 1) // 3, f"{i}. a step", (1,) * 14, (-0.3,) * 14, i % 3, rating=(1, -1, 0)[i % 3]) for i in range(1, 301)
    ]
    tree = Tree("t", "q", "a", "abel", tuple(nodes))
    times = []
    for _ in range(3):
        begin = time.process_time()
        html = draw(tree, Drawn())
        times.append(time.process_time() - begin)
    assert len(nodes_of(html)) == 301
    assert min(times) < 0.05
    deep = Tree("deep", "q", "a", "abel", (Node(None), *(Node(i, "s", rating=1) for i in range(3_000))))
    assert draw(deep).count("<g>") == 3_001
    assert draw(deep, Drawn(Folding(selected=3_000))).count('class="at"') == 3_001


@pytest.mark.parametrize("seed", range(5))
def test_parents_stand_over_the_middle_of_their_children(seed):
    tree = random_tree(seed)
    html = Html(draw(tree, Drawn(Folding("all"))))
    place = {}
    for one in html.all("text"):
        if one.above[-1].tag == "g" and "data-node" in one.above[-1].attributes:
            place[int(one.above[-1]["data-node"])] = float(one["x"])
    assert len(place) == len(tree.nodes)
    for node in place:
        if own := tree.children(node):
            assert place[node] == pytest.approx((place[own[0]] + place[own[-1]]) / 2)
            assert [place[child] for child in own] == sorted(place[child] for child in own)
