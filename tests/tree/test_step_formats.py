"""Trees grown with the embedded model, forced into every step format; and nodes sampled again from their keys."""

from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest
from chats import TEMPLATE, chat_tokenizer
from walks import aimless_question

from jorney.compiled import Compilations
from jorney.domain.countdown.game import parse_step
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.domain import Rating
from jorney.engine.drawing import SamplingParams
from jorney.engine.generate import Generator
from jorney.text.step_format import ABEL, FORMATS, StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.tree.expand import ExpandConfig, grow, work_of
from jorney.tree.prune import PruneConfig
from jorney.tree.tree import Tree

CONFIG = ExpandConfig(w=3, depth=3, step_tokens=24, temperature=1.0, prune=PruneConfig(keep=2, explore_wrong=0), rows=16)


@dataclasses.dataclass(frozen=True)
class Forced(Tokenizer):
    """The embedded model's tokenizer as one whose ids are another format's texts: its "2. " are their openings."""

    step_format: StepFormat = ABEL

    def decode(self, ids) -> str:
        text, form = super().decode(ids), self.step_format
        if form.numbered:
            return re.sub(r"(?m)^(\d+)\. ?", lambda match: form.opens(int(match[1])), text)
        return re.sub(r"\n\d+\. ?", "\n\n", re.sub(r"\A1\. ?", "", text))

    def encode_after(self, text: str) -> list[int]:
        if self.step_format.numbered:
            text = re.sub(r"\n*## Step (\d+):", r"\n\1. ", text)
        return super().encode_after(text.replace("\n\n", "\n").rstrip(" "))


def judge(requests) -> list[Rating]:
    return [Rating("-" not in steps[-1], "") for _, steps in requests]


@pytest.fixture(scope="module")
def problems():
    drawn = sample_problems(Countdown(), "trees", 3, 0)
    return [dataclasses.replace(one, question=aimless_question(tuple(one.meta["numbers"]))) for one in drawn]


@pytest.fixture(scope="module")
def compilations():
    return Compilations()


def grown(policy, problems, compilations, step_format) -> list[Tree]:
    generator = Generator(policy, compilations)
    found = {tree.id: tree for tree in grow(generator, policy, problems, judge, step_format, CONFIG, 0)}
    return [found[problem.id] for problem in problems]


@pytest.mark.parametrize("name", FORMATS)
def test_trees_in_every_format(policy, problems, compilations, name) -> None:
    # The prompt is Abel's, which the model knows; in a chat it comes through a template.
    template = TEMPLATE.replace("{{ message.role }}:\n", "").replace("{{ eos_token }}\n", "").replace("assistant:\n", "")
    step_format = dataclasses.replace(FORMATS[name], prompt=ABEL.prompt, system="")
    backend = chat_tokenizer(template).backend
    held = {field.name: getattr(policy.tokenizer, field.name) for field in dataclasses.fields(Tokenizer)}
    tokenizer = policy.tokenizer if name == "abel" else Forced(**{**held, "backend": backend}, step_format=step_format)
    trees = grown(dataclasses.replace(policy, tokenizer=tokenizer), problems, compilations, step_format)
    levels, steps, split = set(), [], 0
    for tree in trees:
        assert tree.step_format == name
        for index, node in enumerate(tree.nodes[1:], start=1):
            level, text = tree.level(index), node.text
            levels.add(level)
            assert tokenizer.decode(node.tokens) == text or not step_format.numbered
            assert text.lstrip().startswith(step_format.opens(level).rstrip())
            path = [tree.nodes[step].text for step in tree.path(index)]
            if all(len(step_format.split(one)) == 1 for one in path):  # else a step begins its own number anew
                whole = step_format.between.join(one.strip() for one in path)
                assert step_format.split(whole) == [one.strip() for one in path]
                split += 1
            if node.status == "kept":  # it ended where the next one begins, and what divides them is written once
                following = [tree.nodes[child].text for child in tree.children(index)]
                gaps = [re.match(r"\s*", (text + one)[len(text.rstrip()) :])[0] for one in following]
                assert {gap.rstrip(" ") for gap in gaps} == {step_format.between}
            steps.append(parse_step(step_format.bare(text.strip()).partition("\n")[0]))
    assert levels == {1, 2, 3}
    assert len(steps) > 20
    assert split > 10
    assert sum(step is not None for step in steps) > 0.8 * len(steps)


def test_a_node_is_sampled_again_from_its_key(policy, problems, compilations) -> None:
    trees = grown(policy, problems, compilations, ABEL)
    tree = max(trees, key=lambda one: len(one.nodes))
    generator, encode = Generator(policy, compilations), policy.tokenizer.encode_after
    prompts = [ABEL.encode(policy.tokenizer, problem.question) for problem in problems]
    work = work_of(CONFIG, len(problems), max(len(encode(f"{k}.")) for k in range(CONFIG.depth + 2)))  # as it was grown with
    engine = generator.engine(prompts, work, SamplingParams.of(CONFIG.temperature, CONFIG.top_p))
    spans = {0: engine.open(prompts[trees.index(tree)])}
    wanted = {}
    for index, node in enumerate(tree.nodes[1:], start=1):
        divided = node.parent == 0 or tree.nodes[node.parent].text.endswith("\n")
        opening = encode(("" if divided else "\n") + f"{tree.level(index)}.")
        assert node.tokens[: len(opening)] == tuple(opening)
        ids = list(node.tokens[len(opening) :])
        wanted[engine.sample(spans[node.parent], np.asarray([node.key], np.uint32), len(ids), opening)] = ids
        if tree.children(index):
            spans[index] = engine.follow(spans[node.parent], node.tokens)
    again = dict(wanted)
    while wanted:
        for group in engine.step():
            assert group.texts[0].ids == wanted.pop(group)
    assert len(again) > 10
    assert len({node.key for node in tree.nodes[1:]}) == len(again)
    assert tree.nodes[0].key is None


def test_a_chat_format_needs_a_template(policy) -> None:
    with pytest.raises(ValueError, match="step_format = 'step-chat': the tokenizer has no chat template"):
        FORMATS["step-chat"].encode(policy.tokenizer, "1 + 1?")


def test_chats_are_asked_through_the_template() -> None:
    tokenizer = chat_tokenizer()
    ids = FORMATS["blank-chat"].encode(tokenizer, " 1 + 1? ")
    assert ids[0] == tokenizer.bos
    assert tokenizer.decode(ids[1:]) == (
        "user:\n1 + 1?\nPlease reason step by step, and put your final answer within \\boxed{}.\nassistant:\n"
    )
    ids = FORMATS["step-chat"].encode(tokenizer, "1 + 1?")
    text = tokenizer.decode(ids)
    assert text.startswith("system:\nSolve the following math problem efficiently and clearly:\n")
    assert text.endswith(
        "$\\boxed{answer}$. I hope it is correct.\n\nWhere [answer] is just the final number or expression "
        "that solves the problem.\nuser:\n1 + 1?\nassistant:\n"
    )
