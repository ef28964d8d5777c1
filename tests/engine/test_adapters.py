"""Several adapters on one base: each prompt is answered as by its own adapter alone, whatever is sampled beside it."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil

import jax
import numpy as np
import pytest
from places import ROOT

import jorney
from jorney import cli
from jorney.engine.generate import Generator, SamplingConfig
from jorney.model import lora
from jorney.model.lora import LoraConfig
from jorney.policy import EMBEDDED, load, save
from jorney.sharding import MeshConfig

FIRST = ROOT / "tests" / "golden" / "peft_adapter"  # of rank 2: q_proj, o_proj, down_proj
PROMPTS = [f"Question:\nMake {n} from 3, 4, 5, 9.\nAnswer:\nLet's think step by step.\n" for n in (21, 24, 30, 36, 17, 11)]
WHICH = ["first", "second", None, "first", None, "second"]
SAMPLING = SamplingConfig(w=2, max_tokens=24, temperature=0.7, rows=4, chunk=8)  # two problems at a time


@pytest.fixture(scope="module")
def second(tmp_path_factory, policy) -> pathlib.Path:
    """Of rank 3, with other targets than the first."""
    config = LoraConfig(3, 6.0, ("q_proj", "up_proj", "gate_proj"))
    trained = lora.init(policy.config, config, policy.params, policy.mesh, 0)
    leaves, structure = jax.tree.flatten(trained)
    drawn = [0.05 * jax.random.normal(jax.random.key(i), leaf.shape) for i, leaf in enumerate(leaves)]
    folder = tmp_path_factory.mktemp("second")
    whole = lora.join(policy.params, jax.tree.unflatten(structure, drawn), config.scale)
    save(dataclasses.replace(policy, params=whole, lora=config, base=EMBEDDED), folder)
    return folder


@pytest.fixture(scope="module")
def alone(second, mesh1) -> list:
    """Of each prompt, by a model that has its adapter alone."""
    models = {"first": str(FIRST), "second": str(second), None: EMBEDDED}
    found = []
    for prompt, name in zip(PROMPTS, WHICH, strict=True):
        found += Generator(load(models[name], mesh=mesh1, merge=False)).generate([prompt], SAMPLING)
    return found


@pytest.mark.parametrize("mesh", [MeshConfig(devices=1), pytest.param(MeshConfig(data=2, devices=2), marks=pytest.mark.slow)])
def test_each_prompt_has_the_answer_of_its_own_adapter(second, alone, mesh: MeshConfig) -> None:
    both = load(EMBEDDED, mesh=mesh, adapters={"first": str(FIRST), "second": str(second)})
    assert both.adapters == ("first", "second")
    found = Generator(both).generate(PROMPTS, SAMPLING, adapters=WHICH)
    for own, expected in zip(found, alone, strict=True):
        assert [one.tokens for one in own] == [one.tokens for one in expected]
        for one, other in zip(own, expected, strict=True):
            np.testing.assert_allclose(one.log_probs, other.log_probs, atol=1e-4)
    assert len({tuple(one.tokens for one in own) for own in found}) == len(PROMPTS)


def test_without_a_name_the_base_answers(second, mesh1, policy) -> None:
    both = load(EMBEDDED, mesh=mesh1, adapters={"second": str(second)})
    found, expected = (jorney.generate(one, PROMPTS[:2], max_tokens=16, temperature=0) for one in (both, policy))
    assert [one[0].tokens for one in found] == [one[0].tokens for one in expected]


def test_nothing_else_asks_adapters_that_are_chosen_from(second, mesh1, policy, tmp_path: pathlib.Path) -> None:
    both = load(EMBEDDED, mesh=mesh1, adapters={"first": str(FIRST), "second": str(second)})
    tokens = np.arange(24).reshape(2, 12)
    np.testing.assert_array_equal(jorney.logits(both, tokens), jorney.logits(policy, tokens))
    with pytest.raises(ValueError, match="has adapters to choose from: expected a model that was loaded without them"):
        save(both, tmp_path / "out")
    with pytest.raises(ValueError, match="has adapters to choose from"):
        jorney.train(both, [{"prompt": "a", "completion": "b"}], jorney.SftConfig(epochs=1, batch_rows=1, row_length=64))
    assert not (tmp_path / "out").exists()


def test_an_adapter_needs_no_base_of_its_own(second, mesh1, tmp_path: pathlib.Path) -> None:
    """The model that it is loaded beside is one."""
    moved = shutil.copytree(second, tmp_path / "moved")
    file = moved / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "base_model_name_or_path": "./not/there"}))
    assert load(EMBEDDED, mesh=mesh1, adapters={"second": str(moved)}).adapters == ("second",)


def test_what_is_no_adapter_of_the_model_is_refused(second, mesh1, tmp_path: pathlib.Path) -> None:
    both = load(EMBEDDED, mesh=mesh1, adapters={"second": str(second)})
    with pytest.raises(ValueError, match=r"prompt 1 .*: adapter = 'first': expected None or one of second"):
        jorney.generate(both, PROMPTS[:2], adapters=["second", "first"])
    with pytest.raises(ValueError, match="adapters has 1 entries: expected one for each of the 2 prompts"):
        jorney.generate(both, PROMPTS[:2], adapters=["second"])
    with pytest.raises(ValueError, match="expected an adapter, a folder with adapter_config.json"):
        load(EMBEDDED, mesh=mesh1, adapters={"base": EMBEDDED})
    with pytest.raises(ValueError, match="has an adapter that is not merged"):
        load(str(FIRST), mesh=mesh1, merge=False, adapters={"second": str(second)})


def test_rows_of_a_file_choose(second, tmp_path: pathlib.Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [{"prompt": PROMPTS[0], "adapter": "a"}, {"prompt": PROMPTS[0]}, {"prompt": PROMPTS[1], "adapter": "b"}]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["generate", "--prompts-from", "prompts.jsonl", "--sampling.max-tokens", "12", "--mesh.devices", "1"]
    chosen = ["--adapters", f"a={FIRST}", f"b={second}"]
    assert cli.main([*command, *chosen, "--output", "out"]) == 0
    found = [json.loads(line) for line in (tmp_path / "out" / "completions" / "completions.jsonl").read_text().splitlines()]
    assert [row.get("adapter") for row in found] == ["a", None, "b"]
    assert found[0]["completions"][0]["text"] != found[1]["completions"][0]["text"]
    assert cli.main([*command, "--output", "other"]) == 2
    assert "prompts.jsonl: line 1: adapter = 'a': expected one of none: --adapters NAME=FOLDER" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    assert cli.main([*command, "--adapters", "a", "--output", "other"]) == 2
    assert "adapters = 'a': expected NAME=FOLDER" in capsys.readouterr().err
