"""`jorney trees`: files in, files out, and what is said of a bad one."""

from __future__ import annotations

import gzip
import json
import pathlib
import shutil

import pytest
from random_trees import written_tree

from jorney import cli, storage
from jorney.domain.answers import final_answer
from jorney.rows.registry import EXPORTERS
from jorney.rows.trl import read_steps
from jorney.tree.tree import from_json, schema

SHEPHERD = {
    "input": "q Step 1: a ки\nStep 2: The answer is: 2 ки",
    "label": "q Step 1: a +\nStep 2: The answer is: 2 +",
    "task": "x",
}


def write(file, rows) -> str:
    storage.write_jsonl(file, rows)
    return str(file)


@pytest.fixture
def trees(tmp_path) -> str:
    return write(tmp_path / "trees.jsonl", (written_tree(seed).to_json() for seed in range(20)))


def run(capsys, *arguments: str) -> tuple[int, str]:
    code = cli.main(["trees", *arguments])
    said = capsys.readouterr()
    return code, said.out + said.err


def test_valid_trees(tmp_path, trees, capsys) -> None:
    code, said = run(capsys, "validate", trees)
    nodes = sum(len(written_tree(seed).nodes) - 1 for seed in range(20))
    assert (code, said.splitlines()[-1]) == (0, f"{trees}: 20 trees, {nodes:,} nodes, all valid")
    shutil.copytree(tmp_path, tmp_path / "stage" / "parts")  # as a stage lies
    assert run(capsys, "validate", str(tmp_path / "stage"))[0] == 0


def test_trees_of_version_1_are_valid(tmp_path, capsys) -> None:
    tree = written_tree(3).to_json()
    tree["version"] = 1
    for node in tree["nodes"]:
        rating = node.pop("rating")
        node.pop("key")
        node["correct"] = None if rating is None else rating >= 0
    file = write(tmp_path / "old.jsonl", [tree])
    assert run(capsys, "validate", file)[0] == 0
    assert [node.correct for node in from_json(tree).nodes] == [node.correct for node in written_tree(3).nodes]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda lines: [*lines[:4], "{]", *lines[5:]], "line 5: expected a JSON object"),
        (lambda lines: [*lines[:4], "[" * 100000, *lines[5:]], "line 5: expected a JSON object"),
        (
            lambda lines: [*lines[:4], lines[4].replace('"rating"', '"grade"', 1)],
            "line 5: tree 'tree-4': node 0: the field 'grade'",
        ),
        (lambda lines: [*lines[:4], lines[4].replace('"version": 3', '"version": 9')], "line 5: tree 'tree-4': version = 9"),
        (lambda lines: [], "holds no trees: expected at least one"),
    ],
)
def test_the_bad_line_of_a_bad_file_is_named_and_nothing_is_written(tmp_path, trees, capsys, spoil, message) -> None:
    lines = storage.path(trees).read_text().splitlines()
    storage.write_text(tmp_path / "bad.jsonl", "".join(line + "\n" for line in spoil(lines)))
    bad = str(tmp_path / "bad.jsonl")
    code, said = run(capsys, "validate", bad)
    assert code == 2
    assert f"jorney: {bad}: {message}" in said
    out = tmp_path / "out"
    assert run(capsys, "export", bad, "--format", "openr", "--output", str(out / "rows.jsonl"))[0] == 2
    assert not out.exists() or not list(out.iterdir())


@pytest.mark.parametrize("name", EXPORTERS)
def test_exports(tmp_path, trees, capsys, name) -> None:
    out = tmp_path / "rows.jsonl"
    code, said = run(capsys, "export", trees, "--format", name, "--output", str(out))
    rows = [row for _, row in storage.read_jsonl(out)]
    assert (code, said.splitlines()[-1]) == (0, f"{out}: {len(rows):,} rows")
    assert len(rows) >= 5
    if name == "stepwise":
        assert all(read_steps(row, "p").labels for row in rows)


def test_long_thoughts(tmp_path, trees, capsys) -> None:
    out = tmp_path / "rows.jsonl"
    code, _ = run(capsys, "export", trees, "--format", "long_thoughts", "--output", str(out), "--derive.excursion", "always")
    rows = [row for _, row in storage.read_jsonl(out)]
    assert code == 0
    assert [row["idx"] for row in rows] == list(range(len(rows)))
    assert {tuple(row) for row in rows} == {("idx", "question", "answer", "longCOT")}
    assert all(row["longCOT"].splitlines()[-1] == "#### 24" == f"#### {final_answer(row['longCOT'])}" for row in rows)
    assert sum("Go back to" in row["longCOT"] for row in rows) > 3


def test_imports_of_several_files(tmp_path, capsys) -> None:
    first = write(tmp_path / "a.jsonl", [SHEPHERD] * 2)
    storage.write_json(tmp_path / "b.json", [SHEPHERD])
    out = tmp_path / "trees.jsonl"
    arguments = ["import", first, str(tmp_path / "b.json"), "--format", "math_shepherd", "--output", str(out)]
    assert run(capsys, *arguments, "--step-format", "step")[0] == 0
    found = [from_json(row) for _, row in storage.read_jsonl(out)]
    assert len(found) == 3
    assert (found[0].step_format, found[0].answer, found[0].nodes[1].text) == ("step", "2", "## Step 1: a")
    before = out.read_bytes()
    write(tmp_path / "a.jsonl", [SHEPHERD, {**SHEPHERD, "label": "q"}])
    code, said = run(capsys, *arguments)
    assert code == 2
    assert f"jorney: {first}: line 2: field 'label': step 1: expected the text of 'input'" in said
    assert out.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "b.json", "trees.jsonl"]


def test_published_rows_become_journeys(shared_data, tmp_path, capsys) -> None:
    """From PRM800K's rows to what a model is trained on; a journey walks what people judged wrong, and comes back."""
    rows = str(shared_data / "prm_samples" / "samples_prm800k.jsonl")
    out = str(tmp_path / "trees.jsonl")
    assert run(capsys, "import", rows, "--format", "prm800k", "--output", out)[0] == 0
    assert cli.main(["derive", "--trees", out, "--output", str(tmp_path / "run"), "--derive.trials", "3"]) == 0
    thoughts = tmp_path / "run" / "thoughts"
    journeys, shortcuts = (
        [row for _, row in storage.read_jsonl(thoughts / f"{kind}.jsonl")] for kind in ("journey", "shortcut")
    )
    assert len(journeys) == len(shortcuts) == 10
    pencils = next(row for row in journeys if row["question"].startswith("Three pencils"))
    assert pencils["longCOT"].splitlines() == [
        "1. Let's call the price of a pencil p and the price of a jumbo eraser e. Then we can write two equations.",
        "2. The first equation is 3p + e = 124, and the second equation is 5p + e = 182.",
        "Wait, this does not lead there. Go back to step 1.",
        "2. The first equation is 3p+e=124, and the second is 5p+e=182.",
        "Wait, this does not lead there. Go back to step 1.",
        "2. We have $3p+e=1.24$ and $5p+e=1.82$.",
        "3. To solve this system, let's subtract the first equation from the second equation. This will eliminate e.",
        "4. $5p+e-3p-e=1.82-1.24$.",
        "5. This simplifies to $2p=0.58$. So $p=0.29$.",
        "6. So the price of a pencil is 29 cents.",
        "#### 29",
    ]
    assert not any("Go back" in row["longCOT"] for row in shortcuts)


def test_statistics_are_printed(trees, capsys) -> None:
    code, said = run(capsys, "stats", trees, "--json")
    found = json.loads(said)
    assert code == 0
    own = [written_tree(seed) for seed in range(20)]
    assert found["trees"] == 20
    assert found["nodes"] == sum(len(tree.nodes) - 1 for tree in own)
    for status, count in found["status"].items():
        assert count == sum(node.status == status for tree in own for node in tree.nodes[1:])
    code, said = run(capsys, "stats", trees)
    assert code == 0
    assert "branching         mean " in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "jorney trees: one word is missing (expected jorney trees validate|import|export|stats|schema [OPTIONS])"),
        (["grow"], "jorney trees: 'grow' is no kind of trees (expected jorney trees validate|"),
        (["validate"], "FILE is missing: expected jorney trees validate FILE... [OPTIONS]"),
        (["validate", "no.jsonl"], "no.jsonl: no such file"),
        (["stats", "no"], "no: no such file: expected a .jsonl file of trees, or the folder"),
        (["import", "x.jsonl", "--output", "y.jsonl"], "format: expected --format"),
        (
            ["import", "x.jsonl", "--format", "xml"],
            "format = 'xml': expected one of prm800k, openr, math_shepherd, game24, stepwise",
        ),
        (["export", "x.jsonl", "--format", "openr"], "output: expected --output"),
        (["export", "x.jsonl", "--format", "openr", "--output", "y"], "output = 'y': expected a file that ends in .jsonl"),
        (["export", "x.jsonl", "--export.pairs", "0"], "export.pairs = 0: expected 1 or more"),
    ],
)
def test_wrong_commands(tmp_path, monkeypatch, capsys, arguments, message) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = run(capsys, *arguments)
    assert code == 2
    assert message in said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [["import", "--format", "stepwise"], ["export", "--format", "openr"]])
@pytest.mark.parametrize("kind", ["itself", "link", "folder", "pattern", "dots"])
def test_no_file_is_read_and_replaced(tmp_path, capsys, command, kind) -> None:
    (tmp_path / "in").mkdir()
    file = tmp_path / "in" / "x.jsonl"
    file.write_text('{"prompt": "q", "completions": ["a"], "labels": [true]}\n')
    (tmp_path / "link.jsonl").symlink_to(file)
    names = {"itself": file, "link": tmp_path / "link.jsonl", "folder": file.parent, "pattern": file.parent / "*.jsonl"}
    given = str(names.get(kind, f"{tmp_path}/in/../in/x.jsonl"))
    before = file.read_text()
    code, said = run(capsys, command[0], given, *command[1:], "--output", str(file))
    assert code == 2
    assert f"output = '{file}': is read itself, as {given}: expected another file" in said
    assert file.read_text() == before


@pytest.mark.filterwarnings("default")
def test_bad_rows_of_an_import_are_passed_over(tmp_path, capsys) -> None:
    rows = ['{"q": "q", "completions": ["a"], "labels": [true]}', "no row", '{"q": "q", "completions": [1], "labels": [true]}']
    (tmp_path / "x.jsonl").write_text("\n".join([*rows, rows[0]]) + "\n")
    command = ["import", str(tmp_path / "x.jsonl"), "--format", "stepwise", "--output", str(tmp_path / "out.jsonl")]
    code, said = run(capsys, *command, "--columns", "prompt=q")
    assert (code, "x.jsonl: line 2: expected a JSON object" in said, (tmp_path / "out.jsonl").exists()) == (2, True, False)
    code, said = run(capsys, *command, "--columns", "prompt=q", "--bad-rows", "skip")
    assert code == 0
    assert "x.jsonl: 2 rows were passed over, the first for this: " in said
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 2
    code, said = run(capsys, *command, "--bad-rows", "drop")
    assert (code, "bad_rows = 'drop': expected one of error, skip" in said) == (2, True)


def test_trees_in_other_files(trees, tmp_path, capsys) -> None:
    content = pathlib.Path(trees).read_bytes()
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress(content))
    (tmp_path / "t.ndjson").write_bytes(content)
    expected = run(capsys, "stats", trees, "--json")
    for name in ("t.jsonl.gz", "t.ndjson", "*.ndjson"):
        code, said = run(capsys, "stats", f"{tmp_path}/{name}", "--json")
        assert (code, json.loads(said)) == (expected[0], json.loads(expected[1]))


def test_the_schema_describes_what_is_written(capsys) -> None:
    code, said = run(capsys, "schema")
    assert code == 0
    told = json.loads(said)
    assert told == schema()
    tree = written_tree(0).to_json()
    node = told["properties"]["nodes"]["items"]
    assert set(tree) == set(told["properties"])
    assert {name for one in tree["nodes"] for name in one} | {"meta"} == set(node["properties"])
    assert told["properties"]["version"] == {"const": 3}
    assert (told["required"], node["required"]) == (["version", "id", "question", "answer", "step_format", "nodes"], ["parent"])
    assert node["properties"]["rating"]["enum"] == [1, 0, -1, None]
    assert all(field["description"] for field in node["properties"].values())
    kinds = {
        "string": str,
        "integer": int,
        "number": int | float,
        "boolean": bool,
        "array": list | tuple,
        "object": dict,
        "null": None,
    }
    for one in tree["nodes"]:
        for name, value in one.items():
            assert any(isinstance(value, kinds[kind] or type(None)) for kind in node["properties"][name]["type"])
