"""`gcloud` for tests: a machine whose hosts are folders here. What the scripts of tpu_scripts ask for is done, on this machine.

CHAIN_ROOT/host0, host1, ... are the hosts' home folders; a deleted machine's are gone, and a new one's are empty. On a host a
command has its home, two simulated devices, and Slurm's variables, by which jax finds the other processes.
"""

from __future__ import annotations

import glob
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(os.environ["CHAIN_ROOT"])
HOSTS = int(os.environ["CHAIN_HOSTS"])

# Of uv, which setup.sh installs Python and the checkout with: an environment that is this one, and the checkout that travelled.
UV = f"""#!/bin/bash
case "$1 $2" in
  "venv "*)
    mkdir -p ~/venv/bin
    printf '#!/bin/bash\\nPYTHONPATH=~/jorney exec {sys.executable} "$@"\\n' > ~/venv/bin/python
    chmod +x ~/venv/bin/python ;;
  "pip "*)
    test -f pyproject.toml
    printf '#!/bin/bash\\nPYTHONPATH=~/jorney exec {sys.executable} -m jorney "$@"\\n' > ~/venv/bin/jorney
    chmod +x ~/venv/bin/jorney ;;
esac
"""


def option(words: list[str], name: str) -> str:
    return next(word.removeprefix(f"--{name}=") for word in words if word.startswith(f"--{name}="))


def which(words: list[str]) -> list[int]:
    worker = option(words, "worker")
    return list(range(HOSTS)) if worker == "all" else [int(worker)]


def surroundings(host: int) -> dict[str, str]:
    slurm = {"SLURM_JOB_ID": os.environ["CHAIN_JOB"], "SLURM_STEP_NODELIST": "localhost", "SLURM_NTASKS": str(HOSTS)}
    slurm |= {"SLURM_PROCID": str(host), "SLURM_LOCALID": "0", "SLURM_STEP_NUM_NODES": str(HOSTS)}
    return {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "HF_HOME")},
        **slurm,
        "HOME": str(ROOT / f"host{host}"),
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "2",
        "JAX_CPU_COLLECTIVES_IMPLEMENTATION": "gloo",
        "HF_HUB_OFFLINE": "1",
    }


def ssh(words: list[str]) -> int:
    command = option(words, "command")
    children = [
        subprocess.Popen(["bash", "-c", command], env=surroundings(host), cwd=ROOT / f"host{host}", start_new_session=True)
        for host in which(words)
    ]
    return max(child.wait() for child in children)


def scp(words: list[str]) -> None:
    *sources, target = [word for word in words if not word.startswith("--")]
    for host in which(words):
        home = ROOT / f"host{host}"
        for source in sources:
            if ":" in target:
                shutil.copy(source, home / target.partition(":")[2])
            else:
                for found in glob.glob(str(home / source.partition(":")[2])):
                    shutil.copy(found, target)


def create() -> None:
    for host in range(HOSTS):
        home = ROOT / f"host{host}"
        shutil.copytree(ROOT / "hub", home / ".cache" / "huggingface" / "hub", symlinks=True)
        (home / ".local" / "bin").mkdir(parents=True)
        (home / ".local" / "bin" / "uv").write_text(UV)
        (home / ".local" / "bin" / "uv").chmod(0o755)


def storage(action: str, words: list[str]) -> int:
    from etils import epath

    places = [epath.Path(word) for word in words if not word.startswith("--")]
    if action == "cat":
        if not places[0].exists():
            return 1
        sys.stdout.write(places[0].read_text())
        return 0
    if action == "cp":
        for place in places[:-1]:
            (places[-1] / place.name).write_bytes(place.read_bytes())
        return 0
    assert action == "rsync", action
    source, target = places

    def copy(folder: epath.Path, to: epath.Path) -> None:
        to.mkdir(parents=True, exist_ok=True)
        for one in folder.iterdir():
            if one.is_dir():
                copy(one, to / one.name)
            else:
                (to / one.name).write_bytes(one.read_bytes())

    copy(source, target)
    return 0


def main(words: list[str]) -> int:
    place = next(word for word in words if word in ("ssh", "scp", "describe", "create", "delete", "cat", "cp", "rsync"))
    rest = words[words.index(place) + 1 :]
    there = (ROOT / "host0").exists()
    if words[0] == "storage":
        return storage(place, rest)
    if place == "describe":
        print("ACTIVE" if there else "", end="\n" if there else "")
        return 0 if there else 1
    if place == "create":
        create()
        return 0
    if place == "delete":
        for host in range(HOSTS):
            shutil.rmtree(ROOT / f"host{host}")
        return 0
    # The name of the machine comes first for ssh.
    rest = [word for word in rest if word not in ("--project", "--zone", os.environ["PROJECT"], os.environ["ZONE"])]
    if place == "ssh":
        return ssh(rest)
    scp(rest)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
