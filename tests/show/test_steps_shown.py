"""The steps of a level, one step with its siblings, and its tokens."""

from __future__ import annotations

import dataclasses
import math

import pytest
from inert import HOSTILE, Html
from trees_by_hand import followed_tree

from jorney.show import steps_shown, token_shading
from jorney.tree.tree import Node, Tree


def sampled(**fields) -> Tree:
    """A tree whose first step was sampled: three tokens, the first of which was given."""
    tree = followed_tree(0)
    first = {"text": "1. ab", "tokens": (5, 6, 7), "log_probs": (0.0, math.log(0.3), math.log(0.95)), "given": 1}
    one = dataclasses.replace(tree.nodes[1], **(first | fields))
    return dataclasses.replace(tree, nodes=(tree.nodes[0], one, *tree.nodes[2:]))


def test_a_level_lists_its_steps_by_parent():
    html = Html(steps_shown.level(followed_tree(0), 2, selected=5))
    assert [one["data-go"] for one in html.all("article")] == ["node:2", "node:5", "node:7"]
    assert [one["data-go"] for one in html.all("p", kind="after")] == ["node:1", "node:4"]
    assert [one["data-verdict"] for one in html.all("article")] == ["wrong", "right", "wrong"]
    assert [one["data-node"] for one in html.all("article", aria_current="true")] == ["5"]
    assert html.all("p", kind="facts")[0].text.startswith("Level 2: 3 steps.")
    assert all(one["tabindex"] == "0" for one in html.elements if "data-go" in one.attributes)


def test_a_long_level_has_pages():
    tree = Tree("t", "q", "a", "abel", (Node(None), *(Node(0, f"{i}. s", sibling=i) for i in range(25))))
    html = Html(steps_shown.level(tree, 1, page=1, many=10))
    assert [one["data-node"] for one in html.all("article")] == [str(node) for node in range(11, 21)]
    assert [one["data-go"] for one in html.all("button")] == ["page:0", "page:2"]
    assert "25 steps, page 2 of 3" in html.elements[0].text
    assert len(Html(steps_shown.level(tree, 1, page=99, many=10)).all("article")) == 5
    assert not Html(steps_shown.level(tree, 7)).all("article")


def test_siblings_are_marked_where_they_differ():
    html = Html(steps_shown.node(followed_tree(0), 5))
    assert html.elements[0].attributes["data-verdict"] == "right"
    (other,) = html.all("article")
    assert other["data-go"] == "node:7"
    assert [one.text for one in html.all("mark", kind="other")] == ["5", "25", "3", "25"]
    assert not Html(steps_shown.node(followed_tree(0), 5, marks=False)).all("mark")
    assert "data-go" not in Html(steps_shown.node(followed_tree(0), 5, go=False)).all("article")[0].attributes
    root = Html(steps_shown.node(followed_tree(0), 0))
    assert root.all("h3")[0].text == "The question"
    with pytest.raises(ValueError, match="node 8: expected a node of tree 'p0', from 0 to 7"):
        steps_shown.node(followed_tree(0), 8)


def test_tokens_are_shaded_behind_the_text():
    html = Html(token_shading.shaded(sampled().nodes[1], lambda ids: {5: "1.", 6: " a", 7: "b"}[ids[0]] and ["1.", " a", "b"]))
    assert [(one.text, one["class"], one["title"]) for one in html.all("span")] == [
        ("1.", "t given", "1: id 5, given"),
        (" a", "t p2", "2: id 6, p = 0.3"),
        ("b", "t p0", "3: id 7, p = 0.95"),
    ]


def failing(ids):
    raise KeyError(ids[0])


@pytest.mark.parametrize(
    "decode", [None, failing, lambda ids: ["1.", " a"], lambda ids: ["1.", " x", "b"], lambda ids: [1, 2, 3]]
)
def test_where_the_texts_of_tokens_do_not_fit_there_is_a_strip(decode):
    html = Html(token_shading.shaded(sampled().nodes[1], decode))
    assert [one["class"] for one in html.all("span")] == ["cell given", "cell p2", "cell p0"]
    assert html.elements[0]["aria-label"] == "3 tokens, the least likely: 2: id 6, p = 0.3"


def test_odd_log_probs_are_drawn():
    node = Node(0, "x", tokens=(1, 2, 3), log_probs=(-math.inf, math.nan, 0.5))
    assert [one["class"] for one in Html(token_shading.shaded(node)).all("span")] == ["cell p5", "cell p5", "cell p0"]
    assert token_shading.shaded(Node(0, "x")) == ""


def test_how_a_step_is_sampled_again():
    tree = sampled()
    tree = dataclasses.replace(tree, nodes=(*tree.nodes[:5], dataclasses.replace(tree.nodes[5], key=(12, 34)), *tree.nodes[6:]))
    html = Html(steps_shown.node(tree, 5))
    (again,) = html.all("details", kind="again")
    assert "[12, 34]" in again.text
    # Named after the parent: the problem's id, and the siblings' numbers down to it.
    assert "row_keys(seed, 'p0/1', w)[0]" in again.text
    assert "jorney expand --model MODEL --problems FILE --seed SEED --step-format abel" in again.text
    assert "No command samples one node alone" in again.text
    html = Html(steps_shown.node(tree, 5, command="jorney expand --model here"))
    assert "jorney expand --model here" in html.elements[0].text
    assert "MODEL" not in html.elements[0].text
    assert "no random key is known" in Html(steps_shown.node(tree, 4)).elements[0].text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_steps_are_inert(text):
    node = Node(0, text, (1, 2), (-1.0, -2.0), rating=1, justification=text, key=(1, 2), meta={text: text})
    tree = Tree(text, text, text, "abel", (Node(None), node, dataclasses.replace(node, sibling=1, text=f"{text} more")))
    for index in range(3):
        html = steps_shown.node(tree, index, lambda ids: [text, ""], command=text)
        Html(html)
        assert len(html) < 600_000
    Html(steps_shown.level(tree, 1))
