"""What others have published for TPUs, to hold measurements against."""

from __future__ import annotations

import dataclasses

from jorney.model import flops
from jorney.model.presets import PRESETS
from jorney.topology import GENERATIONS


@dataclasses.dataclass(frozen=True)
class Published:
    """A measured rate.

    Attributes:
      model: a preset with the architecture that was run.
      length: tokens of a row in training; None of a rate of decoding.
      generation: of the chips, a key of `topology.GENERATIONS`.
      rate: tokens a second and chip.
    """

    system: str
    model: str
    what: str
    length: int | None
    generation: str
    rate: float

    def bound(self, convention: str = "causal") -> float | None:
        """The most tokens a second and chip that the chip's operations allow, for a training."""
        if self.length is None:
            return None
        work = flops.training(PRESETS[self.model], flops.packed_row(self.length), 1, self.length, convention)
        return GENERATIONS[self.generation].flops / (work / self.length)

    def describe(self) -> str:
        """A line: the rate, the bound, and the share of it that was reached."""
        line = f"{self.system}, {self.model}, {self.what}, {self.generation}: {self.rate:,.0f} tokens/s/chip"
        if self.length is not None:
            causal, full = (self.bound(convention) or 0.0 for convention in ("causal", "full"))
            line += f", {self.rate / causal:.1%} of {causal:,.0f} (MFU causal; full {self.rate / full:.1%})"
        return line


PUBLISHED = (
    Published("MaxText", "llama-3.1-8b", "training at 8,192 tokens", 8192, "v6e", 7207),
    Published("JetStream", "llama-2-7b", "decoding in bfloat16 on v5e-8", None, "v5e", 458),
)


def of_device(kind: str) -> list[Published]:
    """Those of the chip that jax calls by this name."""
    return [one for one in PUBLISHED if kind in GENERATIONS[one.generation].kinds]
