"""`jorney bench sample`: how fast trees are sampled, and how near that comes to what the memory allows."""

from __future__ import annotations

import dataclasses
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jorney import devices, sharding, topology
from jorney.compiled import Compilations
from jorney.config import expect, expect_at_least, expect_number, expect_one_of, expect_share
from jorney.engine import cache
from jorney.engine.drawing import SamplingParams
from jorney.engine.engine import Engine
from jorney.engine.programs import Programs, Shape, Work, fit
from jorney.engine.texts import Counts, Request
from jorney.machine.measured import memory_bandwidth
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.policy import EMBEDDED, read_architecture
from jorney.precision import EXACT, PRECISIONS
from jorney.train.optimizer import DTYPES


@dataclasses.dataclass(frozen=True)
class SampleBench:
    """Throughput of tree expansion, with random weights and random prompts: tokens a second and chip, nodes, occupancy.

    Attributes:
      model: a preset ("deepseekmath-7b", ...), or a folder or hub id, of which only config.json is read.
      trees: how many are grown in a run.
      prompt, shared: tokens of a prompt, and how many of them are the same in all.
      w, keep, depth: of the trees: steps after a node, nodes of a level that are expanded, levels.
      step_tokens: of a step at most; steps have a quarter of it at least.
      rows, problem_rows, chunk: as in `jorney expand`.
      temperature, top_p: of sampling.
      cache_tokens: as in `jorney expand`.
      dtype: of weights, computation and cache.
      precision: of matrix products, "dtype" or "fast" (see `jorney.load`).
      runs: of so many trees; the median counts.
    """

    model: str = EMBEDDED
    trees: int = 16
    prompt: int = 256
    shared: int = 0
    w: int = 4
    keep: int = 4
    depth: int = 3
    step_tokens: int = 64
    rows: int = 64
    problem_rows: int = 4
    chunk: int = 16
    temperature: float = 0.7
    top_p: float = 0.95
    cache_tokens: int | None = None
    dtype: str = "bfloat16"
    precision: str = EXACT
    runs: int = 3
    mesh: sharding.MeshConfig = dataclasses.field(default_factory=sharding.MeshConfig)

    def __post_init__(self) -> None:
        counts = ("trees", "prompt", "w", "keep", "depth", "step_tokens", "rows", "problem_rows", "chunk", "runs")
        expect_at_least(1, self, "", *counts)
        expect_at_least(1, self, "", "cache_tokens", none="None for what the work needs")
        expect_number(self, "", "shared", "temperature", least=0)
        expect_share(self, "", "top_p")
        expect_one_of(DTYPES, self, "", "dtype")
        expect_one_of(PRECISIONS, self, "", "precision")
        expect(lambda shared: shared < self.prompt, f"below prompt = {self.prompt}", self, "", "shared")

    def shape(self, model: ModelConfig, mesh: Mesh) -> Shape:
        work = Work(
            problems=min(self.trees, max(1, self.rows // self.problem_rows)),
            rows=min(self.problem_rows, self.rows),
            chunk=self.chunk,
            texts=self.w,
            needed=self.depth * self.step_tokens,
            wanted=(self.depth + self.w * self.keep) * self.step_tokens * 3 // 4,
            cache_tokens=self.cache_tokens,
        )
        return fit(work, self.prompt - self.shared, self.shared, model.positions, sharding.ways("batch", mesh))


def run(command: SampleBench, say: Callable[[str], None] = lambda line: None, on: Mesh | None = None) -> dict[str, Any]:
    """Measures; returns figures by name.

    Args:
      on: a mesh in place of the command's.

    Returns:
      tokens_per_second_per_chip (sampled), at_most (the same of decode steps that do nothing but read weights and cache, once,
      at the bandwidth that the vendor states or, where none is known, that is measured here), nodes_per_second, step_seconds (a
      decode step of all rows), occupancy, busy (shares of the rows' steps that gave a token that was kept, or any);
      chunk_steps (decode steps between two looks of the host), gap_seconds (of the host alone, from a chunk's end to the next's
      begin), reading (share of the time in which prompts and openings are read);
      writes_per_token (to the cache, a token that was given or sampled); compilations, compile_seconds; of a device, in GB:
      step_gb (what a decode step has to read: weights and cache), cache_gb, memory_gb; bandwidth (GB/s, measured here) and
      of_bandwidth: the share of it that decode steps reach.

    Raises:
      FileNotFoundError, ValueError: what is wrong with the model, the mesh or the cache.
    """
    model = read_architecture(command.model)
    if command.prompt + command.depth * command.step_tokens > model.positions:
        raise ValueError(f"prompt + depth x step_tokens: expected at most the model's {model.positions} positions")
    mesh, dtype = on or sharding.make_mesh(command.mesh), jnp.dtype(command.dtype)
    shape = command.shape(model, mesh)
    compilations = Compilations()
    with jax.set_mesh(mesh):
        # Two programs: a GPU's compiler would draw each layer's numbers in a kernel of its own, and take minutes over them.
        drawn = jax.jit(lambda key: parameters.init(model, key, dtype))(jax.random.key(0))
        params = parameters.unstack(drawn, model.layers, donate=True)
    programs = Programs(model, params, mesh, dtype, (-1,), shape, compilations, command.precision)
    say(f"{parameters.count(model):,} parameters; {shape.problems} problems x {shape.rows} rows, {shape.slots} slots each")
    seconds, counts, nodes = [], Counts(), 0
    for number in range(command.runs + 1):
        start = time.perf_counter()
        counts, nodes = _grow(command, model, programs, seed=number)
        if number:  # the first compiles
            seconds.append((time.perf_counter() - start, counts.decoding / counts.steps))
    whole, step = (statistics.median(values) for values in zip(*seconds, strict=True))
    found = mesh.devices.flatten().tolist()
    itemsize, parts = dtype.itemsize, len(found)
    cached = cache.nbytes(model, shape.tokens, itemsize, found[0].platform) / parts
    read = parameters.count(model) * itemsize / max(1, mesh.shape["tensor"]) + cached
    bandwidth, generation = memory_bandwidth(), topology.of_kind(found[0].device_kind)
    stated = generation.bandwidth / generation.devices if generation else bandwidth
    return {
        "tokens_per_second_per_chip": counts.sampled / whole / devices.chips(found),
        "at_most": shape.all_rows * stated / read / devices.chips(found),
        "nodes_per_second": nodes / whole,
        "step_seconds": step,
        "occupancy": counts.occupancy,
        "busy": counts.busy,
        "chunk_steps": counts.steps / counts.chunks,
        "gap_seconds": counts.between / max(1, counts.chunks - 1),
        "reading": counts.reading / seconds[-1][0],
        "writes_per_token": counts.writes / (counts.read + counts.sampled),
        "compilations": len(compilations.names),
        "compile_seconds": sum(compilations.seconds),
        "step_gb": read / 1e9,
        "cache_gb": cached / 1e9,
        "bandwidth": bandwidth / 1e9,
        "of_bandwidth": read / step / bandwidth,
        "memory_gb": devices.memory_in_use() / 1e9,
    }


def _grow(command: SampleBench, model: ModelConfig, programs: Programs, seed: int) -> tuple[Counts, int]:
    """Trees of random texts, every survivor drawn by lot; what was done, and how many nodes there are."""
    rng = np.random.default_rng(seed)
    shared = rng.integers(0, model.vocab_size, command.shared).tolist()
    engine = Engine(programs, shared, SamplingParams.of(command.temperature, command.top_p), lambda ids: "")
    lots, waiting, nodes = random.Random(seed), command.trees, 0
    live: dict[Request, tuple[Any, int]] = {}  # the prompt's span, and the level
    open_groups: dict[Any, list[Request]] = {}

    def ask(root: Any, parents: Sequence[Any], level: int) -> None:
        for parent in parents:
            limit = lots.randint(max(1, command.step_tokens // 4), command.step_tokens)
            keys = rng.integers(0, 1 << 32, (command.w, 2), dtype=np.uint32)
            live[engine.sample(parent, keys, limit)] = root, level

    while waiting or live:
        while waiting and engine.free:
            root = engine.open([*shared, *rng.integers(0, model.vocab_size, command.prompt - command.shared).tolist()])
            open_groups[root], waiting = [], waiting - 1
            ask(root, [root], 1)
        for group in engine.step():
            root, level = live.pop(group)
            nodes += len(group.texts)
            open_groups[root].append(group)
            if any(other is root for other, _ in live.values()):
                continue
            texts = [text for one in open_groups[root] for text in one.texts]
            open_groups[root] = []
            kept = lots.sample(texts, min(command.keep, len(texts))) if level < command.depth else []
            if kept:
                ask(root, kept, level + 1)
            else:
                engine.close(root)
            for text in texts if kept else ():
                text.release()
    return engine.counts, nodes
