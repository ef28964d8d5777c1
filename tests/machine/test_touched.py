"""Bytes of instructions whose arrays are known, by hand."""

from __future__ import annotations

import pytest

from jorney.machine.touched import instructions, touched

ROW = 8 * 128 * 4  # bytes of f32[8,128]


def only(line: str) -> object:
    (found,) = instructions([line])
    return found


@pytest.mark.parametrize(
    ("line", "given", "expected"),
    [
        ("  %a = f32[8,128]{1,0} add(%x, %y)", ["f32[8,128]{1,0}"] * 2, 3 * ROW),
        # What lies in the vector memory costs nothing.
        ("  %a = f32[8,128]{1,0:T(8,128)S(1)} add(%x, %y)", ["f32[8,128]{1,0}", "f32[8,128]{1,0:S(1)}"], ROW),
        ("  %a = f32[8,128]{1,0} dynamic-slice(%x, %i)", ["f32[80,128]{1,0}", "s32[]"], 2 * ROW),
        (
            "  %a = f32[80,128]{1,0} dynamic-update-slice(%x, %new, %i)",
            ["f32[80,128]{1,0}", "f32[8,128]{1,0}", "s32[]"],
            2 * ROW,
        ),
        ("  %a = f32[80,128]{1,0} scatter(%x, %i, %new), to_apply=%add", ["f32[80,128]", "s32[8,1]", "f32[8,128]"], 2 * ROW),
        ("  %a = (f32[8,128]{1,0:S(1)}, f32[8,128]{1,0}, u32[]{:S(2)}) copy-start(%x)", ["f32[8,128]{1,0}"], ROW),
        ("  %a = ((f32[80,128]{1,0}), f32[8,128]{1,0:S(1)}, s32[]) slice-start(%x), slice={}", ["f32[80,128]"], ROW),
        ("  %a = ((f32[80,128]{1,0}), f32[8,128]{1,0}, s32[]) slice-start(%x), slice={}", ["f32[80,128]"], 2 * ROW),
    ],
)
def test_an_instruction(line: str, given: list[str], expected: float) -> None:
    assert touched(only(line), given) == expected


TAKES = """
  %big = f32[80,128]{1,0} parameter(0)
  %at = s32[] parameter(1)
  %other = f32[8,128]{1,0} parameter(2)
  %same = f32[80,128]{1,0} bitcast(%big)
  %part = f32[8,128]{1,0} dynamic-slice(%same, %at, %at)
  ROOT %sum = f32[8,128]{1,0} add(%part, %other)
"""
UPDATES = """
  %big = f32[80,128]{1,0} parameter(0)
  %new = f32[8,128]{1,0} parameter(1)
  %at = s32[] parameter(2)
  %twice = f32[8,128]{1,0} add(%new, %new)
  %updated = f32[80,128]{1,0} dynamic-update-slice(%big, %twice, %at, %at)
  ROOT %both = (f32[80,128]{1,0}, f32[8,128]{1,0}) tuple(%updated, %twice)
"""


@pytest.mark.parametrize(
    ("body", "given", "expected"),
    [
        # Of what is sliced, the slice; and a whole operand, where something else looks at it too.
        (TAKES, ["f32[80,128]{1,0}", "s32[]{:S(6)}", "f32[8,128]{1,0}"], 3 * ROW),
        (TAKES.replace("add(%part, %other)", "add(%part, %big)"), ["f32[80,128]", "s32[]{:S(6)}", "f32[8,128]"], 12 * ROW),
        # Updated where it lies: what is new alone.
        (UPDATES, ["f32[80,128]{1,0}", "f32[8,128]{1,0}", "s32[]{:S(6)}"], 3 * ROW),
    ],
)
def test_a_fusion(body: str, given: list[str], expected: float) -> None:
    fused = list(instructions(body.splitlines()))
    one = only("  %f = f32[8,128]{1,0} fusion(%x, %y, %z), kind=kLoop, calls=%inside")
    assert touched(one, given, fused) == expected
