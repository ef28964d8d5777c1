"""Adapters as peft keeps them: adapter_config.json and adapter_model.safetensors, read and written.

The mapping is the parameter table's, as for whole models: each adapted weight has two tensors, named by its Hugging Face
module, and everything else in the file is refused by name.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

from jorney import distributed, storage
from jorney.convert import safetensors, torch_bin
from jorney.convert.locate import ADAPTER, ADAPTER_WEIGHTS
from jorney.convert.stored import StoredTensor
from jorney.model import lora as adapters
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.lora import TARGETS, LoraConfig
from jorney.model.params import Params, Path

_PREFIX = "base_model.model."
_MOST_FAULTS = 100  # that are listed
_LARGEST = 16 << 20  # bytes
_HEAD = "score"

# Fields under whose other values the change is not what is computed here.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "use_dora": (False, None),
    "rank_pattern": ({}, None),
    "alpha_pattern": ({}, None),
    "bias": ("none", None),
    "fan_in_fan_out": (False, None),
    "lora_bias": (False, None),
    "layers_to_transform": (None, []),
    "layer_replication": (None, []),
    "trainable_token_indices": (None, [], {}),
    "target_parameters": (None, []),
    "use_qalora": (False, None),
    "alora_invocation_tokens": (None, []),
}
# Fields that are read below, or change nothing of what is computed. Any other that states something is refused.
_READ = frozenset(
    """peft_type r lora_alpha target_modules use_rslora modules_to_save init_lora_weights base_model_name_or_path auto_mapping
ensure_weight_tying exclude_modules inference_mode layers_pattern lora_dropout megatron_core peft_version qalora_group_size
revision runtime_config task_type eva_config loftq_config corda_config lora_ga_config""".split()  # noqa: SIM905
)
_ABOUT, _OF_TRAINER = (".json", ".jinja", ".model", ".txt"), ("trainer_state.json",)  # files beside an adapter's weights
_OTHER_BASES = ("pissa", "olora", "corda", "loftq", "lora_ga")  # ways to begin that change the base, too


def read_config(folder: storage.PathLike) -> LoraConfig:
    """What adapter_config.json states.

    Raises:
      FileNotFoundError, ValueError: it asks for what is not computed here; names the file, the field and what was expected.
    """
    file = storage.path(folder) / ADAPTER
    fields = storage.read_json(file, _LARGEST)
    if not isinstance(fields, dict):
        raise ValueError(f"{file}: expected a JSON object")

    def expect(holds: bool, name: str, expected: str) -> None:
        if not holds:
            raise ValueError(f"{file}: {name} = {fields.get(name)!r:.200} is not supported: expected {expected}")

    expect(fields.get("peft_type") == "LORA", "peft_type", "'LORA'")
    for name, value in fields.items():
        if name in _NEUTRAL:
            expect(value in _NEUTRAL[name], name, f"{_NEUTRAL[name][0]!r}")
        elif name not in _READ:
            expect(not value, name, "no such field")
    begun = fields.get("init_lora_weights")
    expect(
        not (isinstance(begun, str) and begun.lower().startswith(_OTHER_BASES)), "init_lora_weights", "one that keeps the base"
    )
    saved = fields.get("modules_to_save") or []
    expect(isinstance(saved, list) and set(saved) <= {_HEAD, "classifier"}, "modules_to_save", f"none but [{_HEAD!r}]")
    rank, alpha = fields.get("r"), fields.get("lora_alpha")
    expect(type(rank) is int and rank > 0, "r", "a whole number above 0")
    expect(isinstance(alpha, int | float) and not isinstance(alpha, bool) and alpha > 0, "lora_alpha", "a number above 0")
    targets = fields.get("target_modules")
    if isinstance(targets, list):
        last = {str(name).rpartition(".")[2] for name in targets}
        expect(last <= set(TARGETS) and bool(last), "target_modules", f"some of {', '.join(TARGETS)}")
        names = tuple(name for name in TARGETS if name in last)
    else:  # a pattern: the tensors tell
        expect(isinstance(targets, str), "target_modules", "a list of modules, or a pattern")
        names = _targets_of(folder)
    return LoraConfig(rank or 0, float(alpha or 0), names, bool(fields.get("use_rslora")))


def _targets_of(folder: storage.PathLike) -> tuple[str, ...]:
    found = {match[1] for name in stored_tensors(folder) if (match := re.search(r"\.(\w+)\.lora_[AB]\.", name))}
    if unknown := sorted(found - set(TARGETS)):
        raise ValueError(f"{folder}: the adapter changes {unknown[0]}: expected some of {', '.join(TARGETS)}")
    return tuple(name for name in TARGETS if name in found)


def stored_tensors(folder: storage.PathLike) -> dict[str, StoredTensor]:
    """{tensor name: where it is} of an adapter's weights, its adapter's name ("default") taken off."""
    root = storage.path(folder)
    for name, reader in zip(ADAPTER_WEIGHTS, (safetensors, torch_bin), strict=True):
        if (root / name).exists():
            found = reader.read_header(os.fspath(root / name))
            return {re.sub(r"(\.lora_[AB])\.default(?=\.)", r"\1", name): tensor for name, tensor in found.items()}
    raise FileNotFoundError(f"{folder}: expected the adapter's weights beside {ADAPTER}: {' or '.join(ADAPTER_WEIGHTS)}")


@dataclasses.dataclass(frozen=True)
class _Tensor:
    """A tensor of an adapter's file: which part of which leaf it is.

    Attributes:
      path: of the leaf in the tree that is trained.
      layer: None of a head, whose leaf has none.
      shape: as it is stored; torch's weights are [out, in].
      axes: of the leaf, without the layer's.
    """

    path: Path
    layer: int | None
    shape: tuple[int, ...]
    axes: tuple[int, ...]

    def to_peft(self, value: np.ndarray) -> np.ndarray:
        """Ours -> as it is stored."""
        flat = value.reshape(self.shape[::-1]) if len(self.shape) == 2 else value
        return np.ascontiguousarray(flat.T)

    def from_peft(self, value: np.ndarray) -> np.ndarray:
        """As it is stored -> ours."""
        return np.ascontiguousarray(value.T).reshape(self.axes)


def _expected(config: ModelConfig, lora: LoraConfig) -> Iterator[tuple[str, _Tensor]]:
    """(name, tensor) of everything in an adapter's file."""
    shapes = dict(parameters.flatten(adapters.abstract(config, lora)))
    rows = adapters.adapted(config, lora)
    for layer in range(config.layers):
        for path, row in rows.items():
            module = row.hf.format(layer=layer).removesuffix(".weight")
            for part, name, shape in (
                (adapters.A, "lora_A", (lora.rank, row.stored[1])),
                (adapters.B, "lora_B", (row.stored[0], lora.rank)),
            ):
                leaf = shapes[(*path, part)]
                yield f"{_PREFIX}{module}.{name}.weight", _Tensor((*path, part), layer, shape, leaf.shape[1:])
    for path, row in parameters.table(config).items():
        if path[0] == _HEAD:
            yield f"{_PREFIX}{row.hf}", _Tensor(path, None, row.stored, row.shape)


def load_params(folder: storage.PathLike, config: ModelConfig, lora: LoraConfig, where: Params, dtype: Any) -> Params:
    """The tree that was trained (`model.lora`), on the mesh.

    Args:
      where: its shardings.

    Raises:
      FileNotFoundError, ValueError: name the file, and the tensors that are missing, unknown or of another shape: all of them.
    """
    found, expected = stored_tensors(folder), dict(_expected(config, lora))
    faults = [f"{name}: missing" for name in expected if name not in found]
    for name, tensor in found.items():
        if name not in expected:
            faults.append(f"{name}: unknown to this architecture, with lora.targets = {', '.join(lora.targets)}")
        elif tensor.shape != expected[name].shape:
            faults.append(f"{name}: shape {list(tensor.shape)}, expected {list(expected[name].shape)}")
    if faults:
        listed = sorted(faults)[:_MOST_FAULTS] + [f"... and {len(faults) - _MOST_FAULTS:,} more"] * (len(faults) > _MOST_FAULTS)
        told = "tensors do not fit its adapter_config.json and its base"
        raise ValueError(f"{folder}: {len(faults)} {told}:\n  " + "\n  ".join(listed))
    parts: dict[Path, list[np.ndarray]] = {}
    for name, one in expected.items():
        value = found[name].rows(0, one.shape[0]).astype(dtype)
        parts.setdefault(one.path, []).append(one.from_peft(value))
    flat = {}
    for path, place in parameters.flatten(where):
        whole = np.stack(parts[path]) if path[0] == parameters.LAYERS else parts[path][0]
        flat[path] = jax.make_array_from_callback(whole.shape, place, whole.__getitem__)
    return parameters.nest(flat)


def checked(folder: storage.PathLike) -> dict[str, StoredTensor]:
    """The tensors of an adapter that could be used here, as far as can be told without its base. Raises as `load_params`."""
    lora, found = read_config(folder), stored_tensors(folder)
    expected = {"A": lambda shape: shape[0] == lora.rank, "B": lambda shape: shape[-1] == lora.rank}
    faults = []
    for name, tensor in found.items():
        match = re.fullmatch(re.escape(_PREFIX) + r"model\.layers\.\d+\.\w+\.(\w+)\.lora_([AB])\.weight", name)
        if match is None:
            faults += [] if name.startswith(f"{_PREFIX}{_HEAD}.") else [f"{name}: unknown"]
        elif match[1] not in lora.targets or len(tensor.shape) != 2 or not expected[match[2]](tensor.shape):
            faults.append(f"{name}: shape {list(tensor.shape)}, expected rank {lora.rank} of one of {', '.join(lora.targets)}")
    if faults or not found:
        listed = "\n  ".join(sorted(faults)[:_MOST_FAULTS])
        raise ValueError(f"{folder}: {len(faults)} tensors do not fit adapter_config.json:\n  {listed}")
    return found


def copy(folder: storage.PathLike, found: Mapping[str, StoredTensor], output: storage.PathLike, dtype: str | None) -> None:
    """Writes an adapter anew: its weights as safetensors, and the other files of its folder as they are.

    Args:
      found: `checked`.
      dtype: of the weights written; None keeps theirs.
    """
    source, target = storage.path(folder), storage.path(output)
    kinds = {name: np.dtype(dtype) if dtype else np.dtype(tensor.dtype) for name, tensor in found.items()}
    listed = [(name, kinds[name], tensor.shape) for name, tensor in sorted(found.items(), key=lambda one: one[0])]
    safetensors.write(
        target / ADAPTER_WEIGHTS[0], listed, lambda name: found[name].rows(0, found[name].shape[0]).astype(kinds[name])
    )
    for file in sorted(source.iterdir(), key=lambda one: one.name == ADAPTER):  # last: with it the folder is an adapter
        if file.suffix in _ABOUT and file.name not in _OF_TRAINER and not file.name.startswith(".") and not file.is_dir():
            storage.write_bytes(target / file.name, file.read_bytes())


def save(folder: storage.PathLike, config: ModelConfig, lora: LoraConfig, trained: Params, base: str, dtype: Any) -> None:
    """Writes the two files. On a mesh of several processes all call it, and process 0 writes.

    Args:
      trained: the tree of what was trained, without the base.
      base: the folder or hub id of the model that it changes.
      dtype: of the weights written.
    """
    leaves = dict(parameters.flatten(trained))
    tensors, dtype = dict(_expected(config, lora)), np.dtype(dtype)
    held = {path: _on_host(leaf) for path, leaf in leaves.items()}
    if not distributed.is_main():
        return
    root = storage.path(folder)
    root.mkdir(parents=True, exist_ok=True)

    def read(name: str) -> np.ndarray:
        tensor = tensors[name]
        value = held[tensor.path] if tensor.layer is None else held[tensor.path][tensor.layer]
        return tensor.to_peft(value.astype(dtype))

    listed = [
        (name, dtype, tensor.shape) for name, tensor in sorted(tensors.items(), key=lambda one: one[0])
    ]  # as peft has them
    safetensors.write(root / ADAPTER_WEIGHTS[0], listed, read)
    storage.write_json(root / ADAPTER, fields_of(config, lora, base))


def _on_host(leaf: jax.Array) -> np.ndarray:
    if leaf.is_fully_addressable:
        return np.asarray(leaf)
    from jax.experimental import multihost_utils

    return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))


def fields_of(config: ModelConfig, lora: LoraConfig, base: str) -> Mapping[str, Any]:
    """adapter_config.json."""
    values = config.head != "lm"
    return {
        "alpha_pattern": {},
        "auto_mapping": None,
        "base_model_name_or_path": base,
        "bias": "none",
        "fan_in_fan_out": False,
        "inference_mode": True,
        "init_lora_weights": True,
        "layers_pattern": None,
        "layers_to_transform": None,
        "lora_alpha": int(lora.alpha) if lora.alpha == int(lora.alpha) else lora.alpha,
        "lora_dropout": 0.0,
        "modules_to_save": [_HEAD] if values else None,
        "peft_type": "LORA",
        "r": lora.rank,
        "rank_pattern": {},
        "revision": None,
        "target_modules": list(lora.targets),
        "task_type": "TOKEN_CLS" if values else "CAUSAL_LM",
        "use_dora": False,
        "use_rslora": lora.rslora,
    }
