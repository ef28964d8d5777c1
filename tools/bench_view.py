"""The viewer's index on 2,000 trees of 150 steps: how long it takes to make, to open again, and to filter; memory.

    python tools/bench_view.py                # medians of five, every turn in processes of its own
    python tools/bench_view.py --trees 200 --turns 1

The trees are as `jorney expand` writes them: every step with 14 tokens and their log-probabilities (about 190 MB in all).
Memory is what the peak of the process grows by. The filters are those of FILTERS, a regular expression over all steps
among them.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

from turns import processor

from jorney.view.collection.query import Query

NODES, TOKENS = 150, 14
FILTERS = {
    "a word anywhere": Query("reach"),
    "a regular expression over all steps": Query(r"1\d = (\d+) .left: \d+, 1(49|50)\b", "steps"),
    "one that nothing holds": Query(r"(?i)wait, .* again$"),
    "outcome": Query(chosen={"outcome": ("solved",)}),
    "numbers": Query(numbers={"depth": (4, None), "right leaves": (2, 10)}),
    "most divided first": Query(sort="most divided"),
}


def tree(number: int, rng: random.Random) -> dict[str, object]:
    """A tree with NODES steps, as JSON values."""
    root = {"parent": None, "text": "", "tokens": [], "log_probs": [], "status": "kept", "key": None, "given": 0}
    nodes: list[dict[str, object]] = [root]
    depth, siblings = [0], [0]
    inner = NODES * 3 // 5
    for index in range(1, NODES + 1):
        parent = rng.randrange(max(0, (index - 1) // 4 - 3), (index - 1) // 4 + 1)
        leaf = index > inner
        depth.append(depth[parent] + 1)
        siblings.append(0)
        about = {"count": 1, "rating": rng.choice((1, -1)), "score": rng.random(), "excursion": False}
        drawn = {"tokens": [rng.randrange(500) for _ in range(TOKENS)], "log_probs": [-rng.random() for _ in range(TOKENS)]}
        nodes.append(
            {
                "parent": parent,
                "text": f"{depth[index]}. 11 + {index} = {11 + index} (left: 1, {index})\n",
                "sibling": siblings[parent],
                "justification": "the target is out of reach",
                "status": rng.choice(("leaf-correct", "leaf-wrong")) if leaf else "kept",
                "key": [rng.randrange(1 << 32), rng.randrange(1 << 32)],
                "given": 2,
                **about,
                **drawn,
            }
        )
        siblings[parent] += 1
    about = {"step_format": "abel", "generated_tokens": NODES * TOKENS, "verifier": "math", "meta": {"level": number % 5}}
    return {
        "version": 3,
        "id": f"p{number}",
        "question": f"Make {number} from 1, 11.",
        "answer": str(number),
        "nodes": nodes,
        **about,
    }


def write(file: pathlib.Path, trees: int) -> None:
    """Writes the file of trees."""
    rng = random.Random(0)
    with open(file, "w") as out:
        out.writelines(json.dumps(tree(number, rng)) + "\n" for number in range(trees))


def measure(file: str, what: str) -> dict[str, float]:
    """One turn, in this process."""
    from jorney.view.collection.index import Index
    from jorney.view.collection.query import hits
    from jorney.view.collection.sources import find

    collection = find([file]).collections[0]
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    index = Index(collection)
    found = {what: time.perf_counter() - began}
    slowest = 0.0
    for query in FILTERS.values():
        began = time.perf_counter()
        hits(index, query)
        slowest = max(slowest, time.perf_counter() - began)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {**found, f"{what}: slowest filter": slowest, f"{what}: memory": grown}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trees", type=int, default=2000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--measure", nargs=2, metavar=("FILE", "WHAT"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "trees.jsonl"
        write(file, options.trees)
        print(f"{processor()}; {options.trees:,} trees of {NODES} steps, {os.path.getsize(file) / 1e6:.0f} MB")
        for turn in range(options.turns):
            environment = {**os.environ, "XDG_CACHE_HOME": f"{folder}/cache{turn}"}
            for what in ("index", "open again"):
                words = [sys.executable, __file__, "--measure", os.fspath(file), what]
                said = subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout
                for name, value in json.loads(said).items():
                    found.setdefault(name, []).append(value)
    for name, values in found.items():
        unit = "MB" if name.endswith("memory") else "s"
        print(f"{name:28} {statistics.median(values):8.2f} {unit}")


if __name__ == "__main__":
    main()
