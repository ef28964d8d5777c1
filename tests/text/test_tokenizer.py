"""Tokenizers: bos once, nothing lost, and what is broken is repaired or refused with the reason."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib

import pytest
import tokenizers
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import memory_root
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from jorney import storage
from jorney.text.tokenizer import PROBE, Tokenizer, load_tokenizer

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


@pytest.mark.parametrize("label", ["LlamaTokenizerFast", "LlamaTokenizer", "GemmaTokenizer", "PreTrainedTokenizerFast"])
def test_a_wrong_label_does_no_harm(tmp_path, tokenizer, label):
    # DeepSeekMath's folder is labelled LlamaTokenizerFast. transformers 5.23 sees through that itself; under the label
    # GemmaTokenizer it still installs a pre-tokenizer that fails.
    labelled = load_tokenizer(str(write(tmp_path, tokenizer_class=label, **NAMED)))
    assert labelled.encode(PROBE) == tokenizer.encode(PROBE)
    assert (labelled.bos, labelled.eos, labelled.pad, len(labelled)) == (0, 1, 2, len(tokenizer))


@pytest.fixture
def old_transformers(monkeypatch):
    """AutoTokenizer as it was before transformers 5.23: it takes the label's word."""

    def from_pretrained(folder: str, **_: object) -> object:
        return transformers.LlamaTokenizer.from_pretrained(folder)

    monkeypatch.setattr(transformers.AutoTokenizer, "from_pretrained", from_pretrained)


def test_the_class_that_drops_spaces_is_replaced(tmp_path, tokenizer, old_transformers):
    folder = str(write(tmp_path, tokenizer_class="LlamaTokenizerFast", **NAMED))
    broken = transformers.AutoTokenizer.from_pretrained(folder)
    assert broken.decode(broken.encode("So the answer is 12", add_special_tokens=False)) == "Sotheansweris12"
    repaired = load_tokenizer(folder)
    assert repaired.encode(PROBE) == tokenizer.encode(PROBE)
    assert repaired.decode(repaired.encode(PROBE)) == PROBE
    assert (repaired.bos, repaired.eos, repaired.pad) == (0, 1, 2)
    assert repaired.notes == ("its class, LlamaTokenizer, reads it otherwise: tokenizer.json is used as it stands",)


def test_a_repair_keeps_the_chat_template(tmp_path, tokenizer, old_transformers):
    repaired = load_tokenizer(str(write(tmp_path, chat_template="{{ bos_token }}" + TURNS, **NAMED)))
    assert repaired.notes
    assert repaired.encode_chat(MESSAGES) == tokenizer.encode_prompt("[system] Think.\n[user] So 12?\n[me]")


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


def test_tokens_that_the_label_invents_are_not_taken_over(tmp_path, old_transformers):
    # The class would make eos "</s>", with an id beyond the model's vocabulary.
    with pytest.raises(ValueError, match="states no eos_token"):
        load_tokenizer(str(write(tmp_path, tokenizer_class="LlamaTokenizerFast")))


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
