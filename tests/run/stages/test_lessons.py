"""What training stages are given."""

from __future__ import annotations

import types

import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees_by_hand import followed_tree

from jorney import cli, storage
from jorney.batch.packing import Example
from jorney.policy import EMBEDDED, resolve
from jorney.run.stages.lessons import Lesson, as_many_tokens, read_examples
from jorney.text.step_format import ABEL
from jorney.text.tokenizer import load_tokenizer

EXAMPLES = st.lists(st.integers(1, 30).map(lambda n: Example((1,) * (n + 2), prompt=2)), min_size=1, max_size=8)


@given(EXAMPLES, EXAMPLES, st.integers(1, 500))
def test_as_many_tokens(own, more, wanted) -> None:
    found = as_many_tokens(own, more, wanted)
    sizes = [len(one.tokens) - 2 for one in found]
    assert wanted <= sum(sizes) < wanted + sizes[-1]
    # More leaves first, then all over again.
    pool = [*own, *more]
    assert found == [pool[i % len(pool)] for i in range(len(found))]


@pytest.fixture(scope="module")
def thoughts(tmp_path_factory: pytest.TempPathFactory) -> types.SimpleNamespace:
    """Derived from 40 trees, in the order of their ids."""
    folder = tmp_path_factory.mktemp("lessons")
    storage.write_jsonl(folder / "trees.jsonl", (followed_tree(number, alike=False).to_json() for number in range(100, 140)))
    command = [
        "derive",
        "--trees",
        str(folder / "trees.jsonl"),
        "--output",
        str(folder / "out"),
        "--derive.excursion",
        "always",
    ]
    assert cli.main(command) == 0
    return types.SimpleNamespace(folder=storage.path(folder / "out" / "thoughts"))


def _questions(tokenizer, thoughts, kind: str, limit: int | None, seed: int = 0, row_length: int = 512) -> list[str]:
    """What the examples of a lesson are about."""
    made = read_examples(tokenizer, ABEL, thoughts, Lesson(kind, limit=limit), row_length, seed)
    return [tokenizer.decode(one.tokens[: one.prompt]) for one in made]


def test_a_limit_draws_and_every_kind_learns_of_the_same_leaves(thoughts) -> None:
    tokenizer = load_tokenizer(resolve(EMBEDDED))
    whole = _questions(tokenizer, thoughts, "journey", None)
    assert len(set(whole)) == 40
    assert whole != sorted(whole)
    ten = _questions(tokenizer, thoughts, "journey", 10)
    assert ten == whole[:10], "more thoughts are those of fewer, and others"
    assert ten != _questions(tokenizer, thoughts, "journey", 10, seed=1)
    assert ten == _questions(tokenizer, thoughts, "shortcut", 10) == _questions(tokenizer, thoughts, "placebo", 10)
    with pytest.raises(ValueError, match="no journey fits in a row"):
        _questions(tokenizer, thoughts, "shortcut", None, row_length=40)


def test_matched_shortcuts_hold_as_many_tokens_as_the_journeys(thoughts) -> None:
    tokenizer = load_tokenizer(resolve(EMBEDDED))

    def tokens(kind: str) -> int:
        made = read_examples(tokenizer, ABEL, thoughts, Lesson(kind, limit=10), 512, 0)
        return sum(len(one.tokens) - one.prompt for one in made)

    assert tokens("shortcut") < tokens("journey") <= tokens("matched") < 1.1 * tokens("journey")
