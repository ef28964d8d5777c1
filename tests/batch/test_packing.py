"""Packing: every token once and in order, loss on completions alone, rows never ragged."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.batch.packing import Example, Packed, pack, plan

LENGTH = 12
EOS = 2


@st.composite
def example(draw, longest: int = LENGTH + 1) -> Example:
    tokens = draw(st.lists(st.integers(3, 99), min_size=1, max_size=longest - 1))
    return Example((*tokens, EOS), prompt=draw(st.integers(0, len(tokens))))


def unpack(packed: Packed) -> list[Example]:
    """The examples of all rows, read back from the segments alone."""
    found = []
    for row in range(len(packed)):
        fields = packed[row]
        for segment in range(1, fields["segment_ids"].max() + 1):
            (where,) = np.nonzero(fields["segment_ids"] == segment)
            assert (np.diff(where) == 1).all()
            np.testing.assert_array_equal(fields["positions"][where], np.arange(len(where)))
            tokens, targets = fields["tokens"][where], fields["targets"][where]
            np.testing.assert_array_equal(tokens[1:], targets[:-1])
            mask = fields["loss_mask"][where]
            # No loss, then loss: its first target is the completion's first token.
            assert sorted(mask) == list(mask)
            found.append(Example((int(tokens[0]), *map(int, targets)), prompt=len(where) + 1 - int(mask.sum())))
    return found


@settings(max_examples=100)
@given(st.lists(example(), min_size=1, max_size=12), st.integers(1, 4))
def test_every_example_is_there_once_with_loss_on_its_completion(examples, rows_multiple):
    packed = pack(examples, LENGTH, rows_multiple)
    # A prompt of no token loses nothing: what is predicted begins with the second token all the same.
    expected = [Example(one.tokens, max(1, one.prompt)) for one in examples]
    assert sorted(unpack(packed), key=repr) == sorted(expected, key=repr)

    assert len(packed) % rows_multiple == 0
    assert len(packed) - len(plan([len(one.tokens) - 1 for one in examples], LENGTH)) < rows_multiple
    padding = packed.segment_ids == 0
    for name in ("tokens", "targets", "positions", "loss_mask"):
        array = getattr(packed, name)
        assert array.shape == (len(packed), LENGTH)
        assert array.dtype == np.int32
        assert not array[padding].any()
    assert packed.padding == pytest.approx(1 - sum(len(one.tokens) - 1 for one in examples) / (len(packed) * LENGTH))


def test_two_examples_in_a_row_by_hand():
    packed = pack([Example((1, 10, 11, 12, EOS), prompt=3), Example((1, 20, EOS), prompt=1)], 8)
    assert packed[0]["tokens"].tolist() == [1, 10, 11, 12, 1, 20, 0, 0]
    assert packed[0]["targets"].tolist() == [10, 11, 12, EOS, 20, EOS, 0, 0]
    assert packed[0]["positions"].tolist() == [0, 1, 2, 3, 0, 1, 0, 0]
    assert packed[0]["segment_ids"].tolist() == [1, 1, 1, 1, 2, 2, 0, 0]
    # eos bears loss, the prompt's tokens do not.
    assert packed[0]["loss_mask"].tolist() == [0, 0, 1, 1, 1, 1, 0, 0]


def test_silent_tokens_and_labels_by_hand():
    first = Example((1, 10, 11, 12, 13, EOS), prompt=2, silent=(3,), labels=((2, 1.0), (4, 0.25)))
    packed = pack([first, Example((1, 20, EOS), prompt=1)], 8)
    assert packed[0]["targets"].tolist() == [10, 11, 12, 13, EOS, 20, EOS, 0]
    assert packed[0]["loss_mask"].tolist() == [0, 1, 0, 1, 1, 1, 1, 0]
    assert packed.labels is not None
    assert packed.labels[0].tolist() == [-1, -1, 1.0, -1, 0.25, -1, -1, -1]
    assert "labels" not in pack([Example((1, 20, EOS), prompt=1)], 8)[0]
    with pytest.raises(ValueError, match="example 0 has a label at its last token"):
        pack([Example((1, 20, EOS), prompt=1, labels=((2, 1.0),))], 8)


@settings(max_examples=100)
@given(st.lists(st.integers(1, LENGTH), min_size=1, max_size=40))
def test_no_two_rows_would_fit_in_one(lengths):
    rows = plan(lengths, LENGTH)
    assert sorted(index for row in rows for index in row) == list(range(len(lengths)))
    fills = sorted(sum(lengths[index] for index in row) for row in rows)
    assert fills[-1] <= LENGTH
    assert len(fills) == 1 or fills[0] + fills[1] > LENGTH
    assert plan(list(lengths), LENGTH) == rows


@pytest.mark.parametrize("seed", range(5))
def test_little_is_left_empty(seed):
    rng = random.Random(seed)
    lengths = [min(4096, int(rng.lognormvariate(6.0, 0.6))) for _ in range(2000)]
    rows = plan(lengths, 4096)
    # No plan has fewer rows than fit when nothing at all is left empty.
    assert len(rows) <= math.ceil(sum(lengths) / 4096) + 1


@pytest.mark.parametrize(("tokens", "count"), [((1, EOS), 2), ((5,), 1), ((), 0), ((1,) * 14, 14)])
def test_what_does_not_fit_is_named_by_its_index(tokens, count):
    examples = [Example((1, 5, EOS)), Example((1,) * (LENGTH + 1)), Example(tokens)]
    if count == 2:
        assert len(pack(examples, LENGTH)) == 2
        return
    with pytest.raises(ValueError, match=f"example 2 has {count} tokens: expected 2 to 13"):
        pack(examples, LENGTH)


def test_nothing_to_pack_raises():
    with pytest.raises(ValueError, match="there are no examples"):
        pack([], LENGTH)
