"""What kernels cost, by hand."""

from __future__ import annotations

import pytest

from jorney.machine.kernels import is_kernel, kernel
from jorney.machine.touched import instructions
from jorney.topology import GENERATIONS

CALL = 'custom-call(%a), custom_call_target="tpu_custom_call", metadata={op_name="jit(f)/NAME/pallas_call"}'
GIVEN = [
    "s32[16,6]{1,0}",
    "s32[16]{0}",
    "s32[1]{0}",
    "bf16[16,2,8,64]{3,2,1,0}",
    *["bf16[64,2,16,64]{3,2,1,0:S(1)}"] * 2,
    "f32[16,6,8,128]{3,2,1,0}",
    *["bf16[16,2,384,64]{3,2,1,0}"] * 4,
]


def made(shape: str, name: str) -> object:
    (one,) = instructions([f"  %k = {shape} {CALL.replace('NAME', name)}"])
    assert is_kernel(one)
    return one


def test_decodings_kernel_touches_the_blocks_that_it_visits() -> None:
    one = made("(f32[16,2,8,64]{3,2,1,0:S(1)}, f32[16,2,8,128]{3,2,1,0:S(1)})", "ragged_attention")
    found = kernel(one, GIVEN, 10)
    block = 2 * 2 * 128 * 64 * 2 + 4 * 8 * 128  # keys and values of two heads, and who sees them
    queries, staged = 16 * 2 * 8 * 64 * 2, 2 * 64 * 2 * 16 * 64 * 2
    results = 16 * 2 * 8 * (64 + 128) * 4
    assert found.bytes == 10 * block + queries
    assert found.moved == 10 * block + queries + staged + results
    assert found.flops == 10 * 4 * 2 * 8 * 128 * 64
    assert found.steps == 2  # eight problems each
    assert found.seconds(GENERATIONS["v5e"]) == pytest.approx(1.3 * found.moved / 819e9 + 2e-6)
    assert kernel(one, GIVEN, None).bytes - found.bytes == 86 * block  # all of 16 x 6


def test_attention_of_whole_sequences_is_of_all_pairs() -> None:
    one = made("bf16[4,1024,128]{2,1,0}", "splash_mha")
    found = kernel(one, ["bf16[4,1024,128]{2,1,0}"] * 3, None)
    assert found.bytes == found.moved == 4 * 4 * 1024 * 128 * 2
    assert found.flops == 4 * 4 * 1024**2 * 128
    assert found.steps == 4 * 2 * 2


def test_an_unknown_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="a kernel without a price: %k"):
        kernel(made("f32[8]{0}", "other"), [], None)
