"""Rows under TRL's column names, and the tokens that training takes from them.

    text                              every token bears loss
    messages                          a chat; the assistant's turns bear loss
    prompt, completion                texts or messages; the completion bears loss
    prompt, chosen, rejected          texts or messages; a preference pair (without prompt: their shared beginning)
    prompt, completions, labels       a text, steps that follow it, and whether each is right

Beside messages may stand `tools` (a list, or its JSON) and `chat_template_kwargs`, for the chat template.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jorney.batch.packing import Example
from jorney.batch.pairs import Preference
from jorney.text.chat import Message, encode_parts, split_chat, split_completion
from jorney.text.tokenizer import Tokenizer

SUPERVISED = (("prompt", "completion"), ("messages",), ("text",))
PREFERENCE = ("chosen", "rejected")
STEPWISE = ("prompt", "completions", "labels")
# What `render_chat` itself decides.
_TAKEN = ("tools", "tokenize", "add_generation_prompt", "continue_final_message", "return_dict", "conversation")

Row = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Steps:
    """A text, the steps that follow it, and what is true of each, 0 to 1."""

    prompt: str
    steps: tuple[str, ...]
    labels: tuple[float, ...]


def holds(row: Row, *names: str) -> bool:
    """Whether the row has all these columns. A null is none: Parquet has every column in every row."""
    return all(row.get(name) is not None for name in names)


def is_supervised(row: Row) -> bool:
    """Whether `encode_record` takes rows of these columns."""
    return any(holds(row, *names) for names in SUPERVISED)


def columns(row: Row) -> str:
    """The row's columns, for messages."""
    return ", ".join(name for name in row if row[name] is not None) or "none"


def encode_record(tokenizer: Tokenizer, row: Row, place: str) -> Example:
    """The tokens of one training example, and which of them bear loss.

    bos comes once, and bears none. A text or a completion that is text ends with eos, which bears loss; a chat ends as its
    template ends it.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    if holds(row, "prompt", "completion"):
        return _completion(tokenizer, row, place)
    if holds(row, "messages"):
        parts = split_chat(tokenizer, _messages(row, "messages", place), place, *_template_options(row, place))
        ids = encode_parts(tokenizer, [text for text, _ in parts])
        return _joined(ids, [bears for _, bears in parts])
    if holds(row, "text"):
        return Example((*tokenizer.encode_prompt(text := _text(row, "text", place)), *_end(tokenizer, text)))
    expected = ", or ".join(" and ".join(names) for names in SUPERVISED)
    raise ValueError(f"{place}: the columns are {columns(row)}: expected {expected}")


def encode_preference(tokenizer: Tokenizer, row: Row, place: str) -> Preference:
    """The tokens of a preference pair; without a prompt the beginning that both sides share is taken for it.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    if not holds(row, *PREFERENCE):
        raise ValueError(f"{place}: the columns are {columns(row)}: expected chosen and rejected, with or without prompt")
    chat = _is_chat(row, PREFERENCE, place)
    read: Callable[..., Any] = _messages if chat else _text
    chosen, rejected = (read(row, name, place) for name in PREFERENCE)
    # A prompt as text beside whole conversations (UltraFeedback's) only repeats their first message.
    if holds(row, "prompt") and isinstance(row["prompt"], list) == chat:
        prompt: Any = _messages(row, "prompt", place) if chat else _text(row, "prompt", place, empty=True)
    else:
        length = _shared(chosen, rejected, place)
        prompt, chosen, rejected = chosen[:length], chosen[length:], rejected[length:]
    if chosen == rejected:
        raise ValueError(f"{place}: chosen and rejected are the same: expected two completions")
    sides = [
        _chat_completion(tokenizer, row, prompt, side, place) if chat else _text_completion(tokenizer, prompt, side)
        for side in (chosen, rejected)
    ]
    (head, first), (_, second) = sides
    if not head:
        raise ValueError(f"{place}: field 'prompt': the model has no bos token: expected a text that is not empty")
    return Preference(tuple(head), tuple(first), tuple(second))


def read_steps(row: Row, place: str) -> Steps:
    """A row of stepwise supervision.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    if not holds(row, *STEPWISE):
        raise ValueError(f"{place}: the columns are {columns(row)}: expected {', '.join(STEPWISE)}")
    prompt, steps, labels = _text(row, "prompt", place), row["completions"], row["labels"]
    if not isinstance(steps, list) or not steps or not all(isinstance(step, str) and step.strip() for step in steps):
        raise ValueError(f"{place}: field 'completions': expected a list of texts, none of them empty, got {_shown(steps)}")
    if not isinstance(labels, list) or not all(isinstance(one, bool | int | float) and 0 <= one <= 1 for one in labels):
        raise ValueError(
            f"{place}: field 'labels': expected a list of true and false, or of numbers 0 to 1, got {_shown(labels)}"
        )
    if len(labels) != len(steps):
        raise ValueError(f"{place}: field 'labels': {len(labels)} of them: expected {len(steps)}, one a completion")
    return Steps(prompt, tuple(steps), tuple(map(float, labels)))


def _completion(tokenizer: Tokenizer, row: Row, place: str) -> Example:
    names = ("prompt", "completion")
    if _is_chat(row, names, place):
        messages = [_messages(row, name, place) for name in names]
        return _joined(_chat_completion(tokenizer, row, messages[0], messages[1], place), [False, True])
    prompt, completion = _text(row, "prompt", place, empty=True), _text(row, "completion", place)
    return _joined(_text_completion(tokenizer, prompt, completion), [False, True])


def _is_chat(row: Row, names: Sequence[str], place: str) -> bool:
    """Whether both fields are lists of messages; else they are texts."""
    first, second = (isinstance(row[name], list) for name in names)
    if first != second:
        raise ValueError(f"{place}: {' and '.join(names)} are of two kinds: expected two texts, or two lists of messages")
    return first


def _text_completion(tokenizer: Tokenizer, prompt: str, completion: str) -> list[list[int]]:
    """Tokenised apart, as `encode.encode_example` does, so that training sees the boundary that generation starts from."""
    return [tokenizer.encode_prompt(prompt), [*tokenizer.encode_after(completion), *_end(tokenizer, completion)]]


def _chat_completion(
    tokenizer: Tokenizer, row: Row, prompt: Sequence[Message], completion: Sequence[Message], place: str
) -> list[list[int]]:
    ids = encode_parts(tokenizer, split_completion(tokenizer, prompt, completion, place, *_template_options(row, place)))
    if not ids[1]:
        raise ValueError(f"{place}: the chat template renders nothing after the prompt: expected a completion")
    return ids


def _joined(ids: list[list[int]], bear: list[bool]) -> Example:
    """One example of parts, the first of them the prompt; the later ones that bear no loss are silent."""
    silent: list[int] = []
    start = len(ids[0])
    for part, bears in zip(ids[1:], bear[1:], strict=True):
        if not bears:
            silent += range(start, start + len(part))
        start += len(part)
    return Example(tuple(token for part in ids for token in part), prompt=len(ids[0]), silent=tuple(silent))


def _end(tokenizer: Tokenizer, text: str) -> tuple[int, ...]:
    """eos, where the text does not write it itself."""
    return () if text.endswith(tokenizer.backend.eos_token) else (tokenizer.eos,)


def _shared(chosen: Any, rejected: Any, place: str) -> int:
    """How long the beginning is that both have in common: characters without the space at its end, or messages.

    As TRL's `extract_prompt` has it: where one is the whole beginning of the other, its last member is left to both.
    """
    shorter = min(len(chosen), len(rejected))
    length = next((i for i in range(shorter) if chosen[i] != rejected[i]), None)
    if length is None:
        length = shorter - 1
    elif length and chosen[length - 1] == " ":
        length -= 1
    if not length:
        raise ValueError(f"{place}: chosen and rejected have no beginning in common: expected a field 'prompt', or one")
    return length


def _text(row: Row, name: str, place: str, empty: bool = False) -> str:
    value = row[name]
    if not isinstance(value, str) or not (value or empty):
        raise ValueError(
            f"{place}: field {name!r}: expected a text{'' if empty else ' that is not empty'}, got {_shown(value)}"
        )
    return value


def _messages(row: Row, name: str, place: str) -> list[Message]:
    """The messages of a field. What is null in them is left out: Parquet has every key of one message in all."""
    value = row[name]
    if not isinstance(value, list) or not value:
        raise ValueError(f"{place}: field {name!r}: expected a list of messages, got {_shown(value)}")
    messages = []
    for index, message in enumerate(value):
        where = f"{place}: field '{name}[{index}]'"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ValueError(f"{where}: expected an object with 'role' and 'content', got {_shown(message)}")
        content = message.get("content")
        if not isinstance(content, str | list) and not message.get("tool_calls"):
            raise ValueError(f"{where}: field 'content': expected a text, got {_shown(content)}")
        messages.append(_without_nulls(message))
    return messages


def _template_options(row: Row, place: str) -> tuple[list[Any] | None, dict[str, Any]]:
    """What stands beside the messages for the chat template: tools, and more variables."""
    tools, options = row.get("tools"), row.get("chat_template_kwargs") or {}
    if isinstance(tools, str):
        try:
            tools = json.loads(tools) if tools.strip() else None
        except json.JSONDecodeError as error:
            raise ValueError(f"{place}: field 'tools': expected a list, or its JSON: {error}") from None
    if tools is not None and not isinstance(tools, list):
        raise ValueError(f"{place}: field 'tools': expected a list, or its JSON, got {_shown(tools)}")
    if not isinstance(options, dict) or any(name in options for name in _TAKEN):
        raise ValueError(
            f"{place}: field 'chat_template_kwargs': expected an object without {', '.join(_TAKEN)}, got {_shown(options)}"
        )
    return _without_nulls(tools), _without_nulls(options)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _shown(value: Any) -> str:
    """A value in a message, on one line and not without end."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
