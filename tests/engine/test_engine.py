"""The engine against its definition: every text is what an uncached forward gives, whatever else is under way."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from letters import Letters, letters_policy, uncached_text, whole_logits

from jorney import sharding
from jorney.compiled import Compilations
from jorney.engine.drawing import SamplingParams
from jorney.engine.engine import Engine
from jorney.engine.generate import engine_params, row_keys
from jorney.engine.programs import Programs, Shape
from jorney.engine.reads import arrays, batches
from jorney.engine.spans import Pool
from jorney.engine.texts import Request, Text
from jorney.machine.hlo import collective_traffic
from jorney.model import params as parameters
from jorney.model.params import param_shardings
from jorney.model.ragged import ragged_attention
from jorney.policy import Policy
from jorney.sharding import MeshConfig, make_mesh

SHAPE = Shape(problems=2, rows=2, slots=96, chunk=4, texts=3)
LIMIT = 9
COMPILED = Compilations()


@pytest.fixture(scope="module")
def letters(tiny, mesh1) -> Policy:
    return letters_policy(tiny, mesh1)


def make(
    policy: Policy, shape: Shape = SHAPE, shared: Sequence[int] = (), how: SamplingParams | None = None, **more: object
) -> Engine:
    programs = Programs(policy.config, engine_params(policy), policy.mesh, policy.dtype, policy.ends, shape, COMPILED)
    return Engine(programs, shared, how or SamplingParams.of(1.0), Letters().decode, **more)  # type: ignore[arg-type]


def on_mesh(letters: Policy, **sizes: int) -> Policy:
    """The same model on several devices."""
    mesh = make_mesh(MeshConfig(**{"data": 1, **sizes}))
    return dataclasses.replace(letters, mesh=mesh, params=jax.device_put(letters.params, param_shardings(letters.config, mesh)))


def ids(text: Text) -> list[int]:
    """All ids that stand before a span, its own included."""
    return [token for span in text.path() for token in span.ids]


def grow(engine: Engine, prompts: Sequence[Sequence[int]], seed: int, depth: int = 3) -> list[Text]:
    """Trees of random choices, everything under way at once; returns their texts, in an order of their own."""
    waiting = list(enumerate(prompts))
    levels: dict[Request, tuple[int, int]] = {}
    roots, found, under_way = {}, [], {}
    while waiting or levels:
        while waiting and engine.free:
            index, prompt = waiting.pop(0)
            roots[index], under_way[index] = engine.open(prompt), 1
            levels[engine.sample(roots[index], row_keys(seed, str(index), 3), LIMIT)] = index, 1
        for group in engine.step():
            index, level = levels.pop(group)
            found += group.texts
            under_way[index] -= 1
            rng = random.Random(f"{seed}/{index}/{[text.ids for text in group.texts]}")
            kept = [text for text in group.texts if level < depth and text.ids[-1] != Letters.eos]
            kept = kept[: rng.randint(0, 3)] if level > 1 else kept
            for text in group.texts:
                if text not in kept:
                    text.release()
            for place, text in enumerate(kept):
                opening = [5, 6, 7][: rng.randint(0, 3)]
                keys = row_keys(seed, f"{index}/{level}/{place}/{text.ids}", 2)
                levels[engine.sample(text, keys, LIMIT, opening)] = index, level + 1
                under_way[index] += 1
                text.release()
            if not under_way[index]:
                engine.close(roots[index])
    return found


PROMPTS = [[1, *range(3, 3 + length)] for length in (4, 11, 2, 7)]


@pytest.fixture(scope="module")
def forest(letters) -> list[Text]:
    return grow(make(letters), PROMPTS, seed=0)


def test_every_text_is_what_an_uncached_forward_gives(letters, forest) -> None:
    """Forked, promoted after forced openings, in rows that were refilled: the same ids and log-probabilities."""
    assert len(forest) > 40
    for text in forest:
        before = ids(text)[: text.start]
        assert text.ids == uncached_text(letters, before, text.key, LIMIT, SamplingParams.of(1.0))
        assert text.finished == (text.ids[-1] == Letters.eos)
    for text in forest[::7]:
        scores = jax.nn.log_softmax(whole_logits(letters, jnp.asarray([ids(text)]))[0, text.start - 1 : -1])
        np.testing.assert_allclose(text.log_probs, scores[np.arange(len(text.ids)), np.array(text.ids)], atol=2e-5)


def plain(texts: Sequence[Text], shared: Sequence[int] = ()) -> list[tuple[list[int], list[int]]]:
    return sorted((text.key.tolist(), [*shared, *ids(text)]) for text in texts)


@pytest.mark.parametrize(
    "changed",
    [
        {"rows": 1},
        {"rows": 3, "chunk": 1},
        {"problems": 4},
        {"problems": 1, "chunk": 16},
        {"slots": 48},
        {"slots": 48, "rows": 3},
    ],
)
def test_nothing_depends_on_the_shape(letters, forest, changed) -> None:
    """Nor on a cache that is too small, where texts are dropped and read again."""
    engine = make(letters, dataclasses.replace(SHAPE, **changed))
    assert plain(grow(engine, PROMPTS, seed=0)) == plain(forest)


def test_nothing_depends_on_the_pieces(letters, forest, monkeypatch) -> None:
    """Pools of four pieces: chunks and reads look at the first alone, or at more of them."""
    monkeypatch.setattr("jorney.engine.programs._PIECE", 12)
    monkeypatch.setattr("jorney.engine.programs._WORTH", 0)
    assert SHAPE.pieces == (16, 8, 24, 48)
    engine, kept = make(letters), set()
    decode = engine._programs.decode

    def watched(shared, pools, rows, *more):
        kept.add((len(rows.active), rows.visible.shape[1] * 8))
        return decode(shared, pools, rows, *more)

    monkeypatch.setattr(engine._programs, "decode", watched)
    assert plain(grow(engine, PROMPTS, seed=0)) == plain(forest)
    assert {reach for _, reach in kept} == {24, 48, 96}
    assert {rows for rows, _ in kept} == {2, 4}  # one of each problem, and both


@pytest.mark.parametrize("sizes", [{}, pytest.param({"data": 2, "devices": 2}, marks=pytest.mark.slow)])
def test_nothing_depends_on_the_problems_that_are_left_out(letters, forest, monkeypatch, sizes) -> None:
    """Chunks of the problems alone that have something to do, of a copy of their pools."""
    monkeypatch.setattr("jorney.engine.programs._WORTH", 0)
    monkeypatch.setattr("jorney.engine.programs._PIECE", 12)
    policy, ways = (on_mesh(letters, **sizes), 2) if sizes else (letters, 1)
    engine = make(policy, dataclasses.replace(SHAPE, problems=4, ways=ways), spacious=True)
    kept, decode = set(), engine._programs.decode

    def watched(shared, pools, rows, *more):
        kept.add(None if rows.problems is None else len(rows.problems))
        return decode(shared, pools, rows, *more)

    monkeypatch.setattr(engine._programs, "decode", watched)
    assert plain(grow(engine, PROMPTS, seed=0)) == plain(forest)
    assert kept == ({None, 2} if sizes else {None, 2, 1})


@pytest.mark.parametrize("begin", [pytest.param([], marks=pytest.mark.slow), [1, *range(3, 15)]])
@pytest.mark.parametrize("sizes", [{}, pytest.param({"data": 2, "tensor": 2, "devices": 4}, marks=pytest.mark.slow)])
def test_nothing_depends_on_the_kernel(letters, monkeypatch, sizes, begin) -> None:
    """Decoding as on TPUs, run by Pallas' interpreter: slots of two pieces, with a shared segment and without."""
    prompts = [[*begin, *prompt[bool(begin) :]] for prompt in PROMPTS]
    expected = plain(grow(make(letters, dataclasses.replace(SHAPE, slots=192)), prompts, seed=0))
    monkeypatch.setattr("jorney.engine.programs._PIECE", 128)
    monkeypatch.setattr("jorney.engine.cache.platform", lambda: "tpu")
    monkeypatch.setattr(Pool, "take", lambda pool, count: [pool._free.pop(random.choice((0, -1))) for _ in range(count)])
    pieces = set()

    def interpreted(query, held, *more):
        pieces.add(len(held))
        return ragged_attention(query, held, *more, interpret=True)

    monkeypatch.setattr("jorney.model.ragged.ragged_attention", interpreted)
    monkeypatch.setitem(globals(), "COMPILED", Compilations())
    policy, ways = (on_mesh(letters, **sizes), 2) if sizes else (letters, 1)
    shape = dataclasses.replace(SHAPE, slots=256, ways=ways, shared=32 if begin else 0)
    assert plain(grow(make(policy, shape, begin), prompts, seed=0), begin) == expected
    assert 2 in pieces


@pytest.mark.parametrize(
    ("sizes", "changed"),
    [
        ({"data": 8}, {"slots": 48, "rows": 3}),
        *(
            pytest.param(sizes, changed, marks=pytest.mark.slow)
            for sizes, changed in [
                ({"data": 8}, {}),
                ({"data": 2, "tensor": 4}, {}),
                ({"data": 2, "fsdp": 2, "tensor": 2}, {}),
                ({"data": 2, "fsdp": 2, "tensor": 2}, {"slots": 48, "rows": 3}),
            ]
        ),
    ],
)
def test_nothing_depends_on_the_mesh(letters, forest, sizes, changed) -> None:
    """Problems are divided over devices, each of which reads and samples those that it holds."""
    policy = on_mesh(letters, **sizes)
    ways = sharding.ways("batch", policy.mesh)
    shape = dataclasses.replace(SHAPE, problems=ways, ways=ways, **changed)
    assert plain(grow(make(policy, shape), PROMPTS, seed=0)) == plain(forest)


class Kept(Compilations):
    """Remembers what it compiles."""

    def compile(self, name, lowered):
        self.found = [*getattr(self, "found", []), (name, super().compile(name, lowered))]
        return self.found[-1][1]


def test_devices_that_divide_the_problems_send_each_other_nothing(letters) -> None:
    """But for whether rows are left that sample: one number a token. And no program is compiled twice for one shape."""
    policy, kept = on_mesh(letters, data=8), Kept()
    start = [1, *range(3, 15)]
    shape = dataclasses.replace(SHAPE, problems=8, ways=8, slots=48, rows=3, shared=32)
    programs = Programs(policy.config, engine_params(policy), policy.mesh, policy.dtype, policy.ends, shape, kept)
    engine = Engine(programs, start, SamplingParams.of(1.0), Letters().decode)
    grow(engine, [[*start, *prompt[1:]] for prompt in PROMPTS], seed=0)
    names = [name for name, _ in kept.found]
    assert {"share", "prefill", "extend", "decode"} <= set(names)
    assert names.count("decode") == 1
    assert names.count("share") == 1
    assert names.count("prefill") + names.count("extend") <= len(shape.prefills) + len(shape.extends)
    for name, compiled in kept.found:
        found = collective_traffic(compiled.as_text())
        assert sum(one.bytes for one in found.values()) <= (8 * 4 if name == "decode" else 0), (name, found)


def test_problems_are_spread_evenly_and_read_at_the_same_time(letters, forest) -> None:
    """Two problems a part: the first four that are opened lie in four parts, and their prompts are one batch."""
    shape = dataclasses.replace(SHAPE, problems=8, ways=4)
    policy = on_mesh(letters, data=4, devices=4)
    engine = make(policy, shape)
    roots = [engine.open(prompt) for prompt in PROMPTS]
    assert [root.pool.index for root in roots] == [0, 2, 4, 6]
    for root, index in zip(roots, range(4), strict=True):
        engine.sample(root, row_keys(0, str(index), 3), LIMIT)
    (batch,) = batches(shape, engine._plan())
    assert [len(own) for own in batch.ways] == [1, 1, 1, 1]
    assert (batch.length, batch.places) == (128, [0, 2, 4, 6])
    what = arrays(shape, batch)
    assert what.tokens.shape == (4, 128)
    assert what.problems.max() == 0  # of each part the first
    assert [own[: len(prompt)].tolist() for own, prompt in zip(what.tokens, PROMPTS, strict=True)] == PROMPTS


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_cache_that_barely_holds_one_text_is_slow_and_right(letters, seed) -> None:
    small = make(letters, dataclasses.replace(SHAPE, slots=48, rows=3))
    assert plain(grow(small, PROMPTS, seed)) == plain(grow(make(letters), PROMPTS, seed))
    for pool in small._ready:
        assert sorted(pool._free) == list(range(48))  # none lost, none doubled


def test_what_all_prompts_begin_with_is_read_once(letters) -> None:
    start = [1, *range(3, 15)]
    prompts = [[*start, *prompt[1:]] for prompt in PROMPTS]
    wide = dataclasses.replace(SHAPE, slots=192)
    apart, together = make(letters, wide), make(letters, dataclasses.replace(wide, shared=32), start)
    assert plain(grow(apart, prompts, seed=1)) == plain(grow(together, prompts, seed=1), start)
    assert apart.counts.writes - together.counts.writes == len(prompts) * len(start)


def test_every_token_is_written_once(letters) -> None:
    """Prompts, openings and sampled ids, those behind a cut counted; the last id of a text is read if something follows."""
    engine = make(letters, dataclasses.replace(SHAPE, slots=192))  # that holds all
    texts = grow(engine, PROMPTS, seed=0)
    spans = {span for text in texts for span in text.path()}
    unique = sum(len(span.ids) for span in spans)
    assert engine.counts.writes == engine.counts.read + engine.counts.sampled - len(texts)
    assert engine.counts.writes <= unique
    small = make(letters, dataclasses.replace(SHAPE, slots=48))
    grow(small, PROMPTS, seed=0)
    assert small.counts.writes > unique  # some of it twice


def test_slots_are_free_again(letters) -> None:
    engine = make(letters)
    grow(engine, PROMPTS, seed=0)
    assert engine.free == SHAPE.problems
    root = engine.open(PROMPTS[0])
    group = engine.sample(root, row_keys(0, "x", 3), LIMIT)
    while group not in engine.step():
        pass
    held = sum(len(text.slots) for text in group.texts) + len(PROMPTS[0])
    assert len(root.pool._free) == SHAPE.slots - held
    for text in group.texts:
        text.release()
    assert len(root.pool._free) == SHAPE.slots - len(PROMPTS[0])
    root.release()
    assert len(root.pool._free) == SHAPE.slots


def test_a_text_that_can_never_fit_is_refused_before_it_begins(letters) -> None:
    engine = make(letters, dataclasses.replace(SHAPE, slots=16))
    root = engine.open(PROMPTS[1])
    engine.sample(root, row_keys(0, "x", 1), 4)
    with pytest.raises(ValueError, match="a text of 17 tokens does not fit the cache: 16 slots a problem"):
        engine.sample(root, row_keys(0, "x", 1), 5)


def test_asked_again_after_the_same_span(letters) -> None:
    """The ids are there already; what the model says after them is read again, and nothing else."""
    engine = make(letters)
    root = engine.open(PROMPTS[1])
    first = engine.sample(root, row_keys(0, "x", 2), LIMIT)
    while first not in engine.step():
        pass
    writes = engine.counts.writes
    again = engine.sample(root, row_keys(0, "x", 2), LIMIT)
    while again not in engine.step():
        pass
    assert [text.ids for text in again.texts] == [text.ids for text in first.texts]
    assert engine.counts.writes - writes == 1 + sum(len(text.ids) - 1 for text in again.texts)


@pytest.mark.parametrize("wait", [0, 2, 50])
@pytest.mark.parametrize("chunk", [1, 4, 64])
def test_cuts(letters, wait, chunk) -> None:
    """A row pauses where its text may be over; the host says whether it is, and how much of it is kept."""
    shape = dataclasses.replace(SHAPE, chunk=chunk)
    breaks = np.zeros(letters.config.vocab_size, bool)
    breaks[np.arange(letters.config.vocab_size) % 26 == 3 + 4] = True  # e

    def after_ee(text: str) -> int | None:
        """The text is over at its second e, of which nothing is kept."""
        places = [i for i, letter in enumerate(text) if letter == "e"]
        return places[1] if len(places) > 1 else None

    engine = make(letters, shape, breaks=breaks)
    root = engine.open(PROMPTS[0])
    keys = row_keys(3, "cuts", 3)
    group = engine.sample(root, keys, 40, stop=after_ee, wait=wait)
    while group not in engine.step():
        pass
    for text, key in zip(group.texts, keys, strict=True):
        whole = uncached_text(letters, PROMPTS[0], key, 40, SamplingParams.of(1.0))
        kept = after_ee(Letters().decode(whole))
        lengths = [len(Letters().decode(whole[:count])) for count in range(len(whole) + 1)]  # some ids leave no letter
        count = len(whole) if kept is None else max(n for n, length in enumerate(lengths) if length <= kept)
        assert text.ids == whole[:count]
        if kept is not None and chunk == 64:
            assert text.generated == min(len(whole), count + 1 + wait)
    assert any(text.generated > len(text.ids) for text in group.texts)


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_another_head_reads_only_what_is_new(letters, head) -> None:
    """The values at the ends of steps, a step at a time, are those of a whole forward."""
    config = dataclasses.replace(letters.config, head=head, labels=2, tie_embeddings=False)
    judge = dataclasses.replace(letters, config=config, params=parameters.init(config, jax.random.key(1)))
    engine = make(judge)
    root = engine.open(PROMPTS[1])
    steps = [[4, 5, 6], [7] * 11, [9, 10]]
    groups, after = [], root
    for step in steps:
        groups.append(engine.read(after, step))
        after = groups[-1].after
    sibling = engine.read(groups[0].after, [20, 21])
    waiting = {*groups, sibling}
    while waiting:
        waiting -= set(engine.step())
    whole = whole_logits(judge, jnp.asarray([[*PROMPTS[1], *(token for step in steps for token in step)]]))[0]
    ends = np.cumsum([len(PROMPTS[1]), *map(len, steps)])[1:] - 1
    np.testing.assert_allclose(np.stack([group.values for group in groups]), whole[ends], atol=1e-5)
    other = whole_logits(judge, jnp.asarray([[*PROMPTS[1], *steps[0], 20, 21]]))[0, -1]
    np.testing.assert_allclose(sibling.values, other, atol=1e-5)
    assert engine.counts.writes == len(PROMPTS[1]) + sum(map(len, steps)) + 2
