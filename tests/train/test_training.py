"""What a training begins with."""

from __future__ import annotations

import pytest

from jorney.batch.packing import Example
from jorney.train import training
from jorney.train.objectives.sft import SftConfig

SFT = SftConfig(batch_rows=8, row_length=32, head_chunk=32)


@pytest.mark.parametrize(
    ("config", "example"),
    [
        (SFT, Example((1, 2, 3), prompt=3)),
        (SFT, Example((1, 2, 3, 4), prompt=2, silent=(2, 3))),
        (SFT, Example((5, 6), prompt=2)),
        (SFT, Example((1, 2, 3), prompt=1, silent=(1, 2))),
    ],
)
def test_a_training_without_a_token_to_learn_is_refused(policy, config, example: Example) -> None:
    with pytest.raises(ValueError, match=f"{config.name}: none of 9 examples has a token to learn"):
        training.prepare(policy, [example] * 9, config, 0)


def test_one_example_with_a_token_is_enough(policy) -> None:
    training.prepare(policy, [Example((1, 2, 3), prompt=3), Example((1, 2, 3), prompt=2)], SFT, 0)
