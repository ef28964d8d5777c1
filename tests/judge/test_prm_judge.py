"""A reward model's scores do not depend on what is read beside them."""

from __future__ import annotations

import dataclasses
import gc
import weakref

import jax
import numpy as np
import pytest
from live import live_bytes, watch_dispatches

from jorney.compiled import Compilations
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.judge.reward_model import PrmJudge, solution_score
from jorney.judge.threshold import threshold_of, write_threshold
from jorney.text.step_format import ABEL
from jorney.train.objectives.prm import as_reward_model


@pytest.fixture(scope="module")
def judge(policy):
    return PrmJudge(as_reward_model(policy, 0), ABEL, rows=4)


@pytest.fixture(scope="module")
def paths():
    problems = sample_problems(Countdown(), "test", 9, 0)
    return [(problem, ABEL.split(problem.solution)) for problem in problems]


def test_alone_beside_others_and_as_a_prefix(judge, paths) -> None:
    together = judge.score(paths)
    assert [len(own) for own in together] == [3] * 9
    assert len({round(score, 6) for own in together for score in own}) > 20
    for (problem, steps), own in zip(paths, together, strict=True):
        np.testing.assert_allclose(judge.score([(problem, steps)])[0], own, atol=1e-5)
        np.testing.assert_allclose(judge.score([(problem, steps[:2])])[0], own[:2], atol=1e-5)


def test_fewer_paths_are_read_together_where_memory_is_scarce(policy, paths) -> None:
    model = as_reward_model(policy, 0)
    expected = PrmJudge(model, ABEL, rows=64).score(paths)
    gc.collect()
    before, beside = live_bytes(), {rows: PrmJudge(model, ABEL)._temporaries(rows, 64) for rows in (64, 8, 1)}
    for room, most in ((beside[64], 64), (beside[8], 8), (beside[1], 1)):
        asked = PrmJudge(dataclasses.replace(model, memory=before + room + 10_000), ABEL, rows=64)
        assert asked.score(paths) == [pytest.approx(own, abs=1e-5) for own in expected]
        assert max(asked._fitting.values()) == most
    asked = PrmJudge(dataclasses.replace(model, memory=before + beside[1] / 2), ABEL, rows=64)
    with pytest.raises(ValueError, match="^memory: a device has .* temporaries for a path of .* tokens .*would help$"):
        asked.score(paths)


def test_as_a_judge_of_trees_it_rates_the_last_step(judge, paths) -> None:
    bare = [(problem, [step.partition(". ")[2] for step in steps]) for problem, steps in paths]
    for rating, own in zip(judge(bare), judge.score(paths), strict=True):
        assert rating.score == pytest.approx(own[-1], abs=1e-5)
        assert rating.correct == (own[-1] > 0.5)
        assert rating.justification == ""


def test_the_threshold_decides_verdicts_and_no_scores(policy, judge, paths) -> None:
    bare = [(problem, [step.partition(". ")[2] for step in steps]) for problem, steps in paths]
    scores = sorted(rating.score for rating in judge(bare))
    middle = (scores[3] + scores[4]) / 2
    ratings = PrmJudge(as_reward_model(policy, 0), ABEL, threshold=middle)(bare)
    assert sorted(rating.score for rating in ratings) == pytest.approx(scores, abs=1e-5)
    assert [rating.correct for rating in ratings] == [rating.score > middle for rating in ratings]
    assert sum(rating.correct for rating in ratings) == 5


def test_a_folder_states_the_threshold(tmp_path) -> None:
    write_threshold(tmp_path, 0.5)
    assert threshold_of(tmp_path) == 0.5
    assert not any(tmp_path.iterdir())
    write_threshold(tmp_path, 0.2)
    assert threshold_of(tmp_path) == 0.2
    for wrong in ('{"threshold": "0.2"}', '{"threshold": true}', "{}", "[]"):
        (tmp_path / "judge.json").write_text(wrong)
        with pytest.raises(ValueError, match=r"judge.json: threshold = .*: expected a number"):
            threshold_of(tmp_path)


def test_as_a_judge_it_reads_only_what_is_new(policy, paths) -> None:
    """Step by step, as a tree grows; the siblings of a level together; problems that come and go."""
    judge = PrmJudge(as_reward_model(policy, 0), ABEL, problems=4)
    bare = [(problem, [step.partition(". ")[2] for step in steps]) for problem, steps in paths]
    expected = judge.score(paths)
    tokens = policy.tokenizer.encode_after
    for group in (bare[:4], bare[4:8], bare[:4]):
        before = judge._engine.counts.writes if judge._engine else 0
        for level in range(1, 4):
            requests = [(problem, steps[:level]) for problem, steps in group]
            for (problem, _), rating in zip(requests, judge(requests), strict=True):
                index = [one.id for one, _ in paths].index(problem.id)
                assert rating.score == pytest.approx(expected[index][level - 1], abs=1e-5)
        lines = [[f"{k}. {step}\n" for k, step in enumerate(steps, start=1)] for _, steps in group]
        unique = sum(len(tokens(line)) for own in lines for line in own) - len(group)  # no line break behind the answer
        unique += sum(len(policy.tokenizer.encode_prompt(ABEL.ask(problem.question))) for problem, _ in group)
        assert judge._engine.counts.writes - before == unique
    # A longer path than any before.
    problem, steps = bare[0]
    assert 0 < judge([(problem, [*steps[:2], *["1 + 1 = 2 (left: 2)"] * 12])])[0].score < 1


def test_only_reward_models_judge(policy) -> None:
    with pytest.raises(ValueError, match="a language model may be read in several ways: expected readout = one of jorney"):
        PrmJudge(policy, ABEL)


@pytest.mark.parametrize(("how", "expected"), [("min", 0.2), ("product", 0.08), ("last", 0.5), ("mean", 0.5)])
def test_scores_of_solutions(how, expected) -> None:
    assert solution_score([0.8, 0.2, 0.5], how) == pytest.approx(expected)


def test_an_unknown_way_is_named() -> None:
    with pytest.raises(ValueError, match="how = 'sum': expected one of min, product, last, mean"):
        solution_score([0.5], "sum")


def test_paths_that_cannot_be_read(judge, paths) -> None:
    problem, steps = paths[0]
    assert judge.score([(problem, []), (problem, steps)])[0] == []
    with pytest.raises(
        ValueError, match=r"a path of 1 steps has \d{4} tokens: expected at most the reward model's 1024 positions"
    ):
        judge.score([(problem, ["1. " + "3 + 4 " * 400])])
    with pytest.raises(ValueError, match="there are no scores"):
        solution_score([])


def test_a_compiled_program_lets_the_model_go(policy, paths) -> None:
    model, compilations = as_reward_model(policy, 0), Compilations()
    PrmJudge(model, ABEL, compilations, rows=4).score(paths[:1])
    seen = weakref.ref(model)
    del model
    gc.collect()
    assert compilations.names == ["reward model"]
    assert seen() is None


@pytest.fixture
def own(policy):
    """A reward model whose parameters are nobody else's."""
    model = as_reward_model(policy, 0)
    return dataclasses.replace(model, params=jax.tree.map(jax.numpy.copy, model.params))


def _bare(paths) -> list:
    return [(problem, [step.partition(". ")[2] for step in steps]) for problem, steps in paths]


def test_one_cache_at_a_time_and_weights_once(own, paths, monkeypatch) -> None:
    """Where a path needs a larger cache, the old one is gone when it is made; and parameters given away are held once."""
    weights = sum(leaf.nbytes for leaf in jax.tree.leaves(own.params))
    gc.collect()
    others, made = live_bytes() - weights, []
    judge = PrmJudge(own, ABEL, problems=16, donate=True)
    watch_dispatches(monkeypatch, lambda name, alive, own: made.append((alive - others, own)) if name == "empty cache" else 0)
    problem, steps = _bare(paths)[0]
    judge([(problem, steps)])
    judge([(problem, [*steps[:2], *["1 + 1 = 2 (left: 2)"] * 20])])
    assert len(made) == 2
    assert made[1][1] > 2 * made[0][1] > 1e6  # bytes of the caches
    for alive, _ in made:
        assert alive < weights + 0.05 * made[0][1]


def test_in_a_small_memory_it_rates_alike(policy, judge, paths) -> None:
    """Fewer paths in the cache, down to one problem's: what is dropped is read again."""
    bare = _bare(paths)
    expected = [rating.score for rating in judge(bare)]
    for share in (0.5, 0.1, 0.0):
        small = PrmJudge(as_reward_model(policy, 0), ABEL, problems=4)
        party = small.beside([problem for problem, _ in bare], 100)
        tenant = party.tenant
        party.settle(tenant.fit(tenant.least + share * (tenant.cache(tenant.fit(None)) - tenant.least)))
        assert [rating.score for rating in small(bare)] == pytest.approx(expected, abs=1e-5)
        longer = [(bare[0][0], [*bare[0][1][:2], *["1 + 1 = 2 (left: 2)"] * 14])]
        if share == 0.0:  # a path longer than was promised
            with pytest.raises(ValueError, match="^the devices have memory for"):
                small(longer)
        else:
            assert 0 < small(longer)[0].score < 1
            assert tenant.cache(small._shape) <= small._room
