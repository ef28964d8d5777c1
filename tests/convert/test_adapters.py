"""Adapters: alone they are no model, and beside one they are ignored, which is said."""

from __future__ import annotations

import json
import pathlib
import shutil

import pytest

import jorney
from jorney.convert import config_json, inspect

EMBEDDED = pathlib.Path(jorney.__file__).parent / "embedded"
BASE = {"base_model_name_or_path": "meta-llama/Llama-2-7b-hf", "peft_type": "LORA"}


@pytest.mark.parametrize(
    ("files", "of"),
    [
        ({"adapter_config.json": json.dumps(BASE), "adapter_model.safetensors": ""}, "for meta-llama/Llama-2-7b-hf"),
        ({"adapter_config.json": "{}", "adapter_model.bin": ""}, "for another model"),
        ({"adapter_config.json": "[]"}, "for another model"),
        ({"adapter_model.safetensors": "", "tokenizer.json": "{}"}, "for another model"),
    ],
)
def test_an_adapter_alone_is_told(tmp_path: pathlib.Path, files: dict[str, str], of: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    with pytest.raises(FileNotFoundError, match="which is no whole model: merge it into that model") as error:
        config_json.read(tmp_path)
    assert str(error.value).startswith(f"{tmp_path}: holds an adapter {of} (adapter_")
    assert "\n" not in str(error.value)


def test_an_adapter_beside_a_base_s_configuration_is_told(tmp_path: pathlib.Path) -> None:
    shutil.copy(EMBEDDED / "config.json", tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps(BASE))
    with pytest.raises(FileNotFoundError, match="holds an adapter for meta-llama/Llama-2-7b-hf"):
        inspect.inspect(str(tmp_path))


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"])
def test_an_adapter_beside_a_model_is_said_to_be_ignored(tmp_path: pathlib.Path, mesh1, name: str) -> None:
    folder = shutil.copytree(EMBEDDED, tmp_path / "model")
    (folder / name).write_text("{}")
    told = f"{folder}: the adapter beside the model is ignored ({name})"
    with pytest.warns(UserWarning, match="is ignored") as warned:
        jorney.load(str(folder), mesh=mesh1)
    assert str(warned[0].message).startswith(told)
    found = inspect.inspect(str(folder))
    assert found["weights"]["notes"][0].startswith(told)
