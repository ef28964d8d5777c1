"""The embedded model's tokenizer with a small chat template, and one that adds bos by itself as Llama's does."""

from __future__ import annotations

import copy
import dataclasses

from jorney.policy import resolve
from jorney.text.tokenizer import Tokenizer, load_tokenizer

# Roles and ends in the words of the vocabulary; the end of a turn is eos, as in many models.
TEMPLATE = (
    "{% if tools %}Tools: {{ tools | length }}\n{% endif %}"
    "{% for message in messages %}{{ message.role }}:\n{{ message.content }}{{ eos_token }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:\n{{ opening | default('') }}{% endif %}"
)


def chat_tokenizer(template: str | None = TEMPLATE, bos: bool = True) -> Tokenizer:
    """A tokenizer of its own: whoever has it may change it."""
    found = load_tokenizer(resolve("embedded"))
    backend = copy.deepcopy(found.backend)
    backend.chat_template = template
    return dataclasses.replace(found, backend=backend, bos=found.bos if bos else None)


def bearing(example) -> list[int]:
    """Indices of the tokens that bear loss, from the packed row that training reads."""
    from jorney.batch.packing import pack

    packed = pack([example], len(example.tokens))
    return [index + 1 for index in range(len(example.tokens) - 1) if packed.loss_mask[0, index]]
