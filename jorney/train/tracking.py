"""Trackers that are told a training's steps beside its own record: Weights & Biases, MLflow. TensorBoard's are always made.

A training that goes on after it was stopped goes on in the same run of a tracker: it is known by the training's folder.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from jorney import storage

ALWAYS = "tensorboard"
_PROJECT = "jorney"
Rows = Sequence[Mapping[str, float]]


class Tracker(Protocol):
    """Where rows of a training's record go: metrics by name, with "step"."""

    def log(self, rows: Rows) -> None: ...

    def end(self) -> None: ...


class _Wandb:
    """Weights & Biases; `WANDB_MODE=offline` needs no account, and `WANDB_PROJECT` names another project."""

    def __init__(self, folder: storage.Path, settings: Mapping[str, Any]) -> None:
        import wandb

        self._run: Any = wandb.init(
            project=os.environ.get("WANDB_PROJECT", _PROJECT),
            name=_name(folder),
            id=_id(folder),
            resume="allow",
            dir=_own(folder),
            config=dict(settings),
        )

    def log(self, rows: Rows) -> None:
        for row in rows:
            self._run.log({name: value for name, value in row.items() if name != "step"}, step=int(row["step"]))

    def end(self) -> None:
        self._run.finish()


class _Mlflow:
    """MLflow; `MLFLOW_TRACKING_URI` names a server or folder, else runs lie in the training's, in .trackers/mlflow.db."""

    def __init__(self, folder: storage.Path, settings: Mapping[str, Any]) -> None:
        import mlflow
        from mlflow.entities import Metric

        self._metric = Metric
        kept = _own(folder)
        uri = os.environ.get("MLFLOW_TRACKING_URI") or (f"sqlite:///{kept}/mlflow.db" if kept else None)
        if uri is None:
            raise ValueError(
                f"{folder}: mlflow: expected MLFLOW_TRACKING_URI, for a folder in a store holds no runs of its own"
            )
        self._client: Any = mlflow.MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(_PROJECT)
        experiment = found.experiment_id if found else self._client.create_experiment(_PROJECT)
        runs = self._client.search_runs([experiment], filter_string=f"tags.training = '{_id(folder)}'")
        if runs:
            self._run = runs[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
            return
        self._run = self._client.create_run(experiment, tags={"training": _id(folder)}, run_name=_name(folder)).info.run_id
        for name, value in settings.items():
            self._client.log_param(self._run, name, str(value)[:500])

    def log(self, rows: Rows) -> None:
        now = int(1000 * time.time())
        for row in rows:
            metrics = [self._metric(name, value, now, int(row["step"])) for name, value in row.items() if name != "step"]
            self._client.log_batch(self._run, metrics=metrics)

    def end(self) -> None:
        self._client.set_terminated(self._run)


_KINDS: dict[str, Callable[[storage.Path, Mapping[str, Any]], Tracker]] = {"wandb": _Wandb, "mlflow": _Mlflow}


def names_of(track: str) -> tuple[str, ...]:
    """The trackers that are asked for, as "wandb,mlflow".

    Raises:
      ValueError: there is none of a name, or its library is not installed.
    """
    names = [one.strip() for one in track.split(",") if one.strip()]
    for name in names:
        if name not in (ALWAYS, *_KINDS):
            raise ValueError(f"track = {track!r}: expected some of {', '.join((ALWAYS, *_KINDS))}, with commas between")
        if name != ALWAYS and importlib.util.find_spec(name) is None:
            raise ValueError(f"track = {track!r}: expected {name} to be installed: pip install 'jorney[{name}]'")
    return tuple(dict.fromkeys(name for name in names if name != ALWAYS))


def open_all(names: Sequence[str], folder: storage.PathLike, settings: Mapping[str, Any]) -> list[Tracker]:
    """Trackers of a training.

    Args:
      folder: the training's.
      settings: for the tracker's page, by name.
    """
    return [_Kept(name, _KINDS[name](storage.path(folder), settings)) for name in names]


class _Kept:
    """A tracker that may fail: it is told no more then, and the training goes on."""

    def __init__(self, name: str, tracker: Tracker) -> None:
        self._name, self._tracker = name, tracker
        self._fails = False

    def log(self, rows: Rows) -> None:
        self._try(lambda: self._tracker.log(rows))

    def end(self) -> None:
        self._try(self._tracker.end)

    def _try(self, tell: Callable[[], None]) -> None:
        if self._fails:
            return
        try:
            tell()
        except Exception as error:
            self._fails = True
            warnings.warn(f"{self._name}: {' '.join(str(error).split()):.200}: it is told no more", stacklevel=3)


def _own(folder: storage.Path) -> str | None:
    """Where a tracker's files of a training lie: hidden, for they are none of what the stage made. None in a store."""
    if not storage.is_local(folder):
        return None
    kept = folder / ".trackers"
    kept.mkdir(parents=True, exist_ok=True)
    return os.fspath(kept)


def _id(folder: storage.Path) -> str:
    where = os.path.abspath(os.fspath(folder)) if storage.is_local(folder) else os.fspath(folder)
    return hashlib.blake2b(where.encode(), digest_size=8).hexdigest()


def _name(folder: storage.Path) -> str:
    """The stage's: RUN/stages/sft-KEY/training."""
    return folder.parent.name or folder.name
