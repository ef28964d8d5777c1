"""What config.json makes redundant is compared before it is dropped."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import warnings

import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy

import jorney
from jorney import cli
from jorney.convert import hf, redundant, stored
from jorney.model import params as parameters
from jorney.model.attention import frequencies

EMBEDDED = pathlib.Path(jorney.__file__).parent / "embedded"
TOKENS = np.arange(1, 9)[None]


def _copy(folder: pathlib.Path, change, **fields: object) -> pathlib.Path:
    """The embedded model, which is tied, with other tensors and fields."""
    folder.mkdir()
    for file in EMBEDDED.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    config = json.loads((folder / "config.json").read_text()) | fields
    assert config["tie_word_embeddings"]
    (folder / "config.json").write_text(json.dumps(config))
    tensors = safetensors.numpy.load_file(folder / hf.WEIGHTS)
    change(tensors)
    safetensors.numpy.save_file(tensors, folder / hf.WEIGHTS)
    return folder


def _add_head(tensors: dict[str, np.ndarray], value=lambda embedding: embedding) -> None:
    tensors["lm_head.weight"] = value(tensors["model.embed_tokens.weight"].copy())


def _last_changed(embedding: np.ndarray) -> np.ndarray:
    embedding[-1, -1] += 1
    return embedding


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (lambda embedding: 2 * embedding, 2.0),
        (lambda embedding: -embedding, -1.0),
        (lambda embedding: (embedding.astype(np.float32) + 1).astype(np.float32), None),  # in another dtype, too
        (_last_changed, None),
    ],
    ids=["doubled", "negated", "another dtype", "one number"],
)
def test_a_head_of_other_values_is_used_and_told(value, kept, tmp_path: pathlib.Path, mesh1, capsys) -> None:
    folder = _copy(tmp_path / "model", lambda tensors: _add_head(tensors, value))
    with pytest.warns(UserWarning, match=r"model/model.safetensors: lm_head.weight has other values than") as told:
        policy = jorney.load(str(folder), mesh=mesh1)
    assert len(told) == 1
    assert not policy.config.tie_embeddings
    expected = safetensors.numpy.load_file(folder / hf.WEIGHTS)["lm_head.weight"].astype(np.float32)
    np.testing.assert_array_equal(np.asarray(policy.params["head"]), expected)
    if kept is not None:
        plain = jorney.logits(jorney.load(mesh=mesh1), TOKENS)
        np.testing.assert_allclose(jorney.logits(policy, TOKENS), kept * plain, rtol=1e-5, atol=1e-5)
    jorney.save(policy, tmp_path / "again", np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = jorney.load(str(tmp_path / "again"), mesh=mesh1)
    assert again.config == policy.config
    np.testing.assert_array_equal(jorney.logits(again, TOKENS), jorney.logits(policy, TOKENS))
    capsys.readouterr()
    assert cli.main(["inspect", str(folder)]) == 0
    shown = capsys.readouterr().out
    assert "head of its own" in shown
    assert f"{folder / hf.WEIGHTS}: lm_head.weight has other values than model.embed_tokens.weight" in shown
    assert "all as expected" not in shown


@pytest.mark.parametrize("dtype", [None, np.float32, np.float64])
def test_a_head_that_repeats_the_embedding_is_dropped_without_a_word(dtype, tmp_path: pathlib.Path, mesh1, capsys) -> None:
    """Whatever it is stored in."""
    folder = _copy(tmp_path / "model", lambda tensors: _add_head(tensors, lambda found: found.astype(dtype or found.dtype)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy = jorney.load(str(folder), mesh=mesh1)
    assert policy.config.tie_embeddings
    assert "head" not in policy.params
    assert cli.main(["inspect", str(folder)]) == 0
    assert "tied head" in (shown := capsys.readouterr().out)
    assert "all as expected" in shown


def test_what_is_not_a_number_in_both_is_equal(tmp_path: pathlib.Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(4, 3)
    values[2, 1] = np.nan
    safetensors.numpy.save_file({"a": values, "b": values.astype(np.float64)}, tmp_path / "x")
    tensors = hf.safetensors.read_header(str(tmp_path / "x"))
    assert redundant._equal(tensors["a"], tensors["b"])


def test_a_tied_model_under_its_heads_name_loads(tmp_path: pathlib.Path, mesh1, capsys) -> None:
    def rename(tensors: dict[str, np.ndarray]) -> None:
        tensors["lm_head.weight"] = tensors.pop("model.embed_tokens.weight")

    folder = _copy(tmp_path / "model", rename)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        policy = jorney.load(str(folder), mesh=mesh1)
    assert policy.config.tie_embeddings
    np.testing.assert_array_equal(jorney.logits(policy, TOKENS), jorney.logits(jorney.load(mesh=mesh1), TOKENS))
    assert cli.main(["inspect", str(folder)]) == 0
    assert "all as expected" in capsys.readouterr().out


@pytest.mark.parametrize("cut", [np.s_[:-1], np.s_[:, :-1], np.s_[0]], ids=["a row less", "a column less", "a vector"])
def test_a_head_that_cannot_be_used_is_refused(cut, tmp_path: pathlib.Path, capsys) -> None:
    folder = _copy(tmp_path / "model", lambda tensors: _add_head(tensors, lambda found: np.ascontiguousarray(found[cut])))
    for command in (["inspect", str(folder)], ["convert", str(folder), str(tmp_path / "new")]):
        assert cli.main(command) == 2
        assert "lm_head.weight: shape [" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()


def test_blocks_are_read_and_never_the_whole(tmp_path: pathlib.Path, monkeypatch) -> None:
    folder = _copy(tmp_path / "model", _add_head)
    read = []
    read_bytes = stored.read_bytes
    monkeypatch.setattr(stored, "read_bytes", lambda *given: read.append(given[2]) or read_bytes(*given))
    monkeypatch.setattr(redundant, "_BLOCK", 4096)
    config, found = hf.config_json.read(folder)[0], hf.stored_tensors(folder)
    read.clear()
    assert redundant.own_head(config, found) is None
    embedding = dict(found)["model.embed_tokens.weight"]
    assert sum(read) == 2 * embedding.dtype.itemsize * embedding.shape[0] * embedding.shape[1]
    assert max(read) <= 4096
    same = [(redundant.HEAD, embedding), (redundant.EMBEDDING, embedding)]  # as torch.save stores what is shared
    read.clear()
    assert redundant.own_head(config, same) is None
    assert read == []


def _buffers(values) -> dict[str, np.ndarray]:
    return {f"model.layers.{layer}.self_attn.rotary_emb.inv_freq": values for layer in range(2)}


def test_rotary_frequencies_of_another_base_are_told(tmp_path: pathlib.Path, mesh1, capsys) -> None:
    config = jorney.load(mesh=mesh1).config
    for number, wrong in enumerate(
        (
            frequencies(dataclasses.replace(config, rope_theta=50 * config.rope_theta)),
            np.zeros(config.head_dim // 2, np.float32),
            np.full(config.head_dim // 2, np.nan, np.float32),
            np.ones(3, np.float32),
        )
    ):
        folder = _copy(tmp_path / f"wrong{number}", lambda tensors, wrong=wrong: tensors.update(_buffers(wrong)))
        with pytest.warns(UserWarning, match=r"model.layers.0.self_attn.rotary_emb.inv_freq holds other rotary") as told:
            policy = jorney.load(str(folder), mesh=mesh1)
        assert len(told) == 1
        np.testing.assert_array_equal(jorney.logits(policy, TOKENS), jorney.logits(jorney.load(mesh=mesh1), TOKENS))
        capsys.readouterr()
        assert cli.main(["inspect", str(folder)]) == 0
        assert "holds other rotary frequencies" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("scaled", [False, True])
def test_rounded_and_unscaled_frequencies_are_known(dtype, scaled: bool, tmp_path: pathlib.Path, mesh1) -> None:
    config = jorney.load(mesh=mesh1).config
    right = _buffers(frequencies(config).astype(dtype))
    masks = {"model.layers.0.attn.bias": np.ones((1, 4), np.float32), "model.layers.0.attn.masked_bias": np.ones(1, np.float32)}
    fields = {"rope_scaling": {"rope_type": "linear", "factor": 2.0}} if scaled else {}
    folder = _copy(tmp_path / "model", lambda tensors: tensors.update({**right, **masks}), **fields)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        jorney.load(str(folder), mesh=mesh1)


def test_a_reward_models_language_head_is_left_out(tiny, tmp_path: pathlib.Path, mesh1) -> None:
    config = dataclasses.replace(tiny, head="linear", labels=2)
    names = {row.hf for row in parameters.table(config).values()}
    assert redundant.HEAD not in names
    assert redundant.dropped(config, redundant.HEAD)
    assert not redundant.dropped(tiny, "model.extra")
    assert jax.tree.leaves(parameters.abstract(config))
