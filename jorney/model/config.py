"""The architecture of a Llama-family decoder, read from a Hugging Face config.json."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Shapes and constants of one model. The letters are the ones used throughout the code.

    Attributes:
      vocab_size: V, rows of the embedding (may exceed the tokenizer's length).
      embed: D, width of the residual stream.
      layers: L.
      heads: N, query heads.
      kv_heads: K, key/value heads; N is a multiple of K.
      head_dim: H.
      mlp: F, width of the gated MLP.
      rope_theta: base of the rotary frequencies.
      rms_eps: added to the mean square in RMSNorm.
      positions: longest sequence the model was made for, tokens.
      tie_embeddings: the output head is the embedding, transposed.
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
    rms_eps: float = 1e-6
    positions: int = 4096
    tie_embeddings: bool = False
    init_scale: float = 0.02

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name != "tie_embeddings" and not value > 0:
                raise ValueError(f"model.{field.name} = {value!r}: expected a number above 0")
        if self.heads % self.kv_heads:
            raise ValueError(f"model.heads = {self.heads}: expected a multiple of model.kv_heads = {self.kv_heads}")
        if self.head_dim % 2:
            raise ValueError(f"model.head_dim = {self.head_dim}: expected an even number (rotary halves)")

    @property
    def group(self) -> int:
        """G = N / K, query heads per key/value head."""
        return self.heads // self.kv_heads


ARCHITECTURE = "LlamaForCausalLM"

# Fields of config.json that change the mathematics, with the values under which they change nothing here.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu",),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "rope_scaling": (None,),
    "sliding_window": (None,),
    "partial_rotary_factor": (1, 1.0),
    "attention_dropout": (0, 0.0),
    "quantization_config": (None,),
}


def from_hf(fields: dict[str, Any], source: str = "config.json") -> ModelConfig:
    """The ModelConfig that a parsed Hugging Face config.json states, in its old and new spellings.

    Raises:
      ValueError: the architecture is not supported, a field that is needed is missing, or a field asks for mathematics
        that is not implemented; names the file and the field.
    """
    names = fields.get("architectures") or []
    if ARCHITECTURE not in names and fields.get("model_type") != "llama":
        raise ValueError(f"{source}: architectures = {names}: expected {ARCHITECTURE}")
    rope = fields.get("rope_parameters") or {}
    checked = {**fields, "rope_scaling": fields.get("rope_scaling")}
    if rope.get("rope_type", "default") != "default":
        checked["rope_scaling"] = rope
    for name, allowed in _NEUTRAL.items():
        if checked.get(name, allowed[0]) not in allowed:
            raise ValueError(f"{source}: {name} = {checked[name]!r} is not supported: expected {allowed[0]!r}")

    def needed(name: str) -> Any:
        if fields.get(name) is None:
            raise ValueError(f"{source}: the field {name!r} is missing")
        return fields[name]

    heads = needed("num_attention_heads")
    return ModelConfig(
        vocab_size=needed("vocab_size"),
        embed=needed("hidden_size"),
        layers=needed("num_hidden_layers"),
        heads=heads,
        kv_heads=fields.get("num_key_value_heads") or heads,
        head_dim=fields.get("head_dim") or needed("hidden_size") // heads,
        mlp=needed("intermediate_size"),
        rope_theta=float(rope.get("rope_theta") or fields.get("rope_theta") or 10_000.0),
        rms_eps=float(fields.get("rms_norm_eps", 1e-6)),
        positions=fields.get("max_position_embeddings", 2048),
        tie_embeddings=bool(fields.get("tie_word_embeddings", False)),
        init_scale=float(fields.get("initializer_range", 0.02)),
    )


def to_hf(config: ModelConfig, dtype: str, bos: int | None, eos: int | None, pad: int | None) -> dict[str, Any]:
    """The config.json fields of a model, as transformers 4 and 5 both read them."""
    return {
        "architectures": [ARCHITECTURE],
        "model_type": "llama",
        "vocab_size": config.vocab_size,
        "hidden_size": config.embed,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.mlp,
        "hidden_act": "silu",
        "attention_bias": False,
        "mlp_bias": False,
        "rope_theta": config.rope_theta,
        "rms_norm_eps": config.rms_eps,
        "max_position_embeddings": config.positions,
        "tie_word_embeddings": config.tie_embeddings,
        "initializer_range": config.init_scale,
        "torch_dtype": dtype,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "pad_token_id": pad,
    }
