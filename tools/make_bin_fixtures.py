"""Writes state dicts by real torch, and what torch reads in them, for tests/convert/test_torch_bin.py. Needs `make parity`.

    python tools/make_bin_fixtures.py tests/convert/bins

`good.<case>.<format>.bin` holds a flat dict of tensors, `bad.<case>.<format>.bin` something that is to be refused, and
`expected.npz` the values under "<case>/<name>", bfloat16 as its bits. A second run writes the same bytes.
"""

from __future__ import annotations

import itertools
import os
import pathlib
import sys
from typing import Any
from unittest import mock

import numpy as np
import torch

FORMATS = {
    "zip": {},
    "zip4": {"pickle_protocol": 4},
    "legacy": {"_use_new_zipfile_serialization": False},
    "legacy4": {"_use_new_zipfile_serialization": False, "pickle_protocol": 4},
}
SPECIAL = [0.0, -0.0, 1.0, -2.5, 1 / 3, 1e-7, float("inf"), float("-inf"), float("nan")]


class Payload:
    """Unpickled the usual way, it runs a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch pwned",)


def numbers(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


def good_cases() -> dict[str, dict[str, torch.Tensor]]:
    dtypes = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    shared, base = numbers(6, 4), numbers(6, 4, 5)
    tagged = torch.nn.Parameter(numbers(3))
    tagged.note = "an attribute"
    torch.manual_seed(0)
    module = torch.nn.Sequential(torch.nn.Embedding(7, 4), torch.nn.LayerNorm(4), torch.nn.Linear(4, 7, bias=False))
    module[2].weight = module[0].weight
    return {
        "dtypes": {str(dtype).removeprefix("torch."): torch.tensor([SPECIAL, SPECIAL[::-1]], dtype=dtype) for dtype in dtypes},
        "shared": {"whole": shared, "tied": shared, "rows": shared[2:5], "last": shared[5:]},
        "views": {
            "transposed": base[0].t(),
            "permuted": base.permute(2, 0, 1),
            "stepped": base[1::2, :, ::3],
            "column": base[:, :, 4],
            "expanded": numbers(3, 1).expand(3, 4),
            "expanded_rows": numbers(4).expand(3, 4),
            "half": numbers(5, 6, dtype=torch.bfloat16).t()[1:4],
        },
        "parameters": {"plain": torch.nn.Parameter(numbers(2, 3)), "tagged": tagged, "view": torch.nn.Parameter(base[1].t())},
        "module": module.state_dict(),
        "edges": {
            "empty": torch.zeros(0),
            "no_rows": torch.zeros(0, 3),
            "no_columns": torch.zeros(3, 0, dtype=torch.bfloat16),
            "beyond": numbers(2, 3)[2:, 2:],
            "scalar": torch.tensor(1.5),
            "one": numbers(1, 1)[:, :1],
            "weight.ünïcode": numbers(2),
        },
    }


def bad_cases() -> dict[str, Any]:
    return {
        "payload": {"weight": numbers(2), "code": Payload()},
        "integers": {"weight": numbers(2), "positions": torch.arange(4)},
        "float8": {"weight": numbers(2).to(torch.float8_e4m3fn)},
        "negated": {"weight": torch._neg_view(numbers(2))},
        "nested": {"epoch": 3, "state_dict": {"weight": numbers(2)}},
        "optimizer": {"state_dict": {"weight": numbers(2)}, "optimizer": {"state": {0: {"step": 1.0}}, "param_groups": []}},
        "numbered": {0: numbers(2)},
        "tensor": numbers(2),
        "list": [numbers(2)],
        "whole_module": torch.nn.Linear(2, 2),
    }


def write(value: Any, file: pathlib.Path, options: dict[str, Any]) -> None:
    """torch.save; storages of the legacy format are numbered as in the zip format, not by their addresses."""
    order: dict[int, str] = {}

    class Numbered(str):
        def __new__(cls, value: object) -> str:
            return order.setdefault(value, str(len(order))) if type(value) is int else str(value)

    # A module's source goes into a legacy file, with its path: neither this machine's nor torch's own belongs here.
    source = mock.patch.object(torch.serialization, "get_source_lines_and_file", return_value=(["pass\n"], 1, "module.py"))
    with mock.patch.object(torch.serialization, "str", Numbered, create=True), source, open(file, "wb") as stream:
        torch.save(value, stream, **options)


def main(folder: str) -> None:
    out = pathlib.Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    good, expected = good_cases(), {}
    for (case, tensors), (kind, options) in itertools.product(good.items(), FORMATS.items()):
        file = out / f"good.{case}.{kind}.bin"
        write(tensors, file, options)
        for name, tensor in torch.load(file, weights_only=False).items():  # it knows protocol 4 only so
            whole = tensor.detach().contiguous()
            values = (whole.view(torch.int16) if whole.dtype == torch.bfloat16 else whole).numpy()
            assert expected.setdefault(f"{case}/{name}", values).tobytes() == values.tobytes()
    np.savez_compressed(out / "expected.npz", **expected)
    for (case, value), kind in itertools.product(bad_cases().items(), ("zip", "legacy4")):
        write(value, out / f"bad.{case}.{kind}.bin", FORMATS[kind])


if __name__ == "__main__":
    main(sys.argv[1])
