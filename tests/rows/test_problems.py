"""Reading problems: nothing is lost on the way, and what is wrong is named by file, line and field."""

from __future__ import annotations

import json
import os
import pathlib
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney.domain.problem import Problem, hash_id
from jorney.rows.problems import read_problems, write_problems
from jorney.text.step_format import ABEL

TEXT = st.text(min_size=1, max_size=40).filter(str.strip)
VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
PROBLEM = st.builds(
    Problem,
    id=TEXT,
    question=TEXT,
    answer=TEXT.filter(lambda text: "####" not in text),
    solution=st.none() | st.text(max_size=40),
    meta=st.dictionaries(st.text(max_size=8), VALUE, max_size=3),
)


def write(folder: pathlib.Path, content: object, name: str = "problems.jsonl") -> str:
    """A file of bytes, of text or of rows."""
    if isinstance(content, list):
        content = "".join(json.dumps(row) + "\n" for row in content)
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(file)


@settings(max_examples=100)
@given(st.lists(PROBLEM, min_size=1, max_size=4, unique_by=lambda problem: problem.id))
def test_written_problems_read_back_equal(tmp_path_factory, problems):
    file = tmp_path_factory.getbasetemp() / "round_trip.jsonl"
    write_problems(file, problems)
    assert read_problems(str(file)) == problems


def test_line_breaks_of_other_scripts_divide_no_rows(tmp_path):
    problem = Problem("x", "a\u2028b\x85c\r\nd", "\u2029 7 é 数")
    write_problems(tmp_path / "x.jsonl", [problem])
    assert read_problems(str(tmp_path / "x.jsonl")) == [problem]


@pytest.mark.parametrize(("name", "count"), [("test.jsonl", 1319), ("train.jsonl", 7473)])
def test_gsm8k_is_read_whole(gsm8k, name, count):
    problems = read_problems(str(gsm8k / name))
    rows = [json.loads(line) for line in (gsm8k / name).read_text().splitlines()]
    assert len(problems) == len(rows) == count
    for problem, row in zip(problems, rows, strict=True):
        worked, _, answer = row["answer"].rpartition("\n#### ")
        assert problem.question == row["question"]
        assert problem.answer == answer.replace(",", "").strip()
        assert "<<" not in problem.solution
        assert ">>" not in problem.solution
        # A numbered step for every line, the answer at the end of the last; what the line says is kept. One row numbers them.
        lines = [re.sub("<<.*?>>", "", line).strip() for line in worked.splitlines() if line.strip()]
        if lines[0].startswith("1. "):
            lines = [line.removeprefix(f"{k}. ") for k, line in enumerate(lines, start=1)]
        *steps, last = ABEL.split(problem.solution)
        steps.append(last.removesuffix(f"\n#### {problem.answer}"))
        assert steps == [f"{k}. {line}" for k, line in enumerate(lines, start=1)]


def test_a_gsm8k_row_by_hand(tmp_path):
    worked = "He paid 80,000+50,000=$<<80000+50000=130000>>130,000\n\nSo 2*65000=<<2*65000=130000>>130,000\n#### 130,000"
    (problem,) = read_problems(write(tmp_path, [{"question": "How much?", "answer": worked}]))
    solution = "1. He paid 80,000+50,000=$130,000\n2. So 2*65000=130,000\n#### 130000"
    assert problem == Problem(hash_id("How much?"), "How much?", "130000", solution)


def test_abels_numbered_steps_keep_their_numbers(tmp_path) -> None:
    answer = "1. She has 3 bags.\n\n2. Each holds:\n4 apples.\n3. [Final solution] $\\boxed{12}$.  #### 12"
    (tmp_path / "abel.jsonl").write_text(json.dumps({"question": "How many?", "answer": answer}))
    (problem,) = read_problems(str(tmp_path / "abel.jsonl"))
    assert problem.answer == "12"
    assert problem.solution == ("1. She has 3 bags.\n2. Each holds:\n4 apples.\n3. [Final solution] $\\boxed{12}$.\n#### 12")


def test_a_row_of_math_keeps_its_solution(tmp_path):
    solution = "We have $x = \\boxed{\\frac{1}{2}}$. It is #### not GSM8K."
    row = {"problem": "Solve $2x=1$.", "solution": solution, "answer": "\\frac{1}{2}", "level": 5, "unique_id": "test/1.json"}
    (problem,) = read_problems(write(tmp_path, [row]))
    assert problem == Problem("test/1.json", "Solve $2x=1$.", "\\frac{1}{2}", solution, "math", {"level": 5})


def test_ids_and_answers_may_be_numbers(tmp_path):
    rows = [
        {"id": 0, "question": "a", "answer": 72},
        {"task_id": 1, "question": "b", "answer": 1.5},
        {"question": "c", "answer": "3"},
    ]
    found = read_problems(write(tmp_path, rows))
    assert [(problem.id, problem.answer) for problem in found] == [("0", "72"), ("1", "1.5"), (hash_id("c"), "3")]


def test_blank_lines_and_a_byte_order_mark_are_passed_over(tmp_path):
    row = b'{"question": "a", "answer": "1", "verifier": null, "meta": null}\n'
    (problem,) = read_problems(write(tmp_path, b"\xef\xbb\xbf" + row + b"\n  \n"))
    assert problem == Problem(hash_id("a"), "a", "1")


def test_the_limit_ends_reading(tmp_path):
    file = write(tmp_path, '{"question": "a", "answer": "1"}\nnot read')
    assert len(read_problems(file, limit=1)) == 1
    with pytest.raises(ValueError, match="limit = 0: expected 1 or more"):
        read_problems(file, limit=0)


GOOD = '{"question": "a", "answer": "1", "id": "x"}\n\n'


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ('{"question": "b", ', "expected a JSON object, Expecting property name"),
        ("[1]", "expected a JSON object, got list"),
        (b'{"question": "\xff"}', "expected a JSON object, 'utf-8' codec can't decode byte 0xff"),
        ('{"answer": "1"}', "the field 'question' or 'problem' is missing; there are answer"),
        ('{"question": "b", "level": 1}', "the field 'answer' is missing; there are question, level"),
        ("{}", "the field 'question' or 'problem' is missing; there are none"),
        ('{"question": " ", "answer": "1"}', "field 'question': expected a text that is not empty, got ' '"),
        ('{"problem": ["b"], "answer": "1"}', r"field 'problem': expected a text that is not empty, got \['b'\]"),
        ('{"question": "b", "answer": null}', "field 'answer': expected a text that is not empty, got None"),
        ('{"question": "b", "answer": true}', "field 'answer': expected a text that is not empty, got True"),
        ('{"question": "b", "answer": "1", "solution": [2]}', r"field 'solution': expected a text, got \[2\]"),
        ('{"question": "b", "answer": "1", "meta": "m"}', "field 'meta': expected an object, got 'm'"),
        (
            '{"question": "b", "answer": "1", "verifier": "lean"}',
            "field 'verifier': expected 'math' or 'countdown', got 'lean'",
        ),
        ('{"question": "b", "answer": "1", "verifier": "countdown"}', "field 'meta': expected 'numbers' and 'target'"),
        ('{"question": "b", "answer": "1", "id": "x"}', "the id 'x' was already used by .*problems.jsonl: line 1"),
    ],
)
def test_what_is_wrong_with_a_line_is_named(tmp_path, line, error):
    file = write(tmp_path, GOOD.encode() + (line if isinstance(line, bytes) else line.encode()))
    with pytest.raises(ValueError, match=f"problems.jsonl: line 3: {error}") as raised:
        read_problems(file)
    assert str(raised.value).startswith(file)
    assert "\n" not in str(raised.value)
    assert os.listdir(tmp_path) == ["problems.jsonl"]


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file_is_named(tmp_path, content):
    file = write(tmp_path, content)
    with pytest.raises(ValueError, match=f"{file}: holds no problems: expected at least one"):
        read_problems(file)


@pytest.mark.parametrize("suffix", ["jsonl", "csv", "parquet"])
def test_a_missing_file_is_named(tmp_path, suffix):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/no.{suffix}: no such file"):
        read_problems(f"{tmp_path}/no.{suffix}")


@pytest.mark.parametrize("name", ["folder", "folder.jsonl", "folder.csv"])
def test_a_folder_is_refused(tmp_path, name):
    (tmp_path / name).mkdir()
    with pytest.raises(ValueError, match=f"{tmp_path}/{name}: a folder: expected a file that ends in .jsonl"):
        read_problems(str(tmp_path / name))


@pytest.mark.parametrize("source", ["./no-such-file", "{tmp}/problems.txt", "{tmp}/nothing"])
def test_a_path_that_is_no_known_kind_is_refused(tmp_path, source):
    write(tmp_path, GOOD, "problems.txt")
    with pytest.raises(ValueError, match=r"expected a file that ends in \.jsonl, \.parquet or \.csv, or a hub id"):
        read_problems(source.format(tmp=tmp_path))


@pytest.fixture
def datasets_cache(tmp_path, monkeypatch) -> pathlib.Path:
    """`datasets` keeps what it has converted; here, not in the home folder."""
    import datasets

    cache = tmp_path / "cache"
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", cache)
    return cache


def test_parquet(tmp_path, datasets_cache):
    import pyarrow
    import pyarrow.parquet

    rows = [{"question": "é 1", "answer": "7", "level": 2}, {"question": "b", "answer": "1,000\n#### 1,000", "level": None}]
    file = str(tmp_path / "problems.parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    assert read_problems(file) == [
        Problem(hash_id("é 1"), "é 1", "7", meta={"level": 2}),
        Problem(hash_id("b"), "b", "1000", "1. 1,000\n#### 1000", meta={"level": None}),
    ]
    assert sorted(os.listdir(tmp_path)) == ["cache", "problems.parquet"]


def test_csv(tmp_path, datasets_cache):
    file = write(tmp_path, 'id,question,answer\n7,"How, then?",12\n8,b,"1,200"\n9,who,\n', "problems.csv")
    assert read_problems(file, limit=2) == [Problem("7", "How, then?", "12"), Problem("8", "b", "1,200")]
    with pytest.raises(ValueError, match=f"{file}: row 2: field 'answer': expected a text that is not empty, got None"):
        read_problems(file)


@pytest.mark.parametrize(("suffix", "content"), [("parquet", "garbage"), ("csv", 'question,answer\n"a,b\n'), ("csv", "")])
def test_a_broken_file_is_named(tmp_path, datasets_cache, suffix, content):
    file = write(tmp_path, content, f"problems.{suffix}")
    with pytest.raises(ValueError, match=f"{file}: expected a {suffix} file, .*(Parquet|EOF|No columns)") as raised:
        read_problems(file)
    assert "\n" not in str(raised.value)
