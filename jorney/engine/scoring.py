"""Log-likelihoods of given texts: how likely a model finds continuations of contexts.

Texts with a beginning in common are merged into trees of tokens, which are packed into rows (`batch.branches`): the choices of
a question read it once, and questions that begin with the same examples read these once a row. The head is read where a
continuation is predicted, and there alone, some places at a time.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jorney import sharding
from jorney.batch.branches import TokenTree, fill
from jorney.batch.packing import plan
from jorney.compiled import Compilations
from jorney.engine.programs import bucket
from jorney.model.architecture import ModelConfig
from jorney.model.params import Params
from jorney.model.transformer import branched_hidden_states, hidden_states, read_out
from jorney.policy import Policy, expect_language_model
from jorney.sharding import constrain

TRUNCATE = ("error", "left")
_ROW = 256  # positions of a row of short texts: longer ones attend to more in vain, shorter ones hold fewer whole trees
_LONG = 2048  # positions of a tree, where texts share most of what they are
_WORTH = 16  # ids in common that are worth a common tree
_TOKENS = {"cpu": 2048}  # positions that a device reads together; elsewhere more
_READ = {"cpu": 128}  # of which a device holds the logits at a time

# A context and its continuation, ids of both.
ScoreRequest = tuple[Sequence[int], Sequence[int]]


@dataclasses.dataclass(frozen=True)
class Likelihood:
    """Of a continuation, after its context.

    Attributes:
      log_prob: sum of the log-probabilities of its ids, under the model's own distribution (nats).
      greedy: at each of its ids no other is more likely.
      tokens: how many ids it has.
    """

    log_prob: float
    greedy: bool
    tokens: int


@dataclasses.dataclass
class _Grown:
    """A tree of texts, and where in it each request's continuation is predicted."""

    tree: TokenTree = dataclasses.field(default_factory=TokenTree)
    places: dict[int, list[int]] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class _Batch:
    """What is read together: rows [B, T], and of each continuation's ids the places [M] that predict them, and the ids."""

    tokens: np.ndarray
    positions: np.ndarray
    ends: np.ndarray
    places: np.ndarray
    targets: np.ndarray
    counts: dict[int, int]  # of each request, in the order of the places


class Scorer:
    """A policy that tells how likely it finds given texts.

    Args:
      policy: a language model; an adapter is used as it was loaded.
      compilations: where programs are kept and counted: few, for lengths and numbers of rows are rounded up.
      tokens: positions that a device reads together; by default what suits its kind.
      max_length: ids that the model is given at most; by default its positions.
      truncate: of what is longer: "error" refuses it; "left" leaves out the first ids.

    Raises:
      ValueError: the model is none of language, has adapters to choose from, or a setting is not as expected.
    """

    def __init__(
        self,
        policy: Policy,
        compilations: Compilations | None = None,
        tokens: int | None = None,
        max_length: int | None = None,
        truncate: str = "error",
    ) -> None:
        config = policy.config
        expect_language_model(config, policy.source, "score with")
        if policy.adapters:
            raise ValueError(f"{policy.source}: has adapters to choose from: expected a model that was loaded with one at most")
        if truncate not in TRUNCATE:
            raise ValueError(f"truncate = {truncate!r}: expected one of {', '.join(TRUNCATE)}")
        if max_length is not None and not 1 <= max_length <= config.positions:
            raise ValueError(f"max_length = {max_length}: expected 1 to {config.positions}, the model's positions")
        if tokens is not None and tokens < 1:
            raise ValueError(f"tokens = {tokens}: expected 1 or more")
        platform = policy.mesh.devices.flat[0].platform
        self._policy, self._compilations = policy, compilations or Compilations()
        self._tokens = tokens or _TOKENS.get(platform, 8192)
        self._max_length, self._truncate = max_length or config.positions, truncate
        self._ways = sharding.ways("batch", policy.mesh)
        self._piece = self._ways * _READ.get(platform, 512)

    def score(self, requests: Sequence[ScoreRequest]) -> list[Likelihood]:
        """The likelihood of each continuation, in the order of the requests; see `stream`."""
        found = dict(self.stream(requests))
        return [found[index] for index in range(len(requests))]

    def stream(self, requests: Sequence[ScoreRequest]) -> Iterator[tuple[int, Likelihood]]:
        """(index of the request, its likelihood), as batches end: the longest first.

        Args:
          requests: ids of a context, at least one, and of what follows it, at least one.

        Raises:
          ValueError: a request is empty, has an id that the model does not know, or is too long; names its index. Nothing was
            computed then.
        """
        texts = [self._checked(index, *request) for index, request in enumerate(requests)]
        return self._run(texts)

    def _checked(self, index: int, context: Sequence[int], continuation: Sequence[int]) -> tuple[list[int], list[int]]:
        """What the model reads, the last id left out, and the continuation."""
        for name, ids in (("context", context), ("continuation", continuation)):
            if not ids:
                raise ValueError(f"request {index}: its {name} has no ids: expected one at least")
            if not (min(ids) >= 0 and max(ids) < self._policy.config.vocab_size):
                raise ValueError(f"request {index}: its {name}: expected ids below {self._policy.config.vocab_size}")
        read, most = [*context, *continuation[:-1]], self._max_length
        if len(read) > most and self._truncate == "error":
            raise ValueError(
                f"request {index}: {len(context)} ids of context and {len(continuation)} after it: expected {most + 1} at "
                f"most, {most} that are read and the last; truncate = 'left' leaves out the first"
            )
        if len(continuation) > most:
            raise ValueError(f"request {index}: its continuation has {len(continuation)} ids: expected {most} at most")
        return read[-most:], list(continuation)

    def _run(self, texts: Sequence[tuple[list[int], list[int]]]) -> Iterator[tuple[int, Likelihood]]:
        if not texts:
            return
        # Distances in a row of trees are not those in the text: where a window counts them, texts stand apart.
        window, config = self._policy.config.window, self._policy.config
        apart = window is not None and window < max(len(read) for read, _ in texts)
        program = self._program(config if apart else dataclasses.replace(config, window=None), apart)
        under_way: tuple[_Batch, Any] | None = None
        for batch in self._batches(texts, grow(texts, apart)):
            with jax.set_mesh(self._policy.mesh):
                pieces = np.int32(-(-sum(batch.counts.values()) // self._piece))
                arrays = batch.tokens, batch.positions, batch.ends, batch.places, batch.targets, pieces
                made = program(self._policy.params, *arrays)
            if under_way is not None:  # the next batch is laid out while this one is computed
                yield from _read_off(*under_way)
            under_way = batch, made
        assert under_way is not None
        yield from _read_off(*under_way)

    def _program(self, config: ModelConfig, apart: bool) -> Any:
        policy = self._policy
        statics = config, policy.dtype, self._piece, apart
        return self._compilations.program(
            ("scoring", *statics, policy.mesh), "scoring", functools.partial(_likelihoods, *statics), policy.products
        )

    def _batches(self, texts: Sequence[tuple[list[int], list[int]]], grown: Sequence[_Grown]) -> Iterator[_Batch]:
        """The trees in rows, those of a length together; the longest first."""
        by_size = sorted(grown, key=lambda one: -len(one.tree.tokens))
        for size, members in itertools.groupby(by_size, key=lambda one: bucket(max(_ROW, len(one.tree.tokens)))):
            own = list(members)
            lengths = [len(one.tree.tokens) for one in own]
            length = bucket(max(lengths[0], min(_ROW, sum(lengths)))) if size == bucket(_ROW) else size
            rows = plan(lengths, length)
            most = max(1, self._tokens // length) * self._ways
            together = -(-len(rows) // -(-len(rows) // most))
            together = min(most, self._ways * _few(-(-together // self._ways)))
            for start in range(0, len(rows), together):
                yield self._batch(texts, own, rows[start : start + together], (together, length))

    def _batch(
        self,
        texts: Sequence[tuple[list[int], list[int]]],
        grown: Sequence[_Grown],
        rows: Sequence[Sequence[int]],
        shape: tuple[int, int],
    ) -> _Batch:
        tokens, positions, ends, begins = fill([one.tree for one in grown], rows, shape)
        places: list[int] = []
        targets: list[int] = []
        counts: dict[int, int] = {}
        for index, (row, start) in begins.items():
            for request, own in grown[index].places.items():
                places += (row * shape[1] + start + place for place in own)
                targets += texts[request][1]
                counts[request] = len(own)
        room = -(-shape[0] * shape[1] // self._piece) * self._piece
        while room < len(places):  # many continuations of one id
            room *= 2
        padding = (0, room - len(places))
        own_places, own_targets = (np.pad(np.array(one, np.int32), padding) for one in (places, targets))
        return _Batch(tokens, positions, ends, own_places, own_targets, counts)


def grow(texts: Iterable[tuple[list[int], list[int]]], apart: bool = False) -> list[_Grown]:
    """Merges texts into trees.

    Args:
      texts: ids that are read, and the continuation, whose first ids are the last of those.
      apart: whether each text is a tree of its own.
    """
    found: list[_Grown] = []
    given = list(texts)
    room = 0
    for index in sorted(range(len(given)), key=lambda at: given[at][0]):
        ids, continuation = given[index]
        shared = found[-1].tree.shared(ids) if found and not apart else 0
        # What differs most from the others would only make rows longer.
        limit = room if 2 * shared >= len(ids) else _ROW
        if shared < min(_WORTH, len(ids) / 2) or not found or len(found[-1].tree.tokens) + len(ids) - shared > limit:
            found.append(_Grown())
            room = max(_ROW, min(_LONG, 4 * len(ids)))
        path = found[-1].tree.add(ids)
        found[-1].places[index] = path[len(path) - len(continuation) :]
    return found


def _few(rows: int) -> int:
    """Numbers of rows are rounded up to 1, 2, 3, 4, 6, 8, 12, ..., so that few programs serve all."""
    power = 1 << (rows - 1).bit_length()
    return power * 3 // 4 if rows <= power * 3 // 4 and power > 2 else power


def _read_off(batch: _Batch, made: Any) -> Iterator[tuple[int, Likelihood]]:
    log_probs, greedy = jax.device_get(made)
    start = 0
    for request, count in batch.counts.items():
        own = slice(start, start + count)
        yield request, Likelihood(float(np.sum(log_probs[own], dtype=np.float64)), bool(np.all(greedy[own])), count)
        start = own.stop


def _likelihoods(
    config: ModelConfig,
    dtype: Any,
    piece: int,
    apart: bool,
    params: Params,
    tokens: jax.Array,
    positions: jax.Array,
    ends: jax.Array,
    places: jax.Array,
    targets: jax.Array,
    pieces: jax.Array,
) -> tuple[jax.Array, jax.Array]:
    """Log-probabilities [M] float32 of ids, and whether no other is more likely.

    Args:
      piece: C, places whose logits are held at a time.
      apart: trees are single texts, and their ends tell them from each other.
      tokens, positions, ends: [B, T] int32, see `BranchedRows`.
      places: [M] int32, in all rows one after the other, M in whole pieces.
      targets: [M] int32.
      pieces: [] int32, how many of them are read.
    """
    forward = hidden_states if apart else branched_hidden_states
    hidden = forward(config, params, tokens, ends, positions, dtype)
    hidden = constrain(hidden.reshape(-1, hidden.shape[-1]), None, None)

    def one(number: jax.Array, found: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        own, target = (jax.lax.dynamic_slice_in_dim(x, number * piece, piece) for x in (places, targets))
        scores = constrain(read_out(config, params, constrain(hidden[own], "batch", None)), "batch", "vocab")
        highest = jnp.max(scores, axis=-1, keepdims=True)
        sums = jnp.sum(jnp.exp(scores - highest), axis=-1, keepdims=True)
        if sharding.ways("vocab") > 1:  # each device looks in its part of the vocabulary
            ids = jax.lax.broadcasted_iota(jnp.int32, scores.shape, 1)
            chosen = jnp.sum(jnp.where(ids == target[:, None], scores, 0), axis=-1, keepdims=True)
        else:
            chosen = jnp.take_along_axis(scores, target[:, None], axis=-1)
        made = (chosen - highest - jnp.log(sums))[:, 0], (chosen >= highest)[:, 0]
        log_probs, greedy = (
            jax.lax.dynamic_update_slice_in_dim(whole, constrain(part, None), number * piece, 0)
            for whole, part in zip(found, made, strict=True)
        )
        return log_probs, greedy

    nothing = jnp.zeros(places.shape, jnp.float32), jnp.zeros(places.shape, bool)
    return jax.lax.fori_loop(0, pieces, one, nothing)
