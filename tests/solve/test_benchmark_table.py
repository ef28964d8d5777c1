"""The table of benchmarks: complete, consistent, and as the guide has it."""

from __future__ import annotations

import json
import re

import pytest
from places import ROOT

from jorney.domain import domains
from jorney.domain.readings import expect_known
from jorney.rows.readers.rules import RowRules
from jorney.solve.benchmarks.benchmark import BENCHMARKS, named, tasks
from jorney.solve.benchmarks.task_protocol import GENERATION, LIKELIHOOD, ProtocolConfig
from jorney.text.step_format import FORMATS

named("gsm8k")  # registers them
NONE = ProtocolConfig(shots="none")


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_entry_is_whole(name: str) -> None:
    benchmark = BENCHMARKS[name]
    assert benchmark.domain in domains.DOMAINS
    assert len(set(benchmark.subsets)) == len(benchmark.subsets)
    assert ("{subset}" in benchmark.source) == (benchmark.subsets != ("",))
    for subset in benchmark.subsets:
        protocol = benchmark.task(subset)
        expect_known(protocol.readings, name)
        assert protocol.written in FORMATS
        assert protocol.by in (GENERATION, LIKELIHOOD)
        assert "{" in protocol.prompt
        assert bool(protocol.count) == bool(protocol.shots)


def test_subsets_and_sizes() -> None:
    assert {name: len(BENCHMARKS[name].subsets) for name in ("bbh", "mgsm", "math", "gsm8k")} == {
        "bbh": 27,
        "mgsm": 11,
        "math": 7,
        "gsm8k": 1,
    }
    assert BENCHMARKS["math-deepseek-base"].figures() == "deepseek-ai/deepseek-math-7b-base: 36.2%"


def test_the_guide_lists_them_all() -> None:
    text = (ROOT / "jorney" / "solve" / "README.md").read_text().partition("## Benchmarks")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([a-z][\w-]+)` \|.*\| ([\d,]+) \|", text, re.MULTILINE)
    assert {name: int(size.replace(",", "")) for name, size in listed} == {name: one.size for name, one in BENCHMARKS.items()}


def test_a_folder_of_subsets_and_a_file_of_one(tmp_path) -> None:
    for subset in named("bbh")[1]:
        rows = [{"input": f"{subset} {n}?", "target": "yes"} for n in range(3)]
        (tmp_path / f"{subset}.json").write_text(json.dumps({"examples": rows}))
    found = tasks("bbh", str(tmp_path), 2, NONE, RowRules())
    assert [len(task.problems) for task in found] == [2] * 27
    assert len({problem.id for task in found for problem in task.problems}) == 54
    assert found[3].problems[0].meta == {"subset": found[3].subset}
    two = tasks("bbh/web_of_lies,snarks", str(tmp_path), None, NONE, RowRules())
    assert [task.subset for task in two] == ["web_of_lies", "snarks"]
    (one,) = tasks("bbh/snarks", str(tmp_path / "snarks.json"), None, NONE, RowRules())
    assert one.problems == two[1].problems
    with pytest.raises(ValueError, match="bbh has 27 subsets: expected the folder of their files, or one subset"):
        tasks("bbh", str(tmp_path / "snarks.json"), None, NONE, RowRules())
    (tmp_path / "snarks.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"holds no snarks.json or bbh/snarks.json: expected bbh's files as published"):
        tasks("bbh", str(tmp_path), None, NONE, RowRules())


def test_math_in_folders_of_subjects_and_in_one_file(tmp_path) -> None:
    row = {"problem": "1+1?", "solution": "So \\boxed{2}.", "level": "Level 1", "type": "Algebra"}
    for subset in named("math")[1]:
        (tmp_path / "test" / subset).mkdir(parents=True)
        (tmp_path / "test" / subset / "1.json").write_text(json.dumps(row))
    assert len(tasks("math", str(tmp_path), None, NONE, RowRules())) == 7
    (tmp_path / "math.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row | {"problem": "2+2?"}))
    (whole,) = tasks("math", str(tmp_path / "math.jsonl"), None, NONE, RowRules())
    assert [one.answer for one in whole.problems] == ["2", "2"]
    assert whole.problems[0].meta["type"] == "Algebra"


def test_mgsms_tables_have_no_names(tmp_path) -> None:
    (tmp_path / "mgsm_zh.tsv").write_text('几“个"？\t1,234\n多少？\t5\n')
    (found,) = tasks("mgsm/zh", str(tmp_path), None, NONE, RowRules())
    assert [(one.question, one.answer) for one in found.problems] == [('几“个"？', "1234"), ("多少？", "5")]
    (tmp_path / "mgsm_zh.tsv").write_text("几？\n")
    with pytest.raises(ValueError, match="mgsm_zh.tsv: line 1: 1 cells: expected a question and a number"):
        tasks("mgsm/zh", str(tmp_path), None, NONE, RowRules())


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gsm9k", "--benchmark gsm9k: no such benchmark, did you mean gsm8k"),
        ("bbh/snark", "bbh has no subset 'snark', did you mean snarks"),
        ("gsm8k/easy", "gsm8k has no subset 'easy': it has none"),
    ],
)
def test_what_there_is_not_is_named(name: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        named(name)


def test_rows_of_another_set_are_refused(tmp_path) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps({"question": "1+1?", "answer": "2"}))
    with pytest.raises(ValueError, match=r"is of the domain 'math': expected the published rows of arc-easy \(choice\)"):
        tasks("arc-easy", str(tmp_path / "rows.jsonl"), None, NONE, RowRules())
