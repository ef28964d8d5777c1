"""Runs every command of the guides, in the order in which they stand, each guide in a fresh folder outside the checkout.

    python tools/run_guides.py --small                    # all guides; options of SMALL make the commands quick
    python tools/run_guides.py --small run tree judge     # some of them, by the name of their folder
    python tools/run_guides.py --list                     # what would be run, and what is not, and why; runs nothing

What a reader would have is there in small: problems as GSM8K publishes them, samples in the forms of PRM800K and ProcessBench,
chats, prompts, pairs, puzzles, a model at `path/or/hub-id` (the embedded one with a chat template), an endpoint that answers.
NEEDS lists the commands that need what is not here, each with its reason. Scripts for Cloud TPU print what they would do
(--dry-run). Every other command stands in SMALL. Prints a table: ok, failed, needs; exit code 1 where one failed.

Set JORNEY_TRACEBACK=1 to see where an error was raised.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from guide_stand_ins import ROOT, answer, stand_ins

os.environ.setdefault("JAX_PLATFORMS", "cpu")
SHELLS = ("sh", "bash", "shell", "console")

# Where a command is run, and what --small adds to it: the beginning of the command -> options. The longest beginning counts.
_SFT = "--limit 3000"
_RUN = (
    "--problems.train-count 16 --problems.test-count 4 --evaluate.max-tokens 16 --sft.batch-rows 2 --sft.row-length 512 "
    "--sft.head-chunk 128"
)
_JOURNEY = (
    "--model path/or/hub-id --problems.trees-count 4 --long-tokens 24 --expand.depth 2 --expand.step-tokens 12 "
    "--phase2.batch-rows 2 --phase2.row-length 512 --phase2.head-chunk 128 --prm.batch-rows 2 --rollouts.solutions 1 "
    "--rollouts.completions 1 --rollouts.max-tokens 16 --dpo.samples 2 --resample.attempts 1"
)
_QUICK = (
    "--problems.train-count 2000 --problems.trees-count 40 --problems.test-count 16 --rollouts.completions 2 --share 0.2 "
    "--phase2.epochs 1 --prm.epochs 1"
)
SMALL: dict[str, str] = {
    "jorney quickstart": _QUICK,
    "jorney run configs/quickstart.py": _QUICK,
    "jorney run configs/gsm8k_sft.py": _RUN,
    "jorney run configs/gsm8k_journey_smollm2.py": f"{_RUN} {_JOURNEY}",
    "jorney sft --output runs/phase1": _SFT,
    "jorney sft --model runs/phase1/sft": "",
    "jorney sft --model path/or/hub-id --data chats.jsonl": "--sft.batch-rows 2 --sft.row-length 256 --sft.head-chunk 128",
    "jorney sft --output runs/traced": "--limit 200",
    "jorney sft configs/sft_smollm2.py": "--limit 12 --sft.batch-rows 2 --sft.row-length 512 --sft.head-chunk 128",
    "jorney expand --model runs/phase1/sft": "--limit 60",
    "jorney expand --model runs/phase1/sft --limit 1000 $TREES --output runs/shards": "--limit 12",
    "jorney derive": "",
    "jorney refine": "",
    "jorney judge": "",
    "jorney dpo --model runs/journey/sft": "--limit 40 --evaluate.max-tokens 96 --dpo.samples 8",
    "jorney dpo --model runs/chats/sft": "--dpo.batch-pairs 2 --dpo.head-chunk 128",
    "jorney dpo --model path/or/hub-id --trees": "--dpo.batch-pairs 2 --dpo.head-chunk 128 --dpo.epochs 1 --dpo.held-out 0",
    "jorney dpo --model runs/lora/sft": "--dpo.batch-pairs 2 --dpo.head-chunk 128",
    "jorney grpo --model runs/phase1/sft": "--limit 16 --grpo.rounds 2 --grpo.questions 8 --assess.limit 4",
    "jorney grpo --model path/or/hub-id": "--grpo.rounds 1 --grpo.questions 2 --grpo.completion-length 16 --grpo.group 2",
    "jorney evaluate": "--limit 12 --evaluate.max-tokens 64",
    "jorney evaluate --model path/or/hub-id --benchmark": "--limit 4 --evaluate.max-tokens 16",
    "jorney evaluate --model path/or/hub-id --benchmark gsm8k": "--limit 4 --evaluate.max-tokens 16 --protocol.count 1",
    "jorney evaluate --model path/or/hub-id --problems test.jsonl --protocol.shots": "--limit 4 --evaluate.max-tokens 16",
    "jorney compare": "",
    "jorney generate": "--sampling.max-tokens 8",
    "jorney prm label": "--limit 24",
    "jorney prm train": "--held-out-limit 4 --prm.epochs 1 --rollouts.completions 2",
    "jorney prm eval": "",
    "jorney search": "--limit 6 --search.max-tokens 64 --search.step-tokens 32",
    "jorney thoughts propose-critique": "--limit 6",
    "jorney thoughts student-teacher": "--limit 6",
    "jorney thoughts human": "--limit 6",
    "jorney thoughts score": "",
    "jorney thoughts dedupe": "",
    "jorney thoughts mix": "",
    "jorney thoughts diversity": "",
    "jorney analyse": "",
    "jorney trees": "",
    "jorney completion": "",
    "jorney inspect path/to": "",
    "jorney convert path/to": "",
    "jorney export runs/": "",
    "jorney bench train": "--model embedded --rows 2 --length 64 --steps 1 --runs 1",
    "jorney bench sample": "--model embedded --rows 8 --trees 2 --prompt 32 --depth 2 --step-tokens 16 --runs 1",
    "jorney plan": "--model smollm2-135m",
    "python tools/prm_ceiling.py": "--model runs/phase1/sft --train 24 --tuning 6 --test 6 --completions 1 --epochs 1",
    "python tools/judge_noise.py": "--model runs/phase1/sft --rates 0 0.2 --trees 40 --test 8",
    "python tools/game24.py": "--model runs/phase1/sft --ranks 901-902 --rollouts 20 --n 2 --width 2",
    "python tools/rank_faults.py": "",
    "python tools/flip_rate.py": "--count 2 --tokens 8",
    "python tools/train_base_model.py": "--steps 2 --embed 32 --layers 1",
    "python tools/make_random_checkpoint.py": "--format safetensors --preset smollm2-135m --layers 2",
    "python tools/check_cuda.py": "",
    "python tools/tune_splash.py": "--interpret --lengths 256 --heads 1 --rounds 1",
    "cp tpu_scripts/example.env": "",
    "source my.env": "",
    "tpu_scripts/": "",  # always with --dry-run
}

_NETWORK, _HUB, _STORE = "a network, to install packages", "the hub", "a bucket in Cloud Storage"
_TORCH, _CLOUD = "torch, transformers' models and TRL (make parity), and minutes", "gcloud, and a project that pays"
# What is not run -> what it needs.
NEEDS: dict[str, str] = {
    "python3 -m venv": _NETWORK,
    "pip install": _NETWORK,
    "make demo": f"{_NETWORK}; it runs jorney quickstart, which jorney/run/README.md has",
    "make test": f"{_NETWORK}; continuous integration runs it",
    "make parity": _NETWORK,
    "make experiment": "hours of two cores",
    "jorney experiment": "hours of two cores",
    "jorney view": "a browser, and Ctrl-C; tests/view has both",
    "python tools/preference_kinds.py": "an hour and a half of two cores",
    "python tools/grpo_countdown.py": "eight hours of two cores",
    "python tools/lora_ranks.py": "the better part of an hour of two cores",
    "git clone": "a network",
    "jorney run configs/o1_journey_": "a TPU v5p-8, the hub and PRM800K; tests/test_recipes.py runs it in small",
    "jorney expand --judge path/to/Qwen2.5-Math-PRM-7B": "a 7B reward model",
    "jorney inspect deepseek-ai/": _HUB,
    "jorney convert deepseek-ai/": f"{_HUB}, and {_STORE}",
    "jorney export gs://": _STORE,
    "jorney derive --trees $BUCKET": _STORE,
    "jorney plan configs/deepseekmath_7b_expand": "minutes of compiling a 7B engine; tools/plan_table.py runs it",
    "jorney plan configs/deepseekmath_7b_sft_v5e_16.py --topology v5e-16 --search": "minutes of compiling",
    "python tools/replay.py": "minutes of compiling a 7B engine",
    "jorney plan configs/deepseekmath_7b_sft_v5e_16.py --topology v5e-16 --tokens": "minutes of compiling",
    "python tools/bench_trl.py": _TORCH,
    "python tools/bench_engine.py": _TORCH,
    "python tools/decode_parts.py": "minutes of a machine that does nothing else",
    "python tools/bench_grpo.py": _TORCH,
    "python tools/parity.py": _TORCH,
    "python tools/bench_load.py": "a machine of one's own: it empties the page cache",
    "python tools/bench_likelihood.py": _TORCH,
    "python tools/bench_shots.py": f"lm-eval and {_TORCH}",
    "jorney evaluate --model deepseek-ai/": f"{_HUB}, and an accelerator that holds 7B",
    "jorney evaluate --model path/to/SmolLM2-135M-Instruct": "all of BIG-Bench Hard's prompts, and minutes",
    "python -m jorney.solve.harness": f"{_NETWORK}, and for its tasks {_HUB}",
    "gcloud": _CLOUD,
    "jorney push": f"{_HUB}, and a login there",
}


@dataclasses.dataclass(frozen=True)
class Command:
    """A command of a guide, its lines joined and its comment left out; `before` are the assignments that stand above it."""

    guide: str
    line: int
    text: str
    before: tuple[str, ...] = ()

    def words(self) -> list[str]:
        """Its words, with the variables that the guide has set put in their places."""
        text = self.text
        for assignment in self.before:
            name, _, value = assignment.partition("=")
            text = text.replace(f"${name}", shlex.split(value)[0] if value else "")
        return shlex.split(text)

    @property
    def needs(self) -> str | None:
        """What it needs that is not here; None where it is run."""
        found, small = longest(self.text, NEEDS), longest(self.text, SMALL)
        return NEEDS[found] if found is not None and len(found) > len(small or "") else None

    @property
    def small(self) -> str | None:
        """What --small adds; None where the command is not known."""
        found = longest(self.text, SMALL)
        return None if found is None else SMALL[found]

    @property
    def known(self) -> bool:
        return self.needs is not None or self.small is not None


def longest(text: str, table: Iterable[str]) -> str | None:
    return max((one for one in table if text.startswith(one)), key=len, default=None)


def guides() -> list[str]:
    """All guides, in the order in which one reads them."""
    rooms = ("run", "tree", "judge", "thought", "solve", "train", "reinforce", "view", "engine", "convert", "machine")
    found = ["README.md", *(f"jorney/{room}/README.md" for room in rooms)]
    return [*found, "jorney/README.md", "configs/README.md", "configs/RESULTS.md", "tpu_scripts/README.md"]


def commands(guide: str) -> list[Command]:
    """The commands of a guide's fenced shell blocks and indented blocks."""
    found: list[Command] = []
    before: list[str] = []
    joined, first = "", 0
    for number, line in _code(guide):
        joined, first = (joined, first) if joined else ("", number)
        joined += line.strip()
        if joined.endswith("\\"):
            joined = joined[:-1].rstrip() + " "
            continue
        text, joined = _without_comment(joined), ""
        if re.match(r"[A-Z_]+=", text):
            before.append(text)
        elif text:
            found.append(Command(guide, first, text, tuple(before)))
    if joined:
        raise ValueError(f"{guide}: line {first}: the command does not end")
    return found


def _code(guide: str) -> Iterator[tuple[int, str]]:
    """(number, line) of every line in a shell block."""
    language: str | None = None  # of the fence that is open
    blank = indented = False
    for number, line in enumerate((ROOT / guide).read_text().splitlines(), start=1):
        if fence := re.match(r"\s*```(\w*)", line):
            language = fence[1] if language is None else None
            blank = indented = False
        elif language is not None:
            if language in SHELLS and line.strip():
                yield number, line
        elif line.startswith("    ") and (blank or indented):
            indented = True
            yield number, line
        else:
            blank, indented = not line.strip(), indented and not line.strip()


def _without_comment(text: str) -> str:
    quoted = ""
    for index, letter in enumerate(text):
        if letter in "'\"" and quoted in ("", letter):
            quoted = "" if quoted else letter
        elif letter == "#" and not quoted and (index == 0 or text[index - 1].isspace()):
            return text[:index].rstrip()
    return text.strip()


class _ParsedError(Exception):
    """All words of a command were understood."""


def parse(words: Sequence[str]) -> None:
    """Parses a command line of `jorney` without running it: the command is known, and so are its options.

    Every command reads its options by `jorney.config.override`, and then does something. Here that function parses as ever,
    and stops the command.

    Raises:
      ValueError: what is wrong with it, as the command itself says it.
    """
    from unittest import mock

    from jorney import config
    from jorney.run import command_registry

    override, yaml = config.override, words.index("--config") if "--config" in words else len(words)
    words = [*words[:yaml], *words[yaml + 2 :]]  # a file of options that an earlier command of the guide writes

    def stop(*given: Any, **named: Any) -> Any:
        override(*given, **named)
        raise _ParsedError

    here = os.getcwd()
    os.chdir(ROOT)  # configuration files are named from here
    try:
        with mock.patch.object(config, "override", stop), contextlib.redirect_stdout(io.StringIO()):
            command_registry.run(words)
    except _ParsedError:
        pass
    finally:
        os.chdir(here)


def run(command: Command, folder: pathlib.Path, small: bool, environment: dict[str, str], ready: list[str]) -> tuple[int, str]:
    """(exit code, what it said). `ready` are lines that later commands begin with, too."""
    text = command.text
    for script in re.findall(r"tpu_scripts/\w+\.sh", text):
        text = text.replace(script, f"{script} --dry-run")
    if small and command.small:
        text = f"{text} {command.small}"
    lines = [*command.before, *ready, text]
    where = {**environment, "PWD": str(folder)}
    done = subprocess.run(
        ["bash", "-c", "\n".join(["set -e", *lines])],
        cwd=folder,
        env=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout


def _environment(folder: pathlib.Path, url: str) -> dict[str, str]:
    """Where `jorney` and `python` are this interpreter and this checkout."""
    programs = folder / "bin"
    programs.mkdir()
    for name, line in (("jorney", f'exec {sys.executable} -m jorney "$@"'), ("python", f'exec {sys.executable} "$@"')):
        (programs / name).write_text(f"#!/bin/sh\n{line}\n")
        (programs / name).chmod(0o755)
    settings = {"PYTHONPATH": str(ROOT), "PATH": f"{programs}:{os.environ['PATH']}", "OPENAI_BASE_URL": url}
    return {**os.environ, **settings, "OPENAI_API_KEY": "none", "NO_PROXY": "127.0.0.1", "HF_HUB_OFFLINE": "1"}


def run_guide(guide: str, small: bool, keep: bool, earlier: set[str]) -> Iterator[tuple[Command, str, str]]:
    """(command, "ok", "failed", "needs" or "repeated", a word on it) of every command of a guide."""
    sys.path.insert(0, str(ROOT / "tests"))
    from simulated_model import SimulatedModel
    from stub_endpoint import Act, Stub

    model = SimulatedModel()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="jorney-guide-"))
    ready: list[str] = []
    try:
        stand_ins(folder)
        with Stub(lambda number, body: Act(text=answer(model, body["messages"]))) as stub:
            environment = _environment(folder, stub.url)
            for command in commands(guide):
                if command.text.startswith("source "):
                    ready.append(command.text)
                    yield command, "ok", "for the commands below"
                elif command.needs is not None:
                    yield command, "needs", command.needs
                elif guide == "configs/RESULTS.md" and command.text in earlier:
                    yield command, "repeated", "run in another guide"
                else:
                    started = time.monotonic()
                    code, said = run(command, folder, small, environment, ready)
                    (folder / f"line-{command.line}.log").write_text(said)
                    last = said.strip().splitlines()[-1] if said.strip() else ""
                    took = f"{time.monotonic() - started:.0f} s"
                    yield command, "failed" if code else "ok", f"{took}: {code}: {last}" if code else took
    finally:
        if keep:
            print(f"{guide}: kept in {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("guides", nargs="*", help="names of folders, as run or tpu_scripts, or paths; all where none is named")
    parser.add_argument("--small", action="store_true", help="adds options that make the commands quick")
    parser.add_argument("--list", action="store_true", help="runs nothing")
    parser.add_argument("--keep", action="store_true", help="leaves the folders, with a log of each command")
    chosen = parser.parse_args()
    wanted = [one for one in guides() if not chosen.guides or {one, one.split("/")[-2:][0]} & set(chosen.guides)]
    if not wanted:
        parser.error(f"no such guide: expected one of {', '.join(guides())}")
    earlier = {one.text for guide in guides() if guide != "configs/RESULTS.md" for one in commands(guide)}
    counts = dict.fromkeys(("ok", "failed", "needs", "repeated", "runs"), 0)
    for guide in wanted:
        print(f"\n{guide}", flush=True)
        if chosen.list:
            rows: Any = ((one, "needs" if one.needs else "runs", one.needs or one.small) for one in commands(guide))
        else:
            rows = run_guide(guide, chosen.small, chosen.keep, earlier)
        for command, result, word in rows:
            counts[result] += 1
            print(f"  {result:8} {command.line:4}  {command.text[:100]:100}  {word}", flush=True)
    print(f"\n{', '.join(f'{count} {result}' for result, count in counts.items() if count)}")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
