"""How problems are asked: as a text with shots, or as a chat."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.domain.problem import Problem
from jorney.solve.benchmarks.task_protocol import ProtocolConfig, Shot, TaskProtocol, filled
from jorney.text.step_format import ABEL, BLANK_CHAT

PROBLEM = Problem("p", " What is {x}? ", "1", meta={"options": ["Rome", "Paris"], "unit": "m"})
SHOTS = (Shot("Q: 1+1?\nA:", "It is 2."), Shot("Q: 2+2?\nA:", "It is 4."))
PROTOCOL = TaskProtocol("Q: {question}\nA:", worked=SHOTS, stops=("\nQ:", "##"), before="Sums.\n\n")


def test_a_text_with_shots() -> None:
    assert PROTOCOL.text(PROBLEM) == "Sums.\n\nQ: 1+1?\nA: It is 2.\n\nQ: 2+2?\nA: It is 4.\n\nQ: What is {x}?\nA:"


def test_a_chat_with_shots_as_turns() -> None:
    asked = dataclasses.replace(PROTOCOL, chat="yes").messages(PROBLEM)
    assert [one["role"] for one in asked] == ["system", "user", "assistant", "user", "assistant", "user"]
    assert [one["content"] for one in asked][::5] == ["Sums.", "Q: What is {x}?\nA:"]
    assert asked[2]["content"] == "It is 2."


def test_options_and_fields_of_the_problem_are_put_in() -> None:
    asked = dataclasses.replace(PROTOCOL, prompt="{question} ({unit})\n{options}\n{other}").ask(PROBLEM)
    assert asked == "What is {x}? (m)\nA. Rome\nB. Paris\n{other}"


@given(st.text(), st.text())
def test_what_is_put_in_is_text(question: str, unit: str) -> None:
    """Braces of a question are no places of a template."""
    assert filled("a {question} b {unit} c", {"question": question, "unit": unit}) == f"a {question} b {unit} c"


def test_a_text_ends_before_the_first_stop() -> None:
    assert PROTOCOL.cut("It is 3.\nQ: 4?\n##") == 8
    assert PROTOCOL.cut("It is 3.") is None
    assert TaskProtocol("{question}").cut("anything") is None
    assert dataclasses.replace(PROTOCOL, chat="yes").cut("It is 3.\nQ: 4?") is None  # there the model ends its turn


def test_the_same_ids_as_a_step_format_alone(policy) -> None:
    question = Problem("p", "Make 24 from 4, 6.", "24")
    assert TaskProtocol.of(ABEL).encode(policy.tokenizer, question) == ABEL.encode(policy.tokenizer, question.question)
    of_chat = TaskProtocol.of(BLANK_CHAT)
    assert of_chat.messages(question) == BLANK_CHAT.messages(question.question)
    with pytest.raises(ValueError, match="no chat template"):
        of_chat.encode(policy.tokenizer, question)


def test_a_chat_is_asked_for_where_there_is_a_template() -> None:
    either = TaskProtocol("{question}", chat="auto", plain="User: {question}\nAssistant:")
    assert (either.settled(True).chat, either.settled(True).prompt) == ("yes", "{question}")
    assert (either.settled(False).chat, either.settled(False).prompt) == ("no", "User: {question}\nAssistant:")
    assert PROTOCOL.settled(True) is PROTOCOL


def test_a_protocol_is_changed_field_by_field() -> None:
    changed = ProtocolConfig(count=1, chat="yes", stops=("END",), readings=("lenient",), system="Be short.").over(PROTOCOL)
    assert changed == dataclasses.replace(
        PROTOCOL, count=1, chat="yes", stops=("END",), stops_in_chats=True, readings=("lenient",), before="Be short."
    )
    assert ProtocolConfig(stops=("none",)).over(PROTOCOL).cut("It is 3.\nQ: 4?") is None
    assert ProtocolConfig().over(PROTOCOL) == PROTOCOL
    assert ProtocolConfig(system="Be short.").over(PROTOCOL).text(PROBLEM).startswith("Be short.\n\nQ: 1+1?")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("chat", "maybe", "protocol.chat = 'maybe': expected one of"),
        ("count", 0, "protocol.count = 0"),
        ("readings", ("best",), "protocol.readings: 'best'"),
        ("prompt", "{foo} bar", r"protocol.prompt = '\{foo\} bar': expected a template with \{question\}"),
        ("prompt", "Solve it", r"protocol.prompt = 'Solve it': expected a template with \{question\}"),
    ],
)
def test_settings_out_of_range_are_named(field: str, value: object, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        ProtocolConfig(**{field: value})
