"""The engine's schedule, replayed: trees over written solutions grow without a model, and what would run is counted.

The engine is the real one; its programs only pretend. They give every text the step that it is scripted to write, by the rules
of `decode_chunk`.
"""

from __future__ import annotations

import collections
import dataclasses
import functools
import random
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jorney.engine.decode import Chunk, DecodeRows, ExtendRows, PrefillTokens
from jorney.engine.drawing import Sampled, SamplingParams
from jorney.engine.engine import Engine
from jorney.engine.programs import Programs, Shape
from jorney.engine.spans import Span
from jorney.engine.texts import Counts, Text
from jorney.model.ragged import BLOCK
from jorney.text.step_format import ABEL

_PIECES = re.compile(r"\d| ?[^\W\d]+|\s+|[^\w\s]+|_")  # about the tokens of today's models: words, single digits, signs
_ON = " and more"  # what a model would write if nothing stopped it


def steps_of(solution: str) -> list[str]:
    """The steps of a solution in Abel's format, without their numbers and the answer."""
    return [ABEL.unopened(ABEL.stated(step)[0], k).strip() for k, step in enumerate(ABEL.split(solution), start=1)]


class Call(NamedTuple):
    """A program, by what it is compiled for.

    Attributes:
      kind: "decode", "extend" or "prefill".
      number: rows, reads, or beginnings in each part of the devices.
      length: ids of each, of a prefill in all; 1 of decoding.
      reach: slots of a pool that are read, or written.
    """

    kind: str
    number: int
    length: int
    reach: int


@dataclasses.dataclass
class Replay:
    """What ran.

    Attributes:
      runs: how often each program; of decoding, how many chunks.
      steps: tokens a row of each decoding program, in all.
      live: tokens of the cache, of all problems, that the active rows of a step look at, summed over the steps.
      blocks: of slots, that hold such tokens (`model.ragged`); likewise.
      counts: the engine's own.
    """

    runs: collections.Counter[Call]
    steps: collections.Counter[Call]
    live: collections.Counter[Call]
    blocks: collections.Counter[Call]
    counts: Counts


class _Words:
    """Ids of pieces, in the order in which they are met."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self.pieces: list[str] = []

    def encode(self, text: str) -> list[int]:
        found = []
        for piece in _PIECES.findall(text):
            if piece not in self._ids:
                self._ids[piece] = len(self.pieces)
                self.pieces.append(piece)
            found.append(self._ids[piece])
        return found

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.pieces[token] for token in ids)


class Scripted(Programs):
    """Programs that give every text the ids that stand in a script under its key.

    Args:
      script: by the first number of a key.
      share: see `programs.patience`.
    """

    def __init__(self, shape: Shape, script: dict[int, list[int]], vocab_size: int, share: float) -> None:
        self.shape, self.script, self.ends, self.vocab_size, self.patience = shape, script, (-1,), vocab_size, share
        self.adapted, self._wanted = False, collections.Counter[Any]()
        self.runs: collections.Counter[Call] = collections.Counter()
        self.steps: collections.Counter[Call] = collections.Counter()
        self.live: collections.Counter[Call] = collections.Counter()
        self.blocks: collections.Counter[Call] = collections.Counter()

    def share(self, ids: Sequence[int]) -> Any:
        return None

    def empty(self) -> Any:
        return None

    def read(self, shared: Any, pools: Any, what: ExtendRows | PrefillTokens, how: Any) -> Any:
        first = np.array([[self.script.get(int(key[0]), [0])[0] for key in keys] for keys in what.keys])
        if isinstance(what, PrefillTokens):
            self.runs[Call("prefill", what.lasts.shape[1], what.tokens.shape[1], 8 * len(what.used))] += 1
        else:
            reads, length = what.tokens.shape
            self.runs[Call("extend", reads, length, 8 * what.visible.shape[1])] += 1
        return None, _sampled(first), int((what.slots < self.shape.slots).sum())

    def decode(self, shared: Any, pools: Any, rows: DecodeRows, breaks: np.ndarray, patience: int, how: Any) -> Any:
        R, C = rows.slots.shape
        tokens, counts, watches, active = np.zeros((R, C), int), np.zeros(R, int), rows.watches.copy(), rows.active.copy()
        steps = writes = 0
        while steps < C and active.any() and rows.active.sum() - active.sum() < patience:
            for row in np.flatnonzero(active):
                count = rows.counts[row] + counts[row]
                token = self.script[int(rows.keys[row, 0])][count]
                tokens[row, steps], counts[row], writes = token, counts[row] + 1, writes + 1
                watches[row] = rows.waits[row] if breaks[token] else max(watches[row] - 1, -1)
                active[row] = not (count + 1 >= rows.limits[row] or watches[row] == 0)
            steps += 1
        call = Call("decode", R, 1, 8 * rows.visible.shape[1])
        self.runs[call] += 1
        self.steps[call] += steps
        seen = np.unpackbits(rows.visible, axis=-1) & rows.active[:, None]
        of_problems = seen.reshape(-1, R // self.shape.problems, seen.shape[1]).any(axis=1)
        self.live[call] += steps * int(of_problems.sum())
        starts = np.arange(0, seen.shape[1], BLOCK)
        self.blocks[call] += steps * int(np.logical_or.reduceat(of_problems, starts, axis=1).sum())
        made: list[Any] = [_sampled(tokens), counts, watches, np.int32(steps), np.int32(writes)]
        return None, Chunk(*made)


def _sampled(tokens: Any) -> Sampled:
    return Sampled(tokens, 0.0 * tokens, 0.0 * tokens)


def replay(
    shape: Shape,
    solutions: Sequence[Sequence[str]],
    w: int,
    k: int,
    prompt: int = 150,
    seed: int = 0,
    share: float = 1 / 32,
    spacious: bool = False,
) -> Replay:
    """Grows a tree over each of the solutions, as deep as it has steps: w texts after each of k of a level's.

    The steps of a level are those of all solutions at this depth, at random: a model's differ in length as much.

    Args:
      solutions: of each its steps, without their numbers.
      prompt: ids of a question.
      share: how patient the engine is, see `programs.patience`.
      spacious: see `Engine`.

    Raises:
      AssertionError: the engine gave a text another end than its step's.
    """
    deepest = max(map(len, solutions))
    at = {level: [one[level - 1] for one in solutions if len(one) >= level] for level in range(1, deepest + 1)}
    words, rng, script = _Words(), random.Random(seed), dict[int, list[int]]()

    def written(step: str, level: int) -> str:
        return f" {step}\n{level + 1}. Then it goes on and on with more of the next"

    def keys_of(level: int) -> np.ndarray:
        found = []
        for _ in range(w):
            script[len(script)] = words.encode(written(rng.choice(at[level]), level)) + words.encode(_ON) * 64
            found.append((len(script) - 1, 0))
        return np.array(found, np.uint32)

    for level, steps in at.items():  # ids before the programs are made
        for step in steps:
            words.encode(written(step, level))
    words.encode(_ON + " 0123456789")
    breaks = np.array(["\n" in piece for piece in words.pieces])
    programs = Scripted(shape, script, len(breaks), share)
    engine = Engine(programs, (), SamplingParams.of(1.0), words.decode, breaks, spacious)
    waiting, live, levels = list(solutions), dict[Any, tuple[Span, int, int]](), dict[Span, list[Any]]()

    def ask(root: Span, parents: Sequence[Span], depth: int, level: int) -> None:
        for parent in parents:
            cut = functools.partial(ABEL.end_of_step, k=level)
            opening = words.encode(f"\n{level}.") if level > 1 else words.encode("1.")
            live[engine.sample(parent, keys_of(level), 250, opening, cut, wait=3)] = root, depth, level

    while waiting or live:
        while waiting and engine.free:
            root = engine.open([0] * prompt)
            levels[root] = []
            ask(root, [root], len(waiting.pop()), 1)
        for request in engine.step():
            root, depth, level = live.pop(request)
            levels[root].append(request)
            if any(other is root for other, _, _ in live.values()):
                continue
            texts: list[Text] = [text for one in levels[root] for text in one.texts]
            levels[root] = []
            for text in texts:
                step = words.decode(script[int(text.key[0])])
                assert words.decode(text.ids) == step[: ABEL.end_of_step(step, level)]
            if level == depth:
                engine.close(root)
                continue
            ask(root, rng.sample(texts, min(k, len(texts))), depth, level + 1)
            for text in texts:
                text.release()
    return Replay(programs.runs, programs.steps, programs.live, programs.blocks, engine.counts)
