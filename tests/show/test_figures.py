"""What the figures show, and that they are fit to stand inside a page."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

import pytest

from jorney.show import canvas, figures
from jorney.show.style import DARK, LIGHT

WIDTHS = (328, 720)


def test_bars_hold_the_reports_values(report):
    report["models"]["unknown"] = {"n": 5}
    report["models"]["bare"] = {"accuracy": 0.25}
    assert figures.accuracy_bars(report) == [
        figures.ModelResult("Base model", 0.003, (0.00102, 0.00879), "1,000"),
        figures.ModelResult("SFT phase 1", 0.413, (0.3829, 0.4438), "1,000"),
        figures.ModelResult("Bare", 0.25, None, "–"),
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_drawn_bars_and_intervals(report, width):
    report["models"]["bare"] = {"accuracy": 0.25, "n": 4}
    figure = figures.draw_accuracy(figures.accuracy_bars(report), width)
    (axes,) = figure.axes
    assert [patch.get_width() for patch in axes.patches] == [0.003, 0.413, 0.25]
    ends = [segment[:, 0].tolist() for lines in axes.collections for segment in lines.get_segments()]
    assert ends == [pytest.approx([0.00102, 0.00879]), pytest.approx([0.3829, 0.4438])]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["Base model", "0.3%, n = 1,000", "SFT phase 1", "41.3%, n = 1,000", "Bare", "25.0%, n = 4"]
    assert axes.get_xlim() == (0, 0.5)
    assert figure.get_size_inches()[0] * 72 == pytest.approx(width)


@pytest.mark.parametrize(("high", "limit"), [(0, 0.1), (0.1, 0.1), (0.11, 0.25), (0.4, 0.5), (0.51, 0.75), (0.76, 1), (1, 1)])
def test_the_axis_ends_at_a_round_number(high, limit):
    figure = figures.draw_accuracy([figures.ModelResult("x", high / 2, (0, high), "10")], 328)
    assert figure.axes[0].get_xlim() == (0, limit)
    assert figure.axes[0].get_xticklabels()[-1].get_text() == f"{100 * limit:g}%"


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_an_interval_rounded_to_the_wrong_side_is_drawn(accuracy):
    slack = 1e-17 if accuracy == 0 else -1e-16
    report = {"models": {"x": {"accuracy": accuracy, "ci_low": accuracy + slack, "ci_high": accuracy + slack, "n": 3}}}
    figures.draw_accuracy(figures.accuracy_bars(report), 328)


@pytest.mark.parametrize("width", WIDTHS)
def test_training_curves(report, width):
    curves = figures.training_curves(report["training"]["sft_phase1"])
    assert curves == [
        figures.Curve("Loss per token", (1, 78, 156), (2.5, 0.6, 0.35)),
        figures.Curve("Token accuracy", (1, 78, 156), (0.3, 0.8, 0.9)),
    ]
    figure = figures.draw_training(curves, width)
    loss, accuracy = (axes.lines[0].get_ydata().tolist() for axes in figure.axes)
    assert loss == [2.5, 0.6, 0.35]
    assert accuracy == [0.3, 0.8, 0.9]
    assert figure.axes[0].get_ylim()[0] == 0
    assert figure.axes[1].get_ylim() == (0, 1)
    tops = {axes.get_position().y1 for axes in figure.axes}
    assert len(tops) == (1 if width == 720 else 2)  # side by side, or one below the other


def test_curves_without_accuracy_or_with_gaps():
    assert figures.training_curves({}) == []
    assert figures.training_curves({"curve": [[1]]}) == []
    assert figures.training_curves({"curve": [[1, 2.0], [2, None], [3, float("nan")], [4, 1.0, None]]}) == [
        figures.Curve("Loss per token", (1, 4), (2.0, 1.0))
    ]
    lonely = figures.training_curves({"curve": [[1, 2.0]]})
    figure = figures.draw_training(lonely, 720)
    assert figure.axes[0].lines[0].get_marker() == "o"
    assert figures.training_text("x", lonely) == "Training of x: loss per token 2 at step 1, 2 at step 1."


def test_figures_in_words(report):
    assert figures.accuracy_text(figures.accuracy_bars(report)) == (
        "Bars of accuracy with 95% intervals: Base model 0.3% (0.1% to 0.9%, n = 1,000); "
        "SFT phase 1 41.3% (38.3% to 44.4%, n = 1,000)."
    )
    assert figures.training_text("SFT phase 1", figures.training_curves(report["training"]["sft_phase1"])) == (
        "Training of SFT phase 1: loss per token 2.5 at step 1, 0.35 at step 156; "
        "token accuracy 0.3 at step 1, 0.9 at step 156."
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_svg_is_one_safe_deterministic_element(report, width):
    report["models"]["<x> & $y$"] = report["models"]["base"]
    bars = figures.accuracy_bars(report)
    curves = figures.training_curves(report["training"]["sft_phase1"])
    for draw in (lambda: figures.draw_accuracy(bars, width), lambda: figures.draw_training(curves, width)):
        text = canvas.svg(draw(), "name", 'a "word" & <more>')
        assert text == canvas.svg(draw(), "name", 'a "word" & <more>')
        element = ElementTree.fromstring(text)  # well-formed; fails on a namespace prefix that is not declared
        assert element.attrib["aria-label"] == 'a "word" & <more>'
        assert element.attrib["width"] == str(width)
        assert "//" not in text  # no address, of a namespace or else
        assert "font-family" not in text
        assert "<style" not in text
        # Only the page's variables colour it, and each of them exists.
        assert not re.findall(r"#[0-9a-f]{6}\b", text)
        assert set(re.findall(r"var\(--(\w+)\)", text)) <= set(LIGHT)
        ids = re.findall(r' id="([^"]*)"', text)
        assert len(ids) == len(set(ids))
        assert all(name.startswith("name-") for name in ids)
        assert set(re.findall(r'(?:url\(|href=")#([^)"]*)', text)) <= set(ids)


def test_foreign_names_are_drawn_as_they_are(report):
    report["models"] = {"<x> & $y$": report["models"]["base"]}
    text = canvas.svg(figures.draw_accuracy(figures.accuracy_bars(report), 720), "name", "")
    assert "&lt;x&gt; &amp; $y$" in text


def test_long_names_leave_room_for_the_numbers():
    figure = figures.draw_accuracy([figures.ModelResult("A very long name of a model" * 3, 0.5, (0.4, 0.6), "1,000")], 328)
    name = figure.axes[0].texts[0].get_text()
    assert name.endswith("…")
    assert 15 <= len(name) <= 328 // 14


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
def test_contrast(palette):
    """WCAG AA: 4.5 for text, 3 for what a figure is read by."""

    def contrast(a: str, b: str) -> float:
        dark, light = sorted((luminance(palette[a]), luminance(palette[b])))
        return (light + 0.05) / (dark + 0.05)

    for text in ("ink", "muted", "right", "wrong"):
        assert contrast(text, "paper") >= 4.5
    assert contrast("ink", "tint") >= 4.5
    for line in ("accent", "quiet"):
        assert contrast(line, "paper") >= 3
    assert set(LIGHT) == set(DARK)


@pytest.mark.parametrize(
    ("name", "titles"), [("dpo", ["Loss per pair", "Pairs ranked right"]), ("sft_phase1", ["Loss per token", "Token accuracy"])]
)
def test_a_trainings_axes_say_what_it_learns(name: str, titles: list[str]) -> None:
    assert [curve.label for curve in figures.training_curves({"curve": [[1, 0.7, 0.5]]}, name)] == titles
