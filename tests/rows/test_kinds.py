"""Whatever stands in a field of whatever form: it is read, or refused in a line that begins with the row's place."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator

import pytest
from chats import chat_tokenizer
from random_trees import written_tree

from jorney.rows.fields import LONGEST_TEXT, expect, filled, texts
from jorney.rows.labels import Reading, read_row, solution_of
from jorney.rows.problems import problem_of
from jorney.rows.registry import IMPORTERS
from jorney.rows.trl import encode_preference, encode_record
from jorney.text.step_format import ABEL
from jorney.thought import thought
from jorney.tree import tree

WRONG = [None, True, 5, -1, 1.5, 10**30, math.nan, math.inf, "x", "", [], {}, [1], [[]], [None], ["x"], {"a": 1}, [{}], [True]]
TOKENIZER = chat_tokenizer()


class Equal:
    """Grades answers without a process."""

    right = staticmethod(lambda known, stated: known == stated)


def importer(name: str):
    return lambda row, place: IMPORTERS[name].tree_of(row, place, ABEL, Equal).to_json()


def labels(row, place):
    return read_row(row, place, Reading(ABEL))


PRM = {
    "completions": [{"text": "a", "rating": 1}, {"text": "b", "rating": -1}],
    "human_completion": None,
    "chosen_completion": 0,
}
PRM800K = {"question": {"problem": "q", "ground_truth_answer": "1"}, "label": {"steps": [PRM], "finish_reason": "solution"}}
LEAF = {"text": "a", "mc_value": 1, "children": []}
OPENR = {"question": "q", "final_answer": "1", "reasoning_steps": {"text": "q", "mc_value": 0.5, "children": [LEAF]}}
SHEPHERD = {"input": "q Step 1: a ки", "label": "q Step 1: a +"}
LEVEL = {"x": "1 2 3 4", "ys": [""], "new_ys": ["a\n", "b\n"], "values": [1.0, 20.0], "select_new_ys": ["b\n"]}
STEPWISE = {"prompt": "q", "completions": ["a", "b"], "labels": [True, False]}
CHAT = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
PAIR = {"prompt": "a", "chosen": "b", "rejected": "c"}
SAMPLED = {"tokenizer": TOKENIZER.digest, "prompt": [1], "chosen": [2], "rejected": [3]}
TURNS = [["question", "q"], ["human", "x"]]
REFLECTED = {"pieces": [["1. so", "step", 1], ["back", "reflection", 1, 0]], "turns": TURNS, "construction": "human"}
SHORTCUT = {"id": "a", "question": "q", "answer": "1", "kind": "journey", "leaf": 1, "refiner": "offline", "note": ""}
TREE = json.loads(json.dumps(written_tree(3).to_json()))
FORMS = {
    "problem": ({"id": "1", "question": "q", "answer": "1", "solution": "s", "verifier": "math", "meta": {}}, problem_of),
    "countdown": (
        {"question": "q", "answer": "3", "verifier": "countdown", "meta": {"numbers": [1, 2], "target": 3}},
        problem_of,
    ),
    "tree": ({**TREE, "nodes": TREE["nodes"][:3]}, tree.from_json),
    "thought": ({**SHORTCUT, **REFLECTED}, thought.from_json),
    "import prm800k": (PRM800K, importer("prm800k")),
    "import openr": (OPENR, importer("openr")),
    "import math_shepherd": (SHEPHERD, importer("math_shepherd")),
    "import game24": ({"idx": 900, "steps": [LEVEL], "ys": ["b\n"]}, importer("game24")),
    "import stepwise": (STEPWISE, importer("stepwise")),
    "labels prm800k": (PRM800K, labels),
    "labels math_shepherd": (SHEPHERD, labels),
    "labels stepwise": (STEPWISE, labels),
    "labels own": ({"question": "q", "steps": ["a", "b"], "labels": [1, 0]}, labels),
    "labels process_bench": ({"problem": "q", "steps": ["a", "b"], "label": 1}, labels),
    "labels bigbench": ({"input": "q", "steps": ["a"], "mistake_index": 0}, labels),
    "labels openr": ({"question": "q", "process": "a ки", "label": ["+"]}, labels),
    "solution": ({"question": "q", "answer": "1", "steps": ["a"]}, lambda *given: solution_of(*given, Reading(ABEL))),
    "completion": ({"prompt": "a", "completion": "b"}, lambda *given: encode_record(TOKENIZER, *given)),
    "text": ({"text": "a"}, lambda *given: encode_record(TOKENIZER, *given)),
    "chat": (
        {"messages": CHAT, "tools": [{"type": "x"}], "chat_template_kwargs": {}},
        lambda *given: encode_record(TOKENIZER, *given),
    ),
    "sharegpt": (
        {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}]},
        lambda *given: encode_record(TOKENIZER, *given),
    ),
    "alpaca": (
        {"instruction": "a", "input": "", "output": "b", "history": [["a", "b"]]},
        lambda *given: encode_record(TOKENIZER, *given),
    ),
    "pair": (PAIR, lambda *given: encode_preference(TOKENIZER, *given)),
    "pair of chats": (
        {**PAIR, "prompt": CHAT[:1], "chosen": CHAT[1:], "rejected": [{"role": "assistant", "content": "c"}]},
        lambda *given: encode_preference(TOKENIZER, *given),
    ),
    "sampled pair": ({**PAIR, "sampled": SAMPLED}, lambda *given: encode_preference(TOKENIZER, *given)),
}


def places(value: object, before: tuple = ()) -> Iterator[tuple]:
    """Of everything within a row, of lists the first two."""
    for key in value if isinstance(value, dict) else range(min(2, len(value))) if isinstance(value, list) else ():
        yield (*before, key)
        yield from places(value[key], (*before, key))


def changed(row: dict, place: tuple, value: object) -> dict:
    found = inner = copy.deepcopy(row)
    for key in place[:-1]:
        inner = inner[key]
    if value is WRONG:
        del inner[place[-1]]
    else:
        inner[place[-1]] = value
    return found


@pytest.mark.parametrize("form", FORMS)
def test_fields_of_another_kind(form: str) -> None:
    row, read = FORMS[form]
    read(row, "f: line 3")
    refused = 0
    for place in places(row):
        for value in (*WRONG, WRONG):
            try:
                read(changed(row, place, value), "f: line 3")
            except ValueError as error:
                refused += 1
                said = str(error)
                assert said.startswith("f: line 3: "), (place, value, said)
                assert "\n" not in said, (place, value, said)
                assert len(said) < 400, (place, value, said)
            except Exception as error:
                pytest.fail(f"{place}, {value!r}: {type(error).__name__}: {error}")
    assert refused > 5


def test_numbers_are_finite_and_texts_have_an_end() -> None:
    for value in (math.nan, math.inf, -math.inf, True, "1"):
        with pytest.raises(ValueError, match="^p: field 'a': expected a number, got"):
            expect(value, "a", "p", float)
    assert expect(1, "a", "p", float) == 1
    long = "a" * (LONGEST_TEXT + 1)
    told = "^p: field 'a': 1,000,001 characters: expected at most 1,000,000$"
    for read in (
        lambda: expect(long, "a", "p", str),
        lambda: filled({"a": long}, "a", "p"),
        lambda: texts(["b", long], "a", "p"),
    ):
        with pytest.raises(ValueError, match=told):
            read()
    with pytest.raises(ValueError, match=r"field 'messages\[0\]': field 'content': 1,000,001 characters"):
        encode_record(TOKENIZER, {"messages": [{"role": "user", "content": long}, CHAT[1]]}, "p")
