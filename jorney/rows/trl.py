"""Rows under TRL's column names: the tokens that training takes from them, stepwise rows as trees, and trees as rows.

    text                              every token bears loss
    messages                          a chat; the assistant's turns bear loss
    prompt, completion                texts or messages; the completion bears loss
    prompt, chosen, rejected          texts or messages; a preference pair (without prompt: their shared beginning); those of
                                      `jorney pairs` have their tokens beside them, as `sampled`; those of steps: `step_pairs`
    prompt, completions, labels       stepwise: a text, steps that follow it, and whether each is right

ShareGPT's and Alpaca's rows are taken as such (`readers.instructions`).
Beside messages may stand `tools` (a list, or its JSON) and `chat_template_kwargs`, for the chat template.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jorney.batch.packing import Example
from jorney.batch.pairs import Preference
from jorney.domain.answers import final_answer
from jorney.rows.fields import Steps, bounded, columns, expect, field, filled, holds, others, shown, texts
from jorney.rows.readers.instructions import FORMS, as_trl, is_instruction
from jorney.rows.sources import Row
from jorney.rows.tree_rows import Answers, is_right, kept_of, name_of, status_of
from jorney.text.chat import Message, encode_parts, joined, split_chat, split_completion
from jorney.text.step_format import FORMATS, StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.tree.contrasts import whole_solutions
from jorney.tree.shape import children, rated, response, solved
from jorney.tree.tree import Node, Tree

NAME = "stepwise"
SUPERVISED = (("prompt", "completion"), ("messages",), ("text",))
PREFERENCE = ("chosen", "rejected")
STEPWISE = ("prompt", "completions", "labels")
# What `render_chat` itself decides.
_TAKEN = ("tools", "tokenize", "add_generation_prompt", "continue_final_message", "return_dict", "conversation")


def is_supervised(row: Row) -> bool:
    """Whether `encode_record` takes rows of these columns."""
    return any(holds(row, *names) for names in SUPERVISED)


def encode_record(tokenizer: Tokenizer, row: Row, place: str) -> Example:
    """The tokens of one training example, and which of them bear loss.

    bos comes once, and bears none. A text or a completion that is text ends with eos, which bears loss; a chat ends as its
    template ends it.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    if is_instruction(row) and not is_supervised(row):
        row = as_trl(row, place, tokenizer.chats)
    if holds(row, "prompt", "completion"):
        return _completion(tokenizer, row, place)
    if holds(row, "messages"):
        messages = _messages(row, "messages", place)
        tokenizer.expect_held(_said(messages), place)
        parts = split_chat(tokenizer, messages, place, _template_options(row, place))
        return _joined(encode_parts(tokenizer, [text for text, _ in parts]), [bears for _, bears in parts])
    if holds(row, "text"):
        tokenizer.expect_held(text := filled(row, "text", place), place)
        text = tokenizer.without_end(text)
        return Example((*tokenizer.encode_prompt(text), tokenizer.eos))
    expected = ", or ".join(" and ".join(names) for names in (*SUPERVISED, *FORMS))
    raise ValueError(f"{place}: the columns are {columns(row)}: expected {expected}")


def encode_preference(tokenizer: Tokenizer, row: Row, place: str) -> Preference:
    """The tokens of a preference pair; without a prompt the beginning that both sides share is taken for it.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    if not holds(row, *PREFERENCE):
        raise ValueError(f"{place}: the columns are {columns(row)}: expected chosen and rejected, with or without prompt")
    if (tokens := _sampled(tokenizer, row, place)) is not None:
        return tokens
    chat = _is_chat(row, PREFERENCE, place)
    read: Callable[..., Any] = _messages if chat else filled
    chosen, rejected = (read(row, name, place) for name in PREFERENCE)
    # A prompt as text beside whole conversations (UltraFeedback's) only repeats their first message.
    if holds(row, "prompt") and isinstance(row["prompt"], list) == chat:
        prompt: Any = _messages(row, "prompt", place) if chat else field(row, "prompt", place, str)
    else:
        length = _shared(chosen, rejected, place)
        prompt, chosen, rejected = chosen[:length], chosen[length:], rejected[length:]
    if chosen == rejected:
        raise ValueError(f"{place}: chosen and rejected are the same: expected two completions")
    (head, first), (_, second) = (_sides(tokenizer, row, prompt, side, place) for side in (chosen, rejected))
    if not head:
        raise ValueError(f"{place}: field 'prompt': the model has no bos token: expected a text that is not empty")
    return Preference(tuple(head), tuple(first), tuple(second))


def preference_row(tokenizer: Tokenizer, pair: Preference) -> Row:
    """A pair that was sampled as a row of texts, and its tokens: its own tokenizer does not make them again."""
    ids = {name: list(getattr(pair, name)) for name in ("prompt", *PREFERENCE)}
    return {**{name: tokenizer.decode(own) for name, own in ids.items()}, "sampled": {"tokenizer": tokenizer.digest, **ids}}


def _sampled(tokenizer: Tokenizer, row: Row, place: str) -> Preference | None:
    """The tokens that `preference_row` wrote, where they are of this tokenizer."""
    found = row.get("sampled")
    if not isinstance(found, dict) or found.get("tokenizer") != tokenizer.digest:
        return None
    sides: list[Any] = [found.get(name) for name in ("prompt", *PREFERENCE)]
    for own in sides:
        if not isinstance(own, list) or not own or not all(type(one) is int and 0 <= one < len(tokenizer) for one in own):
            raise ValueError(f"{place}: field 'sampled': expected lists of token ids below {len(tokenizer)}, got {shown(own)}")
    prompt, chosen, rejected = (tuple(own) for own in sides)
    return Preference(prompt, chosen, rejected)


def read_steps(row: Row, place: str) -> Steps:
    """A row of stepwise supervision.

    Raises:
      ValueError: names the place, the field, what was found and what was expected.
    """
    if not holds(row, *STEPWISE):
        raise ValueError(f"{place}: the columns are {columns(row)}: expected {', '.join(STEPWISE)}")
    prompt, labels = filled(row, "prompt", place), row["labels"]
    steps = texts(row["completions"], "completions", place, shown)
    if not isinstance(labels, list) or not all(isinstance(one, bool | int | float) and 0 <= one <= 1 for one in labels):
        raise ValueError(
            f"{place}: field 'labels': expected a list of true and false, or of numbers 0 to 1, got {shown(labels)}"
        )
    if len(labels) != len(steps):
        raise ValueError(f"{place}: field 'labels': {len(labels)} of them: expected {len(steps)}, one a completion")
    return Steps(prompt, tuple(steps), tuple(map(float, labels)))


def _completion(tokenizer: Tokenizer, row: Row, place: str) -> Example:
    chat = _is_chat(row, ("prompt", "completion"), place)
    prompt = _messages(row, "prompt", place) if chat else field(row, "prompt", place, str)
    completion = _messages(row, "completion", place) if chat else filled(row, "completion", place)
    return _joined(_sides(tokenizer, row, prompt, completion, place), [False, True])


def _is_chat(row: Row, names: Sequence[str], place: str) -> bool:
    """Whether both fields are lists of messages; else they are texts."""
    first, second = (isinstance(row[name], list) for name in names)
    if first != second:
        raise ValueError(f"{place}: {' and '.join(names)} are of two kinds: expected two texts, or two lists of messages")
    return first


def _sides(tokenizer: Tokenizer, row: Row, prompt: Any, completion: Any, place: str) -> list[list[int]]:
    """The tokens of a prompt and of a completion, both texts or both messages.

    Texts are tokenised apart, so that training sees the boundary that generation starts from.
    """
    tokenizer.expect_held((_said(prompt), _said(completion)), place)
    if isinstance(completion, str):
        return [tokenizer.encode_prompt(prompt), tokenizer.encode_to_end(completion)]
    ids = encode_parts(tokenizer, split_completion(tokenizer, prompt, completion, place, _template_options(row, place)))
    if not ids[1]:
        raise ValueError(f"{place}: the chat template renders nothing after the prompt: expected a completion")
    return ids


def _said(given: Any) -> Any:
    """What people say in messages, or in a text."""
    return given if isinstance(given, str) else [message.get("content") for message in given]


def _joined(ids: list[list[int]], bear: list[bool]) -> Example:
    """One example of parts, the first of them the prompt; the later ones that bear no loss are silent."""
    ends = list(itertools.accumulate(map(len, ids)))
    spans = itertools.compress(itertools.pairwise(ends), (not bears for bears in bear[1:]))
    silent = tuple(place for start, end in spans for place in range(start, end))
    return Example(tuple(itertools.chain(*ids)), prompt=ends[0], silent=silent)


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


def _messages(row: Row, name: str, place: str) -> list[Message]:
    """The messages of a field. What is null in them is left out: Parquet has every key of one message in all."""
    value = row[name]
    if not isinstance(value, list) or not value:
        raise ValueError(f"{place}: field {name!r}: expected a list of messages, got {shown(value)}")
    messages = []
    for index, message in enumerate(value):
        where = f"{place}: field '{name}[{index}]'"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ValueError(f"{where}: expected an object with 'role' and 'content', got {shown(message)}")
        content = joined(message.get("content"), f"{where}: field 'content'")
        if not isinstance(content, str) and (content is not None or not message.get("tool_calls")):
            raise ValueError(f"{where}: field 'content': expected a text, got {shown(content)}")
        bounded(content or "", "content", where)
        messages.append(_without_nulls({**message, "content": content}))
    return messages


def _template_options(row: Row, place: str) -> dict[str, Any]:
    """What stands beside the messages for the chat template: tools, and more variables."""
    tools, options = row.get("tools"), row.get("chat_template_kwargs") or {}
    if isinstance(tools, str):
        try:
            tools = json.loads(tools) if tools.strip() else None
        except json.JSONDecodeError as error:
            raise ValueError(f"{place}: field 'tools': expected a list, or its JSON: {error}") from None
    if tools is not None and not isinstance(tools, list):
        raise ValueError(f"{place}: field 'tools': expected a list, or its JSON, got {shown(tools)}")
    if not isinstance(options, dict) or any(name in options for name in _TAKEN):
        raise ValueError(
            f"{place}: field 'chat_template_kwargs': expected an object without {', '.join(_TAKEN)}, got {shown(options)}"
        )
    # None for an empty list: Llama's template has a preamble for any list.
    return {"tools": _without_nulls(tools) or None, **_without_nulls(options)}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def tree_of(row: Row, place: str, step_format: StepFormat, answers: Answers) -> Tree:
    """The tree of a row of prompt (the question), completions (the steps) and labels (true or false, or 0 to 1), a path.

    Steps without openings get them; their own text is kept as meta["text"]. The known answer is not in the row: it is what the
    last step states where its label says that it is right.

    Raises:
      ValueError: names the place and the field.
    """
    question, steps = field(row, "prompt", place, str), field(row, "completions", place, list)
    labels = field(row, "labels", place, list)
    if len(labels) != len(steps) or not steps:
        raise ValueError(
            f"{place}: field 'labels': {len(labels)} of them: expected one for each of the {len(steps)} completions"
        )
    nodes, soft = [Node(None)], False
    for k, (step, label) in enumerate(zip(steps, labels, strict=True), start=1):
        expect(step, f"completions[{k - 1}]", place, str)
        expect(label, f"labels[{k - 1}]", place, bool, float)
        if not 0 <= label <= 1:
            raise ValueError(f"{place}: field 'labels[{k - 1}]': expected true, false or 0 to 1, got {label!r}")
        soft |= not isinstance(label, bool)
        text, right = step_format.opened(step, k), label > 0.5
        status = "kept" if k < len(steps) else status_of(final_answer(step, step_format.mark), right)
        score = None if isinstance(label, bool) else float(label)
        kept = {"text": step} if text != step else {}
        nodes.append(Node(k - 1, text, rating=1 if right else -1, score=score, status=status, meta=kept))
    answer = (final_answer(steps[-1], step_format.mark) or "") if nodes[-1].status == "leaf-correct" else ""
    meta = {NAME: {"row": others(row, "prompt", "completions", "labels"), "soft": soft}}
    return Tree(name_of(question, row), question, answer, step_format.name, tuple(nodes), meta=meta)


def stepwise(tree: Tree, neutral: bool = True, soft: bool = False) -> Iterator[Row]:
    """A row for every path to its end, up to the first step without a rating. Steps have their openings.

    Args:
      neutral: whether a step that was rated neutral is right (Lightman; TRL's own data have it wrong).
      soft: whether labels are the scores of steps that have one.
    """
    kept = kept_of(tree, NAME)
    soft = soft if kept is None else kept["soft"]
    for path in rated(tree):
        nodes = [tree.nodes[index] for index in path]
        yield {
            "prompt": tree.question,
            "completions": [_step(node, kept is not None) for node in nodes],
            "labels": [node.score if soft and node.score is not None else is_right(node, neutral) for node in nodes],
            **({} if kept is None else kept["row"]),
        }


def _step(node: Node, imported: bool) -> str:
    """A step as it is written, without the space around it where it was sampled; as the row had it where it is of one."""
    kept = node.meta.get("text")
    return kept if imported and isinstance(kept, str) else node.text.strip() if node.tokens else node.text


def siblings(tree: Tree, pairs: int = 5) -> Iterator[Row]:
    """Preference pairs of steps: after the same steps, one that was judged right and one that was judged wrong.

    Of the children of a node the i-th right one is paired with the i-th wrong one, `pairs` times at most; where a tree knows a
    path to the right answer below a right one, that comes first. The prompt ends with what divides steps.
    """
    below, prompt = children(tree), _ask(tree)
    good = {index for path in solved(tree) for index in path}
    for parent, own in enumerate(below):
        right = sorted((c for c in own if tree.nodes[c].correct is True), key=lambda c: c not in good)
        wrong = [c for c in own if tree.nodes[c].correct is False]
        before = prompt + response(tree, tree.path(parent), goes_on=True)
        for a, b in itertools.islice(zip(right, wrong, strict=False), pairs):
            chosen, rejected = tree.nodes[a].text.strip(), tree.nodes[b].text.strip()
            if chosen != rejected:
                yield {"prompt": before, "chosen": chosen, "rejected": rejected}


def leaves(tree: Tree, pairs: int = 5) -> Iterator[Row]:
    """Preference pairs of solutions: one with the right answer and no step judged wrong, and one with a wrong answer."""
    right, wrong = ([response(tree, path) for path in paths] for paths in whole_solutions(tree))
    for chosen, rejected in itertools.islice(zip(right, wrong, strict=False), pairs):
        yield {"prompt": _ask(tree), "chosen": chosen, "rejected": rejected}


def completions(tree: Tree) -> Iterator[Row]:
    """Prompt and completion of every solution with the right answer and no step judged wrong."""
    return ({"prompt": _ask(tree), "completion": response(tree, path)} for path in solved(tree))


def messages(tree: Tree) -> Iterator[Row]:
    """The same as chats: the format's system prompt and question, or the question alone where the format asks in no chat."""
    step_format = FORMATS[tree.step_format]
    asked = step_format.messages(tree.question) if step_format.chat else [{"role": "user", "content": tree.question.strip()}]
    for path in solved(tree):
        yield {"messages": [*asked, {"role": "assistant", "content": response(tree, path)}]}


def _ask(tree: Tree) -> str:
    return FORMATS[tree.step_format].ask(tree.question)
