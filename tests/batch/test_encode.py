"""Training examples: what is prompt, and that eos closes every completion."""

from __future__ import annotations

import pathlib

import pytest
import tokenizers
import transformers
from tokenizers import decoders, models, pre_tokenizers, trainers

from jorney.batch.packing import pack
from jorney.batch.solutions import encode_example, encode_solutions
from jorney.domain.problem import Problem
from jorney.text.step_format import ABEL
from jorney.text.tokenizer import Tokenizer, load_tokenizer

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
