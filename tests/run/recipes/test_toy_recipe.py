"""A recipe in one file: trees, thoughts of them, and a model that learns them, as one command of a configuration file."""

from __future__ import annotations

import dataclasses
import json
from typing import ClassVar

from random_trees import random_tree

from jorney import cli, storage
from jorney.machine.plan.planned import AotProgram
from jorney.machine.plan.planner import Planner
from jorney.run.artifact import Artifact, Model
from jorney.run.stages.derivation import plan_thoughts
from jorney.run.stages.expansion import trees_key
from jorney.run.stages.fine_tuning import TrainCommand
from jorney.run.stages.lessons import Lesson, plan_phase2
from jorney.run.workspace import Workspace
from jorney.thought.derive import DeriveConfig
from jorney.thought.refine import RefineConfig
from jorney.train.objectives.sft import SftConfig


@dataclasses.dataclass(frozen=True)
class LearnTreesCommand(TrainCommand):
    """A model that learns one kind of thoughts from trees.

    Attributes:
      trees: a .jsonl file of trees, or the folder that `jorney expand` wrote.
      kind: of the thoughts: "shortcut" or "journey".
    """

    command: ClassVar[str] = "learn trees"
    common = ("trees", "kind", "output", "sft.epochs", "seed")

    output: str = "runs/learn_trees"
    trees: str = "runs/expand/trees"
    kind: str = "journey"
    derive: DeriveConfig = dataclasses.field(default_factory=lambda: DeriveConfig(per_tree=1))
    refine: RefineConfig = dataclasses.field(default_factory=RefineConfig)
    sft: SftConfig = dataclasses.field(default_factory=lambda: SftConfig(batch_rows=4, row_length=512, head_chunk=128))

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        """Each artifact is named by what it reads; the second reads the first by its key, before either is there."""
        thoughts = plan_thoughts(space, self.trees, trees_key(self.trees), self.derive, self.refine)
        lesson = Lesson(self.kind)
        return [thoughts, plan_phase2(space, f"learned_{self.kind}", model, thoughts, lesson, self.sft, f"from {self.kind}s")]

    def programs(self, planner: Planner) -> list[AotProgram]:
        return [planner.step("learn", self.sft, planner.mesh(self.mesh))]


def config() -> LearnTreesCommand:
    """Journeys, in packed rows of 512 tokens."""
    return LearnTreesCommand()


def test_it_runs_from_a_configuration_file_and_redoes_what_changed_alone(tmp_path, capsys) -> None:
    storage.write_jsonl(tmp_path / "trees.jsonl", (random_tree(seed).to_json() for seed in range(30)))
    words = [
        "run",
        __file__,
        "--trees",
        str(tmp_path / "trees.jsonl"),
        "--output",
        str(tmp_path / "out"),
        "--mesh.devices",
        "1",
    ]
    assert cli.main(words) == 0
    result = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert result["examples"] == len((tmp_path / "out" / "thoughts" / "journey.jsonl").read_text().splitlines()) > 5
    capsys.readouterr()
    assert cli.main([*words, "--kind", "shortcut"]) == 0
    told = capsys.readouterr().out
    assert "thoughts: already done" in told
    assert "learned_shortcut: from shortcuts" in told
    assert cli.main(words) == 0  # what was done before is still there
    assert "learned_journey: already done" in capsys.readouterr().out


def test_its_help_is_its_own(capsys) -> None:
    assert cli.main(["run", __file__, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "A model that learns one kind of thoughts from trees." in shown
    first = shown.partition("options:\n")[2].partition("\n\n")[0]
    assert [line.split()[0] for line in first.splitlines() if line.startswith("  --")] == [
        f"--{name}" for name in LearnTreesCommand.common
    ]
