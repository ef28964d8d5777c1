"""A policy that answers chats, through its tokenizer's chat template: what a chat endpoint does, without one."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence

from jorney.engine.generate import Generator, SamplingConfig, work_of

Chat = Sequence[Mapping[str, str]]


def chat_ask(generator: Generator, sampling: SamplingConfig) -> Callable[[Sequence[Chat]], list[str | None]]:
    """Answers chats: texts in the chats' order, None for a chat that leaves no room for an answer.

    A reply is cut where it ends by itself or at `sampling.max_tokens`. It follows from the seed and the chat alone; of one chat
    asked for twice at a time both replies are the same.

    Raises:
      ValueError: the model has no chat template.
    """
    tokenizer = generator.policy.tokenizer
    if not tokenizer.chats:
        raise ValueError(
            f"{generator.policy.source}: its tokenizer has no chat template: expected a chat model, or an endpoint with one"
        )
    room = generator.policy.config.positions - sampling.max_tokens
    sampling = dataclasses.replace(sampling, w=1)
    work = work_of(sampling.rows, sampling)  # whatever the number of chats, so that nothing is compiled when it changes

    def ask(chats: Sequence[Chat]) -> list[str | None]:
        prompts = [tokenizer.encode_chat(chat) for chat in chats]
        fitting = [index for index, ids in enumerate(prompts) if len(ids) <= room]
        names = [json.dumps(chats[index], sort_keys=True) for index in fitting]
        found: list[str | None] = [None] * len(chats)
        for place, completions in generator.stream([prompts[index] for index in fitting], sampling, names, work=work):
            found[fitting[place]] = completions[0].text
        return found

    return ask
