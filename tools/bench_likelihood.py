"""Log-likelihoods of choices: Jorney's backend of lm-evaluation-harness beside the harness's own `hf`, on this machine's CPU.

    python tools/bench_likelihood.py MODEL          # 50 questions of four choices each, as ARC has them

MODEL is a Hugging Face folder; both compute in float32. `hf` runs with each of --batch-sizes, and the best of them counts.
Sides take turns in one process, a round of one, then a round of the next; printed are the medians of the rounds after one of
warm-up, the ratio, and by how much the log-likelihoods differ at most. Needs `make parity` and lm-eval.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import random
import statistics
import time
from typing import Any

from turns import processor

_THINGS = ("metal spoon", "wooden door", "glass window", "paper kite", "stone wall", "rubber ball", "copper wire", "ice cube")
_PLACES = ("a sunny windowsill", "a cold garage", "the bottom of a pond", "a windy hill", "a dark cupboard", "a warm kitchen")
_CAUSES = ("heat moves from the warmer object to the cooler one", "light is reflected by its surface", "air pushes against it")
_EFFECTS = (
    "It becomes warmer because energy is transferred to it.",
    "It changes into a new substance.",
    "Its mass grows while its volume stays the same.",
    "It reflects most of the light that reaches it.",
    "It loses all of its energy to the ground.",
    "Gravity stops acting on it.",
    "Its particles move more slowly than before.",
    "water vapor",
    "a chemical change",
    "an increase in temperature",
    "evaporation and condensation",
    "the rotation of Earth",
)
_ASKED = (
    "A student places a {thing} on {place} for {hours} hours. Which statement best describes what happens to the {thing}?",
    "Which of these is the best evidence that {cause} when a {thing} is left in {place}?",
    "A {thing} and a thermometer are kept in {place}. After {hours} hours the student observes that {cause}. "
    "What is the most likely explanation?",
    "In {place}, which process most likely affects a {thing} within {hours} hours?",
)


def four_choice_items(count: int) -> list[dict[str, Any]]:
    """Questions of four choices, the same at every call: {"question", "choices", "answer"}."""
    drawn = random.Random(0)
    found = []
    for _ in range(count):
        given = {"thing": drawn.choice(_THINGS), "place": drawn.choice(_PLACES), "cause": drawn.choice(_CAUSES)}
        question = drawn.choice(_ASKED).format(**given, hours=drawn.randint(2, 12))
        found.append({"question": question, "choices": drawn.sample(_EFFECTS, 4), "answer": drawn.randrange(4)})
    return found


def requests_of(items: list[dict[str, Any]]) -> list[Any]:
    """What the harness makes of them for ARC."""
    from lm_eval.api.instance import Instance

    return [
        Instance(request_type="loglikelihood", doc={}, arguments=(f"Question: {one['question']}\nAnswer:", f" {text}"), idx=idx)
        for one in items
        for idx, text in enumerate(one["choices"])
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--questions", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[4, 16, 64])
    parser.add_argument("--tokens", type=int, help="positions that Jorney reads together")
    chosen = parser.parse_args()

    from lm_eval.models.huggingface import HFLM

    from jorney.compiled import use_persistent_cache
    from jorney.devices import keep_freed_memory
    from jorney.engine.scoring import Scorer
    from jorney.solve.harness import JorneyLM

    use_persistent_cache()
    keep_freed_memory()
    ours = JorneyLM(pretrained=chosen.model)
    if chosen.tokens:
        ours._scorer = Scorer(ours.policy, ours.compilations, chosen.tokens, truncate="left")
    theirs = HFLM(pretrained=chosen.model, dtype="float32", device="cpu", batch_size=1)
    requests = requests_of(four_choice_items(chosen.questions))
    sides = {"jorney": (ours, None), **{f"hf, batch size {size}": (theirs, size) for size in chosen.batch_sizes}}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    found = {}
    for turn in range(chosen.rounds + 1):
        for name, (model, size) in sides.items():
            if size is not None:
                model.batch_size_per_gpu = size
            start = time.perf_counter()
            found[name] = model.loglikelihood(requests, disable_tqdm=True)
            if turn:
                seconds[name].append(time.perf_counter() - start)
    packages = ("jax", "torch", "transformers", "lm-eval")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    print(f"{len(requests)} choices of {chosen.questions} questions, float32; {versions}; {processor()}")
    for name, own in seconds.items():
        print(f"{name:>20}: median {statistics.median(own):6.2f} s of {', '.join(f'{one:.2f}' for one in own)}")
    best = min((name for name in sides if name != "jorney"), key=lambda name: statistics.median(seconds[name]))
    ratio = statistics.median(seconds[best]) / statistics.median(seconds["jorney"])
    differences = [abs(a[0] - b[0]) for a, b in zip(found["jorney"], found[best], strict=True)]
    same = sum(a[1] == b[1] for a, b in zip(found["jorney"], found[best], strict=True))
    print(f"jorney is {ratio:.2f} times as fast as {best}")
    print(f"log-likelihoods differ by {max(differences):.1e} at most; greedy alike in {same} of {len(requests)}")
    print(f"compilations of jorney: {len(ours.compilations.names)}, {sum(ours.compilations.seconds):.1f} s, in the warm-up")


if __name__ == "__main__":
    main()
