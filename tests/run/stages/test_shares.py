"""`jorney expand --shard i/n`: programs that share an output and nothing else."""

from __future__ import annotations

import dataclasses
import json
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


COMMANDS = {
    "evaluate": ["evaluate", "--limit", "5", "--evaluate.max-tokens", "24"],
    "best of n": ["search", "--limit", "5", "--search.method", "best-of-n", "--search.n", "2", "--search.max-tokens", "24"],
    "beam": [*("search", "--limit", "5", "--search.method", "beam", "--search.keep", "1", "--search.width", "2"),
             *("--search.step-tokens", "16", "--search.depth", "2")],
    "prm label": [*("prm", "label", "--limit", "5", "--rollouts.solutions", "2", "--rollouts.completions", "2"),
                  *("--rollouts.max-tokens", "64")],
    "pairs": ["pairs", "--limit", "5", "--dpo.samples", "4", "--evaluate.max-tokens", "64"],
}  # fmt: skip


def files(output: pathlib.Path) -> dict[str, str]:
    """What the stages wrote, without their parts, by file; scores and log-probabilities rounded."""

    def rounded(value: object) -> object:
        if isinstance(value, float):
            return round(value, 4)
        if isinstance(value, dict):
            return {
                name: rounded(one) for name, one in value.items() if name not in ("seconds", "log_probs", "files", "digest")
            }
        return list(map(rounded, value)) if isinstance(value, list) else value

    found = {}
    for file in sorted((output / "stages").rglob("*.json*")):
        if file.parent.name != "parts":
            lines = file.read_text().splitlines() if file.suffix == ".jsonl" else [file.read_text()]
            found[str(file.relative_to(output))] = [rounded(json.loads(line)) for line in lines]
    return found


FAST = ("evaluate",)


@pytest.mark.parametrize("kind", [*FAST, *(pytest.param(one, marks=pytest.mark.slow) for one in COMMANDS if one not in FAST)])
def test_every_command_that_samples_takes_shares(kind, tmp_path, capsys) -> None:
    """Whoever ends last completes it, and nobody can tell how many they were."""

    def run(output: str, *more: str) -> int:
        return cli.main([*COMMANDS[kind], "--output", str(tmp_path / output), *more])

    assert run("whole") == 0
    capsys.readouterr()
    assert run("shared", "--shard", "1/3") == 0
    assert "share 1 of 3 is done; 3 " in capsys.readouterr().err
    assert run("shared", "--shard", "0/3") == 0
    assert not any((tmp_path / "shared").glob("stages/*/manifest.json"))
    assert run("shared", "--shard", "2/3") == 0
    assert files(tmp_path / "shared") == files(tmp_path / "whole")
    # A host that came late: nothing is left to do.
    assert run("shared", "--shard", "1/2") == 0
    # And one whose last part came after the others had ended, before it died: its rows are there twice, and count once.
    part = next((tmp_path / "shared").glob("stages/*/parts/*.jsonl"))
    (part.parent / f"{9:09d}-{'0' * 32}.jsonl").write_bytes(part.read_bytes())
    capsys.readouterr()
    assert run("shared", "--shard", "0/2") == 0
    assert "was written after the stage was done: it is taken in" in capsys.readouterr().out
    assert files(tmp_path / "shared") == files(tmp_path / "whole")


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
