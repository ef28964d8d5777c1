"""Trees to and from other formats: published rows come back as they were, and laws over random trees."""

from __future__ import annotations

import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_trees import written_tree

from jorney.domain.grading import Grader
from jorney.rows import game24, math_shepherd, openr, prm800k, trl
from jorney.rows.registry import EXPORTERS, IMPORTERS, ExportConfig
from jorney.rows.tree_rows import Answers
from jorney.rows.trl import read_steps
from jorney.text.step_format import ABEL, BLANK, FORMATS, STEP
from jorney.tree.tree import Tree, from_json

PUBLISHED = {
    "prm800k": "prm_samples/samples_prm800k.jsonl",
    "openr": "prm_samples/samples_math-aps-tree.jsonl",
    "math_shepherd": "prm_samples/samples_math-shepherd.jsonl",
}
SEEDS, WRITTEN = st.integers(0, 100_000), st.sampled_from((ABEL, BLANK, STEP))
CONFIG = ExportConfig()


@pytest.fixture(scope="module")
def answers():
    with Grader() as grader:
        yield Answers(grader)


def read(shared_data, name):
    return [json.loads(line) for line in (shared_data / PUBLISHED[name]).read_text().splitlines()]


def again(tree: Tree) -> Tree:
    """Through a file."""
    return from_json(json.loads(json.dumps(tree.to_json())))


# --- published rows


@pytest.mark.parametrize("written", ["abel", "blank", "step"])
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_rows_come_back_as_they_were(shared_data, answers, name, written) -> None:
    rows = read(shared_data, name)
    for row in rows:
        before = copy.deepcopy(row)
        tree = IMPORTERS[name].tree_of(row, "p", FORMATS[written], answers)
        assert again(tree) == tree
        assert list(EXPORTERS[name](again(tree), CONFIG)) == [before] == [row]


def test_what_published_prm800k_rows_hold(shared_data, answers) -> None:
    trees = [prm800k.tree_of(row, "p", ABEL, answers) for row in read(shared_data, "prm800k")]
    first = trees[0]
    human = next(node for node in first.nodes if node.meta.get("human"))
    assert (human.text, human.rating, human.status) == ("2. We have $3p+e=1.24$ and $5p+e=1.82$.", None, "kept")
    assert [node.rating for node in first.nodes if node.parent == 1] == [-1] * 5 + [None]
    last = [node for node in first.nodes if node.status == "leaf-correct"]
    assert [node.text for node in last][-1] == "6. That means a pencil costs 29 cents.\n#### 29"
    assert [node.meta.get("chosen") for node in last] == [None, True]
    assert trees[1].meta["prm800k"]["label"]["finish_reason"] == "found_error"
    assert [node.status for node in trees[1].nodes if node.parent == 6] == ["pruned"] * 4
    # Given up: the last step that was taken has nothing after it.
    assert sum(node.status == "unfinished" for node in trees[4].nodes) == 1
    # Without a known answer the labels are believed.
    assert (trees[5].answer, trees[5].nodes[-1].status) == ("", "leaf-correct")


def test_published_monte_carlo_trees_are_graded(shared_data, answers) -> None:
    for row in read(shared_data, "openr"):
        tree = openr.tree_of(row, "p", BLANK, answers)
        values = [node.score for node in tree.nodes[1:]]
        assert all((node.rating == 1) == (node.score > 0) for node in tree.nodes[1:])
        assert 0.0 in values
        assert any(node.status == "leaf-correct" for node in tree.nodes)
        # A right answer, though the search took the step for wrong: the answer is right, the path is not.
        odd = [i for i, node in enumerate(tree.nodes) if node.status == "leaf-correct" and node.rating == -1]
        assert not any(tree.valid(i) for i in odd)


def test_published_searches_of_game_of_24(shared_data, answers) -> None:
    logs = json.loads((shared_data / "game24" / "gpt4_bfs_trees.json").read_text())
    solved, candidates = 0, 0
    for log in logs:
        tree = game24.tree_of(log, "p", ABEL, answers)
        assert again(tree) == tree
        # Every answer that the authors graded is graded alike.
        for text, info in zip(log["ys"], log["infos"], strict=True):
            answer = text.strip().rpartition("\n")[2]
            right = answer.lower().startswith("answer") and game24.makes_24(answer.partition(":")[2], log["steps"][0]["x"])
            assert right == bool(info["r"])
        assert len(tree.nodes) - 1 == sum(len(set(level["new_ys"])) for level in log["steps"])
        assert sum(node.count for node in tree.nodes[1:]) == sum(len(level["new_ys"]) for level in log["steps"])
        for level, step in enumerate(log["steps"], start=1):
            nodes = {n.text: n for i, n in enumerate(tree.nodes) if i and tree.level(i) == level}
            candidates += len(nodes)
            assert {node.score for node in nodes.values()} <= set(map(float, step["values"]))
        solved += any(node.status == "leaf-correct" for node in tree.nodes)
        assert sum(node.status == "kept" for node in tree.nodes[1:]) <= 15  # three levels of five
    assert solved >= sum(any(info["r"] for info in log["infos"]) for log in logs) == 69
    assert candidates > 7000


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("(4 + 8) * (6 - 4) = 24", True),
        ("(4 + 8) * (6 - 4)", True),
        ("4 * 6 = 24", False),
        ("4 + 8 + 6 + 4 = 24", False),
        ("(4 + 8) / (6 - 6) = 24", False),
        ("4 ** 8 ** 6 ** 4 = 24", False),  # no power is computed
        ("__import__('os') = 24", False),
        ("(" * 5000, False),
    ],
)
def test_answers_of_game_of_24(answer, right) -> None:
    assert game24.makes_24(answer, "4 4 6 8") is right


# --- laws


def shown(tree: Tree) -> list[tuple]:
    """What a tree is, but for its name and what only other formats hold."""
    return [(n.parent, n.sibling, n.text, n.rating, n.score, n.status) for n in tree.nodes[1:]]


def chain(tree: Tree, path: list[int], ratings: list[int], answer: str) -> list[tuple]:
    """A path as a tree of its own, as formats have it that hold paths alone."""
    rows = []
    for place, (index, rating) in enumerate(zip(path, ratings, strict=True)):
        node, status = tree.nodes[index], "kept"
        if place == len(path) - 1:
            status = "unfinished" if not node.leaf else "leaf-correct" if rating == 1 else "leaf-wrong"
        rows.append((place, 0, node.text, rating, None, status))
    return rows


def rated(tree: Tree) -> list[list[int]]:
    """Paths to the ends, up to the first step without a rating; each once."""
    found = []
    for index in range(1, len(tree.nodes)):
        if not tree.children(index):
            path = tree.path(index)
            cut = next((i for i, step in enumerate(path) if tree.nodes[step].rating is None), len(path))
            if path[:cut] and path[:cut] not in found:
                found.append(path[:cut])
    return found


@settings(max_examples=60, deadline=None)
@given(SEEDS, WRITTEN, st.booleans())
def test_paths_with_labels(answers, seed, written, neutral) -> None:
    tree, config = written_tree(seed, written), ExportConfig(neutral=neutral)
    for name in ("math_shepherd", "stepwise"):
        rows = list(EXPORTERS[name](tree, config))
        read = [IMPORTERS[name].tree_of(row, "p", written, answers) for row in rows]
        assert [list(EXPORTERS[name](one, config)) for one in read] == [[row] for row in rows]
        paths = rated(tree)
        assert len(rows) == len(paths)
        for one, path in zip(read, paths, strict=True):
            ratings = [1 if (r := tree.nodes[step].rating) == 1 or (r == 0 and neutral) else -1 for step in path]
            assert (one.question, shown(one)) == (tree.question, chain(tree, path, ratings, tree.answer))


@settings(max_examples=60, deadline=None)
@given(SEEDS, WRITTEN)
def test_monte_carlo_trees(answers, seed, written) -> None:
    tree = written_tree(seed, written)
    (row,) = openr.rows_of(tree)
    read = openr.tree_of(row, "p", written, answers)
    assert list(openr.rows_of(read)) == [row]
    assert (read.id, read.question, read.answer) == (tree.id, tree.question, tree.answer)

    def below(tree: Tree, index: int, score: bool) -> list:
        """A tree as nested lists, whatever the order of its nodes."""
        found = []
        for child in tree.children(index):
            node = tree.nodes[child]
            value = node.score if node.score is not None or node.correct is None or not score else float(node.correct)
            status = "pruned" if node.status == "kept" and not tree.children(child) else node.status
            found.append((node.text, value, status, below(tree, child, score)))
        return found

    assert below(read, 0, score=False) == below(tree, 0, score=True)


@settings(max_examples=60, deadline=None)
@given(SEEDS, WRITTEN)
def test_labelled_rows(answers, seed, written) -> None:
    tree = written_tree(seed, written)
    rows = list(prm800k.rows_of(tree))
    read = [prm800k.tree_of(row, "p", written, answers) for row in rows]
    assert [list(prm800k.rows_of(one)) for one in read] == [[row] for row in rows]
    # One row for every node whose children are the last.
    last = [i for i in range(len(tree.nodes)) if tree.children(i) and not any(tree.children(c) for c in tree.children(i))]
    assert len(rows) == len(last)
    for one, end in zip(read, last, strict=True):
        trunk, expected, place = [0, *tree.path(end)], [], {0: 0}
        for step, parent in enumerate(trunk):
            for sibling, child in enumerate(tree.children(parent)):
                node, on = tree.nodes[child], child in trunk
                chosen = step == len(trunk) - 1 and child == _chosen(tree, parent)
                status = "kept" if on else node.status if node.leaf else "pruned"
                place[child] = len(expected) + 1
                expected.append((place[parent], sibling, node.text, node.rating, None, status))
                assert one.nodes[place[child]].meta.get("chosen") == (True if chosen else None)
        assert shown(one) == expected


def _chosen(tree: Tree, parent: int) -> int | None:
    return next((c for c in tree.children(parent) if tree.nodes[c].status == "leaf-correct" and tree.valid(c)), None)


@settings(max_examples=60, deadline=None)
@given(SEEDS, WRITTEN, st.integers(1, 3))
def test_preferences_and_completions(seed, written, pairs) -> None:
    tree = written_tree(seed, written)
    asked = written.ask(tree.question)
    for row in trl.siblings(tree, pairs):
        ways = [
            parent
            for parent in range(len(tree.nodes))
            if row["prompt"] == asked + "".join(tree.nodes[step].text.strip() + written.between for step in tree.path(parent))
        ]
        sides = {
            side: [c for way in ways for c in tree.children(way) if tree.nodes[c].text.strip() == row[side]]
            for side in ("chosen", "rejected")
        }
        assert any(tree.nodes[c].correct is True for c in sides["chosen"])
        assert any(tree.nodes[c].correct is False for c in sides["rejected"])
    texts = {written.between.join(tree.nodes[step].text.strip() for step in tree.path(leaf)): leaf for leaf in tree.leaves()}
    right = [row["completion"] for row in trl.completions(tree)]
    assert set(right) == {
        text for text, leaf in texts.items() if tree.nodes[leaf].status == "leaf-correct" and tree.valid(leaf)
    }
    chats = [row["messages"] for row in trl.messages(tree)]
    assert [chat[-1] for chat in chats] == [{"role": "assistant", "content": text} for text in right]
    assert all(chat[0] == {"role": "user", "content": tree.question} for chat in chats)
    found = list(trl.leaves(tree, pairs))
    wrong = sum(node.status == "leaf-wrong" for node in tree.nodes)
    assert len(found) == min(len(right), wrong, pairs)
    assert all(tree.nodes[texts[row["rejected"]]].status == "leaf-wrong" for row in found)


def test_stepwise_rows_are_what_training_reads() -> None:
    trees = [written_tree(seed) for seed in range(9)]
    rows = [row for tree in trees for row in trl.stepwise(tree, neutral=False, soft=True)]
    assert len(rows) > 10
    for row in rows:
        steps = read_steps(row, "p")
        assert (steps.prompt, len(steps.steps)) == ("What is it?", len(steps.labels))
        assert steps.steps[0].startswith("1. ")
    assert {type(label) for row in rows for label in row["labels"]} == {bool, float}


def test_steps_without_openings_get_them(answers) -> None:
    row = {"prompt": "1 + 1?", "completions": ["It is 2.", "#### 2"], "labels": [True, False], "source": "x"}
    tree = trl.tree_of(row, "p", ABEL, answers)
    assert [node.text for node in tree.nodes[1:]] == ["1. It is 2.", "2. #### 2"]
    assert list(trl.stepwise(tree)) == [row]


def test_a_power_tower_stalls_no_import() -> None:
    row = {
        "question": "q",
        "final_answer": "$8^{8^{8^{8^8}}}$",
        "reasoning_steps": {
            "text": "q",
            "mc_value": 0.5,
            "children": [{"text": "\\boxed{9^{9^{9^{9^9}}}}", "mc_value": 0.0, "children": []}] * 3,
        },
    }
    with Grader(timeout_seconds=0.5) as grader:
        tree = openr.tree_of(row, "p", BLANK, Answers(grader))
    assert [node.status for node in tree.nodes[1:]] == ["leaf-wrong"] * 3
    assert list(openr.rows_of(tree)) == [row]


# --- faults are named

PRM = {
    "question": {"problem": "q", "ground_truth_answer": "2"},
    "label": {
        "steps": [{"completions": [{"text": "a", "rating": 1}], "human_completion": None, "chosen_completion": 0}],
        "finish_reason": "give_up",
    },
}
OPENR = {"question": "q", "final_answer": "2", "reasoning_steps": {"text": "q", "mc_value": 1, "children": []}}
SHEPHERD = {"input": "q Step 1: a ки\nStep 2: b ки", "label": "q Step 1: a +\nStep 2: b -"}
STEPWISE = {"prompt": "q", "completions": ["a"], "labels": [True]}
LOG = {
    "idx": 1,
    "steps": [{"x": "1 2 3 4", "ys": [""], "new_ys": ["1 + 2 = 3\n"], "values": [3.0], "select_new_ys": ["1 + 2 = 3\n"]}],
}


def _step(row):
    return row["label"]["steps"][0]


@pytest.mark.parametrize(
    ("name", "row", "change", "message"),
    [
        ("prm800k", PRM, lambda r: r.pop("question"), "the field 'question' is missing"),
        ("prm800k", PRM, lambda r: r["label"].update(steps=None), "field 'label.steps': expected a list, got None"),
        (
            "prm800k",
            PRM,
            lambda r: _step(r).update(chosen_completion=1),
            "'label.steps[0].chosen_completion': 1: expected 0 to 0",
        ),
        ("prm800k", PRM, lambda r: _step(r)["completions"][0].update(rating=2), "completions[0].rating': expected 1, 0, -1 or"),
        ("prm800k", PRM, lambda r: _step(r)["completions"][0].update(text=3), "completions[0].text': expected a text, got 3"),
        (
            "prm800k",
            PRM,
            lambda r: _step(r).update(completions=[4]),
            "'label.steps[0].completions[0]': expected an object, got 4",
        ),
        ("openr", OPENR, lambda r: r.update(final_answer=3), "field 'final_answer': expected a text, got 3"),
        (
            "openr",
            OPENR,
            lambda r: r["reasoning_steps"].update(children=[3]),
            "reasoning_steps.children[0]': expected an object",
        ),
        (
            "openr",
            OPENR,
            lambda r: r["reasoning_steps"].update(mc_value=True),
            "mc_value': expected a number or null, got True",
        ),
        ("math_shepherd", SHEPHERD, lambda r: r.update(input="q"), "field 'input': expected a question, ' Step 1: '"),
        ("math_shepherd", SHEPHERD, lambda r: r.update(label="q Step 1: a +\nStep 2: c -"), "field 'label': step 2: expected"),
        ("math_shepherd", SHEPHERD, lambda r: r.update(label=r["label"] + "!"), "field 'label': expected it to end as 'input'"),
        ("stepwise", STEPWISE, lambda r: r.update(labels=[]), "field 'labels': 0 of them: expected one for each of the 1"),
        ("stepwise", STEPWISE, lambda r: r.update(labels=[2]), "field 'labels[0]': expected true, false or 0 to 1, got 2"),
        ("game24", LOG, lambda r: r.update(steps=[]), "field 'steps[0]': expected an object"),
        ("game24", LOG, lambda r: r["steps"][0].update(values=[]), "field 'steps[0].values': 0 of them: expected 1"),
        ("game24", LOG, lambda r: r["steps"][0].update(ys=[]), "field 'steps[0].new_ys[0]': expected a text that goes on from"),
    ],
)
def test_faults_of_rows_are_named(answers, name, row, change, message) -> None:
    made = copy.deepcopy(row)
    IMPORTERS[name].tree_of(made, "p", ABEL, answers)
    change(made)
    with pytest.raises(ValueError, match="^p: ") as error:
        IMPORTERS[name].tree_of(made, "p", ABEL, answers)
    assert message in str(error.value)


def test_odd_rows_come_back_too(answers) -> None:
    """Steps behind one of which nothing was chosen, fields that nobody knows, answers with space around them."""
    odd = copy.deepcopy(PRM)
    _step(odd).update(chosen_completion=None, note="?")
    odd["label"]["steps"] += [
        copy.deepcopy(_step(PRM)),
        {"completions": None, "human_completion": None, "chosen_completion": None},
    ]
    odd["label"]["steps"][1]["completions"][0]["text"] = "b\n\n# Answer\n\n 2 \n"
    tree = prm800k.tree_of(odd, "p", ABEL, answers)
    assert len(tree.nodes) == 2
    assert list(prm800k.rows_of(again(tree))) == [odd]
    chosen = copy.deepcopy(odd)
    _step(chosen)["chosen_completion"] = 0
    tree = prm800k.tree_of(chosen, "p", ABEL, answers)
    assert (tree.nodes[2].text, tree.nodes[2].status) == ("2. b\n#### 2", "leaf-correct")
    assert list(prm800k.rows_of(again(tree))) == [chosen]
    spaced = {"input": "q Step 1:  a  ки\n\nStep 2: bки.", "label": "q Step 1:  a  +\n\nStep 2: b-.", "task": "x"}
    assert list(math_shepherd.rows_of(math_shepherd.tree_of(spaced, "p", STEP, answers))) == [spaced]
