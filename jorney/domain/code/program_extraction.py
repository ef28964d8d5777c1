"""The program that a response states: a completion of a prompt, a block of a chat, or what stands between MBPP's marks."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import Any

_FENCED = re.compile(r"^[ \t]*```[ \t]*([\w+-]*)[^\n]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_PYTHON = {"", "python", "py", "python3"}
_CHATTING = "</think>"  # what stands before was not said yet
# Where a function that is gone on with has ended (Chen et al., 2021; arXiv 2107.03374).
_STOP = re.compile(r"^(?:class\b|def\b|async\b|@|#|if\b|print\b|assert\b|```|<\||</s>)", re.MULTILINE)
_DEFINED = r"^(?:async[ \t]+)?(?:def|class)[ \t]+{name}\b"
_BEGINS = re.compile(r"^(?:import |from \w[\w.]* import |def |async def |class |@\w)", re.MULTILINE)
# A line at the left margin that code may have; prose has none of these behind its first word.
_CODE_LINE = re.compile(
    r"(?:\s|$|[#@)\]}\"']|(?:def|class|import|from|if|for|while|try|except|finally|else|elif|with|return|print|assert|async"
    r"|raise|pass|global|del|match)\b|[A-Za-z_][\w.]*[ \t]*(?:[=(\[:.,]|[-+*/%&|^@]=|[*/<>]{2}=))"
)
_FUTURE = re.compile(r"^from __future__ import [^\n]*\n?", re.MULTILINE)


def program_of(text: str, meta: Mapping[str, Any]) -> str | None:
    """The program that a text states, whole; None where there is none.

    Read are the last fenced block (of those that define what is asked for, where some do), what stands between [BEGIN] and
    [DONE], else the text. A text that defines what is asked for gets what the prompt has before it, imports above all; one
    that does not goes on where the prompt ends.

    Args:
      meta: of the problem: "prompt", a program's beginning or ""; "entry_point", the name that it must define, or "".
    """
    prompt, entry = meta.get("prompt") or "", meta.get("entry_point") or ""
    text = text.replace("\r\n", "\n").rpartition(_CHATTING)[2]
    text = text.rpartition("[BEGIN]")[2].partition("[DONE]")[0]
    fences = list(_FENCED.finditer(text))
    blocks = [block[2] for block in fences if block[1].lower() in _PYTHON and block[2].strip()]
    asked = [block for block in blocks if _defines(block, entry)]
    if fences and not asked and _begun_before(text, fences[0]):
        text = text[: fences[0].start()]
    elif fences:
        return _whole(_flush((asked or blocks)[-1]), prompt, entry) if blocks else None
    if not text.strip():
        return None
    if _defines(text, entry) or not prompt:
        text = _without_prose(text)
    return _whole(text, prompt, entry)


def _begun_before(text: str, fence: re.Match[str]) -> bool:
    """Whether a text begins within a block that its prompt opened, and its first fence closes."""
    before, odd = text[: fence.start()], len(re.findall(r"^[ \t]*```", text, re.MULTILINE)) % 2
    return bool(odd and not fence[1] and (before.startswith((" ", "\t")) or _BEGINS.search(before)))


def _defines(code: str, name: str) -> bool:
    return bool(name) and re.search(_DEFINED.format(name=re.escape(name)), code, re.MULTILINE) is not None


def _flush(code: str) -> str:
    """A block without what all its lines are indented by, where it begins as a program does."""
    flush = textwrap.dedent(code)
    return flush if _BEGINS.match(flush.lstrip("\n")) else code


def _whole(code: str, prompt: str, entry: str) -> str:
    """A program of what was written and what the prompt began."""
    if not prompt:
        return code
    if not _defines(code, entry):
        return prompt.rstrip(" \t") + ("" if prompt.endswith("\n") else "\n") + _body(code, prompt)
    before = ""
    for found in re.finditer(_DEFINED.format(name=re.escape(entry)), prompt, re.MULTILINE):
        before = prompt[: found.start()]
    future = "".join(_FUTURE.findall(code))
    return f"{future}{before.rstrip()}\n\n{_FUTURE.sub('', code)}" if before.strip() else code


def _body(code: str, prompt: str) -> str:
    """The rest of a function, up to where it ends; indented, where that was lost."""
    lines = [_spaced(line) for line in code.strip("\n").splitlines()]
    while lines and not lines[0].strip():
        del lines[0]
    if lines and not lines[0].startswith(" "):
        behind = [line for line in lines[1:] if line.strip()]
        if behind and all(line.startswith("    ") for line in behind) and not lines[0].rstrip().endswith(":"):
            lines[0] = f"    {lines[0]}"  # of the first line alone, as where a text is stripped
        elif behind and lines[0].rstrip().endswith(":") and all(line.startswith("    ") for line in behind):
            deep = all(line.startswith("        ") for line in behind[:1])
            lines = [f"    {line}" if not deep or k == 0 else line for k, line in enumerate(lines)]
        else:
            lines = [f"    {line}" if line.strip() else line for line in lines]
    code = "\n".join(lines) + "\n"
    stop = _STOP.search(code)
    return code[: stop.start()] if stop else code


def _spaced(line: str) -> str:
    """A line indented by spaces, as published prompts are."""
    bare = line.lstrip("\t")
    return "    " * (len(line) - len(bare)) + bare


def _without_prose(text: str) -> str:
    """A text from where code begins, to where prose goes on."""
    begins = _BEGINS.search(text)
    if begins is None:
        return text
    lines = text[begins.start() :].splitlines()
    quotes = 0  # a text in triple quotes may begin at the margin
    for number, line in enumerate(lines):
        if quotes % 2 == 0 and not _CODE_LINE.match(line):
            return "\n".join(lines[:number]) + "\n"
        quotes += len(re.findall(r'"""|\'\'\'', line))
    return "\n".join(lines) + "\n"
