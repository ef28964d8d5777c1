"""Faults planted into good thoughts, to see whether a quality score finds them.

Each takes a thought and gives one that is as it was but for the fault, or None where it cannot be planted. What would give the
fault away without being read is hidden: steps are numbered anew after one is dropped or repeated.
"""

from __future__ import annotations

import dataclasses
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
    text = thought.pieces[index].text
    wrong = int(match[1]) + rng.choice((-1, 1)) * rng.randint(1, 9)
    wrong = wrong if wrong > 0 else int(match[1]) + 1
    return _with(thought, index, text[: match.start(1)] + str(wrong) + text[match.end(1) :])


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
    left, kept = int(len(thought.text) * rng.uniform(0.3, 0.9)), []
    for piece in thought.pieces:
        if left > 0 and piece.kind != "conclusion":
            kept.append(piece._replace(text=piece.text[:left]))
        left -= len(piece.text)
    return dataclasses.replace(thought, pieces=tuple(kept)) if kept else None


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
    found, faulty_of_all, below_of_all = {}, [], 0
    for name, plant in FAULTS.items():
        made = [
            plant(thought, random.Random(f"{seed}/{thought.id}/{i}/{name}"), unrelated) for i, thought in enumerate(thoughts)
        ]
        places = [index for index, thought in enumerate(made) if thought is not None]
        if not places:
            continue
        faulty = _values(scorer, [thought for thought in made if thought is not None])
        below = sum(value < clean[index] for index, value in zip(places, faulty, strict=True))
        found[name] = Found(len(faulty), below / len(faulty), auc(clean, faulty))
        faulty_of_all += faulty
        below_of_all += below
    if not found:
        raise ValueError("no fault can be planted: expected thoughts with steps and a conclusion")
    return {**found, "all": Found(len(faulty_of_all), below_of_all / len(faulty_of_all), auc(clean, faulty_of_all))}


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
    pieces = list(thought.pieces)
    pieces[index] = pieces[index]._replace(text=text)
    return dataclasses.replace(thought, pieces=tuple(pieces))


def _renumbered(thought: Thought, pieces: Sequence[Piece]) -> Thought:
    """The pieces with the path's steps numbered from 1 again."""
    made, number = [], 0
    for piece in pieces:
        if piece.kind == "step" and re.match(r"\s*\d+\.\s", piece.text):
            number += 1
            piece = piece._replace(text=re.sub(r"\d+", str(number), piece.text, count=1))
        made.append(piece)
    return dataclasses.replace(thought, pieces=tuple(made))
