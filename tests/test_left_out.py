"""A run that finds nothing to go on with ends with a report that says so; what stands on its own is there."""

from __future__ import annotations

import dataclasses

import pytest

from jorney.progress import Progress
from jorney.run.artifact import Done, Lacking, Model
from jorney.run.recipes import journey as pipeline
from jorney.run.recipes.journey import ProblemsConfig, Run, quickstart
from jorney.show import findings, markdown, page, report_page

LACKS = {"thoughts": "trees: no tree holds a path", "pairs": "", "dpo": "dpo: there are no pairs", "prm": "prm: none ended"}


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs the stages of a quickstart, of which some lack what they need; returns (those that ran, those that did not)."""

    def of(lacking: str, judge: str = "verifier") -> tuple[list[str], dict[str, str]]:
        few = ProblemsConfig(train_count=4, trees_count=4, test_count=4)
        config = dataclasses.replace(quickstart(), output=str(tmp_path / "run"), problems=few, judge=judge)
        made = Run(config, Progress(quiet=True))
        monkeypatch.setattr(pipeline, "accuracy_line", lambda done: "")

        def work(stage):
            if stage.name == lacking:
                raise Lacking(LACKS[lacking])
            return Done(stage.folder, stage.key, {}, 0.0)

        monkeypatch.setattr(made._space, "run", work)
        made._plan(Model(made._model, "base"), made._read_problems())
        left_out = made._run_stages()
        assert set(made._done) | set(left_out) == set(made._stages)
        return list(made._done), left_out

    return of


def test_without_a_right_path_nothing_learns_from_thoughts(run) -> None:
    done, left_out = run("thoughts")
    assert done == ["problems", "evaluate_base", "sft_phase1", "evaluate_sft_phase1", "rollouts", "prm", "trees"]
    assert left_out["thoughts"] == LACKS["thoughts"]
    assert left_out["phase2_journey"] == "needs thoughts"
    assert left_out["evaluate_phase2_journey"].startswith("needs ")
    assert left_out["evaluate_dpo"].startswith("needs ")


def test_without_pairs_all_but_dpo_is_there(run) -> None:
    done, left_out = run("dpo")
    assert left_out == {"dpo": LACKS["dpo"], "evaluate_dpo": "needs dpo"}
    assert done[-2:] == ["evaluate_placebo_journey", "pairs"]


@pytest.mark.parametrize(("judge", "grown"), [("verifier", True), ("prm", False)])
def test_trees_need_the_reward_model_only_where_it_judges_them(run, judge: str, grown: bool) -> None:
    done, left_out = run("prm", judge)
    assert ("trees" in done) is grown
    assert left_out["prm"] == LACKS["prm"]
    assert left_out.get("trees") == (None if grown else "needs prm")


def test_the_report_says_why() -> None:
    report = {"name": "r", "left_out": {"thoughts": "no tree holds a path", "phase2_journey": "needs thoughts"}}
    found = findings.left_out_table(report)
    assert found.rows == (("Thoughts", "no tree holds a path"), ("Journey", "needs thoughts"))
    assert findings.left_out_table({"name": "r"}) is None
    assert "Left out" in page.html(report_page.document(report, ()))
    assert "## Left out\n\n| Part | Why |" in markdown.text(report_page.document(report, ()))
    assert "Left out" not in markdown.text(report_page.document({"name": "r"}, ()))


def test_pairs_of_trees_are_not_sampled(tmp_path) -> None:
    """The DPO model then hangs on the trees alone, beside the journey model."""
    few = ProblemsConfig(train_count=4, trees_count=4, test_count=4)
    config = dataclasses.replace(quickstart(), output=str(tmp_path / "run"), problems=few)
    plans = {}
    for kind in ("samples", "step", "journey"):
        made = Run(dataclasses.replace(config, pairs=kind), Progress(quiet=True))
        made._plan(Model(made._model, "base"), made._read_problems())
        plans[kind] = made._stages
    assert "pairs" in plans["samples"]
    assert "pairs" not in plans["step"]
    assert plans["step"]["trees"].key in str(plans["step"]["dpo"].reads)
    assert len({one["dpo"].key for one in plans.values()}) == 3
    same = plans["samples"].keys() - {"pairs", "dpo", "evaluate_dpo"}
    assert all(plans["samples"][name].key == plans["step"][name].key for name in same)
    with pytest.raises(ValueError, match=r"pairs = 'leaves': expected one of samples, step, first-error"):
        dataclasses.replace(config, pairs="leaves")
