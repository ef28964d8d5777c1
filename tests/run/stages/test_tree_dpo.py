"""`jorney dpo --trees`: pairs of trees, from the command line to the model; and the same pairs as rows of files."""

from __future__ import annotations

import dataclasses
import pathlib
import shutil

import pytest
from countdown_trees import countdown_tree
from trees_by_hand import followed_tree

from jorney import cli, storage
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.policy import resolve
from jorney.run import inputs
from jorney.run.stages.preferences import DpoCommand
from jorney.text.step_format import ABEL
from jorney.text.tokenizer import load_tokenizer
from jorney.thought.refine import RefineConfig
from jorney.thought.tree_pairs import PAIR_KINDS
from jorney.train.objectives.dpo import DpoConfig
from jorney.tree.contrasts import ContrastConfig

DPO = ["--dpo.batch-pairs", "8", "--dpo.epochs", "1", "--dpo.optimizer.learning-rate", "1e-4"]


@pytest.fixture(scope="module")
def trees(tmp_path_factory) -> str:
    problems = sample_problems(Countdown(), "train", 6, 0)
    file = tmp_path_factory.mktemp("trees") / "trees.jsonl"
    members = [followed_tree(number, alike=False) for number in range(4)]
    storage.write_jsonl(file, (one.to_json() for one in [*members, *(countdown_tree(problem, 0, 6) for problem in problems)]))
    return str(file)


def run(folder: pathlib.Path, capsys, *arguments: str, fails: bool = False) -> str:
    """The command's stderr; its result is in OUTPUT/summary.json."""
    capsys.readouterr()
    code = cli.main([*arguments, "--output", str(folder / "out")])
    error = capsys.readouterr().err
    assert code == (2 if fails else 0), error
    return error


def result(folder: pathlib.Path) -> dict:
    return storage.read_json(folder / "out" / "summary.json")


def test_pairs_of_trees_train_a_model(trees, tmp_path, capsys) -> None:
    arguments = ("dpo", "--trees", trees, "--pairs", "first-error", *DPO)
    run(tmp_path, capsys, *arguments)
    found = result(tmp_path)
    assert found["examples"] >= 4
    assert 0 <= found["shorter_wins"] <= 1
    (stage,) = (tmp_path / "out" / "stages").iterdir()
    assert (stage / "model" / "config.json").exists()
    # The same trees, in the folder that `jorney expand` would have written, are known by their content; the limits count.
    run(tmp_path, capsys, *arguments)
    assert list((tmp_path / "out" / "stages").iterdir()) == [stage]
    run(tmp_path, capsys, *arguments, "--contrast.per-tree", "1")
    assert len(list((tmp_path / "out" / "stages").iterdir())) == 2
    assert result(tmp_path)["examples"] < found["examples"]


def test_all_terms_on_journeys_and_subtrees(trees, tmp_path, capsys) -> None:
    own = ("--contrast.smoothing", "visits", "--dpo.smoothing", "own", "--dpo.nll", "0.2")
    run(tmp_path, capsys, "dpo", "--trees", trees, "--pairs", "journey", *own, *DPO)
    assert result(tmp_path)["examples"] >= 4
    run(tmp_path, capsys, "dpo", "--trees", trees, "--pairs", "subtree", "--dpo.step-weights", "softmax", *own, *DPO)
    assert result(tmp_path)["examples"] >= 4


def test_another_reference_is_another_model(trees, tmp_path, capsys) -> None:
    run(tmp_path, capsys, "dpo", "--trees", trees, *DPO)
    (first,) = (tmp_path / "out" / "stages").iterdir()
    run(tmp_path, capsys, "dpo", "--trees", trees, *DPO, "--dpo.reference", str(first / "model"))
    stages = sorted((tmp_path / "out" / "stages").iterdir())
    assert len(stages) == 2
    # It is known by its content, wherever it lies.
    shutil.copytree(first / "model", tmp_path / "copy")
    run(tmp_path, capsys, "dpo", "--trees", trees, *DPO, "--dpo.reference", str(tmp_path / "copy"))
    assert sorted((tmp_path / "out" / "stages").iterdir()) == stages
    assert "none" in run(tmp_path, capsys, "dpo", "--trees", trees, "--dpo.reference", str(tmp_path / "none"), fails=True)


@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_exported_rows_are_the_pairs_of_the_trees(trees, tmp_path, kind: str) -> None:
    tokenizer, seed = load_tokenizer(resolve("embedded")), 3
    expected = inputs.read_tree_pairs(trees, None, kind, ContrastConfig(), RefineConfig(), ABEL, seed).make(tokenizer)
    assert len(expected) >= 4
    ends = kind in ("subtree", "leaf", "journey")
    for pair in expected if kind != "step" else []:
        for side in (pair.chosen, pair.rejected):
            assert side.count(tokenizer.eos) == (side[-1] == tokenizer.eos)
            assert (side[-1] == tokenizer.eos) or not ends
    for name in ("preference_pairs", "step_dpo")[: 1 if kind == "journey" else 2]:
        out = str(tmp_path / f"{name}.jsonl")
        words = ["trees", "export", trees, "--format", name, "--pairs", kind, "--seed", str(seed), "--output", out]
        assert cli.main(words) == 0
        found = inputs.read_pairs(out, None, ABEL).make(tokenizer)
        if name == "step_dpo":  # which holds no scores
            expected = [dataclasses.replace(one, chosen_steps=(), rejected_steps=()) for one in expected]
        assert found == expected


def test_old_commands_keep_their_keys(tmp_path) -> None:
    """Rows without a word of steps are known by their content alone."""
    file = tmp_path / "rows.jsonl"
    storage.write_jsonl(file, [{"prompt": "1 + 2 =", "chosen": " 3", "rejected": " 4"}])
    plain = inputs.read_pairs(str(file), None, ABEL)
    assert plain.key == inputs.digest_rows([{"prompt": "1 + 2 =", "chosen": " 3", "rejected": " 4"}])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"pairs": "node"}, "pairs = 'node': expected one of step, first-error, subtree, leaf, journey"),
        ({"trees": "a", "data": "b"}, r"trees = 'a': expected either trees or data, got both \(data = 'b'\)"),
        (
            {"trees": "a", "dpo": DpoConfig(smoothing="own")},
            "contrast.smoothing = 'none': expected visits or score with dpo.smoothing = 'own'",
        ),
        (
            {"trees": "a", "pairs": "journey", "dpo": DpoConfig(step_weights="softmax")},
            "dpo.step_weights = 'softmax': expected 'none' with pairs = 'journey'",
        ),
    ],
)
def test_fields_that_do_not_go_together(fields, message) -> None:
    with pytest.raises(ValueError, match=message):
        DpoCommand(**fields)


def test_what_is_wrong_is_named(tmp_path, trees, capsys) -> None:
    assert "no such file or folder" in run(tmp_path, capsys, "dpo", "--trees", str(tmp_path / "none"), *DPO, fails=True)
    bare = followed_tree(0)
    right = dataclasses.replace(bare, nodes=tuple(node for node in bare.nodes if node.rating != -1 and not node.excursion)[:2])
    right = dataclasses.replace(right, nodes=(right.nodes[0], dataclasses.replace(right.nodes[1], parent=0)))
    storage.write_jsonl(tmp_path / "right.jsonl", [right.to_json()])
    message = run(tmp_path, capsys, "dpo", "--trees", str(tmp_path / "right.jsonl"), *DPO, fails=True)
    assert "right.jsonl: no tree has a pair of the kind 'step': expected right and wrong ways on from one step" in message
    message = run(tmp_path, capsys, "dpo", "--trees", trees, "--step-format", "blank", *DPO, fails=True)
    assert "tree 'p0': its steps are written as 'abel' has them: expected 'blank'" in message
