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
from jorney.rows import problems as module
from jorney.rows.problems import read_problems, write_problems
from jorney.rows.readers.rules import RowRules
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
    answer=TEXT.filter(lambda text: "####" not in text and not module._says_nothing(text) and not module._MARKUP.search(text)),
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


def test_questions_without_answers_where_none_is_needed(tmp_path) -> None:
    """TRL's sets of prompts, which are learned from by other rewards than a right answer."""
    file = tmp_path / "prompts.jsonl"
    rows = [{"question": "Sing."}, {"question": [{"role": "user", "content": "Dance."}]}, {"question": "2 + 2?", "answer": "4"}]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = read_problems(str(file), rules=RowRules(unanswered=True))
    assert [(one.question, one.answer, one.verifier) for one in found] == [
        ("Sing.", "", "open"),
        ("Dance.", "", "open"),
        ("2 + 2?", "4", "math"),
    ]
    write_problems(tmp_path / "again.jsonl", found)
    assert read_problems(str(tmp_path / "again.jsonl")) == found
    with pytest.raises(ValueError, match=r"prompts.jsonl: line 1: the field 'answer' is missing"):
        read_problems(str(file))


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
            "field 'verifier': expected 'math' or 'countdown' or 'text' or 'choice' or 'code'",
        ),
        ('{"question": "b", "answer": "1", "verifier": "countdown"}', "field 'meta': expected 'numbers' and 'target'"),
        ('{"question": "b", "answer": "1", "id": "x"}', "field 'id': 'x' was already used by .*problems.jsonl: line 1"),
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
    with pytest.raises(ValueError, match=r"expected a file that ends in \.jsonl, \.parquet or \.csv .*, a hub id"):
        read_problems(source.format(tmp=tmp_path))


def test_parquet(tmp_path):
    import pyarrow
    import pyarrow.parquet

    rows = [{"question": "é 1", "answer": "7", "level": 2}, {"question": "b", "answer": "1,000\n#### 1,000", "level": None}]
    file = str(tmp_path / "problems.parquet")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), file)
    assert read_problems(file) == [
        Problem(hash_id("é 1"), "é 1", "7", meta={"level": 2}),
        Problem(hash_id("b"), "b", "1000", "1. 1,000\n#### 1000", meta={"level": None}),
    ]
    assert sorted(os.listdir(tmp_path)) == ["problems.parquet"]


def test_csv(tmp_path):
    file = write(tmp_path, 'id,question,answer\n7,"How, then?",12\n8,b,"1,200"\n9,who,\n', "problems.csv")
    assert read_problems(file, limit=2) == [Problem("7", "How, then?", "12"), Problem("8", "b", "1,200")]
    with pytest.raises(ValueError, match=f"{file}: row 2: field 'answer': expected a text that is not empty, got None"):
        read_problems(file)


@pytest.mark.parametrize(
    ("suffix", "content", "error"),
    [
        ("parquet", "garbage", "expected a parquet file, .*Parquet"),
        ("csv", 'question,answer\n"a,b\n', "row 0: expected a row of CSV, unexpected end of data"),
        ("csv", "", "holds nothing: expected a line of column names, and rows"),
    ],
)
def test_a_broken_file_is_named(tmp_path, suffix, content, error):
    file = write(tmp_path, content, f"problems.{suffix}")
    with pytest.raises(ValueError, match=f"{file}: {error}") as raised:
        read_problems(file)
    assert "\n" not in str(raised.value)


def answers(file: str) -> list[str]:
    return [problem.answer for problem in read_problems(file)]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("007", "007"),
        ("12345678901234567", "12345678901234567"),
        ("0.5", "0.5"),
        ("1.10", "1.10"),
        ("1e5", "1e5"),
        ("NA", "NA"),
        ("TRUE", "TRUE"),
        ("2024-01-02", "2024-01-02"),
    ],
)
def test_answers_of_csv_are_as_they_are_written(tmp_path, written, read):
    assert answers(write(tmp_path, f"question,answer\na?,{written}\nb?,0.5\n", "x.csv")) == [read, "0.5"]


@pytest.mark.parametrize(
    ("number", "read"),
    [
        ("1.10", "1.10"),
        ("12345678901234567890.5", "12345678901234567890.5"),
        ("1E2", "1E2"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
    ],
)
def test_numbers_of_json_are_as_they_are_written(tmp_path, number, read):
    assert answers(write(tmp_path, f'{{"question": "a?", "answer": {number}}}')) == [read]


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        ("1. 3+4=7\n#### 3, 4", "3, 4"),  # Abel's form, which MATH is written in, too
        (" 1. x\n2. y\n#### 1,2,3", "1,2,3"),
        ("x\n#### 3,400 dollars", "3400 dollars"),
        ("x\n#### 3.5", "3.5"),
        ("x\n#### 1,234,567", "1234567"),
        ("x\n####\n7\n", "7"),
        ("#### One\n3+4=7\n#### 7", "7"),
        ("x\n#### $\\boxed{\\frac{1}{2}}$", "\\frac{1}{2}"),
    ],
)
def test_what_stands_behind_the_mark_is_the_answer(tmp_path, answer, read):
    assert answers(write(tmp_path, [{"question": "a?", "answer": answer}])) == [read]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ('"x\\n#### 7\\nSo she has 7."', "text follows the answer behind ####, 'So she has 7.': expected none"),
        ('"x\\n####"', "nothing stands behind ####: expected an answer"),
        ('"x\\n#### $."', "nothing stands behind ####: expected an answer"),
        ('"x\\n#### NaN"', "expected an answer, got 'NaN'"),
        ("Infinity", "or a number that is finite, got inf"),
        ("-Infinity", "or a number that is finite, got -inf"),
        ("NaN", "or a number that is finite, got nan"),
        ("1e999", "or a number that is finite, got inf"),
        *(
            (json.dumps(text), "expected an answer, got ")
            for text in (
                *(
                    "nan",
                    "N/A",
                    "n/a",
                    "?",
                    "-",
                    "--",
                    "...",
                    "1e999",
                    "-1e999",
                    "Infinity",
                    "inf",
                    "-inf",
                    "null",
                    "None",
                    "none.",
                ),
                *(
                    "\\boxed{}",
                    "$\\boxed{ }$",
                    "nan%",
                    "$NaN$",
                    "{}",
                    "$$",
                    "\\(?\\)",
                    "\\boxed{None}",
                    "7</s>",
                    "7 <|im_end|>",
                    "7 <extra>",
                ),
            )
        ),
        ('"3+4=7\\n#### 3, 4"', "'3, 4' stands behind ####: expected one number"),
        ('"x <<1+1=2>>\\n#### 1,2,3"', "'1,2,3' stands behind ####: expected one number"),
        ('"x\\n#### 3 and 4"', "'3 and 4' stands behind ####: expected one number"),
        ('"x\\n#### -3; 4.5"', "'-3; 4.5' stands behind ####: expected one number"),
        ('"x\\n#### N/A"', "expected an answer, got 'N/A'"),
        ("[1, 2]", r"expected a text that is not empty, got \[1, 2\]"),
        ('"\\ud835"', "holds half a character"),
    ],
)
def test_an_answer_that_is_none_is_refused(tmp_path, answer, error):
    file = write(tmp_path, GOOD + f'{{"question": "b", "answer": {answer}}}')
    with pytest.raises(ValueError, match=f"{file}: line 3: field 'answer': .*{error}"):
        read_problems(file)


@pytest.mark.parametrize(
    ("row", "error"),
    [
        ({"question": 5, "answer": "1"}, "field 'question': expected a text that is not empty, got 5"),
        ({"question": "a", "answer": "1", "id": [1]}, r"field 'id': expected a text or a whole number, got \[1\]"),
        ({"question": "a", "answer": "1", "id": True}, "field 'id': expected a text or a whole number, got True"),
        ({"question": "a", "answer": "1", "unique_id": 0.5}, "field 'unique_id': expected a text or a whole number, got 0.5"),
        ({"question": "a", "answer": "1", "verifier": ["math"]}, "field 'verifier': expected 'math' or 'countdown'"),
        ({"question": "a" * 1_000_001, "answer": "1"}, "field 'question': 1,000,001 characters: expected at most 1,000,000"),
        ({"question": "a", "answer": "1", "solution": "a" * 2_000_000}, "field 'solution': 2,000,000 characters"),
    ],
)
def test_fields_of_another_kind_are_refused(tmp_path, row, error):
    file = write(tmp_path, [row])
    with pytest.raises(ValueError, match=f"{file}: line 1: {error}") as raised:
        read_problems(file)
    assert len(str(raised.value)) < 400


def test_math_as_it_was_published(tmp_path):
    rows = [
        {"problem": "a", "level": "Level 1", "type": "Algebra", "solution": "So $\\boxed{1}$, or $\\boxed{\\frac{1}{2}}$."},
        {"problem": "b", "solution": "$\\fbox{x^{2}}$", "answer": None},
    ]
    found = read_problems(write(tmp_path, rows))
    assert [(one.answer, one.solution) for one in found] == [
        ("\\frac{1}{2}", rows[0]["solution"]),
        ("x^{2}", rows[1]["solution"]),
    ]
    assert found[0].meta == {"level": "Level 1", "type": "Algebra"}
    one = write(tmp_path, json.dumps(rows[0], indent=4), "one.json")
    assert read_problems(one) == found[:1]
    lacks = write(tmp_path, [{"problem": "a", "solution": "It is \\boxed{1"}], "lacks.jsonl")
    with pytest.raises(ValueError, match="line 1: the field 'answer' is missing, and 'solution' holds no .*boxed"):
        read_problems(lacks)


def test_other_names_of_the_same_things(tmp_path):
    rows = [
        {"question": None, "problem": "a", "answer": "1"},
        {"question": "b", "solution": ["So 2."], "final_answer": ["$2$"]},
        {"problem": "c", "expected_answer": 3, "final_answer": None},
        {"question": "d", "answer": "4", "final_answer": "kept"},
    ]
    found = read_problems(write(tmp_path, rows))
    assert [(one.question, one.answer) for one in found] == [("a", "1"), ("b", "$2$"), ("c", "3"), ("d", "4")]
    assert [one.meta for one in found] == [{}, {}, {"final_answer": None}, {"final_answer": "kept"}]
    assert found[1].solution == "So 2."


def test_questions_of_one_text_are_problems_of_their_own(tmp_path):
    rows = [{"question": "a", "answer": answer} for answer in ("1", "2", "1")]
    found = read_problems(write(tmp_path, rows))
    assert [(one.id, one.answer) for one in found] == [
        (hash_id("a"), "1"),
        (f"{hash_id('a')}-2", "2"),
        (f"{hash_id('a')}-3", "1"),
    ]


def test_bad_rows_are_passed_over_counted_and_told(tmp_path):
    rows = '{"question": "a", "answer": "1"}\nno row\n{"question": "b"}\n[1]\n{"question": "c", "answer": "3"}\nbad\n'
    file = write(tmp_path, rows)
    told = f"{file}: 4 rows were passed over, the first for this: {file}: line 2: expected a JSON object"
    with pytest.warns(UserWarning, match=re.escape(told)):
        found = read_problems(file, rules=RowRules(bad_rows="skip"))
    assert [one.question for one in found] == ["a", "c"]
    with pytest.warns(UserWarning, match="3 rows were passed over"):  # the limit is of problems, not of rows
        assert len(read_problems(file, 2, RowRules(bad_rows="skip"))) == 2
    with pytest.raises(ValueError, match=f"{file}: line 2: "):
        read_problems(file)
    none = write(tmp_path, "no\nno\n", "none.jsonl")
    with (
        pytest.warns(UserWarning, match="2 rows were passed over"),
        pytest.raises(ValueError, match=f"{none}: holds no problems"),
    ):
        read_problems(none, rules=RowRules(bad_rows="skip"))


def test_columns_go_by_other_names(tmp_path):
    file = write(tmp_path, [{"prompt": "a", "response": "1", "question": "other", "image": "x"}])
    (problem,) = read_problems(file, rules=RowRules("question=prompt, answer=response,image="))
    assert problem == Problem(hash_id("a"), "a", "1")
    with pytest.raises(ValueError, match="line 1: the column 'text' of --columns is missing; there are prompt, response"):
        read_problems(file, rules=RowRules("question=text"))


def test_bad_rows_of_other_forms_end_nothing(tmp_path):
    """What comes behind one that is passed over is read all the same."""
    puzzles = write(tmp_path, "Rank,Puzzles\n1,1 2 3 4\n2,none\nx,1 2 3 4\n4,2 3 4 6\n", "24.csv")
    with pytest.warns(UserWarning, match="2 rows were passed over, the first for this: .*row 1: field 'Puzzles'"):
        found = read_problems(puzzles, rules=RowRules(bad_rows="skip"))
    assert [one.meta["rank"] for one in found] == [1, 4]
    with pytest.raises(ValueError, match="row 1: field 'Puzzles': expected numbers"):
        read_problems(puzzles)
    step = {"completions": [{"text": "So.\n\n# Answer\n\n1", "rating": 1}], "human_completion": None, "chosen_completion": 0}
    label = {"steps": [step], "finish_reason": "solution"}
    good = [{"question": {"problem": name, "ground_truth_answer": "1"}, "label": label} for name in "ab"]
    bad = [
        {"question": {"problem": 5, "ground_truth_answer": "1"}, "label": label},
        {"question": {"problem": "c"}, "label": label},
    ]
    file = write(tmp_path, [good[0], *bad, good[1]], "prm800k.jsonl")
    with pytest.warns(UserWarning, match="2 rows were passed over, the first for this: .*line 2: field 'question.problem'"):
        found = read_problems(file, rules=RowRules(bad_rows="skip"))
    assert [one.question for one in found] == ["a", "b"]


@pytest.mark.parametrize(
    "answer",
    [
        *(
            "0",
            "-1",
            "1e30",
            "1" * 400,
            "No solution",
            "none of these",
            "NA",
            "undefined",
            "\\infty",
            "-\\infty",
            "\\emptyset",
            "\\varnothing",
        ),
        *(
            "∅",
            "∞",
            "$x<y>z$",
            "(1, 3]",
            "a",
            "\\boxed{5}",
            "50\\%",
            "x = -1",
            "½",
            "5!",
            "3, 4",
            "None of the above",
            "\\{1\\}",
        ),
    ],
)
def test_an_odd_answer_is_one(tmp_path, answer):
    assert answers(write(tmp_path, [{"question": "a?", "answer": answer}])) == [answer]
