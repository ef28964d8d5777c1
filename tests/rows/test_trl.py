"""Rows under TRL's column names: which tokens training sees, and which of them bear loss, token by token."""

from __future__ import annotations

import numpy as np
import pytest
from chats import TEMPLATE, bearing, chat_tokenizer
from tfds_sets import prepare

from jorney import storage
from jorney.batch.packing import Example, fit
from jorney.rows.sources import read_rows
from jorney.rows.trl import encode_preference, encode_record, read_steps
from jorney.text.chat import encode_parts


@pytest.fixture(scope="module")
def tokenizer():
    return chat_tokenizer()


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


ASK, REPLY = said("user", "1 + 2 = ?"), said("assistant", "1 + 2 = 3")
MORE, AGAIN = said("user", "again"), said("assistant", "3")


def split(tokenizer, example: Example) -> tuple[str, str]:
    """The text without and with loss; special tokens are shown."""
    bears = set(bearing(example))
    sides = [[t for i, t in enumerate(example.tokens) if (i in bears) == wanted] for wanted in (False, True)]
    return tuple(tokenizer.backend.decode(ids) for ids in sides)


def test_all_of_a_text_bears_loss_but_bos(tokenizer) -> None:
    example = encode_record(tokenizer, {"text": "1 + 2 = 3"}, "p")
    ids = tokenizer.encode("1 + 2 = 3")
    assert example == Example((tokenizer.bos, *ids, tokenizer.eos))
    assert bearing(example) == list(range(1, len(ids) + 2))  # eos among them
    assert encode_record(tokenizer, {"text": "<|begin|>1 + 2 = 3<|end|>"}, "p") == example


def test_a_model_without_bos_has_none() -> None:
    tokenizer = chat_tokenizer(bos=False)
    ids = tokenizer.encode("1 + 2")
    assert encode_record(tokenizer, {"text": "1 + 2"}, "p").tokens == (*ids, tokenizer.eos)
    assert encode_record(tokenizer, {"prompt": "", "completion": "1 + 2"}, "p") == Example((*ids, tokenizer.eos))
    with pytest.raises(ValueError, match="p: field 'prompt': the model has no bos token"):
        encode_preference(tokenizer, {"prompt": "", "chosen": "1", "rejected": "2"}, "p")


def test_a_completion_bears_loss_and_its_prompt_none(tokenizer) -> None:
    example = encode_record(tokenizer, {"prompt": "1 + 2", "completion": " = 3", "text": "other"}, "p")
    head, ids = tokenizer.encode("1 + 2"), tokenizer.encode(" = 3")
    assert example == Example((tokenizer.bos, *head, *ids, tokenizer.eos), prompt=len(head) + 1)
    assert bearing(example) == list(range(len(head) + 1, len(example.tokens)))
    assert encode_record(tokenizer, {"prompt": "1 + 2", "completion": " = 3<|end|>"}, "p") == example


def test_a_chat_of_two_turns_token_by_token(tokenizer) -> None:
    example = encode_record(tokenizer, {"messages": [ASK, REPLY, MORE, AGAIN]}, "p")
    e, encode = tokenizer.eos, tokenizer.encode
    newline = encode("\n")
    parts = [
        ([tokenizer.bos, *encode("user:\n1 + 2 = ?"), e, *newline, *encode("assistant:\n")], False),
        ([*encode("1 + 2 = 3"), e, *newline], True),
        ([*encode("user:\nagain"), e, *newline, *encode("assistant:\n")], False),
        ([*encode("3"), e, *newline], True),
    ]
    assert list(example.tokens) == [token for ids, _ in parts for token in ids]
    mask = [bears for ids, bears in parts for _ in ids]
    assert bearing(example) == [index for index, bears in enumerate(mask) if bears]
    assert example.prompt == len(parts[0][0])
    assert example.bearing == sum(mask)
    assert example.tokens.count(tokenizer.bos) == 1


def test_what_stands_after_the_last_turn_bears_no_loss(tokenizer) -> None:
    example = encode_record(tokenizer, {"messages": [said("system", "x"), ASK, REPLY, MORE]}, "p")
    without = "<|begin|>system:\nx<|end|>\nuser:\n1 + 2 = ?<|end|>\nassistant:\nuser:\nagain<|end|>\n"
    assert split(tokenizer, example) == (without, "1 + 2 = 3<|end|>\n")


def test_bos_that_the_template_writes_comes_once() -> None:
    writes = chat_tokenizer("{{ bos_token }}" + TEMPLATE)
    row = {"messages": [ASK, REPLY]}
    assert encode_record(writes, row, "p") == encode_record(chat_tokenizer(), row, "p")


def test_messages_as_prompt_and_completion(tokenizer) -> None:
    row = {"prompt": [ASK, REPLY, MORE], "completion": [AGAIN]}
    example = encode_record(tokenizer, row, "p")
    whole = encode_record(tokenizer, {"messages": [ASK, REPLY, MORE, AGAIN]}, "p")
    assert example.tokens == whole.tokens
    assert split(tokenizer, example)[1] == "3<|end|>\n"  # the earlier turn is prompt here
    assert not example.silent


def test_tools_and_variables_reach_the_template(tokenizer) -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    row = {"messages": [ASK, REPLY], "chat_template_kwargs": None}
    plain = encode_record(tokenizer, row, "p")
    assert encode_record(tokenizer, {**row, "tools": []}, "p") == plain
    assert encode_record(tokenizer, {**row, "tools": ""}, "p") == plain
    given = encode_record(tokenizer, {**row, "tools": tools}, "p")
    assert split(tokenizer, given)[0].startswith("<|begin|>Tools: 1\nuser:")
    assert encode_record(tokenizer, {**row, "tools": '[{"type": "function", "function": {"name": "f"}}]'}, "p") == given
    answered = {"prompt": [ASK], "completion": [said("assistant", "so 3")], "chat_template_kwargs": {"opening": "so "}}
    assert split(tokenizer, encode_record(tokenizer, answered, "p"))[1] == "3<|end|>\n"


def test_the_day_of_training_changes_no_token() -> None:
    dated = chat_tokenizer("{{ strftime_now('%d %b %Y') }}" + TEMPLATE)
    example = encode_record(dated, {"messages": [ASK, REPLY]}, "p")
    assert split(dated, example)[0].startswith("<|begin|>26 Jul 2024")


def test_parts_begin_where_sampling_begins(tokenizer) -> None:
    """A token of the whole that reaches over the boundary is not what sampling would have seen."""
    whole = tokenizer.encode("Answer:\n")
    assert len(whole) == 1
    parts = encode_parts(tokenizer, ["An", "swer:\n"])
    assert parts == [[tokenizer.bos, *tokenizer.encode("An")], tokenizer.encode("swer:\n")]
    assert encode_parts(tokenizer, ["Answer:\n", "1"]) == [[tokenizer.bos, *whole], tokenizer.encode("1")]


def part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


PARTS = [
    [part("1 + 2 = ?")],
    [part("1 + "), part("2 = ?")],
    [part("1 + 2"), {"text": " = ?", "image": None}],
    ["1 + 2 = ", "?"],
]


@pytest.mark.parametrize("content", PARTS)
def test_contents_in_parts_are_one_text(tokenizer, content) -> None:
    """A template that knows no parts would write the list itself."""
    whole = {"messages": [ASK, REPLY]}
    asked = {"role": "user", "content": content}
    assert encode_record(tokenizer, {"messages": [asked, REPLY]}, "p") == encode_record(tokenizer, whole, "p")
    pair = {"prompt": [ASK], "chosen": [REPLY], "rejected": [AGAIN]}
    assert encode_preference(tokenizer, {**pair, "prompt": [asked]}, "p") == encode_preference(tokenizer, pair, "p")
    split_reply = {"prompt": [ASK], "completion": [{"role": "assistant", "content": [part("1 + 2 "), part("= 3")]}]}
    assert encode_record(tokenizer, split_reply, "p") == encode_record(tokenizer, {"prompt": [ASK], "completion": [REPLY]}, "p")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ([part("a"), {"type": "image", "image": "x.png"}], "part 1: expected one of text, .*, got 'image'"),
        ([{"type": "image_url", "image_url": {"url": "x"}}], "part 0: expected one of text, .*, got 'image_url'"),
        ([{"type": "input_audio"}, part("a")], "part 0: expected one of text, .*, got 'input_audio'"),
        ([{"type": "text", "text": None}], "part 0: expected one of text, .*, got 'text'"),
        ([["a"]], "part 0: expected one of text, .*, got 'list'"),
        ({"type": "text", "text": "a"}, "expected a text, got {'type'"),
        (5, "expected a text, got 5"),
        (None, "expected a text, got None"),
    ],
)
def test_contents_that_are_no_text_are_refused(tokenizer, content, error) -> None:
    row = {"messages": [{"role": "user", "content": content}, REPLY]}
    with pytest.raises(ValueError, match=rf"^f: line 3: field 'messages\[0\]': field 'content': {error}"):
        encode_record(tokenizer, row, "f: line 3")


def test_a_call_of_a_tool_needs_no_content(tokenizer) -> None:
    called = {"role": "assistant", "content": None, "tool_calls": [{"type": "function", "function": {"name": "f"}}]}
    assert encode_record(tokenizer, {"messages": [ASK, called, said("tool", "3"), AGAIN]}, "p").bearing


def test_pairs_of_texts(tokenizer) -> None:
    found = encode_preference(tokenizer, {"prompt": "1 + 2", "chosen": " = 3", "rejected": " = 4<|end|>"}, "p")
    assert found.prompt == (tokenizer.bos, *tokenizer.encode("1 + 2"))
    assert found.chosen == (*tokenizer.encode(" = 3"), tokenizer.eos)
    assert found.rejected == (*tokenizer.encode(" = 4"), tokenizer.eos)
    # Without a prompt: up to the space before where they part.
    assert encode_preference(tokenizer, {"chosen": "1 + 2 = 3", "rejected": "1 + 2 = 4"}, "p") == encode_preference(
        tokenizer, {"prompt": "1 + 2 =", "chosen": " 3", "rejected": " 4"}, "p"
    )


def test_pairs_of_messages(tokenizer) -> None:
    other = said("assistant", "4")
    found = encode_preference(tokenizer, {"prompt": [ASK], "chosen": [REPLY], "rejected": [other]}, "p")
    e, encode = tokenizer.eos, tokenizer.encode
    newline = tuple(encode("\n"))
    assert found.prompt == (tokenizer.bos, *encode("user:\n1 + 2 = ?"), e, *newline, *encode("assistant:\n"))
    assert found.chosen == (*encode("1 + 2 = 3"), e, *newline)
    assert found.rejected == (*encode("4"), e, *newline)
    whole = {"chosen": [ASK, REPLY], "rejected": [ASK, other]}
    assert encode_preference(tokenizer, whole, "p") == found
    # As UltraFeedback has it: the prompt once more, as text.
    assert encode_preference(tokenizer, {**whole, "prompt": "1 + 2 = ?"}, "p") == found


def test_steps() -> None:
    row = {"prompt": "q", "completions": ["1. a", "2. b"], "labels": [True, False]}
    found = read_steps(row, "p")
    assert (found.prompt, found.steps, found.labels) == ("q", ("1. a", "2. b"), (1.0, 0.0))


CHAT = {"messages": [ASK, REPLY]}


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"a": 1, "b": None}, "the columns are a: expected prompt and completion, or messages, or text"),
        ({"prompt": "x"}, "the columns are prompt: expected prompt and completion"),
        ({"text": ""}, "field 'text': expected a text that is not empty, got ''"),
        ({"text": ["a"]}, r"field 'text': expected a text that is not empty, got \['a'\]"),
        ({"prompt": 3, "completion": "x"}, "field 'prompt': expected a text, got 3"),
        ({"prompt": "x", "completion": ""}, "field 'completion': expected a text that is not empty"),
        ({"prompt": "x", "completion": [REPLY]}, "prompt and completion are of two kinds: expected two texts"),
        ({"messages": "hi"}, "field 'messages': expected a list of messages, got 'hi'"),
        ({"messages": []}, r"field 'messages': expected a list of messages, got \[\]"),
        ({"messages": [ASK, "hi"]}, r"field 'messages\[1\]': expected an object with 'role' and 'content', got 'hi'"),
        ({"messages": [{"from": "human", "value": "x"}]}, r"field 'messages\[0\]': expected an object with 'role'"),
        ({"messages": [ASK, {"role": "assistant"}]}, r"field 'messages\[1\]': field 'content': expected a text, got None"),
        ({"messages": [ASK]}, "no message has the role 'assistant'"),
        ({"messages": [REPLY, ASK]}, "the assistant speaks first"),
        ({**CHAT, "tools": "{"}, "field 'tools': expected a list, or its JSON: Expecting"),
        ({**CHAT, "tools": 3}, "field 'tools': expected a list, or its JSON, got 3"),
        ({**CHAT, "chat_template_kwargs": [1]}, "field 'chat_template_kwargs': expected an object"),
        (
            {**CHAT, "chat_template_kwargs": {"tokenize": True}},
            "field 'chat_template_kwargs': expected an object without tools",
        ),
    ],
)
def test_what_is_wrong_with_a_row_is_named(tokenizer, row, error) -> None:
    with pytest.raises(ValueError, match=f"f.jsonl: line 3: {error}") as raised:
        encode_record(tokenizer, row, "f.jsonl: line 3")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"prompt": "x", "completion": "y"}, "the columns are prompt, completion: expected chosen and rejected"),
        ({"chosen": "a b", "rejected": [REPLY]}, "chosen and rejected are of two kinds"),
        ({"chosen": "a", "rejected": "b"}, "chosen and rejected have no beginning in common: expected a field 'prompt'"),
        ({"chosen": [REPLY], "rejected": [AGAIN]}, "chosen and rejected have no beginning in common"),
        ({"prompt": "x", "chosen": "a", "rejected": "a"}, "chosen and rejected are the same"),
        ({"chosen": "abc", "rejected": "abc"}, "chosen and rejected are the same"),
        ({"prompt": "x", "chosen": "a", "rejected": ""}, "field 'rejected': expected a text that is not empty"),
    ],
)
def test_what_is_wrong_with_a_pair_is_named(tokenizer, row, error) -> None:
    with pytest.raises(ValueError, match=f"f.jsonl: line 3: {error}"):
        encode_preference(tokenizer, row, "f.jsonl: line 3")


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"prompt": "q"}, "the columns are prompt: expected prompt, completions, labels"),
        ({"prompt": "q", "completions": [], "labels": []}, "field 'completions': expected a list of texts"),
        ({"prompt": "q", "completions": ["a"], "labels": [2]}, "field 'labels': expected a list of true and false"),
        ({"prompt": "q", "completions": ["a"], "labels": [True, False]}, "field 'labels': 2 of them: expected 1"),
    ],
)
def test_what_is_wrong_with_steps_is_named(row, error) -> None:
    with pytest.raises(ValueError, match=f"f.jsonl: line 3: {error}"):
        read_steps(row, "f.jsonl: line 3")


THINKS = (  # as Qwen3's: what was thought is shown in the last turn alone
    "{% for message in messages %}{{ message.role }}:\n"
    "{% if message.role == 'assistant' and loop.last %}so {% endif %}{{ message.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:\n{% endif %}"
)
OPENS = TEMPLATE.replace("assistant:\n", "assistant:\nHmm\n")  # the generation prompt says more than the whole has


@pytest.mark.parametrize(
    ("template", "row", "error"),
    [
        (None, CHAT, "the tokenizer has no chat template: expected one in tokenizer_config.json"),
        ("{{ raise_exception('no roles') }}", CHAT, "chat template refuses the messages: no roles"),
        (OPENS, CHAT, "up to message 1 .*renders it as ...'Hmm.* alone, as ...'1 \\+ 2.* within the whole"),
        (OPENS, {"prompt": [ASK], "completion": [REPLY]}, "the prompt: the chat template renders it as ...'Hmm"),
        (THINKS, {"messages": [ASK, REPLY, MORE, AGAIN]}, "message 1 .*and with it: .*'so 1.* alone, .*prompt and completion"),
    ],
)
def test_a_template_that_would_train_on_another_context_is_refused(template, row, error) -> None:
    with pytest.raises(ValueError, match=f"f.jsonl: line 3: .*{error}"):
        encode_record(chat_tokenizer(template), row, "f.jsonl: line 3")


FIRST = "{{ messages[0].content }}"
ROLES = "{% for message in messages %}<{{ message.role }}>{{ eos_token }}{% endfor %}"
ASKED = "{% for message in messages if message.role != 'assistant' %}{{ message.content }}{% endfor %}"
CALL = {"role": "assistant", "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {}}}]}


@pytest.mark.parametrize(
    ("template", "row"),
    [
        (FIRST, {"messages": [ASK, REPLY]}),
        (FIRST, {"prompt": [ASK], "completion": [REPLY]}),
        (ROLES, {"messages": [ASK, REPLY]}),
        (ROLES, {"prompt": [ASK], "completion": [REPLY]}),
        (ASKED, {"messages": [ASK, REPLY, MORE, AGAIN]}),
        (ASKED, {"messages": [ASK, CALL]}),
    ],
)
def test_a_template_that_leaves_the_assistant_out_is_refused(template, row) -> None:
    """Nothing would be learned, and without a word."""
    with pytest.raises(ValueError, match="f.jsonl: line 3: .*(leaves out what it says|renders nothing after the prompt)"):
        encode_record(chat_tokenizer(template), row, "f.jsonl: line 3")


def test_the_last_turn_alone_can_be_trained_on_with_such_a_template() -> None:
    tokenizer = chat_tokenizer(THINKS)
    example = encode_record(tokenizer, {"prompt": [ASK, REPLY, MORE], "completion": [AGAIN]}, "p")
    without = "<|begin|>user:\n1 + 2 = ?<|end|>\nassistant:\n1 + 2 = 3<|end|>\nuser:\nagain<|end|>\nassistant:\n"
    assert split(tokenizer, example) == (without, "so 3<|end|>\n")


def test_json_lines_parquet_and_tfds_give_the_same_examples(tmp_path, tokenizer, monkeypatch) -> None:
    import datasets
    import pyarrow
    import pyarrow.parquet
    from tensorflow_datasets import features as kinds

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    named = {**ASK, "name": "me"}  # Parquet then has a name, null, in every message
    rows = [{"messages": [named, REPLY, MORE, AGAIN]}, {"messages": [ASK, AGAIN]}]
    storage.write_jsonl(tmp_path / "r.jsonl", rows)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "r.parquet")
    message = {"role": kinds.Text(), "content": kinds.Text()}
    bare = [{"messages": [{k: m[k] for k in ("role", "content")} for m in row["messages"]]} for row in rows]
    folder = prepare(tmp_path / "tfds", bare, {"messages": kinds.Sequence(message)}, "array_record")
    names = chat_tokenizer(
        TEMPLATE.replace("{{ message.role }}", "{{ message.role }}{% if message.name is defined %} me{% endif %}")
    )
    for reader, sources in (
        (tokenizer, [tmp_path / "r.jsonl", tmp_path / "r.parquet", f"tfds:{folder}"]),
        (names, [tmp_path / "r.jsonl", tmp_path / "r.parquet"]),
    ):
        first, *others = ([encode_record(reader, row, place) for place, row in read_rows(str(source))] for source in sources)
        assert len(first) == 2
        assert all(other == first for other in others)


def test_a_record_that_is_too_long() -> None:
    examples = [
        Example((0, 5, 6, 7), prompt=1),
        Example(tuple(range(9)), prompt=2, silent=(3, 7)),
        Example(tuple(range(9)), prompt=6),
        Example(tuple(range(9)), prompt=1, silent=(1, 2, 3, 4)),
    ]
    places = [f"f: line {n}" for n in range(4)]
    with pytest.raises(ValueError, match=r"f: line 1: 9 tokens: expected 2 to 5, .*too_long = 'drop'"):
        fit(examples, 4, "error", places, "f")
    with pytest.warns(UserWarning, match=r"^f: 3 of 4 examples have more than 5 tokens: 3 left out \(too_long = 'drop'\)$"):
        assert fit(examples, 4, "drop", places, "f") == examples[:1]
    # The third keeps its prompt alone, the fourth what bears no loss: neither teaches anything.
    with pytest.warns(UserWarning, match="3 of 4 examples have more than 5 tokens: 1 cut there and 2 left out"):
        assert fit(examples, 4, "truncate", places, "f") == [examples[0], Example((0, 1, 2, 3, 4), prompt=2, silent=(3,))]
    with pytest.raises(ValueError, match="f: no example is left with too_long = 'drop': expected a row_length above 4"):
        fit(examples[1:], 4, "drop", places[1:], "f")
    assert fit(examples, 8, "error", places, "f") == examples
    assert np.sum([example.bearing for example in examples]) == 3 + 5 + 3 + 4
