"""Writes tpu_scripts/constraints.txt: every package of a TPU VM's environment, its version and the hashes of its files.

    pip install uv
    python tools/lock_tpu_environment.py        # after a change of pyproject.toml, or to take newer versions

`uv` resolves the extras tpu and gcs for Python 3.12 on Linux; only files that such a machine would install are listed, wheels
where there are any, so that an installation by this file (`tpu_scripts/setup.sh`) is the same on every host and every day.
"""

from __future__ import annotations

import pathlib
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator
from typing import Any

from packaging.tags import Tag, compatible_tags, cpython_tags
from packaging.utils import parse_wheel_filename

ROOT = pathlib.Path(__file__).parent.parent
FILE = ROOT / "tpu_scripts" / "constraints.txt"
PYTHON, GLIBC = (3, 12), 31  # glibc 2.31, and newer: Ubuntu 20.04's
HEAD = """# Versions and hashes of all that tpu_scripts/setup.sh installs on a host: Python 3.12, Linux, x86-64.
# Made by tools/lock_tpu_environment.py.
"""


def tags() -> set[Tag]:
    """Of wheels that such a machine installs."""
    manylinux = [f"manylinux_2_{minor}_x86_64" for minor in range(5, GLIBC + 1)]
    platforms = [*manylinux, "manylinux1_x86_64", "manylinux2010_x86_64", "manylinux2014_x86_64", "linux_x86_64"]
    return {*cpython_tags(PYTHON, platforms=platforms), *compatible_tags(PYTHON, platforms=platforms)}


def lock() -> dict[str, Any]:
    """What uv resolves, in the standard form (PEP 751)."""
    with tempfile.TemporaryDirectory() as folder:
        file, build = pathlib.Path(folder) / "pylock.toml", pathlib.Path(folder) / "build.in"
        build.write_text("setuptools>=77\n")  # builds the checkout itself
        python, platform = ".".join(map(str, PYTHON)), f"x86_64-manylinux_2_{GLIBC}"
        command = ["uv", "pip", "compile", "pyproject.toml", str(build), "--extra", "tpu", "--extra", "gcs"]
        command += [
            "--python-version",
            python,
            "--python-platform",
            platform,
            "--format",
            "pylock.toml",
            "--output-file",
            str(file),
        ]
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        return tomllib.loads(file.read_text())


def lines(found: dict[str, Any]) -> Iterator[str]:
    """A requirement for each package, with the hashes of the files that are installed."""
    fitting = tags()
    for package in found["packages"]:
        wheels = [one for one in package.get("wheels", ()) if parse_wheel_filename(one["url"].rpartition("/")[2])[3] & fitting]
        files = wheels or [package["sdist"]]
        hashes = sorted({one["hashes"]["sha256"] for one in files})
        yield " \\\n    ".join([f"{package['name']}=={package['version']}", *(f"--hash=sha256:{one}" for one in hashes)])


def main() -> None:
    FILE.write_text(HEAD + "\n".join(lines(lock())) + "\n")
    print(f"{FILE.relative_to(ROOT)}: written")


if __name__ == "__main__":
    main()
