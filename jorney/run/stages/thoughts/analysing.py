"""`jorney analyse`: what texts are made of, side by side."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

from jorney import storage
from jorney.policy import tokenizer_of
from jorney.progress import Progress
from jorney.rows.problems import problems_of
from jorney.run.artifact import Artifact, Model, open_model
from jorney.run.command import use_jax
from jorney.run.stage import StageCommand
from jorney.run.stages.expansion import read_trees
from jorney.run.stages.thoughts.reading import Row, count_rows, key_of, rows_of
from jorney.run.workspace import Workspace
from jorney.show import analysis
from jorney.text.tokenizer import Tokenizer
from jorney.thought.care.analyse import AnalyseConfig, Difficulty, analyse, count_steps, read_level


@dataclasses.dataclass(frozen=True)
class AnalyseCommand(StageCommand):
    """What texts are made of: lengths, n-grams, keywords, and keywords against difficulty; sets side by side.

    Attributes:
      files: files of thoughts, solutions, chats or texts, or folders that `jorney evaluate` wrote (OUTPUT/evaluate).
      problems: that the texts are about, with levels or solutions: tells how hard they are, by their ids.
      trees: of the problems: how rarely a tree reaches the answer tells how hard it is.
      figure: a file that ends in .svg, .png or .pdf; by default OUTPUT/analysis.svg.
    """

    command: ClassVar[str] = "analyse"
    file: ClassVar[str] = ""
    places: ClassVar[dict[str, str]] = {"files": "FILE..."}
    common = ("output", "problems", "trees", "figure", "analyse.tokenizer")

    output: str = "runs/analyse"
    files: tuple[str, ...] = ()
    problems: str = ""
    trees: str = ""
    figure: str = ""
    analyse: AnalyseConfig = dataclasses.field(default_factory=AnalyseConfig)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.figure and not self.figure.endswith((".svg", ".png", ".pdf")):
            raise ValueError(f"figure = {self.figure!r}: expected a file that ends in .svg, .png or .pdf")

    def plan(self, space: Workspace, model: Model) -> list[Artifact]:
        if len(self.files) > analysis.MOST:
            raise ValueError(
                f"files: {len(self.files)} of them: expected {analysis.MOST} at most, so that a figure tells them apart"
            )
        where = open_model(self.analyse.tokenizer, self.verify) if self.analyse.tokenizer else ""
        tokenizer = (lambda: tokenizer_of(where)) if where else None
        return [plan_analysis(space, file, self.analyse, tokenizer, self.problems, self.trees) for file in self.files]

    def execute(self) -> None:
        """Analyses every file; OUTPUT/analysis.json holds the statistics of all of them by their labels."""
        use_jax()
        progress = Progress()
        found = self.results(progress)
        for table in analysis.tables(found):
            progress.console.print(table, "")
        written = [
            os.fspath(storage.path(self.output) / "analysis.json"),
            self.figure or os.path.join(self.output, "analysis.svg"),
        ]
        storage.write_json(written[0], found)
        analysis.draw(found, written[1])
        for file in written:
            progress.say(f"analyse: {file}")

    def results(self, progress: Progress) -> dict[str, Any]:
        """The statistics of every file by its label.

        Raises:
          FileNotFoundError, ValueError: name the file, line or field; nothing is written then.
        """
        artifacts = self.plan(self.space(progress), Model("", ""))
        return {name: one.make(progress).result for name, one in zip(analysis.labels(self.files), artifacts, strict=True)}


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
) -> Artifact:
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
