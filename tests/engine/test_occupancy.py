"""How full the engine keeps its rows: GSM8K's own steps forced as the policy, programs that only pretend to compute."""

from __future__ import annotations

import functools
import json
import random
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from jorney.engine.decode import Chunk, DecodeRows, ExtendRows, PrefillTokens
from jorney.engine.drawing import Sampled, SamplingParams
from jorney.engine.engine import Engine
from jorney.engine.programs import Programs, Shape
from jorney.engine.texts import Request
from jorney.text.step_format import ABEL

W = K = 4
PIECES = re.compile(r"\d| ?[^\W\d]+|\s+|[^\w\s]+|_")  # about the tokens of today's models: words, single digits, signs


class Words:
    """Ids of pieces, in the order in which they are met."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}
        self.pieces: list[str] = []

    def encode(self, text: str) -> list[int]:
        for piece in PIECES.findall(text):
            if piece not in self.ids:
                self.ids[piece] = len(self.pieces)
                self.pieces.append(piece)
        return [self.ids[piece] for piece in PIECES.findall(text)]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.pieces[token] for token in ids)


class Scripted(Programs):
    """Programs that give every text the ids that stand in a script under its key, by the rules of `decode_chunk`."""

    def __init__(self, shape: Shape, script: dict[int, list[int]], vocab_size: int) -> None:
        self.shape, self.script, self.ends, self.vocab_size = shape, script, (-1,), vocab_size

    def share(self, ids: Sequence[int]) -> Any:
        return None

    def empty(self) -> Any:
        return None

    def read(self, shared: Any, pools: Any, what: ExtendRows | PrefillTokens, how: Any) -> Any:
        first = np.array([[self.script.get(int(key[0]), [0])[0] for key in keys] for keys in what.keys])
        return None, Sampled(first, 0.0 * first, 0.0 * first), int((what.slots < self.shape.slots).sum())

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
        return None, Chunk(Sampled(tokens, 0.0 * tokens, 0.0 * tokens), counts, watches, np.int32(steps), np.int32(writes))


@pytest.mark.parametrize("chunk", [pytest.param(8, marks=pytest.mark.slow), 16])
def test_rows_are_kept_full(gsm8k, chunk) -> None:
    """The steps of a level are those of many solutions at this depth, for a model's differ in length as much."""
    solutions = []
    with (gsm8k / "test.jsonl").open() as lines:
        for line in lines:
            steps = json.loads(line)["answer"].split("\n")[:-1]
            solutions.append([re.sub("<<.*?>>", "", step) for step in steps])
    deep = {level: [one for one in solutions if len(one) >= level] for level in range(1, max(map(len, solutions)) + 1)}
    words, rng, script = Words(), random.Random(0), {}

    def written(step: str, level: int) -> str:
        return f" {step}\n{level + 1}. Then it goes on and on with more of the next"

    def keys_of(level: int, count: int) -> np.ndarray:
        """Of texts: a step, the opening of the next, and how that begins."""
        found = []
        for _ in range(count):
            step = rng.choice(deep[level])[level - 1]
            script[len(script)] = words.encode(written(step, level)) + words.encode(" and more") * 64
            found.append((len(script) - 1, 0))
        return np.array(found, np.uint32)

    for solution in solutions:
        for level, step in enumerate(solution, start=1):
            words.encode(written(step, level))
    words.encode(" and more 0123456789")
    shape = Shape(problems=16, rows=4, slots=4096, chunk=chunk, texts=W)
    breaks = np.array(["\n" in piece for piece in words.pieces])
    engine = Engine(Scripted(shape, script, len(breaks)), (), SamplingParams.of(1.0), words.decode, breaks)
    waiting, live, levels = list(solutions[:480]), {}, {}

    def ask(root: Any, parents: Sequence[Any], depth: int, level: int) -> None:
        for parent in parents:
            cut = functools.partial(ABEL.end_of_step, k=level)
            opening = words.encode(f"\n{level}.") if level > 1 else words.encode("1.")
            live[engine.sample(parent, keys_of(level, W), 250, opening, cut, wait=3)] = root, depth, level

    while waiting or live:
        while waiting and engine.free:
            root = engine.open([0] * 150)
            levels[root] = []
            ask(root, [root], len(waiting.pop()), 1)
        for group in engine.step():
            root, depth, level = live.pop(group)
            levels[root].append(group)
            if any(other is root for other, _, _ in live.values()):
                continue
            done: list[Request] = levels[root]
            levels[root] = []
            texts = [text for one in done for text in one.texts]
            for text in texts:
                step = words.decode(script[int(text.key[0])])
                assert words.decode(text.ids) == step[: ABEL.end_of_step(step, level)]
            if level == depth:
                engine.close(root)
                continue
            ask(root, rng.sample(texts, K if level > 1 else min(K, len(texts))), depth, level + 1)
            for text in texts:
                text.release()
    assert engine.counts.occupancy >= 0.75
    assert engine.counts.writes <= engine.counts.read + engine.counts.sampled  # nothing twice
