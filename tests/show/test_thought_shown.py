"""Thoughts to be read: where pieces lead, what is marked, and which steps of a draft its refinement lost."""

from __future__ import annotations

import dataclasses

import pytest
from inert import HOSTILE, Html
from trees_by_hand import followed_tree

from jorney.show import thought_shown
from jorney.thought.thought import Piece, Thought, Turn

PIECES = (
    Piece("1. 5 * 9 = 45 (left: 3, 4, 45)\n", "excursion", 1),
    Piece("Wait, 45 is far. Go back to 3, 4, 5, 9.\n", "reflection", 1, 0),
    Piece("1. 9 - 4 = 5 (left: 3, 5, 5)\n", "step", 4),
    Piece("2. 3 * 5 = 15 (left: 5, 15)\n", "step", 5),
    Piece("#### 20", "conclusion", 6),
)
JOURNEY = Thought("p0", "Make 20.", "20", "journey", 6, PIECES)
SHORTCUT = dataclasses.replace(JOURNEY, kind="shortcut", pieces=PIECES[2:])


def test_pieces_lead_to_their_nodes():
    html = Html(thought_shown.walk(JOURNEY, selected=1, tree=followed_tree(0)))
    assert [(one["class"], one["data-of"]) for one in html.all("div", kind="piece")] == [
        ("piece excursion off", "1"),
        ("piece reflection off", "1"),
        ("piece step", "4"),
        ("piece step", "5"),
        ("piece conclusion", "6"),
    ]
    leads = [one["data-go"] for one in html.elements if "data-go" in one.attributes]
    assert leads == ["node:1", "node:1", "node:0", "node:4", "node:5", "node:6"]
    (back,) = html.all("button")
    assert (back.text, back["data-go"]) == ("↩ (0,0)", "node:0")
    assert len(html.all("div", aria_current="true")) == 2
    assert "(2,1)" in html.all("div", data_of="5")[0].text
    still = Html(thought_shown.walk(JOURNEY, go=False))
    assert not [one for one in still.elements if "data-go" in one.attributes or one.tag == "button"]


def test_thoughts_of_dialogues_lead_to_turns_and_old_ones_nowhere():
    turns = (Turn("question", "q"), Turn("proposer", "p"), *(Turn("critic", "c"),) * 6)
    talk = dataclasses.replace(JOURNEY, construction="propose-critique", turns=turns)
    assert Html(thought_shown.walk(talk)).all("button")[0]["data-go"] == "turn:0"
    old = dataclasses.replace(JOURNEY, pieces=tuple(Piece(piece.text, piece.kind) for piece in PIECES))
    assert not [one for one in Html(thought_shown.walk(old)).elements if "data-go" in one.attributes]


def test_a_journey_beside_its_shortcut():
    html = Html(thought_shown.side_by_side(JOURNEY, SHORTCUT, selected=4))
    assert [one.text for one in html.all("p", kind="caption")] == ["The journey", "Its shortcut"]
    assert len(html.all("div", aria_current="true")) == 2
    assert len(Html(thought_shown.side_by_side(JOURNEY, None)).all("div", kind="walk")) == 1


def test_steps_that_a_refinement_lost():
    first, second, third = "5 * 9 = 45 (left: 3, 4, 45)", "9 - 4 = 5 (left: 3, 5, 5)", "3 * 5 = 15 (left: 5, 15)"
    tree = followed_tree(0)
    for told in (None, tree):

        def fates(text, told=told):
            return [one.fate for one in thought_shown.fates(JOURNEY, text, told)]

        assert fates(f"Try {first}. No. {second}, then {third}. #### 20") == ["kept", "kept", "kept"]
        assert fates(f"{second}, then {third}") == ["lost", "kept", "kept"]
        assert fates(f"{first} {third} {second}") == ["kept", "kept", "moved"]
        assert fates("") == ["lost"] * 3


def test_a_draft_beside_its_refinement():
    refined = dataclasses.replace(
        JOURNEY, refiner="a model", pieces=(Piece(JOURNEY.text.replace("3 * 5", "5 * 3"), "connective"),)
    )
    html = Html(thought_shown.draft_and_refinement(JOURNEY, refined))
    assert html.all("p", kind="facts")[0].text == "3 steps in the draft: 2 kept word for word and in order, 1 lost."
    (lost,) = html.all("div", data_lost="lost")
    assert lost["data-piece"] == "3"
    assert "lost: not in the refinement" in lost.text
    assert {one.above[-1].tag for one in html.all("mark", kind="gone")} == {"bdi"}
    assert html.all("mark", kind="new")
    assert [one["data-go"] for one in html.elements if "data-go" in one.attributes] == [f"node:{n}" for n in (1, 1, 4, 5, 6)]
    same = Html(thought_shown.draft_and_refinement(JOURNEY, JOURNEY.text))
    assert not same.all("mark")
    assert "3 kept" in same.all("p", kind="facts")[0].text


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_thoughts_are_inert(text):
    pieces = tuple(
        Piece(text + "\n", kind, 1, 0 if kind == "reflection" else None) for kind in ("step", "excursion", "reflection")
    )
    thought = Thought(text, text, text, "journey", 1, pieces, text, text)
    Html(thought_shown.walk(thought, 1, followed_tree(0)))
    Html(thought_shown.side_by_side(thought, thought))
    for other in (text, f"{text} more", dataclasses.replace(thought, pieces=pieces[1:])):
        Html(thought_shown.draft_and_refinement(thought, other, followed_tree(0)))
