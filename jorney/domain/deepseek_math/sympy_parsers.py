"""Expressions of sympy from an answer's text: by sympy's grammar of LaTeX, else by its grammar of Python.

`sympy.parsing.latex.parse_latex` insists on version 4.11 of ANTLR's runtime, which DeepSeekMath's evaluation has (with sympy
1.12). Later runtimes read the same tables, so its parser is used here without that question; it takes what it can of the
beginning of a text and drops the rest.

`sympy.parse_expr` evaluates a text as Python. What could do more there than calculate is refused: quotes, attributes, double
underscores, and functions that read, write or compile. Such a text stays a text, which equals nothing but itself.
"""

from __future__ import annotations

import builtins
import functools
import re
import types
from collections.abc import Callable
from typing import Any

_BEYOND_CALCULATION = re.compile(r"['\"]|__|\.\s*[^\W\d]")
_HARMLESS = {"abs", "all", "any", "divmod", "len", "pow", "round", "sorted", "sum"}
_ACTING_ROOMS = ("core.sympify", "interactive", "parsing", "plotting", "printing", "testing", "utilities")
_ACTING = tuple(f"sympy.{room}" for room in _ACTING_ROOMS)


@functools.cache
def _latex_parser() -> Callable[[str], Any]:
    """sympy's parser of LaTeX.

    Raises:
      RuntimeError: what it needs is not installed.
    """
    import antlr4
    from sympy.parsing.latex import _parse_latex_antlr as latex

    if latex.LaTeXLexer is None or latex.LaTeXParser is None:
        raise RuntimeError("sympy's parser of LaTeX does not load: install antlr4-python3-runtime 4.11 or 4.13")

    # They print at each text that the runtime is another version.
    lexer = type("Lexer", (latex.LaTeXLexer,), {"checkVersion": lambda self, version: None})
    parser = type("Parser", (latex.LaTeXParser,), {"checkVersion": lambda self, version: None})

    def parse(text: str) -> Any:
        listener = latex.MathErrorListener(text.strip())
        lexed = lexer(antlr4.InputStream(text.strip()))
        sentence = parser(antlr4.CommonTokenStream(lexed))
        for reader in (lexed, sentence):
            reader.removeErrorListeners()
            reader.addErrorListener(listener)
        return latex.convert_relation(sentence.math().relation())

    return parse


def _refused(*arguments: object, **more: object) -> None:
    raise ValueError("an answer may not call this")


@functools.cache
def _names() -> dict[str, Any]:
    """What the names in an expression of Python mean: what they do for sympy, without what could do more than calculate."""
    import sympy

    names = {name: getattr(sympy, name) for name in sympy.__all__}
    for name, value in names.items():
        acts = isinstance(value, types.ModuleType) or str(getattr(value, "__module__", "")).startswith(_ACTING)
        if acts or name in {"doctest", "test", "var"}:
            names[name] = _refused
    for name, value in vars(builtins).items():
        if isinstance(value, types.BuiltinFunctionType):
            names[name] = value if name in _HARMLESS else _refused
    return names | {"max": sympy.Max, "min": sympy.Min, "__builtins__": {}}


def _of_python(text: str, *more: Any) -> Any:
    from sympy.parsing.sympy_parser import parse_expr, standard_transformations

    if _BEYOND_CALCULATION.search(text):
        raise ValueError("more than an expression")
    return parse_expr(text, global_dict=dict(_names()), transformations=(*standard_transformations, *more))


def parsed(text: str) -> Any:
    """A text as sympy has it; the text itself where neither grammar reads it."""
    for parse in (_latex_parser(), _of_python):
        try:
            return parse(text)
        except Exception:  # of every kind: parsers fail by whatever they come upon
            continue
    return text


def number(value: Any) -> Any:
    """What a parsed answer comes to, as a number of sympy where it has no unknowns.

    A text that could not be parsed gets the other chance that sympy gives texts: `^` as a power, and decimals as fractions.
    """
    from sympy import N
    from sympy.parsing.sympy_parser import convert_xor, rationalize

    if isinstance(value, str):
        value = _of_python(value.replace("\n", ""), rationalize, convert_xor)
    return N(value)
