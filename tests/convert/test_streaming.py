"""Stored tensors into shards: every byte once, whatever the mesh, the dtype, the layout in the file or the store."""

from __future__ import annotations

import itertools
import math
import pathlib

import jax
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import memory_root

from jorney import sharding, storage
from jorney.convert import hf, stored, streaming
from jorney.convert.stored import StoredTensor
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.model.params import param_shardings
from jorney.text.tokenizer import Tokenizer


class _Backend:
    def save_pretrained(self, folder: str) -> None:
        pathlib.Path(folder, "tokenizer.json").write_text("{}")


@pytest.fixture
def folder(tiny: ModelConfig, tmp_path: pathlib.Path) -> pathlib.Path:
    hf.save(tmp_path, tiny, parameters.init(tiny, jax.random.key(0)), Tokenizer(_Backend(), 0, 1, 2), np.float32)
    return tmp_path


def _load(folder, config: ModelConfig, dtype=np.float32, **sizes: int) -> parameters.Params:
    mesh = sharding.make_mesh(sharding.MeshConfig(**{"data": 1, **sizes}))
    return hf.load_params(folder, config, param_shardings(config, mesh), dtype)


@pytest.mark.parametrize("sizes", [{"data": 8}, {"fsdp": 8}, {"data": 2, "fsdp": 2, "tensor": 2}, {"fsdp": 2, "tensor": 4}])
@pytest.mark.parametrize(("read", "block"), [(1 << 20, 1 << 20), (200, 100), (1, 1)])
def test_every_byte_is_read_once(folder, tiny, monkeypatch, sizes, read, block) -> None:
    monkeypatch.setattr(streaming, "_READ", read)
    monkeypatch.setattr(streaming, "_BLOCK", block)
    counted = []
    read_bytes = stored.read_bytes
    monkeypatch.setattr(
        stored, "read_bytes", lambda file, at, n, *rest: counted.append((at, at + n)) or read_bytes(file, at, n, *rest)
    )
    found = _load(folder, tiny, **sizes)
    counted.sort()
    assert all(a[1] == b[0] for a, b in itertools.pairwise(counted)), "read twice, or left out"
    assert sum(b - a for a, b in counted) == 4 * parameters.count(tiny)
    expected = parameters.init(tiny, jax.random.key(0))
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(np.asarray(a), np.asarray(b)), expected, found)


@pytest.mark.parametrize("stored_as", [np.float64, np.float32, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("dtype", [np.float32, np.float16, ml_dtypes.bfloat16])
def test_dtype_is_converted_on_the_way(tiny, tmp_path, stored_as, dtype) -> None:
    params = jax.tree.map(np.asarray, parameters.init(tiny, jax.random.key(0)))
    rows = {name: (row, layer) for name, row, layer in hf.expected_tensors(tiny)}
    flat = dict(parameters.flatten(params))

    def value(name: str) -> np.ndarray:
        row, layer = rows[name]
        return row.to_hf(flat[row.path][layer] if row.stacked else flat[row.path]).astype(stored_as)

    listed = [(name, np.dtype(stored_as), row.stored) for name, (row, _) in rows.items()]
    hf.safetensors.write(tmp_path / hf.WEIGHTS, listed, value)
    found = _load(tmp_path, tiny, dtype, fsdp=4, tensor=2)
    expected = jax.tree.map(lambda leaf: leaf.astype(stored_as).astype(dtype), params)
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, np.asarray(b)), expected, found)


def test_arrays_take_the_buffers_over(tiny, folder, monkeypatch) -> None:
    """On CPU devices nothing is copied: a model of the machine's half fits."""
    made = []
    aligned = streaming._aligned
    monkeypatch.setattr(streaming, "_aligned", lambda *a: made.append(aligned(*a)) or made[-1])
    found = _load(folder, tiny, fsdp=8)
    starts = {buffer.ctypes.data for buffer in made}
    pointers = [s.data.unsafe_buffer_pointer() for leaf in jax.tree.leaves(found) for s in leaf.addressable_shards]
    assert set(pointers) == starts


def test_weights_that_are_not_finite_are_counted(folder, tiny) -> None:
    tensor = dict(hf.stored_tensors(folder))["model.layers.1.mlp.up_proj.weight"]
    data = bytearray((folder / hf.WEIGHTS).read_bytes())
    for place, value in ((3, np.nan), (7, np.inf), (64, -np.inf)):
        data[tensor.offset + 4 * place : tensor.offset + 4 * place + 4] = np.float32(value).tobytes()
    (folder / hf.WEIGHTS).write_bytes(data)
    with pytest.warns(UserWarning, match=r"model.safetensors: model.layers.1.mlp.up_proj.weight: 3 of 2,048 weights"):
        found = _load(folder, tiny, fsdp=4, tensor=2)
    assert np.isnan(np.asarray(found["layers"]["mlp"]["up"])).sum() == 1


def test_a_file_that_shrinks_while_it_is_read(folder, tiny, monkeypatch) -> None:
    found = hf.as_written(folder)
    monkeypatch.setattr(hf, "as_written", lambda _: found)
    data = (folder / hf.WEIGHTS).read_bytes()
    (folder / hf.WEIGHTS).write_bytes(data[:-1000])
    with pytest.raises(ValueError, match=r"model.safetensors: ends [\d,]+ bytes early"):
        _load(folder, tiny, fsdp=8)


def test_from_a_store(tiny, folder) -> None:
    root = storage.path(memory_root())
    for file in folder.iterdir():
        storage.write_bytes(root / file.name, file.read_bytes())
    jax.tree.map(lambda a, b: np.testing.assert_array_equal(a, b), _load(folder, tiny, fsdp=8), _load(root, tiny, fsdp=8))


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_rows_of_any_view(tmp_path_factory, data) -> None:
    """A view of any strides (transposed, sliced, expanded) gives numpy's rows."""
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    order = data.draw(st.permutations(range(len(shape))))
    steps = data.draw(st.lists(st.integers(1, 3), min_size=len(shape), max_size=len(shape)))
    base = np.arange(math.prod(s * k for s, k in zip(shape, steps, strict=True)), dtype=np.float32)
    whole = base.reshape([s * k for s, k in zip(shape, steps, strict=True)])
    view = whole[tuple(slice(None, None, k) for k in steps)].transpose(order)
    expand = data.draw(st.booleans())
    if expand:
        view = np.broadcast_to(view, (3, *view.shape))
    file = tmp_path_factory.mktemp("view") / "x"
    file.write_bytes(b"head" + base.tobytes())
    tensor = StoredTensor(str(file), view.dtype, view.shape, tuple(s // 4 for s in view.strides), 4)
    start = data.draw(st.integers(0, view.shape[0]))
    stop = data.draw(st.integers(start, view.shape[0]))
    np.testing.assert_array_equal(tensor.rows(start, stop), view[start:stop])


@pytest.mark.parametrize(
    ("stored_as", "asked", "value", "kept"),
    [
        (np.float32, np.float16, 1e5, 65504.0),
        (np.float32, ml_dtypes.bfloat16, 3.4e38, 3.38e38),
        (ml_dtypes.bfloat16, np.float16, -7e4, -65000.0),
        (np.float64, np.float32, 1e39, 3e38),
    ],
)
@pytest.mark.parametrize("block", [1 << 20, 64])
def test_weights_that_the_dtype_cannot_hold_are_counted(
    folder, tiny, monkeypatch, stored_as, asked, value, kept, block
) -> None:
    """Apart from those that are not finite as they are stored; the largest that it holds are no fault."""
    monkeypatch.setattr(streaming, "_BLOCK", block)
    tensors = {name: value.astype(stored_as) for name, value in safetensors.numpy.load_file(folder / hf.WEIGHTS).items()}
    up = tensors["model.layers.1.mlp.up_proj.weight"]
    up[0, :3], up[5, 7], up[6, 7] = kept, value, value
    up[9, 1] = np.inf
    safetensors.numpy.save_file(tensors, folder / hf.WEIGHTS)
    with pytest.warns(UserWarning, match="weights are") as told:
        found = _load(folder, tiny, asked, fsdp=4, tensor=2)
    place = f"{folder / hf.WEIGHTS}: model.layers.1.mlp.up_proj.weight"
    large = f"2 of 2,048 weights are too large for {np.dtype(asked).name}: expected a dtype that holds them, such as float32"
    assert [str(one.message) for one in told] == [f"{place}: 1 of 2,048 weights are not finite", f"{place}: {large}"]
    assert told[1].category is streaming.Overflow
    assert np.isinf(np.asarray(found["layers"]["mlp"]["up"]).astype(np.float64)).sum() == 3
