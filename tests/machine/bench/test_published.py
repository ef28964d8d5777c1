"""Published rates, and our own count of what they amount to."""

from __future__ import annotations

import pytest

from jorney.machine.bench import published
from jorney.machine.bench.published import PUBLISHED


def test_the_bound_of_a_published_run_and_the_share_that_it_reached() -> None:
    """MaxText's Llama-3.1-8B on v6e: its authors state 7,207 tokens/s/chip, 45.5% MFU counting full attention; 40.4% causal."""
    maxtext = PUBLISHED[0]
    assert maxtext.rate / maxtext.bound("full") == pytest.approx(0.455, abs=0.001)
    assert maxtext.rate / maxtext.bound("causal") == pytest.approx(0.404, abs=0.001)
    assert maxtext.bound("causal") == pytest.approx(17_840, rel=0.001)
    assert maxtext.describe() == (
        "MaxText, llama-3.1-8b, training at 8,192 tokens, v6e: 7,207 tokens/s/chip, 40.4% of 17,835 (MFU causal; full 45.5%)"
    )


def test_a_rate_of_decoding_has_no_such_bound() -> None:
    assert PUBLISHED[1].bound() is None
    assert PUBLISHED[1].describe() == "JetStream, llama-2-7b, decoding in bfloat16 on v5e-8, v5e: 458 tokens/s/chip"


def test_a_chip_is_told_what_was_published_for_it() -> None:
    assert published.of_device("TPU v6 lite") == [PUBLISHED[0]]
    assert published.of_device("TPU v5 lite") == [PUBLISHED[1]]
    assert published.of_device("cpu") == []
