"""Replies, their accounts and the folder that keeps them."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.judge.llm import LlmConfig
from jorney.judge.llm.replies import Account, Cache, Reply, read_reply


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["choices", "message", "content", "usage", "finish_reason", "prompt_tokens"]), inner
            )
        ),
        max_leaves=20,
    )
)
def test_any_json_is_a_reply_or_is_refused(body: Any) -> None:
    with contextlib.suppress(ValueError):
        reply = read_reply(body)
        assert reply.text == (body["choices"][0]["message"].get("content") or "")
        assert reply.account.calls == 1


def test_counts_that_cannot_be_are_no_counts() -> None:
    for count in (10**400, -1, True, 1.5, "7", None):
        body = {"choices": [{"message": {"content": ""}}], "usage": {"prompt_tokens": count, "completion_tokens": 3}}
        account = read_reply(body).account
        assert (account.prompt_tokens, account.completion_tokens, account.unmetered) == (0, 3, 1)
        assert LlmConfig("m", price_input=1.0).cost(account) == 0.0


counts = st.integers(0, 10**6)
accounts = st.builds(Account, *[counts] * len(dataclasses.fields(Account)))


@given(accounts, accounts, accounts)
def test_accounts_add_up(a: Account, b: Account, c: Account) -> None:
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Account() == a


def test_cache_reads_what_it_writes(tmp_path) -> None:
    body = {"choices": [{"message": {"content": "é\u2028"}, "finish_reason": "length"}], "usage": {"prompt_tokens": 2}}
    cache = Cache(tmp_path)
    assert cache.read("abcd") is None
    cache.write("abcd", {"messages": []}, body)
    assert cache.read("abcd") == Reply("é\u2028", "length", Account(calls=1, cut=1, unmetered=1, prompt_tokens=2))
    assert cache.place("abcd") == cache.place("abcd").parent.parent / "ab" / "abcd.json"
