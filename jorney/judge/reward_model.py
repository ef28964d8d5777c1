"""A process reward model as a judge of steps."""

from __future__ import annotations

import dataclasses
import itertools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jorney.compiled import Compilations, Program, needs_more
from jorney.domain.domain import Rating
from jorney.domain.problem import Problem
from jorney.engine.drawing import SamplingParams
from jorney.engine.engine import Engine
from jorney.engine.generate import engine_params
from jorney.engine.memory import Party, Tenant, admit, measured, too_much, weight_bytes
from jorney.engine.programs import Programs, Shape, Work, bucket
from jorney.engine.texts import Request
from jorney.judge.readouts import AUTO, Layout, choose, classifier, lay_out
from jorney.judge.threshold import THRESHOLD
from jorney.model.params import Params
from jorney.model.transformer import hidden_states, read_out
from jorney.policy import Policy
from jorney.text.step_format import StepFormat

# How the scores of a solution's steps make one: as Math-Shepherd, Lightman, search-and-learn and RLHFlow have it.
AGGREGATES: dict[str, Callable[[Sequence[float]], float]] = {
    "min": min,
    "product": math.prod,
    "last": operator.itemgetter(-1),
    "mean": lambda scores: sum(scores) / len(scores),
}
PROBLEMS_HELD = 16  # whose paths a judge keeps in its cache


@dataclasses.dataclass(eq=False)
class _TrieNode:
    """What the engine has read up to the end of a prompt or of a step; and what was read after it, by its ids."""

    request: Request
    children: dict[tuple[int, ...], _TrieNode] = dataclasses.field(default_factory=dict)


class PrmJudge:
    """Scores steps by a reward model.

    Args:
      readout: a key of `readouts.READOUTS`, or "auto" where the model's head says it.
      threshold: of a score, above which a step counts as right.
      rows: paths that are read together, by `score`; fewer, where memory is scarce.
      problems: whose paths are kept in the cache, for calls; fewer, where memory is scarce.
      donate: whether calls may take the model's parameters over, so that they are not held twice; `score` needs them as they
        were.

    Raises:
      ValueError: the model is not of the read-out's kind.
    """

    def __init__(
        self,
        reward_model: Policy,
        step_format: StepFormat,
        compilations: Compilations | None = None,
        rows: int = 64,
        problems: int = PROBLEMS_HELD,
        readout: str = AUTO,
        threshold: float = THRESHOLD,
        donate: bool = False,
    ) -> None:
        self.readout = choose(readout, reward_model.config, reward_model.source)
        self._model, self._format, self._rows = classifier(reward_model, self.readout), step_format, rows
        self._compilations = compilations or Compilations()
        self._problems, self._threshold, self._donate = problems, threshold, donate
        self._params: Params | None = None  # as engines read them
        self._engine: Engine | None = None
        self._shape: Shape | None = None  # of the engine
        self._room: float | None = None  # bytes of a device, for its cache: what it has been given beside a policy
        self._fitting: dict[int, int] = {}  # rows that are read together, by their length
        self._roots: dict[tuple[int, ...], _TrieNode] = {}  # by what their paths begin with, that used last at the end

    def __call__(self, requests: Sequence[tuple[Problem, Sequence[str]]]) -> list[Rating]:
        """Rates the last step of each path, steps given without their openings: the judge that `tree.expand` takes.

        Only what is new is read: the steps before it are in the cache from when they were rated. Where a chat template writes
        earlier turns otherwise once others follow, all of a path is new.

        Raises:
          ValueError: a path is longer than the model's positions; names its problem.
        """
        opens = self._format.opens
        layouts = [self._lay_out(p, [f"{opens(k)}{step}" for k, step in enumerate(own, start=1)]) for p, own in requests]
        found: dict[int, Request] = {}
        order = sorted(range(len(requests)), key=lambda index: layouts[index].root)
        by_root = [list(own) for _, own in itertools.groupby(order, key=lambda index: layouts[index].root)]
        while by_root:
            together = by_root[: self._problems]
            engine = self._engine_for(max(len(layouts[index].readings[-1]) for own in together for index in own))
            together = together[: engine.problems]  # fewer, where memory is scarce
            members = [index for own in together for index in own]
            by_root = by_root[len(together) :]
            found |= {index: self._ask(engine, layouts[index]) for index in members}
            waiting = {found[index] for index in members if found[index].values is None}
            while waiting:
                waiting.difference_update(engine.step())
        return [self._rating(found[index].values) for index in range(len(requests))]

    def _rating(self, values: Any) -> Rating:
        """By the probability of the good classes, of a head's values."""
        score = float(jnp.sum(jax.nn.softmax(values)[jnp.array(self.readout.good)]))
        return Rating(score > self._threshold, "", score)

    def _lay_out(self, problem: Problem, steps: Sequence[str]) -> Layout:
        found = lay_out(self.readout, self._model.tokenizer, self._format, problem.question, steps)
        count, room = max(map(len, found.readings), default=0), self._model.config.positions
        if count > room:  # attention grows with the square of the length: it would take all memory first
            raise ValueError(
                f"problem {problem.id!r}: a path of {len(steps)} steps has {count} tokens: "
                f"expected at most the reward model's {room} positions"
            )
        return found

    def beside(self, problems: Sequence[Problem], path: int) -> Party:
        """What it asks of devices on which a policy samples too; once given, its cache grows no more.

        Args:
          path: tokens of a path's steps, at most. Where its tokenizer and read-out make more of them, fewer paths are kept.
        """
        self._free()
        self._split()
        longest = max(len(self._lay_out(problem, ()).root) for problem in problems) + path
        tenant = self._tenant(longest)

        def settle(shape: Shape) -> None:
            self._room = tenant.cache(shape)
            self._make(shape)

        return Party(tenant, self._programs, settle)

    def _tenant(self, longest: int) -> Tenant:
        model = self._model
        work = held_work(self._problems, min(longest, model.config.positions))
        return Tenant("judge", model.config, model.dtype, model.mesh, work, 0)

    def _engine_for(self, longest: int) -> Engine:
        """The engine, made anew where a path needs more room than it has."""
        if self._engine is None or self._shape is None or longest > self._shape.slots:
            self._free()  # first: both may not fit
            tenant = self._tenant(longest)
            if self._room is not None:
                self._make(tenant.fit(self._room))
            else:
                self._split()
                shape, *_ = admit([Party(tenant, self._programs)], self._model.memory) or [tenant.fit(None)]
                self._make(shape)
        assert self._engine is not None
        return self._engine

    def _free(self) -> None:
        self._engine, self._roots = None, {}

    def _split(self) -> Params:
        if self._params is None:
            self._params = engine_params(self._model, self._donate)
        return self._params

    def _programs(self, shape: Shape) -> Programs:
        model = self._model
        about = (model.config, self._split(), model.mesh, model.dtype, model.ends)
        return Programs(*about, shape, self._compilations, model.precision)

    def _make(self, shape: Shape) -> None:
        self._shape = shape
        self._engine = Engine(self._programs(shape), (), SamplingParams.of(0.0), self._model.tokenizer.decode)

    def _ask(self, engine: Engine, layout: Layout) -> Request:
        """Asks for what of a path is not known; returns the request for where it ends."""
        root, *rest = layout.pieces
        if root not in self._roots:
            if not engine.free:
                oldest = next(iter(self._roots))
                engine.close(self._roots.pop(oldest).request.after)
            self._roots[root] = _TrieNode(engine.read(engine.open(root)))
        self._roots[root] = node = self._roots.pop(root)
        for ids in rest:
            if ids not in node.children:
                node.children[ids] = _TrieNode(engine.read(node.request.after, ids))
            node = node.children[ids]
        return node.request

    def score(self, paths: Sequence[tuple[Problem, Sequence[str]]]) -> list[list[float]]:
        """The probability that each step is right, for every step of each path, steps given with their openings.

        Raises:
          ValueError: a path is longer than the model's positions; names its problem. Or there is no room to read one path.
        """
        found = self.probabilities(paths)
        return [own[:, list(self.readout.good)].sum(axis=-1).tolist() for own in found]

    def probabilities(self, paths: Sequence[tuple[Problem, Sequence[str]]]) -> list[np.ndarray]:
        """[steps, classes] of each path; see `score`."""
        layouts = [self._lay_out(problem, steps) for problem, steps in paths]
        # A reading of a path's last step reads all of them, most often.
        texts = [
            (index, [(place, len(ids) - 1) for place, ids in enumerate(one.readings)], one.readings[-1])
            for index, one in enumerate(layouts)
            if one.readings and one.nested
        ]
        texts += [
            (index, [(place, len(ids) - 1)], ids)
            for index, one in enumerate(layouts)
            if not one.nested
            for place, ids in enumerate(one.readings)
        ]
        texts.sort(key=lambda text: len(text[2]))
        found = [np.zeros((len(one.readings), self._model.config.labels), np.float32) for one in layouts]
        while texts:
            rows = self._rows_of(bucket(len(texts[: self._rows][-1][2])))
            members, texts = texts[:rows], texts[rows:]
            read = self._read([ids for _, _, ids in members], rows)
            for row, (index, places, _) in enumerate(members):
                for place, end in places:
                    found[index][place] = read[row, end]
        return found

    def _rows_of(self, length: int) -> int:
        """How many rows of this length are read together: what the devices have room for.

        Raises:
          ValueError: for none; names all that is there.
        """
        model = self._model
        if length not in self._fitting:
            weights = {"the reward model's weights": weight_bytes(model.config, model.dtype, model.mesh)}
            memory, rows = measured(weights, model.mesh, model.memory), self._rows
            while memory and (needed := self._temporaries(rows, length)) > memory.free:
                if rows == 1:
                    raise ValueError(too_much(memory, {f"temporaries for a path of {length:,} tokens": needed}))
                rows = max(1, min(rows // 2, int(rows * max(0, memory.free) / needed)))
            self._fitting[length] = rows
        return self._fitting[length]

    def _temporaries(self, rows: int, length: int) -> float:
        """Bytes of a device that reading holds beside the weights."""
        text = jax.ShapeDtypeStruct((rows, length), jnp.int32)
        try:
            with jax.set_mesh(self._model.mesh):
                plan = self._reader().ahead(self._model.params, text, text).memory_analysis()
        except jax.errors.JaxRuntimeError as error:
            if (found := needs_more(error)) is None:
                raise
            return found[0] - weight_bytes(self._model.config, self._model.dtype, self._model.mesh)
        return plan.temp_size_in_bytes + plan.output_size_in_bytes

    def _read(self, texts: Sequence[Sequence[int]], rows: int) -> np.ndarray:
        """[rows, length, classes] probabilities at every token; of texts that are fewer than the rows, these come first."""
        assert not (self._donate and self._params), "the parameters were taken over by calls"
        length = bucket(max(map(len, texts)))
        tokens, segments = np.zeros((rows, length), np.int32), np.zeros((rows, length), np.int32)
        for row, ids in enumerate(texts):
            tokens[row, : len(ids)], segments[row, : len(ids)] = ids, 1
        with jax.set_mesh(self._model.mesh):
            return np.asarray(jax.device_get(self._reader()(self._model.params, tokens, segments)))

    def _reader(self) -> Program:
        """(parameters, tokens, segments [B, T]) -> [B, T, classes] probabilities at every token."""
        model = self._model
        config, dtype = model.config, model.dtype  # programs outlive the model: they must not hold on to its parameters

        def probabilities(params: Params, tokens: jax.Array, segments: jax.Array) -> jax.Array:
            positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
            hidden = hidden_states(config, params, tokens, segments, positions, dtype)
            return jax.nn.softmax(read_out(config, params, hidden))

        key = ("reward", config, dtype, model.mesh)
        return self._compilations.program(key, "reward model", probabilities, model.products)


def held_work(problems: int, longest: int) -> Work:
    """What an engine is asked for that rates the steps of so many problems, paths of so many tokens at most."""
    return Work(problems, rows=1, chunk=1, texts=1, needed=longest, wanted=2 * longest)


def solution_score(scores: Sequence[float], how: str = "min") -> float:
    """One score for a solution from those of its steps.

    Args:
      how: a key of AGGREGATES.

    Raises:
      ValueError: there are no scores, or `how` is unknown.
    """
    if not scores:
        raise ValueError("there are no scores: expected one for each step")
    if how not in AGGREGATES:
        raise ValueError(f"how = {how!r}: expected one of {', '.join(AGGREGATES)}")
    return float(AGGREGATES[how](scores))
