"""Faults planted into good thoughts, to see whether a quality score finds them.

Each takes a thought and gives one that is as it was but for the fault, or None where it cannot be planted. What would give the
fault away without being read is hidden: steps are numbered anew after one is dropped or repeated.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
import re
from collections.abc import Callable, Sequence
from fractions import Fraction

from jorney.thought.care.arithmetic import quantities
from jorney.thought.care.quality import Scorer, measure_all
from jorney.thought.thought import Piece, Thought

Plant = Callable[[Thought, random.Random, Sequence[str]], Thought | None]
_RESULT = re.compile(r"(?<=[\d)%]) *= *\$?(\d+)(?![\d.,]*\d)(?!\.\d)(?! *[-+*/=])")


def wrong_arithmetic(thought: Thought, rng: random.Random, unrelated: Sequence[str]) -> Thought | None:
    """The result of one equation on the path is another number; all that follows stays as it was."""
    options = [(i, m) for i in _path(thought) for m in _RESULT.finditer(thought.pieces[i].text)]
    if not options:
        return None
    index, match = rng.choice(options)
    wrong = int(match[1]) + rng.choice((-1, 1)) * rng.randint(1, 9)
    wrong = wrong if wrong > 0 else int(match[1]) + 1
    return _with(thought, index, f"{match.string[: match.start(1)]}{wrong}{match.string[match.end(1) :]}")


def dropped_step(thought: Thought, rng: random.Random, unrelated: Sequence[str]) -> Thought | None:
    """A step of the path is missing."""
    options = _path(thought)
    if len(options) < 2:
        return None
    gone = rng.choice(options)
    return _renumbered(thought, [piece for index, piece in enumerate(thought.pieces) if index != gone])


def unrelated_sentence(thought: Thought, rng: random.Random, unrelated: Sequence[str]) -> Thought | None:
    """A sentence about something else stands between two lines."""
    index = rng.randrange(len(thought.pieces))
    said = Piece(rng.choice(unrelated).strip() + "\n", "connective", thought.pieces[index].node)
    return dataclasses.replace(thought, pieces=(*thought.pieces[:index], said, *thought.pieces[index:]))


def loop(thought: Thought, rng: random.Random, unrelated: Sequence[str]) -> Thought | None:
    """One or two steps are said two or three times over."""
    options = _path(thought)
    if not options:
        return None
    first = rng.choice(options)
    turn = [thought.pieces[i] for i in options if first <= i <= first + rng.randint(0, 1)]
    after = first + len(turn)
    return _renumbered(thought, [*thought.pieces[:after], *(turn * rng.randint(1, 2)), *thought.pieces[after:]])


def changed_answer(thought: Thought, rng: random.Random, unrelated: Sequence[str]) -> Thought | None:
    """Another number is concluded."""
    found = quantities(thought.answer)
    if thought.pieces[-1].kind != "conclusion" or not found:
        return None
    value = found[0] + rng.choice((-1, 1)) * rng.randint(1, 9)
    return _with(thought, len(thought.pieces) - 1, f"#### {value if value != found[0] else value + Fraction(1)}")


def truncated(thought: Thought, rng: random.Random, unrelated: Sequence[str]) -> Thought | None:
    """It breaks off between 30% and 90% of its text."""
    stop = int(len(thought.text) * rng.uniform(0.3, 0.9))
    before = [(start, piece) for (start, _), piece in zip(thought.spans, thought.pieces, strict=True) if start < stop]
    kept = tuple(piece._replace(text=piece.text[: stop - start]) for start, piece in before if piece.kind != "conclusion")
    return dataclasses.replace(thought, pieces=kept) if kept else None


FAULTS: dict[str, Plant] = {
    plant.__name__.replace("_", " "): plant
    for plant in (wrong_arithmetic, dropped_step, unrelated_sentence, loop, changed_answer, truncated)
}


@dataclasses.dataclass(frozen=True)
class Found:
    """How a score ranks thoughts with one fault.

    Attributes:
      planted: thoughts that could bear it.
      below: share of them that are ranked below their own clean original; a tie counts as not below.
      auc: probability that a clean thought, any of them, is ranked above a faulty one; ties count half.
    """

    planted: int
    below: float
    auc: float


def find_faults(
    thoughts: Sequence[Thought], unrelated: Sequence[str], seed: int = 0, scorer: Scorer = measure_all
) -> dict[str, Found]:
    """For every kind of fault, planted once in each thought, how a score ranks it; under "all" those of all kinds.

    Args:
      unrelated: sentences about other things.

    Raises:
      ValueError: there are no thoughts, or nothing can be planted.
    """
    clean = _values(scorer, thoughts)
    pairs: dict[str, list[tuple[float, float]]] = {}  # (Q of the original, Q of the faulty one)
    for name, plant in FAULTS.items():
        made = [
            plant(thought, random.Random(f"{seed}/{thought.id}/{i}/{name}"), unrelated) for i, thought in enumerate(thoughts)
        ]
        originals = [value for value, thought in zip(clean, made, strict=True) if thought is not None]
        if originals:
            faulty = _values(scorer, [thought for thought in made if thought is not None])
            pairs[name] = list(zip(originals, faulty, strict=True))
    if not pairs:
        raise ValueError("no fault can be planted: expected thoughts with steps and a conclusion")
    pairs["all"] = [pair for own in pairs.values() for pair in own]
    return {
        name: Found(len(own), sum(worse < value for value, worse in own) / len(own), auc(clean, [worse for _, worse in own]))
        for name, own in pairs.items()
    }


def auc(better: Sequence[float], worse: Sequence[float]) -> float:
    """Probability that one drawn from `better` is above one from `worse`; ties count half (Mann-Whitney)."""
    from scipy.stats import rankdata

    ranks = rankdata([*better, *worse])
    return float((ranks[: len(better)].sum() - len(better) * (len(better) + 1) / 2) / (len(better) * len(worse)))


def _values(scorer: Scorer, thoughts: Sequence[Thought]) -> list[float]:
    """Q of each; 0 where the scorer has none."""
    return [0.0 if quality is None else quality.q for quality in scorer(thoughts)]


def _path(thought: Thought) -> list[int]:
    """Indices of the pieces that are steps of the path."""
    return [index for index, piece in enumerate(thought.pieces) if piece.kind == "step"]


def _with(thought: Thought, index: int, text: str) -> Thought:
    changed = thought.pieces[index]._replace(text=text)
    return dataclasses.replace(thought, pieces=(*thought.pieces[:index], changed, *thought.pieces[index + 1 :]))


def _renumbered(thought: Thought, pieces: Sequence[Piece]) -> Thought:
    """The pieces with the path's steps numbered from 1 again."""
    numbers = itertools.count(1)

    def numbered(text: str) -> str:
        return re.sub(r"^(\s*)\d+(?=\.\s)", lambda opening: f"{opening[1]}{next(numbers)}", text)

    made = (piece._replace(text=numbered(piece.text)) if piece.kind == "step" else piece for piece in pieces)
    return dataclasses.replace(thought, pieces=tuple(made))
