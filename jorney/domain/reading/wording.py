"""Texts as answers: their words in order, without what means nothing."""

from __future__ import annotations

import re

from jorney.domain.reading.formula import APPLIED, FUNCTIONS, Formula, UnreadableError, formula, spelled_product

_NONE = re.compile(
    r"(?:there (?:is|are|exists?) )?(?:no|none)(?: (?:such|real|possible|valid))*"
    r"(?: (?:solutions?|roots?|values?|numbers?))?(?: exists?)?|(?:the )?empty set|\\emptyset|⦃ ?⦄"
)
_SAME = {"dne": "does not exist", "can't": "cannot", "isn't": "is not", "doesn't": "does not", "don't": "do not"}
_ONES = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen
"""
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBERS = {name: value for value, name in enumerate(_ONES.split())}
_NUMBERS |= {name: 10 * value for value, name in enumerate(_TENS.split(), start=2)}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_IDLE = frozenset(("the",))
_TOKEN = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?|\d*(?:[.,]?\d+)+|\\[A-Za-z]+|\S")
_YEAR = """
january february march april may june july august september october november december
"""
MONTHS = frozenset(_YEAR.split())


def words_of(text: str) -> tuple[str, ...]:
    """The words of a text in plain notation, and its numbers and signs; all ways to say that there is no solution are one."""
    low = re.sub(r"\s+", " ", text.strip(" .,;:!?\"'").lower())
    if low not in ("no", "no number", "no numbers") and _NONE.fullmatch(low):
        return ("no", "solution")
    found: list[str] = []
    text = text.replace(APPLIED, "").rstrip(" .,;:!?")
    for token in _TOKEN.findall(text):
        if token in ',;.?"{}':
            continue
        mixed = token != token.lower() and not token.isupper() and not token.istitle() and "'" not in token
        word = token if len(token) == 1 or mixed else token.lower()  # cX is not cx
        found += _SAME.get(word, word).split()
    if len(found) > 1:
        found = [word for word in found if word not in _IDLE]
    if len(found) > 1 and found[0] == "(" and found[-1] == ")":
        found = found[1:-1]
    return tuple(_dated(found))


def product_of(text: str) -> Formula | None:
    """What a few lower-case letters say beside a formula, where they are no word; None for any other text."""
    if not re.fullmatch("[a-z]{2,4}", text) or (len(text) > 3 and not spelled_product(text)):
        return None
    try:
        return formula(f"1*{text}")
    except UnreadableError:
        return None


def spelled(text: str) -> int | None:
    """The whole number that words alone say: `twenty-one`, `one hundred and five`; None for any other text."""
    whole, below, last = 0, 0, 0  # what scales have closed, what is below the next one, and the last word's worth
    for word in re.findall(r"[^\s-]+", text.lower()):
        if word in _NUMBERS:
            value = _NUMBERS[word]
            if last and not (last >= 100 or (20 <= last < 100 and 0 < value < 10)):
                return None  # `six five` is no number
            below, last = below + value, value or -1
        elif word == "hundred" and 0 < below < 10:
            below, last = 100 * below, 100
        elif word in _SCALES and 0 < below < 1000:
            whole, below, last = whole + _SCALES[word] * below, 0, _SCALES[word]
        elif word != "and" or last < 100:
            return None
    return whole + below if last else None


def _dated(words: list[str]) -> list[str]:
    """`20 June` and `June 20th` as `june 20`."""
    if not any(word in MONTHS for word in words):
        return words
    words = [word for word in words if word not in ("st", "nd", "rd", "th", "of")]
    for at, word in enumerate(words[:-1]):
        if word.isdigit() and words[at + 1] in MONTHS:
            words[at : at + 2] = [words[at + 1], word]
            break
    return words


def has_words(text: str) -> bool:
    """Whether a text in plain notation holds what is a word, and no name, letter or function."""
    bare = re.sub(r"\\[A-Za-z]+", " ", re.sub(r"(?<![A-Za-z\\])d[a-z](?![A-Za-z])", " ", text) if r"\int" in text else text)
    return any(word not in FUNCTIONS for word in re.findall(r"[^\W\d_]{2,}", bare))
