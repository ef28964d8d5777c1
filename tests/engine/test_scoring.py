"""Log-likelihoods against a forward pass of each text alone."""

from __future__ import annotations

import dataclasses

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pytest

import jorney
from jorney.compiled import Compilations
from jorney.engine import scoring
from jorney.engine.scoring import Scorer
from jorney.sharding import MeshConfig

V = 512


def ids(random: np.random.Generator, count: int) -> list[int]:
    return random.integers(0, V, count).tolist()


def expected(policy: jorney.Policy, context: list[int], continuation: list[int]) -> tuple[float, bool]:
    """By a forward pass of the text alone, filled up so that few programs serve all."""
    read = [*context, *continuation[:-1]]
    length = -(-len(read) // 64) * 64
    logits = np.asarray(jorney.logits(policy, [read + [0] * (length - len(read))]), np.float64)[0]
    own = logits[len(context) - 1 : len(read)]
    log_probs = own - np.log(np.sum(np.exp(own - own.max(-1, keepdims=True)), -1, keepdims=True)) - own.max(-1, keepdims=True)
    found = log_probs[np.arange(len(continuation)), continuation]
    return float(found.sum()), bool(np.all(own.argmax(-1) == continuation))


def check(policy: jorney.Policy, requests: list[tuple[list[int], list[int]]], scorer: Scorer) -> None:
    for (context, continuation), found in zip(requests, scorer.score(requests), strict=True):
        log_prob, greedy = expected(policy, context, continuation)
        assert found.log_prob == pytest.approx(log_prob, abs=1e-4, rel=1e-5)
        assert found.greedy == greedy
        assert found.tokens == len(continuation)


def questions(random: np.random.Generator) -> list[tuple[list[int], list[int]]]:
    """Contexts that are shared, of one id, that others begin with; continuations of one id, long, alike, equal."""
    requests = []
    for length in (1, 3, 20, 61):
        context = ids(random, length)
        requests += [(context, ids(random, count)) for count in (1, 1, 2, 9, 70)]
        requests += [(context, requests[-1][1][:40]), (context, requests[-1][1]), (context + requests[-1][1][:5], [7, 8])]
    return requests


def test_equal_to_a_forward_pass_of_each(policy: jorney.Policy) -> None:
    random = np.random.default_rng(0)
    requests = questions(random)
    context = ids(random, 10)
    best = int(np.argmax(np.asarray(jorney.logits(policy, [context]))[0, -1]))
    requests += [(context, [best]), (context, [(best + 1) % V])]
    scorer = Scorer(policy)
    check(policy, requests, scorer)
    assert [one.greedy for one in scorer.score(requests)][-2:] == [True, False]
    assert scorer.score([]) == []


@hypothesis.settings(max_examples=8, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(
    st.integers(0, 2**32 - 1), st.lists(st.tuples(st.integers(1, 90), st.integers(1, 30)), min_size=1, max_size=12)
)
def test_texts_that_begin_alike_by_chance(policy: jorney.Policy, seed: int, lengths: list[tuple[int, int]]) -> None:
    random = np.random.default_rng(seed)
    pool = random.integers(0, 2, 120).tolist()  # two ids: texts have much in common, and part anywhere
    starts = [random.integers(0, 3) for _ in lengths]
    requests = [
        (pool[start : start + context], random.integers(0, 2, count).tolist())
        for start, (context, count) in zip(starts, lengths, strict=True)
    ]
    check(policy, requests, Scorer(policy))


def test_the_order_does_not_matter(policy: jorney.Policy) -> None:
    requests = questions(np.random.default_rng(1))
    scorer = Scorer(policy)
    one = scorer.score(requests)
    other = scorer.score(requests[::-1])[::-1]
    assert one == other
    assert sorted(index for index, _ in scorer.stream(requests)) == list(range(len(requests)))


def test_many_choices_of_one_id(policy: jorney.Policy) -> None:
    context = ids(np.random.default_rng(2), 5)
    requests = [(context, [choice]) for choice in range(V)]
    found = Scorer(policy, tokens=64).score(requests)
    assert sum(np.exp(one.log_prob) for one in found) == pytest.approx(1, abs=1e-5)
    assert sum(one.greedy for one in found) == 1


def test_what_texts_share_is_read_once() -> None:
    random = np.random.default_rng(3)
    examples = ids(random, 500)
    texts = []
    for _ in range(20):
        question = examples + ids(random, 30)
        texts += [(question + choice[:-1], choice) for choice in (ids(random, 5) for _ in range(4))]
    grown = scoring.grow(texts)
    read = sum(len(one.tree.tokens) for one in grown)
    assert read <= 2 * 500 + 20 * (30 + 4 * 4)
    assert max(len(one.tree.tokens) for one in grown) <= scoring._LONG
    assert len(scoring.grow(texts, apart=True)) == len(texts)


def test_few_programs(policy: jorney.Policy) -> None:
    """Whatever the lengths: one for each length of rows, and number of them."""
    compilations = Compilations()
    scorer = Scorer(policy, compilations, tokens=1024)
    random = np.random.default_rng(4)
    for _ in range(6):
        scorer.score([(ids(random, int(random.integers(20, 200))), ids(random, 4)) for _ in range(60)])
    assert len(compilations.names) <= 4
    assert set(compilations.names) == {"scoring"}


def test_what_is_too_long_is_refused_by_its_number(policy: jorney.Policy) -> None:
    positions = policy.config.positions
    compilations = Compilations()
    fits, long = ([1] * (positions - 3), [2] * 4), ([1] * (positions - 2), [2] * 4)
    with pytest.raises(ValueError, match=rf"request 1: .* expected {positions + 1} at most"):
        Scorer(policy, compilations).stream([fits, long])
    with pytest.raises(ValueError, match="request 0: its continuation has 9 ids: expected 8 at most"):
        Scorer(policy, compilations, max_length=8, truncate="left").stream([([1], [2] * 9)])
    assert compilations.names == []


def test_the_first_ids_are_left_out_where_that_is_asked_for(policy: jorney.Policy) -> None:
    random = np.random.default_rng(5)
    context, continuation = ids(random, 40), ids(random, 6)
    found = Scorer(policy, max_length=16, truncate="left").score([(context, continuation)])[0]
    whole = (context + continuation)[-17:]
    assert found.log_prob == pytest.approx(expected(policy, whole[:-6], continuation)[0], abs=1e-4)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (([], [1]), "request 0: its context has no ids"),
        (([1], []), "request 0: its continuation has no ids"),
        (([1], [V]), "request 0: its continuation: expected ids below 512"),
    ],
)
def test_empty_requests_are_refused(policy: jorney.Policy, request_: tuple[list[int], list[int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Scorer(policy).score([request_])


@pytest.mark.parametrize("settings", [{"truncate": "right"}, {"max_length": 10**6}, {"tokens": 0}])
def test_settings_are_refused_by_name(policy: jorney.Policy, settings: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Scorer(policy, **settings)


@pytest.mark.parametrize("mesh", [MeshConfig(devices=2), MeshConfig(devices=4, data=1, fsdp=2, tensor=2)])
def test_on_a_mesh_as_on_one_device(policy: jorney.Policy, mesh: MeshConfig) -> None:
    requests = questions(np.random.default_rng(6))
    found = Scorer(jorney.load(mesh=mesh), tokens=512).score(requests)
    for one, other in zip(found, Scorer(policy).score(requests), strict=True):
        assert one.log_prob == pytest.approx(other.log_prob, abs=1e-4, rel=1e-5)
        assert (one.greedy, one.tokens) == (other.greedy, other.tokens)


def test_in_bfloat16(policy: jorney.Policy, mesh1) -> None:
    requests = questions(np.random.default_rng(7))
    found = Scorer(jorney.load(mesh=mesh1, dtype="bfloat16")).score(requests)
    exact = Scorer(policy).score(requests)
    assert max(abs(one.log_prob - other.log_prob) / other.tokens for one, other in zip(found, exact, strict=True)) < 0.3


def test_a_window_counts_distances_in_the_text(tiny, policy: jorney.Policy, mesh1) -> None:
    from jorney.model import params as parameters

    for window in (8, 200):
        config = dataclasses.replace(tiny, vocab_size=V, family="mistral", window=window)
        with jax.set_mesh(mesh1):
            windowed = dataclasses.replace(policy, config=config, params=parameters.init(config, jax.random.key(0)))
        check(windowed, questions(np.random.default_rng(8)), Scorer(windowed))
