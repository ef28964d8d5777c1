"""Training: the curves of several runs in one figure each."""

from __future__ import annotations

import os

import streamlit as st

from jorney import storage
from jorney.view.collection import lines
from jorney.view.opened import control, found, place
from jorney.view.pane import pane
from jorney.view.place import SMOOTHEST
from jorney.view.training import courses, recorded, scales
from jorney.view.training.recorded import Recorded
from jorney.view.tree_view import inert

_FIRST = ("loss", "reward", "accuracy", "token_accuracy", "entropy", "completions/mean_length")


def show() -> None:
    """The view."""
    now = place()
    names = [one.name for one in found().courses]
    if not names:
        st.info("There are no trainings among what was opened.")
        return
    chosen = [name for name in now.courses if name in names] or names[:4]
    with st.sidebar:
        control(st.multiselect, "Trainings", "courses", chosen, tuple, options=names)
    runs = [run for one in found().courses if one.name in chosen and (run := _read(one.name, one.folder, _stamp(one.folder)))]
    if not runs:
        return
    groups = courses.grouped(runs)
    every = [name for group in groups.values() for name in group]
    figures = [name for name in now.figures if name in every] or [name for name in _FIRST if name in every] or every[:2]
    kind = {name: group for group, own in groups.items() for name in own}
    axes = scales.available(runs)
    axis = now.axis if now.axis in axes else axes[0]
    with st.sidebar:
        told = lambda name: f"{kind[name]}: {name}"  # noqa: E731
        control(st.multiselect, "Figures", "figures", figures, tuple, options=every, format_func=told)
        control(st.segmented_control, "Over", "axis", axis, lambda one: one or axis, options=axes)
        control(st.slider, "Smoothing", "smooth", now.smooth, min_value=0.0, max_value=SMOOTHEST, step=0.01)
        control(st.toggle, "Logarithmic values", "log", now.log)
    dark = st.context.theme.type == "dark"
    pane(courses.legend_html(runs, dark), "legend")
    for name in figures:
        st.markdown(f"**{inert(name)}**")
        figure = courses.drawn(runs, name, axis, now.smooth, log_y=now.log, dark=dark, legend=False)
        st.plotly_chart(figure, theme=None, key=f"figure {name}", config={"displaylogo": False})
        for line in courses.missing(runs, name, axis, now.log):
            st.caption(inert(line))
    for run in runs:
        for wrong in run.bad[:5]:
            st.caption(inert(wrong))


@st.cache_data(max_entries=32, show_spinner=False)
def _read(name: str, folder: str, stamp: str) -> Recorded | None:
    try:
        return recorded.read(name, folder)
    except (OSError, ValueError) as error:
        st.warning(inert(str(error)))
        return None


def _stamp(folder: str) -> str:
    """What tells that a record has grown."""
    metrics = storage.path(folder) / "metrics"
    files = sorted(map(os.fspath, metrics.iterdir())) if metrics.is_dir() else []
    return " ".join(f"{file} {lines.mark(file)}" for file in files)
