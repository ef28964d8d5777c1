"""The one component of the page: HTML that was made in Python, and what is clicked or reached by keyboard in it.

Nothing here is sanitised: callers give what `show`'s drawings made, in which every text of a file is escaped.
"""

from __future__ import annotations

import functools
from typing import Any

from jorney.show.view_style import COMPONENT_CSS
from jorney.view import markup

# A click on an element with data-go, or Enter on it, tells Python. Arrows move in a tree along the data-parent, -child,
# -previous and -next of a node, "w" to the next that is wrong. What had the focus has it again when the HTML is replaced.
_SCRIPT = """
const MOVES = { ArrowUp: "parent", ArrowDown: "child", ArrowLeft: "previous", ArrowRight: "next", w: "wrong" };
const WAIT = 250;  // milliseconds: who moves on at once need not wait for the page

function isDark(element) {
  const canvas = document.createElement("canvas").getContext("2d");
  canvas.fillStyle = getComputedStyle(element).getPropertyValue("--st-background-color").trim() || "#ffffff";
  canvas.fillRect(0, 0, 1, 1);
  const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
  return 0.3 * red + 0.6 * green + 0.1 * blue < 128;
}

export default function ({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".pane");
  const host = parentElement.host ?? root;
  host.dataset.theme = isDark(host) ? "dark" : "light";
  if (root.shown !== data.html) {
    const active = parentElement.activeElement;
    const focused = root.focused ?? active?.closest("[data-go]")?.dataset.go;
    const places = [...root.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
    root.innerHTML = data.html;
    root.shown = data.html;
    [...root.querySelectorAll(".scroll")].forEach((one, at) => {
      if (places[at]) [one.scrollLeft, one.scrollTop] = places[at];
    });
    const again = focused && [...root.querySelectorAll("[data-go]")].find((one) => one.dataset.go === focused);
    if (again) again.focus({ preventScroll: true });
    const scroll = root.querySelector(".scroll");
    const current = scroll?.querySelector("[aria-current]");
    if (current) {
      const [inner, outer] = [current.getBoundingClientRect(), scroll.getBoundingClientRect()];
      if (inner.left < outer.left || inner.right > outer.right || !places.length)
        scroll.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2;
      if (inner.top < outer.top || inner.bottom > outer.bottom)
        scroll.scrollTop += (inner.top + inner.bottom - outer.top - outer.bottom) / 2;
    }
  }
  const go = (element) => {
    clearTimeout(root.waiting);
    setTriggerValue("go", element.dataset.go);
  };
  root.onfocusin = (event) => { root.focused = event.target.closest("[data-go]")?.dataset.go; };
  root.onfocusout = (event) => { if (event.relatedTarget) root.focused = undefined; };
  root.onclick = (event) => {
    const element = event.target.closest("[data-go]");
    if (!element) return;
    event.preventDefault();
    root.focused = element.dataset.go;
    go(element);
  };
  root.onkeydown = (event) => {
    const element = event.target.closest("[data-go]");
    if (!element || event.ctrlKey || event.metaKey || event.altKey) return;
    const move = element.closest("svg") && MOVES[event.key], enters = event.key === "Enter" || event.key === " ";
    if (!move && !enters) return;  // the page's own keys: a verdict, the next row
    event.stopPropagation();
    event.preventDefault();
    if (enters) { go(element); return; }
    const next = element.dataset[move] && root.querySelector(`svg [data-node="${CSS.escape(element.dataset[move])}"]`);
    if (!next) return;
    next.focus();
    clearTimeout(root.waiting);
    root.waiting = setTimeout(() => go(next), WAIT);
  };
  return () => clearTimeout(root.waiting);
}
"""

_STYLE = """
:host { background: none; }
.pane { font: .9375rem/1.5 var(--st-font, sans-serif); color: var(--ink); }
.pane .scroll { max-height: 34rem; overflow: auto; margin-top: .25rem; }
.pane :is(.question, .caption:empty) { margin: 0; }
.rows table { font-size: .875rem; }
.rows :is(td, th) { padding: .15rem .75rem .15rem 0; white-space: nowrap; min-width: 0; }
.rows .go { border-color: transparent; padding: 0 .25rem; }
"""


@functools.cache
def _renderer() -> Any:
    import streamlit as st

    return st.components.v2.component(
        "jorney_pane", html='<div class="pane"></div>', css=COMPONENT_CSS + markup.CSS + _STYLE, js=_SCRIPT
    )


def pane(html: str, key: str) -> str | None:
    """Shows HTML.

    Args:
      html: made by `show`; every text of a file in it is escaped.
      key: of the widget.

    Returns:
      The data-go of what was clicked just now, or reached by keyboard.
    """
    result = _renderer()(key=key, data={"html": html}, on_go_change=lambda: None)
    chosen: str | None = result.go
    return chosen
