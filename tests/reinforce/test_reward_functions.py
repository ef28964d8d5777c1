"""Functions of a user's as rewards: how they are found and called, and what is said of their faults."""

from __future__ import annotations

import dataclasses
import importlib
import sys

import numpy as np
import pytest
from episodes import episode

from jorney.domain.countdown.sets import make_problem
from jorney.reinforce.rewards.reward_functions import call, fields, load_function
from jorney.reinforce.rewards.reward_terms import RewardContext, load_terms, score_terms

GOOD = "1. 1 + 2 = 3 (left: 3, 3)\n2. 3 * 3 = 9 (left: 9)\n#### 9"


@pytest.fixture
def own(policy):
    problems = [make_problem((1, 2, 3), 9), make_problem((1, 2, 4), 8)]
    problems = [dataclasses.replace(one, meta={**one.meta, "level": place}) for place, one in enumerate(problems)]
    problems[1].meta["odd"] = True
    texts = [GOOD, "#### 9"]
    return [episode(policy.tokenizer, problem, text, sample) for problem in problems for sample, text in enumerate(texts)]


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module into the working directory; returns its name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    names = []

    def write(text: str) -> str:
        names.append(f"rewards_of_test_{len(names)}_{abs(hash(tmp_path))}")
        (tmp_path / f"{names[-1]}.py").write_text(text)
        return names[-1]

    yield write
    for name in names:
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


def test_functions_are_called_as_trl_calls_them(own, module) -> None:
    helper = module("def ends(text, known): return text.endswith(known)")
    name = module(
        "def brevity(prompts, completions, completion_ids, answer, level, **others):\n"
        "    assert sorted(others) == ['id', 'numbers', 'question', 'target'], others\n"
        "    return [None if more else -len(text) for text, more in zip(completions, level)]\n"
        "class Rewards:\n"
        "    @staticmethod\n"
        "    def right(completions, answer, **others):\n"
        f"        from {helper} import ends\n"
        "        return [ends(*both) for both in zip(completions, answer)]\n"
    )
    terms = load_terms([f"{name}:brevity", "accuracy", f"{name}:Rewards.right"])
    assert score_terms(terms, own, RewardContext()) == {
        f"{name}:brevity": [-len(GOOD), -6, 0, 0],
        "accuracy": [1, 0, 0, 0],
        f"{name}:Rewards.right": [1, 1, 0, 0],
    }


def test_fields(own) -> None:
    found = fields(own)
    assert found["prompts"][0].startswith("Question:\nMake 9 from 1, 2, 3.")
    assert found["completions"] == [one.text for one in own]
    assert found["completion_ids"] == [list(one.tokens) for one in own]
    assert found["id"] == [one.problem.id for one in own]
    assert found["question"][2] == "Make 8 from 1, 2, 4."
    assert found["target"] == [9, 9, 8, 8]
    assert "odd" not in found  # not all have it
    assert "odd" in fields(own[2:])
    shadowing = [dataclasses.replace(own[0], problem=dataclasses.replace(own[0].problem, meta={"prompts": 1, "answer": 2}))]
    assert fields(shadowing)["prompts"] == [own[0].prompt]
    assert fields(shadowing)["answer"] == ["9"]


def test_a_working_directory_gives_way_to_nothing(module, monkeypatch) -> None:
    name = module("def f(**fields): return []")
    before = [*sys.path]
    load_function(f"{name}:f")
    assert sys.path[: len(before)] == before  # modules that are looked for later are found where they were


@pytest.mark.parametrize(
    ("text", "path", "message"),
    [
        (
            "def brevity(**f): return []",
            "brevty",
            r"there is no 'brevty' in \w+: expected a function of it: did you mean 'brevity'\?",
        ),
        ("def brevity(**f): return []", "brevity.more", "there is no 'more'"),
        ("scale = 3", "scale", "it is of type int: expected a function"),
        ("import no_such_package", "f", r"cannot be imported \(ModuleNotFoundError: No module named 'no_such_package'\)"),
        (
            "def f(:",
            "f",
            r"cannot be imported \(SyntaxError: .*\): expected one that is installed, or in the working directory /",
        ),
        ("raise SystemExit(3)", "f", r"cannot be imported \(SystemExit: 3\)"),
        ("raise RuntimeError('one\\ntwo')", "f", r"cannot be imported \(RuntimeError: one two\)"),
    ],
)
def test_functions_that_are_not_there(module, text, path, message) -> None:
    name = f"{module(text)}:{path}"
    with pytest.raises(ValueError, match=f"^rewards: '{name}': .*{message}") as caught:
        load_function(name)
    assert "\n" not in str(caught.value)


def test_a_module_that_is_not_there(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"module 'nowhere.rewards' cannot be imported \(ModuleNotFoundError"):
        load_function("nowhere.rewards:f")


def _raises_at(text: str):
    def function(completions, **fields):
        if text in completions:
            raise KeyError("no such\n key")
        return [0.0] * len(completions)

    return function


FAULTS = {
    "KeyError: 'no such\\n key'": _raises_at("#### 9"),
    "returned a NoneType: expected a list of": lambda **fields: None,
    "returned a float: expected a list of": lambda **fields: 0.5,
    "returned a str: expected a list of": lambda **fields: "1",
    "returned a generator": lambda completions, **fields: (1.0 for _ in completions),
    "returned nan: expected a finite number, or None": lambda completions, **fields: [
        float("nan") if text == "#### 9" else 1.0 for text in completions
    ],
    "returned inf": lambda completions, **fields: np.where([text == "#### 9" for text in completions], np.inf, 1.0),
    "returned '0.5': expected a finite": lambda completions, **fields: [
        "0.5" if text == "#### 9" else 1.0 for text in completions
    ],
    "returned a list": lambda completions, **fields: [[1] if text == "#### 9" else 1.0 for text in completions],
    "returned 0 values: expected 1": lambda completions, **fields: [1.0 for text in completions if text != "#### 9"],
}


@pytest.mark.parametrize("said", FAULTS)
def test_faults_are_one_line_that_names_function_and_completion(own, said) -> None:
    with pytest.raises(ValueError, match="^reward 'm:f': problem 'countdown-1-2-3-9', sample ") as caught:
        call("m:f", FAULTS[said], own)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    if "a list of" not in said and "generator" not in said:
        assert "sample 1: " in str(caught.value)


def test_a_fault_of_all_together(own) -> None:
    def function(completions, **fields):
        return [1.0] if len(completions) == 1 else [1.0, 2.0, 3.0]

    with pytest.raises(ValueError, match="^reward 'm:f': 4 completions together, none of them alone: it returned 3 values"):
        call("m:f", function, own)


def test_numbers_of_any_kind(own) -> None:
    assert call("m:f", lambda completions, **fields: (True, None, np.float32(0.5), 2), own) == [1.0, 0.0, 0.5, 2.0]
    assert call("m:f", lambda completions, **fields: np.ones(len(completions)), own) == [1.0] * 4
    assert call("m:f", lambda **fields: 1 / 0, []) == []


def test_functions_that_take_too_little_are_told(own) -> None:
    with pytest.raises(ValueError, match="TypeError: .*unexpected keyword argument"):
        call("m:f", lambda completions: [0.0], own)
