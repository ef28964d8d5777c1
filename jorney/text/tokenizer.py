"""Tokenizers: Hugging Face's, checked before use."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import os
import tempfile
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from jorney import storage

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

    @functools.cached_property
    def digest(self) -> str:
        """Of all tokens and their ids: tokenizers of one digest give the same ids the same texts."""
        vocabulary = json.dumps(self.backend.get_vocab(), sort_keys=True).encode()
        return hashlib.blake2b(vocabulary, digest_size=8).hexdigest()

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

    def encode_after(self, text: str) -> list[int]:
        """Ids of a text that goes on after another.

        Some tokenizers (Llama 2's, Mistral's) put a space before every text: it would stand between the two.
        """
        return self.encode_after_with_spans(text)[0]

    def encode_after_with_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """`encode_after`, and which characters (start, stop) each of the ids covers."""
        line = self.encode("\n") if self._begins_texts else []
        found = self.backend("\n" * bool(line) + text, add_special_tokens=False, return_offsets_mapping=True)
        spans = [(start - bool(line), stop - bool(line)) for start, stop in found["offset_mapping"][len(line) :]]
        return found["input_ids"][len(line) :], spans

    @functools.cached_property
    def _begins_texts(self) -> bool:
        """It puts something before every text."""
        return self.encode("\n1") != self.encode("\n") + self.encode("1")

    def encode_prompt(self, text: str) -> list[int]:
        """Ids of a prompt: bos once, where the model has one."""
        ids = self.encode(text)
        return ids if self.bos is None or ids[:1] == [self.bos] else [self.bos, *ids]

    def encode_prompt_with_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """`encode_prompt`, and which characters (start, stop) each of the ids covers."""
        found = self.backend(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, spans = found["input_ids"], found["offset_mapping"]
        if self.bos is None or ids[:1] == [self.bos]:
            return ids, spans
        return [self.bos, *ids], [(0, 0), *spans]

    @property
    def chats(self) -> bool:
        """There is a chat template."""
        return bool(getattr(self.backend, "chat_template", None))

    def encode_chat(self, messages: Sequence[Mapping[str, str]]) -> list[int]:
        """Ids of `render_chat`: bos once, whether or not the template writes it."""
        return self.encode_prompt(self.render_chat(messages))

    def render_chat(
        self,
        messages: Sequence[Mapping[str, Any]],
        options: Mapping[str, Any] | None = None,
        speak: bool = True,
    ) -> str:
        """A chat as text, up to where the assistant is to speak.

        Args:
          messages: of "role" and "content".
          options: variables for the template, such as tools that the assistant may call, as JSON schemas.
          speak: whether the assistant is to speak next; without it the text ends with the last message.

        Raises:
          ValueError: there is no chat template, or it refuses the messages.
        """
        if not self.chats:
            raise ValueError("the tokenizer has no chat template: expected one in tokenizer_config.json")
        import jinja2

        try:
            return self.backend.apply_chat_template(
                list(messages), tokenize=False, add_generation_prompt=speak, **(options or {})
            )
        except (jinja2.TemplateError, TypeError) as error:  # templates refuse roles and orders they were not written for
            raise ValueError(f"the tokenizer's chat template refuses the messages: {error}") from None

    def decode_each(self, ids: Iterable[int]) -> list[str]:
        """Text of each id by itself."""
        return self.backend.batch_decode(
            [[token] for token in ids], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ids; special tokens leave nothing."""
        return self.backend.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)


def load_tokenizer(folder: str) -> Tokenizer:
    """The tokenizer of a Hugging Face folder, local or gs://.

    tokenizer.json is what a model was trained with. transformers chooses a class by the folder's labels, and some classes read
    it otherwise: one drops every space (DeepSeekMath), one cuts every text as Qwen2 does and adds a token
    (any other tokenizer beside a Qwen2 model). Where the class gives other ids, tokenizer.json is read as it stands.

    Raises:
      FileNotFoundError: there is no tokenizer.
      ValueError: text does not survive encode and decode, or there is no eos token.
    """
    if not storage.is_local(folder):
        where = storage.path(folder)
        with tempfile.TemporaryDirectory() as local:
            for file in where.iterdir() if where.exists() else ():
                if file.suffix in (".json", ".jinja") and not file.name.endswith(".index.json"):
                    storage.write_bytes(os.path.join(local, file.name), file.read_bytes())
            return _load_local(local, folder)
    return _load_local(folder, folder)


def _load_local(folder: str, shown: str) -> Tokenizer:
    """`shown` is the folder that messages name."""
    import tokenizers

    # Its models need torch and say so at import; only its tokenizers are used here.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    import transformers

    file = os.path.join(folder, "tokenizer.json")
    if not os.path.exists(file):
        raise FileNotFoundError(f"{shown}/tokenizer.json: no such file: expected a fast tokenizer beside the weights")
    try:
        raw = tokenizers.Tokenizer.from_file(file)
    except Exception as error:  # the class that tokenizers raises
        raise ValueError(f"{shown}/tokenizer.json: expected a fast tokenizer: {error}") from None
    notes = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        backend: Any = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        plain = transformers.PreTrainedTokenizerFast(tokenizer_object=raw)
        if len(backend) > len(plain) or _ids(backend, PROBE) != _ids(plain, PROBE):
            notes.append(f"its class, {type(backend).__name__}, reads it otherwise: tokenizer.json is used as it stands")
            kept = {"chat_template": getattr(backend, "chat_template", None), **_special_tokens(folder, backend, raw)}
            backend = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, **kept)
    got = round_trip(backend, PROBE)
    if got != PROBE:
        raise ValueError(f"{shown}/tokenizer.json: encode and decode turn {PROBE!r} into {got!r}: expected the same text")
    if backend.eos_token_id is None:
        raise ValueError(f"{shown}: the tokenizer states no eos_token: expected one in tokenizer_config.json")
    bos, eos, pad = backend.bos_token_id, backend.eos_token_id, backend.pad_token_id
    if pad is None or pad == eos:
        # Padding is masked by lengths everywhere, never found by its id, so any id serves; eos always exists.
        notes.append("pad is eos: eos still counts in the loss" if pad == eos else "there is no pad: eos is used, masked")
        pad = eos
    return Tokenizer(backend, bos, eos, pad, tuple(notes))


def _special_tokens(folder: str, backend: Any, raw: Any) -> dict[str, str]:
    """bos, eos and pad as the folder states them, else as its class has them, where tokenizer.json knows the token.

    A class may have tokens of its own, which the model does not know.
    """
    file = os.path.join(folder, "tokenizer_config.json")
    stated = storage.read_json(file) if os.path.exists(file) else {}
    found = {}
    for name in ("bos_token", "eos_token", "pad_token"):
        token = stated.get(name, getattr(backend, name))
        token = token.get("content") if isinstance(token, Mapping) else token
        if token and raw.token_to_id(token) is not None:
            found[name] = token
    return found


def _ids(backend: Any, text: str) -> list[int] | None:
    try:
        return backend.encode(text, add_special_tokens=False)
    except Exception:  # the class that tokenizers raises; `round_trip` says what
        return None


def round_trip(backend: Any, text: str) -> str:
    """decode(encode(text)), or what went wrong."""
    try:
        ids = backend.encode(text, add_special_tokens=False)
    except Exception as error:  # the class that tokenizers raises
        return f"an error: {error}"
    return backend.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
