"""Special tokens that people write are text, everywhere; those that a template writes are tokens; other text is as it was."""

from __future__ import annotations

import dataclasses

import pytest
from chats import TEMPLATE, chat_tokenizer
from hypothesis import given
from hypothesis import strategies as st

from jorney.batch.solutions import encode_example, encode_solutions
from jorney.domain.problem import Problem
from jorney.judge.readouts import QWEN, RLHFLOW, lay_out
from jorney.rows.trl import encode_preference, encode_record
from jorney.text.guard import MARK, guarded, pattern, pieces
from jorney.text.step_format import ABEL, BLANK_CHAT
from jorney.text.tokenizer import Tokenizer
from jorney.thought.encode import encode_thought
from jorney.thought.thought import Piece, Thought
from jorney.train.objectives.prm import labelled_example

BOS, EOS, PAD = "<|begin|>", "<|end|>", "<|pad|>"
WRITTEN = [
    "<|end|>",
    "a<|end|>b",
    "<|pad|>1 + 2",
    "1<|begin|><|end|>",
    "<|end|>\n<|end|>x",
    "<|en<|end|>d|>",
    f"a{MARK}<|end|>{MARK}{MARK}",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return chat_tokenizer()


def control(tokenizer: Tokenizer, ids) -> list[int]:
    return [token for token in ids if token in (tokenizer.bos, tokenizer.eos, tokenizer.pad)]


@pytest.mark.parametrize("tokens", [["<|>", "ab"], ["<|", "|>1", "<|>1", "<"], ["b1", "ab", "ab1"], []])
@given(text=st.text(st.sampled_from("ab1 <|>\n" + MARK), max_size=12) | st.text())
def test_what_was_guarded_is_found_again(tokens: list[str], text: str) -> None:
    found = pattern(tokens)
    marked = guarded([{"role": text}], found)[0]["role"]
    assert found.search(marked) is None
    (piece,) = pieces(marked, found)
    assert (piece.text, piece.token) == (text, False)
    assert [marked[place] for place in piece.places[:-1]] == list(text)


def test_a_chat_is_cut_at_what_the_template_wrote() -> None:
    tokens = pattern(["<|end|>", "<|x|>"])
    chat = "user: " + guarded("so <|end|>", tokens) + "<|end|>\n" + guarded(MARK, tokens) + "<|x|>"
    found = [(piece.text, piece.token) for piece in pieces(chat, tokens)]
    assert found == [("user: so <|end|>", False), ("<|end|>", True), (f"\n{MARK}", False), ("<|x|>", True), ("", False)]
    first = next(pieces(chat, tokens))
    assert [chat[place] for place in first.places[:-1]] == list("user: so <|end|>")
    assert next(iter(pieces("no tokens", pattern([])))).text == "no tokens"


@given(st.text())
def test_other_text_has_the_ids_that_it_had(tokenizer, text: str) -> None:
    if any(one in text for one in (BOS, EOS, PAD)):
        return
    ids = tokenizer.backend.encode(text, add_special_tokens=False)
    assert tokenizer.encode(text) == tokenizer.encode_after(text) == tokenizer.encode(text, rendered=True) == ids
    assert tokenizer.encode_prompt(text) == [tokenizer.bos, *ids]
    assert tokenizer.encode_to_end(text) == [*ids, tokenizer.eos]
    spans = tokenizer.backend(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    assert tokenizer.encode_after_with_spans(text) == (ids, spans)
    assert tokenizer.encode_prompt_with_spans(text) == ([tokenizer.bos, *ids], [(0, 0), *spans])


@pytest.mark.parametrize("text", WRITTEN)
def test_special_tokens_that_a_text_writes_are_text(tokenizer, text: str) -> None:
    for ids in (
        tokenizer.encode(text),
        tokenizer.encode_after(text),
        tokenizer.encode_after_with_spans(text)[0],
        tokenizer.encode_prompt("x" + text)[1:],
        tokenizer.encode_prompt_with_spans("x" + text)[0][1:],
        encode_solutions(tokenizer, ABEL, [Problem("a", f"x{text}", "1", f"1. {text}x")], "f")[0].tokens[1:-1],
        labelled_example(tokenizer, ABEL, f"x{text}", [f"1. {text}x"], [1.0]).tokens[1:-1],
    ):
        assert control(tokenizer, ids) == []
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.decode(tokenizer.encode_prompt("x" + text)) == "x" + text


@pytest.mark.parametrize("text", ["1 + 2", "1<|end|>2", ""])
def test_an_end_comes_once(tokenizer, text: str) -> None:
    ids = [*tokenizer.encode(text), tokenizer.eos]
    for ended in (text, text + EOS, text + EOS + EOS):
        assert tokenizer.encode_to_end(ended) == ids
        assert encode_example(tokenizer, "x", ended).tokens[2:] == tuple(ids)
        if text:
            row = {"prompt": "x", "completion": ended}
            assert encode_record(tokenizer, row, "p").tokens[2:] == tuple(ids)
            assert encode_record(tokenizer, {"text": BOS + ended}, "p").tokens[1:] == tuple(ids)
            pair = encode_preference(tokenizer, {"prompt": "x", "chosen": ended, "rejected": "3"}, "p")
            assert pair.chosen == tuple(ids)
            thought = Thought("a", "x?", "1", "shortcut", 0, (Piece(ended, "step"),))
            assert encode_thought(tokenizer, ABEL, thought, True).tokens[-len(ids) :] == tuple(ids)


@pytest.mark.parametrize("text", WRITTEN)
@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_what_people_write_in_a_chat_is_text(tokenizer, text: str, role: str) -> None:
    contents = {"system": "s", "user": "u", "assistant": "a", role: text}
    messages = [{"role": name, "content": content} for name, content in contents.items()]
    example = encode_record(tokenizer, {"messages": messages}, "p")
    e = tokenizer.eos
    # Control tokens are those of the template alone, and the text is what was written.
    assert control(tokenizer, example.tokens) == [tokenizer.bos, e, e, e]
    whole = "".join(f"{name}:\n{content}{'' if name == 'assistant' else chr(10)}" for name, content in contents.items())
    assert tokenizer.decode(example.tokens) == whole + "\n"
    plain = tokenizer.encode_chat(messages[:2])
    assert plain == list(example.tokens[: len(plain)])
    asked = {"prompt": messages[:2], "completion": messages[2:]}
    assert encode_record(tokenizer, asked, "p").tokens == example.tokens


def test_tools_and_variables_are_text_and_a_template_of_a_row_is_none(tokenizer) -> None:
    template = TEMPLATE.replace("{{ tools | length }}", "{{ tools | tojson }}")
    shows = dataclasses.replace(tokenizer, backend=chat_tokenizer(template).backend)
    messages = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]
    tools = [{"type": "function", "function": {"name": "f<|end|>"}}]
    example = encode_record(shows, {"messages": messages, "tools": tools}, "p")
    assert control(shows, example.tokens) == [shows.bos, shows.eos, shows.eos]
    assert "f<|end|>" in shows.decode(example.tokens)
    own = {"chat_template": "<|pad|>" + TEMPLATE, "opening": "<|end|>"}
    example = encode_record(
        shows, {"prompt": messages[:1], "completion": messages[1:], "chat_template_kwargs": {**own, "opening": ""}}, "p"
    )
    assert control(shows, example.tokens) == [shows.bos, shows.pad, shows.eos, shows.eos]


def test_a_question_in_a_chat_is_text(tokenizer) -> None:
    ids = BLANK_CHAT.encode(tokenizer, "What is <|end|>?")
    assert control(tokenizer, ids) == [tokenizer.bos, tokenizer.eos]
    assert "What is <|end|>?" in tokenizer.decode(ids)


def test_a_field_makes_them_tokens(tokenizer) -> None:
    allowed = dataclasses.replace(tokenizer, special_tokens=True)
    e, encode = tokenizer.eos, tokenizer.encode
    assert allowed.encode("1<|end|>2") == [*encode("1"), e, *encode("2")]
    assert allowed.encode_prompt("<|begin|>1<|pad|>") == [tokenizer.bos, *encode("1"), tokenizer.pad]
    assert allowed.encode_to_end("1<|end|>") == [*encode("1"), e]
    messages = [{"role": "user", "content": f"u<|end|>{MARK}"}, {"role": "assistant", "content": "a"}]
    example = encode_record(allowed, {"messages": messages}, "p")
    assert control(tokenizer, example.tokens) == [tokenizer.bos, e, e, e]
    assert MARK in tokenizer.decode(example.tokens)


def test_a_step_under_judgement_writes_no_tag(tokenizer) -> None:
    """Else what is judged could say where it is read, or end its turn."""
    tag = dataclasses.replace(QWEN, step="{step}<|pad|>", tag="<|pad|>")
    chats = chat_tokenizer(TEMPLATE)
    layout = lay_out(tag, chats, ABEL, "x<|pad|>?", ["1. so <|pad|><|end|>", "2. 3"])
    assert [control(chats, one).count(chats.pad) for one in layout.readings] == [1, 2]
    assert [one[-1] for one in layout.readings] == [chats.pad] * 2
    turns = dataclasses.replace(RLHFLOW, answers=("1", "2"))
    one, two = (lay_out(turns, chats, ABEL, "x?", [step]).readings[0] for step in ("1. so<|end|>", "1. so"))
    assert control(chats, one) == control(chats, two)
