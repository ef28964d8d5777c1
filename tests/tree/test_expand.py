"""Trees grown with the embedded model and judged exactly. Under step numbers it takes legal steps, without an aim."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Sequence

import pytest
from walks import aimless_question

from jorney.compiled import Compilations
from jorney.domain.countdown.game import parse_step
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.countdown.verify import rate
from jorney.domain.domain import Rating
from jorney.domain.problem import Problem
from jorney.engine.generate import Generator
from jorney.judge.judge import StepPath
from jorney.text.step_format import ABEL
from jorney.tree.expand import ExpandConfig, _candidate, _Growing, grow
from jorney.tree.prune import PruneConfig, prune
from jorney.tree.tree import Node, Tree

CONFIG = ExpandConfig(w=4, depth=4, step_tokens=24, temperature=1.0, prune=PruneConfig(keep=2, explore_wrong=1), rows=32)


@pytest.fixture(scope="module")
def problems():
    drawn = sample_problems(Countdown(), "trees", 5, 0)
    return [dataclasses.replace(one, question=aimless_question(tuple(one.meta["numbers"]))) for one in drawn]


def legal(problem: Problem, steps: Sequence[str]) -> Rating:
    """Right is what the rules allow and takes no difference: the embedded model has no aim that could be judged."""
    rating = rate(problem, steps)
    ok = (rating.correct or not re.search("is|no step", rating.justification)) and not any(" - " in step for step in steps)
    return Rating(ok, rating.justification, float(ok))


def judge(requests: Sequence[StepPath]) -> list[Rating]:
    return [legal(*request) for request in requests]


@pytest.fixture(scope="module")
def generator(policy):
    return Generator(policy)


def _grow(generator, policy, problems, config=CONFIG, seed=0) -> list[Tree]:
    found = {tree.id: tree for tree in grow(generator, policy, problems, judge, ABEL, config, seed)}
    return [found[problem.id] for problem in problems]


@pytest.fixture(scope="module")
def trees(generator, policy, problems):
    return _grow(generator, policy, problems)


def test_every_level_is_pruned_to_k(trees) -> None:
    for tree in trees:
        levels: dict[int, list] = {}
        for index, node in enumerate(tree.nodes[1:], start=1):
            levels.setdefault(tree.level(index), []).append(node)
        for level, nodes in levels.items():
            beam = [node for node in nodes if node.status == "kept" and not node.excursion]
            assert len(beam) <= CONFIG.prune.keep
            assert all(node.correct for node in beam)
            assert level <= CONFIG.depth
        # The paper's bound, plus the wrong steps that are followed.
        assert len(tree.nodes) - 1 <= CONFIG.w * (1 + CONFIG.prune.keep * (CONFIG.depth - 1)) + CONFIG.depth * CONFIG.depth


def test_nodes_are_steps(trees, policy, problems) -> None:
    by_id = {problem.id: problem for problem in problems}
    found = [node for tree in trees for node in tree.nodes[1:]]
    assert len(found) > 60
    steps = [parse_step(node.text.strip().partition(". ")[2].partition("\n")[0]) for node in found]
    assert sum(step is not None for step in steps) > 0.9 * len(steps)
    for tree in trees:
        for index, node in enumerate(tree.nodes[1:], start=1):
            assert node.text.lstrip("\n").startswith(f"{tree.level(index)}. ")
            assert policy.tokenizer.decode(node.tokens) == node.text
            steps = [tree.nodes[step].text.strip().partition(". ")[2] for step in tree.path(index)]
            assert node.correct == legal(by_id[tree.id], steps).correct


def test_wrong_steps_are_followed_unbranched_to_their_end(trees) -> None:
    followed = 0
    for tree in trees:
        for index, node in enumerate(tree.nodes):
            if node.excursion and node.status == "kept":
                assert len(tree.children(index)) == 1
                followed += 1
            if node.excursion and not tree.children(index):
                assert node.status in ("leaf-correct", "leaf-wrong", "unfinished")
    assert followed > 5


def test_samples_are_counted(trees) -> None:
    """Merged duplicates are w samples together, and all that was generated is counted."""
    for tree in trees:
        for index, node in enumerate(tree.nodes):
            children = [tree.nodes[child] for child in tree.children(index)]
            if children:
                assert sum(child.count for child in children) == (1 if node.excursion else CONFIG.w)
                assert len({child.text.strip() for child in children}) == len(children)
        assert tree.generated_tokens >= sum(len(node.tokens) for node in tree.nodes) // 2


@pytest.mark.parametrize("rows", [4, 64])
def test_trees_do_not_depend_on_the_batching(generator, policy, problems, trees, rows) -> None:
    again = _grow(generator, policy, problems[::-1], dataclasses.replace(CONFIG, rows=rows))[::-1]
    plain = lambda tree: [(n.parent, n.tokens, n.status, n.sibling, n.count, n.justification) for n in tree.nodes]  # noqa: E731
    assert [plain(tree) for tree in again] == [plain(tree) for tree in trees]


def test_another_seed_grows_other_trees(generator, policy, problems, trees) -> None:
    assert [tree.nodes for tree in _grow(generator, policy, problems[:1], seed=1)] != [tree.nodes for tree in trees[:1]]


@pytest.mark.parametrize("field", ["w", "depth", "step_tokens", "rows", "chunk"])
def test_wrong_settings(field) -> None:
    with pytest.raises(ValueError, match=f"expand.{field} = 0: expected 1 or more"):
        ExpandConfig(**{field: 0})


@pytest.mark.parametrize("count", [20, pytest.param(100, marks=pytest.mark.slow)])
def test_nothing_compiles_once_it_is_warm(policy, count: int) -> None:
    """Trees of every form, after a few."""
    compilations = Compilations()
    warm = Generator(policy, compilations)
    drawn = sample_problems(Countdown(), "trees", count, 1)
    many = [dataclasses.replace(one, question=aimless_question(tuple(one.meta["numbers"]))) for one in drawn]
    for seed in range(3):  # until it is decided which programs of fewer rows are worth it
        first = list(grow(warm, policy, many[:20], judge, ABEL, CONFIG, seed))
    names = list(compilations.names)
    assert len(names) <= 8  # decoding all rows, and fewer
    again = list(grow(warm, policy, many, judge, ABEL, CONFIG, 3))
    assert compilations.names == names
    assert (len(first), len(again)) == (20, count)
    assert len({len(tree.nodes) for tree in again}) > 5


def test_a_small_cache_is_slower_and_grows_the_same_trees(generator, policy, problems, trees) -> None:
    small = dataclasses.replace(CONFIG, cache_tokens=300, rows=8)
    plain = lambda tree: [(n.parent, n.tokens, n.status, n.sibling, n.count) for n in tree.nodes]  # noqa: E731
    assert [plain(tree) for tree in _grow(generator, policy, problems, small)] == [plain(tree) for tree in trees]
    with pytest.raises(ValueError, match="cache_tokens = 100: expected at least [0-9]+, what one problem needs"):
        _grow(generator, policy, problems, dataclasses.replace(CONFIG, cache_tokens=100))


def test_a_step_that_the_model_is_sure_of_is_no_opening(problems) -> None:
    """Sampled ids may have a log-probability of 0 too: what was given is known by its count."""
    tree = _Growing(problems[0], None)
    sure, likely, empty = (0.0, 0.0, 0.0, -0.3), (-0.2, -0.2, -0.2, -0.2), ()
    for sibling, log_probs in enumerate((likely, sure, empty)):
        tokens = (1, 2, *(3 for _ in log_probs))
        tree.nodes.append(Node(0, "1. a", tokens, (0.0, 0.0, *log_probs), sibling, rating=1, status="pruned", given=2))
    found = [_candidate(tree, index) for index in (1, 2, 3)]
    assert [one.likelihood for one in found] == [pytest.approx(-0.2), pytest.approx(-0.075), -math.inf]
    assert prune(found, PruneConfig(keep=1))[0] == [2]


def test_openings_are_counted(trees, policy) -> None:
    for tree in trees:
        for node in tree.nodes[1:]:
            assert node.given is not None
            assert node.log_probs[: node.given] == (0.0,) * node.given
            opening = policy.tokenizer.decode(node.tokens[: node.given])
            assert re.fullmatch(r"\n?\d+\.", opening), opening
            assert opening in node.text


def test_a_step_without_a_verdict_has_no_rating(generator, policy, problems) -> None:
    """An llm judge with `fallback = "unrated"` gives none: the step counts as not wrong, and not as wrong."""
    config = dataclasses.replace(CONFIG, depth=1)
    unrated = lambda requests: [Rating(None, "") for _ in requests]  # noqa: E731
    tree = next(grow(generator, policy, problems[:1], unrated, ABEL, config, 0))
    assert {node.rating for node in tree.nodes} == {None}
    assert not any(node.excursion for node in tree.nodes)
