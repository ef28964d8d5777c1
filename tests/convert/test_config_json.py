"""config.json both ways: the published ones, what would change the mathematics, and whatever else JSON can say."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
import pathlib
import types
from typing import Any

import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.convert.config_json import ARCHITECTURES, from_hf, read, to_hf
from jorney.model import params as parameters
from jorney.model.architecture import FAMILIES, ModelConfig, RopeScaling
from jorney.model.attention import frequencies
from jorney.model.presets import PRESETS

CLASSES = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}


@pytest.fixture
def fields(tiny: ModelConfig) -> dict[str, Any]:
    return to_hf(tiny, "float32", 0, 1, 2)


def of_family(family: str, **stated: object) -> dict[str, Any]:
    """A good config.json of four layers."""
    config = ModelConfig(
        vocab_size=72, embed=32, layers=4, heads=8, kv_heads=4, head_dim=8, mlp=64, positions=256, family=family
    )
    return {**to_hf(config, "float32", 0, 1, 2), **stated}


# Both ways.


@st.composite
def configs(draw: st.DrawFn) -> ModelConfig:
    size = st.integers(1, 10_000)
    above_0 = st.floats(1e-12, 1e12)
    family = draw(st.sampled_from(FAMILIES))
    head = draw(st.sampled_from(["lm", "linear", "mlp"]))
    kv_heads = draw(st.integers(1, 64))
    scaling = draw(
        st.none()
        | st.builds(RopeScaling, st.just("linear"), st.floats(1, 100))
        | st.builds(RopeScaling, st.just("dynamic"), st.floats(1, 100))
        | st.builds(RopeScaling, st.just("llama3"), st.floats(1, 100), st.floats(0.5, 2), st.floats(3, 9), size)
        | st.builds(
            RopeScaling,
            *(st.just("yarn"), st.floats(1, 100), st.floats(0.5, 2), st.floats(3, 64), size),
            *(st.none() | st.floats(0.1, 2), st.booleans()),
        )
    )
    wider = scaling is not None and scaling.kind == "yarn"
    return ModelConfig(
        vocab_size=draw(size),
        embed=draw(size),
        layers=draw(st.integers(1, 100)),
        heads=kv_heads * draw(st.integers(1, 8)),
        kv_heads=kv_heads,
        head_dim=2 * draw(size),
        mlp=draw(size),
        rope_theta=draw(st.floats(1.5, 1e12) if wider else above_0),
        rope_scaling=scaling,
        rms_eps=draw(above_0),
        positions=draw(size),
        window=None if family == "llama" else draw(st.none() | size),
        head=head,
        labels=0 if head == "lm" else draw(st.integers(1, 9)),
        head_bias=head == "linear" and draw(st.booleans()),
        tie_embeddings=head == "lm" and draw(st.booleans()),
        init_scale=draw(st.floats(1e-12, 1)),
        family=family,
    )


@settings(max_examples=300, deadline=None)
@given(configs(), st.sampled_from(["float32", "bfloat16"]))
def test_every_architecture_survives_writing_and_reading(config: ModelConfig, dtype: str) -> None:
    written = json.loads(json.dumps(to_hf(config, dtype, 0, 1, None)))
    assert from_hf(written) == config


@settings(max_examples=60, deadline=None)
@given(configs())
def test_transformers_understands_what_is_written_as_it_was_meant(config: ModelConfig) -> None:
    """Its own class reads the fields and writes them in its own spelling, which means the same here."""
    if config.embed % config.heads:  # it refuses these, for Llama, even with head_dim stated
        config = dataclasses.replace(config, embed=config.heads * 4)
    theirs = getattr(transformers, CLASSES[config.family] + "Config")(**to_hf(config, "float32", None, None, None))
    again = json.loads(theirs.to_json_string())
    assert "rope_theta" not in again
    assert "rope_parameters" in again
    if config.head == "mlp" and config.labels == 2:
        again.pop("id2label", None)  # not written by older versions, where there are two
    assert from_hf(again) == config


@pytest.mark.parametrize("family", FAMILIES)
def test_transformers_default_configs_are_accepted(family: str) -> None:
    """Everything that its classes write where nothing is stated, 4,096 wide."""
    theirs = getattr(transformers, CLASSES[family] + "Config")()
    for stated in (theirs.to_dict(), json.loads(theirs.to_json_string(use_diff=True))):
        found = from_hf({**stated, "architectures": [CLASSES[family] + "ForCausalLM"]})
        assert (found.embed, found.layers, found.heads, found.head_dim) == (4096, 32, 32, 128)
        assert found.family == family
        assert found.positions == theirs.max_position_embeddings
        assert found.window == (4096 if family == "mistral" else None)


def test_every_architecture_is_named_by_its_class(tiny: ModelConfig) -> None:
    assert set(ARCHITECTURES) == {
        name + suffix
        for name in CLASSES.values()
        for suffix in (
            "ForCausalLM",
            "ForSequenceClassification",
            "ForTokenClassification",
            "ForProcessRewardModel",
            "ForRewardModel",
        )
    }
    heads = {
        "LlamaForCausalLM": {},
        "LlamaForSequenceClassification": {"head": "linear", "labels": 1},
        "LlamaForTokenClassification": {"head": "linear", "labels": 3, "head_bias": True},
        "LlamaForProcessRewardModel": {"head": "mlp", "labels": 2},
    }
    for name, stated in heads.items():
        assert to_hf(dataclasses.replace(tiny, **stated), "float32", 0, 1, 2)["architectures"] == [name]


# Published folders, as they stand, with the parameter counts that are published with them.

DEEPSEEKMATH = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "bos_token_id": 100000,
    "eos_token_id": 100001,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 11008,
    "max_position_embeddings": 4096,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 30,
    "num_key_value_heads": 32,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 10000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.33.1",
    "use_cache": True,
    "vocab_size": 102400,
}
LLAMA_3_1 = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 128000,
    "eos_token_id": [128001, 128008, 128009],
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 14336,
    "max_position_embeddings": 131072,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_scaling": {
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "rope_theta": 500000.0,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.42.3",
    "use_cache": True,
    "vocab_size": 128256,
}
MISTRAL_0_1 = {
    "architectures": ["MistralForCausalLM"],
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 14336,
    "max_position_embeddings": 32768,
    "model_type": "mistral",
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-05,
    "rope_theta": 10000.0,
    "sliding_window": 4096,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.34.0.dev0",
    "use_cache": True,
    "vocab_size": 32000,
}
MISTRAL_0_3_INSTRUCT = {
    **MISTRAL_0_1,
    "attention_dropout": 0.0,
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "transformers_version": "4.42.0.dev0",
    "vocab_size": 32768,
}
# Fine-tuned from Mistral-7B: it judges a step by two of its next-token logits.
MATH_SHEPHERD = {
    **MISTRAL_0_1,
    "_name_or_path": "mistralai/Mistral-7B-v0.1",
    "transformers_version": "4.35.0",
    "use_cache": False,
}
QWEN_2_5_MATH = {
    "architectures": ["Qwen2ForCausalLM"],
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151643,
    "hidden_act": "silu",
    "hidden_size": 3584,
    "initializer_range": 0.02,
    "intermediate_size": 18944,
    "max_position_embeddings": 4096,
    "max_window_layers": 28,
    "model_type": "qwen2",
    "num_attention_heads": 28,
    "num_hidden_layers": 28,
    "num_key_value_heads": 4,
    "rms_norm_eps": 1e-06,
    "rope_theta": 10000,
    "sliding_window": 4096,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.44.0",
    "use_cache": True,
    "use_mrope": False,
    "use_sliding_window": False,
    "vocab_size": 152064,
}
QWEN_2_5_MATH_PRM = {
    **QWEN_2_5_MATH,
    "architectures": ["Qwen2ForProcessRewardModel"],
    "auto_map": {
        "AutoConfig": "configuration_qwen2_rm.Qwen2RMConfig",
        "AutoModel": "modeling_qwen2_rm.Qwen2ForProcessRewardModel",
    },
    "eos_token_id": 151645,
    "num_labels": 2,
    "pad_token_id": 151643,
    "use_cache": False,
}
QWEN_3 = {
    "architectures": ["Qwen3ForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 151643,
    "eos_token_id": 151645,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "initializer_range": 0.02,
    "intermediate_size": 12288,
    "max_position_embeddings": 40960,
    "max_window_layers": 36,
    "model_type": "qwen3",
    "num_attention_heads": 32,
    "num_hidden_layers": 36,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-06,
    "rope_scaling": None,
    "rope_theta": 1000000,
    "sliding_window": None,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.51.0",
    "use_cache": True,
    "use_sliding_window": False,
    "vocab_size": 151936,
}
SMOLLM2_INSTRUCT = {
    "architectures": ["LlamaForCausalLM"],
    "attention_bias": False,
    "attention_dropout": 0.0,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "hidden_act": "silu",
    "hidden_size": 576,
    "initializer_range": 0.041666666666666664,
    "intermediate_size": 1536,
    "is_llama_config": True,
    "max_position_embeddings": 8192,
    "mlp_bias": False,
    "model_type": "llama",
    "num_attention_heads": 9,
    "num_hidden_layers": 30,
    "num_key_value_heads": 3,
    "pad_token_id": 2,
    "pretraining_tp": 1,
    "rms_norm_eps": 1e-05,
    "rope_interleaved": False,
    "rope_scaling": None,
    "rope_theta": 100000,
    "tie_word_embeddings": True,
    "torch_dtype": "bfloat16",
    "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16", "fp16": "float16"}},
    "transformers_version": "4.42.3",
    "use_cache": True,
    "vocab_size": 49152,
}
INSTRUCT_0_3 = dataclasses.replace(PRESETS["mistral-7b"], vocab_size=32_768, rope_theta=1e6, window=None)
PUBLISHED = {
    "deepseek-ai/deepseek-math-7b-base": (DEEPSEEKMATH, PRESETS["deepseekmath-7b"], 6_910_365_696),
    "meta-llama/Llama-3.1-8B-Instruct": (LLAMA_3_1, PRESETS["llama-3.1-8b"], 8_030_261_248),
    "mistralai/Mistral-7B-v0.1": (MISTRAL_0_1, PRESETS["mistral-7b"], 7_241_732_096),
    "mistralai/Mistral-7B-Instruct-v0.3": (MISTRAL_0_3_INSTRUCT, INSTRUCT_0_3, 7_248_023_552),
    "peiyi9979/math-shepherd-mistral-7b-prm": (MATH_SHEPHERD, PRESETS["mistral-7b"], 7_241_732_096),
    "Qwen/Qwen2.5-Math-7B": (QWEN_2_5_MATH, PRESETS["qwen2.5-math-7b"], 7_615_616_512),
    # The trunk of Qwen2.5-Math-7B, and Linear(3584, 3584), ReLU, Linear(3584, 2) in the place of its head.
    "Qwen/Qwen2.5-Math-PRM-7B": (
        QWEN_2_5_MATH_PRM,
        PRESETS["qwen2.5-math-prm-7b"],
        7_615_616_512 - 152_064 * 3584 + 3584 * 3584 + 3584 + 3584 * 2 + 2,
    ),
    "Qwen/Qwen3-8B": (QWEN_3, PRESETS["qwen3-8b"], 8_190_735_360),
    "HuggingFaceTB/SmolLM2-135M-Instruct": (SMOLLM2_INSTRUCT, PRESETS["smollm2-135m"], 134_515_008),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_configs(name: str) -> None:
    stated, expected, count = PUBLISHED[name]
    found = from_hf(stated)
    # How fresh weights would be drawn is no part of what a model computes.
    assert dataclasses.replace(found, init_scale=expected.init_scale) == expected
    assert found.init_scale == stated["initializer_range"]
    assert parameters.count(found) == count
    # The reward models of Qwen state how many values they give in their code only.
    assert from_hf({key: value for key, value in stated.items() if key != "num_labels"}) == found


def test_the_smallest_presets_details() -> None:
    """What the presets leave to their defaults, stated once by hand."""
    llama = from_hf(LLAMA_3_1)
    assert llama.rope_scaling == RopeScaling("llama3", 8.0, 1.0, 4.0, 8192)
    assert (llama.rope_theta, llama.rms_eps, llama.positions, llama.window) == (5e5, 1e-5, 131_072, None)
    prm = from_hf(QWEN_2_5_MATH_PRM)
    assert (prm.head, prm.labels, prm.head_bias, prm.tie_embeddings, prm.qkv_bias, prm.window) == (
        *("mlp", 2, False, False, True),
        None,
    )
    assert from_hf({**QWEN_2_5_MATH_PRM, "architectures": ["Qwen2ForRewardModel"], "num_labels": None}).labels == 1
    qwen3 = from_hf(QWEN_3)
    assert (qwen3.qk_norm, qwen3.qkv_bias, qwen3.head_dim) == (True, False, 128)
    assert from_hf({key: value for key, value in QWEN_3.items() if key != "head_dim"}).head_dim == 128


# Spellings.


def test_new_spelling_of_rope(tiny: ModelConfig, fields: dict[str, Any]) -> None:
    del fields["rope_theta"]
    fields["rope_parameters"] = {"rope_type": "default", "rope_theta": 5e5}
    assert from_hf(fields) == dataclasses.replace(tiny, rope_theta=5e5)


def test_old_spelling_of_rope_scaling(tiny: ModelConfig, fields: dict[str, Any]) -> None:
    fields["rope_scaling"] = {"type": "linear", "factor": 4}
    assert from_hf(fields) == dataclasses.replace(tiny, rope_scaling=RopeScaling("linear", 4.0))


def test_llama3_scaling_without_its_length_takes_the_models(fields: dict[str, Any]) -> None:
    """As transformers does: Llama 3.1 before its first revision."""
    fields["rope_scaling"] = {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4}
    assert from_hf(fields).rope_scaling == RopeScaling("llama3", 8.0, 1.0, 4.0, 256)


class _Array(np.ndarray):
    """What transformers' formula asks of a tensor that numpy's arrays do not have."""

    def to(self, device: object = None, dtype: object = None) -> _Array:
        return self


def _array(*given: object, **_: object) -> np.ndarray:
    return np.arange(*given, dtype=np.float64).view(_Array)


@pytest.mark.parametrize(
    "stated",
    [
        {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768},  # Qwen2.5, by its model card
        {"factor": 16.0, "original_max_position_embeddings": 4096, "type": "yarn", "finetuned": True},  # Yarn-Llama-2
        {"rope_type": "yarn", "factor": 40, "beta_fast": 32, "beta_slow": 1, "mscale": 1.0, "mscale_all_dim": 0.707},
        {"rope_type": "yarn", "factor": 8.0, "beta_fast": 16, "beta_slow": 2, "truncate": False, "attention_factor": 0.9},
        {"rope_type": "yarn", "factor": None, "original_max_position_embeddings": 2048},
        {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 128, "mscale": 2.0},
        {"rope_type": "yarn", "factor": 1.0, "beta_fast": None},
        {"rope_type": "dynamic", "factor": 2.0},
    ],
)
@pytest.mark.parametrize("head", [8, 64, 128])
def test_scaled_frequencies_are_transformers(stated: dict[str, Any], head: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By its own formulas, in numpy: torch need not be here."""
    from transformers import modeling_rope_utils as theirs

    wide = {"head_dim": head, "rope_theta": 1e6, "max_position_embeddings": 32768}
    fields = of_family("qwen2", **wide, rope_scaling=stated)
    torch = types.SimpleNamespace(arange=_array, clamp=np.clip, float32=None, float=None, int64=None, Tensor=_Array)
    monkeypatch.setattr(theirs, "torch", torch, raising=False)
    of = transformers.Qwen2Config(**wide, rope_parameters={"rope_theta": 1e6, **copy.deepcopy(stated)})
    formula = {"yarn": "_compute_yarn_parameters", "dynamic": "_compute_dynamic_ntk_parameters"}
    expected, magnitude = getattr(theirs, formula[stated.get("rope_type", stated.get("type"))])(of)

    found = from_hf(fields)
    np.testing.assert_allclose(frequencies(found), expected, rtol=1e-6)
    assert found.rope_scaling.magnitude == pytest.approx(magnitude, rel=1e-12)
    again = to_hf(found, "float32", 0, 1, 2)
    assert from_hf(again) == found
    more = {"beta_fast": 32.0, "beta_slow": 1.0, "original_max_position_embeddings": 32768}
    assert {**more, **again["rope_scaling"]}.items() >= {
        name: value
        for name, value in stated.items()
        if name not in ("type", "finetuned", "mscale", "mscale_all_dim") and value is not None
    }.items()


def test_old_checkpoints_state_less(fields: dict[str, Any]) -> None:
    """Llama 1 and 2 folders: no kv heads, no head_dim, no rope base."""
    for name in ("num_key_value_heads", "head_dim", "rope_theta", "attention_bias", "mlp_bias"):
        del fields[name]
    found = from_hf(fields)
    assert (found.kv_heads, found.head_dim, found.rope_theta) == (8, 4, 10_000.0)


def test_fields_that_change_nothing_are_passed_over(fields: dict[str, Any]) -> None:
    # Factors left behind; a Llama's window, which its layers never look at; fields that are off.
    more = {"rope_scaling": {"rope_type": "default", "factor": 8.0}, "sliding_window": 4096, "use_mrope": False, "new": None}
    assert from_hf({**fields, **more}) == from_hf(fields)


@pytest.mark.parametrize(
    ("stated", "window"),
    [
        ({"sliding_window": 8}, None),
        ({"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 0}, 8),
        ({"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 4}, None),
        ({"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 28}, None),
        ({"sliding_window": None, "use_sliding_window": True, "max_window_layers": 0}, None),
        ({"sliding_window": 8, "use_sliding_window": True, "layer_types": ["sliding_attention"] * 4}, 8),
        ({"sliding_window": 8, "use_sliding_window": True, "layer_types": ["full_attention"] * 4}, None),
        ({"sliding_window": 8, "use_sliding_window": False, "layer_types": ["full_attention"] * 4}, None),
    ],
)
@pytest.mark.parametrize("family", ["qwen2", "qwen3"])
def test_windows_of_qwen(family: str, stated: dict[str, Any], window: int | None) -> None:
    assert from_hf(of_family(family, **stated)).window == window
    theirs = getattr(transformers, CLASSES[family] + "Config")(**of_family(family, **stated))
    slides = [theirs.sliding_window if kind == "sliding_attention" else None for kind in theirs.layer_types]
    assert slides == [window] * 4


def test_windows_of_mistral() -> None:
    assert from_hf(of_family("mistral", sliding_window=8)).window == 8
    assert from_hf(of_family("mistral", sliding_window=None)).window is None
    stated = of_family("mistral")
    del stated["sliding_window"]
    assert from_hf(stated).window == transformers.MistralConfig().sliding_window == 4096


@pytest.mark.parametrize(
    ("name", "family", "labels", "bias"),
    [("ReasonEval_7B", "mistral", "score_dimension", "use_bias"), ("ReasonEval_34B", "llama", "score_dim", "bias")],
)
def test_classes_of_published_programs(name: str, family: str, labels: str, bias: str) -> None:
    for biased in (False, True):
        found = from_hf({**of_family(family), "architectures": [name], labels: 3, bias: biased})
        assert (found.family, found.head, found.labels, found.head_bias) == (family, "linear", 3, biased)
    with pytest.raises(ValueError, match=f"the field '{labels}' is missing"):
        from_hf({**of_family(family), "architectures": [name], bias: False})
    with pytest.raises(ValueError, match=f"the field '{bias}' is missing"):
        from_hf({**of_family(family), "architectures": [name], labels: 3})
    # Of another class these fields say nothing known.
    with pytest.raises(ValueError, match=f"the field '{labels}' = 3 is unknown"):
        from_hf({**of_family(family), labels: 3})


# Refusals.

YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}
SCALED = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}
REFUSED = [
    ("llama", {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2"}, r"architectures = \['GPT2LMHeadModel'\]"),
    ("llama", {"architectures": ["DeepseekV2ForCausalLM"]}, r"architectures = \['DeepseekV2ForCausalLM'\]: expected one of Ll"),
    ("llama", {"architectures": ["LlamaForCausalLM", "MistralForCausalLM"]}, "architectures = "),
    ("llama", {"architectures": None}, "architectures = None"),
    ("llama", {"architectures": []}, r"architectures = \[\]"),
    ("llama", {"architectures": "LlamaForCausalLM"}, "architectures = 'LlamaForCausalLM'"),
    ("llama", {"architectures": [["LlamaForCausalLM"]]}, "architectures = "),
    # transformers takes the class of its Auto classes from this field, and would slide a window.
    ("llama", {"model_type": "mistral"}, "model_type = 'mistral': expected 'llama'"),
    ("llama", {"hidden_act": "gelu"}, "hidden_act = 'gelu' is not supported: expected 'silu'"),
    ("llama", {"attention_bias": True}, "attention_bias = True"),
    ("qwen3", {"attention_bias": True}, "attention_bias = True"),
    ("llama", {"mlp_bias": True}, "mlp_bias = True"),
    ("llama", {"rope_interleaved": True}, "rope_interleaved = True"),
    ("llama", {"partial_rotary_factor": 0.5}, "partial_rotary_factor = 0.5"),
    ("llama", {"quantization_config": {"quant_method": "gptq", "bits": 4}}, "quantization_config = "),
    ("llama", {"logit_scale": 0.5}, "the field 'logit_scale' = 0.5 is unknown"),
    ("llama", {"embedding_multiplier": 0}, "the field 'embedding_multiplier' = 0 is unknown"),
    ("llama", {"use_mrope": True}, "the field 'use_mrope' = True is unknown"),
    ("llama", {"per_layer_config": {"0": {"num_attention_heads": 2}}}, "the field 'per_layer_config'"),
    ("llama", {"rope_scaling": {"type": "dynamic"}}, "rope_scaling: the field 'factor' is missing"),
    ("llama", {"rope_scaling": {"type": "dynamic", "factor": 2.0, "alpha": 3}}, "alpha is not supported with rope_type = 'dyn"),
    ("llama", {"rope_scaling": {"rope_type": "yarn"}}, "rope_scaling: the field 'factor' is missing"),
    ("llama", {"rope_scaling": {**YARN, "beta_fast": 1, "beta_slow": 32}}, "low_frequency = 32.0, high_frequency = 1.0"),
    ("llama", {"rope_scaling": {**YARN, "attention_factor": -1.0}}, "attention_factor = -1.0: expected a number above 0"),
    ("llama", {"rope_scaling": {**YARN, "truncate": 1}}, "truncate = 1: expected true or false"),
    ("llama", {"rope_scaling": {**YARN, "mscale": "1", "mscale_all_dim": 1}}, "mscale = '1': expected a number"),
    ("llama", {"rope_scaling": {**YARN, "low_freq_factor": 1}}, "low_freq_factor is not supported with rope_type = 'yarn'"),
    ("llama", {"rope_scaling": YARN, "rope_theta": 1.0}, "rope_theta = 1.0: expected a number above 1"),
    ("llama", {"rope_scaling": {"rope_type": "longrope", "short_factor": []}}, "rope_scaling: rope_type = 'longrope'"),
    ("llama", {"rope_scaling": {"rope_type": ["linear"], "factor": 2.0}}, "rope_scaling: rope_type = "),
    ("llama", {"rope_parameters": {"rope_type": "longrope", "rope_theta": 1e4}}, "rope_parameters: rope_type = 'longrope'"),
    ("llama", {"rope_scaling": {"rope_type": "llama3"}}, "rope_scaling: the field 'factor' is missing"),
    ("llama", {"rope_scaling": {"type": "linear"}}, "rope_scaling: the field 'factor' is missing"),
    ("llama", {"rope_scaling": {"type": "linear", "factor": 0.5}}, "model.rope_scaling.factor = 0.5"),
    ("llama", {"rope_scaling": {"type": "linear", "factor": "2"}}, "rope_scaling: factor = '2': expected a number"),
    ("llama", {"rope_scaling": {"type": "linear", "factor": 2, "mscale": 1}}, "rope_scaling: mscale is not supported"),
    ("llama", {"rope_scaling": {**SCALED, "low_freq_factor": 4.0}}, "model.rope_scaling: low_frequency = 4.0"),
    ("llama", {"rope_scaling": {**SCALED, "original_max_position_embeddings": 0}}, "original_max_position_embeddings = 0"),
    ("llama", {"rope_scaling": {"rope_type": "default", "partial_rotary_factor": 0.5}}, "partial_rotary_factor is not supp"),
    ("llama", {"rope_scaling": [1]}, "rope_scaling = "),
    # One rope a kind of layer, as Gemma has.
    ("llama", {"rope_parameters": {"full_attention": {"rope_theta": 1e6}}}, "rope_parameters: full_attention is not supp"),
    # Two statements of one thing: transformers 4 reads the one, 5 the other.
    ("llama", {"rope_parameters": {"rope_theta": 5e5}}, "rope_parameters: rope_theta = 500000.0, but 10000.0 beside it"),
    ("llama", {"rope_parameters": {"rope_type": "linear", "factor": 2}, "rope_scaling": SCALED}, "and rope_scaling differ"),
    ("llama", {"num_key_value_heads": 3}, "model.heads = 8: expected a multiple of model.kv_heads = 3"),
    ("llama", {"head_dim": 7}, "model.head_dim = 7: expected an even number"),
    ("llama", {"intermediate_size": 0}, "intermediate_size = 0: expected a whole number, 1 or more"),
    ("llama", {"vocab_size": None}, "the field 'vocab_size' is missing"),
    ("llama", {"tie_word_embeddings": "false"}, "tie_word_embeddings = 'false': expected true or false"),
    ("mistral", {"sliding_window": 0}, "sliding_window = 0: expected a whole number, 1 or more"),
    ("mistral", {"sliding_window": 8, "layer_types": ["full_attention"] * 4}, "layer_types = full_attention, but sliding_wind"),
    ("mistral", {"layer_types": ["sliding_attention"] * 4}, "layer_types = sliding_attention, but sliding_window = None"),
    ("qwen2", {"layer_types": ["full_attention"] * 2 + ["sliding_attention"] * 2}, "layer_types = "),
    ("qwen3", {"layer_types": ["full_attention"] * 3}, "layer_types = .* for all 4 layers"),
    ("qwen3", {"layer_types": ["linear_attention"] * 4}, "layer_types = "),
    ("qwen3", {"layer_types": ["sliding_attention"] * 4}, "layer_types = sliding_attention, but sliding_window = None"),
    (
        "qwen2",
        {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 2},
        "max_window_layers = 2 of 4 layers is not supported",
    ),
    (
        "qwen2",
        {"architectures": ["Qwen2ForTokenClassification"], "num_labels": 3, "id2label": {"0": "no", "1": "yes"}},
        "num_labels = 3, but id2label has 2",
    ),
]


@pytest.mark.parametrize(("family", "stated", "message"), REFUSED, ids=[f"{f}-{'-'.join(s)}" for f, s, _ in REFUSED])
def test_what_changes_the_mathematics_is_refused_by_name(family: str, stated: dict[str, Any], message: str) -> None:
    good = of_family(family)
    from_hf(good, "x.json")
    with pytest.raises(ValueError, match="^x.json: .*" + message) as error:
        from_hf({**good, **stated}, "x.json")
    assert len(str(error.value)) < 500


COUNTS = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"]
COUNTS += ["num_key_value_heads", "head_dim", "max_position_embeddings"]
NUMBERS = ["rope_theta", "rms_norm_eps", "initializer_range"]
WRONG = ["4", [4], {}, -1, 0, math.nan, math.inf, -math.inf, 10**400, True, False]


@pytest.mark.parametrize("value", [*WRONG, 0.5], ids=lambda value: str(value)[:5])
@pytest.mark.parametrize("field", [*COUNTS, *NUMBERS])
def test_wrong_numbers_name_file_and_field(field: str, value: object) -> None:
    stated = of_family("llama", **{field: value})
    if field in NUMBERS and value == 0.5 and value is not False:
        from_hf(stated)
        return
    with pytest.raises(ValueError, match=f"^x.json: {field} = "):
        from_hf(stated, "x.json")


@pytest.mark.parametrize("field", [*COUNTS[:5], "architectures"])
def test_what_is_needed_is_asked_for(field: str) -> None:
    stated = of_family("llama")
    del stated[field]
    with pytest.raises(ValueError, match=f"^x.json: .*{field}"):
        from_hf(stated, "x.json")


LEAVES = st.none() | st.booleans() | st.integers() | st.integers(-2, 40) | st.floats() | st.text(max_size=8)
ANYTHING = st.recursive(
    LEAVES | st.sampled_from(["linear", "llama3", "sliding_attention", "full_attention", 10**400, [None] * 4]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(max_size=4) | st.sampled_from(["rope_type", "type", "rope_theta", *SCALED]), inner, max_size=5
        )
    ),
    max_leaves=10,
)
GOOD = [
    *(of_family(family) for family in FAMILIES),
    of_family("qwen2", use_sliding_window=True, sliding_window=8, max_window_layers=0),
    of_family("llama", rope_scaling=SCALED),
    of_family("qwen2", rope_scaling=YARN),
    of_family("llama", rope_scaling={"type": "dynamic", "factor": 2.0}),
    {**of_family("llama"), "architectures": ["LlamaForTokenClassification"], "id2label": {"0": "a", "1": "b", "2": "c"}},
]
FIELDS = sorted(
    {*set().union(*GOOD), "layer_types", "rope_parameters", "num_labels", "token_classification_bias", "logit_scale"}
)


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(GOOD), st.dictionaries(st.sampled_from(FIELDS), ANYTHING, min_size=1, max_size=3))
def test_any_json_gives_a_model_or_a_reason(good: dict[str, Any], changes: dict[str, Any]) -> None:
    stated = {**copy.deepcopy(good), **changes}
    before = repr(stated)
    try:
        found = from_hf(stated, "x.json")
    except ValueError as error:
        assert str(error).startswith("x.json: ")  # noqa: PT017
        assert len(str(error)) < 1000  # noqa: PT017
    else:
        assert from_hf(to_hf(found, "float32", 0, 1, 2)) == found
    assert repr(stated) == before  # which is shown to people elsewhere


def test_reading_names_the_file(tmp_path: pathlib.Path, fields: dict[str, Any]) -> None:
    file = tmp_path / "config.json"
    with pytest.raises(FileNotFoundError, match=f"{file}: no such file"):
        read(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere: no such folder"):
        read(tmp_path / "nowhere")
    file.write_text("[]")
    with pytest.raises(ValueError, match=f"{file}: expected a JSON object"):
        read(tmp_path)
    file.write_text('{"hidden_size": 3')
    with pytest.raises(ValueError, match=f"{file}: line 1: expected JSON"):
        read(tmp_path)
    file.write_text(json.dumps({**fields, "hidden_act": "gelu"}))
    with pytest.raises(ValueError, match=f"{file}: hidden_act = 'gelu'"):
        read(tmp_path)
    file.write_text(json.dumps(fields))
    assert read(tmp_path)[1] == fields
