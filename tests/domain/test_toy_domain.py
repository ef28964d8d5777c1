"""A domain in one file: digits are sorted, the smallest first. `jorney run` and `jorney plan` take this file as it is."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

import pytest

from jorney import cli
from jorney.domain import domains
from jorney.domain.domain import Domain, Rating
from jorney.domain.problem import Problem
from jorney.run.stages.evaluation import EvaluateCommand
from jorney.run.stages.expansion import ExpandCommand
from jorney.solve.evaluate import EvaluateConfig
from jorney.text.step_format import ABEL
from jorney.tree.expand import ExpandConfig
from jorney.tree.prune import PruneConfig


class Sorting(Domain):
    """Each step takes the smallest digit that is left."""

    name = "sorting"
    sets = ("train", "trees", "test")
    exact = True

    def draw(self, split: str, count: int, seed: int, settings: object = None) -> list[Problem]:
        """A problem's set is its digits' sum modulo 3: no other set has it."""
        rng, found = random.Random(f"{split}/{seed}"), {}
        while len(found) < count:
            digits = [rng.randint(1, 9) for _ in range(4)]
            if self.sets[sum(digits) % 3] == split:
                name = "".join(map(str, digits))
                found[name] = self.problem(f"sorting-{name}", digits)
        return list(found.values())

    def problem(self, name: str, digits: Sequence[int]) -> Problem:
        ordered = sorted(digits)
        steps = [f"take {digit}" for digit in ordered]
        answer = ", ".join(map(str, ordered))
        question = f"Sort {', '.join(map(str, digits))}."
        return Problem(name, question, answer, ABEL.write(steps, answer), self.name, {"digits": list(digits)})

    def verify(self, problem: Problem, steps: Sequence[str]) -> Rating:
        left = sorted(problem.meta["digits"])
        for step in steps:
            smallest = str(left.pop(0)) if left else "nothing"
            if step.partition("\n")[0].strip() != f"take {smallest}":
                return Rating(False, f"{smallest} is the smallest", 0.0)
        return Rating(True, "", 1.0)

    def state(self, problem: Problem, steps: Sequence[str]) -> str:
        return ", ".join(map(str, sorted(problem.meta["digits"])[len(steps) :]))


SORTING = Sorting()


def config() -> ExpandCommand:
    """Two trees of the embedded model, judged by the domain."""
    domains.register(SORTING)
    grown = ExpandConfig(w=2, depth=2, step_tokens=8, rows=4, problem_rows=2, chunk=4, prune=PruneConfig(keep=2))
    return ExpandCommand(problems="sorting", limit=2, expand=grown)


@pytest.fixture(autouse=True)
def _known(monkeypatch) -> None:
    monkeypatch.setitem(domains.DOMAINS, "sorting", SORTING)


def test_problems_are_drawn_graded_and_verified() -> None:
    problems = {split: SORTING.draw(split, 20, 0) for split in SORTING.sets}
    assert not {one.id for one in problems["train"]} & {one.id for one in problems["test"]}
    assert SORTING.draw("test", 20, 0) == problems["test"] != SORTING.draw("test", 20, 1)
    problem = SORTING.problem("p", [3, 1, 2])
    grade = SORTING.grade(problem, problem.solution or "", ABEL, lambda known, stated: "never asked")
    assert (grade.correct, grade.answer) == (True, "1, 2, 3")
    assert SORTING.grade(problem, "#### 1, 3, 2", ABEL, lambda *_: "").note == "answers 1, 3, 2, not 1, 2, 3"
    assert SORTING.verify(problem, ["take 1", "take 2"]) == Rating(True, "", 1.0)
    assert SORTING.verify(problem, ["take 1", "take 3"]) == Rating(False, "2 is the smallest", 0.0)
    assert domains.state(problem, ["take 1"]) == "2, 3"


def test_trees_are_grown_and_judged_from_the_command_line(tmp_path) -> None:
    assert cli.main(["run", __file__, "--output", str(tmp_path)]) == 0
    rows = [
        json.loads(line) for part in (tmp_path / "trees" / "parts").glob("*.jsonl") for line in part.read_text().splitlines()
    ]
    assert sorted(row["id"] for row in rows) == sorted(one.id for one in SORTING.draw("trees", 2, 0))
    nodes = [node for row in rows for node in row["nodes"][1:]]
    assert nodes
    for row in rows:
        smallest = min(row["meta"]["digits"])
        for node in row["nodes"][1:]:
            if node["parent"] == 0:  # what the embedded model writes is Countdown, and no step of sorting
                assert (node["rating"], node["justification"]) == (-1, f"{smallest} is the smallest")


def test_a_model_is_evaluated_on_it(tmp_path, monkeypatch, capsys) -> None:
    command = tmp_path / "evaluate.py"
    command.write_text(f"import runpy\nconfig = runpy.run_path({__file__!r})['evaluation']\n")
    assert cli.main(["run", str(command), "--output", str(tmp_path / "out")]) == 0
    found = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert (found["n"], found["accuracy"]) == (6, 0.0)


def evaluation() -> EvaluateCommand:
    """What the embedded model makes of six problems."""
    return EvaluateCommand(problems="sorting", limit=6, evaluate=EvaluateConfig(max_tokens=8, rows=6, chunk=4))


def test_it_is_planned_for_a_tpu(capsys) -> None:
    pytest.importorskip("libtpu")
    assert cli.main(["plan", __file__, "--topology", "v5e-8", "--prompt", "32", "--contexts"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("\nfits")
