"""Runs a function in two processes that form one mesh of eight simulated devices, joined by gloo."""

from __future__ import annotations

import json
import os
import pathlib
import socket
import subprocess
import sys
from typing import Any

from places import CACHE, ROOT


def run(file: str, *arguments: str, timeout: float = 240) -> list[Any]:
    """`file` as a program in both processes: main(process index, *arguments) -> what JSON can hold; both results."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, __file__, file, str(port)]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    children = [
        subprocess.Popen(
            [*command, str(i), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
        )
        for i in range(2)
    ]
    try:
        outputs = [child.communicate(timeout=timeout) for child in children]
    finally:
        for child in children:
            child.kill()
    for child, (_, error) in zip(children, outputs, strict=True):
        assert child.returncode == 0, error[-4000:]
    return [json.loads(out.splitlines()[-1]) for out, _ in outputs]


def _child() -> None:
    file, port, index, *arguments = sys.argv[1:]
    import runpy

    import jax

    jax.config.update("jax_num_cpu_devices", 4)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_compilation_cache_dir", CACHE)
    jax.distributed.initialize(f"localhost:{port}", num_processes=2, process_id=int(index))
    assert (jax.process_count(), jax.device_count()) == (2, 8)
    main = runpy.run_path(file)["main"]
    print(json.dumps(main(int(index), *arguments)), flush=True)
    jax.distributed.shutdown()


if __name__ == "__main__":
    sys.path[:] = [path for path in sys.path if path != str(pathlib.Path(__file__).parent)]
    _child()
