"""The safetensors format: bit for bit with the library, both ways; and whatever else a file may hold."""

from __future__ import annotations

import io
import json
import math
import pathlib
import time
import tracemalloc
from collections.abc import Mapping

import ml_dtypes
import numpy as np
import pytest
import safetensors
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jorney.convert import safetensors as reader
from jorney.convert.safetensors import DTYPES, read_header, write

SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(lambda name: name != "__metadata__")


@st.composite
def arrays(draw: st.DrawFn) -> np.ndarray:
    """Any bits of any dtype: infinities, payloads of NaN and negative zeros among them."""
    dtype = draw(st.sampled_from(list(DTYPES.values())))
    shape = tuple(draw(st.lists(st.integers(0, 4), max_size=4)))
    data = draw(st.binary(min_size=dtype.itemsize * math.prod(shape), max_size=dtype.itemsize * math.prod(shape)))
    return np.frombuffer(data, dtype).reshape(shape)


def write_all(file: pathlib.Path, tensors: Mapping[str, np.ndarray]) -> None:
    write(file, [(name, value.dtype, value.shape) for name, value in tensors.items()], tensors.__getitem__)


def read_all(file: pathlib.Path) -> dict[str, np.ndarray]:
    """All tensors, in rows; those of no axes, which no model has, as one row."""
    found = {}
    for name, tensor in read_header(str(file)).items():
        if tensor.shape:
            found[name] = tensor.rows(0, tensor.shape[0])
        else:
            found[name] = tensor._replace(shape=(1,), strides=(1,)).rows(0, 1).reshape(())
    return found


def same(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert (found[name].dtype, found[name].shape) == (value.dtype, value.shape)
        assert found[name].tobytes() == value.tobytes()


# With the library.


@settings(SETTINGS, max_examples=150)
@given(st.dictionaries(NAMES, arrays(), max_size=5))
def test_the_library_reads_what_is_written(tmp_path: pathlib.Path, tensors: dict[str, np.ndarray]) -> None:
    file = tmp_path / "x.safetensors"
    write_all(file, tensors)
    same(safetensors.numpy.load_file(file), tensors)
    same(read_all(file), tensors)
    # The data is aligned.
    assert int.from_bytes(file.read_bytes()[:8], "little") % 8 == 0
    with safetensors.safe_open(file, "numpy") as stored:
        assert stored.metadata() == {"format": "pt"}  # which transformers asks for


@settings(SETTINGS, max_examples=150)
@given(st.dictionaries(NAMES, arrays(), max_size=5), st.none() | st.dictionaries(NAMES, st.text(max_size=5), min_size=1))
def test_what_the_library_writes_is_read(tmp_path: pathlib.Path, tensors: dict, metadata: dict | None) -> None:
    # With empty metadata and no tensor, version 0.8 writes a file that it cannot read itself.
    file = tmp_path / "x.safetensors"
    safetensors.numpy.save_file(tensors, file, metadata)
    same(read_all(file), tensors)


@settings(SETTINGS, max_examples=50)
@given(st.integers(0, 7), st.integers(0, 7), st.sampled_from(list(DTYPES.values())))
def test_rows_are_slices(tmp_path: pathlib.Path, start: int, stop: int, dtype: np.dtype) -> None:
    value = np.arange(7 * 6).reshape(7, 2, 3).astype(dtype)
    write_all(tmp_path / "x.safetensors", {"other": np.ones(3, np.float16), "x": value})
    tensor = read_header(str(tmp_path / "x.safetensors"))["x"]
    np.testing.assert_array_equal(tensor.rows(start, stop), value[start:stop])


def test_the_writer_asks_for_one_tensor_at_a_time(tmp_path: pathlib.Path) -> None:
    """Gigabytes of weights are never held together."""
    asked = []

    def read(name: str) -> np.ndarray:
        asked.append(name)
        return np.full(250_000, len(asked), np.float32)

    names = [f"layer {i}" for i in range(20)]
    tracemalloc.start()
    write(tmp_path / "x.safetensors", [(name, np.dtype(np.float32), (250_000,)) for name in names], read)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert asked == names
    assert peak < 4_000_000  # of 20,000,000
    assert float(read_header(str(tmp_path / "x.safetensors"))["layer 19"].rows(0, 1)[0]) == 20


# Broken files.

GOOD = {
    "embedding": np.arange(40, dtype=np.float32).reshape(8, 5),
    "norm": np.ones(5, np.float16),
    "head": np.ones((3, 5), ml_dtypes.bfloat16),
    "empty": np.zeros((0, 5), np.float64),
}


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> bytes:
    file = tmp_path_factory.mktemp("good") / "x.safetensors"
    write_all(file, GOOD)
    return file.read_bytes()


def gives_data_or_a_reason(file: pathlib.Path, data: bytes) -> None:
    """Within the file's own size in memory, and at once."""
    file.write_bytes(data)
    tracemalloc.start()
    start = time.perf_counter()
    try:
        found = read_all(file)
    except ValueError as error:
        assert str(file) in str(error)  # noqa: PT017
        assert len(str(error)) < 1000 + len(data)  # noqa: PT017
    else:
        for name, tensor in read_header(str(file)).items():
            assert tensor.offset + found[name].nbytes <= len(data)
            assert found[name].nbytes <= len(data)
            assert found[name].tobytes() == data[tensor.offset : tensor.offset + found[name].nbytes]
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 1_000_000 + 50 * len(data)
    assert time.perf_counter() - start < 5


@settings(SETTINGS, max_examples=300)
@given(st.data())
def test_broken_bytes(tmp_path: pathlib.Path, good: bytes, data: st.DataObject) -> None:
    """Bytes flipped, cut off, inserted, left out: most often in the header, which decides about the rest."""
    length = 8 + int.from_bytes(good[:8], "little")
    broken = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, min(length, len(broken) - 1)) | st.integers(0, len(broken) - 1))
        how = data.draw(st.sampled_from(["flip", "set", "cut", "insert", "remove", "digit"]))
        if how == "flip":
            broken[at] ^= 1 << data.draw(st.integers(0, 7))
        elif how == "set":
            broken[at] = data.draw(st.sampled_from(b'0123456789-.,:[]{}"eN \xff\x00'))
        elif how == "digit" and broken[at : at + 1].isdigit():
            broken[at] = data.draw(st.sampled_from(b"0123456789"))
        elif how == "cut":
            del broken[at:]
        elif how == "insert":
            broken[at:at] = data.draw(st.binary(min_size=1, max_size=8))
        elif how == "remove":
            del broken[at : at + data.draw(st.integers(1, 8))]
        if not broken:
            break
    gives_data_or_a_reason(tmp_path / "x.safetensors", bytes(broken))


ENTRY = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}
NUMBERS = st.integers(-3, 30) | st.integers() | st.sampled_from([2**31, 2**62, 2**64, 10**400]) | st.floats() | st.booleans()
VALUES = st.none() | NUMBERS | st.text(max_size=3) | st.lists(NUMBERS, max_size=4) | st.sampled_from(["F32", "I64", "BF16"])


@settings(SETTINGS, max_examples=300)
@given(
    st.dictionaries(
        st.text(max_size=3) | st.just("__metadata__"),
        st.fixed_dictionaries({}, optional=dict.fromkeys(ENTRY, VALUES)).map(lambda changes: {**ENTRY, **changes}) | VALUES,
        max_size=3,
    )
    | VALUES
)
def test_any_json_as_a_header(tmp_path: pathlib.Path, header: object) -> None:
    text = json.dumps(header).encode()
    gives_data_or_a_reason(tmp_path / "x.safetensors", len(text).to_bytes(8, "little") + text + bytes(24))


def entry(**stated: object) -> str:
    return json.dumps({"x": {**ENTRY, **stated}})


EXPECTED = "expected dtype, shape and data_offsets in the header"
HEADERS = {
    "nested arrays": ("[" * 100_000, "is not JSON"),
    "nested objects": ('{"a":' * 100_000, "is not JSON"),
    "closed": ('{"x":' + "[" * 50_000 + "]" * 50_000 + "}", "is not JSON"),
    "twice": (entry()[:-1] + ", " + entry()[1:], r"is not JSON \(a name stands twice\)"),
    "twice within": ('{"x": {"dtype": "F32", "dtype": "F16", "shape": [2, 3], "data_offsets": [0, 24]}}', "stands twice"),
    "NaN": (entry(shape=[math.nan, 3]), r"is not JSON \(NaN is no number\)"),
    "infinity": (entry(data_offsets=[0, math.inf]), "Infinity is no number"),
    "endless number": ('{"x": ' + "9" * 100_000 + "}", "is not JSON"),
    "not UTF-8": ("\udcff{}", "is not JSON"),
    "nothing": ("", "is not JSON"),
    "array": ("[]", r"is not JSON \(not an object\)"),
    "string": ('"x"', r"is not JSON \(not an object\)"),
    "negative": (entry(shape=[-2, -3]), EXPECTED),
    "negative offsets": (entry(data_offsets=[-24, 0]), EXPECTED),
    "backwards": (entry(data_offsets=[24, 0]), "bytes 24 to 0 do not hold"),
    "fractions": (entry(shape=[2.0, 3]), EXPECTED),
    "words": (entry(shape=["2", "3"]), EXPECTED),
    "a word": (entry(shape="23"), EXPECTED),
    "truths": (entry(shape=[True, 6]), EXPECTED),
    "three offsets": (entry(data_offsets=[0, 12, 24]), EXPECTED),
    "no shape": ('{"x": {"dtype": "F32", "data_offsets": [0, 24]}}', EXPECTED),
    "no entry": ('{"x": null}', EXPECTED),
    "list of lists": (entry(shape=[[2], [3]]), EXPECTED),
    "too long": (entry(data_offsets=[0, 28], shape=[7]), "within a file of"),
    "beyond": (entry(data_offsets=[24, 48]), "bytes 24 to 48 do not hold"),
    "too many": (entry(shape=[2**62, 2**62]), "do not hold"),
    "too large": (entry(shape=[0, 2**64]), EXPECTED),
    "many axes": (entry(shape=[1] * 65 + [2, 3]), EXPECTED),
    "endless shape": (entry(shape=[2**62] * 20_000), EXPECTED),
    "integers": (entry(dtype="I64", shape=[3]), "dtype 'I64' is not supported: expected one of F64, F32, F16, BF16"),
    "no dtype": (entry(dtype=None), "dtype None is not supported"),
    "list of dtypes": (entry(dtype=["F32"]), r"dtype \['F32'\] is not supported"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_hostile_headers_are_named(tmp_path: pathlib.Path, name: str) -> None:
    text, message = HEADERS[name]
    data = text.encode(errors="surrogateescape")
    data = len(data).to_bytes(8, "little") + data + bytes(24)
    gives_data_or_a_reason(tmp_path / "x.safetensors", data)
    with pytest.raises(ValueError, match=message):
        read_header(str(tmp_path / "x.safetensors"))


def test_data_may_end_where_the_file_does(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "x.safetensors"
    for text, shape in ((entry(), (2, 3)), (entry(shape=[1] * 62 + [2, 3]), (1,) * 62 + (2, 3)), (entry(shape=[6]), (6,))):
        file.write_bytes(len(text).to_bytes(8, "little") + text.encode() + np.arange(6, dtype=np.float32).tobytes())
        (value,) = read_all(file).values()
        np.testing.assert_array_equal(value, np.arange(6).reshape(shape))


@pytest.mark.parametrize("claimed", [0xFFFF_FFFF_FFFF_FFFF, 1 << 63, 1 << 40, 100_000_001, 41])
def test_a_huge_header_is_not_read(tmp_path: pathlib.Path, claimed: int) -> None:
    gives_data_or_a_reason(tmp_path / "x.safetensors", claimed.to_bytes(8, "little") + b" " * 40)
    with pytest.raises(ValueError, match=f"its header claims {claimed} bytes of a file of 48"):
        read_header(str(tmp_path / "x.safetensors"))


def test_a_header_beyond_the_formats_limit_is_not_read(tmp_path: pathlib.Path, monkeypatch) -> None:
    """However large the file."""
    file = tmp_path / "x.safetensors"
    with file.open("wb") as stream:
        stream.write((100_000_001).to_bytes(8, "little"))
        stream.truncate(200_000_000)  # without taking room
    with pytest.raises(ValueError, match="claims 100000001 bytes of a file of 200000000"):
        read_header(str(file))


@pytest.mark.parametrize("size", range(8))
def test_files_too_short_for_a_header(tmp_path: pathlib.Path, size: int) -> None:
    (tmp_path / "x.safetensors").write_bytes(bytes(size))
    with pytest.raises(ValueError, match=f"x.safetensors: {size} bytes: expected a safetensors file"):
        read_header(str(tmp_path / "x.safetensors"))


def test_a_file_that_shrinks_after_its_header_was_read(tmp_path: pathlib.Path, good: bytes) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(good)
    tensors = read_header(str(file))
    file.write_bytes(good[:-10])
    with pytest.raises(ValueError, match=f"{file}: ends 10 bytes early: expected a complete file"):
        tensors["head"].rows(0, 3)


def test_no_file(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/x.safetensors: no such file"):
        read_header(f"{tmp_path}/x.safetensors")


def test_a_failed_write_leaves_nothing(tmp_path: pathlib.Path) -> None:
    def read(name: str) -> np.ndarray:
        raise OSError(28, "no space")

    with pytest.raises(OSError, match="no space"):
        write(tmp_path / "x.safetensors", [("x", np.dtype(np.float32), (3,))], read)
    assert list(tmp_path.iterdir()) == []


def test_dtypes_are_the_librarys() -> None:
    stream = io.BytesIO(safetensors.numpy.save({name: np.zeros(1, dtype) for name, dtype in DTYPES.items()}))
    length = int.from_bytes(stream.read(8), "little")
    header = json.loads(stream.read(length))
    assert {name: header[name]["dtype"] for name in DTYPES} == {name: name for name in DTYPES}
    assert reader.DTYPES["BF16"] == ml_dtypes.bfloat16
