"""config.json of a Hugging Face folder, both ways.

A field that is not known here may change the mathematics, so it is refused by name: a model that is computed wrongly looks
almost like one that is not.
"""

from __future__ import annotations

import dataclasses
import math
import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from jorney import storage
from jorney.convert.locate import described_by, is_model
from jorney.model.architecture import FAMILIES, ModelConfig, RopeScaling

NAME = "config.json"

# The classes of transformers: a family's name, then what is on top.
_CLASSES = {"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}
# (head, bias of the linear head) of each suffix. The last two come with Qwen2.5-Math-PRM and Qwen2.5-Math-RM.
_HEADS = {
    "ForCausalLM": ("lm", False),
    "ForSequenceClassification": ("linear", False),
    "ForTokenClassification": ("linear", True),
    "ForProcessRewardModel": ("mlp", False),
    "ForRewardModel": ("mlp", False),
}
# Classes of published programs, which transformers does not know: the family, and the fields of the linear head (its number of
# values, whether it has a bias).
_PUBLISHED = {
    "ReasonEval_7B": ("mistral", "score_dimension", "use_bias"),
    "ReasonEval_34B": ("llama", "score_dim", "bias"),
}
ARCHITECTURES = {_CLASSES[family] + suffix: (family, *_HEADS[suffix]) for family in FAMILIES for suffix in _HEADS}

# Read below.
_READ = frozenset(
    """architectures model_type vocab_size hidden_size num_hidden_layers num_attention_heads num_key_value_heads head_dim
intermediate_size rope_theta rope_scaling rope_parameters rms_norm_eps max_position_embeddings tie_word_embeddings
initializer_range sliding_window use_sliding_window max_window_layers layer_types num_labels id2label
token_classification_bias dtype torch_dtype""".split()  # noqa: SIM905
)

# Fields that change the mathematics, with the values under which they change nothing here.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("silu",),
    "attention_bias": (False,),
    "mlp_bias": (False,),
    "partial_rotary_factor": (1, 1.0),
    "rope_interleaved": (False,),
    "is_encoder_decoder": (False,),
    "add_cross_attention": (False,),
    "quantization_config": (None,),
    "pruned_heads": ({}, None),
}

# Fields that change nothing that is computed here: names, ids, training, generation, what a writer left behind.
_INERT = frozenset(
    """transformers_version transformers.js_config auto_map tokenizer_class torchscript use_cache use_bfloat16 return_dict
    return_dict_in_generate output_hidden_states output_attentions output_scores output_router_logits
    chunk_size_feed_forward tf_legacy_loss problem_type label2id finetuning_task task_specific_params prefix is_decoder
    cross_attention_hidden_size tie_encoder_decoder
    suppress_tokens begin_suppress_tokens bad_words_ids
    exponential_decay_length_penalty encoder_no_repeat_ngram_size no_repeat_ngram_size length_penalty repetition_penalty
    diversity_penalty num_beam_groups num_beams num_return_sequences early_stopping do_sample max_length min_length
    max_new_tokens temperature top_k top_p typical_p remove_invalid_values attention_dropout attention_probs_dropout_prob
    hidden_dropout hidden_dropout_prob classifier_dropout embd_pdrop resid_pdrop summary_first_dropout pretraining_tp
    gradient_checkpointing use_flash_attn use_flash_attention_2 is_llama_config neftune_noise_alpha model_max_length
    max_sequence_length""".split()  # noqa: SIM905
)

# The types of rotary embedding, with the fields of each. Writers leave the factors of other types behind where the type
# is "default"; there they change nothing.
_SCALES = ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings")
# The last says what became of the weights, and changes nothing.
_YARN = ("attention_factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "truncate", "finetuned")
_ROPES = {
    "default": (*_SCALES, *_YARN, "short_factor", "long_factor"),
    "linear": ("factor",),
    "dynamic": ("factor",),
    "llama3": _SCALES,
    "yarn": ("factor", "original_max_position_embeddings", *_YARN),
}
_LARGEST_FILE = 16 << 20  # bytes; published ones have some thousand
_LARGEST = 2**31 - 1  # of what is counted: sizes and positions are 32-bit integers
# Private notes of the library that wrote the file, and ids that are the tokenizer's business.
_TOKEN_IDS = re.compile(r".*_token_ids?")
_INERT_PATTERN = re.compile(rf"_.*|unsloth_.*|{_TOKEN_IDS.pattern}")


def read(folder: storage.PathLike) -> tuple[ModelConfig, dict[str, Any]]:
    """The architecture that a folder's config.json states, and its fields as they stand; of an adapter, its base's.

    Raises:
      FileNotFoundError, ValueError: name the file, the field and what was expected.
    """
    root = storage.path(folder)
    if not root.exists():
        raise FileNotFoundError(f"{folder}: no such folder")
    file = storage.path(described_by(folder)) / NAME
    if not file.exists():
        within = [child.name for child in root.iterdir() if is_model(child)] if root.is_dir() else []
        hint = f": {', '.join(sorted(within)[:3])} in it is one" if within else ""
        raise FileNotFoundError(f"{file}: no such file: expected a model's folder{hint}")
    fields = storage.read_json(file, _LARGEST_FILE)
    if not isinstance(fields, dict):
        raise ValueError(f"{file}: expected a JSON object")
    return from_hf(fields, os.fspath(file)), fields


def from_hf(fields: Mapping[str, Any], source: str = NAME) -> ModelConfig:
    """The ModelConfig that a parsed config.json states, in its old and new spellings.

    Raises:
      ValueError: the architecture is not supported, a field is missing or of the wrong type, or asks for mathematics that
        is not implemented; names the file and the field.
    """
    fields = _as_transformers(fields, source)
    architecture = _architecture(fields, source)
    family, head, head_bias = ARCHITECTURES[architecture]
    for name, value in fields.items():
        if name in _NEUTRAL and value not in _NEUTRAL[name] and value is not None:
            raise ValueError(f"{source}: {name} = {value!r:.200} is not supported: expected {_NEUTRAL[name][0]!r}")
        known_field = name in _NEUTRAL or name in _READ or name in _INERT or _INERT_PATTERN.fullmatch(name)
        if not known_field and value is not None and value is not False:
            raise ValueError(
                f"{source}: the field {name!r:.200} = {value!r:.200} is unknown and may change what the model computes: "
                "expected a field of this architecture (remove it from the file if it changes nothing)"
            )
        if _TOKEN_IDS.fullmatch(name) and not _are_ids(value):
            raise ValueError(f"{source}: {name} = {value!r:.200}: expected a token's id, a list of them, or null")
        if name in ("dtype", "torch_dtype") and not isinstance(value, str | None):
            raise ValueError(f"{source}: {name} = {value!r:.200}: expected a dtype's name")
    stated = _Fields(fields, source)
    embed, heads = stated.whole("hidden_size"), stated.whole("num_attention_heads")
    try:
        theta, scaling = _rope(stated)
        return ModelConfig(
            family=family,
            vocab_size=stated.whole("vocab_size"),
            embed=embed,
            layers=stated.whole("num_hidden_layers"),
            heads=heads,
            kv_heads=stated.whole("num_key_value_heads", heads),
            head_dim=stated.whole("head_dim", 128 if family == "qwen3" else embed // heads),
            mlp=stated.whole("intermediate_size"),
            rope_theta=theta,
            rope_scaling=scaling,
            rms_eps=stated.number("rms_norm_eps", 1e-6),
            positions=stated.whole("max_position_embeddings", 2048),
            window=_window(stated, family),
            head=head,
            labels=0 if head == "lm" else _labels(stated, architecture),
            head_bias=head_bias and stated.flag("token_classification_bias", True),
            tie_embeddings=head == "lm" and stated.flag("tie_word_embeddings", False),
            init_scale=stated.number("initializer_range", 0.02),
        )
    except ValueError as error:
        text = str(error)
        raise ValueError(text if text.startswith(source) else f"{source}: {text}") from None


def _are_ids(value: Any) -> bool:
    """Whether a value is a token's id, a list of ids, or nothing; some writers say -1 where there is none."""
    return value is None or all(type(token) is int for token in (value if isinstance(value, list) else [value]))


def _as_transformers(fields: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """The fields of a published program's class as transformers would spell them; others as they are."""
    names = fields.get("architectures")
    if not isinstance(names, list) or len(names) != 1 or names[0] not in list(_PUBLISHED):
        return fields
    family, labels, bias = _PUBLISHED[names[0]]
    stated = _Fields(fields, source)
    return {
        **{name: value for name, value in fields.items() if name not in (labels, bias, "id2label")},
        "architectures": [_CLASSES[family] + "ForTokenClassification"],
        "num_labels": stated.whole(labels),
        "token_classification_bias": stated.flag(bias),
    }


def _architecture(fields: Mapping[str, Any], source: str) -> str:
    """The one class that the file names, checked against `model_type`: transformers goes by either."""
    names = fields.get("architectures")
    if not isinstance(names, list) or len(names) != 1 or names[0] not in list(ARCHITECTURES):
        raise ValueError(
            f"{source}: architectures = {names!r:.200}: expected one of {', '.join(_CLASSES.values())}, followed by one of "
            f"{', '.join(_HEADS)}; or {', '.join(_PUBLISHED)}"
        )
    family = ARCHITECTURES[names[0]][0]
    if fields.get("model_type") not in (None, family):
        raise ValueError(
            f"{source}: model_type = {fields['model_type']!r:.200}: expected {family!r} with architectures = {names}"
        )
    return names[0]


@dataclasses.dataclass(frozen=True)
class _Fields:
    """A JSON object read field by field; null is as good as absent.

    Attributes:
      values: the object.
      source: for messages: its file, and the field that holds it.
    """

    values: Mapping[str, Any]
    source: str

    def _read(self, name: str, default: Any, kinds: tuple[type, ...], fits: Callable[[Any], bool], expected: str) -> Any:
        value = self.values.get(name)
        if value is None:
            if default is None:
                raise ValueError(f"{self.source}: the field {name!r} is missing")
            return default
        if type(value) not in kinds or not fits(value):
            raise ValueError(f"{self.source}: {name} = {value!r:.200}: expected {expected}")
        return value

    def whole(self, name: str, default: int | None = None, least: int = 1) -> int:
        expected = f"a whole number, {least} or more, {_LARGEST:,} at most"
        return self._read(name, default, (int,), lambda value: least <= value <= _LARGEST, expected)

    def number(self, name: str, default: float | None = None) -> float:
        return float(self._read(name, default, (int, float), lambda value: 0 < value < 1e300, "a number above 0"))

    def flag(self, name: str, default: bool | None = None) -> bool:
        return self._read(name, default, (bool,), lambda value: True, "true or false")


def _rope(fields: _Fields) -> tuple[float, RopeScaling | None]:
    """Base and scaling of the rotary frequencies; transformers 5 writes both into `rope_parameters`, 4 apart."""
    names = "rope_parameters", "rope_scaling"
    found = [_rope_of(fields, name, value) for name in names if (value := fields.values.get(name))]
    if len(set(found)) > 1:
        raise ValueError(f"{fields.source}: rope_parameters and rope_scaling differ: expected the same, or one of them")
    return found[0] if found else (fields.number("rope_theta", 10_000.0), None)


def _rope_of(fields: _Fields, name: str, value: Any) -> tuple[float, RopeScaling | None]:
    source = f"{fields.source}: {name}"
    if not isinstance(value, Mapping):
        raise ValueError(f"{source} = {value!r:.200}: expected an object")
    stated = _Fields(value, source)
    outer = fields.number("rope_theta", 10_000.0)
    theta = stated.number("rope_theta", outer)
    if theta != outer and fields.values.get("rope_theta") is not None:
        raise ValueError(f"{source}: rope_theta = {theta}, but {outer} beside it: expected the same, or one of them")
    kind = value.get("rope_type", value.get("type", "default"))
    if not isinstance(kind, str) or kind not in _ROPES:
        raise ValueError(f"{source}: rope_type = {kind!r:.200} is not supported: expected one of {', '.join(_ROPES)}")
    unknown = set(value) - {"rope_type", "type", "rope_theta", *_ROPES[kind]}
    if value.get("partial_rotary_factor") in (None, 1):
        unknown -= {"partial_rotary_factor"}
    if unknown:
        raise ValueError(f"{source}: {', '.join(sorted(unknown)):.200} is not supported with rope_type = {kind!r}")
    if kind == "default":
        return theta, None
    if kind in ("linear", "dynamic"):
        return theta, RopeScaling(kind, stated.number("factor"))
    positions = fields.whole("max_position_embeddings", 2048)
    original = stated.whole("original_max_position_embeddings", positions)
    if kind == "yarn":
        return theta, _yarn(stated, positions, original)
    factor, low, high = (stated.number(name) for name in ("factor", "low_freq_factor", "high_freq_factor"))
    return theta, RopeScaling(kind, factor, low, high, original)


def _yarn(stated: _Fields, positions: int, original: int) -> RopeScaling:
    """YaRN as transformers reads it: `mscale` with `mscale_all_dim` are another way to state `attention_factor`."""
    factor = stated.number("factor", positions / original if original != positions else None)
    scales, attention = ("mscale", "mscale_all_dim"), None
    if stated.values.get("attention_factor") is not None:
        attention = stated.number("attention_factor")
    elif all(stated.values.get(name) for name in scales):
        ours, theirs = (0.1 * stated.number(name) * math.log(max(factor, 1)) + 1 for name in scales)
        attention = ours / theirs
    fast, slow = stated.number("beta_fast", 32.0), stated.number("beta_slow", 1.0)
    return RopeScaling("yarn", factor, slow, fast, original, attention, stated.flag("truncate", True))


def _window(fields: _Fields, family: str) -> int | None:
    """The sliding window, where every layer has the same."""
    if family == "llama":
        return None  # its layers never look at the fields
    layers, window = fields.whole("num_hidden_layers"), None
    # Qwen's state a window even where it is switched off.
    if family == "mistral" or fields.flag("use_sliding_window", False):
        stated = "sliding_window" not in fields.values or fields.values["sliding_window"] is not None
        window = fields.whole("sliding_window", 4096) if stated else None  # transformers' own default
    kinds = fields.values.get("layer_types")
    if kinds is None and family != "mistral" and window is not None:
        full = min(fields.whole("max_window_layers", 28, least=0), layers)
        if 0 < full < layers:
            raise ValueError(
                f"{fields.source}: max_window_layers = {full} of {layers} layers is not supported: "
                "expected the same in all layers"
            )
        return window if full == 0 else None
    if kinds is None:
        return window
    known = "full_attention", "sliding_attention"
    if not isinstance(kinds, list) or len(kinds) != layers or not any(kinds.count(kind) == layers for kind in known):
        raise ValueError(
            f"{fields.source}: layer_types = {kinds!r:.200} is not supported: "
            f"expected one of {' and '.join(known)}, the same for all {layers} layers"
        )
    # Mistral's layers go by sliding_window alone, Qwen's by layer_types; a window that is not stated serves neither.
    slides = kinds[0] == "sliding_attention"
    if slides != (window is not None) and (slides or family == "mistral"):
        raise ValueError(f"{fields.source}: layer_types = {kinds[0]}, but sliding_window = {window}: expected them to agree")
    return window if slides else None


def _labels(fields: _Fields, architecture: str) -> int:
    """Values of the head; transformers writes as many names as there are values, and nothing where there are two."""
    names = fields.values.get("id2label") or {}
    if not isinstance(names, Mapping):
        raise ValueError(f"{fields.source}: id2label = {names!r:.200}: expected an object")
    usual = len(names) or (1 if architecture.endswith("ForRewardModel") else 2)
    count = fields.whole("num_labels", usual)
    if names and count != len(names):
        raise ValueError(f"{fields.source}: num_labels = {count}, but id2label has {len(names)}: expected the same")
    return count


def to_hf(config: ModelConfig, dtype: str, bos: int | None, eos: int | None, pad: int | None) -> dict[str, Any]:
    """The fields of a model's config.json, as transformers 4 and 5 both read them."""
    heads = {key: name for name, key in reversed(ARCHITECTURES.items())}
    fields: dict[str, Any] = {
        "architectures": [heads[config.family, config.head, config.head_bias]],
        "model_type": config.family,
        "vocab_size": config.vocab_size,
        "hidden_size": config.embed,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "intermediate_size": config.mlp,
        "hidden_act": "silu",
        "rope_theta": config.rope_theta,
        "rope_scaling": _rope_scaling(config.rope_scaling),
        "rms_norm_eps": config.rms_eps,
        "max_position_embeddings": config.positions,
        "tie_word_embeddings": config.tie_embeddings,
        "initializer_range": config.init_scale,
        "torch_dtype": dtype,
        "bos_token_id": bos,
        "eos_token_id": eos,
        "pad_token_id": pad,
    }
    if config.family == "llama":
        fields |= {"attention_bias": False, "mlp_bias": False}
    else:
        fields["sliding_window"] = config.window
    if config.family in ("qwen2", "qwen3"):
        fields |= {"use_sliding_window": config.window is not None, "max_window_layers": 0 if config.window else config.layers}
    if config.head != "lm":
        fields["id2label"] = {str(label): f"LABEL_{label}" for label in range(config.labels)}
        fields["label2id"] = {name: int(label) for label, name in fields["id2label"].items()}
    return fields


def _rope_scaling(scaling: RopeScaling | None) -> dict[str, Any] | None:
    if scaling is None:
        return None
    fields: dict[str, Any] = {"rope_type": scaling.kind, "factor": scaling.factor}
    if scaling.kind == "llama3":
        fields |= {
            "low_freq_factor": scaling.low_frequency,
            "high_freq_factor": scaling.high_frequency,
            "original_max_position_embeddings": scaling.original_positions,
        }
    if scaling.kind == "yarn":
        fields |= {
            "beta_slow": scaling.low_frequency,
            "beta_fast": scaling.high_frequency,
            "original_max_position_embeddings": scaling.original_positions,
        }
        if scaling.attention_factor is not None:
            fields["attention_factor"] = scaling.attention_factor
        if not scaling.truncate:
            fields["truncate"] = False
    return fields
