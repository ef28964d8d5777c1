"""What leaves for a log, a file or a message: without the secrets that an endpoint is asked with, and fit to be written.

An endpoint may say a key back in any of its forms: as it is, in an address, in a Basic header, or cut in the middle.
"""

from __future__ import annotations

import base64
import functools
import itertools
import re
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

HIDDEN = "***"
_LEAST = 6  # characters of a secret: "none" and "EMPTY", for endpoints that need no key, are words of texts
_HEAD = 8  # characters by which one that was cut is known


def redact(value: Any, secrets: tuple[str, ...]) -> Any:
    """A text, or JSON values, with *** in place of every form of the secrets, and of what a cut has left of it.

    Half a surrogate pair, which JSON can name and no file can hold, becomes a question mark.
    """
    if isinstance(value, str):
        text = value.encode("utf-8", "replace").decode()
        return _hide(text, secrets) if secrets else text
    if isinstance(value, list):
        return [redact(one, secrets) for one in value]
    if isinstance(value, dict):
        return {redact(name, secrets): redact(one, secrets) for name, one in value.items()}
    return value


def without_secrets(address: str) -> str:
    """An http address without what may be a secret in it: name, password and query. Other texts are as they were."""
    if not re.match("https?://", address, re.IGNORECASE):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets that belong to no address
        return HIDDEN
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


@functools.lru_cache(maxsize=16)
def secrets_of(key: str, address: str) -> tuple[str, ...]:
    """The forms of a key, and of the name, the password and the keys in an address; longest first."""
    parts = urlsplit(address)
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    queried = [value for field, value in parse_qsl(parts.query) if "version" not in field.lower()]
    # A name with a password is a word, as likely as not, that texts hold; alone it is a key.
    plain = {secret for secret in (key, password or name, *queried) if len(secret) >= _LEAST}
    headers = {f"{name}:{password}", *(f"{secret}:" for secret in plain), *(f":{secret}" for secret in plain)} - {":"}
    forms = {form for secret in plain for form in (secret, quote(secret, safe=""), quote_plus(secret))}
    forms |= {form for text in plain | headers for form in _base64(text)}
    if name and password:
        forms |= {f"{name}:{password}@", f"{parts.username}:{parts.password}@"}
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _base64(text: str) -> tuple[str, str]:
    """In both alphabets."""
    return base64.b64encode(text.encode()).decode(), base64.urlsafe_b64encode(text.encode()).decode()


def _hide(text: str, secrets: tuple[str, ...]) -> str:
    found, done = [], 0
    for match in re.finditer("|".join(re.escape(secret[:_HEAD]) for secret in secrets), text, re.IGNORECASE):  # %2F, %2f
        start = match.start()
        if start >= done:
            here = text[start : start + len(secrets[0])].lower()
            found += [text[done:start], HIDDEN]
            done = start + max(_shared(here, secret.lower()) for secret in secrets)
    return "".join(found) + text[done:]


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))
