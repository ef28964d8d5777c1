"""What the page was started with and what it has open, shared by all who look at it; and where each of them is."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import streamlit as st

from jorney.domain.problem import Problem
from jorney.show.token_shading import Decoder
from jorney.tree.tree import Node, Tree, from_json
from jorney.view.collection import kinds, sources
from jorney.view.collection.index import Index, marks, peek
from jorney.view.collection.sources import Collection, Found
from jorney.view.place import Place, from_params


@dataclasses.dataclass(frozen=True)
class Opening:
    """What `jorney view` was told; its configuration says what each is."""

    paths: tuple[str, ...]
    verdicts: str = "verdicts.jsonl"
    tokenizer: str = ""
    everything: bool = False

    def words(self) -> list[str]:
        """Of the command that opens the same."""
        usual = {field.name: field.default for field in dataclasses.fields(self)}
        stated = [(name, getattr(self, name)) for name in ("verdicts", "tokenizer") if getattr(self, name) != usual[name]]
        options = [word for name, value in stated for word in (f"--{name}", value)]
        return [*self.paths, *options, *(["--everything"] if self.everything else [])]


def opening() -> Opening:
    """What stands behind `--` on the command line of the page's server, as JSON."""
    told = json.loads(sys.argv[-1])
    return Opening(**{**told, "paths": tuple(told["paths"])})


def found() -> Found:
    """What lies at the paths; what is gone of them is named."""
    return _found(opening())


@st.cache_resource(max_entries=4, show_spinner=False)
def _found(told: Opening) -> Found:
    return sources.find(told.paths, told.everything, lenient=True)


def look_again() -> bool:
    """Looks for new files and rows; says whether there are any."""
    told = opening()
    before = _found(told)
    now = sources.find(told.paths, told.everything, lenient=True)
    if now != before:
        _found.clear()
    with _lock():
        grown = sum(one.refresh() for one in _indexes().values())  # all of them, whatever the first says
    return bool(grown) or now != before


@st.cache_resource(show_spinner=False)
def _lock() -> threading.RLock:
    """Held while indexes are made or read further: several browsers have one."""
    return threading.RLock()


def known(collection: Collection) -> Index | None:
    """The index of a collection, if it was asked for."""
    return _indexes().get(collection)


@st.cache_resource(show_spinner=False)
def _indexes() -> dict[Collection, Index]:
    return {}


def index(collection: Collection) -> Index:
    """The index of a collection; made when it is first asked for."""
    made = _indexes()
    if collection not in made:
        with st.spinner(f"Reading {collection.name}"), _lock():
            if collection not in made:  # another browser may have asked for it, too
                made[collection] = Index(collection)
    return made[collection]


def kind(collection: Collection) -> str:
    """What a collection's rows are: by its index, if there is one, else by its first row."""
    if (own := known(collection)) is not None:
        return own.kind
    before, kind = _peeked().get(collection, ((), kinds.ROW))
    if kind == kinds.ROW and before != (now := marks(collection)):  # one that is empty may get rows
        kind = peek(collection)
        _peeked()[collection] = now, kind
    return kind


_kind = kind


@st.cache_resource(show_spinner=False)
def _peeked() -> dict[Collection, tuple[tuple[object, ...], str]]:
    return {}


def of_kind(kind: str, first: str = "") -> Iterator[tuple[Collection, Index]]:
    """The collections of a kind; before the others those whose names share most with another's."""

    def shared(one: Collection) -> int:
        return next((at for at, (a, b) in enumerate(zip(one.name, first, strict=False)) if a != b), len(one.name))

    for one in sorted(found().collections, key=lambda one: -shared(one)):
        if _kind(one) == kind:
            yield one, index(one)


def tree_at(own: Index, number: int) -> Tree:
    """A tree.

    Raises:
      ValueError: it is none; names the file, the tree and the field.
    """
    return from_json(own.row(number), own.place(number))


def problem_of(id_: str, near: str) -> Problem | None:
    """The problem of an id, of the collections of problems or of trees.

    Args:
      near: the name of the collection that asks.
    """
    for kind in (kinds.PROBLEM, kinds.TREE):
        for _, own in of_kind(kind, near):
            for number in own.of_id(id_)[:1]:
                row = own.row(number)
                meta = row.get("meta")
                question, answer = row.get("question"), row.get("answer")
                if isinstance(question, str) and isinstance(answer, str):
                    verifier = str(row.get("verifier") or "math")
                    return Problem(id_, question, answer, None, verifier, meta if isinstance(meta, dict) else {})
    return None


def decoder(tree: Tree) -> Decoder | None:
    """What tells the texts of a tree's tokens: the tokenizer that was named, or else the embedded model's where it fits."""
    sampled = next((node for node in tree.nodes if node.tokens), None)
    if sampled is None:
        return None
    decode = _decoder(opening().tokenizer or "embedded")
    return decode if decode is not None and _fits(decode, sampled) else None


def _fits(decode: Decoder, node: Node) -> bool:
    try:
        return "".join(decode(node.tokens)).strip() == node.text.strip()
    except Exception:  # another model's ids
        return False


@st.cache_resource(max_entries=2, show_spinner=False)
def _decoder(name: str) -> Decoder | None:
    from jorney.convert.locate import resolve
    from jorney.text.tokenizer import load_tokenizer

    tokenizer = load_tokenizer(resolve(name))
    return lambda ids: [tokenizer.decode([one]) for one in ids]


def place() -> Place:
    """Where the page is, as its address says."""
    return from_params({name: st.query_params.get_all(name) for name in st.query_params})


def go(**changes: Any) -> None:
    """Goes elsewhere: what changes of the place; a field of the query by its own name."""
    now = place()
    queried = {name: changes.pop(name) for name in list(changes) if not hasattr(now, name)}
    query = dataclasses.replace(changes.pop("query", now.query), **queried)
    st.query_params.from_dict(dataclasses.replace(now, query=query, **changes).to_params())


def control(
    widget: Callable[..., Any],
    label: str,
    field: str,
    value: Any,
    read: Callable[[Any], Any] | None = None,
    also: dict[str, Any] | None = None,
    **more: Any,
) -> None:
    """A widget that shows a value of the place, and changes it.

    Args:
      value: what it shows now.
      read: what its value means for the place; None for itself.
      also: what else changes with it.
    """
    key = f"control {field}"
    st.session_state[key] = value

    def changed() -> None:
        stated = st.session_state[key]
        go(**{field: read(stated) if read else stated}, **(also or {}))

    widget(label, key=key, on_change=changed, **more)
