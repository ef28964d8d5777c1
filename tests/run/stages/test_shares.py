"""`jorney expand --shard i/n`: programs that share an output and nothing else."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import random
import subprocess
import sys
import time

import pytest
from places import CACHE

from jorney import cli, storage
from jorney.run.parts import Parts
from jorney.tree.tree import Tree, from_json

SMALL = [
    "--expand.w",
    "2",
    "--expand.depth",
    "2",
    "--expand.step-tokens",
    "16",
    "--expand.prune.keep",
    "1",
    "--expand.rows",
    "8",
]


def expand(output: pathlib.Path, shard: str, count: int = 9) -> list[str]:
    return ["expand", "--output", str(output), "--limit", str(count), "--shard", shard, *SMALL]


def parts(output: pathlib.Path) -> Parts:
    (folder,) = (output / "stages").iterdir()
    return Parts(storage.path(folder / "parts"))


def plain(output: pathlib.Path) -> list[Tree]:
    """The trees without log-probabilities, which are equal to rounding."""
    trees = [from_json(row) for row in parts(output).sorted()]
    bare = lambda node: dataclasses.replace(node, log_probs=(0.0,) * len(node.tokens))  # noqa: E731
    return [dataclasses.replace(tree, nodes=tuple(map(bare, tree.nodes))) for tree in trees]


def test_shares_together_are_the_whole(tmp_path, capsys) -> None:
    assert cli.main(expand(tmp_path / "whole", "0/1")) == 0
    capsys.readouterr()
    assert cli.main(expand(tmp_path / "shared", "1/2")) == 0
    assert "trees: share 1 of 2 is done; 5 trees of other shares are missing" in capsys.readouterr().err
    assert not (tmp_path / "shared" / "trees").exists()
    assert len(parts(tmp_path / "shared").ids) == 4
    assert cli.main(expand(tmp_path / "shared", "0/2")) == 0
    assert plain(tmp_path / "shared") == plain(tmp_path / "whole")
    assert (tmp_path / "shared" / "trees" / "manifest.json").exists()


@pytest.mark.parametrize("shard", ["1", "2/2", "-1/2", "a/b", "0/0"])
def test_shares_that_are_none_are_named(tmp_path, capsys, shard) -> None:
    assert cli.main(expand(tmp_path, shard)) == 2
    assert f"shard = '{shard}': expected i/n with i from 0 to n - 1, as 0/4" in capsys.readouterr().err


def start(output: pathlib.Path, shard: str, count: int) -> subprocess.Popen[str]:
    settings = {**os.environ, "JAX_PLATFORMS": "cpu", "JAX_COMPILATION_CACHE_DIR": CACHE}
    command = [sys.executable, "-m", "jorney.cli", *expand(output, shard, count)]
    return subprocess.Popen(command, env=settings, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)


@pytest.mark.slow
def test_one_of_two_programs_is_killed(tmp_path) -> None:
    """The other finishes; a restart redoes only what was lost."""
    count = 400
    both = [start(tmp_path, f"{index}/2", count) for index in range(2)]
    while not (tmp_path / "stages").exists() or len(parts(tmp_path).ids) < 20:
        time.sleep(0.1)
    both[0].kill()
    both[0].communicate()
    _, error = both[1].communicate(timeout=600)
    assert both[1].returncode == 0, error
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "stages").rglob("*.jsonl")}
    known = parts(tmp_path).ids
    assert count // 2 <= len(known) < count
    again = start(tmp_path, "0/2", count)
    assert again.communicate(timeout=600)[1] is not None
    assert again.returncode == 0
    after = {file: file.stat().st_mtime_ns for file in (tmp_path / "stages").rglob("*.jsonl")}
    assert before.items() <= after.items()  # parts are never touched again
    assert sum(len(file.read_text().splitlines()) for file in after.keys() - before.keys()) == count - len(known)
    assert len(list(parts(tmp_path).sorted())) == count


@pytest.mark.slow
def test_thousands_of_trees_killed_at_random(tmp_path) -> None:
    """None lost, none doubled; and memory stays as it was."""
    count, rng = 2000, random.Random(0)
    for _ in range(6):
        process = start(tmp_path, "0/1", count)
        time.sleep(rng.uniform(5, 15))
        process.kill()
        process.communicate()
    last, resident = start(tmp_path, "0/1", count), []
    while last.poll() is None:
        resident.append(int(pathlib.Path(f"/proc/{last.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE"))
        time.sleep(0.2)
    _, error = last.communicate()
    assert last.returncode == 0, error
    quarter = len(resident) // 4
    assert max(resident[3 * quarter :]) < 1.03 * max(resident[quarter : 2 * quarter])
    lines = sum(len(file.read_text().splitlines()) for file in (tmp_path / "stages").rglob("parts/*.jsonl"))
    assert lines == len(parts(tmp_path).ids) == count
