"""What tasks of lm-evaluation-harness ask of texts."""

from __future__ import annotations

from typing import Any

import pytest

from jorney.solve.generation_request import GenerationRequest, first_of


def test_greedy_unless_a_task_says_otherwise() -> None:
    plain = GenerationRequest.of({}, 256)
    assert (plain.limit, plain.until, plain.sampling.temperature, plain.sampling.max_tokens) == (256, (), 0.0, 256)
    assert GenerationRequest.of({"do_sample": False, "temperature": 0.7}, 256).sampling.temperature == 0.0
    drawn = GenerationRequest.of({"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 40, "min_p": 0.1}, 256).sampling
    assert (drawn.temperature, drawn.top_p, drawn.top_k, drawn.min_p) == (0.7, 0.9, 40, 0.1)
    assert GenerationRequest.of({"temperature": 0.7}, 256).sampling.temperature == 0.7


@pytest.mark.parametrize(
    ("given", "limit"),
    [({"max_new_tokens": 5}, 5), ({"max_tokens": 5, "max_gen_toks": 7}, 7), ({"max_gen_toks": None}, 256)],
)
def test_names_of_the_limit(given: dict[str, Any], limit: int) -> None:
    assert GenerationRequest.of(given, 256).limit == limit


@pytest.mark.parametrize(("until", "expected"), [("\n", ("\n",)), (["a", ""], ("a",)), (None, ()), ([], ())])
def test_until_is_a_text_or_a_list(until: Any, expected: tuple[str, ...]) -> None:
    assert GenerationRequest.of({"until": until}, 8).until == expected


def test_what_is_unknown_is_named() -> None:
    assert GenerationRequest.of({"num_beams": 1, "repetition_penalty": 1.0, "length_penalty": None}, 8).limit == 8
    with pytest.raises(ValueError, match="num_beams = 4, length_penalty = 2: expected some of until, do_sample"):
        GenerationRequest.of({"num_beams": 4, "length_penalty": 2}, 8)


def test_the_first_of_several_terms() -> None:
    assert first_of("one two three", ["three", "two"], 0) == 4
    assert first_of("one two three two", ["two"], 5) == 14
    assert first_of("one", ["two"], 0) is None
    assert first_of("one", [], 0) is None
