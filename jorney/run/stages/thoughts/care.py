"""`jorney thoughts dedupe`, `mix`, `diversity`: care for sets of thoughts, and of texts of any kind."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from jorney import storage
from jorney.config import expect_number
from jorney.rows.problems import problems_of
from jorney.rows.registry import is_thought
from jorney.run.artifact import Artifact, Model
from jorney.run.stage import StageCommand
from jorney.run.stages.thoughts.reading import JOURNEYS, THOUGHTS, Row, count_rows, key_of, rows_of, write_rows
from jorney.run.workspace import Workspace
from jorney.text.step_format import StepFormat
from jorney.thought.asked.human import from_solution
from jorney.thought.care.analyse import text_of
from jorney.thought.care.dedupe import DedupeConfig, duplicates
from jorney.thought.care.diversity import DiversityConfig, collapse, measure_rounds, next_temperature, trend
from jorney.thought.care.mix import MixConfig, mix
from jorney.thought.thought import from_json


@dataclasses.dataclass(frozen=True)
class DedupeCommand(StageCommand):
    """Thoughts, or rows of any texts, without equal and near duplicates; the first of several stays.

    Attributes:
      data: a .jsonl, .parquet or .csv file, a hub id or tfds:NAME.
    """

    command: ClassVar[str] = "thoughts dedupe"
    common = ("data", "dedupe.threshold", "output")

    output: str = "runs/dedupe"
    data: str = JOURNEYS
    dedupe: DedupeConfig = dataclasses.field(default_factory=DedupeConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        return [plan_dedupe(space, self.data, self.dedupe)]


@dataclasses.dataclass(frozen=True)
class MixCommand(StageCommand):
    """Thoughts mixed with human ones at a stated share.

    Attributes:
      thoughts: a .jsonl file of them.
      human: a file, a hub id or tfds:NAME of thoughts, or of problems with solutions, which become thoughts as they stand.
    """

    command: ClassVar[str] = "thoughts mix"
    common = ("thoughts", "human", "mix.share", "mix.by", "output", "step-format", "seed")

    output: str = "runs/mix"
    thoughts: str = JOURNEYS
    human: str = ""
    mix: MixConfig = dataclasses.field(default_factory=MixConfig)

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        if not self.human:
            raise ValueError("human = '': expected a file, a hub id or tfds:NAME of thoughts or of problems with solutions")
        return [plan_mix(space, self.thoughts, self.human, self.mix, space.format)]


@dataclasses.dataclass(frozen=True)
class DiversityCommand(StageCommand):
    """The variety of thoughts from round to round, and the temperature for the next.

    Attributes:
      rounds: a file for each round, the first one first.
      temperatures: that the rounds were sampled at; none, or one for each.
      temperature: of rounds whose temperature is not stated.
    """

    command: ClassVar[str] = "thoughts diversity"
    common = ("rounds", "temperatures", "temperature", "output", "seed")

    output: str = "runs/diversity"
    rounds: tuple[str, ...] = ()
    temperatures: tuple[float, ...] = ()
    temperature: float = 0.7
    diversity: DiversityConfig = dataclasses.field(default_factory=DiversityConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        expect_number(self, "", "temperature", "temperatures", least=0, most=100)
        if self.temperatures and len(self.temperatures) != len(self.rounds):
            raise ValueError(f"temperatures: {len(self.temperatures)} of them: expected none, or one a round")

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        if not self.rounds:
            raise ValueError("rounds: expected at least one file")
        return [plan_diversity(space, self.rounds, self.temperatures, self.diversity, self.temperature)]


def plan_dedupe(space: Workspace, source: str, config: DedupeConfig) -> Artifact:
    """Rows without those whose text repeats an earlier one's: thoughts.jsonl; duplicates.jsonl names what was left out."""
    total = count_rows(source)

    def work(folder: storage.Path) -> dict[str, Any]:
        repeated: list[Row] = []
        places: list[str] = []
        one, other = itertools.tee(rows_of(source))
        with space.progress.bar("rows", total) as bar:

            def kept() -> Iterator[Row]:
                found = duplicates((text_of(row, place) for place, row in one), config)
                for (place, row), duplicate in zip(other, found, strict=True):
                    bar(1, f"{len(repeated):,} duplicates")
                    places.append(place)
                    if duplicate is None:
                        yield row
                    else:
                        about = {"similarity": duplicate.similarity, "exact": duplicate.exact}
                        repeated.append({"place": place, "id": row.get("id"), "of": places[duplicate.of], **about})

            write_rows(folder / THOUGHTS, kept())
        write_rows(folder / "duplicates.jsonl", repeated)
        exact, left_out = sum(row["exact"] for row in repeated), len(repeated)
        return {"rows": total, "kept": total - left_out, "exact_duplicates": exact, "near_duplicates": left_out - exact}

    return space.plan("unique", [key_of(source), config], work, f"{total:,} rows, from a similarity of {config.threshold:g}")


def plan_mix(space: Workspace, made: str, human: str, config: MixConfig, step_format: StepFormat) -> Artifact:
    """Thoughts mixed with human ones, which may be thoughts as well, or problems with solutions: thoughts.jsonl."""
    sizes = {"made": count_rows(made), "human": count_rows(human)}

    def work(folder: storage.Path) -> dict[str, Any]:
        with space.progress.bar("rows", sum(sizes.values())) as bar:
            sets = {"made": [], "human": []}  # type: dict[str, list[Row]]
            for name, source in (("made", made), ("human", human)):
                for row in _thought_rows(source, name, step_format):
                    sets[name].append(row)
                    bar(1)
        words = {name: [float(len(row["longCOT"].split())) for row in rows] for name, rows in sets.items()}
        mixture = mix(words["made"], words["human"], config, space.seed)
        write_rows(folder / THOUGHTS, (sets[name][index] for name, index in mixture.chosen))
        taken = [name for name, _ in mixture.chosen]
        return {"rows": len(taken), "made": taken.count("made"), "human": taken.count("human"), "share": mixture.share}

    reads = [key_of(made), key_of(human), config]
    return space.plan("mixture", reads, work, f"{sizes['made']:,} made and {sizes['human']:,} human rows")


def _thought_rows(source: str, name: str, step_format: StepFormat) -> Iterator[Row]:
    rows = rows_of(source)
    first = next(rows)
    rows = itertools.chain([first], rows)
    if is_thought(first[1]):
        yield from (from_json(row, place).to_json() for place, row in rows)
    elif name == "human":
        yield from (from_solution(problem, step_format).to_json() for problem in problems_of(rows, source))
    else:
        raise ValueError(f"{first[0]}: the field 'pieces' is missing: expected thoughts, as `jorney derive` writes them")


def plan_diversity(
    space: Workspace, rounds: Sequence[str], temperatures: Sequence[float], config: DiversityConfig, default: float
) -> Artifact:
    """The variety of each round, its trend, what has collapsed, and the temperature for the next round."""
    for source in rounds:
        count_rows(source)

    def work(folder: storage.Path) -> dict[str, Any]:
        texts = [[text_of(row, place) for place, row in rows_of(source)] for source in rounds]
        history = measure_rounds(texts, config, space.seed, temperatures)
        found = {
            "rounds": [{"source": source, **dataclasses.asdict(one)} for source, one in zip(rounds, history, strict=True)],
            "trend": trend(history),
            "collapsed": ", ".join(collapse(history, config)) or "nothing",
            "next_temperature": next_temperature(history, config, default),
        }
        storage.write_json(folder / "diversity.json", found)
        return found

    reads = [[key_of(source) for source in rounds], list(rounds), list(temperatures), config, default]
    return space.plan("diversity", reads, work, f"{len(rounds)} rounds")
