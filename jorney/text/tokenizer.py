"""Tokenizers: Hugging Face's, checked before use."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import itertools
import json
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from jorney import storage
from jorney.text.guard import MARK, guarded, pattern, pieces
from jorney.text.rendering import LONGEST, bounded

FILE, CONFIG = "tokenizer.json", "tokenizer_config.json"
NAMED = ("bos", "eos", "pad", "unk")
# Spaces, digits, newlines and LaTeX: what a broken pre-tokenizer loses first.
PROBE = "So 12 + 3.5 = 15.5,\n  and  $\\frac{1}{2} \\cdot x^2$ is\n\n1. half of it.\tDone"

# What mathematics is written with beside that, in several scripts, and the letters that DeepSeekMath's tokenizer has added.
CHARACTERS = "²³½×÷±√≤≥≠≈∞∑∫π°αβθ−–—…“”’éøöúÿõûýÀùÁþü数学ж😀"


@dataclasses.dataclass(frozen=True)
class Tokenizer:
    """Text to ids and back, with nothing added that was not asked for.

    Attributes:
      backend: the transformers tokenizer.
      bos, eos, pad: ids; `bos` is None where the model has none.
      notes: what was found and mended at load, for people.
      special_tokens: whether special tokens that a text writes are tokens; else they are text, as all else that people write.
      lossy: whether texts may be learned from whose characters no token holds.
      template: the file that the chat template stands in, for messages.
    """

    backend: Any
    bos: int | None
    eos: int
    pad: int
    notes: tuple[str, ...] = ()
    special_tokens: bool = False
    lossy: bool = False
    template: str = ""

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

    def encode(self, text: str, rendered: bool = False) -> list[int]:
        """Ids of the text alone: no bos, no eos. Special tokens in it are text, unless `special_tokens` says otherwise.

        Args:
          rendered: whether a chat template wrote the text: its special tokens are control tokens then, but for those in what
            was `guarded`.
        """
        return self._read(text, rendered)[0]

    def encode_after(self, text: str, rendered: bool = False) -> list[int]:
        """Ids of a text that goes on after another.

        Some tokenizers (Llama 2's, Mistral's) put a space before every text: it would stand between the two.
        """
        return self._read(text, rendered, after=True)[0]

    def encode_after_with_spans(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """`encode_after`, and which characters (start, stop) each of the ids covers."""
        return self._read(text, after=True, spans=True)

    def encode_to_end(self, text: str) -> list[int]:
        """`encode_after` of a text that ends there: eos comes once, whether or not the text writes it."""
        return [*self.encode_after(self.without_end(text)), self.eos]

    def without_end(self, text: str) -> str:
        """A text without the eos that it writes at its end."""
        end = self.backend.eos_token
        while text.endswith(end):
            text = text.removesuffix(end)
        return text

    def _read(
        self, text: str, rendered: bool = False, after: bool = False, spans: bool = False
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """Ids of a text, and the characters that each covers where `spans` asks for them."""
        if rendered and MARK in text and not self.special_tokens:
            return self._read_marked(text, after)
        control = rendered or self.special_tokens
        line = self._line if after and self._begins_texts else []
        options = {"add_special_tokens": False, "split_special_tokens": not control}
        if not spans:
            return self.backend.encode("\n" * bool(line) + text, **options)[len(line) :], []
        found = self.backend("\n" * bool(line) + text, return_offsets_mapping=True, **options)
        covered = [(start - bool(line), stop - bool(line)) for start, stop in found["offset_mapping"][len(line) :]]
        return found["input_ids"][len(line) :], covered

    def _read_marked(self, text: str, after: bool) -> tuple[list[int], list[tuple[int, int]]]:
        """As `_read`, of a chat in which what people wrote is marked: between its control tokens, which part texts, as text."""
        plain = dataclasses.replace(self, special_tokens=False)
        ids: list[int] = []
        spans: list[tuple[int, int]] = []
        for piece in pieces(text, self._special):
            if piece.token:
                own, covered = [self.backend.convert_tokens_to_ids(piece.text)], [(0, len(piece.text))]
            else:
                own, covered = plain._read(piece.text, after=after or bool(ids), spans=True)
            ids += own
            spans += ((piece.places[start], piece.places[stop]) for start, stop in covered)
        return ids, spans

    @functools.cached_property
    def _special(self) -> re.Pattern[str]:
        """Matches the special tokens."""
        return pattern(str(token) for token in self.backend.added_tokens_decoder.values() if token.special)

    @functools.cached_property
    def _line(self) -> list[int]:
        return self.encode("\n")

    @functools.cached_property
    def _begins_texts(self) -> bool:
        """It puts something before every text."""
        return self.encode("\n1") != self._line + self.encode("1")

    def encode_prompt(self, text: str, rendered: bool = False) -> list[int]:
        """Ids of a prompt: bos once, where the model has one, whether or not the text begins with it. See `encode`."""
        return self._with_bos(text, rendered, spans=False)[0]

    def encode_prompt_with_spans(self, text: str, rendered: bool = False) -> tuple[list[int], list[tuple[int, int]]]:
        """`encode_prompt`, and which characters (start, stop) each of the ids covers."""
        return self._with_bos(text, rendered, spans=True)

    def _with_bos(self, text: str, rendered: bool, spans: bool) -> tuple[list[int], list[tuple[int, int]]]:
        if self.bos is None:
            return self._read(text, rendered, spans=spans)
        start = self.backend.bos_token if text.startswith(self.backend.bos_token) and not rendered else ""
        ids, covered = self._read(text.removeprefix(start), rendered, spans=spans)
        covered = [(a + len(start), b + len(start)) for a, b in covered]
        return (ids, covered) if ids[:1] == [self.bos] else ([self.bos, *ids], [(0, len(start)), *covered])

    @property
    def chats(self) -> bool:
        """There is a chat template."""
        return bool(getattr(self.backend, "chat_template", None))

    def encode_chat(self, messages: Sequence[Mapping[str, Any]]) -> list[int]:
        """Ids of `render_chat`: bos once, whether or not the template writes it; special tokens in the messages are text."""
        return self.encode_prompt(self.render_chat(self.guarded(messages)), rendered=True)

    def guarded(self, value: Any) -> Any:
        """A text, or messages, for a chat template: special tokens in them are marked, and stay text when they are encoded."""
        return value if self.special_tokens else guarded(value, self._special)

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
        given = options or {}
        try:
            with bounded(given.get("chat_template") or self.backend.chat_template):
                text = self.backend.apply_chat_template(list(messages), tokenize=False, add_generation_prompt=speak, **given)
            if len(text) <= LONGEST:
                return text
            what = f"it writes {len(text):,} characters: expected {LONGEST:,} at most"
        except Exception as error:  # templates are programs: they refuse roles and orders they were not written for, or fail
            what = " ".join(str(error).split()) or type(error).__name__
        where = f" ({self.template})" if self.template and "chat_template" not in given else ""
        raise ValueError(f"the tokenizer's chat template refuses the messages: {what:.500}{where}")

    def decode_each(self, ids: Iterable[int]) -> list[str]:
        """Text of each id by itself."""
        given, own = list(ids), self._as_written
        found = self.backend.batch_decode(
            [[token] for token in given], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return [own.get(token, text) for token, text in zip(given, found, strict=True)]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of the ids; special tokens leave nothing."""
        given, own = list(ids), self._as_written
        if own.keys().isdisjoint(given):
            return self._decode(given)
        runs = itertools.groupby(given, key=own.__contains__)
        return "".join("".join(map(own.__getitem__, run)) if written else self._decode([*run]) for written, run in runs)

    def _decode(self, ids: list[int]) -> str:
        return self.backend.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)

    @functools.cached_property
    def _as_written(self) -> dict[int, str]:
        """Tokens that were added, are no special ones, and that the decoder does not give back, with their texts.

        A decoder of bytes takes the letters of a token for bytes: of DeepSeekMath's ÷ it makes U+FFFD, half a character.
        """
        one = self.encode_after("1")
        added = self.backend.added_tokens_decoder.items()
        plain = {id_: token.content for id_, token in added if not token.special}
        return {id_: text for id_, text in plain.items() if self._decode([*one, id_, *one]) != f"1{text}1"}

    def lost(self, text: str) -> str:
        """The characters of a text that do not come back from its ids, each once: no token holds them."""
        rest = {*text} - self._held  # few different ones, however long the texts
        for character in rest - self._lost:
            found = self._held if self._round_trip(f"1{character}1") == f"1{character}1" else self._lost
            found.add(character)
        return "".join(one for one in dict.fromkeys(text) if one in self._lost) if rest else ""

    @functools.cached_property
    def _held(self) -> set[str]:
        """Characters that are known to come back."""
        return set()

    @functools.cached_property
    def _lost(self) -> set[str]:
        return set()

    def expect_held(self, value: Any, place: str) -> None:
        """Raises ValueError that names the place where a text, or texts within lists and objects, would lose characters.

        Nothing is looked at where `lossy` allows it.
        """
        if self.lossy:
            return
        if isinstance(value, str):
            if lost := self.lost(value):
                shown = ", ".join(f"{one!r} (U+{ord(one):04X})" for one in lost[:5]) + (", ..." if len(lost) > 5 else "")
                raise ValueError(
                    f"{place}: the tokenizer cannot hold {shown}, which training would lose: expected a text without, or "
                    "lossy = True (--lossy)"
                )
            return
        for inner in value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ():
            self.expect_held(inner, place)

    def warn_of_lost(self, prompts: Sequence[str]) -> None:
        """Warns of prompts that a model will not read as they are written, with their number and the first one's characters."""
        if lost := [found for prompt in prompts if (found := self.lost(prompt))]:
            shown = ", ".join(f"{one!r} (U+{ord(one):04X})" for one in lost[0][:5])
            warnings.warn(
                f"{len(lost):,} of {len(prompts):,} prompts lose characters that the tokenizer cannot hold: {shown}",
                stacklevel=2,
            )

    def _round_trip(self, text: str) -> str:
        """decode(encode(text)), or what went wrong."""
        try:
            with _one_line("an error"):
                return self.decode(self.encode(text))
        except ValueError as error:
            return str(error)


def load_tokenizer(folder: str) -> Tokenizer:
    """The tokenizer of a Hugging Face folder, local or gs://.

    tokenizer.json is what a model was trained with, and it is read as it stands. transformers would choose a class by the
    folder's labels: some read it otherwise (one drops every space, DeepSeekMath's; one cuts every text as Qwen2 does), and the
    folder may bring a class of its own, whose code nobody here is to run.

    Raises:
      FileNotFoundError: there is no tokenizer.
      ValueError: a file is none that can be read, text does not survive encode and decode, or there is no eos token.
    """
    # Its models need torch and say so at import; only its tokenizers are used here.
    os.environ.setdefault("TRANSFORMERS_NO_ADVISORY_WARNINGS", "1")
    import tokenizers
    import transformers

    file = storage.path(folder) / FILE
    if not file.exists():
        raise FileNotFoundError(f"{folder}/{FILE}: no such file: expected a fast tokenizer beside the weights")
    storage.expect_file(file)
    with _one_line(f"{folder}/{FILE}: expected a fast tokenizer"):
        raw = tokenizers.Tokenizer.from_buffer(file.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    stated = _stated(folder)
    named = {f"{name}_token": token for name in NAMED if (token := _named(folder, stated, name, raw))}
    template, where = _chat_template(folder, stated)
    length = stated.get("model_max_length")
    more = {"model_max_length": length} if isinstance(length, int) else {}
    with warnings.catch_warnings(), _one_line(f"{folder}/{FILE}: expected a fast tokenizer"):
        warnings.simplefilter("ignore")
        backend: Any = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, chat_template=template, **named, **more)
    bos, eos, pad = backend.bos_token_id, backend.eos_token_id, backend.pad_token_id
    if eos is None:
        raise ValueError(f"{folder}: the tokenizer states no eos_token: expected one in {CONFIG}, which {FILE} knows")
    notes = []
    if pad is None or pad == eos:
        # Padding is masked by lengths everywhere, never found by its id, so any id serves; eos always exists.
        notes.append("pad is eos: eos still counts in the loss" if pad == eos else "there is no pad: eos is used, masked")
        pad = eos
    found = Tokenizer(backend, bos, eos, pad, template=where)
    if (got := found._round_trip(PROBE)) != PROBE:
        raise ValueError(f"{folder}/{FILE}: encode and decode turn {PROBE!r} into {got!r}: expected the same text")
    if lost := found.lost(CHARACTERS):
        others = f" and {len(lost) - 16} more" if len(lost) > 16 else ""
        notes.append(f"no token holds {lost[:16]}{others}: they are lost")
    return dataclasses.replace(found, notes=tuple(notes))


@contextlib.contextmanager
def _one_line(what: str) -> Iterator[None]:
    """What a library raises about a user's file, as a ValueError of one line. The panics of tokenizers are no Exceptions."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise ValueError(f"{what}: {' '.join(str(error).split())}") from None


def _stated(folder: str) -> dict[str, Any]:
    """What tokenizer_config.json says, and special_tokens_map.json where that says nothing (older folders)."""
    found: dict[str, Any] = {}
    for name in (CONFIG, "special_tokens_map.json"):
        file = storage.path(folder) / name
        fields = storage.read_json(file) if file.exists() else {}
        if not isinstance(fields, dict):
            raise ValueError(f"{folder}/{name}: expected a JSON object")
        found = {**fields, **{key: value for key, value in found.items() if value is not None}}
    return found


def _named(folder: str, stated: Mapping[str, Any], name: str, raw: Any) -> str | None:
    """The token that a folder calls bos, eos, pad or unk, if tokenizer.json knows it; config.json may state its id alone."""
    key = f"{name}_token"
    token = stated.get(key)
    token = token.get("content") if isinstance(token, Mapping) else token
    if not isinstance(token, str | None):
        raise ValueError(f"{folder}/{CONFIG}: {key} = {token!r:.80}: expected a text")
    special = {one.content: id_ for id_, one in raw.get_added_tokens_decoder().items() if one.special}
    if key not in stated and (file := storage.path(folder) / "config.json").exists():
        fields = storage.read_json(file)
        id_ = fields.get(f"{key}_id") if isinstance(fields, dict) else None
        id_ = id_[0] if isinstance(id_, list) and id_ else id_
        token = next((content for content, known in special.items() if known == id_), None)
    if token is None or raw.token_to_id(token) is None:
        return None
    # A pad that is an ordinary letter ("!" in some folders) would be made special, and be lost from every text.
    return token if token in special or name in ("bos", "eos") else None


def _chat_template(folder: str, stated: Mapping[str, Any]) -> tuple[Any, str]:
    """The folder's chat template, a file of its own, or a field; several have names. And the file that it stands in."""
    file = storage.path(folder) / "chat_template.jinja"
    if file.exists():
        storage.expect_file(file)
        with _one_line(f"{file}: expected text in UTF-8"):
            return file.read_bytes().decode("utf-8-sig"), os.fspath(file)
    found, where = stated.get("chat_template"), f"{folder}/{CONFIG}"
    if found is None and (file := storage.path(folder) / "chat_template.json").exists():
        fields, where = storage.read_json(file), os.fspath(file)
        found = fields.get("chat_template") if isinstance(fields, dict) else fields
    several = isinstance(found, list) and all(
        isinstance(one, dict) and isinstance(one.get("name"), str) and isinstance(one.get("template"), str) for one in found
    )
    if not (isinstance(found, str | None) or several):
        raise ValueError(f"{where}: chat_template = {found!r:.80}: expected a text, or a list of objects of name and template")
    return found, where
