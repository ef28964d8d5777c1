"""Secrets of endpoints: whatever form an endpoint says them back in, they reach no message, no file and no text."""

from __future__ import annotations

import base64
import json
import pathlib
from typing import Any
from urllib.parse import quote

import pytest
from stub_endpoint import Act, Stub, chat, echo

from jorney.judge.llm import Llm, LlmConfig
from jorney.judge.llm.redaction import redact, secrets_of, without_secrets

KEY = "sk-secret-1234567890"
ODD = "k+y/with=signs&more%20"


def _b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("key", "address", "text", "expected"),
    [
        (KEY, "http://h/v1", f"the key {KEY} is wrong", "the key *** is wrong"),
        (KEY, "http://h/v1", f"{KEY}{KEY}, {KEY.upper()}", "******, ***"),
        (KEY, "http://h/v1", f"the key {KEY[:15]}", "the key ***"),
        (KEY, "http://h/v1", f"the key {KEY[:9]}*******7890", "the key **********7890"),
        (KEY, "http://h/v1", f"Basic {_b64(':' + KEY)}, Basic {_b64(KEY + ':')}", "Basic ***, Basic ***"),
        (ODD, "http://h/v1", f"?key={quote(ODD, safe='')}&a=1", "?key=***&a=1"),
        (ODD, "http://h/v1", f"?key={quote(ODD, safe='').lower()}&a=1", "?key=***&a=1"),
        (ODD, "http://h/v1", f"{_b64(ODD)} {base64.urlsafe_b64encode(ODD.encode()).decode()}", "*** ***"),
        ("none", "http://user:password@h/v1", f"Basic {_b64('user:password')}", "Basic ***"),
        ("none", "http://user:password@h/v1", "http://user:password@h/v1: no", "http://***h/v1: no"),
        ("none", "http://ab:cd@h/v1", f"http://ab:cd@h/v1: {_b64('ab:cd')}", "http://***h/v1: ***"),
        ("none", "http://sk%2Fname-of-a-key@h/v1", "sk/name-of-a-key, sk%2Fname-of-a-key", "***, ***"),
        ("none", "http://h/v1?api_key=q-9876543210&api-version=2024-02-01", "q-9876543210, 2024-02-01", "***, 2024-02-01"),
        # As JSON, HTML and addresses spell it, once or twice, whole or cut.
        (ODD, "http://h/v1", r'{"key": "k+y\/with=signs&more%20"}', '{"key": "***"}'),
        (ODD, "http://h/v1", r'"k\u002by\u002Fwith\u003dsigns\u0026more\u002520"', '"***"'),
        (ODD, "http://h/v1", r'"{\"key\": \"k+y\\/with=signs\\u0026more%20\"}"', r'"{\"key\": \"***\"}"'),
        (ODD, "http://h/v1", "<p>k+y/with=signs&amp;more%20</p>", "<p>***</p>"),
        (ODD, "http://h/v1", "k&#43;y&#x2F;with&#61;signs&#038;more&percnt;20 k&plus;y&sol;with&equals;si", "*** ***"),
        (ODD, "http://h/v1", quote(quote(ODD, safe=""), safe=""), "***"),
        (ODD, "http://h/v1", quote(ODD, safe="")[:16] + " is cut, " + r"k+y\/with=si", "*** is cut, ***"),
        ("pass word<1234>", "http://h/v1", "pass+word%3C1234%3E, pass%20word<1234>, pass word&lt;1234&gt;", "***, ***, ***"),
        ("none", "http://h/v1?conversion=q-9876543210", "q-9876543210, q%2D9876543210", "***, ***"),
        ("none", "http://h/v1?version=q-9876543210&x=abcdefgh", "q-9876543210 abcdefgh", "*** ***"),
        ("none", "http://h/t/0123456789abcdef01/v1/chat", "t/0123456789abcdef01/v1, chat", "t/***/v1, chat"),
        ("none", "http://h/k%2By-0123456789abc/v1", "k+y-0123456789abc k%2By-0123456789abc", "*** ***"),
        # For endpoints that need no key people write words: texts keep them.
        ("EMPTY", "http://h/v1", "the set is EMPTY", "the set is EMPTY"),
        ("none", "http://student:pw-98765@h/v1", "the student, pw-98765", "the student, ***"),
        ("none", "http://1:2@h/v1", "none, the ratio 1:2", "none, the ratio 1:2"),
        ("none", "http://h/v1", "half a pair: \ud800", "half a pair: ?"),
    ],
)
def test_every_form_of_a_secret_is_hidden(key: str, address: str, text: str, expected: str) -> None:
    assert redact(text, secrets_of(key, address)) == expected
    assert redact({text: [text, 1, None]}, secrets_of(key, address)) == {expected: [expected, 1, None]}


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        (f"https://{KEY}@host:8000/v1?key={KEY}#{KEY}", "https://host:8000/v1"),
        (f"HTTP://user:{KEY}@host/v1", "http://host/v1"),
        (f"http://a@b:{KEY}@host/v1", "http://host/v1"),
        (f"http://host/{KEY}/v1", "http://host/***/v1"),
        (f"http://[{KEY}/v1", "***"),
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("gs://bucket/a@b?c", "gs://bucket/a@b?c"),
        ("cosine", "cosine"),
    ],
)
def test_an_address_is_shown_without_what_may_be_a_secret(address: str, shown: str) -> None:
    assert without_secrets(address) == shown


@pytest.mark.parametrize("length", range(8, len(KEY) + 1))
def test_wherever_a_message_is_cut_no_key_is_left_in_it(make, length: int) -> None:
    body = json.dumps({"error": {"message": "x" * (365 - length) + f" {KEY} {KEY[:length]}"}})
    with Stub(lambda number, _: Act("status", body, 401)) as stub, pytest.raises(ValueError, match="401") as error:
        make(stub)([chat("a")])
    assert KEY[:8] not in str(error.value)


ADDRESSES = {
    "query": ("http://127.0.0.1:{port}/v1?key=q-9876543210", "q-9876543210"),
    "user": ("http://user-9876543210@127.0.0.1:{port}/v1", "user-9876543210"),
    "password": ("http://me:pass-9876543210@127.0.0.1:{port}/v1", "pass-9876543210"),
    "encoded": ("http://me:pass%2F9876543210@127.0.0.1:{port}/v1", "pass/9876543210"),
    "path": ("http://127.0.0.1:{port}/" + KEY + "/v1", KEY),
}


@pytest.mark.parametrize(("address", "secret"), ADDRESSES.values(), ids=ADDRESSES.keys())
def test_a_key_in_an_address_is_used_and_never_shown(make, tmp_path: pathlib.Path, address: str, secret: str) -> None:
    seen: list[str] = []

    def behave(number: int, body: dict[str, Any]) -> Act:
        authorization = stub.headers[number]["Authorization"]
        seen.append(stub.paths[number] + authorization)
        said = f"{secret} {secret[:10]} {quote(secret, safe='')} {stub.paths[number]} {authorization}"
        return Act("status", said, 401) if number else Act(text=said)

    with Stub(behave) as stub:
        url = address.format(port=stub.port)
        (text,) = make(url)([chat("a")])
        with pytest.raises(ValueError, match=f"http://127.0.0.1:{stub.port}/.*v1: .*expected a key, a model") as error:
            make(url)([chat("b")])
    assert all(part.startswith("/") and "/chat/completions" in part for part in seen)
    used = (secret, quote(secret, safe=""), _b64(f"{secret}:"), _b64(f"me:{secret}"))
    assert any(form in seen[0] for form in used)
    (stored,) = (tmp_path / "cache").rglob("*.json")
    for said in (text, str(error.value), stored.read_text(), LlmConfig(base_url=url).shown()):
        assert not any(form[:8] in said for form in used)


def test_an_answer_that_repeats_the_key_is_kept_without_it(make, tmp_path: pathlib.Path) -> None:
    escaped = KEY.replace("-", "\\u002d")
    body = f'{{"choices": [{{"message": {{"content": "{escaped} and \\ud800"}}, "finish_reason": "{escaped}"}}]}}'
    with Stub(lambda number, _: Act("body", body)) as stub:
        assert make(stub)([chat("a")]) == ["*** and ?"]
        assert make(stub)([chat("a")]) == ["*** and ?"]
        assert len(stub.asked) == 1
    (stored,) = (tmp_path / "cache").rglob("*.json")
    assert KEY not in stored.read_text()
    assert json.loads(stored.read_text())["response"]["choices"][0]["finish_reason"] == "***"


@pytest.mark.parametrize(
    "address", [f"{KEY}@host/v1", f"http://host:{KEY}/v1", f"ftp://{KEY}@host/v1", f"http:///{KEY}", f"http://[{KEY}/v1", KEY]
)
def test_an_address_that_is_none_is_refused_and_not_shown(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="^llm.base_url: expected an address such as") as error:
        LlmConfig("m", address).endpoint()
    assert KEY[:8] not in str(error.value)
    monkeypatch.setenv("OPENAI_BASE_URL", address)
    with pytest.raises(ValueError, match="^OPENAI_BASE_URL: expected an address such as"):
        LlmConfig("m").shown()
    with pytest.raises(ValueError, match="^OPENAI_BASE_URL: expected an address such as"):
        Llm(LlmConfig("m"))  # before anything is done


def test_a_key_that_cannot_be_one_is_refused_and_not_shown(make, monkeypatch: pytest.MonkeyPatch) -> None:
    for wrong in ("sk-sécret-1234567890", f"{KEY}\nX-Other: 1", f"{KEY}\x00"):
        monkeypatch.setattr("os.environ", {"OPENAI_API_KEY": wrong})
        with pytest.raises(ValueError, match="OPENAI_API_KEY: expected a key of ASCII characters") as error:
            make("http://127.0.0.1:9/v1")
        assert "sk-s" not in str(error.value)
    for key in (KEY, "AIzaSyKeyOfAnIdentifiersForm"):  # given where the variable's name is asked for
        with pytest.raises(ValueError, match=r"llm\.key_variable") as error:
            LlmConfig("m", key_variable=key).key()
        assert key[:6] not in str(error.value)
    monkeypatch.setattr("os.environ", {"OPENAI_API_KEY": f"  {KEY}\n", "NO_PROXY": "127.0.0.1"})
    with Stub(echo) as stub:
        assert make(stub)([chat("a")]) == ["re: a"]
        assert stub.headers[0]["Authorization"] == f"Bearer {KEY}"
