"""What the index holds of a row: a few columns, and the texts that are searched. Made of plain JSON values, wrong ones too.

Whole trees are checked when they are opened; here a value of another type than expected counts as missing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jorney.show.samples import visible
from jorney.thought.care.analyse import FAMILIES, families_in
from jorney.view.collection import kinds

Row = Mapping[str, Any]
SOLVED, OVER_WRONG, NOT_SOLVED = "solved", "solved over a wrong step", "not solved"
OUTCOMES = (SOLVED, OVER_WRONG, NOT_SOLVED)


class Summary(NamedTuple):
    """A row in short.

    Attributes:
      columns: texts, numbers, None.
      question, steps, justifications: what is searched.
    """

    columns: dict[str, Any]
    question: str = ""
    steps: str = ""
    justifications: str = ""


class Column(NamedTuple):
    """What a column holds.

    Attributes:
      words: what it is, for people.
      kind: "text", "number", "choice" (a text of few different ones) or "flag".
      shown: whether the table shows it unasked.
    """

    words: str
    kind: str = "number"
    shown: bool = True


WORDS = {f"says {name}": Column(f"says “{name}”", "flag", False) for name in FAMILIES}
COLUMNS: dict[str, Column] = {
    "id": Column("id", "text"),
    "outcome": Column("outcome", "choice"),
    "correct": Column("right", "flag"),
    "question": Column("question", "text"),
    "kind": Column("kind", "choice"),
    "construction": Column("made from", "choice", False),
    "refiner": Column("written by", "choice", False),
    "answer": Column("answer", "text"),
    "note": Column("note", "text"),
    "level": Column("level", "choice"),
    "subject": Column("subject", "choice", False),
    "round": Column("round"),
    "sample": Column("sample"),
    "reward": Column("reward"),
    "score": Column("score"),
    "nodes": Column("steps"),
    "depth": Column("depth"),
    "right leaves": Column("right leaves"),
    "wrong leaves": Column("wrong leaves"),
    "solve rate": Column("solve rate"),
    "lowest": Column("lowest score on the best path", shown=False),
    "disagree": Column("disputed leaves"),  # by judge and grade
    "rejudged": Column("steps that were rated otherwise before", shown=False),
    "excursions": Column("excursions"),
    "pieces": Column("pieces"),
    "duplicates": Column("samples equal to a sibling", shown=False),
    "length": Column("characters"),
    "tokens": Column("tokens"),
    "finished": Column("finished", "flag", False),
    "equations": Column("equations", shown=False),
    "false equations": Column("false equations", shown=False),
    "step_format": Column("step format", "choice", False),
    "verifier": Column("domain", "choice", False),
    **WORDS,
}


def summary(row: Row, kind: str) -> Summary:
    """The columns of a row, and its texts."""
    made = _MAKERS.get(kind, _other)(row)
    meta = row.get("meta") if isinstance(row.get("meta"), Mapping) else row.get("about")
    stated: dict[str, Any] = {}
    for name in ("level", "subject", "round"):
        value = row.get(name, meta.get(name) if isinstance(meta, Mapping) else None)
        if value is not None:
            stated[name] = _number(value) if name == "round" else str(value)
    written = made.steps
    said = families_in(written) if written else ()
    flags = {f"says {name}": name in said for name in FAMILIES} if kind in _SPOKEN else {}
    own = {"id": id_of(row), "question": _short(made.question), **made.columns}
    columns = {**own, **stated, "length": len(written), **flags}
    # Half a surrogate pair, which JSON may name, could neither be shown nor stand in an address.
    return Summary({visible(name): visible(one) if isinstance(one, str) else one for name, one in columns.items()}, *made[1:])


_SPOKEN = (kinds.TREE, kinds.THOUGHT, kinds.OUTPUT, kinds.EPISODE)


def id_of(row: Row) -> str:
    """A row's id, as the index has it; "" where it states none. A sample may call it its problem."""
    stated = row.get("id", row.get("problem") if "sample" in row else None)
    return "" if stated is None else visible(str(stated))


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _short(text: str) -> str:
    return text if len(text) <= 300 else text[:299] + "…"


def _number(value: Any) -> float | None:
    """A number, unless it is larger than a page's controls can hold: JavaScript's whole numbers end there."""
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return value if known and abs(value) < 1 << 53 else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _count(value: Any) -> int | None:
    """A number of tokens, whether it is stated or all of them are."""
    return len(value) if isinstance(value, Sequence) and not isinstance(value, str) else _number(value)  # type: ignore[return-value]


def _tree(row: Row) -> Summary:
    """One pass over the nodes; parents come before children."""
    nodes = [node if isinstance(node, Mapping) else {} for node in row["nodes"]] if isinstance(row["nodes"], list) else []
    depth, valid, lowest = [0] * len(nodes), [True] * len(nodes), [math.inf] * len(nodes)
    right = wrong = disagree = excursions = duplicates = 0
    outcome, best = NOT_SOLVED, None
    texts, seen = [], []
    for index, node in enumerate(nodes):
        parent = node.get("parent")
        if not index or not isinstance(parent, int) or not 0 <= parent < index:
            continue
        rating, score, status = _number(node.get("rating")), _number(node.get("score")), node.get("status")
        if rating is None and isinstance(verdict := node.get("correct"), bool):  # of version 1
            rating = 1 if verdict else -1
        depth[index] = depth[parent] + 1
        valid[index] = valid[parent] and rating != -1
        lowest[index] = min(lowest[parent], math.inf if score is None else score)
        duplicates += int(_number(node.get("count")) or 1) - 1
        texts.append(_text(node, "text"))
        if justification := _text(node, "justification"):
            seen.append(justification)
        if node.get("excursion") and not nodes[parent].get("excursion"):
            excursions += 1
        if status == "leaf-correct":
            right += 1
            disagree += rating == -1
            if valid[index]:
                outcome = SOLVED
                best = max(-math.inf if best is None else best, lowest[index])
            elif outcome == NOT_SOLVED:
                outcome = OVER_WRONG
        elif status == "leaf-wrong":
            wrong += 1
            disagree += rating is not None and rating >= 0
    columns = {
        "answer": _short(_text(row, "answer")),
        "outcome": outcome,
        "nodes": max(0, len(nodes) - 1),
        "depth": max(depth, default=0),
        "right leaves": right,
        "wrong leaves": wrong,
        "solve rate": right / (right + wrong) if right + wrong else None,
        "lowest": best if best is not None and math.isfinite(best) else None,
        "disagree": disagree,
        "rejudged": _rejudged(row, nodes),
        "excursions": excursions,
        "duplicates": _number(duplicates),
        "tokens": _number(row.get("generated_tokens")),
        "step_format": _text(row, "step_format"),
        "verifier": _text(row, "verifier"),
    }
    return Summary(columns, _text(row, "question"), "\n".join(texts), "\n".join(seen))


def _rejudged(row: Row, nodes: Sequence[Row]) -> int | None:
    """Nodes whose rating is another one than before they were rated again; None where they never were."""
    meta = row.get("meta")
    judged = meta.get("judged") if isinstance(meta, Mapping) else None
    before = judged.get("before") if isinstance(judged, Mapping) else None
    if not isinstance(before, list):
        return None
    return sum(node.get("rating") != was for node, was in zip(nodes[1:], before, strict=False))


def _thought(row: Row) -> Summary:
    pieces = [piece for piece in row["pieces"] if isinstance(piece, list) and piece] if isinstance(row["pieces"], list) else []
    told = [piece[1] if len(piece) > 1 else "" for piece in pieces]
    columns = {
        "answer": _short(_text(row, "answer")),
        "kind": _text(row, "kind"),
        "construction": _text(row, "construction") or "tree",
        "refiner": _text(row, "refiner"),
        "note": _short(_text(row, "note")),
        "pieces": len(pieces),
        "excursions": told.count("reflection"),
    }
    return Summary(columns, _text(row, "question"), "".join(str(piece[0]) for piece in pieces))


def _output(row: Row) -> Summary:
    correct = _flag(row.get("correct", row.get("right")))
    equations, true = _number(row.get("equations")), _number(row.get("true_equations"))
    columns = {
        "correct": correct,
        "answer": _short(_text(row, "answer")),
        "note": _short(_text(row, "note")),
        "tokens": _count(row.get("tokens")),
        "finished": _flag(row.get("finished")),
        "sample": _number(row.get("sample")),
        "score": _number(row.get("score")),
        "equations": equations,
        "false equations": None if equations is None or true is None else _number(equations - true),
    }
    return Summary(columns, _text(row, "question"), _text(row, "text"))


def _episode(row: Row) -> Summary:
    terms = row.get("terms") if isinstance(row.get("terms"), Mapping) else {}
    assert isinstance(terms, Mapping)
    rewards = {f"reward {name}": _number(value) for name, value in terms.items()}
    known = [value for value in rewards.values() if value is not None]
    made = _output(row)
    return made._replace(columns={**made.columns, "reward": _number(sum(known)) if known else None, **rewards})


def _attempts(row: Row) -> Summary:
    verdicts = row.get("correct")
    right = [one for one in verdicts if isinstance(one, bool)] if isinstance(verdicts, list) else []
    rate = sum(right) / len(right) if right else None
    return Summary({"correct": any(right) if right else None, "solve rate": rate}, "", _text(row, "answers"))


def _pair(row: Row) -> Summary:
    sides = (_said(row.get(name)) for name in ("chosen", "rejected"))
    return Summary({}, _said(row.get("prompt", row.get("question"))), "\n".join(sides))


def _said(value: Any) -> str:
    """A text, or the texts of a chat's turns."""
    if isinstance(value, list):
        return "\n".join(_text(turn, "content") if isinstance(turn, Mapping) else str(turn) for turn in value)
    return value if isinstance(value, str) else "" if value is None else str(value)


def _problem(row: Row) -> Summary:
    columns = {"answer": _short(_text(row, "answer")), "verifier": _text(row, "verifier")}
    return Summary(columns, _text(row, "question"), _text(row, "solution"))


def _labels(row: Row) -> Summary:
    labels = row.get("labels") if isinstance(row.get("labels"), list) else []
    assert isinstance(labels, list)
    first = next((at for at, one in enumerate(labels, start=1) if one in (-1, 0, False, "negative", "-", "bad")), None)
    steps = row.get("steps")
    text = "\n".join(map(str, steps)) if isinstance(steps, list) else _text(row, "steps")
    return Summary({"nodes": len(labels), "correct": first is None}, _said(row.get("question", row.get("prompt"))), text)


def _other(row: Row) -> Summary:
    texts = [value for value in row.values() if isinstance(value, str)]
    question = _said(row.get("question", row.get("prompt", row.get("problem", ""))))
    return Summary({}, question, "\n".join(texts))


_MAKERS: dict[str, Callable[[Row], Summary]] = {
    kinds.TREE: _tree,
    kinds.THOUGHT: _thought,
    kinds.OUTPUT: _output,
    kinds.EPISODE: _episode,
    kinds.ATTEMPTS: _attempts,
    kinds.PAIR: _pair,
    kinds.PROBLEM: _problem,
    kinds.LABELS: _labels,
}
