"""The paper's recipes as configs/ states them, run from problems to the report, as a user runs them.

The embedded model stands in for DeepSeekMath, and Countdown problems in the forms of PRM800K, of Abel and of MATH for theirs.
Nothing knows that they are Countdown's: answers are graded as mathematics, and steps are judged by the reward model.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterable

import pytest
from places import CACHE, ROOT

from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.domain.problem import Problem
from jorney.text.step_format import ABEL

COUNTS = {"train": 10_000, "trees": 200, "test": 40}
# Every size; what the recipe is made of stays as it is.
SIZES = {
    "model": "embedded",
    "dtype": "float32",
    "long-tokens": 160,
    "share": 0.4,
    "problems.trees-count": COUNTS["trees"],
    "evaluate.max-tokens": 64,
    "evaluate.rows": 32,
    "expand.w": 4,
    "expand.depth": 5,
    "expand.step-tokens": 32,
    "expand.prune.keep": 4,
    "rollouts.max-tokens": 64,
    "dpo.samples": 10,
    "dpo.prompt-length": 64,
    "dpo.completion-length": 192,
    "dpo.batch-pairs": 8,
    "dpo.accumulate": 1,
    "prm.epochs": 6,
    "prm.optimizer.learning-rate": 5e-4,
}
for part, row in (("sft", 128), ("phase2", 192), ("prm", 128)):
    SIZES |= {f"{part}.batch-rows": 4, f"{part}.accumulate": 1, f"{part}.row-length": row}
for part in ("sft", "phase2", "dpo"):
    SIZES[f"{part}.head-chunk"] = 128
for part in ("sft", "phase2"):
    SIZES[f"{part}.optimizer.learning-rate"] = 5e-4
MODELS = ("base", "sft_phase1", "phase2_shortcut", "phase2_journey", "dpo")


def as_prm800k(problem: Problem) -> dict:
    """A row of PRM800K: labelled steps, the answer in the last."""
    steps = [line.removeprefix(f"{k}. ") for k, line in enumerate(problem.solution.splitlines()[:-1], start=1)]
    steps[-1] += f"\n\n# Answer\n\n{problem.answer}"
    made = [{"completions": [{"text": step, "rating": 1}], "human_completion": None, "chosen_completion": 0} for step in steps]
    question = {"problem": problem.question, "ground_truth_answer": problem.answer}
    return {"question": question, "label": {"steps": made, "finish_reason": "solution"}}


def as_abel(problem: Problem) -> dict:
    """A question, and the numbered solution with the answer at its end."""
    return {"question": problem.question, "answer": problem.solution}


def as_math(problem: Problem) -> dict:
    """A row of MATH."""
    solution = f"We write\n\\[{problem.solution}\\]\nand have $\\boxed{{{problem.answer}}}$."
    row = {"problem": problem.question, "solution": solution, "answer": problem.answer, "subject": "Countdown", "level": 4}
    return {**row, "unique_id": f"made/{problem.id}.json"}


def write(file: pathlib.Path, rows: Iterable[dict]) -> str:
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """The folder of both runs. Their sets hold the same solutions, so that the second finds what the first has made."""
    return tmp_path_factory.mktemp("recipes") / "run"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "form"), [("prm800k", as_prm800k), ("abel", as_abel)])
def test_the_recipe_runs_from_problems_to_a_report(name: str, form, output: pathlib.Path, tmp_path: pathlib.Path) -> None:
    sets = {split: sample_problems(Countdown(), split, count, 0) for split, count in COUNTS.items()}
    files = {split: write(tmp_path / f"{split}.jsonl", map(as_math, sets[split])) for split in ("trees", "test")}
    files["train"] = write(tmp_path / "train.jsonl", map(form, sets["train"]))
    options = {**SIZES, "output": output, **{f"problems.{split}": file for split, file in files.items()}}
    words = [word for option, value in options.items() for word in (f"--{option}", str(value))]
    config = str(ROOT / "configs" / f"o1_journey_{name}.py")
    command = [sys.executable, "-m", "jorney.cli", "run", config, *words]
    settings = {**os.environ, "JAX_COMPILATION_CACHE_DIR": CACHE, "JAX_NUM_CPU_DEVICES": "1"}
    done = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True, timeout=3600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr

    problems = [json.loads(line) for line in (output / "problems" / "train.jsonl").read_text().splitlines()]
    assert [row["question"] for row in problems] == [one.question for one in sets["train"]]
    assert [row["solution"] for row in problems] == [one.solution for one in sets["train"]]
    assert all(row["solution"].startswith(ABEL.opens(1)) and row["verifier"] == "math" for row in problems)

    report = json.loads((output / "report.json").read_text())
    assert report["name"] == f"o1-journey-{name}"
    assert report["problems"] == COUNTS
    assert tuple(report["models"]) == MODELS
    assert report["models"]["base"]["accuracy"] == 0.0
    assert 0.05 < report["models"]["sft_phase1"]["accuracy"] < 0.6  # the README's quickstart: 28.5% of 1,000
    assert all(found["n"] == COUNTS["test"] for found in report["models"].values())
    # The reward model, which judged the trees, tells right steps from wrong ones, and let right paths through.
    assert report["prm"]["f1_step"] > 0.45
    assert report["trees"]["count"] == COUNTS["trees"]
    assert report["trees"]["with_shortcut"] > 0.02
    kinds = report["thoughts"]
    assert kinds["shortcut"]["count"] == kinds["journey"]["count"] == kinds["placebo"]["count"] > 0.02 * COUNTS["trees"]
    assert kinds["journey"]["mean_excursions"] > 0 == kinds["shortcut"]["mean_excursions"]
    assert report["training"]["dpo"]["examples"] > 0
    assert (output / "report.html").exists()
