"""Rows of ShareGPT and of Alpaca under TRL's column names: the two forms that most published instructions have.

conversations                     ShareGPT: messages with `from` and `value`, or with `role` and `content`
instruction, input, output        Alpaca (Taori et al., 2023); `input` may be empty. `system` and `history` as LLaMA-Factory has
"""

from __future__ import annotations

from typing import Any

from jorney.rows.readers.rules import Row

FORMS = (("conversations",), ("instruction", "output"))
_ROLES = {
    **dict.fromkeys(("human", "user"), "user"),
    **dict.fromkeys(("gpt", "assistant", "chatgpt", "model"), "assistant"),
    "system": "system",
    **dict.fromkeys(("tool", "observation", "function_response"), "tool"),
}
# What Alpaca's models were trained with, where a model knows no chats.
_TASK = "Below is an instruction that describes a task"
_CONTEXT = ", paired with an input that provides further context"
_RESPOND = ". Write a response that appropriately completes the request.\n\n### Instruction:\n"


def is_instruction(row: Row) -> bool:
    """Whether a row has the columns of one of the forms."""
    return any(all(row.get(name) is not None for name in names) for names in FORMS)


def as_trl(row: Row, place: str, chats: bool) -> Row:
    """The row as messages; Alpaca's as prompt and completion where the model knows no chats.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    kept: Row = {name: row[name] for name in ("tools", "chat_template_kwargs") if name in row}
    if row.get("conversations") is not None:
        return {**kept, "messages": [*_system(row, place), *_turns(row["conversations"], "conversations", place)]}
    for name in ("instruction", "output"):
        _text(row[name], name, place)
    given = _text(row.get("input") or "", "input", place, empty=True)
    if not chats:
        if row.get("history") or row.get("system"):
            raise ValueError(f"{place}: fields 'history' and 'system': the model has no chat template: expected a row without")
        asked = f"{_TASK}{_CONTEXT if given else ''}{_RESPOND}{row['instruction']}\n\n"
        asked += f"### Input:\n{given}\n\n" if given else ""
        return {**kept, "prompt": f"{asked}### Response:\n", "completion": row["output"]}
    before = [message for index, pair in enumerate(_history(row, place)) for message in _pair(pair, index, place)]
    turns = [{"role": "user", "content": "\n".join(filter(None, (row["instruction"], given)))}]
    turns.append({"role": "assistant", "content": row["output"]})
    return {**kept, "messages": [*_system(row, place), *before, *turns]}


def _turns(value: Any, name: str, place: str) -> list[Row]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{place}: field {name!r}: expected a list of messages, got {value!r:.80}")
    found = []
    for index, turn in enumerate(value):
        where = f"{place}: field '{name}[{index}]'"
        if not isinstance(turn, dict) or (turn.get("from") is None and turn.get("role") is None):
            raise ValueError(f"{where}: expected an object with 'from' and 'value', or 'role' and 'content', got {turn!r:.80}")
        if turn.get("from") is None:
            found.append(turn)
        elif not isinstance(turn["from"], str) or turn["from"] not in _ROLES:
            raise ValueError(f"{where}: from = {turn['from']!r:.80}: expected one of {', '.join(_ROLES)}")
        else:
            found.append({"role": _ROLES[turn["from"]], "content": turn.get("value")})
    return found


def _system(row: Row, place: str) -> list[Row]:
    system = _text(row.get("system") or "", "system", place, empty=True)
    return [{"role": "system", "content": system}] if system else []


def _history(row: Row, place: str) -> list[Any]:
    history = row.get("history") or []
    if not isinstance(history, list):
        raise ValueError(f"{place}: field 'history': expected a list of pairs of texts, got {history!r:.80}")
    return history


def _pair(pair: Any, index: int, place: str) -> list[Row]:
    if not isinstance(pair, list) or [*map(type, pair)] != [str, str]:
        raise ValueError(f"{place}: field 'history[{index}]': expected what was asked and what was answered, got {pair!r:.80}")
    return [{"role": "user", "content": pair[0]}, {"role": "assistant", "content": pair[1]}]


def _text(value: Any, name: str, place: str, empty: bool = False) -> str:
    if not isinstance(value, str) or not (value or empty):
        raise ValueError(f"{place}: field {name!r}: expected a text{'' if empty else ' that is not empty'}, got {value!r:.80}")
    return value
