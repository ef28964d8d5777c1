"""`inspect` says what text a tokenizer loses."""

from __future__ import annotations

import json
import pathlib
import shutil

import tokenizers
from tokenizers import decoders, models

from jorney.convert.inspect import describe, inspect
from jorney.policy import resolve
from jorney.text.tokenizer import CHARACTERS, PROBE


def test_characters_that_are_lost_are_told(tmp_path: pathlib.Path) -> None:
    folder = shutil.copytree(resolve("embedded"), tmp_path / "model")
    sound = inspect(str(folder))
    assert sound["tokenizer"]["lost"] == ""
    assert " 512 tokens, text survives; bos 0, eos 1, pad 2\n" in describe(sound)
    # A token for each letter of the probe, and nothing for all others.
    vocabulary = {token: number for number, token in enumerate(["<|end|>", *dict.fromkeys(PROBE), "é"])}
    made = tokenizers.Tokenizer(models.BPE(vocabulary, []))
    made.decoder = decoders.Fuse()
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|end|>"}))
    found = inspect(str(folder))
    assert found["tokenizer"]["lost"] == CHARACTERS.replace("é", "")
    text = describe(found)
    assert f" {len(vocabulary)} tokens, not all text survives; bos None, eos 0, pad 0\n" in text
    assert f"no token holds {CHARACTERS[:16]} and {len(CHARACTERS) - 17} more: they are lost\n" in text
    assert max(map(len, text.removeprefix(str(folder)).splitlines())) <= 80
