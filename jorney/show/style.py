"""How report.html looks: two palettes and one style sheet."""

from __future__ import annotations

# `quiet` fills the first model's bar; `tint` lies behind what the models wrote.
LIGHT = {
    "paper": "#fcfcfa",
    "tint": "#f3f2ee",
    "ink": "#1d1d1b",
    "muted": "#5d5b56",
    "rule": "#d8d6cf",
    "quiet": "#8d8a83",
    "accent": "#1f6391",
    "right": "#1c6b3d",
    "wrong": "#a5281f",
    "right-fill": "#cfe8d8",
    "wrong-fill": "#f4cfcb",
    "neutral-fill": "#fbf3c4",
}
DARK = {
    "paper": "#17181a",
    "tint": "#202124",
    "ink": "#e7e5e0",
    "muted": "#a8a59e",
    "rule": "#3d3e41",
    "quiet": "#85827b",
    "accent": "#74b3de",
    "right": "#82cb9c",
    "wrong": "#f19b91",
    "right-fill": "#24523a",
    "wrong-fill": "#66312c",
    "neutral-fill": "#5a5226",
}


def variables(palette: dict[str, str]) -> str:
    """A palette as CSS variables."""
    return " ".join(f"--{name}: {colour};" for name, colour in palette.items())


# Dark is for screens only, so that a page prints on white.
_COLOURS = f""":root {{ color-scheme: light dark; {variables(LIGHT)} }}
@media screen and (prefers-color-scheme: dark) {{ :root {{ {variables(DARK)} }} }}
"""

_RULES = """
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0; padding: 2.5rem 1rem 3rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
}
main, footer { max-width: 45rem; margin: 0 auto; }
h1, h2, .lead { font-family: Charter, "Bitstream Charter", "Sitka Text", Cambria, Georgia, "Liberation Serif", serif; }
h1 { margin: 0 0 .75rem; font-size: 1rem; font-weight: 400; color: var(--muted); }
h2 { margin: 3rem 0 1rem; padding-top: .75rem; border-top: 1px solid var(--rule); font-size: 1.375rem; font-weight: 600; }
h3 { margin: 2rem 0 .5rem; font-size: 1rem; font-weight: 600; }
p { margin: .75rem 0; max-width: 40rem; overflow-wrap: break-word; }
.lead { margin: 0 0 .75rem; font-size: clamp(1.4rem, 1.1rem + 1.6vw, 1.9rem); line-height: 1.3; text-wrap: balance; }
.note, .facts, footer, figcaption { color: var(--muted); font-size: .875rem; }

figure { margin: 1.25rem 0; }
figure svg { display: block; max-width: 100%; height: auto; overflow: visible; }
figure svg * { stroke-linejoin: round; }
figure svg.wide { display: none; }
@media (min-width: 48rem) { figure svg.wide { display: block; } figure svg.narrow { display: none; } }

/* Where a table goes on to a side, there is a shadow: two that scroll with it cover those at the edges. */
.scroll {
  overflow-x: auto; margin: 1.25rem 0 .75rem;
  background: linear-gradient(to right, var(--paper) 30%, transparent) 0 / 2.5rem 100% no-repeat local,
    linear-gradient(to left, var(--paper) 30%, transparent) 100% / 2.5rem 100% no-repeat local,
    linear-gradient(to right, var(--rule), transparent) 0 / .75rem 100% no-repeat scroll,
    linear-gradient(to left, var(--rule), transparent) 100% / .75rem 100% no-repeat scroll;
}
nav { line-height: 2; }
nav a { color: inherit; white-space: nowrap; }
/* On a phone tables run to the edge of the screen, so that one sees where a row goes on. */
@media (max-width: 47.99rem) { .scroll { margin-right: -1rem; } }
"""

# What stands in a page, and may stand in another program's.
BODY_RULES = """table { border-collapse: collapse; font-size: .9375rem; font-variant-numeric: tabular-nums lining-nums; }
.caption { margin: 1.25rem 0 0; font-size: .9375rem; font-weight: 600; }
.caption + .scroll { margin-top: .35rem; }
th, td { padding: .35rem .75rem; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: baseline; }
th { font-weight: 400; }
thead th { color: var(--muted); font-size: .875rem; }
th:first-child { padding-left: 0; }
.numeric :is(th, td) { white-space: nowrap; }
.numeric thead th { white-space: normal; }
.numeric :is(th, td):not(:first-child) { text-align: right; }
.pair { display: grid; gap: 0 3rem; }
.pair > section { min-width: 0; }
@media (min-width: 48rem) { .pair { grid-template-columns: 1fr 1fr; } }

.question { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.outputs { display: grid; gap: .75rem 1.25rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
.outputs > div { min-width: 0; }
.outputs p { margin: .25rem 0; overflow-wrap: anywhere; }
.right, .wrong { font-weight: 600; }
.right { color: var(--right); }
.wrong { color: var(--wrong); }
pre {
  margin: 0; padding: .6rem .75rem; max-height: 24rem; overflow: auto; background: var(--tint); white-space: pre-wrap;
  overflow-wrap: anywhere; font: .8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
.tree { display: block; font-size: 9px; }
.tree text { fill: var(--ink); }
.tree .edge { stroke: var(--muted); stroke-width: 1; }
.tree .node { stroke: var(--ink); stroke-width: 1.2; }
.tree .inner { fill: none; stroke: var(--ink); stroke-width: .8; }
.tree .node.right { fill: var(--right-fill); }
.tree .node.wrong { fill: var(--wrong-fill); }
.tree .node.neutral { fill: var(--neutral-fill); }
.files { columns: 2; padding-left: 1.25rem; }
.files a { color: inherit; }
details { margin: .75rem 0; }
summary { cursor: pointer; }
.thought {
  padding: .4rem 0; background: var(--tint); overflow-wrap: anywhere; white-space: pre-wrap;
  font: .8125rem/1.5 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace;
}
.piece { display: grid; grid-template-columns: 1.6rem 1fr; border-left: 4px solid transparent; }
.mark { text-align: center; }
.piece.excursion { background: var(--wrong-fill); border-left-color: var(--wrong); }
.piece.reflection { background: var(--neutral-fill); border-left-color: var(--ink); }
.piece.conclusion { border-left-color: var(--right); }
"""

_FOOT = """footer { margin-top: 3rem; padding-top: .75rem; border-top: 1px solid var(--rule); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
@media print { pre { max-height: none; } section { break-inside: avoid-page; } }
"""

CSS = _COLOURS + _RULES + BODY_RULES + _FOOT
