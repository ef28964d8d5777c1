"""A solver in one file: samples are taken until two state the same answer. `jorney run` and `jorney plan` take it as it is."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from jorney import cli
from jorney.domain.problem import Problem
from jorney.judge.judge import Judge
from jorney.run.stages.searching import SearchCommand
from jorney.solve import search
from jorney.solve.best_of_n import BestOfN
from jorney.solve.choice import Solutions, choose
from jorney.solve.search import SearchConfig
from jorney.solve.solver import Budget, Sampler, Solver


class UntilTwoAgree(Solver):
    """The first samples of best of n, up to the first whose answer was stated before."""

    name = "until-two-agree"

    def solve(self, problems: Sequence[Problem], sampler: Sampler, judge: Judge, budget: Budget) -> Iterator[Solutions]:
        for found in BestOfN().solve(problems, sampler, judge, budget):
            yield cut(found)


def cut(found: Solutions) -> Solutions:
    """The solutions up to the first whose answer one before it states."""
    groups = found.groups
    agrees = (index for index, group in enumerate(groups) if group not in (-1, index))
    count = next(agrees, len(groups) - 1) + 1
    lists: dict[str, Any] = {
        name: value[:count] for name, value in dataclasses.asdict(found).items() if isinstance(value, list)
    }
    return dataclasses.replace(found, **lists)


@pytest.fixture(autouse=True)
def _known(monkeypatch) -> None:
    monkeypatch.setitem(search.SOLVERS, UntilTwoAgree.name, UntilTwoAgree())


def config() -> SearchCommand:
    """Four problems, four samples each at most, judged by Countdown's own verifier."""
    search.register(UntilTwoAgree())
    budget = SearchConfig("until-two-agree", n=4, max_tokens=16, rows=8, chunk=8)
    return SearchCommand(limit=4, search=budget)


def test_it_stops_where_two_agree() -> None:
    found = Solutions("p", [5, 6, 7, 8], ["1", None, "1.0", "2"], [0, -1, 0, 3], [True, False, True, False], [[1.0]] * 4)
    short = cut(found)
    assert (short.tokens, short.answers, short.scores) == ([5, 6, 7], ["1", None, "1.0"], [[1.0]] * 3)
    assert choose(short, 3, "majority", "last").tokens == 18
    never = dataclasses.replace(found, groups=[0, -1, 2, 3])
    assert cut(never) == never


def test_it_is_known_by_its_name_and_its_results_by_its_budget() -> None:
    with pytest.raises(ValueError, match="expected one of best-of-n, beam, dvts"):
        SearchConfig("until-three-agree")
    solver = config().search.solver
    assert isinstance(solver, UntilTwoAgree)
    assert solver.decides(config().search)["method"] == "until-two-agree"
    assert "rows" not in solver.decides(config().search)


def test_problems_are_searched_from_the_command_line(tmp_path) -> None:
    assert cli.main(["run", __file__, "--output", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "summary.json").read_text())
    assert (result["method"], result["judge"], result["n"]) == ("until-two-agree", "verifier (an oracle)", 4)
    rows = [
        json.loads(line)
        for part in (tmp_path / "solutions" / "parts").glob("*.jsonl")
        for line in part.read_text().splitlines()
    ]
    assert len(rows) == 4
    for row in rows:
        repeated = [index for index, group in enumerate(row["groups"]) if group not in (-1, index)]
        assert len(row["tokens"]) == (repeated[0] + 1 if repeated else 4)


@pytest.mark.slow
def test_it_is_planned_for_a_tpu(capsys) -> None:
    pytest.importorskip("libtpu")
    assert cli.main(["plan", __file__, "--topology", "v5e-8", "--prompt", "32", "--contexts"]) == 0
    assert capsys.readouterr().out.rstrip().endswith("\nfits")
