"""ShareGPT's and Alpaca's rows: the same examples as the same chats under TRL's names."""

from __future__ import annotations

import pytest
from chats import chat_tokenizer

from jorney.rows.readers.instructions import as_trl, is_instruction
from jorney.rows.trl import encode_record

ASKED, ANSWERED = {"role": "user", "content": "1 + 2 = ?"}, {"role": "assistant", "content": "3"}
MORE, AGAIN = {"role": "user", "content": "again"}, {"role": "assistant", "content": "3."}
SYSTEM = {"role": "system", "content": "s"}


@pytest.fixture(scope="module")
def tokenizer():
    return chat_tokenizer()


@pytest.mark.parametrize(
    ("row", "messages"),
    [
        (
            {"conversations": [{"from": "human", "value": "1 + 2 = ?"}, {"from": "gpt", "value": "3"}], "id": 3},
            [ASKED, ANSWERED],
        ),
        (
            {
                "conversations": [
                    {"from": "system", "value": "s", "weight": None},
                    {"from": "user", "value": "1 + 2 = ?"},
                    {"from": "assistant", "value": "3"},
                    {"from": "human", "value": "again"},
                    {"from": "chatgpt", "value": "3."},
                ]
            },
            [SYSTEM, ASKED, ANSWERED, MORE, AGAIN],
        ),
        ({"conversations": [ASKED, ANSWERED], "system": "s"}, [SYSTEM, ASKED, ANSWERED]),
        ({"conversations": [{"from": None, "value": None, **ASKED}, ANSWERED]}, [ASKED, ANSWERED]),
        ({"instruction": "1 + 2 = ?", "input": "", "output": "3"}, [ASKED, ANSWERED]),
        (
            {"instruction": "1 + 2", "input": "= ?", "output": "3", "system": "s"},
            [SYSTEM, {**ASKED, "content": "1 + 2\n= ?"}, ANSWERED],
        ),
        ({"instruction": "again", "output": "3.", "history": [["1 + 2 = ?", "3"]]}, [ASKED, ANSWERED, MORE, AGAIN]),
    ],
)
def test_rows_are_the_chats_that_they_hold(tokenizer, row, messages) -> None:
    assert is_instruction(row)
    assert encode_record(tokenizer, row, "p") == encode_record(tokenizer, {"messages": messages}, "p")


def test_alpaca_without_a_chat_template_is_asked_as_it_was() -> None:
    plain = chat_tokenizer(None)
    begins = "Below is an instruction that describes a task"
    ends = ". Write a response that appropriately completes the request.\n\n### Instruction:\nadd {given}\n\n"
    row = {"instruction": "add {given}", "input": "", "output": "3"}
    asked = {"prompt": f"{begins}{ends}### Response:\n", "completion": "3"}
    assert as_trl(row, "p", chats=False) == asked
    assert encode_record(plain, row, "p") == encode_record(plain, asked, "p")
    paired = f"{begins}, paired with an input that provides further context{ends}### Input:\n{{instruction}}\n\n### Response:\n"
    assert as_trl({**row, "input": "{instruction}"}, "p", chats=False)["prompt"] == paired
    with pytest.raises(ValueError, match="p: fields 'history' and 'system': the model has no chat template"):
        as_trl({**row, "system": "s"}, "p", chats=False)


def test_columns_of_trl_come_first(tokenizer) -> None:
    row = {"messages": [ASKED, ANSWERED], "conversations": [MORE, AGAIN], "instruction": "x", "output": "y"}
    assert encode_record(tokenizer, row, "p") == encode_record(tokenizer, {"messages": [ASKED, ANSWERED]}, "p")


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"conversations": "hi"}, "field 'conversations': expected a list of messages, got 'hi'"),
        ({"conversations": []}, r"field 'conversations': expected a list of messages, got \[\]"),
        ({"conversations": ["hi"]}, r"field 'conversations\[0\]': expected an object with 'from' and 'value'"),
        ({"conversations": [{"value": "x"}]}, r"field 'conversations\[0\]': expected an object with 'from' and 'value'"),
        (
            {"conversations": [{"from": "cat", "value": "x"}]},
            r"field 'conversations\[0\]': from = 'cat': expected one of human",
        ),
        ({"conversations": [{"from": ["gpt"], "value": "x"}]}, r".*from = \['gpt'\]: expected one of human"),
        (
            {"conversations": [{"from": "human", "value": None}]},
            r"field 'messages\[0\]': field 'content': expected a text, got None",
        ),
        ({"conversations": [{"from": "gpt", "value": "x"}]}, "the assistant speaks first"),
        ({"instruction": 5, "output": "x"}, "field 'instruction': expected a text that is not empty, got 5"),
        ({"instruction": "x", "output": ""}, "field 'output': expected a text that is not empty, got ''"),
        ({"instruction": "x", "output": "y", "input": ["z"]}, r"field 'input': expected a text, got \['z'\]"),
        ({"instruction": "x", "output": "y", "history": "z"}, "field 'history': expected a list of pairs of texts, got 'z'"),
        ({"instruction": "x", "output": "y", "history": [["z"]]}, r"field 'history\[0\]': expected what was asked and"),
        ({"instruction": "x", "output": "y", "system": 5}, "field 'system': expected a text, got 5"),
        ({"instruction": "x"}, "the columns are instruction: expected prompt and completion, or .*, or instruction and output"),
    ],
)
def test_what_is_wrong_with_a_row_is_named(tokenizer, row, error) -> None:
    with pytest.raises(ValueError, match=f"^f: line 3: {error}") as raised:
        encode_record(tokenizer, row, "f: line 3")
    assert "\n" not in str(raised.value)
