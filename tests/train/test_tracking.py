"""Trackers: a training's steps reach them, once each, whether or not it was stopped on the way."""

from __future__ import annotations

import importlib.util
import sys
import types
from typing import Any

import pytest

from jorney.train.tracking import names_of, open_all

ROWS = [{"step": 1, "loss": 2.5}, {"step": 2, "loss": 2.0, "accuracy": 0.5}]


def test_names(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != "mlflow" or None)
    assert names_of("tensorboard") == ()
    assert names_of("tensorboard, wandb") == ("wandb",)
    with pytest.raises(ValueError, match=r"track = 'wndb': expected some of tensorboard, wandb, mlflow, with commas between"):
        names_of("wndb")
    with pytest.raises(ValueError, match=r"expected mlflow to be installed: pip install 'jorney\[mlflow\]'"):
        names_of("mlflow")


class _Runs:
    """As much of wandb as is used: runs by their ids, with what was logged to them."""

    def __init__(self) -> None:
        self.runs: dict[str, dict[str, Any]] = {}

    def init(self, **settings: Any) -> Any:
        run = self.runs.setdefault(settings["id"], {"logged": [], "ended": 0, **settings})

        def finish() -> None:
            run["ended"] += 1

        return types.SimpleNamespace(log=lambda row, step: run["logged"].append((step, row)), finish=finish)


def test_wandb_goes_on_in_the_same_run(tmp_path, monkeypatch) -> None:
    runs = _Runs()
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=runs.init))
    for row in ROWS:
        (one,) = open_all(["wandb"], tmp_path / "sft-1" / "training", {"lr": 1e-4})
        one.log([row])
        one.end()
    (run,) = runs.runs.values()
    assert run["logged"] == [(1, {"loss": 2.5}), (2, {"loss": 2.0, "accuracy": 0.5})]
    assert (run["ended"], run["resume"], run["project"], run["name"]) == (2, "allow", "jorney", "sft-1")
    assert run["config"] == {"lr": 1e-4}


@pytest.mark.filterwarnings("ignore:.*noload.*")  # what mlflow does with sqlalchemy
def test_mlflow_goes_on_in_the_same_run(tmp_path, monkeypatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "sft-1" / "training"
    for row in ROWS:
        (one,) = open_all(["mlflow"], folder, {"lr": 1e-4})
        one.log([row])
        one.end()
    client = mlflow.MlflowClient(tracking_uri=f"sqlite:///{folder}/.trackers/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("jorney").experiment_id])
    assert [(one.step, one.value) for one in client.get_metric_history(run.info.run_id, "loss")] == [(1, 2.5), (2, 2.0)]
    assert run.data.params == {"lr": "0.0001"}
    assert run.info.status == "FINISHED"


def test_a_tracker_that_fails_stops_no_training(tmp_path, monkeypatch) -> None:
    def log(row: object, step: int) -> None:
        raise ConnectionError("no network")

    run = types.SimpleNamespace(log=log, finish=lambda: None)
    monkeypatch.setitem(sys.modules, "wandb", types.SimpleNamespace(init=lambda **settings: run))
    (one,) = open_all(["wandb"], tmp_path, {})
    with pytest.warns(UserWarning, match="wandb: no network: it is told no more"):
        one.log(ROWS)
    one.log(ROWS)
    one.end()


def test_wandb_itself_keeps_a_run_offline(tmp_path, monkeypatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    folder = tmp_path / "sft-1" / "training"
    (one,) = open_all(["wandb"], folder, {"lr": 1e-4})
    one.log(ROWS)
    one.end()
    (kept,) = folder.glob(".trackers/wandb/offline-run-*/run-*.wandb")
    assert b"loss" in kept.read_bytes()
