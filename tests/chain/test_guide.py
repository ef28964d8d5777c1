"""The guide for Cloud TPU, tpu_scripts/README.md: its code blocks in their order, on a bucket and two hosts, with kills.

The model is the embedded one under the guide's name, the problems are Countdown's, and SMALL has options that make every
command quick. All else is what a reader of the guide runs.
"""

from __future__ import annotations

import json
import pathlib
import re
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import object_store
import pytest
from places import ROOT

import jorney

sys.path.insert(0, str(ROOT / "tools"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import pod as pods
import run_guides
from pod import Pod

pytestmark = pytest.mark.slow  # `make chain` runs them

GUIDE = "tpu_scripts/README.md"
_TRAIN = "--dtype float32 --{0}.accumulate 1 --{0}.remat none --{0}.optimizer.learning-rate {1} --{0}.loop.save-every 20"
_SFT = f"{_TRAIN.format('sft', '1e-3')} --sft.head-chunk 128"
_SFT_CONFIG = "tpu_scripts/run.sh sft configs/deepseekmath_7b_sft_v5e_16.py"
# The beginning of a command -> what makes it quick. The longest beginning counts.
SMALL = {
    "tpu_scripts/alone.sh convert": "",
    f"{_SFT_CONFIG} --model $BUCKET/base": (
        f"{_SFT} --sft.epochs 12 --sft.optimizer.learning-rate 2e-3 --sft.batch-rows 8 --sft.row-length 128 "
        "--sft.loop.save-every 5 --sft.loop.log-every 1"
    ),
    "tpu_scripts/generate.sh prm label": (
        "--dtype float32 --limit 10 --rollouts.solutions 4 --rollouts.completions 2 --rollouts.max-tokens 48 --rollouts.rows 32"
    ),
    "tpu_scripts/run.sh prm": f"{_TRAIN.format('prm', '1e-3')} --prm.batch-rows 4 --prm.row-length 128 --prm.epochs 4",
    "tpu_scripts/generate.sh expand": (  # so little a reward model is not sure of anything
        "--dtype float32 --expand.w 4 --expand.depth 3 --expand.step-tokens 32 --expand.rows 32 --expand.prune.keep 4 "
        "--threshold 0.05"
    ),
    "jorney derive": "",
    f"{_SFT_CONFIG} --model $BUCKET/phase1/sft": (
        f"{_SFT} --sft.batch-rows 4 --sft.row-length 256 --sft.epochs 6 --sft.loop.save-every 2 --sft.loop.log-every 1"
    ),
    "tpu_scripts/generate.sh pairs": "--dtype float32 --dpo.samples 6 --evaluate.max-tokens 96 --evaluate.rows 24",
    "tpu_scripts/run.sh dpo": (
        f"{_TRAIN.format('dpo', '1e-5')} --dpo.head-chunk 128 --dpo.batch-pairs 4 --dpo.prompt-length 64 "
        "--dpo.completion-length 128"
    ),
    "tpu_scripts/generate.sh evaluate": "--dtype float32 --evaluate.max-tokens 96",
    "tpu_scripts/run.sh grpo": (
        f"{_TRAIN.format('grpo', '1e-4')} --grpo.head-chunk 128 --grpo.rounds 3 --grpo.questions 8 --grpo.group 4 "
        "--grpo.row-completions 4 --grpo.completion-length 48 --grpo.rewards accuracy,format=0.5 --grpo.loop.save-every 1"
    ),
    "tpu_scripts/alone.sh export": "",
    "tpu_scripts/bench.sh": (
        "--model tiny --train.rows 4 --train.length 64 --train.steps 1 --train.runs 1 --decode.rows 4 --decode.trees 4 "
        "--decode.prompt 16 --decode.step-tokens 16 --decode.runs 1 --trees.rows 8 --trees.trees 2 --trees.prompt 16 "
        "--trees.step-tokens 16 --trees.runs 1"
    ),
}


SKIPPED = ("gcloud auth", "gcloud projects", "gcloud services", "gcloud storage buckets", "cp ", "source ", "jorney plan")


@pytest.fixture(scope="module")
def guide(tmp_path_factory) -> Iterator[tuple[Pod, object_store.Objects]]:
    """The pod on which the whole guide has been run, two hosts of it, and the bucket; the machine is deleted by then."""
    with pods.pod(tmp_path_factory.mktemp("pod"), "v5p-16", 2) as (pod, objects):
        for command in run_guides.commands(GUIDE):
            text = command.text.partition("  #")[0].strip()
            if text.startswith(SKIPPED):
                continue
            begin = time.monotonic()
            if "alone.sh convert" in text:
                _twice(pod, small(text))
            elif text.startswith(f"{_SFT_CONFIG} --model $BUCKET/base"):
                _taken_away(pod, objects, small(text))
            elif text.startswith(f"{_SFT_CONFIG} --model $BUCKET/phase1"):
                _goes_on_with_one_host(pod, objects, small(text))
            elif text.startswith("tpu_scripts/generate.sh expand"):
                _loses_a_host(pod, small(text))
            elif text.startswith("tpu_scripts/run.sh grpo"):
                _loses_a_host_between_rounds(pod, objects, small(text))
            elif text.startswith(
                ("tpu_scripts/run.sh", "tpu_scripts/generate.sh", "tpu_scripts/alone.sh", "tpu_scripts/bench.sh")
            ):
                pod.start(small(text), [0] if "alone" in text else None)
            else:
                pod.shell(small(text) if text.startswith("jorney") else text)
            print(f"{time.monotonic() - begin:6.1f} s  {text}", flush=True)
        yield pod, objects


def small(command: str) -> str:
    begun = max((beginning for beginning in SMALL if command.startswith(beginning)), key=len)
    return f"{command} {SMALL[begun]}"


def _until_saved(pod: Pod, objects: object_store.Objects, output: str) -> None:
    """Waits for a training's first checkpoint."""
    deadline = time.monotonic() + pods.ENDS
    pattern = re.compile(rf"bucket/{output}/stages/\S+/training/checkpoints/\d+/commit_success")
    while not any(map(pattern.match, list(objects.stored))):
        assert time.monotonic() < deadline, f"{output}: no checkpoint\n{pod.log(0, 'sft')}"
        assert not (pod.logs(0) / "sft.exit").exists(), f"{output}: ended without a checkpoint\n{pod.log(0, 'sft')}"
        time.sleep(0.1)


def _first_step(pod: Pod) -> int:
    """The first step that a training's log tells of."""
    return int(re.search(r"^ +(\d+)  loss", pod.log(0, "sft"), re.MULTILINE)[1])


def _taken_away(pod: Pod, objects: object_store.Objects, command: str) -> None:
    """A spot machine is taken in the midst of a training: what the guide says of it, and the same command."""
    pod.shell(command)
    _until_saved(pod, objects, "phase1")
    pod.kill("sft")
    pod.shell("tpu_scripts/delete.sh && tpu_scripts/create.sh && tpu_scripts/setup.sh")
    pod.start(command)
    assert _first_step(pod) > 5


def _twice(pod: Pod, command: str) -> None:
    """A conversion; the same command again does nothing. (One that is cut off: tests/run/commands/test_checkpoints.py.)"""
    pod.start(command, [0])
    assert "written" in pod.log(0, "convert")
    pod.start(command, [0])
    assert "already done" in pod.log(0, "convert")


def _goes_on_with_one_host(pod: Pod, objects: object_store.Objects, command: str) -> None:
    """A training that two hosts began ends on one."""
    pod.shell(command)
    _until_saved(pod, objects, "phase2")
    pod.kill("sft")
    pod.start(command, [0], MACHINE="v5p-8", CHAIN_HOSTS="1")
    assert _first_step(pod) > 2


def _loses_a_host(pod: Pod, command: str) -> None:
    """One of two hosts dies; the other ends its share, and then does what is missing."""
    pod.shell(command)
    deadline = time.monotonic() + pods.ENDS
    while "trees" not in pod.log(1, "expand"):
        assert time.monotonic() < deadline, pod.log(1, "expand")
        time.sleep(0.1)
    pod.kill("expand", [1])
    pod.wait("expand", [0])
    assert "share 0 of 2 is done; 8 trees of other shares are missing" in pod.log(0, "expand")
    pod.start(command, [0], MACHINE="v5p-8")


def _loses_a_host_between_rounds(pod: Pod, objects: object_store.Objects, command: str) -> None:
    """One of two hosts dies after the first round; the same command goes on, with what was sampled."""
    pod.shell(command)
    deadline = time.monotonic() + pods.ENDS
    pattern = re.compile(r"bucket/grpo/stages/\S+/rollouts/rounds/000000.json")
    while not any(map(pattern.match, list(objects.stored))):
        assert time.monotonic() < deadline, f"no round\n{pod.log(0, 'grpo')}"
        assert not (pod.logs(0) / "grpo.exit").exists(), f"ended without a round\n{pod.log(0, 'grpo')}"
        time.sleep(0.1)
    pod.kill("grpo", [1])
    pod.kill("grpo", [0])
    before = {name for name in objects.stored if "/rollouts/samples/000000-0/" in name}
    pod.start(command)
    assert {name for name in objects.stored if "/rollouts/samples/000000-0/" in name} == before


@pytest.fixture(scope="module")
def laptop(guide) -> pathlib.Path:
    """The folder in which the commands were typed."""
    return guide[0].folder / "laptop"


@pytest.fixture(scope="module")
def read(guide) -> Callable[[str], dict[str, Any]]:
    """Reads a JSON file of the bucket."""
    return lambda name: json.loads(guide[1].stored[f"bucket/{name}"].data)


def test_every_step_of_the_guide_has_its_result(read) -> None:
    def result(stage: str) -> dict[str, Any]:
        return read(f"{stage}/summary.json")

    assert result("phase1")["examples"] == 40
    assert result("labels")["solutions"] > 10
    assert result("prm")["held_out_solutions"] == result("held_out")["solutions"] > 10
    assert result("trees")["count"] == 16
    assert result("thoughts")["journey"]["count"] > 0
    assert result("phase2")["examples"] > 0
    assert result("pairs")["problems"] == 16
    assert result("pairs")["pairs"] > 0
    assert result("dpo")["examples"] == result("pairs")["pairs"]
    assert 0 <= result("grades")["accuracy"] <= 1
    assert (result("grpo")["rounds"], result("grpo")["problems"]) == (3, 16)
    assert 0 <= result("grpo")["reward"] <= 1.5


def test_what_is_brought_home_is_what_was_made(laptop) -> None:
    results = laptop / "results"
    assert json.loads((results / "grades" / "manifest.json").read_text())["name"] == "evaluate"
    made = jorney.load(str(results / "model"))
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(results / "model", trust_remote_code=False)
    assert tokenizer.encode("1. 3 * 4", add_special_tokens=False) == made.tokenizer.encode("1. 3 * 4")
    base = jorney.load()
    assert not np.allclose(jorney.logits(made, np.arange(1, 9)[None]), jorney.logits(base, np.arange(1, 9)[None]), atol=0.1)
    config = transformers.AutoConfig.from_pretrained(results / "model", trust_remote_code=False)
    assert (config.hidden_size, config.num_hidden_layers) == (made.config.embed, made.config.layers)
    torch = pytest.importorskip("torch")
    model = transformers.AutoModelForCausalLM.from_pretrained(results / "model", dtype=torch.float32, trust_remote_code=False)
    tokens = np.arange(1, 65)[None]
    expected = model(torch.tensor(tokens)).logits.detach().numpy()
    np.testing.assert_allclose(jorney.logits(made, tokens), expected, atol=1e-3)


def test_the_bench_tells_what_it_measured_and_where(read) -> None:
    found = read("bench.json")
    assert (found["chips"], found["hosts"]) == (4, 2)
    assert found["versions"]["jorney"] == jorney.__version__
    for part in ("train", "decode", "trees"):
        assert 0 < found[part]["tokens_per_second_per_chip"] <= 1.5 * found[part]["at_most"]
    assert 0 < found["train"]["mfu_causal"] < 1.5


def test_the_machine_is_given_back(laptop) -> None:
    assert not (laptop.parent / "host0").exists()
