"""Where steps end among the tokens that were sampled, with tokenizers whose characters span several."""

from __future__ import annotations

import itertools

import pytest
import tokenizers
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers

from jorney.reinforce.values import episode_steps
from jorney.reinforce.values.episode_steps import alike, characters, last_tokens, steps_of
from jorney.text.step_format import ABEL, BLANK, STEP
from jorney.text.tokenizer import Tokenizer

NAMED = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
TEXT = "1. 1 + 2 = 3 (left: 3, 3)\n2. 3 * 3 = 9 (left: 9)\n#### 9"


def _wrapped(backend: tokenizers.Tokenizer) -> Tokenizer:
    plain = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, **NAMED)
    return Tokenizer(plain, plain.bos_token_id, plain.eos_token_id, plain.pad_token_id)


def bytes_tokenizer() -> Tokenizer:
    """Byte-level: characters beyond ASCII are several tokens; a line's end and the next step's number may be one."""
    backend = tokenizers.Tokenizer(models.BPE())
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=list(NAMED.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    backend.train_from_iterator(["\n2. ", "\n3. ", "数学", "So the answer"] * 5, trainer)
    return _wrapped(backend)


def pieces_tokenizer() -> Tokenizer:
    """Llama 2's way: words begin with their space, the text's first loses it, unknown characters are bytes."""
    words = ["\n", *"123456789.=+-*/()#:,", "▁", *"left", "▁left", "▁1", "▁2", "So", "▁So", "S", "o"]
    names = [*NAMED.values(), *(f"<0x{byte:02X}>" for byte in range(256)), *dict.fromkeys(words)]
    vocab = {word: index for index, word in enumerate(names)}
    merges = [("S", "o"), ("▁", "So"), ("▁", "1"), ("▁", "2")]
    backend = tokenizers.Tokenizer(models.BPE(vocab=vocab, merges=merges, byte_fallback=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    backend.decoder = decoders.Sequence(steps)
    return _wrapped(backend)


@pytest.fixture(scope="module", params=["bytes", "pieces", "embedded"])
def tokenizer(request, policy) -> Tokenizer:
    made = {"bytes": bytes_tokenizer, "pieces": pieces_tokenizer, "embedded": lambda: policy.tokenizer}
    return made[request.param]()


def slow_characters(tokenizer: Tokenizer, tokens) -> list[int]:
    """By reading every beginning."""
    text = tokenizer.decode(tokens)
    counts = [alike(tokenizer.decode(tokens[:count]), text) for count in range(1, len(tokens) + 1)]
    return list(itertools.accumulate(counts, max))


def test_steps_by_hand(tokenizer) -> None:
    tokens = tokenizer.encode_to_end(TEXT)
    found = steps_of(tokenizer, tokens, ABEL)
    assert list(found.texts) == ABEL.split(TEXT)
    assert found.bare(ABEL) == ["1 + 2 = 3 (left: 3, 3)", "3 * 3 = 9 (left: 9)\n#### 9"]
    assert tokenizer.decode(tokens[: found.ends[0] + 1]).rstrip("\n") == found.texts[0]
    assert found.ends[-1] == len(tokens) - 1
    assert tokens[-1] == tokenizer.eos


def test_the_space_behind_a_step_is_its_own_unless_a_token_holds_more(policy) -> None:
    tokens = policy.tokenizer.encode_to_end(TEXT)
    assert policy.tokenizer.decode(tokens[: steps_of(policy.tokenizer, tokens, ABEL).ends[0] + 1]).endswith(")\n")
    # Byte-level tokenizers may have a token for "\n2. ", which is of the step that begins there.
    joined = bytes_tokenizer()
    tokens = joined.encode_to_end("1. a\n2. b\n3. c")
    assert any("\n2" in one for one in joined.decode_each(tokens))
    found = steps_of(joined, tokens, ABEL)
    assert [joined.decode(tokens[: end + 1]) for end in found.ends] == ["1. a", "1. a\n2. b", "1. a\n2. b\n3. c"]


def test_steps_of_little(tokenizer) -> None:
    assert steps_of(tokenizer, (), ABEL) == episode_steps.StepsOfText((), ())
    assert steps_of(tokenizer, [tokenizer.eos], ABEL) == episode_steps.StepsOfText(("",), (0,))
    assert steps_of(tokenizer, tokenizer.encode_to_end("\n\n"), ABEL).texts == ("",)


def test_steps_that_end_in_one_token_are_one(tokenizer) -> None:
    tokens = tokenizer.encode_to_end("1. 1\n2. 2")
    stops = [1, 1, 2, 4, 9]
    ends, kept = last_tokens(tokenizer, tokens, stops)
    assert list(ends) == sorted(set(ends))
    assert kept[-1] == 4
    assert ends[-1] == len(tokens) - 1
    assert 0 not in kept


LETTERS = st.text(st.sampled_from("1. +=(left:)\n#\\数学😀éSo\u200d ÷"), max_size=60)


@settings(max_examples=150)
@given(text=LETTERS)
def test_characters_of_what_was_encoded(tokenizer, text) -> None:
    tokens = tokenizer.encode_to_end(text)
    found = characters(tokenizer, tokens)
    assert found == slow_characters(tokenizer, tokens)
    assert [0, *found] == sorted([0, *found])
    assert found[-1] == len(tokenizer.decode(tokens))


@settings(max_examples=150)
@given(data=st.data())
def test_characters_of_any_tokens(tokenizer, data) -> None:
    """What a model samples need not be what a text is encoded as, nor text at all."""
    tokens = data.draw(st.lists(st.integers(0, len(tokenizer) - 1), min_size=1, max_size=30))
    found = characters(tokenizer, tokens)
    assert len(found) == len(tokens)
    assert [0, *found] == sorted([0, *found])
    text = tokenizer.decode(tokens)
    if "\ufffd" not in text:
        assert found == slow_characters(tokenizer, tokens)
    assert found[-1] == len(text)


@settings(max_examples=150)
@given(text=LETTERS, step_format=st.sampled_from([ABEL, BLANK, STEP]), cut=st.booleans())
def test_step_ends(tokenizer, text, step_format, cut) -> None:
    tokens = tokenizer.encode_to_end(f"1. So\n\n2. {text}\n\n## Step 3: 1\n4. {text}")
    tokens = tokens[: len(tokens) * 2 // 3] if cut else tokens
    found = steps_of(tokenizer, tokens, step_format)
    assert list(found.ends) == sorted(set(found.ends))
    assert found.ends[-1] == len(tokens) - 1
    assert "".join("".join(found.texts).split()) == "".join(tokenizer.decode(tokens).split())
    for before, end, own in zip((-1, *found.ends), found.ends, found.texts, strict=False):
        assert own in tokenizer.decode(tokens[: end + 1])
        if end != found.ends[-1]:  # the step is not there before its last tokens but for the space behind it
            assert tokenizer.decode(tokens[: end + 1]).rstrip().endswith(own) or own[-1:] not in "0123456789"
        assert before < end


def test_each_token_is_read_once(monkeypatch) -> None:
    """Long texts are not decoded over and over."""
    tokenizer = bytes_tokenizer()
    decoded = []
    tokens = tokenizer.encode_to_end("So the answer is 数学 and 😀.\n" * 100)
    decode = Tokenizer.decode
    monkeypatch.setattr(Tokenizer, "decode", lambda self, ids: (decoded.append(len(ids)), decode(self, ids))[1])
    assert characters(tokenizer, tokens)[-1] == len("So the answer is 数学 and 😀.\n" * 100)
    assert sum(decoded) < 8 * len(tokens)
