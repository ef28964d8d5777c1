"""Adapters (peft's): changes to the weights of another model, which are told of and not read."""

from __future__ import annotations

from jorney import storage

_CONFIG = "adapter_config.json"
_FILES = (_CONFIG, "adapter_model.safetensors", "adapter_model.bin")
_LARGEST = 16 << 20  # bytes
_MERGE = "merge it into that model (peft's merge_and_unload, then save_pretrained)"


def alone(folder: storage.PathLike) -> str | None:
    """What to tell of a folder without a whole model, where it holds an adapter; else None."""
    found = _found(folder)
    if not found:
        return None
    of, config = "another model", storage.path(folder) / _CONFIG
    if config.exists():
        fields = storage.read_json(config, _LARGEST)
        base = fields.get("base_model_name_or_path") if isinstance(fields, dict) else None
        of = f"{base:.200}" if isinstance(base, str) and base else of
    what = f"{folder}: holds an adapter for {of} ({', '.join(found)}), which is no whole model"
    return f"{what}: {_MERGE}, and give what that writes"


def beside(folder: storage.PathLike) -> str | None:
    """What to tell of a whole model, where an adapter lies beside it; else None."""
    found = _found(folder)
    return f"{folder}: the adapter beside the model is ignored ({', '.join(found)}): to use it, {_MERGE}" if found else None


def _found(folder: storage.PathLike) -> list[str]:
    return [name for name in _FILES if (storage.path(folder) / name).exists()]
