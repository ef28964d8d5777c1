"""One page of a selection: whole, inert, the same each time; and the style sheets of page and component."""

from __future__ import annotations

import re

import pytest
from inert import HOSTILE, Html
from random_trees import random_tree
from trees_by_hand import followed_tree

from jorney.domain.problem import Problem
from jorney.show import selection_page
from jorney.show.output_shown import Response
from jorney.show.style import CSS
from jorney.show.tree_folding import Folding
from jorney.show.view_style import COMPONENT_CSS, SELECTION_CSS
from jorney.thought.thought import Piece, Thought
from jorney.tree.tree import Node, Tree

THOUGHT = Thought("p0", "q", "20", "journey", 1, (Piece("1. a\n", "step", 1), Piece("#### 20", "conclusion", 1)))


def test_a_page_of_everything():
    trees, thoughts = [followed_tree(0), random_tree(3)], [(THOUGHT, THOUGHT), THOUGHT]
    page = selection_page.html("Mine & yours", trees, thoughts, [Response("4", Problem("p", "q", "4"), True)], "From a run.")
    html = Html(page)
    assert html.all("h1")[0].text == "Mine & yours"
    assert html.all("p", kind="lead")[0].text == "2 trees, 2 thoughts, 1 output"
    assert [one.text for one in html.all("h2")] == ["Trees", "Thoughts", "Outputs"]
    assert "From a run." in page
    assert not html.all("footer")
    ids = [one["id"] for one in html.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    # Every link of a drawing or a list leads to a place of this page.
    assert {one["href"][1:] for one in html.all("a")} <= set(ids)
    assert len(html.all("svg")[0].text) > 0
    assert not [one for one in html.elements if "data-go" in one.attributes]
    assert "default-src 'none'" in page
    again = selection_page.html("Mine & yours", trees, thoughts, [Response("4", Problem("p", "q", "4"), True)], "From a run.")
    assert again == page


def test_nothing_selected():
    assert "Nothing was selected." in selection_page.html("Empty")


def test_large_trees_are_folded_and_say_so():
    nodes = [Node(None), *(Node(0, "s", sibling=i, rating=1, status="kept" if i < 9 else "pruned") for i in range(400))]
    page = selection_page.html("t", [Tree("t", "q", "a", "abel", tuple(nodes))])
    assert "391 steps are folded away" in page
    assert "The 9 steps that are drawn" in page
    assert len(Html(page).all("a", kind="at")) == 10
    whole = selection_page.html("t", [Tree("t", "q", "a", "abel", tuple(nodes))], folding=Folding("all"))
    assert len(Html(whole).all("a", kind="at")) == 401


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_selections_are_inert(text):
    tree = Tree(text, text, text, "abel", (Node(None), Node(0, text, justification=text)))
    thought = Thought(text, text, text, "shortcut", 1, (Piece(text, "step", 1),), text, text)
    shown = Response(text, Problem(text, text, text), False, text, text, {}, text)
    Html(selection_page.html(text, [tree], [thought], [shown], text))


def test_the_style_sheets_load_nothing():
    for css in (CSS, SELECTION_CSS, COMPONENT_CSS):
        assert "@import" not in css
        assert "url(" not in css
        assert css.count("{") == css.count("}")
        assert "</" not in css
    assert ":root" not in COMPONENT_CSS
    assert not re.search(r"(?m)^(html|body|main)\b", COMPONENT_CSS)
    used = set(re.findall(r"var\(--([\w-]+)\)", COMPONENT_CSS))
    assert used <= set(re.findall(r"--([\w-]+):", COMPONENT_CSS))
