"""A process reward model as a judge of steps."""

from __future__ import annotations

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
from jorney.sample.programs import bucket
from jorney.train.prm import encode_steps

AGGREGATES = ("min", "product", "last", "mean")


class PrmJudge:
    """Scores steps by a reward model with two labels a token.

    Args:
      rows: paths that are read together.
    """

    def __init__(
        self, reward_model: Policy, step_format: StepFormat, compilations: Compilations | None = None, rows: int = 64
    ) -> None:
        if reward_model.config.head == "lm" or reward_model.config.labels != 2:
            raise ValueError(f"{reward_model.source}: expected a reward model with two labels a token, wrong and right")
        self._model, self._format, self._rows = reward_model, step_format, rows
        self._compilations = compilations or Compilations()

    def __call__(self, requests: Sequence[tuple[Problem, Sequence[str]]]) -> list[Rating]:
        """Rates the last step of each path, steps given without their openings: the judge that `tree.expand` takes."""
        paths = []
        for problem, steps in requests:
            paths.append((problem, [self._format.opens(k) + step for k, step in enumerate(steps, start=1)]))
        return [Rating(scores[-1] > 0.5, "", scores[-1]) for scores in self.score(paths)]

    def score(self, paths: Sequence[tuple[Problem, Sequence[str]]]) -> list[list[float]]:
        """The probability that each step is right, for every step of each path, steps given with their openings.

        Raises:
          ValueError: a path is longer than the model's positions; names its problem.
        """
        encoded: list[tuple[list[int], list[int]]] = []
        room = self._model.config.positions
        for problem, steps in paths:
            ended = bool(steps) and final_answer(steps[-1]) is not None
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
