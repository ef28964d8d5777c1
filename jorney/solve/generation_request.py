"""What a task of lm-evaluation-harness asks of generated texts, by the names that tasks have for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from jorney.engine.generate import SamplingConfig

_LIMITS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")  # names of one thing, the first wins
_CHUNK = 16  # ids between two looks for a stop
# What transformers takes too, at values that change nothing.
_NEUTRAL: dict[str, Any] = {"num_beams": 1, "repetition_penalty": 1.0, "num_return_sequences": 1, "use_cache": True}


@dataclasses.dataclass(frozen=True)
class GenerationRequest:
    """What a task of lm-evaluation-harness wants of texts.

    Attributes:
      sampling: how they are drawn.
      limit: ids of a text at most.
      until: where it is over.
    """

    sampling: SamplingConfig
    limit: int
    until: tuple[str, ...]

    @classmethod
    def of(cls, given: Mapping[str, Any], limit: int) -> GenerationRequest:
        """Of a task's generation_kwargs; greedy unless they say otherwise.

        Args:
          limit: ids of a text at most, where they say nothing.

        Raises:
          ValueError: they have what is not known here; names it.
        """
        left = dict(given)
        until = left.pop("until", None) or []
        stated = [value for name in _LIMITS if (value := left.pop(name, None)) is not None]
        limit = int(stated[0]) if stated else limit
        temperature = float(left.pop("temperature", None) or 0.0)
        if left.pop("do_sample", None) is False:
            temperature = 0.0
        top_p, min_p = float(left.pop("top_p", None) or 1.0), float(left.pop("min_p", None) or 0.0)
        top_k = int(left.pop("top_k", None) or 0)
        if unknown := [f"{k} = {v!r}" for k, v in left.items() if v is not None and (k not in _NEUTRAL or v != _NEUTRAL[k])]:
            known = ", ".join(("until", "do_sample", "temperature", "top_p", "top_k", "min_p", *_LIMITS))
            raise ValueError(f"generation_kwargs: {', '.join(unknown)}: expected some of {known}")
        sampling = SamplingConfig(
            max_tokens=limit, temperature=temperature, top_p=top_p, top_k=top_k, min_p=min_p, chunk=_CHUNK
        )
        return cls(sampling, limit, tuple(term for term in ([until] if isinstance(until, str) else until) if term))


def first_of(text: str, terms: Sequence[str], start: int = 0) -> int | None:
    """Where the first of the terms begins, from `start` on; None where none is there."""
    return min((at for term in terms if (at := text.find(term, start)) >= 0), default=None)
