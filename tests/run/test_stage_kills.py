"""Every kind of stage, killed (SIGKILL) at twenty random moments: the same command ends as if nothing had happened."""

from __future__ import annotations

import json
import multiprocessing
import os
import pathlib
import random
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from random_trees import random_tree
from simulated_model import SimulatedModel
from stub_endpoint import Act, Stub

from jorney import cli, storage
from jorney.domain.countdown.sets import Countdown, sample_problems
from jorney.rows.problems import write_problems
from jorney.run.command_registry import COMMANDS

KILLS = 20
LEARN = "--sft.batch-rows 4 --sft.row-length 128 --sft.head-chunk 128 --sft.optimizer.learning-rate 5e-4"
SMALL = "--sft.batch-rows 4 --sft.row-length 64 --sft.head-chunk 64"
TREES = "--expand.w 2 --expand.depth 2 --expand.step-tokens 16 --expand.rows 8 --expand.chunk 8"
ROLLOUTS = "--rollouts.solutions 2 --rollouts.completions 2 --rollouts.max-tokens 48 --rollouts.rows 8 --rollouts.chunk 8"
EVALUATED = "--evaluate.max-tokens 48 --evaluate.rows 8"
SEARCH = (
    "--search.n 2 --search.keep 2 --search.width 2 --search.depth 2 --search.max-tokens 48 --search.step-tokens 16"
    " --search.rows 8"
)
STAGES = {
    "expand": f"expand --model {{phase1}} --limit 24 {TREES}",
    "derive": "derive --trees {trees}",
    "judge": "judge --trees {trees} --judge {prm}",
    "refine": "refine --trees {trees} --thoughts {thoughts} --refiner offline",
    "sft": f"sft --limit 64 {SMALL}",
    "dpo": "dpo --model {phase1} --limit 12 --dpo.samples 2 --dpo.batch-pairs 2 --dpo.head-chunk 32 --dpo.temperature 1.2"
    f" {EVALUATED}",
    "prm": f"prm --model {{phase1}} --limit 12 --held-out-limit 4 --prm.batch-rows 4 --prm.row-length 128 {ROLLOUTS}",
    "label": f"prm label --model {{phase1}} --limit 12 {ROLLOUTS}",
    "prm_eval": "prm eval --judge {prm} --data {labels}",
    "evaluate": f"evaluate --model {{phase1}} --limit 48 {EVALUATED} --evaluate.chunk 8",
    "best-of-n": f"search --model {{phase1}} --limit 12 --judge {{prm}} --search.method best-of-n {SEARCH}",
    "beam": f"search --model {{phase1}} --limit 12 --judge {{prm}} --search.method beam {SEARCH}",
    "score": "thoughts score --thoughts {journeys}",
    "dedupe": "thoughts dedupe --data {journeys}",
    "mix": "thoughts mix --thoughts {journeys} --human {problems} --mix.share 0.3",
    "diversity": "thoughts diversity --rounds {journeys} {journeys}",
    "analyse": "analyse {journeys}",
    "pairs": f"pairs --model {{phase1}} --limit 24 --dpo.samples 4 --dpo.temperature 1.2 {EVALUATED}",
    "proposals": "thoughts propose-critique --limit 12 --llm.model teacher --llm.base-url {url} --llm.cache OUTPUT/llm",
    "human": "thoughts human --problems {solutions} --llm.model teacher --llm.base-url {url} --llm.cache OUTPUT/llm",
    "dialogues": "thoughts student-teacher --limit 12 --dialogue.max-turns 8 --llm.model teacher --llm.base-url {url}"
    " --llm.cache OUTPUT/llm",
}


@pytest.fixture(scope="module")
def given(tmp_path_factory) -> Iterator[dict[str, str]]:
    """What the stages read: trees that hold right paths, thoughts of them, a reward model, labels, problems; an endpoint."""
    folder = tmp_path_factory.mktemp("given")
    paths = {name: str(folder / name) for name in ("phase1", "derive", "labels", "prm")}
    problems = sample_problems(Countdown(), "trees", 60, 1)
    write_problems(folder / "problems.jsonl", problems)
    sums = [(n, f"{n} hens lay 8 * {n} = {8 * n} eggs\n#### {8 * n}") for n in range(3, 40)]
    hens = ({"question": f"8 eggs of {n} hens?", "answer": answer} for n, answer in sums)
    storage.write_jsonl(folder / "solutions.jsonl", hens)
    storage.write_jsonl(folder / "trees.jsonl", (random_tree(seed).to_json() for seed in range(60)))
    trees = str(folder / "trees.jsonl")
    for words in (
        f"derive --trees {trees} --output {paths['derive']}",
        f"sft --limit 2000 {LEARN} --output {paths['phase1']}",
        f"prm label --model {paths['phase1']}/sft --limit 6 {ROLLOUTS} --output {paths['labels']}",
        f"prm --model {paths['phase1']}/sft --limit 6 --held-out-limit 2 --prm.batch-rows 8 --prm.row-length 128 {ROLLOUTS}"
        f" --output {paths['prm']}",
    ):
        assert cli.main([*words.split(), "--mesh.devices", "1"]) == 0
    thoughts = f"{paths['derive']}/thoughts"
    found = {
        "phase1": f"{paths['phase1']}/sft",
        "trees": trees,
        "thoughts": thoughts,
        "journeys": f"{thoughts}/journey.jsonl",
        "prm": f"{paths['prm']}/prm",
        "labels": f"{paths['labels']}/rollouts/labels.jsonl",
        "problems": str(folder / "problems.jsonl"),
        "solutions": str(folder / "solutions.jsonl"),
    }
    model = SimulatedModel()
    with Stub(lambda number, body: time.sleep(0.02) or Act(text=model([body["messages"]])[0])) as stub:
        yield {**found, "url": stub.url}


# Forks of a process that has imported what commands import, and done nothing else: kills strike work, not imports.
PROGRAMS = multiprocessing.get_context("forkserver")
PROGRAMS.set_forkserver_preload(["jax", *(f"jorney.run.{place.partition(':')[0]}" for place in COMMANDS.values())])


def _program(words: list[str], told: str) -> None:
    with open(told, "wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    sys.exit(cli.main(words))


def _start(words: list[str], output: pathlib.Path) -> Any:
    words = [word.replace("OUTPUT", str(output)) for word in words]
    command = [*words, "--output", str(output), "--mesh.devices", "1"]
    process = PROGRAMS.Process(target=_program, args=(command, f"{output}.txt"))
    process.start()
    return process


def _run(words: list[str], output: pathlib.Path) -> dict[str, Any]:
    """Runs a command to its end."""
    process = _start(words, output)
    process.join()
    assert process.exitcode == 0, pathlib.Path(f"{output}.txt").read_text()
    return _result(output)


def _result(output: pathlib.Path) -> dict[str, Any]:
    """All that was made: the results, and every file of lines, whatever the order and the parts in which they were written."""
    found: dict[str, Any] = {}
    for manifest in sorted(output.glob("stages/*/manifest.json")):
        about = json.loads(manifest.read_text())
        lines = sorted(line for file in manifest.parent.rglob("parts/*.jsonl") for line in file.read_text().splitlines())
        files = {str(file.relative_to(manifest.parent)): file.read_text() for file in manifest.parent.glob("*.jsonl")}
        found[manifest.parent.name] = (about["result"], lines, files)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", STAGES)
def test_killed_at_twenty_moments_it_comes_to_the_same_end(kind: str, given, tmp_path) -> None:
    words = STAGES[kind].format(**given).split()
    first = _run(words, tmp_path / "first")  # fills the cache of compiled programs
    start = time.monotonic()
    whole, midway = _run(words, tmp_path / "whole"), 0
    seconds = time.monotonic() - start
    assert whole == first
    moments = random.Random(kind)
    for number in range(KILLS):
        output = tmp_path / f"killed{number}"
        process = _start(words, output)
        time.sleep(seconds * moments.uniform(0.3, 1.0))
        process.kill()
        process.join()
        midway += process.exitcode == -9 and (output / "stages").exists()
        for file in output.rglob("[!.]*.jsonl"):  # what is there is whole
            assert all(map(json.loads, file.read_text().splitlines())), file
        assert _run(words, output) == whole
    print(f"{kind}: {midway} of {KILLS} kills struck while it wrote")
    assert midway
