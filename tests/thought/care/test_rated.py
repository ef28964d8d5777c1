"""Ratings by a model: read strictly, asked for again, and left out where there are none."""

from __future__ import annotations

import pytest

from jorney.thought.asked.asking import Unreadable
from jorney.thought.care.quality import Quality, rank
from jorney.thought.care.rated import rated_by, read_ratings
from jorney.thought.thought import Piece, Thought

GOOD = "Consistency: 10\n- completeness: 8/10\n**relevance:** 5.5\nredundancy: 0"


def _thought(text):
    return Thought(text, "q?", "1", "shortcut", 1, (Piece(text, "step", 1),))


def test_thoughts_are_rated_together_and_ranked() -> None:
    replies = {"good": [GOOD], "bad": ["hm", GOOD.replace(": 10\n", ": 2\n")], "mute": [None], "off": ["no"] * 2}
    rounds = []

    def ask(chats):
        rounds.append(len(chats))
        return [replies[chat[0]["content"].split()[-1]].pop(0) for chat in chats]

    thoughts = [_thought(name) for name in ("bad", "mute", "good", "off")]
    ranked = rank(thoughts, rated_by(ask, retries=1))
    assert rounds == [4, 2]
    assert [thought.id for thought, _ in ranked] == ["good", "bad"]
    assert ranked[0][1] == Quality(1.0, 0.8, 0.55, 1.0)
    assert ranked[1][1].q == pytest.approx(0.2 * 0.8 * 0.55)


@pytest.mark.parametrize("reply", ["", GOOD.replace(": 10\n", ": 11\n"), GOOD + "\nredundancy: 1", GOOD.replace("0", "none")])
def test_ratings_off_form(reply) -> None:
    with pytest.raises(Unreadable, match="expected one line"):
        read_ratings(reply)
