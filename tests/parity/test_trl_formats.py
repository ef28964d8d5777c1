"""Rows under TRL's column names become the tokens and masks that TRL's own preparation gives (`make parity`).

Deliberate differences, each with a test here:

- bos comes once even where a chat template does not write it; TRL leaves it out then.
- A template that renders the prompt otherwise alone than within the whole is refused; TRL warns once, and trains on it.
- Prompt and completion that are texts are tokenised apart, as sampling meets them; TRL takes the tokens of both together, and
  where one reaches over the boundary it counts as completion.
"""

from __future__ import annotations

import types
import warnings

import pytest
from chats import TEMPLATE, bearing, chat_tokenizer
from random_trees import written_tree

from jorney.rows.registry import EXPORTERS, ExportConfig
from jorney.rows.trl import encode_preference, encode_record

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    trl = pytest.importorskip("trl", reason="parity with TRL needs trl")
    datasets = pytest.importorskip("datasets")
    from trl import DPOTrainer, SFTTrainer
    from trl.data_utils import extract_prompt

pytestmark = pytest.mark.filterwarnings("ignore")  # trl's and torch's own

# The template writes bos, as TRL expects of it.
WRITES_BOS = "{{ bos_token }}" + TEMPLATE
ASK, REPLY = {"role": "user", "content": "1 + 2 = ?"}, {"role": "assistant", "content": "1 + 2 = 3"}
MORE, AGAIN = {"role": "user", "content": "again"}, {"role": "assistant", "content": "3"}
OTHER = {"role": "assistant", "content": "4"}


@pytest.fixture(scope="module")
def tokenizer():
    return chat_tokenizer(WRITES_BOS)


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def supervised(tokenizer, row: dict, completion_only: bool = True, assistant_only: bool = False) -> tuple[list[int], list[int]]:
    """The tokens and labels of SFTTrainer._prepare_dataset, which needs no model."""
    trainer = types.SimpleNamespace(_tokenizer=tokenizer.backend, completion_only_loss=completion_only, chat_template=None)
    options = trl.SFTConfig(max_length=None, assistant_only_loss=assistant_only, report_to=[], use_cpu=True, bf16=False)
    made = SFTTrainer._prepare_dataset(
        trainer, datasets.Dataset.from_list([row]), tokenizer.backend, options, False, None, "train"
    )
    return made[0]["input_ids"], made[0]["labels"]


def preferred(tokenizer, row: dict) -> tuple[tuple[int, ...], ...]:
    trainer = types.SimpleNamespace(_tokenizer=tokenizer.backend)
    options = trl.DPOConfig(max_length=None, report_to=[], use_cpu=True, bf16=False)
    made = DPOTrainer._prepare_dataset(trainer, datasets.Dataset.from_list([row]), tokenizer.backend, options, "train")[0]
    return tuple(tuple(made[f"{name}_ids"]) for name in ("prompt", "chosen", "rejected"))


def assert_equal(tokenizer, row: dict, **options: bool) -> None:
    ids, labels = supervised(tokenizer, row, **options)
    example = encode_record(tokenizer, row, "p")
    assert list(example.tokens) == ids
    # A causal model never predicts the first token, whatever its label.
    assert bearing(example) == [index for index, label in enumerate(labels) if label != -100 and index > 0]


@pytest.mark.parametrize("text", ["1 + 2 = 3", "Question:\nMake 24.\nAnswer:\n1. 3 * 8 = 24", "3<|end|>"])
def test_texts(tokenizer, text) -> None:
    assert_equal(tokenizer, {"text": text}, completion_only=False)


@pytest.mark.parametrize("prompt", ["1 + 2", "Question:\nMake 24.\nAnswer:\n", ""])
def test_prompts_and_completions(tokenizer, prompt) -> None:
    assert_equal(tokenizer, {"prompt": prompt, "completion": " = 24"})
    assert_equal(tokenizer, {"prompt": prompt + "\n", "completion": "1. 3 * 8 = 24<|end|>"})


@pytest.mark.parametrize("more", [{}, {"tools": '[{"name": "f"}]'}, {"chat_template_kwargs": {"opening": "1 +"}}])
def test_prompts_and_completions_of_messages(tokenizer, more) -> None:
    assert_equal(tokenizer, {"prompt": [ASK], "completion": [REPLY], **more})
    if "chat_template_kwargs" not in more:  # the opening belongs to this one answer
        assert_equal(tokenizer, {"prompt": [ASK, REPLY, MORE], "completion": [AGAIN], **more})


def test_the_turns_of_a_chat() -> None:
    """TRL finds the assistant's turns by marks in the template, which Jorney does without."""
    marked = WRITES_BOS.replace(
        "{{ message.role }}:\n{{ message.content }}{{ eos_token }}\n",
        "{{ message.role }}:\n{% if message.role == 'assistant' %}{% generation %}{{ message.content }}{{ eos_token }}\n"
        "{% endgeneration %}{% else %}{{ message.content }}{{ eos_token }}\n{% endif %}",
    )
    for messages in ([ASK, REPLY], [ASK, REPLY, MORE, AGAIN], [ASK, REPLY, MORE]):
        assert_equal(chat_tokenizer(marked), {"messages": messages}, completion_only=False, assistant_only=True)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "1 + 2", "chosen": " = 3", "rejected": " = 4"},
        {"prompt": "Answer:\n", "chosen": "3<|end|>", "rejected": "1. 4"},
        {"chosen": "1 + 2 = 3", "rejected": "1 + 2 = 4"},
        {"prompt": [ASK], "chosen": [REPLY], "rejected": [OTHER]},
        {"prompt": [ASK, REPLY, MORE], "chosen": [AGAIN], "rejected": [OTHER], "tools": '[{"name": "f"}]'},
        {"chosen": [ASK, REPLY], "rejected": [ASK, OTHER]},
        {"chosen": [ASK, REPLY, MORE, AGAIN], "rejected": [ASK, REPLY, MORE, OTHER]},
    ],
)
def test_preference_pairs(tokenizer, row) -> None:
    found = encode_preference(tokenizer, row, "p")
    assert (found.prompt, found.chosen, found.rejected) == preferred(tokenizer, row)


@pytest.mark.parametrize(
    ("chosen", "rejected"),
    [
        ("The sky is blue.", "The sky is green."),
        ("The sky is bl", "The sky is bo"),
        ("abc", "abcd"),
        ("a b c", "a b"),
        ([ASK, REPLY], [ASK, OTHER]),
        ([ASK, REPLY], [ASK, REPLY, MORE, AGAIN]),
    ],
)
def test_an_implicit_prompt(tokenizer, chosen, rejected) -> None:
    row = {"chosen": chosen, "rejected": rejected}
    assert encode_preference(tokenizer, row, "p") == encode_preference(tokenizer, extract_prompt(row), "p")


def test_bos_comes_though_the_template_writes_none() -> None:
    silent = chat_tokenizer(TEMPLATE)
    row = {"prompt": [ASK], "completion": [REPLY]}
    ids, _ = supervised(silent, row)
    assert [silent.bos, *ids] == list(encode_record(silent, row, "p").tokens)


def test_another_context_is_refused() -> None:
    other = chat_tokenizer(WRITES_BOS.replace("assistant:\n", "assistant:\nHmm"))
    row = {"prompt": [ASK], "completion": [REPLY]}
    ids, _ = supervised(other, row)
    assert "Hmm" not in other.decode(ids)  # sampling would begin after it
    with pytest.raises(ValueError, match="p: the prompt: the chat template renders it as"):
        encode_record(other, row, "p")


def test_a_token_over_the_boundary(tokenizer) -> None:
    row = {"prompt": "An", "completion": "swer:\n"}
    ids, labels = supervised(tokenizer, row)
    example = encode_record(tokenizer, row, "p")
    assert tokenizer.decode(ids) == tokenizer.decode(example.tokens) == "Answer:\n"
    assert labels[1] == ids[1] == tokenizer.encode("Answer:\n")[0]
    assert list(example.tokens[: example.prompt]) == tokenizer.encode_prompt("An")


def test_exported_trees_are_rows_that_trl_reads(tokenizer) -> None:
    trees, config = [written_tree(seed) for seed in range(40)], ExportConfig(pairs=2)
    formats = ("prompt_completion", "messages", "preference_siblings", "preference_leaves")
    rows = {name: [row for tree in trees for row in EXPORTERS[name](tree, config, None, 0)] for name in formats}
    for name in ("prompt_completion", "messages"):
        assert len(rows[name]) > 10
        for row in rows[name][:5]:
            ids, labels = supervised(tokenizer, row, completion_only=name == "prompt_completion")
            assert sum(label != -100 for label in labels) > 3
            example = encode_record(tokenizer, row, "p")
            assert tokenizer.decode(example.tokens) == tokenizer.decode(ids)
    for name in ("preference_siblings", "preference_leaves"):
        assert len(rows[name]) > 10
        for row in rows[name][:5]:
            found = encode_preference(tokenizer, row, "p")
            assert (found.prompt, found.chosen, found.rejected) == preferred(tokenizer, row)
