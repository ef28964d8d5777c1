"""Tokenizers: bos once, nothing lost, and what is broken is repaired or refused with the reason."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import time
import warnings

import pytest
import tokenizers
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import memory_root
from places import ROOT
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from jorney import storage
from jorney.text.tokenizer import CHARACTERS, PROBE, Tokenizer, load_tokenizer

BOS, EOS, PAD = "<|begin|>", "<|end|>", "<|pad|>"
NAMED = {"bos_token": BOS, "eos_token": EOS, "pad_token": PAD}


def write(folder: pathlib.Path, adds_bos: bool = False, **stated: object) -> pathlib.Path:
    """A byte-level BPE as DeepSeekMath's is, with a tokenizer_config.json of what is stated."""
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(r"\s?\p{L}+"), "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(["So the answer is 12 and then 3."] * 5, trainer)
    if adds_bos:
        tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 0)])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps(stated))
    return folder


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    return load_tokenizer(str(write(tmp_path_factory.mktemp("plain"), **NAMED)))


@settings(max_examples=100)
@given(st.text())
def test_text_survives(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_ids_of_a_text_hold_nothing_else(tokenizer):
    ids = tokenizer.encode(PROBE)
    assert not {tokenizer.bos, tokenizer.eos, tokenizer.pad} & set(ids)
    assert tokenizer.encode("") == []
    assert (tokenizer.bos, tokenizer.eos, tokenizer.pad) == (0, 1, 2)
    assert len(tokenizer) == tokenizer.backend.vocab_size
    # Digits are single tokens, a word takes its space along.
    assert len(tokenizer.encode("123")) == 3
    assert len(tokenizer.encode("So answer")) == 2


def test_decoding_drops_special_tokens(tokenizer):
    assert tokenizer.decode([tokenizer.bos, *tokenizer.encode("So 12"), tokenizer.eos, tokenizer.pad]) == "So 12"


def test_a_text_goes_on_without_the_space_that_starts_texts(tmp_path):
    """Llama 2's way: a space before every text, which belongs to its first word; what follows another text has none."""
    words = ["▁", "S", "o", "1", "2", "+", "\n", "▁So", "▁12"]
    merges = [("S", "o"), ("▁", "So"), ("1", "2"), ("▁", "12")]
    vocab = {word: i for i, word in enumerate([BOS, EOS, PAD, *words, "So", "12"])}
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    plain = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **NAMED)
    tokenizer = Tokenizer(plain, vocab[BOS], vocab[EOS], vocab[PAD])
    assert tokenizer.encode("12") == [vocab["▁12"]]
    assert tokenizer.encode_after("12") == [vocab["12"]]
    assert tokenizer.encode_after(" 12") == [vocab["▁12"]]
    ids, spans = tokenizer.encode_after_with_spans("So+12 So")
    assert ids == tokenizer.encode("\nSo+12 So")[2:] == [vocab[word] for word in ("So", "+", "12", "▁So")]
    assert spans == [(0, 2), (2, 3), (3, 5), (5, 8)]
    head = tokenizer.encode_prompt("So\n")
    assert tokenizer.decode([*head, *tokenizer.encode_after("12")]) == "So\n12"  # not "So\n 12"


@settings(max_examples=100)
@given(st.text())
def test_a_text_goes_on_as_it_stands(tokenizer, text):
    ids, spans = tokenizer.encode_after_with_spans(text)
    assert ids == tokenizer.encode(text)
    assert spans == tokenizer.backend(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]


@pytest.mark.parametrize("adds_bos", [False, True])
@pytest.mark.parametrize("text", ["So the", f"{BOS}So the", " So", ""])
def test_bos_appears_once(tmp_path, adds_bos, text):
    tokenizer = load_tokenizer(str(write(tmp_path, adds_bos, **NAMED)))
    ids = tokenizer.encode_prompt(text)
    assert ids[0] == tokenizer.bos
    assert ids.count(tokenizer.bos) == 1
    assert tokenizer.decode(ids) == text.removeprefix(BOS)
    assert tokenizer.encode_prompt("So the")[1:] == tokenizer.encode("So the")  # which adds none


def test_a_model_without_bos_gets_none(tmp_path):
    tokenizer = load_tokenizer(str(write(tmp_path, eos_token=EOS)))
    assert tokenizer.bos is None
    assert tokenizer.encode_prompt("So") == tokenizer.encode("So")


@pytest.mark.parametrize(
    ("stated", "note"),
    [
        ({}, "there is no pad: eos is used, masked"),
        ({"pad_token": None}, "there is no pad: eos is used, masked"),
        ({"pad_token": EOS}, "pad is eos: eos still counts in the loss"),
    ],
)
def test_padding_falls_back_to_eos(tmp_path, stated, note):
    tokenizer = load_tokenizer(str(write(tmp_path, bos_token=BOS, eos_token=EOS, **stated)))
    assert tokenizer.pad == tokenizer.eos == 1
    assert tokenizer.notes == (note,)
    assert tokenizer.decode([*tokenizer.encode("So 12"), tokenizer.pad]) == "So 12"


@pytest.mark.parametrize("name", ["pad_token", "unk_token"])
def test_a_letter_that_a_folder_calls_its_pad_stays_a_letter(tmp_path, name):
    tokenizer = load_tokenizer(str(write(tmp_path, **{**NAMED, name: "!"})))
    assert tokenizer.decode(tokenizer.encode("So 12!")) == "So 12!"
    assert tokenizer.lost("!") == ""
    assert tokenizer.pad == (tokenizer.eos if name == "pad_token" else 2)


def test_a_sound_tokenizer_needs_no_note(tokenizer):
    assert tokenizer.notes == ()


def test_rows_beyond_the_tokenizer_decode_to_nothing(tokenizer):
    """Embeddings are padded to a round number of rows: a model may come to sample one that no token stands for."""
    more = [len(tokenizer), len(tokenizer) + 1, 100_000]
    assert tokenizer.decode(more) == ""
    assert tokenizer.decode([*tokenizer.encode("So"), *more, *tokenizer.encode(" 12")]) == "So 12"


def test_a_vocabulary_may_be_larger_than_the_tokenizer_not_smaller(tokenizer):
    size = len(tokenizer)
    tokenizer.check_fits(size, "x")
    tokenizer.check_fits(size + 64, "x")
    with pytest.raises(ValueError, match=f"^x: the tokenizer has {size} tokens, more than vocab_size = {size - 1}$"):
        tokenizer.check_fits(size - 1, "x")


@pytest.mark.parametrize("name", ["bos", "eos", "pad"])
def test_ids_beyond_the_vocabulary_are_named(tokenizer, name):
    """Ids need not be numbered without gaps."""
    odd = dataclasses.replace(tokenizer, **{name: 5000})
    odd.check_fits(5001, "x")
    with pytest.raises(ValueError, match=f"^x: {name} has the id 5000: expected below 5000, vocab_size"):
        odd.check_fits(5000, "x")
    dataclasses.replace(tokenizer, bos=None).check_fits(len(tokenizer), "x")


TURNS = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}{% if add_generation_prompt %}[me]{% endif %}"
MESSAGES = [{"role": "system", "content": "Think."}, {"role": "user", "content": "So 12?"}]


@pytest.mark.parametrize("adds_bos", [False, True])
@pytest.mark.parametrize("template", [TURNS, "{{ bos_token }}" + TURNS], ids=["without bos", "with bos"])
def test_a_chat_has_one_bos(tmp_path, template, adds_bos):
    tokenizer = load_tokenizer(str(write(tmp_path, adds_bos, chat_template=template, **NAMED)))
    assert tokenizer.chats
    ids = tokenizer.encode_chat(MESSAGES)
    assert ids[0] == tokenizer.bos
    assert ids.count(tokenizer.bos) == 1
    text = "[system] Think.\n[user] So 12?\n[me]"
    assert tokenizer.decode(ids) == text
    assert ids[1:] == tokenizer.encode(text)


def test_a_chat_of_a_model_without_bos(tmp_path):
    tokenizer = load_tokenizer(str(write(tmp_path, eos_token=EOS, chat_template=TURNS + EOS)))
    assert tokenizer.encode_chat(MESSAGES[1:]) == [*tokenizer.encode("[user] So 12?\n[me]"), tokenizer.eos]


def test_chat_templates_beside_the_tokenizer_are_found(tmp_path):
    folder = write(tmp_path, **NAMED)
    (folder / "chat_template.jinja").write_text(TURNS)
    assert load_tokenizer(str(folder)).encode_chat(MESSAGES)[0] == 0


def test_a_template_may_refuse_messages(tmp_path):
    template = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turns') }}{% endif %}" + TURNS
    tokenizer = load_tokenizer(str(write(tmp_path, chat_template=template, **NAMED)))
    assert tokenizer.encode_chat(MESSAGES[1:])
    with pytest.raises(ValueError, match="chat template refuses the messages: no system turns"):
        tokenizer.encode_chat(MESSAGES)


def test_from_a_store(tmp_path, tokenizer):
    root = storage.path(memory_root())
    for file in write(tmp_path, chat_template=TURNS, **NAMED).iterdir():
        storage.write_bytes(root / file.name, file.read_bytes())
    found = load_tokenizer(os.fspath(root))
    assert found.encode_chat(MESSAGES) == [0, *tokenizer.encode("[system] Think.\n[user] So 12?\n[me]")]
    with pytest.raises(FileNotFoundError, match="^gs://.*/nothing/tokenizer.json: no such file"):
        load_tokenizer(os.fspath(root / "nothing"))


def test_without_a_template_there_is_no_chat(tokenizer):
    assert not tokenizer.chats
    with pytest.raises(ValueError, match="no chat template: expected one in tokenizer_config.json"):
        tokenizer.encode_chat(MESSAGES)


@pytest.mark.parametrize("label", ["LlamaTokenizerFast", "LlamaTokenizer", "GemmaTokenizer", "PreTrainedTokenizerFast", "No"])
def test_a_wrong_label_does_no_harm(tmp_path, tokenizer, label):
    """DeepSeekMath's folder is labelled LlamaTokenizerFast, a class that drops every space."""
    labelled = load_tokenizer(str(write(tmp_path, tokenizer_class=label, chat_template=TURNS, **NAMED)))
    assert labelled.encode(PROBE) == tokenizer.encode(PROBE)
    assert (labelled.bos, labelled.eos, labelled.pad, len(labelled), labelled.notes) == (0, 1, 2, len(tokenizer), ())
    assert labelled.encode_chat(MESSAGES) == tokenizer.encode_prompt("[system] Think.\n[user] So 12?\n[me]")


CODE = "raise SystemExit('code of the folder is run')\n"


@pytest.mark.parametrize(
    "stated",
    [
        {"auto_map": {"AutoTokenizer": [None, "own.Own"]}, "tokenizer_class": "Own"},
        {"auto_map": {"AutoTokenizer": ["own.Own", None]}},
        {"auto_map": "own.Own", "tokenizer_class": "Own"},
        {"auto_map": {"AutoTokenizer": "someone/else--own.Own"}},
    ],
)
@pytest.mark.parametrize(
    "config", [{}, {"model_type": "own", "auto_map": {"AutoConfig": "own.Own", "AutoTokenizer": "own.Own"}}]
)
def test_a_folders_own_code_is_neither_run_nor_asked_for(tmp_path, tokenizer, monkeypatch, stated, config):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asks"))
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: pytest.fail("downloads"))
    folder = write(tmp_path, **NAMED, **stated)
    for name in ("own.py", "tokenization_own.py", "__init__.py"):
        (folder / name).write_text(CODE)
    (folder / "config.json").write_text(json.dumps(config))
    assert load_tokenizer(str(folder)).encode(PROBE) == tokenizer.encode(PROBE)


def test_nothing_that_is_loaded_may_run_code():
    """Whatever else asks transformers for a class says that a folder's own code is not to run."""
    asked = re.compile(r"\bAuto\w+\.from_pretrained\((?:[^()]|\([^()]*\))*\)")
    files = [file for room in ("jorney", "tools", "tests", "configs") for file in sorted((ROOT / room).rglob("*.py"))]
    calls = [(file.name, call[0]) for file in files for call in asked.finditer(file.read_text())]
    assert len(calls) > 5
    assert [call for call in calls if "trust_remote_code=False" not in call[1]] == []
    assert not [file for file in files if "trust_remote_code" + "=True" in file.read_text()]


def test_templates_reach_nothing_but_the_messages(tmp_path):
    attack = "{{ ''.__class__.__mro__[1].__subclasses__() }}"
    tokenizer = load_tokenizer(str(write(tmp_path, chat_template=attack, **NAMED)))
    with pytest.raises(ValueError, match="chat template refuses the messages: access to attribute"):
        tokenizer.encode_chat(MESSAGES)


@pytest.mark.parametrize("label", ["PreTrainedTokenizerFast", "LlamaTokenizerFast", None])
def test_tokens_are_those_of_tokenizer_json(tmp_path, tokenizer, label):
    """Beside a Qwen2 model, transformers 5.23 cuts up any tokenizer's text as Qwen2's does, and adds a token.

    Text survives, but in tokens that the model was not trained on.
    """
    folder = write(tmp_path, **NAMED, **({"tokenizer_class": label} if label else {}))
    (folder / "config.json").write_text(json.dumps({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}))
    found = load_tokenizer(str(folder))
    assert found.encode(PROBE) == tokenizer.encode(PROBE)
    assert (found.bos, found.eos, found.pad, len(found)) == (0, 1, 2, len(tokenizer))


def test_tokens_that_the_label_invents_are_not_taken_over(tmp_path):
    # The class would make eos "</s>", with an id beyond the model's vocabulary.
    with pytest.raises(ValueError, match="states no eos_token"):
        load_tokenizer(str(write(tmp_path, tokenizer_class="LlamaTokenizerFast")))
    with pytest.raises(
        ValueError, match="states no eos_token: expected one in tokenizer_config.json, which tokenizer.json knows"
    ):
        load_tokenizer(str(write(tmp_path, eos_token="</s>")))


def test_where_the_names_of_tokens_stand(tmp_path):
    folder = write(tmp_path, eos_token={"content": EOS, "lstrip": False}, pad_token=None)
    (folder / "special_tokens_map.json").write_text(
        json.dumps({"bos_token": BOS, "eos_token": PAD, "pad_token": {"content": PAD}})
    )
    (folder / "config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": 0}))
    found = load_tokenizer(str(folder))
    assert (found.bos, found.eos, found.pad) == (0, 1, 2)
    folder = write(tmp_path)
    (folder / "special_tokens_map.json").unlink()
    (folder / "config.json").write_text(json.dumps({"bos_token_id": 0, "eos_token_id": [1, 2], "pad_token_id": None}))
    found = load_tokenizer(str(folder))
    assert (found.bos, found.eos, found.pad) == (0, 1, 1)
    # An id of config.json that is an ordinary letter names no token: text with it would be lost.
    letter = found.encode("2")[0]
    (folder / "config.json").write_text(json.dumps({"eos_token_id": 1, "pad_token_id": letter, "bos_token_id": 10**9}))
    found = load_tokenizer(str(folder))
    assert (found.bos, found.eos, found.pad, found.decode(found.encode("12"))) == (None, 1, 1, "12")


def test_where_templates_stand(tmp_path):
    folder = write(
        tmp_path, chat_template=[{"name": "default", "template": TURNS}, {"name": "other", "template": "x"}], **NAMED
    )
    expected = load_tokenizer(str(folder)).encode_chat(MESSAGES)
    (write(tmp_path, **NAMED) / "chat_template.json").write_text(json.dumps({"chat_template": TURNS}))
    assert load_tokenizer(str(folder)).encode_chat(MESSAGES) == expected
    write(tmp_path, chat_template="other", **NAMED)
    (folder / "chat_template.jinja").write_bytes(b"\xef\xbb\xbf" + TURNS.encode())
    assert load_tokenizer(str(folder)).encode_chat(MESSAGES) == expected


def test_byte_order_marks_are_passed_over(tmp_path, tokenizer):
    folder = write(tmp_path, **NAMED)
    for file in folder.iterdir():
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert load_tokenizer(str(folder)).encode(PROBE) == tokenizer.encode(PROBE)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("tokenizer.json", b"", "tokenizer.json: expected a fast tokenizer: "),
        ("tokenizer.json", b"[]", "tokenizer.json: expected a fast tokenizer: "),
        ("tokenizer.json", b'{"version": "1.0"}', "tokenizer.json: expected a fast tokenizer: "),
        ("tokenizer.json", b"\xff\xfe{}", "tokenizer.json: expected a fast tokenizer: "),
        ("tokenizer_config.json", b"[]", "tokenizer_config.json: expected a JSON object"),
        ("tokenizer_config.json", b"{", "tokenizer_config.json: line 1: expected JSON, "),
        ("tokenizer_config.json", b"\xff", "tokenizer_config.json: expected JSON, "),
        ("tokenizer_config.json", b'{"eos_token": 5}', "tokenizer_config.json: eos_token = 5: expected a text"),
        ("tokenizer_config.json", b'{"eos_token": {"content": ["x"]}}', r"eos_token = \['x'\]: expected a text"),
        ("tokenizer_config.json", b'{"chat_template": 5}', "tokenizer_config.json: chat_template = 5: expected a text"),
        ("tokenizer_config.json", b'{"chat_template": [{"name": "x"}]}', "chat_template = .*: expected a text, or a list"),
        ("special_tokens_map.json", b"5", "special_tokens_map.json: expected a JSON object"),
        ("chat_template.jinja", b"\xff", "chat_template.jinja: expected text in UTF-8: "),
        ("chat_template.json", b'{"chat_template": {}}', "chat_template.json: chat_template = {}: expected a text"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path, name, content, error):
    folder = write(tmp_path, **NAMED)
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"^{tmp_path}/.*{error}") as raised:
        load_tokenizer(str(folder))
    assert "\n" not in str(raised.value)


def test_files_that_never_end_are_not_read(tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        folder = write(tmp_path, **NAMED)
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)
        with pytest.raises(ValueError, match=f"{name}: a folder, a pipe or a device: expected a file"):
            load_tokenizer(str(folder))
        (folder / name).unlink()


@pytest.mark.parametrize(
    "template",
    ["{% if %}", "{{ 1 / 0 }}", "{{ messages[9]['content'] }}", "{{ messages | nothing }}", "{{ raise_exception('') }}"],
)
def test_a_template_that_fails_is_told_in_a_line(tmp_path, template):
    tokenizer = load_tokenizer(str(write(tmp_path, chat_template=template, **NAMED)))
    with pytest.raises(ValueError, match="^the tokenizer's chat template refuses the messages: .+") as raised:
        tokenizer.encode_chat(MESSAGES)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("label", ["PreTrainedTokenizerFast", "LlamaTokenizerFast"])
def test_no_eos_is_refused(tmp_path, label):
    folder = write(tmp_path, tokenizer_class=label, bos_token=BOS)
    with pytest.raises(ValueError, match=f"{folder}: the tokenizer states no eos_token: expected one in tokenizer_config.json"):
        load_tokenizer(str(folder))


def test_a_tokenizer_that_loses_spaces_is_refused(tmp_path):
    vocabulary = {word: number for number, word in enumerate([EOS, "<unk>", *sorted(set(PROBE.split()))])}
    tokenizer = tokenizers.Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": EOS}))
    with pytest.raises(ValueError, match=r"encode and decode turn '.*' into '.*': expected the same text") as raised:
        load_tokenizer(str(tmp_path))
    assert str(raised.value).startswith(f"{tmp_path}/tokenizer.json: ")
    # The reason shows: what was a line break and spaces is one space.
    assert "15.5, and $" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_tokenizer_that_cannot_encode_is_refused(tmp_path):
    tokenizer = tokenizers.Tokenizer(models.WordLevel({EOS: 0, "So": 1}, unk_token="<unk>"))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": EOS}))
    with pytest.raises(ValueError, match="into 'an error: WordLevel error: Missing"):
        load_tokenizer(str(tmp_path))


def test_a_folder_without_a_tokenizer(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/tokenizer.json: no such file"):
        load_tokenizer(str(tmp_path))


def with_letters(folder: pathlib.Path, *more: tokenizers.AddedToken) -> pathlib.Path:
    """As DeepSeekMath's is: letters that are no special tokens were added to a byte-level BPE, which takes them for bytes."""
    file = write(folder, **NAMED) / "tokenizer.json"
    made = tokenizers.Tokenizer.from_file(str(file))
    letters = [tokenizers.AddedToken(letter, normalized=True, special=False) for letter in "øöúÿõ÷ûýÀùÁþü"]
    made.add_tokens([*letters, *more])
    made.save(str(file))
    return folder


@pytest.mark.parametrize("text", ["18 ÷ 3", "ü", "Àü÷÷ 12÷", "über ýþ\n1. öøúÿõûùÁ é 数", "So ÷<|end|>÷ 3"])
def test_letters_that_were_added_come_back_as_they_are_written(tmp_path, text):
    tokenizer = load_tokenizer(str(with_letters(tmp_path)))
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert "\ufffd" in tokenizer.backend.decode(ids)  # as the decoder has it
    assert "".join(tokenizer.decode_each(ids)) == text.replace("é", "\ufffd\ufffd").replace("数", "\ufffd" * 3)
    assert tokenizer.decode([tokenizer.bos, *ids, tokenizer.eos]) == text
    # What is decoded as it grows, id by id, is a beginning of the whole, but for half a character.
    for count in range(len(ids)):
        assert text.startswith(tokenizer.decode(ids[:count]).rstrip("\ufffd"))
    read, spans = tokenizer.encode_after_with_spans(text)
    assert read == ids
    assert spans[-1][1] == len(text)
    assert tokenizer.notes == ()
    assert tokenizer.lost(text) == ""


def test_other_tokens_that_were_added_are_decoded_as_before(tmp_path, tokenizer):
    more = [tokenizers.AddedToken("<think>", special=False), tokenizers.AddedToken(" two  words ", special=False)]
    found = load_tokenizer(str(with_letters(tmp_path, *more)))
    text = "So <think>12 two  words ü"
    assert found.decode(found.encode(text)) == text
    for plain in ("So the answer is 12", "é 数 😀", ""):
        assert found.encode(plain) == tokenizer.encode(plain)
        assert found.decode(found.encode(plain)) == plain


def of_letters(folder: pathlib.Path, letters: str, normalizer: object = None, **unknown: str) -> Tokenizer:
    """A tokenizer with a token for each of these letters and no bytes: all else is lost, or one unknown token."""
    vocabulary = {token: number for number, token in enumerate([EOS, *unknown.values(), *dict.fromkeys(PROBE + letters)])}
    made = tokenizers.Tokenizer(models.BPE(vocabulary, [], **unknown))
    made.normalizer = normalizer
    made.decoder = decoders.Fuse()
    made.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": EOS, **unknown}))
    return load_tokenizer(str(folder))


@pytest.mark.parametrize(
    ("letters", "normalizer", "unknown", "text", "lost"),
    [
        ("é", None, {}, "é and √2 and 数 and √", "√数"),
        ("", None, {"unk_token": "<unk>"}, "²x≤y", "²y≤"),
        ("²2", normalizers.NFKC(), {}, "x² is x^2", "²"),
        ("éE", normalizers.Lowercase(), {}, "", None),
        ("é数√²", None, {}, "é数√²", ""),
    ],
)
def test_characters_that_no_token_holds_are_told(tmp_path, letters, normalizer, unknown, text, lost):
    if lost is None:
        with pytest.raises(ValueError, match="encode and decode turn"):
            of_letters(tmp_path, letters, normalizer, **unknown)
        return
    tokenizer = of_letters(tmp_path, letters, normalizer, **unknown)
    assert sorted(tokenizer.lost(text)) == sorted(lost)
    assert sorted(tokenizer.lost(text * 2)) == sorted(lost)  # known by now
    assert tokenizer.notes[-1].startswith("no token holds ")
    held = tokenizer.lost(CHARACTERS)
    assert tokenizer.notes[-1] == f"no token holds {held[:16]} and {len(held) - 16} more: they are lost"


def test_half_a_character_is_lost(tokenizer):
    assert tokenizer.lost("a\ud835b") == "\ud835"
    assert tokenizer.lost(CHARACTERS) == ""


def test_text_that_would_be_lost_is_refused(tmp_path):
    tokenizer = of_letters(tmp_path, "é")
    nested = [{"é": ["é", "2²"]}]
    tokenizer.expect_held("é 12", "p")
    expected = r"^f: line 3: the tokenizer cannot hold '²' \(U\+00B2\), which training would lose: expected a text without"
    for value in ("2²", nested, ("é", "²")):
        with pytest.raises(ValueError, match=expected):
            tokenizer.expect_held(value, "f: line 3")
        dataclasses.replace(tokenizer, lossy=True).expect_held(value, "p")
    with pytest.raises(ValueError, match=r"cannot hold '数' .*, '学' .*, \.\.\., which"):
        tokenizer.expect_held("数学√≤≥≠", "p")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("{{ 'x' * 10000000000 }}", "it takes more than 1,024 MiB"),
        ("{{ 'x'.ljust(10000000000) }}", "it takes more than 1,024 MiB"),
        ("{{ 'x' | center(10000000000) }}", "it takes more than 1,024 MiB"),
        ("{{ '%10000000000d' % 3 }}", "it takes more than 1,024 MiB"),
        ("{% set n = namespace(x='xx') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}{% endfor %}", "it takes "),
        ("{% for a in range(99999) %}{% for b in range(99999) %}{% if a %}{% endif %}{% endfor %}{% endfor %}", "longer than"),
        ("{% for a in range(90000) %}{{ 'x' * 1000 }}{% endfor %}", "it writes 90,000,000 characters"),
        ("{{ 10**10**10 }}", "it takes powers"),
        ("{{ 'x' * 10**10 }}", "it takes powers"),
        ("{% set x = messages|length ** 9 %}", "it takes powers"),
    ],
)
def test_a_template_without_end_is_stopped(tmp_path, monkeypatch, template, why):
    monkeypatch.setattr("jorney.text.rendering.SECONDS", 1)
    tokenizer = load_tokenizer(str(write(tmp_path, chat_template=template, **NAMED)))
    start = time.perf_counter()
    with pytest.raises(ValueError, match=re.escape(why)) as error:
        tokenizer.render_chat([{"role": "user", "content": "a"}])
    assert time.perf_counter() - start < 10
    assert "tokenizer_config.json)" in str(error.value)
    assert "\n" not in str(error.value)


def test_what_looks_like_a_power_is_none(tmp_path):
    template = "{{ '**bold** x ** y' }}{% macro f(a) %}{{ a }}{% endmacro %}{{ f(**{'a': 2}) }} 2 ** 3"
    tokenizer = load_tokenizer(str(write(tmp_path, chat_template=template, **NAMED)))
    assert tokenizer.render_chat([{"role": "user", "content": "a"}]) == "**bold** x ** y2 2 ** 3"


def test_prompts_that_lose_characters_are_told_with_their_number(tmp_path):
    tokenizer = of_letters(tmp_path, "é")
    with pytest.warns(UserWarning, match=r"^2 of 3 prompts lose characters .* cannot hold: '²' \(U\+00B2\), '√' \(U\+221A\)$"):
        tokenizer.warn_of_lost(["é 12", "2² is √", "数"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tokenizer.warn_of_lost(["é 12", "a"])
