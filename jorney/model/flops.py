"""How many floating-point operations a model's forward and training step take, counted by hand.

XLA's own count takes the body of a scan once and knows nothing of custom kernels. A multiplication and an addition are two
operations; only matrix products are counted, as is usual (PaLM, arXiv 2204.02311, appendix B).

Two conventions for attention: "full" counts every query with every key of its row, as most published figures do; "causal"
counts what causal attention needs, about half.
"""

from __future__ import annotations

import dataclasses
import math

from jorney.model import lora as adapters
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.lora import LoraConfig

CONVENTIONS = ("full", "causal")


@dataclasses.dataclass(frozen=True)
class RowShape:
    """What one row of a batch asks of a model.

    Attributes:
      positions: tokens and padding that go through the layers.
      pairs: {convention: query-key pairs of its attention}.
    """

    positions: int
    pairs: dict[str, int]


def packed_row(T: int) -> RowShape:
    """A row of T positions. Segments in it are not counted apart."""
    return RowShape(T, {"full": T * T, "causal": T * (T + 1) // 2})


def group_row(P: int, L: int, branches: int) -> RowShape:
    """A prompt of P positions, and so many completions of L that read it."""
    full = P * P + branches * L * (P + L)
    return RowShape(P + branches * L, {"full": full, "causal": P * (P + 1) // 2 + branches * (L * P + L * (L + 1) // 2)})


def forward(config: ModelConfig, row: RowShape, rows: float, read_out: float, convention: str) -> float:
    """Operations of a forward on `rows` rows whose head is read at `read_out` positions in all."""
    # Scores and the sum of values: two products over H for each head and pair.
    attention = 2 * config.layers * config.heads * config.head_dim * row.pairs[convention] * rows
    return 2 * (_layers(config) * row.positions * rows + attention + _head(config) * read_out)


def _layers(config: ModelConfig) -> int:
    """Weights of the layers' matrices."""
    return sum(
        math.prod(parameters.full_shape(config, one))
        for one in parameters.table(config).values()
        if one.stacked and len(one.shape) > 1 and not one.path[-1].endswith("_bias")
    )


def _head(config: ModelConfig) -> int:
    """Weights of the head's matrices; a tied head is the embedding."""
    D = config.embed
    return {"lm": config.vocab_size * D, "linear": D * config.labels, "mlp": D * D + D * config.labels}[config.head]


def training(
    config: ModelConfig,
    row: RowShape,
    rows: float,
    read_out: float,
    convention: str,
    lora: LoraConfig | None = None,
) -> float:
    """Operations of forward and backward: three forwards. What a remat policy computes again does not count.

    Args:
      lora: where adapters alone are trained: no frozen weight has a gradient, which is a third of its products; those of the
        adapters are added.
    """
    whole = 3 * forward(config, row, rows, read_out, convention)
    if lora is None or not lora.rank:
        return whole
    frozen = _layers(config) * row.positions * rows + (_head(config) * read_out if config.head == "lm" else 0)
    return whole - 2 * frozen + 6 * adapters.in_layers(config, lora) * row.positions * rows
