"""What a training's figures can be drawn over: steps, tokens, operations, hours, as far as its record tells them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from jorney.view.training.recorded import Recorded


@dataclasses.dataclass(frozen=True)
class Scale:
    """An x axis.

    Attributes:
      title: with the unit.
      of: a training -> what stands there at every step, [S] of values that rise, NaN where it is not known; None where the
        record does not tell it.
    """

    title: str
    of: Callable[[Recorded], np.ndarray | None]


def available(runs: Sequence[Recorded]) -> list[str]:
    """Keys of SCALES that at least one of the trainings tells."""
    return [name for name, scale in SCALES.items() if any(scale.of(run) is not None for run in runs)]


def _tokens(run: Recorded) -> np.ndarray | None:
    """Tokens so far: as counted (GRPO), from the batches' size and their padding, or from the rate of tokens and the time."""
    if run.has("num_tokens"):
        return run.values["num_tokens"]
    if run.every > 1:
        return None  # sums over steps, of which some are left out
    if (positions := _positions(run)) and run.has("padding"):
        return np.cumsum(positions * (1 - np.nan_to_num(run.values["padding"])))
    if run.has("seconds") and run.has("tokens_per_second_per_chip"):
        devices = _product(_at(run.settings, "mesh"))
        return _between(run, run.values["seconds"] * run.values["tokens_per_second_per_chip"] * devices)
    return None


def _hours(run: Recorded) -> np.ndarray | None:
    """Time of the steps, without compilation and saving; measured where the loop looked, in a straight line between."""
    return _between(run, run.values["seconds"] / 3600) if run.has("seconds") and run.every == 1 else None


def _flop(run: Recorded) -> np.ndarray | None:
    """Operations of forward and backward of the tokens so far, 6 for each weight of a matrix; without attention's own."""
    weights, tokens = _weights(run), _tokens(run)
    # Where adapters are trained, most weights have no gradient.
    adapted = any(_at(own, "lora", "rank") for own in _at(run.settings, "decides", default={}).values())
    if weights is None or tokens is None or adapted:
        return None
    return 6 * weights * tokens


SCALES = {
    "step": Scale("Step", lambda run: run.steps),
    "tokens": Scale("Tokens", _tokens),
    "flop": Scale("FLOP of training (6 a weight and token)", _flop),
    "hours": Scale("Hours of steps", _hours),
}


def _between(run: Recorded, measured: np.ndarray) -> np.ndarray:
    """What was measured since the last look, summed, at every step."""
    looks = np.isfinite(measured)
    total = np.cumsum(measured[looks])
    first = run.steps[0] - 1 if len(run.steps) else 0.0
    return np.interp(run.steps, np.r_[first, run.steps[looks]], np.r_[0.0, total], right=np.nan)


def _positions(run: Recorded) -> int | None:
    """Tokens and padding of a step's batch, where the settings tell it: rows, and how long they are."""
    for own in _at(run.settings, "decides", default={}).values():
        if isinstance(own, Mapping) and all(type(own.get(name)) is int for name in ("batch_rows", "row_length")):
            return int(own["batch_rows"]) * int(own["row_length"])
    return None


def _weights(run: Recorded) -> int | None:
    """Weights of the model's matrices, the head among them."""
    model = _at(run.settings, "decides", "model")
    names = ("embed", "heads", "kv_heads", "head_dim", "mlp", "layers", "vocab_size")
    if not isinstance(model, Mapping) or not all(type(model.get(name)) is int for name in names):
        return None
    embed, heads, kv_heads, head_dim, mlp, layers, vocabulary = (int(model[name]) for name in names)
    head = {"lm": vocabulary * embed}.get(str(model.get("head", "lm")), 0)  # a head of a few labels hardly counts
    return layers * (2 * embed * head_dim * (heads + kv_heads) + 3 * embed * mlp) + head


def _at(found: Any, *names: str, default: Any = None) -> Any:
    """What stands in objects within objects; `default` where it is not there."""
    for name in names:
        if not isinstance(found, Mapping) or name not in found:
            return default
        found = found[name]
    return found if default is None or isinstance(found, type(default)) else default


def _product(sizes: Any) -> int:
    """Of the mesh's axes: how many devices."""
    found = 1
    for size in sizes.values() if isinstance(sizes, Mapping) else ():
        found *= size if type(size) is int and size > 0 else 1
    return found
