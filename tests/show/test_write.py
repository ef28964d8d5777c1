"""The files of a report: their bytes, and what becomes of reports that lack something or hold more."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from typing import Any

import pytest

from jorney.show import Sample, SampleOutput, tables, write

FILES = ("report.json", "report.md", "report.html")


def read(folder) -> dict[str, str]:
    return {name: (folder / name).read_bytes().decode() for name in FILES}


def test_json_is_the_report(tmp_path, report, samples):
    write(tmp_path, report, samples)
    text = (tmp_path / "report.json").read_text()
    assert text == json.dumps(report, indent=2) + "\n"
    assert list(json.loads(text)) == list(report)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)


def test_equal_input_gives_equal_bytes_in_any_process(tmp_path, report, samples):
    """In another process too, where strings hash differently and the user has a matplotlibrc of their own."""
    write(tmp_path / "here", report, samples)
    (tmp_path / "matplotlibrc").write_text("font.size: 20\nsvg.fonttype: path\naxes.facecolor: red\n")
    program = """
import json, sys
from jorney.show import Sample, SampleOutput, write
report, samples = json.load(sys.stdin)
write(sys.argv[1], report, [Sample(q, a, {name: SampleOutput(*output) for name, output in o.items()}) for q, a, o in samples])
"""
    plain = [[s.question, s.answer, {k: [o.text, o.correct, o.note] for k, o in s.outputs.items()}] for s in samples]
    subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path / "there")],
        input=json.dumps([report, plain]),
        env=os.environ | {"PYTHONHASHSEED": "7", "MATPLOTLIBRC": str(tmp_path), "LC_ALL": "C", "PYTHONUTF8": "0"},
        text=True,
        check=True,
    )
    assert read(tmp_path / "there") == read(tmp_path / "here")


def test_writing_again_replaces(tmp_path, report, samples):
    write(tmp_path, report, samples)
    report["name"] = "second"
    write(tmp_path, report)
    assert all("second" in text for text in read(tmp_path).values())


@pytest.mark.parametrize("missing", ["name", "seed", "problems", "models", "comparisons", "training", "environment", "seconds"])
def test_a_missing_part_is_left_out(tmp_path, report, samples, missing):
    del report[missing]
    write(tmp_path, report, samples)
    page = (tmp_path / "report.html").read_text()
    heading = {"models": "Every model", "training": "Training", "environment": "Environment", "seconds": "Time"}.get(missing)
    assert heading is None or f">{heading}<" not in page
    assert "None" not in page


def test_an_empty_report_still_has_its_files(tmp_path):
    write(tmp_path, {})
    texts = read(tmp_path)
    assert texts["report.json"] == "{}\n"
    assert texts["report.md"] == "# Jorney run\n\nNo model was evaluated.\n"
    assert "No model was evaluated." in texts["report.html"]
    assert "<section>" not in texts["report.html"]


@pytest.mark.parametrize("value", [None, [], "text", 3, {}, {"x": None}, {"x": []}, {"x": {}}, [None], [{}], [[]]])
def test_no_shape_of_a_part_breaks_the_page(tmp_path, report, value):
    for key in report:
        write(tmp_path, {key: value})
    # The headline reads two parts together.
    assert tables.headline(report | {"comparisons": value}).startswith("SFT phase 1 moved")


def test_unknown_keys_stay_in_the_json_only(tmp_path, report, samples):
    write(tmp_path / "known", report, samples)
    report["weather"] = {"rain": 0.5}
    report["models"]["base"]["entropy"] = [1, 2]
    report["training"]["sft_phase1"]["optimizer"] = {"name": "adamw"}
    report["comparisons"][0]["note"] = "new"
    write(tmp_path / "unknown", report, samples)
    known, unknown = read(tmp_path / "known"), read(tmp_path / "unknown")
    assert known["report.md"] == unknown["report.md"]
    assert known["report.html"] == unknown["report.html"]
    assert json.loads(unknown["report.json"]) == report


def test_a_diverged_run_gets_a_report(tmp_path, report):
    report["training"]["sft_phase1"]["curve"] = [[1, 2.5, 0.3], [2, math.nan, 0.1], [3, math.inf, math.nan]]
    report["models"]["sft_phase1"] |= {"accuracy": math.nan, "ci_low": math.nan, "ci_high": math.nan}
    write(tmp_path, report)
    written = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)
    assert written["training"]["sft_phase1"]["curve"][1:] == [[2, None, 0.1], [3, None, None]]
    assert "nan" not in (tmp_path / "report.md").read_text().lower()


def test_a_value_that_is_not_json_writes_nothing(tmp_path, report):
    report["environment"]["devices"] = {"cpu"}
    with pytest.raises(TypeError, match="set is not JSON serializable"):
        write(tmp_path, report)
    assert not list(tmp_path.iterdir())


def test_text_that_cannot_be_encoded_is_written_all_the_same(tmp_path, report):
    write(tmp_path, report, [Sample("q\ud800", "a", {"base": SampleOutput("one\r\ntwo\rthree\udfff", True)})])
    for name in ("report.md", "report.html"):
        text = (tmp_path / name).read_bytes().decode()
        assert "q\ufffd" in text
        assert "one\ntwo\nthree\ufffd" in text


def test_importing_the_package_is_light():
    program = "import sys, jorney.show; print(*sys.modules)"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    heavy: set[Any] = {"matplotlib", "rich", "etils", "numpy", "jax"}
    assert not heavy & set(modules)
