from __future__ import annotations

import dataclasses

import pytest

from jorney.model.config import ModelConfig, from_hf, to_hf


@pytest.fixture
def fields(tiny: ModelConfig) -> dict:
    return to_hf(tiny, "float32", 0, 1, 2)


def test_round_trip(tiny: ModelConfig, fields: dict) -> None:
    assert from_hf(fields) == tiny


def test_new_spelling_of_rope(tiny: ModelConfig, fields: dict) -> None:
    del fields["rope_theta"]
    fields["rope_parameters"] = {"rope_type": "default", "rope_theta": 5e5}
    assert from_hf(fields) == dataclasses.replace(tiny, rope_theta=5e5)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("architectures", ["GPT2LMHeadModel"], "x.json: architectures"),
        ("hidden_act", "gelu", "x.json: hidden_act = 'gelu'"),
        ("attention_bias", True, "x.json: attention_bias = True"),
        ("rope_scaling", {"rope_type": "llama3"}, "x.json: rope_scaling"),
        ("rope_parameters", {"rope_type": "yarn", "rope_theta": 1e4}, "x.json: rope_scaling"),
        ("sliding_window", 4096, "x.json: sliding_window = 4096"),
        ("vocab_size", None, "x.json: the field 'vocab_size' is missing"),
        ("num_key_value_heads", 3, "model.kv_heads = 3"),
        ("intermediate_size", 0, "model.mlp = 0"),
    ],
)
def test_what_changes_the_mathematics_is_refused_by_name(fields: dict, field: str, value: object, message: str) -> None:
    fields |= {field: value, "model_type": "llama" if field != "architectures" else "gpt2"}
    with pytest.raises(ValueError, match=message):
        from_hf(fields, "x.json")


def test_old_checkpoints_state_less(tiny: ModelConfig, fields: dict) -> None:
    """Llama 1 and 2 folders: no kv heads, no head_dim, no rope base."""
    for name in ("num_key_value_heads", "head_dim", "rope_theta", "attention_bias", "mlp_bias"):
        del fields[name]
    found = from_hf(fields)
    assert (found.kv_heads, found.head_dim, found.rope_theta) == (8, 4, 10_000.0)
