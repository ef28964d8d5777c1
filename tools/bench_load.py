"""Loads a checkpoint beside reading its files with cat, and beside touching as much memory: alternating, medians.

    python tools/make_random_checkpoint.py /tmp/deepseekmath --format bin
    python tools/bench_load.py /tmp/deepseekmath --runs 5

Every load is a process of its own with simulated devices. Before each side the page cache is emptied where that is allowed
(root), so that both read from the disk; the output says which it was. Where the parameters lie must be memory that no
process holds, and on a virtual machine whose host takes idle memory back the first touch of it can take longer than the
reading: "touch" is that alone, one byte a page of as many bytes by one thread a core, and no loader can do with less. It
waits five seconds first, since a load's memory, too, has been idle while the process started.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from jorney.convert import hf


def load(folder: str, devices: int) -> None:
    """The child: loads in the stored dtype, then prints what it took."""
    import jax

    jax.config.update("jax_num_cpu_devices", devices)
    from jorney.convert import config_json
    from jorney.convert.inspect import stored_dtype
    from jorney.model.params import param_shardings
    from jorney.sharding import MeshConfig, make_mesh

    mesh = make_mesh(MeshConfig(data=1, fsdp=-1))
    config, _ = config_json.read(folder)
    shardings, dtype = param_shardings(config, mesh), stored_dtype(folder)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    start, cpu = time.perf_counter(), time.process_time()
    params = jax.block_until_ready(hf.load_params(folder, config, shardings, dtype))
    found = {
        "seconds": time.perf_counter() - start,
        "cpu_seconds": time.process_time() - cpu,
        "bytes": sum(leaf.nbytes for leaf in jax.tree.leaves(params)),
        "before": before,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }
    print(json.dumps(found))


def touch(nbytes: int) -> None:
    """The child: writes to every page of new memory, then prints how long it took."""
    time.sleep(5)
    start = time.perf_counter()
    cores = os.cpu_count() or 1

    def write(part: np.ndarray) -> None:
        part[::4096] = 1

    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(write, np.array_split(np.empty(nbytes, np.uint8), cores)))
    print(json.dumps({"touch": time.perf_counter() - start}))


def drop_cache() -> bool:
    """Empties the page cache; False where that is not allowed."""
    os.sync()
    try:
        with open("/proc/sys/vm/drop_caches", "w") as file:
            file.write("3")
    except OSError:
        return False
    return True


def run(folder: str, devices: int) -> dict[str, float]:
    """One round: cat, touch, load, the last two in processes of their own; seconds, and the load's memory in bytes."""
    cold = drop_cache()
    size = sum(os.path.getsize(file) for file in hf.weight_files(folder))
    start = time.perf_counter()
    subprocess.run(["cat", *hf.weight_files(folder)], stdout=subprocess.DEVNULL, check=True)
    cat = time.perf_counter() - start
    found = {"cat": cat, "cold": cold}
    for child in (["touch", "--bytes", str(size)], ["load", "--devices", str(devices)]):
        drop_cache()
        command = [sys.executable, __file__, folder, "--child", *child]
        output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        found |= json.loads(output.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--devices", type=int, default=8)
    parser.add_argument("--child", choices=("load", "touch"), help=argparse.SUPPRESS)
    parser.add_argument("--bytes", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.child:
        load(chosen.folder, chosen.devices) if chosen.child == "load" else touch(chosen.bytes)
        return
    files = hf.weight_files(chosen.folder)
    size = sum(os.path.getsize(file) for file in files)
    print(f"{chosen.folder}: {len(files)} files, {size / 1e9:.2f} GB; {platform.machine()}, {os.cpu_count()} cores")
    found = []
    for number in range(chosen.runs):
        found.append(run(chosen.folder, chosen.devices))
        last = found[-1]
        print(
            f"run {number + 1}: cat {last['cat']:.1f} s, touch {last['touch']:.1f} s, load {last['seconds']:.1f} s "
            f"({last['cpu_seconds']:.1f} of a core), "
            f"peak {last['peak'] / 1e9:.2f} GB of which {last['before'] / 1e9:.2f} before",
            flush=True,
        )
    cat, seconds, touched = (statistics.median(one[name] for one in found) for name in ("cat", "seconds", "touch"))
    peak, params = max(one["peak"] for one in found) / 1e9, found[0]["bytes"] / 1e9
    print(f"page cache emptied before each: {'yes' if found[0]['cold'] else 'no'}")
    print(f"time: load {seconds:.1f} s / cat {cat:.1f} s = {seconds / cat:.2f} (medians of {chosen.runs}; bar: 2)")
    print(f"touching {size / 1e9:.2f} GB of new memory alone: {touched:.1f} s")
    print(f"memory: peak {peak:.2f} GB; bar: parameters {params:.2f} GB x 1.1 + 1 GB = {1.1 * params + 1:.2f} GB")


if __name__ == "__main__":
    main()
