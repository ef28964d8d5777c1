"""A process reward model as a judge of steps."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from jorney.answers import final_answer
from jorney.compiled import Compilations
from jorney.data.problems import Problem
from jorney.data.steps import StepFormat
from jorney.judge.verifier import Rating
from jorney.model.params import Params
from jorney.model.transformer import hidden_states, read_out
from jorney.policy import Policy
from jorney.sample.engine import Engine
from jorney.sample.generate import engine_params
from jorney.sample.programs import Programs, Shape, bucket
from jorney.sample.sampling import knobs
from jorney.sample.texts import Group
from jorney.train.prm import encode_steps

AGGREGATES = ("min", "product", "last", "mean")
PROBLEMS_HELD = 16  # whose paths a judge keeps in its cache


@dataclasses.dataclass(eq=False)
class _Step:
    """A step that the engine has read, or a prompt; and those that were read after it, by their lines."""

    group: Group
    next: dict[str, _Step] = dataclasses.field(default_factory=dict)

    @property
    def score(self) -> float:
        """The probability that it is right, once it is read."""
        assert self.group.values is not None
        return float(jax.nn.softmax(self.group.values)[1])


class PrmJudge:
    """Scores steps by a reward model with two labels a token.

    Args:
      rows: paths that are read together, by `score`.
      problems: whose paths are kept in the cache, for calls.
    """

    def __init__(
        self,
        reward_model: Policy,
        step_format: StepFormat,
        compilations: Compilations | None = None,
        rows: int = 64,
        problems: int = PROBLEMS_HELD,
    ) -> None:
        if reward_model.config.head == "lm" or reward_model.config.labels != 2:
            raise ValueError(f"{reward_model.source}: expected a reward model with two labels a token, wrong and right")
        self._model, self._format, self._rows = reward_model, step_format, rows
        self._compilations = compilations or Compilations()
        self._problems = problems
        self._engine: Engine | None = None
        self._slots = 0  # of a problem, in the engine
        self._known: dict[str, _Step] = {}  # each problem's prompt, that used last at the end

    def __call__(self, requests: Sequence[tuple[Problem, Sequence[str]]]) -> list[Rating]:
        """Rates the last step of each path, steps given without their openings: the judge that `tree.expand` takes.

        Only what is new is read: the steps before it are in the cache from when they were rated.

        Raises:
          ValueError: a path is longer than the model's positions; names its problem.
        """
        found: dict[int, _Step] = {}
        order = sorted(range(len(requests)), key=lambda index: requests[index][0].id)
        by_problem = [list(own) for _, own in itertools.groupby(order, key=lambda index: requests[index][0].id)]
        for start in range(0, len(by_problem), self._problems):
            members = [index for own in by_problem[start : start + self._problems] for index in own]
            engine = self._engine_for([requests[index] for index in members])
            for index in members:
                found[index] = self._ask(engine, *requests[index])
            waiting = {found[index].group for index in members if found[index].group.values is None}
            while waiting:
                waiting.difference_update(engine.step())
        scores = [found[index].score for index in range(len(requests))]
        return [Rating(score > 0.5, "", score) for score in scores]

    def _lines(self, steps: Sequence[str]) -> list[str]:
        """The steps as they are written; one that states the answer is the last, and has no line break behind it."""
        ended = final_answer(steps[-1], self._format.mark) is not None
        return self._format.lines([self._format.opens(k) + step for k, step in enumerate(steps, start=1)], goes_on=not ended)

    def _engine_for(self, requests: Sequence[tuple[Problem, Sequence[str]]]) -> Engine:
        """The engine, made anew where a path needs more room than it has."""
        encode, longest = self._model.tokenizer.encode_after, 0
        for problem, steps in requests:
            count = len(self._prompt(problem)) + sum(len(encode(line)) for line in self._lines(steps))
            if count > self._model.config.positions:
                raise ValueError(
                    f"problem {problem.id!r}: a path of {len(steps)} steps has {count} tokens: "
                    f"expected at most the reward model's {self._model.config.positions} positions"
                )
            longest = max(longest, count)
        if self._engine is None or longest > self._slots:
            shape, model = engine_shape(self._problems, longest), self._model
            self._slots = shape.slots
            programs = Programs(
                model.config, engine_params(model), model.mesh, model.dtype, model.ends, shape, self._compilations
            )
            self._engine, self._known = Engine(programs, (), knobs(0.0), model.tokenizer.decode), {}
        return self._engine

    def _prompt(self, problem: Problem) -> list[int]:
        return self._format.encode(self._model.tokenizer, problem.question)

    def _ask(self, engine: Engine, problem: Problem, steps: Sequence[str]) -> _Step:
        """Asks for what of a path is not known; returns its last step."""
        if problem.id not in self._known:
            if not engine.free:
                oldest = next(iter(self._known))
                engine.close(self._known.pop(oldest).group.after)
            self._known[problem.id] = _Step(engine.read(engine.open(self._prompt(problem))))
        self._known[problem.id] = step = self._known.pop(problem.id)
        for line in self._lines(steps):
            if line not in step.next:
                step.next[line] = _Step(engine.read(step.group.after, self._model.tokenizer.encode_after(line)))
            step = step.next[line]
        return step

    def score(self, paths: Sequence[tuple[Problem, Sequence[str]]]) -> list[list[float]]:
        """The probability that each step is right, for every step of each path, steps given with their openings.

        Raises:
          ValueError: a path is longer than the model's positions; names its problem.
        """
        encoded: list[tuple[list[int], list[int]]] = []
        room = self._model.config.positions
        for problem, steps in paths:
            ended = bool(steps) and final_answer(steps[-1], self._format.mark) is not None
            ids, ends = encode_steps(self._model.tokenizer, self._format, problem.question, steps, goes_on=not ended)
            if len(ids) > room:  # attention grows with the square of the length: it would take all memory first
                raise ValueError(
                    f"problem {problem.id!r}: a path of {len(steps)} steps has {len(ids)} tokens: "
                    f"expected at most the reward model's {room} positions"
                )
            encoded.append((ids, ends))
        order = sorted((index for index, (_, ends) in enumerate(encoded) if ends), key=lambda index: len(encoded[index][0]))
        found: list[list[float]] = [[] for _ in paths]
        for start in range(0, len(order), self._rows):
            members = order[start : start + self._rows]
            scores = self._read([encoded[index][0] for index in members])
            for row, index in enumerate(members):
                found[index] = [float(scores[row, end]) for end in encoded[index][1]]
        return found

    def _read(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """[rows, length] probability of "right" at every token."""
        model = self._model
        length = bucket(max(map(len, rows)))
        tokens, segments = np.zeros((self._rows, length), np.int32), np.zeros((self._rows, length), np.int32)
        for row, ids in enumerate(rows):
            tokens[row, : len(ids)], segments[row, : len(ids)] = ids, 1

        config, dtype = model.config, model.dtype  # programs outlive the model: they must not hold on to its parameters

        def probabilities(params: Params, tokens: jax.Array, segments: jax.Array) -> jax.Array:
            positions = jnp.broadcast_to(jnp.arange(tokens.shape[1]), tokens.shape)
            hidden = hidden_states(config, params, tokens, segments, positions, dtype)
            return jax.nn.softmax(read_out(config, params, hidden))[..., 1]

        key = ("reward", config, dtype, model.mesh)
        program = self._compilations.program(key, "reward model", probabilities)
        with jax.set_mesh(model.mesh):
            return np.asarray(jax.device_get(program(model.params, tokens, segments)))


def engine_shape(problems: int, longest: int) -> Shape:
    """Of the engine that rates the steps of so many problems, paths of so many tokens at most."""
    return Shape(problems, rows=1, slots=bucket(2 * longest), chunk=1, texts=1)


def solution_score(scores: Sequence[float], how: str = "min") -> float:
    """One score for a solution from those of its steps.

    Args:
      how: "min" (Math-Shepherd), "product" (Lightman), "last" (search-and-learn) or "mean" (RLHFlow).

    Raises:
      ValueError: there are no scores, or `how` is unknown.
    """
    if not scores:
        raise ValueError("there are no scores: expected one for each step")
    if how not in AGGREGATES:
        raise ValueError(f"how = {how!r}: expected one of {', '.join(AGGREGATES)}")
    if how == "product":
        return float(np.prod(scores))
    return float({"min": min(scores), "last": scores[-1], "mean": sum(scores) / len(scores)}[how])
