"""Records of trainings and their figures, with numbers by hand."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jorney.model import flops
from jorney.model.architecture import ModelConfig
from jorney.show.style import DARK, LIGHT
from jorney.view import plots
from jorney.view.training import courses, scales
from jorney.view.training.recorded import Recorded, read


def write(folder, parts: dict[str, list], settings: dict | None = None):
    (folder / "metrics").mkdir(parents=True)
    for name, rows in parts.items():
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        (folder / "metrics" / f"{name}.jsonl").write_text("".join(line + "\n" for line in lines))
    if settings is not None:
        (folder / "training.json").write_text(json.dumps(settings))
    return folder


def recorded(name: str = "run", settings: dict | None = None, **values: list) -> Recorded:
    count = len(next(iter(values.values())))
    columns = {key.replace("__", "/"): np.array(own, np.float64) for key, own in values.items()}
    return Recorded(name, np.arange(1.0, count + 1), columns, settings or {}, ())


def test_of_rows_of_one_step_the_last_counts(tmp_path) -> None:
    parts = {
        "00000002": [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0, "seconds": 4.0}],
        "00000003": [{"step": 2, "loss": 2.5}, {"step": 3, "loss": 1.0, "eval/accuracy": 0.5}],
    }
    found = read("run", write(tmp_path / "training", parts))
    assert found.steps.tolist() == [1, 2, 3]
    assert found.values["loss"].tolist() == [3.0, 2.5, 1.0]
    assert not found.has("seconds")  # the row that told it does not count
    assert np.isnan(found.values["eval/accuracy"][:2]).all()
    for place in (tmp_path, tmp_path / "training" / "metrics"):
        assert read("run", place).steps.tolist() == [1, 2, 3]
    assert read("run", tmp_path / "training" / "metrics" / "00000003.jsonl").steps.tolist() == [2, 3]


def test_bad_lines_are_named_and_stop_nothing(tmp_path) -> None:
    bad = [
        "nonsense",
        "[1]",
        '{"loss": 1}',
        '{"step": 1.5}',
        '{"step": true}',
        '{"step": NaN}',
        '{"step": 1e400}',
        "[" * 100_000,
    ]
    bad += ['{"step": 9, "text": "' + "x" * (1 << 20) + '"}']
    fine = [
        "",
        '{"step": 1, "loss": NaN, "a": {"b": 1}, "c": "text", "d": true, "e": 1' + "0" * 400 + "}",
        '{"step": 2, "loss": 1}',
    ]
    found = read("run", write(tmp_path, {"1": [*bad, *fine], "2": [{"step": 3, "loss": 0.5}]}))
    assert [one.split(": ")[1] for one in found.bad] == [f"line {number}" for number in range(1, 10)]
    assert found.steps.tolist() == [1, 2, 3]
    assert list(found.values) == ["loss"]
    assert found.values["loss"].tolist()[1:] == [1.0, 0.5]
    assert math.isnan(found.values["loss"][0])
    many = read("run", write(tmp_path / "many", {"1": ["x"] * 500}))
    assert (len(many.bad), len(many.steps)) == (101, 0)
    assert many.bad[-1].endswith("400 more lines that could not be read")


def test_a_long_record_is_bounded_and_keeps_what_is_held_out(tmp_path) -> None:
    rows = [{"step": step, "loss": step / 1000, **({"eval/accuracy": 1} if step == 501 else {})} for step in range(1, 1001)]
    found = read("run", write(tmp_path, {"1": rows}), most=300)
    assert (found.every, len(found.steps)) == (4, 251)
    assert 501 in found.steps
    assert set(found.steps) - {501} == set(range(4, 1001, 4))
    assert courses.missing([found], "loss") == ["run: one of every 4 steps is read."]


def test_no_metrics_are_named(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="no metrics: expected a training's folder"):
        read("run", tmp_path / "nowhere")


SETTINGS = {"mesh": {"data": 2, "fsdp": 1}, "decides": {"sft": {"batch_rows": 4, "row_length": 100}}}


def test_tokens_are_counted_summed_or_measured() -> None:
    assert scales._tokens(recorded(num_tokens=[5, 9])).tolist() == [5, 9]
    padded = recorded(settings=SETTINGS, padding=[0.5, 0.25, 0.0])
    assert scales._tokens(padded).tolist() == [200, 500, 900]
    # 10 seconds at 30 tokens a second on each of 2 devices by step 2, 5 at 40 by step 4.
    nan = math.nan
    rates = {"seconds": [nan, 10, nan, 5, nan], "tokens_per_second_per_chip": [nan, 30, nan, 40, nan]}
    found = scales._tokens(recorded(settings={"mesh": SETTINGS["mesh"]}, **rates))
    assert found.tolist()[:4] == [300, 600, 800, 1000]
    assert math.isnan(found[4])
    hours = scales._hours(recorded(**rates))
    assert (hours * 3600).tolist()[:4] == pytest.approx([5, 10, 12.5, 15])
    assert scales.available([recorded(loss=[1])]) == ["step"]
    assert scales.available([padded, recorded(**rates)]) == ["step", "tokens", "hours"]


def test_operations_are_six_for_each_weight_and_token() -> None:
    model = ModelConfig(vocab_size=512, embed=128, layers=6, heads=4, kv_heads=2, head_dim=32, mlp=384)
    settings = {**SETTINGS, "decides": {**SETTINGS["decides"], "model": vars(model)}}
    found = scales._flop(recorded(settings=settings, padding=[0.0]))
    assert found.tolist() == [6 * (flops._layers(model) + flops._head(model)) * 400]
    adapters = {**settings, "decides": {**settings["decides"], "sft": {**SETTINGS["decides"]["sft"], "lora": {"rank": 8}}}}
    assert scales._flop(recorded(settings=adapters, padding=[0.0])) is None


@pytest.mark.parametrize("settings", [{"decides": None}, {"decides": {"model": {"embed": "x"}}}, {"mesh": 3}, {"decides": [1]}])
def test_settings_may_be_anything(settings: dict) -> None:
    run = recorded(settings=settings, padding=[0.0], seconds=[1.0], tokens_per_second_per_chip=[2.0])
    assert scales.available([run]) == ["step", "tokens", "hours"]


def test_smoothing_by_hand() -> None:
    values = np.array([4.0, math.nan, 2.0, 0.0])
    assert courses.smoothed(values, 0.5).tolist()[2:] == pytest.approx([(4 * 0.25 + 2 * 0.5) / 0.75, (4 / 8 + 2 / 4) / 0.875])
    assert courses.smoothed(values, 0.5)[0] == 4.0
    assert math.isnan(courses.smoothed(values, 0.5)[1])
    assert np.array_equal(courses.smoothed(values, 0.0), values, equal_nan=True)
    for weight in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match="smoothing = "):
            courses.smoothed(values, weight)


@given(st.floats(0, 0.999), st.floats(-100, 100), st.integers(1, 50))
def test_a_constant_is_smoothed_to_itself(weight: float, value: float, count: int) -> None:
    assert courses.smoothed(np.full(count, value), weight) == pytest.approx(np.full(count, value), abs=1e-9)


@given(st.lists(st.floats(-5, 5) | st.just(math.nan), max_size=400), st.integers(4, 40))
def test_thinning_keeps_extremes_and_ends(values: list[float], most: int) -> None:
    y = np.array(values)
    kept, known = courses.thinned(y, most), np.flatnonzero(np.isfinite(y))
    assert len(kept) <= most
    assert (np.diff(kept) > 0).all()
    assert np.isfinite(y[kept]).all()
    if len(known):
        assert (y[kept].min(), y[kept].max()) == (y[known].min(), y[known].max())
        assert (kept[0], kept[-1]) == (known[0], known[-1])


def test_a_spike_of_a_long_run_is_drawn() -> None:
    loss = np.ones(100_000)
    loss[54_321] = 9.0
    run = Recorded("long", np.arange(1.0, 100_001), {"loss": loss}, {}, ())
    raw, smooth = courses.drawn([run], "loss", smoothing=0.9).data
    assert max(len(raw.x), len(smooth.x)) <= courses.MOST_POINTS
    assert max(raw.y) == 9.0
    assert 54_322 in raw.x


def test_figures_are_grouped_and_held_out_ones_stand_beside() -> None:
    names = [
        "loss",
        "held_out_loss",
        "reward",
        "rewards/accuracy/mean",
        "entropy",
        "completions/mean_length",
        "eval/mean_length",
    ]
    names += ["accuracy", "eval/accuracy", "eval/pass_at_4", "excursion_rate", "grad_norm", "seconds/sampling", "own"]
    run = Recorded("run", np.array([1.0]), {name: np.ones(1) for name in names}, {}, ())
    assert courses.grouped([run, recorded(empty=[math.nan])]) == {
        "loss": ["loss"],
        "accuracy": ["accuracy", "eval/pass_at_4"],
        "reward": ["reward", "rewards/accuracy/mean"],
        "entropy and ratios": ["entropy"],
        "lengths": ["completions/mean_length"],
        "behaviour": ["excursion_rate"],
        "optimisation": ["grad_norm"],
        "throughput": ["seconds/sampling"],
        "others": ["own"],
    }
    line, marks = courses.drawn([run], "accuracy").data
    assert (line.marker.symbol, marks.marker.symbol, marks.showlegend) == ("circle", "circle-open", False)
    (alone,) = courses.drawn([run], "eval/pass_at_4").data
    assert (alone.name, alone.showlegend) == ("run, held out", True)


def test_lines_differ_by_more_than_colour_and_keep_theirs() -> None:
    runs = [recorded("a", loss=[1, 2]), recorded("b", reward=[1, 2]), recorded("c", loss=[1, 2], num_tokens=[10, 20])]
    a, c = courses.drawn(runs, "loss").data
    assert (a.line.color, a.line.dash, a.marker.symbol) == tuple(plots.line(0))
    assert (c.line.color, c.line.dash, c.marker.symbol) == tuple(plots.line(2))
    (over_tokens,) = courses.drawn(runs, "loss", x="tokens").data
    assert (list(over_tokens.x), over_tokens.line.dash) == ([10, 20], plots.line(2).dash)
    assert courses.missing(runs, "loss", x="tokens") == ["a: its record does not tell tokens.", "b: has no loss."]
    lines = [plots.line(index) for index in range(42)]
    assert len({(one.dash, one.marker) for one in lines}) == len({(one.colour, one.dash) for one in lines}) == 42


def test_colours_stand_out_from_the_page() -> None:
    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    for dark, own in ((False, LIGHT), (True, DARK)):
        for index in range(7):
            high, low = sorted((light(own["paper"]), light(plots.line(index, dark).colour)), reverse=True)
            assert (high + 0.05) / (low + 0.05) >= 3


def test_logarithmic_axes_leave_out_what_has_no_place_and_say_so() -> None:
    run = recorded(loss=[1.0, 0.0, -1.0, 4.0])
    found = courses.drawn([run], "loss", log_y=True)
    assert list(found.data[0].y) == [1.0, 4.0]
    assert found.layout.yaxis.type == "log"
    assert courses.missing([run], "loss", log_y=True) == ["run: 2 values of 0 or less have no place on a logarithmic axis."]
    with pytest.raises(ValueError, match="x = 'epochs': expected one of step, "):
        courses.drawn([run], "loss", x="epochs")


def test_names_are_no_markup() -> None:
    hostile = '<a href="javascript:x">%{x}</a>\u202e\x00' + "y" * 500
    run = Recorded(hostile, np.array([1.0]), {hostile: np.ones(1)}, {}, ())
    found = courses.drawn([run], hostile)
    told = [found.data[0].name, found.layout.yaxis.title.text, courses.legend_html([run])]
    assert not any("<a" in one or "\u202e" in one[:100] or "\x00" in one for one in told)
    assert "%{x}" not in found.data[0].hovertemplate.replace("%{x:", "")
    assert plots.plain("a & <b>\n c") == "a &amp; &lt;b&gt; c"
    assert plots.plain("0123456789", 7) == "01…6789"
