"""Reward models: labels lie where steps end, the loss is cross-entropy there and nowhere else, and it can be learnt."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from forward import log_probs
from live import lasting_bytes, watch_dispatches

import jorney
from jorney.batch.packing import Example, pack
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.judge.reward_model import PrmJudge
from jorney.model import params as parameters
from jorney.model.params import param_shardings
from jorney.sharding import MeshConfig, make_mesh, named
from jorney.text.step_format import ABEL
from jorney.train import training
from jorney.train.objectives.prm import PrmConfig, as_reward_model, encode_steps, labelled_example, prm_loss, score_steps
from jorney.train.optimizer import OptimizerConfig

STEPS = ["1. 3 * 4 = 12 (left: 5, 9, 12)", "2. 9 - 5 = 4\nsince 4 + 5 is 9 (left: 4, 12)", "3. 12 + 4 = 16 (left: 16)\n#### 16"]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_step_is_judged_at_its_last_token(policy, count) -> None:
    ids, ends = encode_steps(policy.tokenizer, ABEL, "Make 16.", STEPS[:count], goes_on=count < 3)
    prompt = ABEL.ask("Make 16.")
    read = [policy.tokenizer.decode(ids[1 : end + 1]).removeprefix(prompt) for end in ends]
    expected = ["\n".join(STEPS[: k + 1]) + ("\n" if k < 2 else "") for k in range(count)]
    assert read == expected


def test_a_prefix_is_judged_where_the_whole_is(policy) -> None:
    """What a judge reads of an unfinished path are the very tokens that training saw."""
    whole, ends = encode_steps(policy.tokenizer, ABEL, "Make 16.", STEPS, goes_on=False)
    for count in (1, 2):
        ids, own = encode_steps(policy.tokenizer, ABEL, "Make 16.", STEPS[:count], goes_on=True)
        assert whole[: own[-1] + 1] == ids
        assert own == ends[:count]


def test_the_loss_is_cross_entropy_at_the_labels(tiny) -> None:
    config = dataclasses.replace(tiny, head="linear", labels=2, head_bias=True)
    params = parameters.init(config, jax.random.key(0))
    examples = [
        Example((5, 6, 7, 8, 9, 2), labels=((2, 1.0), (4, 0.25))),
        Example((5, 9, 2), labels=((1, 0.0),)),
    ]
    packed = pack(examples, 16)
    batch = {name: rows[None] for name, rows in packed[0].items()}
    total, sums = jax.jit(prm_loss(config))(params, batch)
    expected, hits = 0.0, 0
    for example in examples:
        scores = log_probs(config, params, example.tokens)
        for place, right in example.labels:
            expected -= right * float(scores[place, 1]) + (1 - right) * float(scores[place, 0])
            hits += bool(scores[place, 1] > scores[place, 0]) == (right > 0.5)
    assert float(sums["count"]) == 3
    assert float(total) == pytest.approx(expected, rel=1e-4)
    assert float(sums["accuracy"]) == hits


@pytest.fixture(scope="module")
def trained(policy, tmp_path_factory):
    """A model that learns to tell sums from other steps."""
    problems = sample_problems(Countdown(), "train", 48, 0)
    examples = []
    for problem in problems:
        steps = ABEL.split(problem.solution)
        examples.append(
            labelled_example(policy.tokenizer, ABEL, problem.question, steps, [float(" + " in step) for step in steps])
        )
    config = PrmConfig(epochs=8, batch_rows=8, row_length=128, optimizer=OptimizerConfig(learning_rate=2e-3, warmup=0))
    return training.train(policy, training.prepare(policy, examples, config, 0), config, 0, tmp_path_factory.mktemp("prm"))


def test_a_rule_is_learnt(trained) -> None:
    model, records = trained
    assert records[0]["loss"] > 0.5
    assert records[-1]["loss"] < 0.2
    assert records[-1]["accuracy"] > 0.9
    problems = sample_problems(Countdown(), "test", 20, 0)
    paths = [(problem, ABEL.split(problem.solution)) for problem in problems]
    scores = PrmJudge(model, ABEL).score(paths)
    hits = [
        (s > 0.5) == (" + " in step)
        for (_, steps), own in zip(paths, scores, strict=True)
        for step, s in zip(steps, own, strict=True)
    ]
    assert sum(hits) / len(hits) > 0.85


def test_saved_and_loaded_it_scores_alike(trained, mesh1, tmp_path) -> None:
    model, _ = trained
    jorney.save(model, tmp_path, "float32")
    again = jorney.load(str(tmp_path), mesh=mesh1)
    assert (again.config.head, again.config.labels) == ("linear", 2)
    problem = sample_problems(Countdown(), "test", 1, 0)[0]
    path = [(problem, ABEL.split(problem.solution))]
    np.testing.assert_allclose(PrmJudge(again, ABEL).score(path)[0], PrmJudge(model, ABEL).score(path)[0], atol=1e-6)


def test_scores_of_whole_rows_are_the_judge_s(trained) -> None:
    """On any mesh: what several processes share is read so."""
    model, _ = trained
    problems = sample_problems(Countdown(), "test", 5, 0)
    paths = [(problem, ABEL.split(problem.solution)) for problem in problems]
    expected = PrmJudge(model, ABEL).score(paths)
    made = [labelled_example(model.tokenizer, ABEL, p.question, steps, [0.5] * len(steps)) for p, steps in paths]
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    spread = dataclasses.replace(model, mesh=mesh, params=jax.device_put(model.params, param_shardings(model.config, mesh)))
    for one in (model, spread):
        found = score_steps(one, made, PrmConfig(batch_rows=4, row_length=128))
        assert [len(own) for own in found] == [len(own) for own in expected]
        np.testing.assert_allclose(np.concatenate(found), np.concatenate(expected), atol=1e-5)


@pytest.mark.parametrize(("field", "value"), [("epochs", 0), ("batch_rows", 0), ("remat", "some"), ("accumulate", 3)])
def test_settings_out_of_range_are_named(field, value) -> None:
    with pytest.raises(ValueError, match=f"prm.{field} = |accumulate = 3"):
        PrmConfig(**{field: value})


def test_a_fresh_head_lies_where_the_table_says(policy) -> None:
    """On the policy's mesh, beside a trunk that is the policy's own; the same whatever the mesh."""
    mesh = make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    spread = dataclasses.replace(policy, mesh=mesh, params=jax.device_put(policy.params, param_shardings(policy.config, mesh)))
    one, other = as_reward_model(policy, 3), as_reward_model(spread, 3)
    assert other.params["score"]["out"].sharding == named(mesh, "weight_embed", "labels")
    np.testing.assert_allclose(one.params["score"]["out"], other.params["score"]["out"], atol=1e-7)
    assert one.params["layers"] is policy.params["layers"]
    assert set(one.params) == {"embedding", "layers", "final_norm", "score"}
    assert 0.5 < float(np.std(one.params["score"]["out"])) / policy.config.init_scale < 2
    assert not np.any(one.params["score"]["out_bias"])
    assert not np.array_equal(one.params["score"]["out"], as_reward_model(policy, 4).params["score"]["out"])


def test_what_cannot_be_trained_on_is_named(policy) -> None:
    with pytest.raises(ValueError, match="no example has a label: expected at least one labelled step"):
        training.prepare(policy, [Example((5, 6, 2))], PrmConfig(batch_rows=1, row_length=32), 0)
    with pytest.raises(ValueError, match="prm.row_length = 2048: expected at most the model's 1024 positions"):
        training.prepare(policy, [Example((5, 6, 2), labels=((1, 1.0),))], PrmConfig(batch_rows=1, row_length=2048), 0)


def test_a_training_begins_without_what_its_model_does_not_have(policy, tiny, mesh1, tmp_path, monkeypatch) -> None:
    """The language model's head, and the policy whose place the state takes: one state lies on the device, and a batch."""
    config = dataclasses.replace(tiny, vocab_size=policy.config.vocab_size)
    tokens = tuple(range(3, 40))
    examples = [Example(tokens, labels=((9, 1.0), (20, 0.0)))] * 8
    prm = PrmConfig(batch_rows=8, row_length=64)
    seen: dict[str, int] = {}
    before = lasting_bytes()
    params = parameters.init(config, jax.random.key(0))
    own = dataclasses.replace(policy, config=config, params=params)
    head = params["head"].nbytes
    del params

    watch_dispatches(monkeypatch, lambda name, alive, _: seen.setdefault(name, alive - before))
    trained, _ = training.train(own, training.prepare(own, examples, prm, 0), prm, 0, tmp_path, donate=True)
    state = 3 * sum(leaf.nbytes for leaf in jax.tree.leaves(trained.params))
    assert head > 0.2 * state / 3
    batch = 8 * 64 * 5 * 4  # tokens, positions, ends, labels and weights
    assert seen["train step"] <= state + batch + 0.05 * head
