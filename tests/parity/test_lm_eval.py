"""The backend of lm-evaluation-harness against the harness's own `hf`: on random weights, and on SmolLM2-135M-Instruct."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import subprocess
import sys
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest
from places import ROOT

pytest.importorskip("torch", reason="parity with lm-evaluation-harness needs torch: make parity")
pytest.importorskip("lm_eval", reason="expected lm-evaluation-harness: pip install 'jorney[eval]'")
# The harness and what it imports warn of each other's ways.
pytestmark = [pytest.mark.filterwarnings("default")]

sys.path.insert(0, str(ROOT / "tools"))
from bench_likelihood import four_choice_items, requests_of  # noqa: E402

TEMPLATE = (
    "{% for m in messages %}{{ '[' + m['role'] + ']' + m['content'] + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '[assistant]' }}{% endif %}"
)
TASK = """
task: four_choices
dataset_path: json
dataset_kwargs:
  data_files:
    test: {file}
output_type: multiple_choice
test_split: test
doc_to_text: "Question: {{{{question}}}}\\nAnswer:"
doc_to_target: answer
doc_to_choice: choices
metric_list:
  - metric: acc
  - metric: acc_norm
"""


class Sides(NamedTuple):
    """One model as both sides have it."""

    folder: pathlib.Path
    ours: Any
    theirs: Any


def both(folder: pathlib.Path, **settings: Any) -> Sides:
    from lm_eval.models.huggingface import HFLM

    from jorney.solve.harness import JorneyLM

    ours = JorneyLM(pretrained=str(folder), devices=1, **settings)
    return Sides(folder, ours, HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=4, **settings))


@pytest.fixture(scope="session")
def random_llama(tmp_path_factory, tiny, policy) -> pathlib.Path:
    """Random weights, the embedded model's tokenizer, and a chat template."""
    from jorney.convert import hf
    from jorney.model import params as parameters

    folder = tmp_path_factory.mktemp("random_llama")
    config = dataclasses.replace(tiny, vocab_size=512, positions=1024)
    hf.save(folder, config, parameters.init(config, jax.random.key(1)), policy.tokenizer, np.float32)
    (folder / "chat_template.jinja").write_text(TEMPLATE)
    return folder


@pytest.fixture(scope="session", params=["random_llama", pytest.param("smollm2", marks=pytest.mark.slow)])
def sides(request) -> Sides:
    return both(request.getfixturevalue(request.param))


def asked(kind: str, *rows: tuple[Any, ...]) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [Instance(request_type=kind, doc={}, arguments=row, idx=0) for row in rows]


def same_likelihoods(sides: Sides, requests: list[Any]) -> None:
    ours, theirs = (model.loglikelihood(requests, disable_tqdm=True) for model in (sides.ours, sides.theirs))
    assert len(ours) == len(requests)
    for (log_prob, greedy), (expected, expected_greedy) in zip(ours, theirs, strict=True):
        assert log_prob == pytest.approx(expected, abs=1e-3)
        assert greedy == expected_greedy


def same_texts(sides: Sides, *rows: tuple[str, dict[str, Any]]) -> list[str]:
    ours, theirs = (model.generate_until(asked("generate_until", *rows), disable_tqdm=True) for model in sides[1:])
    assert ours == theirs
    return ours


def test_a_hundred_questions(sides: Sides) -> None:
    same_likelihoods(sides, requests_of(four_choice_items(100)))


def test_contexts_that_are_cut_otherwise(sides: Sides) -> None:
    eos = sides.theirs.tokenizer.eos_token
    rows = [  # no text twice: see test_one_text_that_is_cut_in_two_ways
        ("", "12 + 4 = 16"),
        ("", " and"),
        ("13 + 4 ", "= 17"),
        ("12 + 5   ", " = 17"),
        ("1. 3 * 4\n", "= 12\n"),
        (f"a control token{eos} within", f" a text{eos}"),
        (sides.theirs.tok_decode(sides.theirs.prefix_token_id, skip_special_tokens=False) + "begun already", " once"),
    ]
    same_likelihoods(sides, asked("loglikelihood", *rows))
    for text in (row[0] + row[1] for row in rows):
        for adds in (None, True, False):
            assert sides.ours.tok_encode(text, adds) == sides.theirs.tok_encode(text, adds)


@pytest.mark.parametrize("adds", [True, False])
def test_bos_where_it_is_asked_for(random_llama: pathlib.Path, adds: bool) -> None:
    same_likelihoods(both(random_llama, add_bos_token=adds), asked("loglikelihood", ("1 + 2", " = 3"), ("", "1 + 2")))


def test_long_texts_lose_their_beginning(sides: Sides) -> None:
    short = both(sides.folder, max_length=32)
    rows = [("12 + 34 = 46, " * 20, " 46"), ("1", " + 2 = 3"), ("7 * 8 = 56. " * 9, " 7 * 8")]
    same_likelihoods(short, asked("loglikelihood", *rows))
    lines = "".join(f"{number}. {number} * {2 * number + 1} = {number * (2 * number + 1)}\n" for number in range(3, 20))
    texts = asked("loglikelihood_rolling", (lines,), ("3",), ("x y z",))
    ours, theirs = (model.loglikelihood_rolling(texts, disable_tqdm=True) for model in short[1:])
    assert ours == pytest.approx(theirs, abs=1e-3, rel=2e-5)  # of 221 ids
    assert len(short.ours.tok_encode(texts[0].args[0])) > 3 * 32
    same_texts(short, ("12 + 34 = 46, " * 20, {"until": [], "max_gen_toks": 8}))


def test_one_text_that_is_cut_in_two_ways(random_llama: pathlib.Path) -> None:
    """`hf` of 0.4.13 gives one of them the other's logits, unless its `logits_cache` is off."""
    rows = asked("loglikelihood", ("12 + 4", " = 16"), ("12", " + 4 = 16"), ("", "12 + 4 = 16"))
    ours, theirs = both(random_llama)[1:]
    theirs.logits_cache = False
    expected = theirs.loglikelihood(rows, disable_tqdm=True)
    assert [one for one, _ in ours.loglikelihood(rows, disable_tqdm=True)] == pytest.approx(
        [one for one, _ in expected], abs=1e-3
    )


def test_greedy_texts_and_their_stops(sides: Sides) -> None:
    contexts = [f"Question: {one['question']}\nAnswer:" for one in four_choice_items(6)]
    free = same_texts(sides, *((context, {"until": [], "max_gen_toks": 24}) for context in contexts))
    same_texts(sides, *((context, {"max_gen_toks": 1}) for context in contexts))
    same_texts(sides, *((context, {"until": "\n", "max_gen_toks": 24, "do_sample": False}) for context in contexts))
    for context, text in zip(contexts, free, strict=True):
        # A stop that begins within one token, and ends within another.
        ids = sides.ours.tokenizer.encode(text, add_special_tokens=False)
        middle = len(sides.ours.tok_decode(ids[: len(ids) // 2]))
        stop = text[max(0, middle - 2) : middle + 2]
        found = same_texts(sides, (context, {"until": ["never said", stop], "max_gen_toks": 24}))
        assert found == [text[: text.index(stop)]]


@pytest.mark.slow
def test_twenty_questions_of_gsm8k(smollm2: pathlib.Path, gsm8k: pathlib.Path) -> None:
    sides = both(smollm2)
    questions = [json.loads(line)["question"] for line in (gsm8k / "test.jsonl").read_text().splitlines()[:20]]
    stops = {"until": ["Question:", "</s>", "\n\n"], "max_gen_toks": 64}
    plain = same_texts(sides, *((f"Question: {one}\nAnswer:", stops) for one in questions))
    chats = [sides.ours.apply_chat_template([{"role": "user", "content": one}]) for one in questions[:4]]
    same_texts(sides, *((chat, {"until": ["<|im_end|>", "<|endoftext|>"], "max_gen_toks": 64}) for chat in chats))
    assert len({*plain}) > 10


def test_chats_as_the_tokenizer_writes_them(sides: Sides) -> None:
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is 3 * 4?"},
        {"role": "assistant", "content": "12"},
    ]
    for messages, speaks in ((chat[:2], True), (chat, False)):
        text = sides.ours.apply_chat_template(messages, add_generation_prompt=speaks)
        assert text == sides.theirs.apply_chat_template(messages, add_generation_prompt=speaks)
        assert sides.ours.tok_encode(text) == sides.theirs.tok_encode(text)
    assert sides.ours.chat_template(True) == sides.theirs.chat_template(True)
    assert sides.ours.eot_token_id == sides.theirs.eot_token_id
    assert sides.ours.prefix_token_id == sides.theirs.prefix_token_id
    assert sides.ours.max_length == sides.theirs.max_length
    assert sides.ours.tokenizer_name == sides.theirs.tokenizer_name


def test_a_task_of_the_harness(random_llama: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """By its command line, as people run it; and by the harness's own backend."""
    import lm_eval
    from lm_eval.tasks import TaskManager

    file = tmp_path / "questions.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in four_choice_items(20)))
    (tmp_path / "four_choices.yaml").write_text(TASK.format(file=file))
    arguments = ["--model", "jorney", "--model_args", f"pretrained={random_llama},devices=1", "--tasks", "four_choices"]
    arguments += ["--include_path", str(tmp_path), "--output_path", str(tmp_path / "out"), "--log_samples"]
    ran = subprocess.run(
        [sys.executable, "-m", "jorney.solve.harness", "run", *arguments], cwd=ROOT, capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
    written = json.loads(next((tmp_path / "out").rglob("results_*.json")).read_text())
    samples = [json.loads(line) for line in next((tmp_path / "out").rglob("samples_*.jsonl")).read_text().splitlines()]
    theirs = lm_eval.simple_evaluate(
        model="hf",
        model_args=f"pretrained={random_llama},dtype=float32,device=cpu",
        tasks=["four_choices"],
        task_manager=TaskManager(include_path=str(tmp_path)),
    )
    for name in ("acc,none", "acc_norm,none"):
        assert written["results"]["four_choices"][name] == theirs["results"]["four_choices"][name]
    assert len(samples) == 20
    assert written["config"]["model_dtype"] == "float32"


def test_sampled_texts_are_drawn_apart(random_llama: pathlib.Path) -> None:
    ours = both(random_llama).ours
    drawn = {"until": [], "max_gen_toks": 12, "do_sample": True, "temperature": 1.0, "top_k": 50, "top_p": 0.9, "min_p": 0.01}
    rows = [("1 + 2", drawn), ("1 + 2", drawn), ("3", {**drawn, "do_sample": False})]
    texts = ours.generate_until(asked("generate_until", *rows), disable_tqdm=True)
    assert texts[0] != texts[1]
    assert texts == ours.generate_until(asked("generate_until", *rows), disable_tqdm=True)
    greedy = asked("generate_until", ("3", {"until": [], "max_gen_toks": 12}))
    assert texts[2:] == ours.generate_until(greedy, disable_tqdm=True)


def test_thoughts_are_cut_off(random_llama: pathlib.Path) -> None:
    free = both(random_llama).ours
    (text,) = free.generate_until(asked("generate_until", ("5", {"until": [], "max_gen_toks": 24})), disable_tqdm=True)
    middle = text[len(text) // 2 : len(text) // 2 + 3]
    sides = both(random_llama, think_end_token=middle)
    same_texts(sides, ("5", {"until": [], "max_gen_toks": 24}))
    # A stop that thoughts hold too ends what follows them.
    row = ("5", {"until": [text[1:3]], "max_gen_toks": 24})
    (found,) = sides.ours.generate_until(asked("generate_until", row), disable_tqdm=True)
    assert found == text.rpartition(middle)[2].lstrip().split(text[1:3])[0]
    ids = free.tokenizer.encode(text, add_special_tokens=False)
    same_texts(both(random_llama, think_end_token=str(ids[5])), ("5", {"until": [], "max_gen_toks": 24}))


def test_answers_are_kept_in_the_cache(random_llama: pathlib.Path, tmp_path: pathlib.Path) -> None:
    from lm_eval.api.model import CachingLM

    ours = both(random_llama).ours
    cached = CachingLM(ours, str(tmp_path / "cache.db"))
    rows = asked("loglikelihood", ("1 + 2", " = 3"), ("1 + 2", " = 4"))
    first = cached.loglikelihood(rows)
    ours._loglikelihood_tokens = None  # nothing is computed again
    assert cached.loglikelihood(rows) == first


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pretrained": "embedded", "parallelize": True}, "unknown model arguments parallelize: expected some of pretrained,"),
        ({}, "expected pretrained"),
        ({"pretrained": "embedded", "trust_remote_code": True}, "trust_remote_code = True"),
        ({"pretrained": "embedded", "enable_thinking": True}, "expected a think_end_token"),
        ({"pretrained": "embedded", "dtype": "float16"}, "dtype = 'float16'"),
        ({"pretrained": "embedded", "batch_size": "many"}, "batch_size = 'many'"),
        ({"pretrained": "embedded", "max_length": 10**6}, "max_length = 1000000: expected 1 to"),
    ],
)
def test_arguments_are_refused_by_name(settings: dict[str, Any], message: str) -> None:
    from jorney.solve.harness import JorneyLM

    with pytest.raises(ValueError, match=message):
        JorneyLM(**settings)


def test_requests_are_refused_by_name(random_llama: pathlib.Path) -> None:
    ours = both(random_llama).ours
    with pytest.raises(ValueError, match="max_gen_toks = 1024: expected less than max_length = 1024"):
        ours.generate_until(asked("generate_until", ("1", {"max_gen_toks": 1024})), disable_tqdm=True)
    with pytest.raises(ValueError, match="request 0: its continuation has no ids"):
        ours.loglikelihood(asked("loglikelihood", ("1", "")), disable_tqdm=True)
