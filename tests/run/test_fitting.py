"""Defaults that give way to the model, and the step format that goes by it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from jorney.config import AtMost
from jorney.domain.problem import Problem
from jorney.policy import ABOUT, EMBEDDED, resolve
from jorney.run.artifact import Model
from jorney.run.fitting import fit_completions, fit_rows, format_of
from jorney.solve.evaluate import EvaluateConfig
from jorney.text.step_format import ABEL
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.sft import SftConfig

PROBLEM = Problem("1", "What is 1 + 1?", "2")


@pytest.fixture
def model() -> Model:
    return Model(resolve(EMBEDDED), "")


def test_what_nobody_stated_fits_the_positions_of_the_model(model) -> None:
    said: list[str] = []
    found = fit_completions(EvaluateConfig(), "evaluate", model, [PROBLEM], ABEL, said.append)
    assert found.max_tokens < 1024
    assert not isinstance(found.max_tokens, AtMost)
    (line,) = said
    assert line.startswith(f"evaluate.max-tokens: {found.max_tokens:,}, of 1,024 positions less a prompt's ")


def test_what_is_stated_stays(model) -> None:
    said: list[str] = []
    stated = EvaluateConfig(max_tokens=5000)
    assert fit_completions(stated, "evaluate", model, [PROBLEM], ABEL, said.append) is stated
    rows = SftConfig(row_length=5000)
    assert fit_rows(rows, model, said.append) is rows
    assert not said


def test_a_default_that_fits_stays() -> None:
    assert int(EvaluateConfig().max_tokens) == 1024
    assert dataclasses.replace(EvaluateConfig(), temperature=1.0).max_tokens == 1024


def test_rows_are_no_longer_than_the_model_reads(model) -> None:
    said: list[str] = []
    found = fit_rows(SftConfig(), model, said.append)
    assert said == [f"sft.row-length: {found.row_length:,}, all positions that the model has"]
    assert found.row_length < 4096
    dpo = DpoConfig()
    assert fit_rows(dpo, model, said.append) == dpo


def test_auto_is_what_the_model_learned_or_what_its_tokenizer_speaks(model, tmp_path) -> None:
    said: list[str] = []
    assert format_of("step", model, said.append) == "step"
    assert not said
    assert format_of("auto", model, said.append) == "abel"
    assert said.pop() == "step format: abel, for the tokenizer has no chat template"
    (tmp_path / ABOUT).write_text(json.dumps({"step_format": "blank"}))
    assert format_of("auto", Model(str(tmp_path), ""), said.append) == "blank"
    assert said.pop() == "step format: blank, which the model learned"
