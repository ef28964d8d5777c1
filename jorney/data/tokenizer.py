"""Tokenizers: Hugging Face's, checked before use."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

# Spaces, digits, newlines and LaTeX: what a broken pre-tokenizer loses first.
PROBE = "So 12 + 3.5 = 15.5,\n  and  $\\frac{1}{2} \\cdot x^2$ is\n\n1. half of it.\tDone"


@dataclasses.dataclass(frozen=True)
class Tokenizer:
    """Text to ids and back, with nothing added that was not asked for.

    Attributes:
      backend: the transformers tokenizer.
      bos, eos, pad: ids; `bos` is None where the model has none.
      notes: what was found and mended at load, for people.
    """

    backend: Any
    bos: int | None
    eos: int
    pad: int
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.backend)

    def check_fits(self, vocab_size: int, source: str) -> None:
        """Raises ValueError unless every id has a row in an embedding of `vocab_size`; more rows than tokens are common."""
        if len(self) > vocab_size:
            raise ValueError(f"{source}: the tokenizer has {len(self)} tokens, more than vocab_size = {vocab_size}")
        for name in ("bos", "eos", "pad"):
            if (getattr(self, name) or 0) >= vocab_size:
                raise ValueError(f"{source}: {name} has the id {getattr(self, name)}: expected below {vocab_size}, vocab_size")

    def encode(self, text: str) -> list[int]:
        """Ids of the text alone: no bos, no eos."""
        return self.backend.encode(text, add_special_tokens=False)

    def encode_prompt(self, text: str) -> list[int]:
        """Ids of a prompt: bos once, where the model has one."""
        ids = self.encode(text)
        return ids if self.bos is None or ids[:1] == [self.bos] else [self.bos, *ids]

    @property
    def chats(self) -> bool:
        """There is a chat template."""
        return bool(getattr(self.backend, "chat_template", None))

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Ids of `render_chat`: bos once, whether or not the template writes it."""
        return self.encode_prompt(self.render_chat(messages))

    def render_chat(self, messages: Sequence[Mapping[str, str]]) -> str:
        """A chat as text, up to where the assistant is to speak.

        Args:
          messages: of "role" and "content".

        Raises:
          ValueError: there is no chat template.
        """
        if not self.chats:
            raise ValueError("the tokenizer has no chat template: expected one in tokenizer_config.json")
        return self.backend.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=True)

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ids; special tokens leave nothing."""
        return self.backend.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)


def load_tokenizer(folder: str) -> Tokenizer:
    """The tokenizer of a local Hugging Face folder.

    Some byte-level tokenizers are labelled with a class that drops every space at encode (DeepSeekMath under
    transformers 5): when the labelled class does not give a probe back, tokenizer.json is read as it stands.

    Raises:
      FileNotFoundError: there is no tokenizer.
      ValueError: text does not survive encode and decode, or there is no eos token.
    """
    import tokenizers

    # Its models need torch and say so at import; only its tokenizers are used here.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    import transformers

    file = os.path.join(folder, "tokenizer.json")
    if not os.path.exists(file):
        raise FileNotFoundError(f"{file}: no such file: expected a fast tokenizer beside the weights")
    notes = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backend: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        if round_trip(backend, PROBE) != PROBE:
            raw = tokenizers.Tokenizer.from_file(file)
            names = {name: getattr(backend, name) for name in ("bos_token", "eos_token", "pad_token")}
            # The labelled class may have tokens of its own, which the model does not know.
            names = {name: token for name, token in names.items() if token and raw.token_to_id(token) is not None}
            template = getattr(backend, "chat_template", None)
            notes.append(f"its class, {type(backend).__name__}, loses text: tokenizer.json is read as it stands")
            backend = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, chat_template=template, **names)
    got = round_trip(backend, PROBE)
    if got != PROBE:
        raise ValueError(f"{file}: encode and decode turn {PROBE!r} into {got!r}: expected the same text")
    if backend.eos_token_id is None:
        raise ValueError(f"{folder}: the tokenizer states no eos_token: expected one in tokenizer_config.json")
    bos, eos, pad = backend.bos_token_id, backend.eos_token_id, backend.pad_token_id
    if pad is None or pad == eos:
        # Padding is masked by lengths everywhere, never found by its id, so any id serves; eos always exists.
        notes.append("pad is eos: eos still counts in the loss" if pad == eos else "there is no pad: eos is used, masked")
        pad = eos
    return Tokenizer(backend, bos, eos, pad, tuple(notes))


def round_trip(backend: Any, text: str) -> str:
    """decode(encode(text)), or what went wrong."""
    try:
        ids = backend.encode(text, add_special_tokens=False)
    except Exception as error:  # the class that tokenizers raises
        return f"an error: {error}"
    return backend.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
