"""Folders of peft: what peft trained has its logits, what is written is what was read, and what is not computed is refused."""

from __future__ import annotations

import json
import pathlib
import shutil
from typing import Any

import jax
import numpy as np
import pytest
from places import ROOT

import jorney
from jorney.convert import config_json, inspect, peft
from jorney.convert.locate import base_of, is_adapter
from jorney.model import lora
from jorney.policy import EMBEDDED, load, save
from jorney.run.artifact import Model
from jorney.run.stage import read_model

ADAPTER = ROOT / "tests" / "golden" / "peft_adapter"
WHOLE = pathlib.Path(jorney.__file__).parent / "embedded"


@pytest.fixture
def adapter(tmp_path: pathlib.Path) -> pathlib.Path:
    return shutil.copytree(ADAPTER, tmp_path / "adapter")


def change(folder: pathlib.Path, **fields: Any) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


@pytest.mark.parametrize("merge", [True, False])
def test_what_peft_trained_has_the_logits_of_torch(mesh1, merge: bool) -> None:
    """tools/make_peft_golden.py"""
    golden = np.load(ADAPTER.with_suffix(".npz"))
    policy = load(str(ADAPTER), mesh=mesh1, merge=merge)
    found = np.asarray(jorney.logits(policy, golden["tokens"]))
    np.testing.assert_allclose(found[:, ::4], golden["logits"], atol=1e-4)
    base = np.asarray(jorney.logits(load(EMBEDDED, mesh=mesh1), golden["tokens"]))
    assert np.abs(base - found).max() > 1
    assert (policy.lora is None) == merge


def test_a_round_trip_is_byte_equal(mesh1, tmp_path: pathlib.Path) -> None:
    policy = load(str(ADAPTER), mesh=mesh1, merge=False)
    save(policy, tmp_path / "out")
    written = (tmp_path / "out" / "adapter_model.safetensors").read_bytes()
    assert written == (ADAPTER / "adapter_model.safetensors").read_bytes()
    before, after = (json.loads((one / "adapter_config.json").read_text()) for one in (ADAPTER, tmp_path / "out"))
    assert set(before.pop("target_modules")) == set(after.pop("target_modules"))
    assert (before.pop("base_model_name_or_path"), after.pop("base_model_name_or_path")) == ("embedded", str(WHOLE))
    assert {name: before[name] for name in after} == after  # ours leaves out what newer pefts have added
    assert base_of(tmp_path / "out") == str(WHOLE)
    assert not (tmp_path / "out" / "config.json").exists()


def test_it_is_read_onto_any_mesh(tmp_path: pathlib.Path) -> None:
    wide = load(str(ADAPTER), mesh=jorney.sharding.MeshConfig(data=2, fsdp=2, tensor=2), merge=False)
    save(wide, tmp_path / "out")
    assert (tmp_path / "out" / "adapter_model.safetensors").read_bytes() == (ADAPTER / "adapter_model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"use_dora": True}, "use_dora = True is not supported: expected False"),
        ({"rank_pattern": {"q_proj": 8}}, "rank_pattern = {'q_proj': 8} is not supported"),
        ({"alpha_pattern": {"q_proj": 8}}, "alpha_pattern"),
        ({"bias": "all"}, "bias = 'all' is not supported: expected 'none'"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out"),
        ({"layers_to_transform": [0, 1]}, r"layers_to_transform = \[0, 1\]"),
        ({"modules_to_save": ["embed_tokens"]}, "modules_to_save"),
        ({"trainable_token_indices": [1]}, "trainable_token_indices"),
        ({"init_lora_weights": "pissa_niter_16"}, "init_lora_weights = 'pissa_niter_16'"),
        ({"peft_type": "IA3"}, "peft_type = 'IA3' is not supported: expected 'LORA'"),
        ({"r": 0}, "r = 0"),
        ({"r": True}, "r = True"),
        ({"lora_alpha": -1}, "lora_alpha"),
        ({"target_modules": ["q_proj", "lm_head"]}, "target_modules = .*'lm_head'"),
        ({"target_modules": []}, "target_modules"),
        ({"target_modules": None}, "target_modules = None is not supported: expected a list of modules, or a pattern"),
        ({"kasa_config": {"beta": 1}}, "kasa_config = {'beta': 1} is not supported: expected no such field"),
    ],
)
def test_what_is_not_computed_is_refused_by_name(adapter: pathlib.Path, fields: dict[str, Any], told: str) -> None:
    change(adapter, **fields)
    with pytest.raises(ValueError, match=told) as error:
        load(str(adapter))
    assert str(error.value).startswith(f"{adapter / 'adapter_config.json'}: ")


def test_rslora_scales_by_the_root(adapter: pathlib.Path, mesh1) -> None:
    change(adapter, use_rslora=True)
    assert load(str(adapter), mesh=mesh1, merge=False).lora.scale == pytest.approx(8 / 2**0.5)


def test_a_pattern_of_modules_is_read_off_the_tensors(adapter: pathlib.Path, mesh1) -> None:
    change(adapter, target_modules=r".*\.(q_proj|o_proj|down_proj)")
    assert load(str(adapter), mesh=mesh1, merge=False).lora.targets == ("q_proj", "o_proj", "down_proj")


def test_tensors_that_do_not_fit_are_listed(adapter: pathlib.Path) -> None:
    change(adapter, target_modules=["q_proj", "o_proj", "up_proj"], r=4)
    with pytest.raises(ValueError, match="tensors do not fit its adapter_config.json and its base") as error:
        load(str(adapter))
    lines = str(error.value).splitlines()
    assert any(line.endswith("layers.0.mlp.up_proj.lora_A.weight: missing") for line in lines)
    assert any("layers.0.mlp.down_proj.lora_A.weight: unknown to this architecture" in line for line in lines)
    assert any("layers.0.self_attn.q_proj.lora_A.weight: shape [2, 128], expected [4, 128]" in line for line in lines)
    assert lines[-1] == f"  its base is {WHOLE}"


@pytest.mark.parametrize("stated", ["", None, "nobody/nothing-here", "./not/there"])
def test_a_base_that_is_not_there_is_named_with_its_field(adapter: pathlib.Path, stated: str | None, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    change(adapter, base_model_name_or_path=stated)
    with pytest.raises((FileNotFoundError, ValueError), match="adapter_config.json: base_model_name_or_path") as error:
        load(str(adapter))
    assert "\n" not in str(error.value)


def test_a_base_that_is_the_adapter_itself_is_named(adapter: pathlib.Path) -> None:
    change(adapter, base_model_name_or_path=str(adapter))
    with pytest.raises(ValueError, match="names the adapter itself: expected its base"):
        load(str(adapter))


def test_an_adapter_is_known_by_its_base_too(adapter: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """And its base is named by where it lies, not by a link that another run turns."""
    base = shutil.copytree(WHOLE, tmp_path / "one")
    link = tmp_path / "link"
    link.symlink_to(base)
    change(adapter, base_model_name_or_path=str(link))
    before = [read_model(str(adapter)).key, Model.at(str(adapter)).key]
    assert before[0] == before[1]
    policy = load(str(adapter), merge=False)
    save(policy, tmp_path / "again")
    assert json.loads((tmp_path / "again" / "adapter_config.json").read_text())["base_model_name_or_path"] == str(
        base.resolve()
    )
    (base / "config.json").write_text((base / "config.json").read_text() + "\n")
    assert read_model(str(adapter)).key != before[0]


def test_targets_have_one_order(mesh1) -> None:
    assert lora.LoraConfig(2, targets=("v_proj", "q_proj")) == lora.LoraConfig(2, targets=("q_proj", "v_proj"))
    assert lora.LoraConfig(2, targets=["v_proj", "q_proj"]).targets == ("q_proj", "v_proj")


def test_a_copy_leaves_a_trainers_files_behind(adapter: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for name in ("optimizer.pt", "trainer_state.json", "training_args.bin", "tokenizer.json"):
        (adapter / name).write_text("{}")
    (out := tmp_path / "out").mkdir()
    peft.copy(adapter, peft.checked(adapter), out, None)
    assert sorted(file.name for file in out.iterdir()) == ["adapter_config.json", "adapter_model.safetensors", "tokenizer.json"]


def test_weights_that_are_not_there_are_named(adapter: pathlib.Path) -> None:
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="expected the adapter's weights beside adapter_config.json"):
        load(str(adapter))


def test_its_architecture_and_dtype_are_its_bases() -> None:
    assert is_adapter(ADAPTER)
    assert config_json.read(ADAPTER)[0] == config_json.read(WHOLE)[0]
    assert inspect.stored_dtype(str(ADAPTER)) == inspect.stored_dtype(str(WHOLE))
    found = inspect.inspect(str(ADAPTER))
    assert found["adapter"]["parameters"] == 12_288
    lines = inspect.describe(found).splitlines()
    assert lines[1] == "  adapter       LoRA of rank 2, alpha 8 (scale 4)"
    assert all(len(line) <= 80 for line in lines[1:4])


def test_a_copy_needs_no_base(adapter: pathlib.Path, tmp_path: pathlib.Path) -> None:
    change(adapter, base_model_name_or_path="./not/there")
    out = tmp_path / "out"
    out.mkdir()
    peft.copy(adapter, peft.checked(adapter), out, None)
    assert (out / "adapter_model.safetensors").read_bytes() == (ADAPTER / "adapter_model.safetensors").read_bytes()
    peft.copy(adapter, peft.checked(adapter), out, "bfloat16")
    assert (out / "adapter_model.safetensors").stat().st_size < 0.7 * (ADAPTER / "adapter_model.safetensors").stat().st_size


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors", "adapter_model.bin"])
def test_an_adapter_beside_a_model_is_said_to_be_ignored(tmp_path: pathlib.Path, mesh1, name: str) -> None:
    folder = shutil.copytree(WHOLE, tmp_path / "model")
    (folder / name).write_text("{}")
    told = f"{folder}: the adapter beside the model is ignored ({name})"
    with pytest.warns(UserWarning, match="is ignored") as warned:
        load(str(folder), mesh=mesh1)
    assert str(warned[0].message).startswith(told)
    found = inspect.inspect(str(folder))
    assert found["weights"]["notes"][0].startswith(told)


def test_what_is_kept_apart_generates_what_is_merged_does(mesh1) -> None:
    """By the engine, whose tree holds the adapters as they are."""
    prompt = "Question:\nMake 38 from 4, 13, 22, 25.\nAnswer:\nLet's think step by step.\n"
    texts = [
        jorney.generate(load(str(ADAPTER), mesh=mesh1, merge=merge), [prompt], max_tokens=24, temperature=0)[0][0].text
        for merge in (True, False)
    ]
    assert texts[0] == texts[1]
    assert texts[0] != jorney.generate(load(EMBEDDED, mesh=mesh1), [prompt], max_tokens=24, temperature=0)[0][0].text


def test_an_adapter_may_change_an_adapted_model(tmp_path: pathlib.Path, adapter: pathlib.Path, mesh1) -> None:
    change(adapter, base_model_name_or_path=str(ADAPTER))
    twice, once, base = (load(place, mesh=mesh1).params for place in (str(adapter), str(ADAPTER), EMBEDDED))
    first, second = (jax.tree.map(lambda a, b: np.asarray(a - b), one, two) for one, two in ((once, base), (twice, once)))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), first, second)
    assert not lora.is_adapted(twice)
