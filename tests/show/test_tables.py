"""Numbers as text, sentences, rows, and the table for the terminal."""

from __future__ import annotations

import io
import math

import pytest
from rich.console import Console

from jorney.show import formats, tables


@pytest.mark.parametrize(
    ("function", "value", "text"),
    [
        (formats.percent, 0.4137, "41.4%"),
        (formats.percent, 0, "0.0%"),
        (formats.percent, 1, "100.0%"),
        (formats.percent, None, "–"),
        (formats.percent, math.nan, "–"),
        (formats.percent, "0.5", "–"),
        (formats.percent, True, "–"),
        (formats.points, 0.41, "+41.0"),
        (formats.points, -0.0123, "−1.2"),
        (formats.points, -0.0001, "0.0"),
        (formats.count, 1600000, "1,600,000"),
        (formats.count, None, "–"),
        (formats.decimal, 1061.74, "1,061.7"),
        (formats.p_value, 1e-60, "< 0.001"),
        (formats.p_value, 0, "< 0.001"),
        (formats.p_value, 0.001, "= 0.00100"),
        (formats.p_value, 0.031249, "= 0.0312"),
        (formats.p_value, 1, "= 1.00"),
        (formats.duration, 30.1, "30.1 s"),
        (formats.duration, 59.96, "1 min 00 s"),
        (formats.duration, 100.3, "1 min 40 s"),
        (formats.duration, 3599.7, "1 h 00 min"),
        (formats.duration, 7500, "2 h 05 min"),
        (formats.duration, 360000, "100 h 00 min"),
        (formats.label, "base", "Base model"),
        (formats.label, "sft_phase1", "SFT phase 1"),
        (formats.label, "evaluate_base", "Evaluate the base model"),
        (formats.label, "some_later_stage", "Some later stage"),
    ],
)
def test_formats(function, value, text):
    assert function(value).replace(formats.NO_BREAK, " ") == text


def test_interval():
    assert formats.interval(0.3829, 0.4438) == "38.3–44.4%"
    assert formats.interval(0.3829, None) == "–"


def test_models_table(report):
    table = tables.models_table(report)
    assert table.header == ("Model", "Accuracy", "95% interval", "n", "Mean tokens", "Limit", "True equations")
    assert table.rows == (
        ("Base model", "0.3%", "0.1–0.9%", "1,000", "88.4", "160", "99.1%"),
        ("SFT phase 1", "41.3%", "38.3–44.4%", "1,000", "1,061.7", "2,048", "98.3%"),
    )


def test_true_equations_are_a_column_only_where_some_model_has_them(report):
    report["models"]["base"]["true_equations"] = None
    assert [row[-1] for row in tables.models_table(report).rows] == ["–", "98.3%"]
    report["models"]["sft_phase1"]["true_equations"] = None
    table = tables.models_table(report)
    assert "True equations" not in table.header
    assert "True equations" not in table.note
    assert {len(row) for row in table.rows} == {6}


def test_training_timing_and_environment_tables(report):
    assert tables.training_table(report).rows == (("SFT phase 1", "156", "10,000", "1,600,000", "512,000", "2.1%"),)
    assert tables.timing_table(report).rows == (
        ("Problems", "1.0 s"),
        ("Evaluate the base model", "30.1 s"),
        ("SFT phase 1", "1 min 40 s"),
        ("Evaluate SFT phase 1", "28.0 s"),
        ("All stages", "2 min 39 s"),
    )
    report["environment"]["chips"] = 8
    assert tables.environment_table(report).rows[1:] == (
        ("JAX", "0.10.2"),
        ("Devices", "1 x cpu"),
        ("Python", "3.11.7"),
        ("Commit", "abc123"),
        ("Chips", "8"),
    )


def test_headline(report):
    assert (
        tables.headline(report)
        == "SFT phase 1 moved accuracy from 0.3% to 41.3% (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}1,000)."
    )
    del report["comparisons"]
    assert (
        tables.headline(report)
        == "SFT phase 1 moved accuracy from 0.3% to 41.3% (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}1,000)."
    )


def test_headline_says_what_beats_it(report):
    report["controls"] = {
        "resampled_until_target": {"accuracy": 0.508, "n": 1000, "oracle": False},
        "pass_at_n": {"accuracy": 0.9, "n": 1000},  # a bound
        "placebo_journey": {"accuracy": 0.7, "n": 10},  # of other problems
    }
    assert tables.headline(report).endswith(" (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}1,000). Asked again solved more: 50.8%.")
    report["controls"]["resampled_until_target"]["oracle"] = True
    assert tables.headline(report).endswith("(n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}1,000).")


def test_headline_says_what_it_cannot_tell(report):
    report["comparisons"][0]["mcnemar_p"] = 0.31
    assert tables.headline(report).endswith(", a difference that chance alone could make.")
    report["models"]["base"]["n"] = 500
    assert (
        "from 0.3% (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}500) to 41.3% (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}1,000)"
        in tables.headline(report)
    )
    report["models"]["base"] |= {"n": 1000, "accuracy": 0.413}
    assert tables.headline(report) == "SFT phase 1 left accuracy at 41.3% (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}1,000)."
    del report["models"]["base"]
    assert tables.headline(report) == "SFT phase 1 solved 41.3% of the problems (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}1,000)."
    report["models"] = {}
    assert tables.headline(report) == "No model was evaluated."


def test_facts(report):
    assert tables.facts(report) == "Problems: 10,000 train, 1,000 test. Seed 0."
    assert tables.facts({}) == ""


def test_comparison_in_words(report):
    (sentence,) = map(tables.comparison_in_words, tables.comparisons(report))
    assert sentence.replace(formats.NO_BREAK, " ") == (
        "SFT phase 1 against the base model: +41.0 percentage points. "
        "Of the same problems, 412 were solved only by SFT phase 1 and 2 only by the base model. "
        "Chance alone would rarely divide them so unevenly: McNemar's exact test, p < 0.001."
    )
    report["comparisons"][0] |= {"mcnemar_p": 0.312, "difference": -0.01}
    (sentence,) = map(tables.comparison_in_words, tables.comparisons(report))
    assert "−1.0 percentage points" in sentence
    assert "Chance alone could well divide them so unevenly" in sentence
    assert sentence.replace(formats.NO_BREAK, " ").endswith("p = 0.312.")
    report["comparisons"] = [{"a": "sft_phase1", "b": "base", "difference": 0.2}]
    assert list(map(tables.comparison_in_words, tables.comparisons(report))) == [
        "SFT phase 1 against the base model: +20.0 percentage points."
    ]


def printed(report, width: int) -> str:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(tables.terminal_table(report))
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 200])
def test_terminal_table_never_exceeds_80_columns(report, width):
    for name in ("phase2_journey_with_a_very_long_name_that_goes_on_and_on_for_ever_and_a_day_or_two", "x" * 120, "[red]5%[/]"):
        report["models"][name] = report["models"]["sft_phase1"] | {"n": 12345678, "mean_tokens": 123456.7}
        report["comparisons"].append(report["comparisons"][0] | {"a": name})
    lines = printed(report, width).splitlines()
    assert max(map(len, lines)) <= min(width, 80)


def test_terminal_table_holds_the_numbers_whole(report):
    report["models"]["[bold]x_y"] = report["models"]["base"]
    text = printed(report, 80)
    rows = [line.split() for line in text.splitlines() if "1,000" in line and "%" in line and "(" not in line]
    assert ["SFT", "phase", "1", "41.3%", "38.3–44.4%", "1,000", "1,061.7", "2,048", "98.3%"] in rows
    assert ["[bold]x", "y", "0.3%", "0.1–0.9%", "1,000", "88.4", "160", "99.1%"] in rows
    assert "SFT phase 1 moved accuracy from 0.3% to 41.3% (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}1,000)." in text
    assert "…" not in text


def test_terminal_table_of_an_empty_report():
    assert printed({}, 80).strip() == "No model was evaluated."
