"""Aimless walks among numbers: what the embedded base model learns from (`train_base_model.py`)."""

from __future__ import annotations

import random
from collections.abc import Iterator

from jorney.domain.countdown.game import Numbers, Step, moves
from jorney.domain.countdown.sets import split_of


def aimless_question(numbers: Numbers, mark: int | None = None) -> str:
    """What the embedded base model's walks begin with: a question that names no target, a number to look out for at most."""
    listed = ", ".join(map(str, numbers))
    return f"Explore {listed}." if mark is None else f"Mark {mark}. Explore {listed}."


def wander(numbers: Numbers, rng: random.Random, mark: int | None = None) -> Iterator[str]:
    """Endless lines of an aimless walk, for the embedded base model.

    They are legal steps, what two numbers give, and going back to an earlier state, from where a step that was not tried there
    before is taken while there is one. Where a walk looks out for a number, it compares with it what it comes to, as any
    language model can; where it goes does not depend on that number, and no line ends it. Four numbers or more that belong to
    other sets than "train" are avoided.

    Raises:
      ValueError: there is no such step from `numbers`.
    """
    trail = [numbers]
    tried: dict[Numbers, set[Step]] = {}
    while True:
        state = trail[-1]
        options = [step for step in moves(state) if len(step.left) < 4 or split_of(step.left) == "train"]
        if len(trail) == 1 and not options:
            raise ValueError(f"no step leads from {numbers} but to numbers of other sets than 'train'")
        fresh = [step for step in options if step not in tried.get(state, ())]
        if len(trail) == 1 and not fresh:
            tried, fresh = {}, options
        if len(state) == 2 and rng.random() < 0.25:
            values = sorted({step.result for step in options})
            yield f"Here {state[0]} and {state[1]} give {', '.join(map(str, values))}."
            if mark is not None:
                yield f"So {mark} is there." if mark in values else f"But {mark} is not there."
        if len(state) == 1 and mark is not None:
            yield f"So {state[0]} is {mark}." if state[0] == mark else f"But {state[0]} is not {mark}."
        if len(trail) > 1 and (not fresh or rng.random() < 0.12):
            trail = trail[: rng.randrange(1, len(trail))]
            yield f"Go back to {', '.join(map(str, trail[-1]))}."
        else:
            step = rng.choice(fresh)
            tried.setdefault(state, set()).add(step)
            trail.append(step.left)
            yield f"{len(trail) - 1}. {step}"
