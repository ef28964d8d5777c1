"""Golds of every type in twelve spellings each, and what is one sign, digit, word, unit or bracket beside them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import NamedTuple

import pytest

from jorney.domain.equivalence import compare


class Gold(NamedTuple):
    """An answer, other spellings of it, and others that are near."""

    text: str
    same: list[str]
    near: list[str]


def whole() -> Iterator[Gold]:
    for n in [
        0,
        1,
        -1,
        2,
        3,
        7,
        10,
        12,
        -16,
        29,
        48,
        64,
        75,
        99,
        100,
        -144,
        208,
        365,
        512,
        720,
        1001,
        2023,
        -4096,
        12345,
        900000,
    ]:
        same = [
            f"{n}.0",
            f"${n}$",
            f"\\boxed{{{n}}}",
            f"\\text{{{n}}}",
            f"x = {n}",
            f"\\frac{{{3 * n}}}{{3}}",
            f"({n})",
            f"{n}\\,",
        ]
        same += [f"{{{n}}}", f"\\mathbf{{{n}}}", f"{n:,}.", f"\\text{{The answer is }}{n}"]
        near = [
            f"{n + 1}",
            f"{n - 1}",
            f"{-n or 5}",
            f"{n}1",
            f"{n}.5",
            f"{n}+x",
            f"{n},{n + 2}",
            f"\\pm {abs(n) + 1}",
            f"{n} million1",
        ]
        yield Gold(str(n), same, [*near, f"({n},0)"])


def fraction() -> Iterator[Gold]:
    pairs = [(1, 2), (3, 4), (5, 8), (7, 5), (9, 4), (11, 8), (13, 2), (17, 20), (23, 16), (1, 25), (3, 10), (27, 4), (31, 5)]
    for p, q in [*pairs, (1, 3), (2, 7), (5, 6), (8, 9), (10, 3), (22, 7), (14, 11), (4, 15), (50, 9), (6, 13)]:
        whole, rest = divmod(p, q)
        same = [
            f"{p}/{q}",
            f"\\dfrac{{{p}}}{{{q}}}",
            f"\\tfrac{{{p}}}{{{q}}}",
            f"\\frac{{{3 * p}}}{{{3 * q}}}",
            f"{p} \\over {q}",
        ]
        same += [
            f"{p}÷{q}",
            f"\\left(\\frac{{{p}}}{{{q}}}\\right)",
            f"\\displaystyle \\frac{{{p}}}{{{q}}}",
            f"k = \\frac{{{p}}}{{{q}}}",
        ]
        same += [f"\\frac{{-{p}}}{{-{q}}}", f"{whole} {rest}/{q}" if whole else f"{{{p} \\over {q}}}", f"{p} / {q}"]
        near = [f"\\frac{{{q}}}{{{p}}}", f"-\\frac{{{p}}}{{{q}}}", f"\\frac{{{p + 1}}}{{{q}}}", f"\\frac{{{p}}}{{{q + 1}}}"]
        near += [
            f"{float(Fraction(p, q)) + 0.01:.4f}",
            f"{p}:{q}",
            f"({p},{q})",
            f"{p},{q}",
            f"{p}{q}",
            f"{p}\\frac{{1}}{{{q}}}",
        ]
        yield Gold(f"\\frac{{{p}}}{{{q}}}", same, near)


def decimal() -> Iterator[Gold]:
    for text in ["0.5", "2.75", "0.125", "-1.5", "3.14", "12.04", "0.001", "99.9", "7.25", "-0.04", "1.25", "10.01", "0.375"]:
        value = Fraction(text)
        p, q = value.numerator, value.denominator
        bare = text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else f"0{text}".replace("0-", "-0")
        same = [
            f"{text}0",
            bare,
            f"{p}/{q}",
            f"\\frac{{{p}}}{{{q}}}",
            f"${text}$",
            f"\\approx {text}",
            f"= {text}",
            f"{text}e0",
        ]
        same += [f"{text} \\text{{ m}}", f"\\mathrm{{{text}}}", f"{text}\\ ", f"y={text}"]
        near = [
            text + "1",
            f"{float(value) * 10:g}",
            f"{-float(value):g}",
            f"{float(value) + 1:g}",
            f"\\frac{{{p}}}{{{q + 1}}}",
            f"{text}i",
        ]
        yield Gold(text, same, [*near, f"{text}\\pi", text.replace(".", ","), f"{text}^2", f"1{text.lstrip('-')}"])


def percent() -> Iterator[Gold]:
    for p in ["5", "12", "20", "37.5", "62.5", "80", "99", "150", "2.5", "45"]:
        value = Fraction(p) / 100
        same = [
            f"{p}%",
            f"{p} \\%",
            f"{p} percent",
            f"{p}\\text{{ percent}}",
            f"{p} per cent",
            f"{p}\\text{{\\%}}",
            f"${p}\\%$",
            p,
        ]
        same += [
            f"\\frac{{{value.numerator}}}{{{value.denominator}}}",
            str(float(value)),
            f"x = {p}\\%",
            f"{p}.0\\%".replace(".5.0", ".50"),
        ]
        near = [
            f"{float(p) + 1:g}\\%",
            f"-{p}\\%",
            f"{p}1\\%",
            f"{float(p) / 10:g}\\%",
            f"{float(p) * 10:g}",
            f"{float(value) / 10:g}",
        ]
        yield Gold(f"{p}\\%", same, [*near, f"{p}\\% x", f"({p},0)", f"{p} cm^%", f"{p} percent more"])


UNITS = [
    ("cm", "centimeters", "m"),
    ("kg", "kilograms", "g"),
    ("ft", "feet", "in"),
    ("km", "kilometers", "mi"),
    ("s", "seconds", "h"),
]


def quantity() -> Iterator[Gold]:
    for n, (short, long, other) in itertools.product([4, 15, 120], UNITS):
        same = [
            f"{n} {short}",
            f"{n}\\text{{ {short}}}",
            f"{n}\\,\\mathrm{{{short}}}",
            f"{n} \\text{{{long}}}",
            f"{n} {long}",
            f"{n}",
        ]
        same += [
            f"{n}~\\mathrm{{{short}}}",
            f"{n}.0 {short}",
            f"x = {n} \\text{{ {short}}}",
            f"{n}\\ \\text{{{short}}}",
            f"${n}$ {long}",
        ]
        near = [
            f"{n} \\text{{ {other}}}",
            f"{n + 1} \\text{{ {short}}}",
            f"-{n} {short}",
            f"{n} {short}^2",
            f"{n} {short}/s",
            f"{n} {other}",
        ]
        near += [f"{n}0 {short}", f"{n} million {short}", f"{n} {short}^3", f"{n}\\%"]
        yield Gold(f"{n}\\text{{ {short}}}", [*same, f"{n} ({long})"], near)


def area() -> Iterator[Gold]:
    for n, unit in itertools.product([6, 25, 90], ["cm", "m"]):
        same = [
            f"{n} {unit}^2",
            f"{n} \\text{{ {unit}}}^{{2}}",
            f"{n}\\,\\mathrm{{{unit}^2}}",
            f"{n} {unit}²",
            f"{n} \\text{{ sq {unit}}}",
        ]
        same += [
            f"{n} \\text{{ square {unit}}}",
            f"{n}",
            f"A = {n}\\ \\text{{{unit}}}^2",
            f"{n}.0 {unit}^{{2}}",
            f"{n} {unit} squared",
        ]
        near = [
            f"{n} {unit}",
            f"{n} {unit}^3",
            f"{n} {unit}^{{-2}}",
            f"{n + 1} {unit}^2",
            f"{n} \\text{{ cubic {unit}}}",
            f"-{n} {unit}^2",
        ]
        near += [f"{n}^2 {unit}", f"{n} \\text{{ ft}}^2", f"{n}5 {unit}^2", f"{n} {unit}^2/s"]
        yield Gold(f"{n} \\text{{ {unit}}}^2", [*same, f"${n}$ {unit}$^2$", f"{n}~\\text{{{unit}}}^2"], near)


def money() -> Iterator[Gold]:
    for n in [8, 35, 420, 1999]:
        same = [
            f"${n}",
            f"\\${n:,}",
            f"\\${n}.00",
            f"{n} dollars",
            f"{n}\\text{{ dollars}}",
            f"{n}",
            f"US\\${n}",
            f"{n}\\$",
            f"{n} USD",
        ]
        same += [f"{n}.00", f"x = \\${n}", f"\\text{{\\${n}}}"]
        near = [
            f"\\${n + 1}",
            f"-\\${n}",
            f"€{n}",
            f"£{n}",
            f"{n} euros",
            f"{n} cents",
            f"\\${n}0",
            f"\\${n} million",
            f"{n}\\%",
            f"\\${n}.01",
        ]
        yield Gold(f"\\${n}", same, near)


def pair() -> Iterator[Gold]:
    for a, b in [
        (1, 2),
        (-3, 4),
        (0, 7),
        (6, 1),
        (-2, 9),
        (15, -4),
        (-11, 3),
        (4, 8),
        (20, 1),
        (9, -9),
        (5, -5),
        (12, 9),
        (-8, -6),
        (3, 14),
        (2, 10),
    ]:
        same = [
            f"({a}, {b})",
            f"\\left({a},{b}\\right)",
            f"({a}.0,{b})",
            f"\\langle {a},{b}\\rangle",
            f"x={a}, y={b}",
            f"y={b},x={a}",
        ]
        same += [
            f"(x,y)=({a},{b})",
            f"\\left( {a} , {b} \\right)",
            f"$({a},{b})$",
            f"({a};{b})",
            f"(\\frac{{{2 * a}}}{{2}},{b})",
            f"x={a}\\text{{ and }}y={b}",
        ]
        near = [
            f"({b},{a})",
            f"({a},{b + 1})",
            f"({a},{-b})",
            f"[{a},{b}]",
            f"({a},{b}]",
            f"({a},{b},0)",
            f"\\{{{a},{b}\\}}",
            f"x={b}, y={a}",
        ]
        yield Gold(f"({a},{b})", same, [*near, f"{a}", f"({a}{b})"])


def solutions() -> Iterator[Gold]:
    for a, b in [(1, 4), (-2, 3), (5, 17), (0, 9), (-7, -1), (11, 30), (6, 25), (8, 60), (13, 14), (-9, 20)]:
        same = [
            f"{b}, {a}",
            f"\\{{{a},{b}\\}}",
            f"\\{{{b}, {a}\\}}",
            f"{a}; {b}",
            f"{a} and {b}",
            f"{a}\\text{{ or }}{b}",
            f"x={a}, x={b}",
        ]
        same += [
            f"x={b} \\text{{ or }} x={a}",
            f"x={a},{b}",
            f"x \\in \\{{{a},{b}\\}}",
            f"$ {a}$, ${b}$",
            f"\\left\\{{{a},{b}\\right\\}}",
        ]
        near = [
            f"{a}",
            f"{b}",
            f"{a}, {b + 1}",
            f"{a}, {-b}",
            f"{a}, {b}, 2",
            f"({a},{b})",
            f"[{b},{a}]",
            f"x={a}, y={b + 1}",
            f"{a}{b}",
        ]
        yield Gold(f"{a}, {b}", same, [*near, f"{a}, {b}, \\dots"])


def signs() -> Iterator[Gold]:
    for r in ["3", "\\sqrt{2}", "\\frac{1}{2}", "7", "2\\sqrt{5}"]:
        same = [
            f"{r}, -{r}",
            f"-{r}, {r}",
            f"\\pm{r}",
            f"x = \\pm {r}",
            f"x={r}, x=-{r}",
            f"\\{{{r},-{r}\\}}",
            f"{r} \\text{{ and }} -{r}",
            f"±{r}",
        ]
        same += [f"+{r}, -{r}", f"\\mp {r}", f"x={r} \\text{{ or }} x=-{r}", f"$\\pm {r}$"]
        near = [
            r,
            f"-{r}",
            f"\\pm 2{r}",
            f"{r}, {r}",
            f"{r}, -{r}, 0",
            f"\\pm ({r}+1)",
            f"({r},-{r})",
            f"1 \\pm {r}",
            f"\\pm {r} i",
            f"|{r}|",
        ]
        yield Gold(f"\\pm {r}", same, near)


def interval() -> Iterator[Gold]:
    forms = [("(", ")", "<", "<"), ("[", ")", "\\le", "<"), ("(", "]", "<", "\\leq"), ("[", "]", "\\leqslant", "\\le")]
    for (left, right, low, high), (a, b) in itertools.product(forms, [(0, 1), (-4, 6), (2, 9)]):
        same = [
            f"{left}{a}, {b}{right}",
            f"\\left{left}{a},{b}\\right{right}",
            f"x \\in {left}{a},{b}{right}",
            f"{a} {low} x {high} {b}",
        ]
        same += [
            f"\\{{x \\mid {a} {low} x {high} {b}\\}}",
            f"\\{{x : {a}{low} x{high} {b}\\}}",
            f"{left}{a}.0,{b}{right}",
            f"${left}{a},{b}{right}$",
        ]
        same += [
            f"{left}{a},\\frac{{{2 * b}}}{{2}}{right}",
            f"x∈{left}{a},{b}{right}",
            f"{left} {a} , {b} {right}",
            f"\\{{x|{a}{low} x{high} {b}\\}}",
        ]
        others = [f"{x}{a},{b}{y}" for x, y in itertools.product("([", ")]") if (x, y) != (left, right)]
        near = [
            *others,
            f"{left}{a},{b + 1}{right}",
            f"{left}{a - 1},{b}{right}",
            f"{left}{-b},{a}{right}",
            f"{a} {low} x",
            f"x {high} {b}",
        ]
        flipped = {"<": "\\le", "\\le": "<", "\\leq": "<", "\\leqslant": "<"}
        yield Gold(
            f"{left}{a},{b}{right}", same, [*near, f"{a} {flipped[low]} x {high} {b}", f"{a} {low} x {flipped[high]} {b}"][:10]
        )


def ray() -> Iterator[Gold]:
    for a in [-3, 0, 5, 8]:
        same = [
            f"x>{a}",
            f"{a}<x",
            f"x > {a}",
            f"x \\in ({a},\\infty)",
            f"\\left({a},\\infty\\right)",
            f"({a}, +\\infty)",
            f"\\{{x \\mid x>{a}\\}}",
        ]
        same += [f"x\\gt {a}", f"({a}.0,∞)", f"$({a},\\infty)$", f"({a},infinity)", f"x>{a}.0"]
        near = [
            f"x \\ge {a}",
            f"x<{a}",
            f"[{a},\\infty)",
            f"(-\\infty,{a})",
            f"x>{a + 1}",
            f"x \\ne {a}",
            f"x={a}",
            f"({a},\\infty]",
            f"{a}",
            "\\infty",
        ]
        yield Gold(f"({a},\\infty)", same, near)


def matrix() -> Iterator[Gold]:
    for a, b, c, d in [(1, 0, 0, 1), (2, -1, 5, 3), (0, 4, -4, 0), (7, 8, 9, 10)]:
        body = f"{a} & {b} \\\\ {c} & {d}"
        rows = f"{a}&{b}\\\\{c}&{d}"
        same = [
            f"\\begin{{{kind}}}{inner}\\end{{{kind}}}"
            for kind in ("pmatrix", "bmatrix", "matrix")
            for inner in (body, rows, body + " \\\\")
        ]
        same += [f"\\left(\\begin{{array}}{{cc}}{rows}\\end{{array}}\\right)", f"$\\begin{{pmatrix}}{rows}\\end{{pmatrix}}$"]
        same += [f"A = \\begin{{pmatrix}}{rows}\\end{{pmatrix}}"]
        near = [
            f"{a}&{c}\\\\{b}&{d + 1}",
            f"{a + 1}&{b}\\\\{c}&{d}",
            f"{a}&{b}\\\\{c}&{-d - 1}",
            f"{b}&{a + 2}\\\\{d}&{c}",
            f"{a}&{b}",
            f"{a}\\\\{b}",
        ]
        near = [
            f"\\begin{{pmatrix}}{one}\\end{{pmatrix}}"
            for one in [*near, f"{a}&{b}&0\\\\{c}&{d}&0", f"{rows}\\\\0&0", f"{a}&{b}\\\\{c}&{d}+x"]
        ]
        yield Gold(f"\\begin{{pmatrix}}{body}\\end{{pmatrix}}", same, [*near, f"\\begin{{vmatrix}}{rows}\\end{{vmatrix}}"])


def root() -> Iterator[Gold]:
    for k, n in [(2, 3), (3, 2), (5, 7), (4, 5), (6, 11), (10, 13), (7, 6)]:
        same = [
            f"{k}\\sqrt{n}" if n < 10 else f"{k} \\sqrt{{{n}}}",
            f"{k}*sqrt({n})",
            f"\\sqrt{{{k * k * n}}}",
            f"{k}√{n}",
            f"{k} \\cdot \\sqrt{{{n}}}",
        ]
        same += [
            f"{k}({n})^{{1/2}}",
            f"\\frac{{{k * n}}}{{\\sqrt{{{n}}}}}",
            f"\\sqrt{{{n}}} \\cdot {k}",
            f"{k}\\sqrt{{{n}}} \\text{{ cm}}",
            f"x = {k}\\sqrt{{{n}}}",
        ]
        same += [f"sqrt({k * k * n})", f"{k} * {n}^{{0.5}}"]
        near = [
            f"{k + 1}\\sqrt{{{n}}}",
            f"{k}\\sqrt{{{n + 1}}}",
            f"-{k}\\sqrt{{{n}}}",
            f"{n}\\sqrt{{{k}}}" if k != n else "1",
            f"{k}\\sqrt[3]{{{n}}}",
        ]
        near += [
            f"{k * n**0.5:.4f}",
            f"{k}+\\sqrt{{{n}}}",
            f"\\pm {k}\\sqrt{{{n}}}",
            f"{k}\\sqrt{{{n}}}i",
            f"\\frac{{\\sqrt{{{n}}}}}{{{k}}}",
        ]
        yield Gold(f"{k}\\sqrt{{{n}}}", same, near)


def pi() -> Iterator[Gold]:
    for k in [2, 5, 9, 16, 36, 49, 100]:
        same = [
            f"{k}π",
            f"{k} pi",
            f"{k}*pi",
            f"{k} \\cdot \\pi",
            f"\\pi \\cdot {k}",
            f"\\frac{{{2 * k}\\pi}}{{2}}",
            f"{k}\\,\\pi",
            f"{k}\\pi \\text{{ cm}}^2",
        ]
        same += [f"V = {k}\\pi", f"{k}.0\\pi", f"pi*{k}", f"${k}\\pi$"]
        near = [
            f"{k}",
            f"{k + 1}\\pi",
            f"-{k}\\pi",
            f"\\frac{{\\pi}}{{{k}}}",
            f"{k}\\pi^2",
            f"{k * 3.14159:.4f}",
            f"{k}+\\pi",
            f"{k}e",
            f"{k}p",
            f"{k}\\pi i",
        ]
        yield Gold(f"{k}\\pi", same, near)


def polynomial() -> Iterator[Gold]:
    for a, b, c in [(1, 2, 3), (2, 5, 1), (3, 1, 7), (4, 9, 2), (5, 3, 8), (1, 6, 9), (7, 2, 4), (2, 3, 11)]:
        first = "" if a == 1 else str(a)
        same = [
            f"{first}x^{{2}} + {b}x + {c}",
            f"{c}+{b}x+{first}x^2",
            f"{a}*x^2+{b}*x+{c}",
            f"{a}*x**2 + {b}*x + {c}",
            f"{first}x²+{b}x+{c}",
        ]
        same += [
            f"x({first}x+{b})+{c}",
            f"y = {first}x^2+{b}x+{c}",
            f"f(x) = {first}x^2+{b}x+{c}",
            f"{a}\\cdot x^2+{b}\\cdot x+{c}",
        ]
        same += [f"\\frac{{{2 * a}x^2+{2 * b}x+{2 * c}}}{{2}}", f"$ {first}x^2 + {b}x + {c} $", f"{c}-(-{b}x)+{first}x^2"]
        near = [
            f"{first}x^2-{b}x+{c}",
            f"{first}x^2+{b}x-{c}",
            f"{first}x^3+{b}x+{c}",
            f"{a + 1}x^2+{b}x+{c}",
            f"{first}x^2+{b + 1}x+{c}",
        ]
        near += [
            f"{first}y^2+{b}y+{c}",
            f"{first}x^2+{b}x+{c}0",
            f"-{first}x^2+{b}x+{c}",
            f"{first}x^2+{b}x",
            f"{first}x^2+{b}x+{c}+C",
        ]
        yield Gold(f"{first}x^2+{b}x+{c}", same, near)


def line() -> Iterator[Gold]:
    for m, c in [(2, 3), (3, 1), (4, 7), (5, 2), (9, 4)]:
        same = [
            f"y = {m}x + {c}",
            f"y={c}+{m}x",
            f"{m}x-y+{c}=0",
            f"y-{m}x={c}",
            f"{m}x+{c}",
            f"y={m}*x+{c}",
            f"{m}x + {c} = y",
            f"2y={2 * m}x+{2 * c}",
        ]
        same += [f"{m}x - y = -{c}", f"y - {c} = {m}x", f"-{m}x+y-{c}=0", f"$y={m}x+{c}$"]
        near = [
            f"y={m}x-{c}",
            f"y=-{m}x+{c}",
            f"y={m + 1}x+{c}",
            f"y={m}x+{c + 1}",
            f"{m}x+y+{c}=0",
            f"y={c}x+{m}",
            f"y={m}x",
            f"x={m}y+{c}",
        ]
        yield Gold(f"y={m}x+{c}", same, [*near, f"y={c}", f"y>{m}x+{c}"])


def scientific() -> Iterator[Gold]:
    for m, e in [("2", 5), ("3.5", -4), ("9", 12), ("1.2", 7), ("6.4", -9), ("8", 30)]:
        same = [
            f"{m}e{e}",
            f"{m}E{e}",
            f"{m} \\times 10^{{{e}}}",
            f"{m}×10^{{{e}}}",
            f"{m} x 10^{{{e}}}",
            f"{m}*10^{{{e}}}",
            f"{m}*10**({e})",
        ]
        same += [
            f"{m} \\cdot 10^{{{e}}}",
            f"{m}\\times10^{{{e}}} \\text{{ m}}",
            f"N = {m} \\times 10^{{{e}}}",
            f"{float(m) * 10:g}e{e - 1}",
            f"{m}.0e{e}".replace(".5.0", ".50").replace(".2.0", ".20").replace(".4.0", ".40"),
        ]
        near = [
            f"{m}e{e + 1}",
            f"{m}e{-e}",
            f"-{m}e{e}",
            f"{m}1e{e}" if "." in m else f"{m}.1e{e}",
            f"{m}e^{{{e}}}",
            f"{m} \\times 10^{{{e - 1}}}",
        ]
        yield Gold(
            f"{m} \\times 10^{{{e}}}", same, [*near, m, f"{m} \\times {e}^{{10}}", f"10^{{{e}}}", f"{m} \\times 11^{{{e}}}"]
        )


def complex_number() -> Iterator[Gold]:
    for a, b in [(1, 2), (3, -4), (-2, 5), (6, 7), (-1, -8), (10, 3)]:
        sign, size = ("+" if b > 0 else "-"), abs(b)
        same = [
            f"{a} {sign} {size}i",
            f"{a}{sign}{size}\\,i",
            f"{b}i+{a}",
            f"{a}{sign}i*{size}",
            f"{a}{sign}i{size}",
            f"({a}{sign}{size}i)",
        ]
        same += [
            f"z = {a}{sign}{size}i",
            f"\\frac{{{2 * a}{sign}{2 * size}i}}{{2}}",
            f"{a}.0{sign}{size}i",
            f"${a}{sign}{size}i$",
        ]
        same += [f"{a}{sign}{size}\\mathrm{{i}}", f"{a}{sign}{size} \\cdot i"]
        near = [
            f"{a}{'-' if b > 0 else '+'}{size}i",
            f"{-a}{sign}{size}i",
            f"{b}{'+' if a > 0 else '-'}{abs(a)}i",
            f"{a}",
            f"{b}i",
            f"({a},{b})",
        ]
        yield Gold(
            f"{a}{sign}{size}i",
            same,
            [*near, f"{a}{sign}{size}", f"{a}{sign}{size + 1}i", f"{a}{sign}{size}x", f"{a} \\pm {size}i"],
        )


def choice() -> Iterator[Gold]:
    for letter, other in ["AB", "BC", "CD", "DE", "EA"]:
        same = [
            letter,
            f"({letter})",
            f"{letter}.",
            f"{letter})",
            f"\\text{{{letter}}}",
            f"\\textbf{{({letter})}}",
            f"\\mathrm{{({letter})}}",
        ]
        same += [f"({letter}) 12", f"{letter}. 12", f"\\textbf{{({letter})}}\\ 12", f"${letter}$", f"\\text{{({letter})}}"]
        near = [
            other,
            f"({other})",
            f"\\text{{({other})}}",
            f"({other}) 12",
            f"{letter}{other}",
            f"{letter},{other}",
            letter.lower(),
            f"-{letter}",
            "12",
            f"{letter}_1",
        ]
        yield Gold(f"\\text{{({letter})}}", same, near)


WORDS = [
    ("odd", "even"),
    ("Yes", "No"),
    ("Tuesday", "Thursday"),
    ("isosceles", "scalene"),
    ("Maria", "Marina"),
    ("increasing", "decreasing"),
]


def text() -> Iterator[Gold]:
    for word, other in [
        *WORDS,
        ("rational", "irrational"),
        ("parabola", "hyperbola"),
        ("listen", "silent"),
        ("north", "thorn"),
    ]:
        same = [
            word,
            word.lower(),
            word.upper(),
            f"\\textbf{{{word}}}",
            f"\\mathrm{{{word}}}",
            f"{word}.",
            f"\\text{{{word}.}}",
            f"${word}$",
        ]
        same += [f"\\text{{ {word} }}", f"\\textit{{{word}}}", f"\\mbox{{{word}}}", f"**{word}**"]
        near = [
            other,
            f"\\text{{{other}}}",
            f"not {word}",
            word[::-1] + "x",
            word[1:] + word[0],
            f"{word} or {other}",
            "1",
            f"{word}, {other}",
        ]
        yield Gold(f"\\text{{{word}}}", same, [*near, f"{word} 2", "".join(sorted(word)) + word[0]])


KINDS = [
    whole,
    fraction,
    decimal,
    percent,
    quantity,
    area,
    money,
    pair,
    solutions,
    signs,
    interval,
    ray,
    matrix,
    root,
    pi,
    polynomial,
    line,
]
KINDS += [scientific, complex_number, choice, text]


def test_there_are_enough() -> None:
    golds = [gold for kind in KINDS for gold in kind()]
    assert len(golds) >= 200
    assert all(len(set(gold.same)) >= 11 and len(gold.same) >= 12 for gold in golds), [
        g for g in golds if len(set(g.same)) < 11
    ]
    assert sum(len(gold.near) for gold in golds) >= 2000


@pytest.mark.parametrize("kind", KINDS)
def test_spellings_of_one_answer_are_equal(kind: Callable[[], Iterator[Gold]]) -> None:
    missed = [
        (gold.text, same) for gold in kind() for same in gold.same if compare(gold.text, same) or compare(same, gold.text)
    ]
    assert not missed


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_near_is_not_equal(kind: Callable[[], Iterator[Gold]]) -> None:
    """To the gold, and to a spelling of it."""
    pairs = [(one, near) for gold in kind() for near in gold.near for one in (gold.text, gold.same[0])]
    assert not [pair for pair in pairs if not compare(*pair) or not compare(*pair[::-1])]
