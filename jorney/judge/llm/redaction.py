"""What leaves for a log, a file or a message: without the secrets that an endpoint is asked with, and fit to be written.

An endpoint may say a key back in any of its forms: as it is, escaped for an address, for JSON or for HTML, in a Basic
header, or cut in the middle.
"""

from __future__ import annotations

import base64
import functools
import re
from html.entities import html5
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

HIDDEN = "***"
_LEAST = 6  # characters of a secret: "none" and "EMPTY", for endpoints that need no key, are words of texts
_KEY = re.compile(r"(?=.*\d)(?=.*[A-Za-z]).{16,}", re.DOTALL)  # a part of a path that is no word
_VERSION = re.compile(r"v?\d[\d.-]*(?:-?[a-z]+)?")  # "2024-02-01-preview" of a query is no secret
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
    """An http address without what may be a secret in it: name, password, query, and
    parts of the path that are no words. Other texts are as they were.
    """
    if not re.match("https?://", address, re.IGNORECASE):
        return address
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets that belong to no address
        return HIDDEN
    shown = "/".join(HIDDEN if _KEY.fullmatch(unquote(part)) else part for part in parts.path.split("/"))
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], path=shown, query="", fragment="").geturl()


@functools.lru_cache(maxsize=16)
def secrets_of(key: str, address: str) -> tuple[str, ...]:
    """A key, and what may be one in an address: the name, the password, values of the query, parts of the path; longest first.

    With what Basic headers make of them. `redact` knows them in other spellings, too.
    """
    parts = urlsplit(address)
    name, password = unquote(parts.username or ""), unquote(parts.password or "")
    queried = [value for _, value in parse_qsl(parts.query) if not _VERSION.fullmatch(value)]
    within = [part for part in map(unquote, re.split("[/;]", parts.path)) if _KEY.fullmatch(part)]
    # A name with a password is a word, as likely as not, that texts hold; alone it is a key.
    plain = {secret for secret in (key, password or name, *queried, *within) if len(secret) >= _LEAST}
    headers = {f"{name}:{password}", *(f"{secret}:" for secret in plain), *(f":{secret}" for secret in plain)} - {":"}
    forms = plain | {form for text in plain | headers for form in _base64(text)}
    if name and password:
        forms.add(f"{name}:{password}@")
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _base64(text: str) -> tuple[str, str]:
    """In both alphabets."""
    return base64.b64encode(text.encode()).decode(), base64.urlsafe_b64encode(text.encode()).decode()


def _hide(text: str, secrets: tuple[str, ...]) -> str:
    heads, spelt = _spellings(secrets)
    found, done = [], 0
    for match in heads.finditer(text):
        start = match.start()
        if start >= done:
            found += [text[done:start], HIDDEN]
            done = max(_shared(text, start, secret) for secret in spelt)
    return "".join(found) + text[done:]


def _shared(text: str, start: int, secret: tuple[re.Pattern[str], ...]) -> int:
    """Where in a text what it shares with a secret ends: with its whole, or with as much as a cut has left."""
    if whole := secret[0].match(text, start):
        return whole.end()
    for character in secret[1:]:
        if (match := character.match(text, start)) is None:
            break
        start = match.end()
    return start


@functools.lru_cache(maxsize=16)
def _spellings(secrets: tuple[str, ...]) -> tuple[re.Pattern[str], tuple[tuple[re.Pattern[str], ...], ...]]:
    """What matches the first characters of any of the secrets; and each as a whole and by its characters, however spelt."""
    spelt = [[_spelt(character) for character in secret] for secret in secrets]
    firsts = "".join({re.escape(secret[0]) for secret in secrets})
    heads = "|".join("".join(characters[:_HEAD]) for characters in spelt)
    compiled = tuple(tuple(re.compile(one, re.IGNORECASE) for one in ("".join(whole), *whole)) for whole in spelt)
    return re.compile(rf"(?=[{firsts}%\\&+])(?:{heads})", re.IGNORECASE), compiled


@functools.cache
def _spelt(character: str) -> str:
    """Matches a character as it is, or as addresses, JSON and HTML write it; also where that was done twice."""
    number = ord(character)
    ways = [quote(character, safe="").replace("%", "%(?:25){0,3}"), rf"\\{{1,4}}u{number:04x}"]
    if not character.isalnum():
        ways.append(rf"\\{{1,4}}{re.escape(character)}")
    if number < 128:
        ways.append(f"%(?:25){{0,3}}{number:02x}")
    names = [name.removesuffix(";") for name, value in html5.items() if value == character and name.endswith(";")]
    entities = "|".join([f"#0{{0,6}}{number}", f"#x0{{0,6}}{number:x}", *names])
    ways += [rf"&(?:amp;){{0,3}}(?:{entities});", *([r"\+"] if character == " " else [])]
    return f"(?:{'|'.join(dict.fromkeys([*ways, re.escape(character)]))})"  # % last: it begins others
