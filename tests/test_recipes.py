"""The paper's recipe as configs/ states it, run with the embedded model on problems of the same form; small in every number."""

from __future__ import annotations

import dataclasses
import json
import runpy

import pytest
from places import ROOT

from jorney.data.countdown import Countdown, sample_problems
from jorney.data.steps import ABEL
from jorney.pipeline import ProblemsConfig, Run, RunConfig
from jorney.progress import Progress
from jorney.sharding import MeshConfig


def small(training, **more):
    """A training's settings, but for its size."""
    optimizer = dataclasses.replace(training.optimizer, learning_rate=5e-4)
    return dataclasses.replace(training, accumulate=1, optimizer=optimizer, **more)


def as_prm800k(problem) -> dict:
    steps = [line.removeprefix(f"{k}. ") for k, line in enumerate(problem.solution.splitlines()[:-1], start=1)]
    steps[-1] += f"\n\n# Answer\n\n{problem.answer}"
    made = [{"completions": [{"text": step, "rating": 1}], "chosen_completion": 0} for step in steps]
    question = {"problem": problem.question, "ground_truth_answer": problem.answer}
    return {"question": question, "label": {"steps": made, "finish_reason": "solution"}}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["prm800k", "abel"])
def test_the_recipe_runs_from_problems_to_a_report(name: str, tmp_path) -> None:
    recipe: RunConfig = runpy.run_path(str(ROOT / "configs" / f"o1_journey_{name}.py"))["config"]()
    sets = {
        split: sample_problems(Countdown(), split, count, 0) for split, count in (("train", 2000), ("trees", 40), ("test", 20))
    }
    plain = {
        split: [{"question": one.question, "answer": one.answer, "solution": one.solution, "unique_id": one.id} for one in own]
        for split, own in sets.items()
    }
    if name == "prm800k":
        plain["train"] = [as_prm800k(one) for one in sets["train"]]
    else:  # as Abel writes them
        plain["train"] = [{"question": one.question, "answer": one.solution} for one in sets["train"]]
    for split, rows in plain.items():
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = {split: str(tmp_path / f"{split}.jsonl") for split in plain}
    config = dataclasses.replace(
        recipe,
        output=str(tmp_path / "run"),
        model="embedded",
        long_tokens=128,
        share=0.25,
        problems=ProblemsConfig(**files, train_count=None, trees_count=None, test_count=None),
        evaluate=dataclasses.replace(recipe.evaluate, max_tokens=64, rows=32),
        sft=small(recipe.sft, batch_rows=8, row_length=128, head_chunk=128),
        phase2=small(recipe.phase2, batch_rows=8, row_length=192, head_chunk=128),
        prm=small(recipe.prm, batch_rows=8, row_length=128),
        dpo=small(recipe.dpo, batch_pairs=8, prompt_length=None, completion_length=None, samples=8, head_chunk=128),
        expand=dataclasses.replace(recipe.expand, depth=5, step_tokens=32, rows=64),
        rollouts=dataclasses.replace(recipe.rollouts, max_tokens=64, rows=64),
        mesh=MeshConfig(data=1, fsdp=8),
        sampling_mesh=MeshConfig(data=8),
    )
    report = Run(config, Progress(quiet=True)).run()
    assert report["problems"] == {"train": 2000, "trees": 40, "test": 20}
    assert tuple(report["models"]) == ("base", "sft_phase1", "phase2_shortcut", "phase2_journey", "dpo")
    assert all(0 <= model["accuracy"] <= 1 for model in report["models"].values())
    assert (tmp_path / "run" / "report.html").exists()
    stored = next((tmp_path / "run").rglob("train.jsonl"))
    rows = [json.loads(line) for line in stored.read_text().splitlines()]
    assert [row["question"] for row in rows] == [one.question for one in sets["train"]]
    assert all(row["solution"].startswith(ABEL.opens(1)) for row in rows)
