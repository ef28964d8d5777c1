"""What an engine is expected to sample a second on a machine that is not here: its schedule, at the compiler's prices.

Trees go through the real engine, whose programs only pretend (`replay`). Every program that it calls is compiled for three
layers and for four, and priced by the compiler's estimates (`machine.cycles`); the other layers cost what the fourth does.
Fewer would flatter: what one layer or two read, the compiler brings into vector memory beforehand. Estimates, no measurements.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

from jorney.engine.decode import SAMPLING
from jorney.engine.memory import token_bytes, weight_bytes
from jorney.engine.programs import patience
from jorney.machine import aot
from jorney.machine.cycles import Cost, Estimate, estimate
from jorney.machine.hlo import collective_traffic
from jorney.machine.plan.engine_programs import PlannedEngine
from jorney.machine.plan.replay import Call, Replay, replay
from jorney.topology import Generation, Slice

# Of GSM8K's solutions: how many steps they have, and how many pieces of a text a step has, nine in ten no more than the last.
_STEPS, _PIECES = (2, 2, 3, 3, 3, 4, 4, 5, 6), (15, 18, 20, 22, 24, 26, 29, 32, 37)
_PARTS = ("attention", "mlp", SAMPLING)  # scopes of a decode step
_LAYERS = 3, 4  # that are compiled; of DeepSeekMath-7B's decode step on v5e-8 one and two would make a fifth less
HOST = 0.001  # seconds between two programs, of the host


def usual_solutions(count: int) -> list[list[str]]:
    """Solutions of steps that are about as many and as long as GSM8K's."""
    pieces = [" more" * _PIECES[number * 4 % len(_PIECES)] for number in range(len(_PIECES))]
    return [[pieces[(number + step) % len(pieces)] for step in range(_STEPS[number % len(_STEPS)])] for number in range(count)]


@dataclasses.dataclass(frozen=True)
class Price:
    """Of a program with all layers.

    Attributes:
      parts: seconds of a decode step by scope; what none of them holds is the rest.
      sampling: collectives of a decode step in which tokens are chosen, and the bytes that a chip sends with them.
    """

    cost: Estimate
    parts: dict[str, float]
    sampling: tuple[int, float]


def price(engine: PlannedEngine, generation: Generation, call: Call, blocks: float | None = None) -> Price:
    """What a program takes.

    Args:
      blocks: of pools that decoding's kernel visits in a step and layer on a chip; None for all.

    Raises:
      ValueError: the clock of a generation is not known, or the program has an instruction without a price.
    """
    decodes, layers = call.kind == "decode", engine.model.layers
    compiled = _LAYERS if layers > _LAYERS[-1] else (layers,)

    def text_of(layers: int) -> str:
        small = dataclasses.replace(engine, model=dataclasses.replace(engine.model, layers=layers))
        text: str = aot.compile_uncached(small.lower(call)).as_text()
        return text

    texts = [text_of(count) for count in compiled]

    def of_all(scope: str = "") -> Estimate:
        found = [estimate(text, generation, decodes, scope, blocks) for text in texts]
        once, step = (Cost(*(_extended(costs, layers) for costs in zip(*own, strict=True))) for own in zip(*found, strict=True))
        return Estimate(once, step)

    sent = collective_traffic(texts[0], scope=SAMPLING).values() if decodes else []
    parts = {scope: of_all(scope).step.seconds for scope in _PARTS if decodes}
    steps = engine.shape.chunk
    return Price(of_all(), parts, (sum(one.count for one in sent) // steps, sum(one.bytes for one in sent) / steps))


def _extended(costs: Sequence[float], layers: int) -> float:
    """What so many layers take, by what fewer do; where the compiler made less of four than of three, each takes a fourth."""
    if len(costs) == 1:
        return costs[0]
    three, four = costs
    return four + (layers - _LAYERS[1]) * (four - three) if four >= three else layers / _LAYERS[1] * four


@dataclasses.dataclass(frozen=True)
class Expected:
    """Of an engine on a machine.

    Attributes:
      prices: of the programs that ran.
      seconds: of each of them, all its runs together.
      of_least: bytes that decode steps touch over those of weights and of the cache that is looked at. Of small models it says
        nothing: few layers stay in a chip's vector memory from step to step.
      rate: tokens a second and chip.
    """

    replay: Replay
    prices: dict[Call, Price]
    seconds: dict[Call, float]
    of_least: float
    rate: float


def expect_rate(
    engine: PlannedEngine,
    machine: Slice,
    solutions: Sequence[Sequence[str]],
    w: int,
    k: int,
    host: float = HOST,
    share: float | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Expected:
    """Replays trees of solutions and prices what ran.

    Args:
      solutions, w, k: see `replay`.
      host: seconds that it takes between two programs.
      share: how patient the engine is; by default as on the machine, see `programs.patience`.
      say: told what is being compiled.

    Raises:
      ValueError: see `price`.
    """
    patient = patience(engine.mesh.devices.flat[0].platform) if share is None else share
    found = replay(dataclasses.replace(engine.shape, shared=0), solutions, w, k, share=patient)
    prices, seconds = dict[Call, Price](), dict[Call, float]()
    weights, of_token = (size(engine.model, engine.dtype, engine.mesh) for size in (weight_bytes, token_bytes))
    touched = least = 0.0
    for call, runs in sorted(found.runs.items()):
        say(f"pricing {name(call)}")
        steps = found.steps[call]
        visited = found.blocks[call] / steps / engine.shape.ways if steps else None
        prices[call] = price(engine, machine.generation, call, visited)
        once, step = prices[call].cost
        seconds[call] = runs * (once.seconds + host) + steps * step.seconds
        touched += steps * step.bytes
        least += steps * weights + found.live[call] * of_token / engine.shape.ways
    rate = found.counts.sampled / sum(seconds.values()) / machine.chips
    return Expected(found, prices, seconds, touched / least, rate)


def name(call: Call) -> str:
    """A program, in words."""
    return f"{call.kind} {call.number} x {call.length}, {call.reach} slots"


def lines(found: Expected) -> Iterator[str]:
    """Of at most 80 columns: the programs, a decode step's parts, and what follows."""
    yield f"{'by the compiler, of a chip':30} {'runs':>7} {'once':>9} {'a step':>9} {'GB':>6} {'in all':>9}"
    for call, own in found.prices.items():
        (once, step), steps = own.cost, found.replay.steps[call]
        each = f"{1e3 * step.seconds:6.2f} ms" if steps else ""
        held = (step if steps else once).bytes / 1e9
        cells = f"{found.replay.runs[call]:7,} {1e3 * once.seconds:6.2f} ms {each:>9} {held:6.2f} {found.seconds[call]:7.1f} s"
        yield f"{name(call):30} {cells}"
    for call, own in found.prices.items():
        if found.replay.steps[call]:
            rest = own.cost.step.seconds - sum(own.parts.values())
            parts = [f"{scope} {1e3 * seconds:.2f}" for scope, seconds in {**own.parts, "rest": rest}.items()]
            yield f"a step with {call.reach} slots, ms: {', '.join(parts)}"
            count, sent = own.sampling
            yield f"  sampling: {count} collectives, which send {sent / 1e3:.1f} kB"
    counts = found.replay.counts
    yield f"decode steps touch {found.of_least:.2f} x weights and live cache"
    yield f"{counts.sampled:,} tokens, {counts.read:,} read, {counts.occupancy:.2f} of the rows' places filled"
    yield f"{found.rate:,.0f} tokens/s/chip expected"
