"""Prices of compiled programs: of one whose parts are known, by hand."""

from __future__ import annotations

import dataclasses

import pytest

from jorney.machine.cycles import Cost, estimate, together
from jorney.topology import GENERATIONS

# A thousand cycles a microsecond, a byte in a nanosecond.
CHIP = dataclasses.replace(GENERATIONS["v5e"], clock=1e9, bandwidth=1e9, links=1e9, flops=1e12)

TEXT = """HloModule jit_decode

%inside (p: f32[8,128]) -> f32[8,128] {
  %p = f32[8,128]{1,0} parameter(0)
  %spread = f32[8,128]{1,0} all-gather(%p), channel_id=3, replica_groups={{0,1,2,3}}, dimensions={0}
  ROOT %odd = f32[8,128]{1,0} some-kind-that-a-fusion-may-hold(%spread)
}

%inner_condition (p: (s32[])) -> pred[] {
  %limit = s32[]{:T(128)} constant(32)
  ROOT %less = pred[] compare(%limit, %limit), direction=LT
}

%inner (p: (s32[])) -> (s32[]) {
  %halved = f32[4]{0} fusion(), kind=kLoop, backend_config={"estimated_cycles":"100"}
}

%cheap (p: f32[4]) -> f32[4] {
  %c = f32[4]{0} copy(%p), backend_config={"estimated_cycles":"10"}
}

%dear (p: f32[4]) -> f32[4] {
  %loop = (s32[]) while(%init), condition=%inner_condition, body=%inner
}

%condition (p: (s32[])) -> pred[] {
  %sixteen = s32[]{:T(128)} constant(16)
}

%body (p: (s32[])) -> (s32[]) {
  %weights = ((bf16[4,100]{1,0}), bf16[1,100]{1,0:T(8,128)S(1)}, s32[]{:S(2)}) slice-start(%w), slice={[0:1], [0:100]}
  %there = bf16[1,100]{1,0:T(8,128)S(1)} slice-done(%weights)
  %product = f32[8,128]{1,0} fusion(%there), kind=kOutput, calls=%inside, backend_config={"estimated_cycles":"5000"}
  %again = f32[8,128]{1,0} fusion(%there), kind=kOutput, calls=%inside, backend_config={"estimated_cycles":"1000"}
  %sum = f32[16]{0} all-reduce(%product), channel_id=4, replica_groups={{0,1,2,3}}, to_apply=%add
  %moved = f32[250]{0} reshape(%x)
  %chosen = f32[4]{0} conditional(%which, %a, %b), branch_computations={%cheap, %dear}
}

ENTRY %main (p: f32[8]) -> f32[8] {
  %buffer = s32[16]{0:T(128)S(1)} custom-call(), custom_call_target="AllocateBuffer"
  %staged = f32[8]{0} broadcast(%zero), backend_config={"estimated_cycles":"2000"}
  %tokens = (s32[]) while(%init), condition=%condition, body=%body
}
"""


def test_every_instruction_has_its_price() -> None:
    gather = 3 / 4 * 8 * 128 * 4 * 1e-9 + 3e-6
    reduce = 2 * 3 / 4 * 64 * 1e-9 + 6e-6
    moved = 1.3 * 1000 * 1e-9 + 1e-6
    found = estimate(TEXT, CHIP, stepped=True)
    assert found.once.seconds == pytest.approx(2e-6)
    # The slice goes on beside the products; the dearer branch, whose loop runs 32 times.
    assert found.step.seconds == pytest.approx(6e-6 + moved + gather + reduce + 3.2e-6)
    assert found.step.collectives == 2


def test_copies_that_take_longer_are_waited_for() -> None:
    slow = dataclasses.replace(CHIP, bandwidth=1e7)  # 200 bytes in 20 us, a thousand in 100 times 1.3
    found = estimate(TEXT.replace("  %moved = f32[250]{0} reshape(%x)\n", ""), slow, stepped=True)
    gather, reduce = 3 / 4 * 8 * 128 * 4 * 1e-9 + 3e-6, 2 * 3 / 4 * 64 * 1e-9 + 6e-6
    assert found.step.seconds == pytest.approx(20e-6 + gather + reduce + 3.2e-6)


def test_loops_of_a_program_without_steps_are_counted() -> None:
    stepped = estimate(TEXT, CHIP, stepped=True)
    found = estimate(TEXT, CHIP)
    # Collectives by their channels: XLA writes one down wherever it is spread to, and it runs in every trip.
    assert found.once == pytest.approx(together((stepped.once, stepped.step.times(16))))
    assert found.step == Cost()


@pytest.mark.parametrize(
    "line", ["%new = f32[8]{0} never-seen(%p)", '%call = f32[8]{0} custom-call(%p), custom_call_target="X"']
)
def test_what_has_no_price_is_named(line: str) -> None:
    with pytest.raises(ValueError, match="an instruction without a price: %(new|call)"):
        estimate(TEXT.replace("  %moved", f"  {line}\n  %moved"), CHIP)


def test_a_clock_that_is_not_known_is_said() -> None:
    with pytest.raises(ValueError, match="tpu7x: expected a generation whose clock is known"):
        estimate(TEXT, GENERATIONS["7x"])
    for name, units in (("v4", 8), ("v5e", 4), ("v5p", 8)):
        one = GENERATIONS[name]
        assert one.clock is not None
        assert 2 * units * 128**2 * one.clock == pytest.approx(one.flops, rel=0.01)
