"""Thoughts, labels and ends of steps in every step format."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prompts import TEXTS
from random_trees import written_tree

from jorney.domain import domains
from jorney.domain.answers import final_answer
from jorney.domain.countdown.sets import make_problem
from jorney.domain.grading import Grader
from jorney.domain.problem import Problem
from jorney.engine.generate import Completion
from jorney.judge import rollouts
from jorney.judge.rollouts import RolloutConfig, label
from jorney.policy import resolve
from jorney.text.step_format import FORMATS
from jorney.text.tokenizer import load_tokenizer
from jorney.thought.derive import DeriveConfig, shortcuts, walk
from jorney.thought.refine import RefineConfig, check, compose, split_answer
from jorney.train.objectives.prm import encode_steps
from jorney.tree.expand import Grower

PLAIN = [one for one in FORMATS.values() if not one.chat]
STEPS = ("1 + 2 = 3 (left: 3, 3)", "3 * 3 = 9 (left: 9)")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(PLAIN))
def test_thoughts(seed, step_format) -> None:
    """The steps of a walk, divided as the format has it, and the answer at the end of the last."""
    tree = written_tree(seed, step_format)
    for leaf in shortcuts(tree, 2):
        visits = walk(tree, leaf, DeriveConfig(excursion="always"), 0)
        thought = compose(tree, visits, "journey", domains.state, RefineConfig(), 0)
        assert check(tree, visits, thought.text) is None
        assert final_answer(thought.text, step_format.mark) == "24"
        steps = [piece.text for piece in thought.pieces if piece.kind in ("step", "excursion")]
        assert [step.strip() for step in steps[:-1]] == [split_answer(tree, visit.node)[0] for visit in visits[:-1]]
        assert all(step.endswith(step_format.between) for step in steps[:-1])
        assert thought.text.count("25") == 0  # the answer of a way that was left is not stated
        assert thought.pieces[-1].text == step_format.states("24")
        path = compose(tree, [v for v in visits if not v.excursion], "shortcut", domains.state, RefineConfig(), 0)
        assert step_format.split(path.text) == [tree.nodes[step].text.strip() for step in tree.path(leaf)]


@pytest.mark.parametrize("step_format", PLAIN, ids=lambda one: one.name)
def test_a_step_is_judged_where_it_ends(step_format) -> None:
    tokenizer = load_tokenizer(resolve("embedded"))
    steps = step_format.split(step_format.write(STEPS, "9"))
    for goes_on in (False, True):
        ids, ends = encode_steps(tokenizer, step_format, "Make 9.", steps, goes_on)
        prompt = len(step_format.encode(tokenizer, "Make 9."))
        texts = [tokenizer.decode(ids[prompt : end + 1]) for end in ends]
        assert texts[0] == steps[0] + step_format.between
        assert texts[1] == step_format.between.join(steps) + step_format.between * goes_on
        assert len(ids) == ends[-1] + 1


@pytest.mark.parametrize("step_format", PLAIN, ids=lambda one: one.name)
def test_rollouts_label_the_steps_of_every_format(step_format, monkeypatch) -> None:
    text = step_format.write(STEPS, "9")
    problem = make_problem((1, 2, 3), 9)
    seen = []

    def complete(generator, policy, problems, solutions, step_format, config, seed):
        for steps in {whole[:count] for whole in solutions[0] for count in range(1, len(whole) + 1)}:
            seen.append(steps)
            rest = step_format.write(STEPS, "9").partition(step_format.between)[2]
            yield (0, steps), [rest, rest.replace("9", "8")]

    class Given:
        policy = TEXTS

        def generate(self, prompts, sampling, ids):
            assert prompts == [step_format.ask(problem.question)]
            return [[Completion(text, (1,), (0.0,), (0.0,), True, 1)]]

    monkeypatch.setattr(rollouts, "_complete", complete)
    (found,) = label(Given(), None, [problem], step_format, RolloutConfig(hard=False), 0)
    assert list(found.steps) == step_format.split(text)
    assert seen == [found.steps[:1]]
    assert found.labels == (0.5, 1.0)


def test_mathematics_is_graded_where_trees_grow() -> None:
    half = Problem("p", "q", "\\frac{1}{2}")
    with Grader() as grader:
        assert Grower._right(half, "0.5", grader)
        assert not Grower._right(half, "0.25", grader)
        assert Grower._right(make_problem((1, 2, 3), 9), "9", grader)
        assert not Grower._right(make_problem((1, 2, 3), 9), "18/2", grader)
