"""Checkpoints of training, by orbax: asynchronous, the newest few and the best kept, restored onto any mesh."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import re
import resource
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers as policy_of

from jorney import storage

_LOSS = "held_out_loss"
_LARGEST_FILE = 2 << 30  # bytes: tensorstore then begins another
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


class Checkpoints:
    """Training states by step. Of several processes all call the same, and each writes its shards.

    Args:
      folder: local (made absolute) or gs://.
      keep: how many of the newest stay.
      best: the one of the lowest held-out loss stays too.
    """

    def __init__(self, folder: storage.PathLike, keep: int = 2, best: bool = False) -> None:
        where = storage.path(folder)
        self._best = best
        self._folder = where.absolute() if storage.is_local(where) else where
        policies: list[Any] = [policy_of.LatestN(keep)]
        if best:  # the last of them in descending order
            policies.append(policy_of.BestN(get_metric_fn=_loss, reverse=True, n=1, keep_checkpoints_without_metrics=False))
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy_of.AnyPreservationPolicy(policies),
            best_fn=_loss if best else None,
            best_mode="min",
            create=True,
            cleanup_tmp_directories=True,  # what a kill left half-written
            enable_async_checkpointing=True,
        )
        # Named ahead, so that the metadata of a step can be read before anything of it is restored.
        handlers: Any = {"state": ocp.StandardCheckpointHandler()}
        self._manager = ocp.CheckpointManager(self._folder, options=options, item_handlers=handlers)

    def __enter__(self) -> Checkpoints:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def latest(self) -> int | None:
        """The newest complete step, or None."""
        return self._manager.latest_step()

    def steps(self) -> list[int]:
        """All complete steps that are there."""
        return list(self._manager.all_steps())

    def best(self) -> int | None:
        """The step of the lowest held-out loss among those kept, or None."""
        with writing(self._folder):
            self._manager.wait_until_finished()
        return self._manager.best_step()

    def save(self, step: int, state: Any, held_out_loss: float | None = None) -> None:
        """Starts writing; returns as soon as the state may be donated. A step already there stays.

        Raises:
          OSError: the disk has no room for it. Asked beforehand: orbax finds out midway, in another thread, and prints pages.
        """
        if step != self.latest():
            check_room(self._folder, state)
            # Of a manager that keeps the best, a checkpoint that was not measured is the worst: orbax warns of one without.
            metrics = {_LOSS: math.inf if held_out_loss is None else held_out_loss} if self._best else None
            with writing(self._folder):  # of the one before, too, which is awaited
                self._manager.save(step, args=ocp.args.Composite(state=ocp.args.StandardSave(state)), metrics=metrics)

    def restore(self, step: int, like: Any) -> Any:
        """The state of a step.

        Args:
          like: ShapeDtypeStructs with shardings, in the form of the state.

        Raises:
          ValueError: names every leaf that is missing, unexpected, or of another shape or dtype. Orbax itself names none,
            and would cast silently.
        """
        metadata = self._manager.item_metadata(step)["state"]
        check_leaves(getattr(metadata, "tree", metadata), like, os.fspath(self._folder / str(step)))
        return self._manager.restore(step, args=ocp.args.Composite(state=ocp.args.StandardRestore(like)))["state"]

    def restore_part(self, step: int, like: Mapping[str, Any]) -> dict[str, Any]:
        """What `like` names of the state of a step, such as its parameters alone; nothing else is read. Raises as `restore`."""
        metadata = self._manager.item_metadata(step)["state"]
        whole, where = getattr(metadata, "tree", metadata), self._folder / str(step)
        check_leaves({name: whole[name] for name in like if name in whole}, like, os.fspath(where))
        how = ocp.checkpoint_utils.construct_restore_args(dict(like))
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:  # the standard one restores all or nothing
            args = ocp.args.PyTreeRestore(item=dict(like), restore_args=how, partial_restore=True)
            return reader.restore(where / "state", args=args)

    def close(self) -> None:
        """Waits until everything is written."""
        with writing(self._folder):
            self._manager.close()


def _loss(metrics: Any) -> float:
    return metrics[_LOSS]


def check_room(folder: storage.PathLike, tree: Any) -> None:
    """Raises OSError when a local disk has no room for the leaves of a tree, or this process may not write files as large."""
    if not storage.is_local(folder):
        return
    needed = sum(math.prod(leaf.shape) * leaf.dtype.itemsize for leaf in jax.tree.leaves(tree))
    where = storage.path(folder).absolute()
    where = next(one for one in (where, *where.parents) if one.exists())  # it may not be made yet
    code, most = 0, resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if shutil.disk_usage(where).free < needed:
        code, remedy = errno.ENOSPC, "make room, or write elsewhere"
    elif most != resource.RLIM_INFINITY and most < min(needed, _LARGEST_FILE):
        code, remedy = errno.EFBIG, f"ulimit -f allows {most:,} bytes a file: raise it"
    if code:
        raise OSError(code, f"a checkpoint needs {needed:,} bytes: {os.strerror(code)}: {remedy}", os.fspath(folder))


@contextlib.contextmanager
def writing(folder: storage.PathLike) -> Iterator[None]:
    """Tells in one line what orbax and tensorstore raise of a disk that fills up, and removes what they have half-written."""
    try:
        yield
    except Exception as error:
        found = re.search(r"os_error_code='(\d+)'", str(error))
        code = error.errno if isinstance(error, OSError) else int(found[1]) if found else None
        if code not in _FULL:
            raise
        for left in storage.path(folder).glob("*.orbax-checkpoint-tmp"):
            left.rmtree(missing_ok=True)
        about = f"a checkpoint is not written: {os.strerror(code)}: make room, or write elsewhere"
        raise OSError(code, about, os.fspath(folder)) from None


def check_leaves(metadata: Any, like: Any, where: str, dtypes: bool = True) -> None:
    """Raises one ValueError that names every leaf of a checkpoint that is missing, unexpected or of another shape.

    Args:
      metadata: orbax's, of what is stored.
      like: ShapeDtypeStructs, in the form of what is expected.
      dtypes: another dtype is a fault too.
    """
    stored, expected = _leaves(metadata), _leaves(like)
    faults = [f"{name}: not in the checkpoint" for name in expected.keys() - stored.keys()]
    faults += [f"{name}: in the checkpoint, not in the model" for name in stored.keys() - expected.keys()]
    for name in expected.keys() & stored.keys():
        have, want = stored[name], expected[name]
        if have[0] != want[0] or (dtypes and have[1] != want[1]):
            faults.append(f"{name}: {have[1]}{list(have[0])} in the checkpoint, expected {want[1]}{list(want[0])}")
    if faults:
        raise ValueError(f"{where}: {len(faults)} leaves do not fit:\n  " + "\n  ".join(sorted(faults)))


def _leaves(tree: Any) -> dict[str, tuple[tuple[int, ...], str]]:
    """{path: (shape, dtype)} of a tree's arrays, the path in one spelling for tuples, named tuples and dicts."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): (tuple(leaf.shape), str(leaf.dtype))
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }
