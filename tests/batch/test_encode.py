"""Training examples: what is prompt, and that eos closes every completion."""

from __future__ import annotations

import dataclasses
import pathlib

import pytest
import tokenizers
import transformers
from tokenizers import decoders, models, pre_tokenizers, trainers

from jorney.batch.packing import pack
from jorney.batch.solutions import encode_example, encode_solutions, stated
from jorney.domain.problem import Problem
from jorney.rows.trl import encode_preference, encode_record
from jorney.text.step_format import ABEL
from jorney.text.tokenizer import Tokenizer, load_tokenizer
from jorney.thought.encode import encode_thought
from jorney.thought.thought import Piece, Thought
from jorney.train.objectives.prm import Prm

BOS, EOS = "<|begin|>", "<|end|>"


def train(folder: pathlib.Path, **names: str) -> Tokenizer:
    """A byte-level BPE in which " 12" and ".\n1" are single tokens: its merges reach over spaces and lines."""
    made = tokenizers.Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=290, special_tokens=[BOS, EOS], initial_alphabet=alphabet, show_progress=False)
    made.train_from_iterator(["so 12.\n1. so 12.\n1. "] * 20, trainer)
    transformers.PreTrainedTokenizerFast(tokenizer_object=made, **names).save_pretrained(folder)
    return load_tokenizer(str(folder))


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory) -> Tokenizer:
    return train(tmp_path_factory.mktemp("tokenizer"), bos_token=BOS, eos_token=EOS)


def test_bos_prompt_completion_eos(tokenizer):
    example = encode_example(tokenizer, "so 12.\n", "1. so")
    assert example.prompt == 1 + len(tokenizer.encode("so 12.\n"))
    assert list(example.tokens[: example.prompt]) == tokenizer.encode_prompt("so 12.\n")
    assert list(example.tokens[example.prompt :]) == [*tokenizer.encode("1. so"), tokenizer.eos]
    assert example.tokens.count(tokenizer.bos) == example.tokens.count(tokenizer.eos) == 1


def test_the_boundary_is_the_one_that_generation_starts_from(tokenizer):
    prompt, completion = "so 12.\n", "1. so 12."
    whole = tokenizer.encode_prompt(prompt + completion)
    apart = encode_example(tokenizer, prompt, completion)
    # Together, a token reaches over the boundary, and the prompt that generation reads would be no prefix.
    assert whole[: apart.prompt] != tokenizer.encode_prompt(prompt)
    assert list(apart.tokens[: apart.prompt]) == tokenizer.encode_prompt(prompt)
    assert tokenizer.decode(apart.tokens) == prompt + completion


def test_without_bos_the_prompt_is_its_text(tmp_path):
    tokenizer = train(tmp_path, eos_token=EOS)
    example = encode_example(tokenizer, "so", " 12.")
    assert example.prompt == len(tokenizer.encode("so"))
    assert example.tokens[-1] == tokenizer.eos


def test_packed_examples_bear_loss_on_completion_and_eos_alone(tokenizer):
    example = encode_example(tokenizer, "so 12.\n", "1. so 12.")
    packed = pack([example], row_length=64)
    learned = packed.targets[0][packed.loss_mask[0] == 1].tolist()
    assert learned == [*tokenizer.encode("1. so 12."), tokenizer.eos]


def test_solutions_follow_the_prompt_of_their_question(tokenizer):
    problems = [Problem("a", " so? ", "12", "1. so\n#### 12"), Problem("b", "1?", "1", "#### 1")]
    one, two = encode_solutions(tokenizer, ABEL, problems, "file.jsonl")
    assert one == encode_example(tokenizer, ABEL.ask("so?"), "1. so\n#### 12")
    assert tokenizer.decode(two.tokens[: two.prompt]) == ABEL.ask("1?")
    assert tokenizer.decode(two.tokens[two.prompt :]) == "#### 1"


def test_a_problem_without_solution_is_named(tokenizer):
    problems = [Problem("a", "so?", "12", "1. so"), Problem("b", "1?", "1")]
    with pytest.raises(ValueError, match=r"file.jsonl: the problem 'b' has no solution"):
        encode_solutions(tokenizer, ABEL, problems, "file.jsonl")


LOST = "the tokenizer cannot hold '√' .U.221A., which training would lose"


def lossy(tokenizer: Tokenizer) -> Tokenizer:
    """It says that it has no token for a character, which it would drop."""
    found = dataclasses.replace(tokenizer)
    found._lost.add("√")
    return found


ROWS = [
    {"text": "√2"},
    {"prompt": "√2?", "completion": "2"},
    {"prompt": "2?", "completion": "√2"},
]


@pytest.mark.parametrize("row", ROWS)
def test_rows_that_would_lose_text_are_refused(tokenizer, row):
    with pytest.raises(ValueError, match=f"^f: line 3: {LOST}"):
        encode_record(lossy(tokenizer), row, "f: line 3")
    allowed = dataclasses.replace(lossy(tokenizer), lossy=True)
    assert encode_record(allowed, row, "p") == encode_record(tokenizer, row, "p")


def test_whatever_is_learned_from_is_looked_at(tokenizer):
    found = lossy(tokenizer)
    with pytest.raises(ValueError, match=f"^f: the problem 'a': {LOST}"):
        encode_solutions(found, ABEL, [Problem("a", "√2?", "1", "1. so")], "f")
    thought = Thought("a", "x?", "1", "shortcut", 0, (Piece("1. √2", "step"),))
    with pytest.raises(ValueError, match=f"^the thought 'a': {LOST}"):
        encode_thought(found, ABEL, thought, True)
    with pytest.raises(ValueError, match=f"^f: line 1: {LOST}"):
        encode_thought(found, ABEL, thought, True, "f: line 1")
    with pytest.raises(ValueError, match=f"^p: {LOST}"):
        encode_preference(found, {"prompt": "x", "chosen": "√2", "rejected": "2"}, "p")
    with pytest.raises(ValueError, match=f"^p: {LOST}"):
        Prm().encode(found, ABEL, {"question": "x", "steps": ["1. √2"], "labels": [1.0]}, "p")


def test_a_solution_ends_with_its_answer() -> None:
    """What does not say it gets it, as it stands; what says it, by a mark or in a box, stays as it is."""
    formula = "First:\n$$\nx = 7\n$$\nThat is it."
    assert stated(Problem("a", "q", "7", formula)) == f"{formula}\n#### 7"
    for said in ("1. a\n#### 7", r"So \boxed{7}."):
        assert stated(Problem("a", "q", "7", said)) == said
