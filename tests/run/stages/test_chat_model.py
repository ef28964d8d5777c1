"""A policy that answers chats."""

from __future__ import annotations

import copy
import dataclasses

import pytest

from jorney.engine.generate import Generator, SamplingConfig
from jorney.run.stages.thoughts.chat_model import chat_ask

TEMPLATE = "{{ bos_token }}{% for message in messages %}{{ message['content'] }}{% endfor %}"


@pytest.fixture(scope="module")
def chatting(policy):
    """The embedded model with a template that says a chat's contents, one after another."""
    backend = copy.deepcopy(policy.tokenizer.backend)
    backend.chat_template = TEMPLATE
    return dataclasses.replace(policy, tokenizer=dataclasses.replace(policy.tokenizer, backend=backend))


def _chat(text):
    return [{"role": "user", "content": text}]


def test_chats_are_answered_in_order_whatever_is_beside_them(chatting, policy) -> None:
    ask = chat_ask(Generator(chatting), SamplingConfig(max_tokens=8, rows=2, chunk=8))
    chats = [_chat(f"Explore {numbers}.\n1.") for numbers in ("3, 4, 5, 9", "2, 2, 7, 8", "1, 6, 6, 9")]
    found = ask(chats)
    assert all(found)
    assert len(set(found)) == 3
    assert ask(chats[::-1]) == found[::-1]
    too_long = _chat("Explore 3, 4. " * 2000)
    assert ask([chats[0], too_long]) == [found[0], None]
    assert ask([too_long]) == [None]


def test_without_a_template_it_is_refused(policy) -> None:
    with pytest.raises(ValueError, match="no chat template: expected a chat model"):
        chat_ask(Generator(policy), SamplingConfig())
