"""Stages over sets of thoughts, and over texts of any kind: scores, duplicates, mixtures, variety, statistics."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from jorney import storage
from jorney.config import digest
from jorney.rows.problems import problems_of
from jorney.rows.registry import is_thought
from jorney.rows.sources import TFDS, read_rows
from jorney.run.stage import source_digest
from jorney.run.stages.trees import read_trees
from jorney.run.workspace import Stage, Workspace, read_parts
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.thought.asked.human import from_solution
from jorney.thought.care.analyse import AnalyseConfig, Difficulty, analyse, count_steps, read_level, text_of
from jorney.thought.care.dedupe import DedupeConfig, duplicates
from jorney.thought.care.diversity import DiversityConfig, collapse, measure_rounds, next_temperature, trend
from jorney.thought.care.mix import MixConfig, mix
from jorney.thought.care.quality import Quality, Scorer, summarise
from jorney.thought.thought import from_json

THOUGHTS = "thoughts.jsonl"
_PART = 500  # rows of a part

Row = dict[str, Any]


def rows_of(source: str) -> Iterator[tuple[str, Row]]:
    """(place, row) pairs of anything `read_rows` reads, or of a folder with parts, such as `jorney evaluate` writes.

    Raises:
      FileNotFoundError, ValueError: name the file, the line and what was expected.
    """
    for file in _files(source):
        yield from read_rows(file)


def _files(source: str) -> list[str]:
    if source.startswith(TFDS) or not (where := storage.path(source)).is_dir():
        return [source]
    folder = next((one for one in (where / "parts", where / "evaluate" / "parts") if one.exists()), None)
    if folder is None:
        raise ValueError(f"{source}: a folder: expected a file, or the folder that `jorney evaluate` wrote (OUTPUT/evaluate)")
    return [os.fspath(part) for part in sorted(folder.glob("*.jsonl"))]


def count_rows(source: str) -> int:
    """How many rows there are, at least one; a file of JSON lines is not parsed for it."""
    total = 0
    for file in _files(source):
        if file.endswith(".jsonl") and storage.path(file).exists():
            with storage.path(file).open("rb") as lines:
                total += sum(1 for line in lines if line.strip())
        else:
            total += sum(1 for _ in read_rows(file))
    if not total:
        raise ValueError(f"{source}: holds no rows: expected at least one")
    return total


def key_of(source: str) -> str:
    """What the content of a source is known by."""
    return digest([source_digest(file) for file in _files(source)])


def plan_scores(space: Workspace, source: str, scorer: Callable[[], Scorer], scorer_key: Any, least: float) -> Stage:
    """The quality of every thought: thoughts.jsonl holds them with a field "quality".

    Without those whose Q is below `least`, and those without a score (a reply failed). Scored in parts; a part that is
    written is not scored again.
    """
    total = count_rows(source)

    def work(folder: storage.Path) -> dict[str, Any]:
        score: Scorer | None = None
        rows = rows_of(source)
        parts: list[storage.Path] = []
        with space.progress.bar("thoughts", total) as bar:
            while chunk := list(itertools.islice(rows, _PART)):
                thoughts = [from_json(row, place) for place, row in chunk]
                parts.append(folder / "parts" / f"{len(parts):06d}.jsonl")
                if not parts[-1].exists():
                    score = score or scorer()
                    found = [one and {**dataclasses.asdict(one), "q": one.q} for one in score(thoughts)]
                    storage.write_jsonl(
                        parts[-1], ({**row, "quality": one} for (_, row), one in zip(chunk, found, strict=True))
                    )
                bar(len(chunk))
        qualities: list[Quality] = []
        below = 0

        def kept() -> Iterator[Row]:
            nonlocal below
            for row in read_parts(folder / "parts"):
                if row["quality"] is not None:
                    qualities.append(Quality(**{name: value for name, value in row["quality"].items() if name != "q"}))
                    if qualities[-1].q >= least:
                        yield row
                    else:
                        below += 1

        write_rows(folder / THOUGHTS, kept())
        return {"without_score": total - len(qualities), "below_least": below, **summarise(qualities)}

    return space.plan("scores", [key_of(source), scorer_key, least], work, f"{total:,} thoughts")


def write_rows(where: storage.PathLike, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes a file of JSON lines row by row, whole or not at all."""
    with storage.open_whole(where) as file:
        file.writelines((json.dumps(row, ensure_ascii=False) + "\n").encode() for row in rows)


def plan_dedupe(space: Workspace, source: str, config: DedupeConfig) -> Stage:
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


def plan_mix(space: Workspace, made: str, human: str, config: MixConfig, step_format: StepFormat) -> Stage:
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
) -> Stage:
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


def known_difficulties(problems: str, trees: str) -> dict[str, Difficulty]:
    """Difficulties by the ids of problems: their level, or how many steps their solution takes.

    Where trees are given and problems state no level: the share of a tree's leaves that state a wrong answer, in tenths.
    """
    found: dict[str, Difficulty] = {}
    for tree in read_trees(trees) if trees else ():
        ends = [tree.nodes[leaf].status == "leaf-correct" for leaf in tree.leaves()]
        if ends:
            found[tree.id] = Difficulty("solve rate", round(1 - sum(ends) / len(ends), 1))
    for problem in problems_of(rows_of(problems), problems) if problems else ():
        if (level := read_level({"meta": problem.meta})) is not None:
            found[problem.id] = Difficulty("level", level)
        elif problem.solution:
            found.setdefault(problem.id, Difficulty("solution steps", count_steps(problem.solution)))
    return found


def plan_analysis(
    space: Workspace,
    source: str,
    config: AnalyseConfig,
    tokenizer: Callable[[], Tokenizer] | None,
    problems: str,
    trees: str,
) -> Stage:
    """The statistics of one set of texts (`thought.care.analyse`), read once, row by row."""
    total = count_rows(source)

    def work(folder: storage.Path) -> dict[str, Any]:
        counter = tokenizer() if tokenizer else None
        known = known_difficulties(problems, trees)
        with space.progress.bar("texts", total) as bar:

            def watched() -> Iterator[tuple[str, Row]]:
                for pair in rows_of(source):
                    yield pair
                    bar(1)

            found = analyse(watched(), config, (lambda text: len(counter.encode(text))) if counter else None, known)
        storage.write_json(folder / "analysis.json", found)
        return found

    given = [key_of(one) for one in (problems, trees) if one]
    return space.plan("analysis", [key_of(source), config, given], work, f"{total:,} texts of {source}")
