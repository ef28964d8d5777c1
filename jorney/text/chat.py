"""Chats as training text: which parts of a rendered conversation the assistant says, and the ids of the parts."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from jorney.text.tokenizer import Tokenizer

Message = dict[str, Any]

# Some templates (Llama 3.2's) write today's date, of a function that they are given. Training data must be the same tomorrow,
# when a training goes on: this macro takes the function's place, with the date that Llama's templates have for an unknown one.
_DATE = {"%d": "26", "%b": "Jul", "%B": "July", "%m": "07", "%Y": "2024", "%y": "24", "%A": "Friday", "%a": "Fri"}
_DATED = "".join(f"|replace('{code}', '{value}')" for code, value in _DATE.items())
_SAME_DAY = "{%- macro strftime_now(form) -%}{{ form" + _DATED + " }}{%- endmacro -%}"


def joined(content: Any, place: str) -> Any:
    """A message's content as one text, where it is a list of parts that are texts; anything else as it stands.

    Templates that know no parts would write the list as a program does, brackets and all.

    Raises:
      ValueError: a part is no text (an image, a sound); names the place and the part.
    """
    if not isinstance(content, list):
        return content
    texts = []
    for index, part in enumerate(content):
        text = part.get("text") if isinstance(part, Mapping) and part.get("type", "text") == "text" else part
        if not isinstance(text, str):
            kind = part.get("type") if isinstance(part, Mapping) else type(part).__name__
            raise ValueError(f"{place}: part {index}: expected one of text, {{'type': 'text', 'text': ...}}, got {kind!r}")
        texts.append(text)
    return "".join(texts)


def split_chat(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    place: str,
    options: Mapping[str, Any] | None = None,
) -> list[tuple[str, bool]]:
    """The parts of a rendered conversation, and which of them bear loss: the assistant's turns, and they alone.

    A turn goes from the end of its generation prompt to where the conversation ends when it is the last.

    Args:
      options: variables for the template, such as tools.

    Raises:
      ValueError: names `place`; the template refuses the messages, leaves one of the assistant's out or renders a part
        otherwise alone than in the whole, or the assistant says nothing, or speaks first.
    """
    messages, options = tokenizer.guarded(messages), _guarded(tokenizer, options)
    whole = render(tokenizer, messages, place, options, speak=False)
    cuts = [0]
    for index, message in enumerate(messages):
        if message["role"] != "assistant":
            continue
        if index == 0:
            raise ValueError(f"{place}: the assistant speaks first: expected a message of another role before its own")
        before = render(tokenizer, messages[:index], place, options)
        after = render(tokenizer, messages[: index + 1], place, options, speak=False)
        what = f"the conversation up to message {index} (from 0)"
        _expect_start(whole, before, f"{place}: {what}")
        _expect_start(whole, after, f"{place}: {what} and with it")
        _expect_start(after, before, f"{place}: {what}")
        _expect_said([message], after[len(before) :], f"{place}: message {index} (from 0)")
        cuts += [len(before), len(after)]
    if len(cuts) == 1:
        raise ValueError(f"{place}: no message has the role 'assistant': expected one at least, for only its turns bear loss")
    spans = itertools.pairwise([*cuts, len(whole)])
    return [(whole[start:stop], index % 2 == 1) for index, (start, stop) in enumerate(spans) if start < stop]


def split_completion(
    tokenizer: Tokenizer,
    prompt: Sequence[Message],
    completion: Sequence[Message],
    place: str,
    options: Mapping[str, Any] | None = None,
) -> tuple[str, str]:
    """The prompt with its generation prompt, and what follows it in the rendered whole.

    Raises:
      ValueError: names `place`; the template refuses the messages, leaves the completion out, or the whole does not begin with
        the prompt.
    """
    prompt, completion, options = tokenizer.guarded(prompt), tokenizer.guarded(completion), _guarded(tokenizer, options)
    head = render(tokenizer, prompt, place, options)
    whole = render(tokenizer, [*prompt, *completion], place, options, speak=False)
    _expect_start(whole, head, f"{place}: the prompt")
    _expect_said(completion, whole[len(head) :], f"{place}: the completion")
    return head, whole[len(head) :]


def render(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    place: str,
    options: Mapping[str, Any] | None = None,
    speak: bool = True,
) -> str:
    """`Tokenizer.render_chat` for training: the same text on every day, and errors that name `place`."""
    options = dict(options or {})
    template = options.get("chat_template") or tokenizer.backend.chat_template
    if isinstance(template, str) and "strftime_now" in template:
        options["chat_template"] = _SAME_DAY + template
    try:
        return tokenizer.render_chat(messages, options, speak)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _guarded(tokenizer: Tokenizer, options: Mapping[str, Any] | None) -> dict[str, Any]:
    """The variables of a template, what people write in them `guarded`; a template of its own writes control tokens."""
    return {name: value if name == "chat_template" else tokenizer.guarded(value) for name, value in (options or {}).items()}


def encode_parts(tokenizer: Tokenizer, parts: Sequence[str]) -> list[list[int]]:
    """Ids of consecutive parts of a rendered chat, bos once before the first where the model has one.

    Every part begins where sampling would have begun: after the ids of all that stands before it. Where the ids of the whole
    text are cut so, they are taken; where a token of theirs would reach over a boundary, the parts are tokenised apart.
    """
    whole = tokenizer.encode("".join(parts), rendered=True)
    heads = [tokenizer.encode(text, rendered=True) for text in itertools.accumulate(parts[:-1])]
    if all(whole[: len(head)] == head for head in heads):
        cuts = [0, *map(len, heads), len(whole)]
        ids = [whole[start:stop] for start, stop in itertools.pairwise(cuts)]
    else:
        ids = [tokenizer.encode(parts[0], True), *(tokenizer.encode_after(part, True) for part in parts[1:])]
    if tokenizer.bos is not None and ids[0][:1] != [tokenizer.bos]:
        ids[0] = [tokenizer.bos, *ids[0]]
    return ids


def _expect_said(messages: Sequence[Message], rendered: str, what: str) -> None:
    """Else nothing would be learned of what is said, and without a word."""
    words = [word for message in messages for word in (message.get("content") or "").split()]
    calls = any(message.get("tool_calls") for message in messages)
    if (words or calls) and not (any(word in rendered for word in words) if words else rendered.strip()):
        raise ValueError(
            f"{what}: the chat template leaves out what it says, and renders {rendered!r:.80}: expected a template that "
            "renders all messages"
        )


def _expect_start(whole: str, head: str, what: str) -> None:
    """Else the model would be trained on another context than it is given when it speaks."""
    if whole.startswith(head):
        return
    same = next((i for i, (a, b) in enumerate(zip(whole, head, strict=False)) if a != b), min(len(whole), len(head)))
    raise ValueError(
        f"{what}: the chat template renders it as ...{head[same : same + 40]!r} alone, as ...{whole[same : same + 40]!r} "
        "within the whole: expected a template that renders it alike, or rows of prompt and completion, which train on the "
        "last turn alone"
    )
