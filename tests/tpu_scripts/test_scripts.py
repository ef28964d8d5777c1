"""The scripts for Cloud TPU: clean to shellcheck, and what they print is what a shell would run."""

from __future__ import annotations

import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from places import ROOT

import jorney

SCRIPTS = ROOT / "tpu_scripts"
SETTINGS = {"PROJECT": "my-project", "ZONE": "us-west4-a", "NAME": "trees", "MACHINE": "v5e-16", "SPOT": "1"}
WHERE = "--project my-project --zone us-west4-a"


def script(name: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **SETTINGS, **settings}
    return subprocess.run(
        [SCRIPTS / f"{name}.sh", *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def dry(name: str, *arguments: str, **settings: str) -> list[str]:
    found = script(name, "--dry-run", *arguments, **settings)
    assert found.returncode == 0, found.stderr
    return found.stdout.splitlines()


def remote(line: str) -> str:
    """The command line that a host is given."""
    (command,) = [word for word in shlex.split(line) if word.startswith("--command=")]
    return command.removeprefix("--command=")


def test_shellcheck_has_nothing_to_say() -> None:
    checker = shutil.which("shellcheck")
    if checker is None:
        pytest.skip("shellcheck is not installed")
    files = [str(file.relative_to(ROOT)) for file in sorted(SCRIPTS.glob("*.sh"))]
    found = subprocess.run([checker, "--external-sources", *files], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.stdout == ""
    assert found.returncode == 0


@pytest.mark.parametrize(
    ("machine", "accelerator", "runtime", "hosts"),
    [
        ("v4-8", "v4-8", "tpu-ubuntu2204-base", 1),
        ("v4-32", "v4-32", "tpu-ubuntu2204-base", 4),
        ("v5e-8", "v5litepod-8", "v2-alpha-tpuv5-lite", 1),
        ("v5e-16", "v5litepod-16", "v2-alpha-tpuv5-lite", 4),
        ("v5p-8", "v5p-8", "v2-alpha-tpuv5", 1),
        ("v5p-128", "v5p-128", "v2-alpha-tpuv5", 16),
        ("v6e-64", "v6e-64", "v2-alpha-tpuv6e", 16),
    ],
)
def test_a_machine_is_asked_for_by_googles_name(machine: str, accelerator: str, runtime: str, hosts: int) -> None:
    create, _ = dry("create", MACHINE=machine)
    assert create == (
        f"gcloud compute tpus queued-resources create trees {WHERE} --node-id trees --accelerator-type {accelerator} "
        f"--runtime-version {runtime} --spot"
    )
    from jorney import topology

    assert len(dry("generate", "expand", MACHINE=machine)) == topology.find(machine).hosts == hosts


def test_how_a_machine_is_paid_for() -> None:
    assert "--spot" not in dry("create", SPOT="0")[0]
    assert dry("create", RESERVATION="projects/p/reservations/r")[0].endswith(
        "--reserved --reservation projects/p/reservations/r"
    )
    assert dry("create", VALID_FOR="24h")[0].endswith("--spot --valid-until-duration 24h")


def test_all_hosts_share_a_training() -> None:
    (line,) = dry("run", "sft", "configs/c.py", "--data", "gs://b/a b.jsonl")
    assert line.startswith(f"gcloud compute tpus tpu-vm ssh trees {WHERE} --worker=all ")
    assert "$HOME/venv/bin/jorney sft configs/c.py --data 'gs://b/a b.jsonl' > $HOME/logs/sft.log" in remote(line)
    assert "TPU_" not in line


def test_hosts_that_sample_know_nothing_of_each_other() -> None:
    lines = dry("generate", "expand", "configs/c.py", "--output", "gs://b/trees")
    assert len(lines) == 4
    for host, line in enumerate(lines):
        assert f"--worker={host} " in line
        command = remote(line)
        for setting in ("TPU_PROCESS_BOUNDS=1,1,1", "TPU_CHIPS_PER_PROCESS_BOUNDS=2,2,1", "TPU_VISIBLE_CHIPS=0,1,2,3"):
            assert setting in command
        assert f"jorney expand configs/c.py --output gs://b/trees --shard {host}/4 " in command
    (alone,) = dry("generate", "expand", MACHINE="v5e-8")
    assert "TPU_" not in alone  # its eight chips are the whole machine
    assert "--shard 0/1" in alone
    assert len(dry("generate", "expand", HOSTS_ONLY="2 3")) == 2


def test_a_command_of_two_words_has_a_name_of_its_own() -> None:
    for words in (("prm", "label", "configs/c.py"), ("prm", "label", "--limit", "3")):
        assert "> $HOME/logs/prm-label.log" in remote(dry("generate", *words)[0])
    assert "> $HOME/logs/prm.log" in remote(dry("run", "prm", "configs/c.py")[0])
    assert "> $HOME/logs/convert.log" in remote(dry("alone", "convert", "embedded", "gs://b/base")[0])
    assert "~/logs/prm-label.log" in remote(dry("logs", "prm", "label")[1])
    assert remote(dry("logs", "prm", "label", "2")[0]) == "tail -n 100 -F ~/logs/prm-label.log"
    assert "~/logs/prm-label.pid" in remote(dry("stop", "prm", "label")[0])


def test_what_is_started_is_what_was_written(tmp_path) -> None:
    """The remote command line, run here, with a program that writes down its arguments."""
    program = tmp_path / "venv" / "bin" / "jorney"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\nfor word; do echo "[$word]"; done; exit 3\n')
    program.chmod(0o755)
    (tmp_path / "jorney").mkdir()
    words = ["sft", "a b", "it's", "$HOME", 'a "quoted" word', "*", "--flag", "--dry-run"]
    (line,) = dry("run", *words)
    subprocess.run(["bash", "-c", remote(line) + "; wait"], env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]}, check=True)
    assert (tmp_path / "logs" / "sft.log").read_text().splitlines() == [f"[{word}]" for word in words]
    assert (tmp_path / "logs" / "sft.pid").read_text().strip().isdecimal()
    assert (tmp_path / "logs" / "sft.exit").read_text().strip() == "3"


def test_what_runs_already_is_left_alone(tmp_path) -> None:
    """Started twice, a command runs once; its files are those of the first. Once it has ended it is started again."""
    program = tmp_path / "venv" / "bin" / "jorney"
    program.parent.mkdir(parents=True)
    program.write_text('#!/bin/sh\necho "$$ begins"; while [ ! -e $HOME/end ]; do sleep 0.05; done; exit 4\n')
    program.chmod(0o755)
    (tmp_path / "jorney").mkdir()
    line = remote(dry("run", "sft", "configs/c.py")[0])

    def start(more: str = "") -> str:
        environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
        return subprocess.run(["bash", "-c", line + more], env=environment, check=True, capture_output=True, text=True).stdout

    def until(there: bool, name: str) -> None:
        deadline = time.monotonic() + 20
        while (tmp_path / "logs" / name).exists() != there or (there and not (tmp_path / "logs" / name).read_text()):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    assert start() == ""
    until(True, "sft.log")
    first = (tmp_path / "logs" / "sft.log").read_text()
    assert start() == f"{platform.node()}: sft runs already\n"
    (tmp_path / "end").touch()
    until(True, "sft.exit")
    assert (tmp_path / "logs" / "sft.exit").read_text() == "4\n"
    assert (tmp_path / "logs" / "sft.log").read_text() == first
    assert start("; wait") == ""
    until(True, "sft.exit")
    assert (tmp_path / "logs" / "sft.log").read_text() != first


def stub(folder: pathlib.Path, body: str) -> dict[str, str]:
    """Settings with a gcloud that is this shell script."""
    (folder / "gcloud").write_text(f"#!/bin/bash\n{body}\n")
    (folder / "gcloud").chmod(0o755)
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_a_host_that_is_not_reached_stops_no_other(tmp_path) -> None:
    settings = stub(tmp_path, 'for word; do case $word in --worker=1) exit 255;; --worker=*) echo "at $word";; esac; done')
    for name, words in (("generate", ("expand",)), ("logs", ("expand",)), ("collect", ("gs://b/t", str(tmp_path / "here")))):
        found = script(name, *words, **settings)
        assert found.returncode == 2
        assert [line for line in found.stdout.splitlines() if line.startswith("at ")] == [f"at --worker={n}" for n in (0, 2, 3)]
        assert found.stderr.endswith(f"{name}.sh: not reached: host 1: the others were; run it again\n")


@pytest.mark.parametrize("name", ["create", "setup", "delete"])
@pytest.mark.parametrize("word", ["dry-run", "-dry-run", "dryrun", "--dryrun", "-n"])
def test_a_misspelt_dry_run_does_nothing(tmp_path, name: str, word: str) -> None:
    found = script(name, word, **stub(tmp_path, f"touch {tmp_path}/called"))
    assert found.returncode == 2
    assert word in found.stderr
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize(
    ("target", "folder"), [("stages/sft-1", "gs://b/phase2/stages/sft-1"), ("gs://c/run/sft-1", "gs://c/run/sft-1")]
)
def test_names_are_followed_to_what_is_brought_home(tmp_path, target: str, folder: str) -> None:
    body = f'[[ $2 == cat && $3 == gs://b/phase2/sft.path ]] && echo {target} && exit; [[ $2 == cat ]] && exit 1; echo "$@"'
    found = script("collect", "gs://b/phase2/sft/model", str(tmp_path / "here"), **stub(tmp_path, body), MACHINE="v5e-8")
    assert found.stdout.splitlines()[0] == f"storage rsync --recursive {folder}/model {tmp_path}/here"


def test_large_new_files_stay_here(tmp_path) -> None:
    """Results that were brought home are not sent to every host; small new files, a configuration say, travel."""
    copy = tmp_path / "jorney"
    shutil.copytree(SCRIPTS, copy / "tpu_scripts")
    (copy / "known.bin").write_bytes(bytes(2_000_000))
    subprocess.run("git init -q && git add -A", cwd=copy, shell=True, check=True)
    (copy / "results").mkdir()
    (copy / "results" / "model.safetensors").write_bytes(bytes(2_000_000))
    (copy / "mine.py").write_text("x = 1\n")
    environment = {**SETTINGS, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), **stub(tmp_path, "exit 0")}
    command = [copy / "tpu_scripts" / "setup.sh"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    with tarfile.open(tmp_path / "jorney-trees.tar.gz") as archive:
        names = archive.getnames()
    assert {"known.bin", "mine.py", "tpu_scripts/setup.sh"} <= set(names)
    assert "results/model.safetensors" not in names
    assert found.stderr == "setup.sh: results/model.safetensors: stays here: git does not know it, and it is large\n"


@pytest.mark.parametrize(
    ("name", "arguments", "settings", "message"),
    [
        ("generate", ("expand",), {"HOSTS_ONLY": "2 7"}, "HOSTS_ONLY: 7: expected hosts of 0 to 3"),
        ("create", (), {"PROJECT": ""}, "create.sh: PROJECT is not set: copy tpu_scripts/example.env"),
        ("create", (), {"MACHINE": "h100-8"}, "MACHINE = h100-8: expected one of v4, v5e, v5p, v6e"),
        ("create", (), {"MACHINE": "7x-8"}, "TPU 7x is let through Google Kubernetes Engine only"),
        ("create", ("--force",), {}, "unknown option --force: expected --dry-run or --help"),
        ("run", (), {}, "run.sh: expected a command"),
        ("collect", ("results", "here"), {}, "results: expected a folder that begins with gs://"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(name: str, arguments: tuple[str, ...], settings: dict[str, str], message: str) -> None:
    found = script(name, *arguments, **settings)
    assert found.returncode == 2
    assert message in found.stderr
    assert len(found.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", [file.stem for file in sorted(SCRIPTS.glob("*.sh")) if file.stem != "common"])
def test_help_says_what_a_script_does_and_takes(name: str) -> None:
    found = script(name, "--help", PROJECT="")
    assert found.returncode == 0
    assert f"usage: tpu_scripts/{name}.sh [--dry-run]" in found.stdout
    assert "shellcheck" not in found.stdout
    assert max(map(len, found.stdout.splitlines())) <= 132


def locked() -> dict[str, str]:
    """{package: version} of constraints.txt."""
    text = (SCRIPTS / "constraints.txt").read_text()
    return dict(re.findall(r"^([\w.-]+)==(\S+) \\\n(?: {4}--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+", text, re.MULTILINE))


def test_the_lock_holds_everything_by_version_and_hash() -> None:
    text = (SCRIPTS / "constraints.txt").read_text()
    assert "://" not in text
    found = locked()
    assert len(found) == text.count("==") > 100
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    for line in [*project["project"]["dependencies"], *extras["tpu"], *extras["gcs"], *project["build-system"]["requires"]]:
        needed = Requirement(line)
        assert needed.specifier.contains(found[canonicalize_name(needed.name)]), line
    assert {"libtpu", "jaxlib", "gcsfs"} <= found.keys()


@pytest.mark.slow
def test_an_environment_is_installed_by_it(tmp_path) -> None:
    """By pip, as uv does on a host; minutes, and a gigabyte."""
    python = shutil.which("python3.12")
    # A manager of versions may answer to the name and have none.
    works = python is not None and subprocess.run([python, "--version"], capture_output=True, check=False).returncode == 0
    if not works or platform.machine() != "x86_64" or sys.platform != "linux":
        pytest.skip("expected python3.12 on Linux, x86-64")
    subprocess.run([python, "-m", "venv", tmp_path], check=True)
    pip = [tmp_path / "bin" / "pip", "install", "--quiet"]
    subprocess.run([*pip, "--require-hashes", "--requirement", SCRIPTS / "constraints.txt"], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--editable", ROOT], check=True)
    found = subprocess.run([tmp_path / "bin" / "jorney", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == jorney.__version__
    check = subprocess.run([tmp_path / "bin" / "pip", "check"], capture_output=True, text=True, check=False)
    assert check.stdout.strip() == "No broken requirements found."


def test_the_guide_names_scripts_and_configurations_that_exist() -> None:
    text = (SCRIPTS / "README.md").read_text()
    for name in re.findall(r"tpu_scripts/(\w+\.(?:sh|env))", text):
        assert (SCRIPTS / name).exists(), name
    for name in re.findall(r"configs/\w+\.py", text):
        assert (ROOT / name).exists(), name
