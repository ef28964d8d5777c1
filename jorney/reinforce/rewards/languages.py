"""How much of a text is in a language, by the script of its words: DeepSeek-R1's language consistency (arXiv 2501.12948)."""

from __future__ import annotations

import re
import unicodedata

# Scripts, as the names of their letters in Unicode begin.
_LATIN, _GREEK = ("LATIN",), ("GREEK",)
_HAN = ("CJK ", "IDEOGRAPHIC ")
_KANA = ("HIRAGANA", "KATAKANA")
# Languages of one script are not told apart. Keys are ISO 639-1 codes.
_LANGUAGES_OF = {
    "cs da de en es et fi fr hr hu id it lt lv ms nl no pl pt ro sk sl sv sw tr vi": _LATIN,
    "be bg kk mk ru uk": ("CYRILLIC",),
    "ar fa ur": ("ARABIC",),
    "hi mr ne": ("DEVANAGARI",),
    "bn": ("BENGALI",),
    "el": _GREEK,
    "he": ("HEBREW",),
    "ja": (*_HAN, *_KANA),
    "ko": ("HANGUL",),
    "ta": ("TAMIL",),
    "te": ("TELUGU",),
    "th": ("THAI",),
    "zh": _HAN,
}
LANGUAGES = {code: scripts for codes, scripts in _LANGUAGES_OF.items() for code in codes.split()}
_UNSPACED = (*_HAN, *_KANA, "THAI")  # scripts that put no space between words: each letter counts
_SYMBOLS = (*_LATIN, *_GREEK)  # one letter of these by itself is a variable

# What is no prose: code, formulas, tags, LaTeX commands.
_NO_WORDS = re.compile(
    r"```.*?(?:```|\Z)|\$\$.*?\$\$|\$[^$\n]*\$|\\\(.*?\\\)|\\\[.*?\\\]|</?[A-Za-z]+>|\\begin\{(\w+\*?)\}.*?\\end\{\1\}|\\[A-Za-z]+",
    re.DOTALL,
)
# A run of letters and digits, with the marks upon letters, which are no letters for `re`.
_RUN = re.compile(r"[^\W_](?:[^\W_]|[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0900-\u0dff\u0e00-\u0e7f'’])*")


def expect_language(language: str) -> None:
    """Raises ValueError where the scripts of a language are not known."""
    if language not in LANGUAGES:
        raise ValueError(f"language = {language!r}: expected one of {', '.join(sorted(LANGUAGES))}")


def language_share(text: str, language: str) -> float:
    """The share of a text's words that are of a language's script; 1 of a text without words.

    Words are runs of letters; in scripts without spaces every letter is one. Formulas, code, numbers, what holds a digit, LaTeX
    commands, tags and single Latin or Greek letters are none.

    Args:
      language: a key of LANGUAGES.

    Raises:
      ValueError: the language is not known.
    """
    expect_language(language)
    words = [word for run in _RUN.findall(_NO_WORDS.sub(" ", text)) for word in _words(run)]
    return sum(word.startswith(LANGUAGES[language]) for word in words) / len(words) if words else 1.0


def _words(run: str) -> list[str]:
    """The words of a run, each by the Unicode name of its first letter."""
    if any(map(str.isdigit, run)):
        return []
    letters = [unicodedata.name(letter, "") for letter in run if letter.isalpha()]
    spaced = [name for name in letters if not name.startswith(_UNSPACED)]
    variable = len(spaced) == 1 and spaced[0].startswith(_SYMBOLS)
    return [name for name in letters if name.startswith(_UNSPACED)] + spaced[: not variable]
