"""The architecture of a Llama-family decoder. What of config.json it comes from: `convert/config_json.py`."""

from __future__ import annotations

import dataclasses
import math

FAMILIES = ("llama", "mistral", "qwen2", "qwen3")
HEADS = ("lm", "linear", "mlp")
ROPES = ("linear", "dynamic", "llama3", "yarn")
_COUNTS = ("vocab_size", "embed", "layers", "heads", "kv_heads", "head_dim", "mlp", "positions")


def _expect(name: str, *rules: tuple[bool, str]) -> None:
    """Raises ValueError with the first message whose rule does not hold."""
    for holds, message in rules:
        if not holds:
            raise ValueError(name + message)


@dataclasses.dataclass(frozen=True)
class RopeScaling:
    """How rotary frequencies were changed so that a model reads longer texts than it was pre-trained on.

    Attributes:
      kind: "linear" divides every frequency by `factor`; "llama3" only those whose wavelength is long, with a smooth
        passage between (Llama 3.1); "yarn" likewise, with a passage along the pairs of a head, and turns scaled by
        `attention_factor` (Peng et al., arXiv 2309.00071); "dynamic" none of a text within the model's positions, which is all
        that is read here (longer ones would change the frequencies of what stands before).
      factor: of the division.
      low_frequency, high_frequency: turns over the original context: pairs of fewer are slowed, pairs of more stay ("llama3";
        of "yarn", `beta_slow` and `beta_fast`).
      original_positions: tokens of the texts that the model was pre-trained on ("llama3", "yarn").
      attention_factor: by which sines and cosines are multiplied; None for 0.1 ln(factor) + 1 ("yarn").
      truncate: the passage begins and ends at whole pairs ("yarn").
    """

    kind: str
    factor: float
    low_frequency: float = 1.0
    high_frequency: float = 4.0
    original_positions: int = 8192
    attention_factor: float | None = None
    truncate: bool = True

    def __post_init__(self) -> None:
        low, high, attention = self.low_frequency, self.high_frequency, self.attention_factor
        _expect(
            "model.rope_scaling",
            (self.kind in ROPES, f".kind = {self.kind!r}: expected one of {', '.join(ROPES)}"),
            (self.factor >= 1, f".factor = {self.factor}: expected 1 or more"),
            (0 < low < high, f": low_frequency = {low}, high_frequency = {high}: expected 0 < low < high"),
            (self.original_positions >= 1, f".original_positions = {self.original_positions}: expected 1 or more"),
            (attention is None or attention > 0, f".attention_factor = {attention}: expected a number above 0, or None"),
        )

    @property
    def magnitude(self) -> float:
        """What sines and cosines are multiplied by."""
        if self.kind != "yarn":
            return 1.0
        return 0.1 * math.log(self.factor) + 1 if self.attention_factor is None else self.attention_factor


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Shapes and constants of one model. The letters are the ones used throughout the code.

    Attributes:
      family: whose layers these are: "llama", "mistral", "qwen2" or "qwen3".
      vocab_size: V, rows of the embedding (may exceed the tokenizer's length).
      embed: D, width of the residual stream.
      layers: L.
      heads: N, query heads.
      kv_heads: K, key/value heads; N is a multiple of K.
      head_dim: H.
      mlp: F, width of the gated MLP.
      rope_theta: base of the rotary frequencies.
      rope_scaling: how the frequencies were changed afterwards.
      rms_eps: added to the mean square in RMSNorm.
      positions: longest sequence the model was made for, tokens.
      window: tokens that a token attends to, itself the last of them; None for all.
      head: what is read out of the final hidden state: "lm" V next-token logits; "linear" one linear map to `labels`
        values (a value or reward head); "mlp" Linear, ReLU, Linear to `labels` values (Qwen2.5-Math-PRM).
      labels: values a token of a head other than "lm"; 0 with "lm".
      head_bias: the "linear" head has a bias.
      tie_embeddings: the "lm" head is the embedding, transposed.
      init_scale: standard deviation of fresh weights.
    """

    vocab_size: int
    embed: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp: int
    rope_theta: float = 10_000.0
    rope_scaling: RopeScaling | None = None
    rms_eps: float = 1e-6
    positions: int = 4096
    window: int | None = None
    head: str = "lm"
    labels: int = 0
    head_bias: bool = False
    tie_embeddings: bool = False
    init_scale: float = 0.02
    family: str = "llama"

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in _COUNTS}
        scales = {name: getattr(self, name) for name in ("rope_theta", "rms_eps", "init_scale")}
        _expect(
            "model.",
            (self.family in FAMILIES, f"family = {self.family!r}: expected one of {', '.join(FAMILIES)}"),
            *(
                (
                    isinstance(value, int) and not isinstance(value, bool) and value >= 1,
                    f"{name} = {value!r}: expected a whole number, 1 or more",
                )
                for name, value in counts.items()
            ),
        )
        _expect("model.", *((value > 0, f"{name} = {value!r}: expected a number above 0") for name, value in scales.items()))
        lm = self.head == "lm"
        _expect(
            "model.",
            (self.window is None or self.window >= 1, f"window = {self.window!r}: expected 1 or more, or None"),
            (
                self.window is None or self.family != "llama",
                f"window = {self.window!r}: expected None with the family 'llama'",
            ),
            (self.head in HEADS, f"head = {self.head!r}: expected one of {', '.join(HEADS)}"),
            (
                (self.labels > 0) != lm,
                f"labels = {self.labels!r}: expected 0 with the head 'lm' and 1 or more with another",
            ),
            (not self.head_bias or self.head == "linear", f"head_bias = True: expected the head 'linear', got {self.head!r}"),
            (not self.tie_embeddings or lm, f"tie_embeddings = True: expected the head 'lm', got {self.head!r}"),
            (
                self.heads % self.kv_heads == 0,
                f"heads = {self.heads}: expected a multiple of model.kv_heads = {self.kv_heads}",
            ),
            (self.head_dim % 2 == 0, f"head_dim = {self.head_dim}: expected an even number (rotary halves)"),
            (
                self.rope_scaling is None or self.rope_scaling.kind != "yarn" or self.rope_theta > 1,
                f"rope_theta = {self.rope_theta}: expected a number above 1 with the rope scaling 'yarn'",
            ),
        )

    @property
    def qkv_bias(self) -> bool:
        """Query, key and value have biases."""
        return self.family == "qwen2"

    @property
    def qk_norm(self) -> bool:
        """Every head's query and key are RMS-normalised before they are rotated."""
        return self.family == "qwen3"
