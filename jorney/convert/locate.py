"""Where a model is: a folder, a hub id, what a training stage wrote; and the base of an adapter."""

from __future__ import annotations

import os

from jorney import storage

EMBEDDED = "embedded"
ADAPTER, ADAPTER_WEIGHTS = "adapter_config.json", ("adapter_model.safetensors", "adapter_model.bin")
_CONFIG = "config.json"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json", "params")
_TOKENIZERS = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model")
_LARGEST = 16 << 20  # bytes
# Of the hub's files: the same weights once more, and what belongs to other programs.
_OTHER_COPIES = ["*/*", "consolidated*", "*.fp16.*", "training_args.bin", "optimizer.bin", "scheduler.bin"]


def resolve(path_or_hub_id: str) -> str:
    """A folder, local or gs://, for "embedded", a folder or a hub id; of what a training stage wrote, the model in it.

    Raises:
      FileNotFoundError: none of these.
    """
    if path_or_hub_id == EMBEDDED:
        return os.path.join(os.path.dirname(os.path.dirname(__file__)), "embedded")
    place = storage.follow(path_or_hub_id)
    if place.exists():
        inner = place / "model"
        return os.fspath(inner if not _describes(place) and _describes(inner) else place)
    if not storage.is_local(path_or_hub_id):
        raise FileNotFoundError(f"{path_or_hub_id}: no such folder in the store")
    if path_or_hub_id.startswith((".", "/", "~")) or path_or_hub_id.count("/") != 1:
        raise FileNotFoundError(f"{path_or_hub_id}: no such folder (a hub id has the form owner/name)")
    import huggingface_hub
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def fetched(*weights: str) -> str:
        return huggingface_hub.snapshot_download(
            path_or_hub_id, allow_patterns=["*.json", "*.jinja", *weights], ignore_patterns=_OTHER_COPIES
        )

    try:
        folder = fetched("*.safetensors")
        has = any(name.endswith(".safetensors") for name in os.listdir(folder))
        return folder if has else fetched("*.bin")
    except (OSError, HfHubHTTPError, LocalEntryNotFoundError) as error:
        reason = str(error).splitlines()[0]
        raise FileNotFoundError(f"{path_or_hub_id}: neither a folder here nor a model that the hub gives: {reason}") from None


def is_model(folder: storage.PathLike) -> bool:
    """Whether a folder is, or holds as a training stage's does, a model or an adapter."""
    root = storage.path(folder)
    return _describes(root) or _describes(root / "model")


def _describes(place: storage.Path) -> bool:
    """Whether a folder says of itself what model or adapter it is."""
    return any((place / name).exists() for name in (_CONFIG, ADAPTER))


def is_adapter(folder: storage.PathLike) -> bool:
    """Whether a folder holds an adapter (peft's) and no weights of a whole model."""
    root = storage.path(folder)
    return (root / ADAPTER).exists() and not any((root / name).exists() for name in _WEIGHTS)


def base_of(folder: storage.PathLike) -> str | None:
    """The folder of the model that an adapter changes, which may itself be one; None of a whole model.

    Raises:
      FileNotFoundError, ValueError: the adapter does not say, or there is no such model; names the file and its field.
    """
    if not is_adapter(folder):
        return None
    file = storage.path(folder) / ADAPTER
    stated = stated_base(folder)
    if not stated:
        raise ValueError(
            f"{file}: base_model_name_or_path: expected the folder or hub id of the model that the adapter changes"
        )
    if stated.endswith("/jorney/embedded") and not storage.path(stated).exists():  # of another installation
        return resolve(EMBEDDED)
    try:
        found = resolve(stated)
    except FileNotFoundError as error:
        what = f"{file}: base_model_name_or_path = {stated!r:.200}: the model that the adapter changes is not there ({error})"
        raise FileNotFoundError(f"{what}: expected its folder or hub id: correct the field, or put the model there") from None
    if os.path.realpath(found) == os.path.realpath(os.fspath(folder)):
        raise ValueError(f"{file}: base_model_name_or_path = {stated!r:.200}: names the adapter itself: expected its base")
    return found


def stated_base(folder: storage.PathLike) -> str:
    """What an adapter calls the model that it changes; "" where it does not say."""
    fields = storage.read_json(storage.path(folder) / ADAPTER, _LARGEST)
    stated = fields.get("base_model_name_or_path") if isinstance(fields, dict) else None
    return stated if isinstance(stated, str) else ""


def described_by(folder: storage.PathLike) -> str:
    """The folder whose config.json describes a model: an adapter's own where it has one (a reward model's), else its base's."""
    if (storage.path(folder) / _CONFIG).exists() or (base := base_of(folder)) is None:
        return os.fspath(folder)
    return described_by(base)


def tokenizer_in(folder: storage.PathLike) -> str:
    """The folder of a model's tokenizer: an adapter's own where it has one, else its base's."""
    if any((storage.path(folder) / name).exists() for name in _TOKENIZERS) or (base := base_of(folder)) is None:
        return os.fspath(folder)
    return tokenizer_in(base)


def not_used(folder: storage.PathLike) -> str | None:
    """What to tell of a whole model, where an adapter lies beside it; else None."""
    root = storage.path(folder)
    found = [name for name in (ADAPTER, *ADAPTER_WEIGHTS) if (root / name).exists()]
    if not found:
        return None
    what = f"{folder}: the adapter beside the model is ignored ({', '.join(found)})"
    return f"{what}: to use it, give it a folder of its own"
