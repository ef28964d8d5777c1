"""How trees, steps, thoughts and outputs look where they are walked: for a page, and for a component's shadow root.

Every state is told twice: by colour, and by a sign, a line or a weight.
"""

from __future__ import annotations

from jorney.show.style import BODY_RULES, CSS, DARK, LIGHT, variables

_WALKED = """
.rich { white-space: pre-wrap; overflow-wrap: anywhere; unicode-bidi: plaintext; }
.rich math { font-size: 1.05em; white-space: normal; }
.rich math[display=block] { margin: .4rem 0; overflow-x: auto; overflow-y: hidden; max-width: 100%; }
mrow.boxed { border: 1px solid currentColor; padding: .15em .3em; }
.cut { color: var(--muted); font-style: italic; }
h4 { margin: 1.25rem 0 .5rem; font-size: .9375rem; font-weight: 600; }
.facts { color: var(--muted); font-size: .875rem; }
dl.facts { display: flex; flex-wrap: wrap; gap: .15rem 1.25rem; margin: .5rem 0; }
dl.facts > div { display: flex; gap: .4rem; min-width: 0; }
dl.facts dt { white-space: nowrap; }
dl.facts dd { margin: 0; color: var(--ink); font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
[data-go] { cursor: pointer; }
button { font: inherit; font-size: .8125rem; color: var(--ink); background: var(--paper); border: 1px solid var(--muted);
  border-radius: .25rem; padding: .05rem .45rem; cursor: pointer; }

.tree.walked text { font-size: 9px; }
.tree .edge.path { stroke: var(--accent); stroke-width: 3; }
.tree .ring { fill: none; stroke: var(--accent); stroke-width: 1.5; }
.tree .ring.selected { stroke-width: 3.5; }
.tree .at.ghost :is(.node, .inner) { stroke: color-mix(in srgb, var(--ink) 45%, var(--paper)); }
.tree .at.ghost .node.right { fill: color-mix(in srgb, var(--right-fill) 35%, var(--paper)); }
.tree .at.ghost .node.wrong { fill: color-mix(in srgb, var(--wrong-fill) 35%, var(--paper)); }
.tree .at.ghost .node.neutral { fill: color-mix(in srgb, var(--neutral-fill) 35%, var(--paper)); }
.tree .at.ghost .inner { fill: none; }
.tree .count { pointer-events: none; font-weight: 700; paint-order: stroke; stroke: var(--paper); stroke-width: 3px; }
.tree .stub rect { fill: var(--tint); stroke: var(--muted); stroke-width: 1; }
.tree .at:hover .node, .tree .stub:hover rect { stroke-width: 2.2; }
.tree :is(.at, .stub):focus-visible { outline: none; }
.tree :is(.at, .stub):focus-visible :is(.node, rect) { stroke: var(--accent); stroke-width: 3; }

.sign { display: inline-block; min-width: 1em; text-align: center; }
.sign.right { color: var(--right); }
.sign.wrong { color: var(--wrong); }
.step { margin: .5rem 0; padding: .4rem .6rem .5rem; background: var(--tint); border-left: 4px solid transparent; }
.step[data-verdict="wrong"] { border-left: 4px dashed var(--wrong); }
.step[data-verdict="right"] { border-left-color: var(--right); }
.step[aria-current], .piece[aria-current] { outline: 2px solid var(--accent); outline-offset: -1px; }
.step.ghost .step-text { opacity: .75; }
.step p, .listed p { margin: .1rem 0; }
.step-head, .after { overflow-wrap: anywhere; max-width: none; }
.after { margin: 1rem 0 .25rem; font-size: .875rem; }
.step-text { margin: .15rem 0; }
.node-shown h3 { margin: 0 0 .35rem; }
.seen { font-size: .875rem; }
.again pre { margin: .25rem 0 .5rem; }
mark { background: var(--neutral-fill); color: inherit; text-decoration: underline; text-underline-offset: .2em; }
mark.gone { background: var(--wrong-fill); text-decoration: line-through; }
mark.new { background: var(--right-fill); }
.listed { list-style: none; margin: .5rem 0; padding: 0; }
.listed li { padding: .35rem .5rem; border-bottom: 1px solid var(--rule); }
.listed li:target { background: var(--neutral-fill); outline: 2px solid var(--accent); }
.listed a { color: inherit; }

.tokens { margin: .4rem 0; font: .8125rem/1.9 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }
.t, .cell { --shade: 0%; background: color-mix(in srgb, var(--accent) var(--shade), transparent); }
.t { box-shadow: inset -1px 0 var(--paper); }
.t.given { border-bottom: 2px dotted var(--muted); }
.p1 { --shade: 12%; } .p2 { --shade: 25%; } .p3 { --shade: 40%; } .p4 { --shade: 55%; } .p5 { --shade: 70%; }
.strip { display: flex; flex-wrap: wrap; gap: 2px; align-items: flex-end; line-height: 1; }
.cell { width: .6rem; height: 1.4rem; border: 1px solid var(--rule); --tall: 0%;
  background: linear-gradient(to top, var(--accent) var(--tall), transparent var(--tall)); }
.cell.p1 { --tall: 20%; } .cell.p2 { --tall: 40%; } .cell.p3 { --tall: 60%; } .cell.p4 { --tall: 80%; }
.cell.p5 { --tall: 100%; }
.cell.given { border-style: dotted; border-color: var(--muted); height: .7rem; }

.thought.walk, .thought.whole { font-family: inherit; font-size: .9375rem; white-space: normal; }
.thought.whole { padding: .4rem .6rem; }
.thought.walk .piece { padding: .1rem .4rem .1rem 0; }
.thought.walk .piece > * { min-width: 0; }
.thought.walk .piece.off { margin-left: 1.1rem; }
.thought.walk .piece.reflection { border-left-style: double; }
.thought.walk .piece.connective { color: var(--muted); font-style: italic; }
.where { color: var(--muted); font-size: .75rem; font-variant-numeric: tabular-nums; }
.piece[data-lost] { outline: 2px dashed var(--wrong); outline-offset: -2px; }
.tag { padding: 0 .3rem; border: 1px solid currentColor; border-radius: .2rem; font-size: .75rem; white-space: nowrap; }
.caption { margin: 0 0 .35rem; font-size: .9375rem; font-weight: 600; }

.written { padding: .6rem .75rem; background: var(--tint); overflow-x: auto; }
.back { padding: 0 .2rem; background: var(--neutral-fill); border-bottom: 2px solid var(--ink); }
.back.needless { background: none; border-bottom-style: dashed; }
.back .sign { margin-right: .25rem; font-size: .8125rem; font-weight: 700; }
.false { text-decoration: underline wavy var(--wrong); text-underline-offset: .2em; }
.false math { border-bottom: 2px dotted var(--wrong); }
.truth { margin: 0 .3rem; padding: 0 .3rem; border: 1px solid var(--wrong); border-radius: .2rem; color: var(--wrong);
  font-size: .75rem; user-select: none; }
.back .sign, .tag { user-select: none; }
.shown { margin: 0 0 2.5rem; }
.shown > h3 { margin: 1rem 0 .35rem; overflow-wrap: anywhere; }
"""

# One page of what was selected.
SELECTION_CSS = CSS + _WALKED

# For a shadow root. The host may say `data-theme="light"` or "dark"; else the browser's own choice holds.
COMPONENT_CSS = f""":host {{ display: block; color-scheme: light dark; {variables(LIGHT)} }}
@media screen and (prefers-color-scheme: dark) {{ :host {{ {variables(DARK)} }} }}
:host([data-theme="light"]) {{ color-scheme: light; {variables(LIGHT)} }}
:host([data-theme="dark"]) {{ color-scheme: dark; {variables(DARK)} }}
:host {{
  background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", "Liberation Sans", Arial, sans-serif;
}}
* {{ box-sizing: border-box; }}
h3 {{ margin: 1rem 0 .5rem; font-size: 1rem; font-weight: 600; }}
p {{ margin: .5rem 0; overflow-wrap: break-word; }}
.note, figcaption {{ color: var(--muted); font-size: .875rem; }}
.scroll {{ overflow-x: auto; }}
:focus-visible {{ outline: 2px solid var(--accent); outline-offset: 2px; }}
{BODY_RULES}{_WALKED}"""
