"""Rounds: what is drawn, what stays in files, which groups are learned from, and what happens when nothing can be learned."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import jorney
from jorney.compiled import Compilations
from jorney.domain.domains import DOMAINS
from jorney.model.lora import LoraConfig
from jorney.reinforce.assessment import AssessConfig, Assessment
from jorney.reinforce.own_weights import OwnWeights
from jorney.reinforce.references import References
from jorney.reinforce.rewards.rewarding import Rewarder
from jorney.reinforce.rollouts import Rollouts
from jorney.reinforce.samples import RoundFiles
from jorney.solve.evaluate import EvaluateConfig
from jorney.text.step_format import ABEL
from jorney.train.objectives.grpo import GrpoConfig

PROBLEMS = DOMAINS["countdown"].draw("trees", 12, 0)
SMALL = GrpoConfig(rounds=4, questions=4, group=4, prompt_length=64, completion_length=24, decode_rows=16, chunk=8)
COMPILATIONS = Compilations()
NO_LOOK = AssessConfig()


@pytest.fixture(scope="module")
def policy(mesh1):
    return jorney.load(mesh=mesh1)


def ones(episodes, context):
    return [one.text.count("1") / 10 for one in episodes]


def rollouts(policy, folder, config=SMALL, term=ones, seed=0, problems=PROBLEMS, assess=NO_LOOK) -> Rollouts:
    files = RoundFiles(folder / "rollouts", config.group)
    rewarder = Rewarder(policy.tokenizer, ABEL, config, {"mine": term}, seed, 5.0)
    greedy = EvaluateConfig(max_tokens=config.completion_length, rows=8, chunk=8)
    assessment = Assessment(assess, problems[:2] if assess.every else [], ABEL, greedy, (1.0, 1.0), seed, files)
    references = References(policy, config, folder, COMPILATIONS)
    weights = OwnWeights(policy, LoraConfig(), COMPILATIONS)
    return Rollouts(
        problems,
        policy.tokenizer,
        ABEL,
        config,
        seed,
        weights,
        None,
        rewarder,
        {"mine": 1.0},
        references,
        assessment,
        files,
        COMPILATIONS,
    )


def batches(policy, made: Rollouts, start: int = 0):
    return [dict(batch) for batch in made.start_at(start, lambda: policy.params)]


def equal(one, other) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def whole(policy, tmp_path_factory):
    """All rounds, and where they lie."""
    folder = tmp_path_factory.mktemp("whole")
    made = rollouts(policy, folder)
    return folder, made, batches(policy, made)


def test_a_round_holds_groups_of_different_problems(whole) -> None:
    _, made, found = whole
    assert len(found) == made.steps == 4
    for batch in found:
        assert batch["tokens"].shape == (4, 64 + 4 * 24)
        assert batch["owners"].tolist() == [0, 1, 2, 3]
        prompts = {tuple(row[:64]) for row in batch["tokens"]}
        assert len(prompts) == 4


def test_an_epoch_asks_every_problem_once(whole) -> None:
    folder, _, _ = whole
    rounds = [json.loads((folder / "rollouts" / "rounds" / f"{number:06d}.json").read_text()) for number in range(3)]
    asked = [name for one in rounds for _, name in one["groups"]]
    assert sorted(asked) == sorted(problem.id for problem in PROBLEMS)


def test_batches_are_a_function_of_the_files(policy, whole) -> None:
    """Another training on the same folder samples nothing, whatever its parameters are."""
    folder, made, found = whole
    again = rollouts(policy, folder)
    for step, batch in enumerate(found):
        assert equal(dict(again[step]), batch)
    assert [made.figures(step) for step in range(4)] == [again.figures(step) for step in range(4)]


def test_the_samplers_log_probabilities_are_the_trainers(policy, whole) -> None:
    """In float32 they agree to 1e-4: importance weights are 1 to rounding."""
    folder, made, found = whole
    references = References(policy, dataclasses.replace(SMALL, beta=0.1), folder, COMPILATIONS)
    for step in range(4):
        made[step]
        rows = made.rows
        read, _ = references.read_policy(rows, policy.params, None)
        there = rows.segments > 0
        gap = np.abs(read - rows.sampled)[there]
        assert gap.max() < 1e-4
        assert np.abs(np.exp(read - rows.sampled)[there] - 1).max() < 1e-4
        assert there.sum() > 200


def test_advantages_are_those_of_the_rewards(whole) -> None:
    """By hand: of each group rewards less their mean over the sample deviation + 1e-4."""
    folder, _, found = whole
    rows = {}
    for part in (folder / "rollouts" / "rewards" / "000000-0").glob("*.jsonl"):
        for row in map(json.loads, part.read_text().splitlines()):
            rows[row["id"], row["sample"]] = row["terms"]["mine"]
    names = [name for _, name in json.loads((folder / "rollouts" / "rounds" / "000000.json").read_text())["groups"]]
    batch = found[0]
    for group, name in enumerate(names):
        rewards = np.array([rows[name, sample] for sample in range(4)])
        spread = rewards.std(ddof=1)
        wanted = (rewards - rewards.mean()) / (spread + 1e-4) if spread else np.zeros(4)
        first = batch["advantages"][group].reshape(4, 24)[:, 0]
        np.testing.assert_allclose(first, wanted, atol=1e-5)


def test_rows_of_several_updates_are_the_rounds_problems(policy, tmp_path) -> None:
    config = dataclasses.replace(SMALL, rounds=1, updates=2, epochs=2)
    found = batches(policy, rollouts(policy, tmp_path, config))
    assert len(found) == 4
    assert equal(found[0], found[2])
    assert equal(found[1], found[3])
    prompts = [{tuple(row[:64]) for row in batch["tokens"]} for batch in found[:2]]
    assert len(prompts[0] | prompts[1]) == 4
    for batch in found:  # the policy's own, by the trainer's forward, before the first update
        there = batch["segments"] > 0
        assert np.abs(batch["old"] - batch["sampled"])[there].max() < 1e-4


def only_some(wanted: set[str]):
    """Rewards differ within the groups of some problems alone."""
    return lambda episodes, context: [float(one.sample == 0 and one.problem.id in wanted) for one in episodes]


def groups_of(batch) -> int:
    return len(set(batch["owners"].tolist()) - {-1})


@pytest.mark.parametrize(("resample", "counts"), [("off", 4), ("drop", None), ("until_full", 4)])
def test_groups_without_a_signal(policy, tmp_path, resample, counts) -> None:
    """Half of the problems tell nothing: kept, left out, or replaced by others."""
    wanted = {problem.id for problem in PROBLEMS[::2]}
    config = dataclasses.replace(SMALL, rounds=2, resample=resample, resample_limit=3)
    made = rollouts(policy, tmp_path, config, only_some(wanted))
    for step, batch in enumerate(batches(policy, made)):
        about = json.loads((tmp_path / "rollouts" / "rounds" / f"{step:06d}.json").read_text())
        names = [name for _, name in about["groups"]]
        assert groups_of(batch) == len(names)
        if resample != "off":
            assert set(names) <= wanted
            assert np.abs(batch["advantages"]).sum(axis=1)[: len(names)].all()
        if counts is not None:
            assert len(names) == counts
        assert batch["tokens"].shape[0] == 4  # whatever is left out
        attempts = made.figures(step)["attempts"]
        assert attempts > 1 if resample == "until_full" else attempts == 1


def test_a_round_of_nothing_is_an_empty_batch_and_too_many_of_them_an_error(policy, tmp_path) -> None:
    config = dataclasses.replace(SMALL, resample="drop", patience=3)
    made = rollouts(policy, tmp_path, config, lambda episodes, context: [1.0] * len(episodes))
    stream = made.start_at(0, lambda: policy.params)
    for _ in range(2):
        batch = next(stream)
        assert not batch["segments"].any()
        assert set(batch["owners"].tolist()) == {-1}
    with pytest.raises(ValueError, match=r"grpo.patience = 3: so many rounds taught nothing.*expected problems of which"):
        next(stream)


def test_completions_that_were_cut_bear_no_loss(policy, tmp_path) -> None:
    first = rollouts(policy, tmp_path, dataclasses.replace(SMALL, rounds=1))
    batches(policy, first)
    (part,) = (tmp_path / "rollouts" / "samples" / "000000-0").glob("*.jsonl")
    rows = [json.loads(line) for line in part.read_text().splitlines()]
    # The small model never ends by itself: so it is told of two of the four.
    part.write_text("".join(json.dumps({**row, "finished": row["sample"] < 2}) + "\n" for row in rows))
    masked = rollouts(policy, tmp_path, dataclasses.replace(SMALL, rounds=1, mask_truncated=True))
    found = dict(masked[0])
    assert (found["lengths"] > 0).sum(axis=1).tolist() == [2, 2, 2, 2]
    whole = dict(first[0])["advantages"].reshape(4, 4, 24)  # those that are left out count in their group's mean
    np.testing.assert_array_equal(found["advantages"].reshape(4, 4, 24)[:, :2], whole[:, :2])


def test_a_group_that_is_cut_as_a_whole_tells_nothing(policy, tmp_path) -> None:
    config = dataclasses.replace(SMALL, rounds=1, mask_truncated=True, resample="drop")
    made = rollouts(policy, tmp_path, config)
    found = batches(policy, made)[0]
    assert groups_of(found) == 0
    assert made.figures(0)["groups"] == 0


def test_a_reward_that_fails_loses_no_samples(policy, tmp_path) -> None:
    def broken(episodes, context):
        raise ValueError("reward 'mine' raised ZeroDivisionError: by zero (problem 'x', sample 1)")

    with pytest.raises(ValueError, match="problem 'x', sample 1"):
        batches(policy, rollouts(policy, tmp_path, term=broken))
    parts = list((tmp_path / "rollouts" / "samples" / "000000-0").glob("*.jsonl"))
    kept = [part.read_text() for part in parts]
    assert sum(len(text.splitlines()) for text in kept) == 16
    batches(policy, rollouts(policy, tmp_path))
    assert [part.read_text() for part in parts] == kept  # it went on with them
    assert list((tmp_path / "rollouts" / "samples" / "000000-0").glob("*.jsonl")) == parts


def test_more_questions_than_problems_are_refused(policy, tmp_path) -> None:
    with pytest.raises(ValueError, match="grpo.questions = 4: expected at most the 3 problems that there are"):
        rollouts(policy, tmp_path, problems=PROBLEMS[:3])


def test_two_problems_of_one_id_are_refused(policy, tmp_path) -> None:
    with pytest.raises(ValueError, match="two have the same id"):
        rollouts(policy, tmp_path, problems=[*PROBLEMS, PROBLEMS[0]])


def test_another_seed_asks_others_and_draws_otherwise(policy, whole, tmp_path) -> None:
    other = batches(policy, rollouts(policy, tmp_path, dataclasses.replace(SMALL, rounds=1), seed=1))[0]
    assert not np.array_equal(other["tokens"], whole[2][0]["tokens"])


def test_the_policy_is_looked_at_between_rounds(policy, tmp_path) -> None:
    made = rollouts(policy, tmp_path, dataclasses.replace(SMALL, rounds=3), assess=AssessConfig(every=2, tries=4))
    batches(policy, made)
    looked = [made.figures(step) for step in range(3)]
    assert ["eval/accuracy" in one for one in looked] == [True, False, True]
    assert {"eval/pass_at_1", "eval/pass_at_4", "eval/mean_length", "eval/excursion_rate"} <= looked[0].keys()
    assert looked[0]["eval/accuracy"] == looked[2]["eval/accuracy"]  # of the same policy
    assert looked[0]["eval/pass_at_4"] >= looked[0]["eval/pass_at_1"]
