"""Whether Jorney computes on an NVIDIA GPU what it computes on a CPU, and how fast: one command, some six minutes.

    python tools/check_cuda.py --out cuda.json
    python tools/check_cuda.py --only attention gradients    # some of the checks
    python tools/check_cuda.py --platform cpu                # the script itself, on a machine without a GPU

Prints one JSON object: the device, versions, and of each check its name, its figures and the bar that they were held against,
and whether it passed, failed, was measured (figures without a bar) or was skipped. The file of --out is written after every
check. Where there is no GPU every check is skipped by its name, and the exit code is 0. It is 1 where a check failed; the
others go on.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

import jorney
from jorney import sharding
from jorney.batch.packing import Example, pack
from jorney.compiled import Compilations, Program
from jorney.config import to_json
from jorney.engine.generate import Generator, SamplingConfig
from jorney.machine.bench import sample, train
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.attention import Segment, attend, branched_attention, causal_attention, forked_attention
from jorney.policy import Policy
from jorney.train.loop import put
from jorney.train.objectives.sft import sft_loss
from jorney.train.provenance import revision, versions

# Grouped heads, a head of its own, and sizes that no tile divides.
LLAMA = ModelConfig(
    vocab_size=1000, embed=192, layers=3, heads=6, kv_heads=2, head_dim=64, mlp=416, positions=512, init_scale=0.05
)
FLOAT32, BFLOAT16, GRADIENTS = 1e-4, 2.0, 1e-4  # the bars; see the checks


@dataclasses.dataclass(frozen=True)
class Here:
    """Where checks run.

    Attributes:
      device, cpu: meshes of the one device that is checked, and of the one that it is held against.
      small: short texts and one run of a bench, for a CPU.
    """

    device: Mesh
    cpu: Mesh
    small: bool

    @property
    def length(self) -> int:
        """Tokens of a row."""
        return 48 if self.small else 256


Check = Callable[[Here], dict[str, Any]]
# Each gives figures. "bar" among them: "error" must not be above it.
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


def _ids(vocab_size: int, rows: int, length: int) -> np.ndarray:
    return np.random.default_rng(0).integers(3, vocab_size, (rows, length)).astype(np.int32)


def _random(mesh: Mesh, dtype: Any, precision: str = "dtype") -> Policy:
    """A random Llama. Its parameters are drawn on the CPU: elsewhere the same key may give others."""
    with jax.default_device(jax.devices("cpu")[0]):
        drawn = jax.device_get(jax.jit(parameters.init, static_argnums=0)(LLAMA, jax.random.key(0)))
    places = parameters.param_shardings(LLAMA, mesh)
    params = jax.tree.map(lambda leaf, place: jax.device_put(leaf.astype(dtype), place), drawn, places)
    tokenizer: Any = None
    return Policy(LLAMA, params, tokenizer, mesh, dtype, "random", precision=precision)


def _embedded(mesh: Mesh, dtype: Any, precision: str = "dtype") -> Policy:
    return jorney.load(mesh=mesh, dtype=dtype, precision=precision)


def _far(a: Any, b: Any) -> float:
    """The largest difference."""
    return float(np.max(np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))))


def _logits_error(here: Here, model: Callable[..., Policy], dtype: Any, precision: str = "dtype") -> dict[str, float]:
    """How far logits on the device, and in the dtype on the CPU, are from those of the CPU in float32."""
    exact = model(here.cpu, jnp.float32)
    ids = _ids(exact.config.vocab_size, 2, here.length)
    expected = jorney.logits(exact, ids)
    found = {"error": _far(jorney.logits(model(here.device, dtype, precision), ids), expected)}
    if dtype != jnp.float32:
        found["of_cpu"] = _far(jorney.logits(model(here.cpu, dtype), ids), expected)
    return {**found, "largest": float(jnp.max(jnp.abs(expected)))}


@check
def logits_embedded(here: Here) -> dict[str, Any]:
    """Logits of the embedded model in float32, within 1e-4."""
    return {**_logits_error(here, _embedded, jnp.float32), "bar": FLOAT32}


@check
def logits_llama(here: Here) -> dict[str, Any]:
    """The same of a random Llama."""
    return {**_logits_error(here, _random, jnp.float32), "bar": FLOAT32}


@check
def logits_bfloat16(here: Here) -> dict[str, Any]:
    """In bfloat16: at most twice as far from float32 as bfloat16 is on the CPU."""
    found = _logits_error(here, _random, jnp.bfloat16)
    return {**found, "bar": BFLOAT16 * found["of_cpu"]}


@check
def logits_fast(here: Here) -> dict[str, Any]:
    """What precision = "fast" (TF32) costs in float32: no bar."""
    return _logits_error(here, _random, jnp.float32, "fast")


def _softmax_attention(query: np.ndarray, keys: np.ndarray, values: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """As the textbook has it, in float64: query [B, T, N, H], keys and values [B, S, K, H], seen [B, T, S]."""
    query, keys, values = (x.astype(np.float64) for x in (query, keys, values))
    keys, values = (np.repeat(x, query.shape[2] // x.shape[2], axis=2) for x in (keys, values))
    scores = np.einsum("btnh,bsnh->bnts", query, keys) / np.sqrt(query.shape[3])
    scores = np.where(seen[:, None], scores, -np.inf)
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("bnts,bsnh->btnh", weights / weights.sum(axis=-1, keepdims=True), values)


def _attentions(T: int) -> dict[str, tuple[Callable[..., jax.Array], np.ndarray]]:
    """{name: (attention of (query, keys, values), what each of T tokens sees [2, T, T])}, of all that the model has."""
    place = np.arange(T)
    back = place[:, None] - place
    segments = np.stack([np.where(place < T // 3, 1, np.where(place < T - 5, 2, 0)), np.ones(T, int)]).astype(np.int32)
    own = (segments[:, :, None] == segments[:, None]) & (back >= 0)
    length = T // 4  # of each of two branches
    whole = np.ones((2, T), np.int32)
    apart = np.broadcast_to(
        (back >= 0) & ~((place[:, None] >= T - length) & (place >= T - 2 * length) & (place < T - length)), own.shape
    )
    ends = np.where(place < T // 2, T, place + 1 + (T - place - 1) // 2).astype(np.int32)
    under = np.broadcast_to((back >= 0) & (place[:, None] < ends), own.shape)

    def cached(query: jax.Array, keys: jax.Array, values: jax.Array) -> jax.Array:
        """The engine's: two segments of keys, heads before positions."""
        keys, values, cut = keys.swapaxes(1, 2), values.swapaxes(1, 2), T // 2
        parts = [(keys[:, :, cut], values[:, :, cut], own[..., cut]) for cut in (slice(cut), slice(cut, None))]
        return attend(query, [Segment(*part) for part in parts])

    return {
        "packed": (lambda q, k, v: causal_attention(q, k, v, segments, segments), own),
        "window": (lambda q, k, v: causal_attention(q, k, v, segments, segments, 7), own & (back < 7)),
        "branches": (lambda q, k, v: forked_attention(q, k, v, whole, length), apart),
        "tree": (lambda q, k, v: branched_attention(q, k, v, np.stack([ends, ends])), under),
        "cached": (cached, own),
    }


def _attention(here: Here, dtype: Any, products: str) -> dict[str, float]:
    """The largest error of each attention."""
    rng, T, found = np.random.default_rng(0), here.length, {}
    drawn = [rng.normal(size=(2, T, heads, 64)).astype(np.float32) for heads in (6, 2, 2)]
    for name, (function, seen) in _attentions(T).items():
        with jax.set_mesh(here.device):
            given = [jax.device_put(x, sharding.named(here.device)).astype(dtype) for x in drawn]
            output = Program(name, function, Compilations(), products)(*given)
        rounded = [np.asarray(x, np.float32) for x in given]
        found[name] = _far(output, _softmax_attention(*rounded, seen))
    return found


@check
def attention(here: Here) -> dict[str, Any]:
    """Every attention, its masks and segments, beside a softmax in float64."""
    found = _attention(here, jnp.float32, "highest")
    return {"error": max(found.values()), **found, "bar": FLOAT32}


@check
def attention_bfloat16(here: Here) -> dict[str, Any]:
    """The same of bfloat16, whose outputs of up to 4 are rounded by 2^-8 of their size."""
    found = _attention(here, jnp.bfloat16, "default")
    return {"error": max(found.values()), **found, "bar": 0.03}


@check
def gradients(here: Here) -> dict[str, Any]:
    """Gradients of an SFT step in float32: the largest difference of a parameter's, over the norm of that gradient."""
    rng, T = np.random.default_rng(0), here.length
    lengths = (T // 3, T // 2, T - 9, T // 4)
    arrays = pack([Example(tuple(rng.integers(3, LLAMA.vocab_size, n).tolist()), n // 3) for n in lengths], T, 4).arrays
    loss = sft_loss(LLAMA, jnp.float32, "none", 64)

    def of(mesh: Mesh) -> Any:
        policy = _random(mesh, jnp.float32)
        run = Program("gradients", jax.value_and_grad(loss, has_aux=True), Compilations(), policy.products)
        with jax.set_mesh(mesh):
            return jax.device_get(run(policy.params, put(arrays, mesh)))

    ((value, _), ours), ((expected, _), theirs) = of(here.device), of(here.cpu)
    pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)
    worst = max(float(np.linalg.norm(a - b) / np.linalg.norm(b)) for a, b in pairs)
    apart = abs(float(value) - float(expected)) / abs(float(expected))
    return {"error": max(worst, apart), "gradient": worst, "loss": apart, "bar": GRADIENTS}


@check
def engine(here: Here) -> dict[str, Any]:
    """The engine's greedy tokens are those of whole forward passes; where two logits are as good as equal, either will do."""
    policy = _embedded(here.device, jnp.float32)
    questions = ["Numbers: 3, 4, 5, 9. Target: 20.\n", "Numbers: 2, 7, 8, 11. Target: 30.\n", "1. 3 * 4 ="]
    limit = 12 if here.small else 48
    found = Generator(policy).generate(questions, SamplingConfig(w=2, max_tokens=limit, temperature=0.0, rows=6, chunk=8))
    errors, differ, read = [0.0], 0, 0
    for question, own in zip(questions, found, strict=True):
        before = policy.tokenizer.encode_prompt(question)
        for completion in own:
            ids = [*before, *completion.tokens]
            scores = np.asarray(jorney.logits(policy, [ids + [0] * (256 - len(ids))]))[0, len(before) - 1 : len(ids) - 1]
            chosen = scores[np.arange(len(scores)), completion.tokens]
            behind = scores.max(axis=1) - chosen
            log_probs = chosen - np.asarray(jax.nn.logsumexp(scores, axis=1))
            errors += [float(behind.max()), _far(log_probs, completion.log_probs)]
            differ, read = differ + int((behind > 0).sum()), read + len(scores)
    return {"error": max(errors), "tokens": read, "not_the_likeliest": differ, "bar": FLOAT32}


@check
def bench_train(here: Here) -> dict[str, Any]:
    """`jorney bench train` at a small setting: no bar."""
    size: dict[str, Any] = {"model": "tiny", "rows": 2, "length": 64} if here.small else {"model": "smollm2-135m", "rows": 8}
    mesh = sharding.MeshConfig(devices=1)
    return train.run(train.TrainBench(**size, steps=1 if here.small else 3, runs=1 if here.small else 3, mesh=mesh))


@check
def bench_sample(here: Here) -> dict[str, Any]:
    """`jorney bench sample` at a small setting: no bar."""
    few = {"model": "tiny", "trees": 2, "prompt": 24, "step_tokens": 8, "keep": 2, "rows": 8, "depth": 2}
    size: dict[str, Any] = few if here.small else {"model": "smollm2-135m"}
    return sample.run(sample.SampleBench(**size, runs=1 if here.small else 3, mesh=sharding.MeshConfig(devices=1)))


def run(
    platform: str, only: list[str], small: bool = False, keep: Callable[[dict[str, Any]], None] = lambda made: None
) -> dict[str, Any]:
    """All checks, or some; what they found.

    Args:
      platform: "gpu" or "cpu", as jax calls it.
      keep: called with what was found so far, after every check.
    """
    found = [device for device in jax.devices() if device.platform == platform]
    made: dict[str, Any] = {
        "device": found[0].device_kind if found else None,
        "platform": platform,
        "driver": found[0].client.platform_version if found else None,
        "versions": versions(),
        "commit": revision(),
        "checks": [],
    }
    if not found:
        why = f"no {platform} is here: jax found {jax.devices()[0].device_kind}"
        made["checks"] = [{"name": name, "status": "skipped", "why": why} for name in only or CHECKS]
        keep(made)
        return made
    here = Here(*(sharding.make_mesh(devices=[one]) for one in (found[0], jax.devices("cpu")[0])), small)
    for name in only or CHECKS:
        print(name, end=" ", file=sys.stderr, flush=True)
        start = time.perf_counter()
        try:
            figures = CHECKS[name](here)
            bar = figures.get("bar")
            status = "measured" if bar is None else "passed" if figures["error"] <= bar else "failed"  # NaN fails
            told: dict[str, Any] = {"name": name, "status": status, "figures": figures}
        except Exception as error:  # whatever it is, the others are to be tried
            told = {
                "name": name,
                "status": "failed",
                "why": f"{type(error).__name__}: {error}"[:500],
                "where": traceback.format_exc(limit=-3),
            }
        told["seconds"] = round(time.perf_counter() - start, 1)
        made["checks"].append(told)
        print(f"{told['status']} ({told['seconds']} s)", file=sys.stderr, flush=True)
        keep(made)
    return made


def _text(made: dict[str, Any]) -> str:
    return json.dumps(json.loads(to_json(made)), indent=2)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--only", nargs="+", choices=list(CHECKS), default=[], help="these checks alone")
    parser.add_argument("--small", action="store_true", help="short texts; with --platform cpu always")
    parser.add_argument("--out", help="a file for the JSON object, beside standard output")
    options = parser.parse_args(words)

    def keep(made: dict[str, Any]) -> None:
        if options.out:
            with open(options.out, "w", encoding="utf-8") as file:
                file.write(_text(made) + "\n")

    platform = {"cuda": "gpu"}.get(options.platform, options.platform)
    made = run(platform, options.only, options.small or options.platform == "cpu", keep)
    print(_text(made))
    return int(any(one["status"] == "failed" for one in made["checks"]))


if __name__ == "__main__":
    # What is checked is held against the CPU, so jax must know both.
    if (named := os.environ.get("JAX_PLATFORMS")) and "cpu" not in named:
        jax.config.update("jax_platforms", f"{named},cpu")
    sys.exit(main())
