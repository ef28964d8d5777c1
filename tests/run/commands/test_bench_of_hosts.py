"""`jorney bench all` on the hosts of a pod."""

from __future__ import annotations

import socket
import subprocess
import sys

PROGRAM = """
import sys
from jorney import cli
from jorney.machine.bench import machine
import jax
machine.run = lambda bench, say: {"processes": jax.process_count(), "devices": jax.device_count()}
sys.exit(cli.main(sys.argv[1:]))
"""


def test_processes_meet_before_they_look_for_devices() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{probe.getsockname()[1]}"
    words = ["bench", "all", "--distributed.coordinator", place, "--distributed.processes", "2", "--distributed.process"]
    programs = [
        subprocess.Popen([sys.executable, "-c", PROGRAM, *words, str(number)], stdout=subprocess.PIPE, text=True)
        for number in range(2)
    ]
    told = [program.communicate(timeout=120)[0] for program in programs]
    assert [program.returncode for program in programs] == [0, 0]
    assert '"processes": 2' in told[0]
    assert told[1] == ""
