from __future__ import annotations

import io
import os
import pathlib
import pickle
import pickletools
import re
import struct
import subprocess
import sys
import tempfile
import time
import tracemalloc
import zipfile

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_store import memory_root

from jorney import storage
from jorney.convert import torch_bin
from jorney.convert.stored import StoredTensor, extent, read_bytes, row_major

BINS = pathlib.Path(__file__).parent / "bins"  # written by torch: tools/make_bin_fixtures.py
GOOD = sorted(file.name for file in BINS.glob("good.*.bin"))
SCRATCH = os.path.join(tempfile.gettempdir(), f"jorney-torch-bin-{os.getpid()}.bin")
FUZZ = settings(max_examples=300, deadline=1000)


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    with np.load(BINS / "expected.npz") as file:
        return dict(file)


@pytest.fixture(scope="module", autouse=True)
def _scratch():
    yield
    pathlib.Path(SCRATCH).unlink(missing_ok=True)


def _values(tensor: StoredTensor) -> np.ndarray:
    if tensor.shape:
        return tensor.rows(0, tensor.shape[0])
    return np.frombuffer(read_bytes(tensor.file, tensor.offset, tensor.dtype.itemsize), tensor.dtype).reshape(())


def _bits(array: np.ndarray) -> bytes:
    return np.ascontiguousarray(array).tobytes()


def _read(data: bytes) -> dict[str, StoredTensor]:
    pathlib.Path(SCRATCH).write_bytes(data)
    return torch_bin.read_header(SCRATCH)


def _refused(data: bytes) -> str:
    with pytest.raises(ValueError, match=SCRATCH) as error:
        _read(data)
    text = str(error.value)
    assert text.isprintable()
    assert len(text) < 2000
    return text.removeprefix(SCRATCH)


def _readable_or_refused(data: bytes) -> None:
    """Whatever the bytes: tensors that lie inside the file, or one error that names it."""
    try:
        tensors = _read(data)
    except ValueError as error:
        assert str(error).startswith(SCRATCH)  # noqa: PT017
        assert str(error).isprintable()  # noqa: PT017
        return
    for tensor in tensors.values():
        end = tensor.offset + extent(tensor.shape, tensor.strides) * tensor.dtype.itemsize
        assert 0 <= tensor.offset <= end <= len(data)
        assert _values(tensor).shape == tensor.shape


# What torch wrote.


@pytest.mark.parametrize("name", GOOD)
def test_values_are_those_that_torch_reads(name: str, expected: dict[str, np.ndarray]) -> None:
    case = name.split(".")[1]
    tensors = torch_bin.read_header(str(BINS / name))
    assert [f"{case}/{key}" for key in tensors] == [key for key in expected if key.startswith(f"{case}/")]
    for key, tensor in tensors.items():
        values = expected[f"{case}/{key}"]
        assert tensor.shape == values.shape
        if tensor.dtype != ml_dtypes.bfloat16:  # of which numpy's files know nothing
            assert tensor.dtype == values.dtype
        assert _bits(_values(tensor)) == _bits(values)
        for start in range(1, len(values) if values.shape else 0):
            assert _bits(tensor.rows(start, start + 1)) == _bits(values[start : start + 1])


def test_every_case_stands_in_every_format() -> None:
    assert len(GOOD) == 6 * 4
    assert {name.split(".")[2] for name in GOOD} == {"zip", "zip4", "legacy", "legacy4"}


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_views_share_their_storage(kind: str) -> None:
    tensors = torch_bin.read_header(str(BINS / f"good.shared.{kind}.bin"))
    assert tensors["whole"] == tensors["tied"]
    assert tensors["rows"].offset == tensors["whole"].offset + 2 * 4 * 4
    views = torch_bin.read_header(str(BINS / f"good.views.{kind}.bin"))
    assert views["transposed"].strides == (1, 5)
    assert views["expanded"].strides == (1, 0)
    assert views["stepped"].strides == (40, 5, 3)
    module = torch_bin.read_header(str(BINS / f"good.module.{kind}.bin"))
    assert module["0.weight"] == module["2.weight"]


@pytest.mark.parametrize("kind", ["zip", "legacy4"])
@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("payload", "asks for posix.system: only tensors are read: refused"),
        ("integers", "positions: dtype Long is not supported: expected one of F64, F32, F16, BF16"),
        ("float8", "asks for torch._utils._rebuild_tensor_v3"),
        ("negated", "calls torch._utils._rebuild_tensor_v2 with 7 arguments"),
        ("nested", "epoch: an int: expected a tensor"),
        ("optimizer", "state_dict: a dict: expected a tensor"),
        ("numbered", "has an int for a name"),
        ("tensor", "holds a tensor: expected a dict"),
        ("list", "holds a list: expected a dict"),
        ("whole_module", "asks for torch.nn.modules.linear.Linear"),
    ],
)
def test_what_is_no_flat_dict_of_tensors_is_refused(case: str, message: str, kind: str) -> None:
    file = BINS / f"bad.{case}.{kind}.bin"
    with pytest.raises(ValueError, match=message) as error:
        torch_bin.read_header(str(file))
    assert str(error.value).startswith(f"{file}: ")


@pytest.mark.parametrize("kind", ["zip", "legacy4"])
def test_a_pickle_that_runs_code_does_not(kind: str, tmp_path: pathlib.Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = BINS / f"bad.payload.{kind}.bin"
    with pytest.raises(ValueError, match="posix.system"):
        torch_bin.read_header(str(file))
    assert not list(tmp_path.iterdir())
    if kind == "zip":  # the same bytes, unpickled, do run it
        with zipfile.ZipFile(file) as archive:
            data = archive.read(next(name for name in archive.namelist() if name.endswith("/data.pkl")))
        _Trusting(io.BytesIO(data)).load()
        assert [file.name for file in tmp_path.iterdir()] == ["pwned"]


class _Trusting(pickle.Unpickler):
    """Takes what a pickle asks for, but torch."""

    def persistent_load(self, identity):
        return None

    def find_class(self, module: str, name: str):
        return (lambda *_: None) if module.startswith("torch") else super().find_class(module, name)


# Archives that others made, or that were damaged.


def _members(name: str) -> dict[str, bytes]:
    with zipfile.ZipFile(BINS / name) as archive:
        return {member: archive.read(member) for member in archive.namelist()}


def _archive(members: dict[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", kind) as archive:
        for member, data in members.items():
            archive.writestr(member, data)
    return buffer.getvalue()


SHARED = "good.shared.zip.bin"


def _edited(edits: dict[str, bytes | None]) -> bytes:
    members = _members(SHARED)
    for ending, data in edits.items():
        member = next(member for member in members if member.partition("/")[2] == ending)
        members[member] = data
    return _archive({member: data for member, data in members.items() if data is not None})


def test_archives_of_other_writers_are_read(expected, monkeypatch) -> None:
    whole = _bits(expected["shared/whole"])
    for data in (_edited({}), _edited({"byteorder": None, "version": None, ".format_version": None}), b"PK\3\4" + _edited({})):
        assert _bits(_values(_read(data)["whole"])) == whole
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)  # sizes, offsets and the table's own place in 64 bits
    data = _edited({})
    assert b"PK\6\6" in data
    assert _bits(_values(_read(data)["whole"])) == whole


def test_an_archive_beyond_32_bits(expected) -> None:
    """A real table of 64-bit offsets, over a hole of 5 GiB that takes no disk."""
    members = _members(SHARED)
    with open(SCRATCH, "wb") as stream, zipfile.ZipFile(stream, "w") as archive:
        for member, data in members.items():
            if member.endswith("/data/0"):
                archive.start_dir = stream.seek(5 << 30)
            archive.writestr(member, data)
    tensor = torch_bin.read_header(SCRATCH)["whole"]
    assert tensor.offset > 5 << 30
    assert _bits(_values(tensor)) == _bits(expected["shared/whole"])


def test_remote_files_are_read(expected) -> None:
    for name in (SHARED, "good.shared.legacy.bin"):
        file = f"{memory_root()}/{name}"
        storage.write_bytes(file, (BINS / name).read_bytes())
        assert _bits(torch_bin.read_header(file)["whole"].rows(1, 3)) == _bits(expected["shared/whole"][1:3])


def _flagged(data: bytes) -> bytes:
    """Every entry marked as encrypted, in the table and before its data."""
    out = bytearray(data)
    for signature, offset in ((b"PK\1\2", 8), (b"PK\3\4", 6)):
        position = data.find(signature)
        while position >= 0:
            out[position + offset] |= 1
            position = data.find(signature, position + 1)
    return bytes(out)


def _tabled(kind: int, stored: int, whole: int) -> bytes:
    """What the table says of data/0: how it is compressed, and its sizes before and after."""
    data = _edited({})
    at = data.rfind(b"PK\1\2", 0, data.rfind(b"/data/0"))
    return (
        data[: at + 10]
        + struct.pack("<H", kind)
        + data[at + 12 : at + 20]
        + struct.pack("<II", stored, whole)
        + data[at + 28 :]
    )


def _long_table(data: bytes) -> bytes:
    """The end of the table claims a table of 4 GiB."""
    end = data.rfind(b"PK\5\6")
    return data[: end + 12] + b"\xfe\xff\xff\xff\0\0\0\0" + data[end + 20 :]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (lambda: _archive(_members(SHARED), zipfile.ZIP_DEFLATED), "compressed or encrypted"),
        (lambda: _flagged(_edited({})), "compressed or encrypted"),
        (lambda: _edited({"byteorder": b"big"}), "byte order is b'big': expected little"),
        (lambda: _edited({"data.pkl": None}), "has no data.pkl"),
        (lambda: _edited({"data/0": None}), "has no data/0"),
        (lambda: _tabled(8, 96, 96), "data/0 is compressed"),
        (lambda: _tabled(0, 95, 96), "data/0 is compressed"),
        (lambda: _tabled(0, 1 << 24, 1 << 24), "data/0 is not where the zip archive's table says"),
        (lambda: _edited({"data/0": bytes(92)}), "data/0 has 92 bytes: expected 24 elements of 4"),
        (lambda: _edited({"data/0": bytes(100)}), "data/0 has 100 bytes: expected 24 elements of 4"),
        (lambda: _edited({"data.pkl": bytes(torch_bin._LONGEST_READ + 1)}), "expected at most 8,388,608"),
        (lambda: _edited({}).replace(b"PK\3\4", b"PK\3\5").replace(b"PK\3\5", b"PK\3\4", 1), "table says"),
        (lambda: _long_table(_edited({})), "Bad offset"),
        (lambda: _edited({})[:-1], "not a zip file"),
        (lambda: b"", "neither a zip archive nor a pickle"),
        (lambda: b"\x93NUMPY", "neither a zip archive nor a pickle"),
        (lambda: bytes(257) + b"ustar" + bytes(500), "is a tar archive"),
        (lambda: pickle.dumps({"weight": [1.0]}), "its pickle|pickle of something else"),
        (lambda: pickle.dumps(torch_bin._MAGIC) + pickle.dumps(1002), "pickle of something else"),
        (lambda: pickle.dumps(print), "asks for builtins.print"),
        (lambda: _archive({"a/b": b""}), "has no data.pkl"),
        (lambda: _archive({}), "neither a zip archive"),
    ],
)
def test_damaged_and_foreign_files_are_refused(data, message: str) -> None:
    assert re.search(message, _refused(data()))


def test_a_missing_file_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match="absent.bin: no such file"):
        torch_bin.read_header(str(tmp_path / "absent.bin"))


@pytest.mark.parametrize("name", [SHARED, "good.edges.zip.bin", "good.shared.legacy.bin", "good.views.legacy4.bin"])
def test_a_file_cut_anywhere_is_refused(name: str) -> None:
    data = (BINS / name).read_bytes()
    assert _read(data)
    for length in (*range(0, len(data) - 100, 5), *range(len(data) - 100, len(data))):
        _refused(data[:length])


# Pickles written by hand.


def _text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def _number(value: int) -> bytes:
    data = pickle.encode_long(value)
    return b"\x8a" + bytes([len(data)]) + data


def _tuple(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def _name(module: str, name: str) -> bytes:
    return f"c{module}\n{name}\n".encode()


ORDERED = _name("collections", "OrderedDict") + b")R"
NONE, TRUE = b"N", b"\x88"


def _stored(key: str = "0", numel: int = 6, kind: str = "FloatStorage", *view: bytes) -> bytes:
    return _tuple(_text("storage"), _name("torch", kind), _text(key), _text("cpu"), _number(numel), *view) + b"Q"


def _tensor(shape=(2, 3), strides=(3, 1), offset: int = 0, stored: bytes | None = None) -> bytes:
    sizes = [_tuple(*map(_number, numbers)) for numbers in (shape, strides)]
    arguments = _tuple(_stored() if stored is None else stored, _number(offset), *sizes, TRUE, ORDERED)
    return _name("torch._utils", "_rebuild_tensor_v2") + arguments + b"R"


def _state(*entries: tuple[str, bytes]) -> bytes:
    return b"\x80\x02}(" + b"".join(_text(name) + value for name, value in entries) + b"u."


def _zip(data: bytes, count: int = 6) -> bytes:
    return _archive({"x/data.pkl": data, "x/byteorder": b"little", "x/data/0": np.arange(count, dtype=np.float32).tobytes()})


def _legacy(data: bytes, keys=("0",), storages: bytes | None = None, little: object = True) -> bytes:
    start = (torch_bin._MAGIC, torch_bin._PROTOCOL, {"little_endian": little, "protocol_version": 1001})
    if storages is None:
        storages = struct.pack("<q", 6) + np.arange(6, dtype=np.float32).tobytes()
    return b"".join(pickle.dumps(value, 2) for value in start) + data + pickle.dumps(list(keys), 2) + storages


OLD = (
    _name("torch._utils", "_rebuild_tensor") + _tuple(_stored(), _number(2), _number(2) + b"\x85", _number(2) + b"\x85") + b"R"
)


def test_handwritten_pickles_are_read_as_meant() -> None:
    state = _state(("new", _tensor()), ("old", OLD))
    legacy = _legacy(_state(("new", _tensor(stored=_stored("0", 6, "FloatStorage", NONE))), ("old", OLD)))
    for data in (_zip(state), legacy):
        tensors = _read(data)
        np.testing.assert_array_equal(_values(tensors["new"]), np.arange(6).reshape(2, 3))
        np.testing.assert_array_equal(_values(tensors["old"]), [2, 4])


def test_an_empty_view_lies_in_the_file_wherever_it_says_it_begins() -> None:
    data = _zip(_state(("x", _tensor((0, 3), (3, 1), 1 << 40))))
    assert _read(data)["x"].offset < len(data)


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (_tensor((2, 4), (4, 1)), "shape [2, 4] with strides [4, 1] from element 0 reaches beyond a storage of 6"),
        (_tensor(offset=1), "from element 1 reaches beyond"),
        (_tensor(offset=-1), "none of them negative"),
        (_tensor((-2, 3)), "none of them negative"),
        (_tensor(strides=(3, -1)), "none of them negative"),
        (_tensor((1 << 62, 0)), "absurd"),
        (_tensor((1 << 50, 1 << 50), (0, 0)), "absurdly many"),
        (_tensor((0, 1 << 50, 1 << 50), (1, 1, 1)), "absurdly many"),
        (_tensor((1,), (1 << 62,)), "absurd"),
        (_tensor((1,) * 9, (1,) * 9), "at most 8 axes"),
        (_tensor((2, 3), (1,)), "a size and a stride for each"),
        (_tensor().replace(_number(2), TRUE, 1), "whole sizes"),
        (_tensor().replace(_number(2), b"]", 1), "whole sizes"),
        (_tensor().replace(_tuple(_number(2), _number(3)), b"]", 1), "a size and a stride"),
        (_tensor(stored=_stored(kind="BoolStorage")), "dtype Bool is not supported"),
        (NONE, "a nonetype: expected a tensor"),
        (_name("collections", "OrderedDict"), "a global: expected a tensor"),
        (_stored(), "a storage: expected a tensor"),
    ],
)
def test_impossible_tensors_are_refused_by_name(tensor: bytes, message: str) -> None:
    for data in (_zip(_state(("a.weight", tensor))), _legacy(_state(("a.weight", tensor)))):
        text = _refused(data)
        assert text.startswith(": a.weight: ")
        assert message in text


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (_state(("x", _tensor(stored=_stored(numel=-1)))), "other than a storage"),
        (_state(("x", _tensor(stored=_stored(numel=1 << 62)))), "other than a storage"),
        (_state(("x", _tensor()), ("y", _tensor(stored=_stored(kind="HalfStorage")))), "storage 0 in two ways"),
        (
            _state(("x", _tensor(stored=_stored("0", 6, "FloatStorage", _tuple(_text("1"), _number(0), _number(6)))))),
            "a view of",
        ),
        (_state(("x", _text("module") + b"Q")), "other than a storage"),
        (_state(("x", b"}NbN")), "gives attributes to a dict|fills"),
        (_state(("x", _name("posix", "system") + b"0")), "asks for posix.system"),
        (_state(("x", _name("__builtin__", "eval"))), "asks for __builtin__.eval"),
        (_state(("x", _name("torch", "FloatStorage") + b")R")), "calls torch.FloatStorage with 0 arguments"),
        (_state(("x", ORDERED[:-1] + b"\x81")), "the operation NEWOBJ"),
        (b"\x80\x02(iposix\nsystem\n.", "the operation INST"),
        (b"\x80\x02I1\n.", "the operation INT"),
        (b"\x80\x04" + _text("posix") + _text("system") + b"\x93.", "asks for posix.system"),
        (b"\x80\x04NN\x93.", "a name that is no text"),
        (b"\x80\x02" + _name("torch._utils", "\\d") + b".", "asks for torch._utils|escape"),
        (b"\x80\x02.", "takes what it has not made"),
        (b"\x80\x02t.", "takes what it has not made"),
        (b"\x80\x02h\x07.", "takes what it has not made"),
        (b"\x80\x02q\x07.", "takes what it has not made"),
        (b"\x80\x02N\x87.", "takes what it has not made"),
        (b"\x80\x02}(Nu.", "shorter|longer"),
        (b"\x80\x02NNa.", "fills a nonetype"),
        (b"\x80\x02NNNs.", "fills a nonetype"),
        (b"\x80\x02NNR.", "calls what is no function"),
        (b"\x80\x02\xff.", "unknown"),
        (b"\x80\x02X\xff\xff\xff\xff.", "expected 4294967295 bytes in a unicodestring4"),
        (b"\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\x7f.", "expected 9223372036854775807 bytes"),
        (_state(("\ud800", _tensor())), "surrogates not allowed"),
        (_state(("x\x1b[31m\n" + "y" * 5000, NONE)), "x1b"),
    ],
)
def test_hostile_pickles_are_refused(data: bytes, message: str) -> None:
    for file in (_zip(data), _legacy(data)):
        assert re.search(message, _refused(file))


def test_a_pickle_without_an_end_is_refused() -> None:
    assert "exhausted" in _refused(_zip(b"\x80\x02]"))
    assert "not enough data" in _refused(_zip(b"\x80\x04\x95"))


def test_legacy_storages_are_those_of_the_tensors() -> None:
    state, numbers = _state(("x", _tensor())), np.arange(6, dtype=np.float32).tobytes()
    assert "byte order" in _refused(_legacy(state, little=False))
    assert "lists storages" in _refused(_legacy(state, keys=("0", "1")))
    assert "lists storages" in _refused(_legacy(state, keys=([],)))
    assert "x: its storage 0 is not listed" in _refused(_legacy(state, keys=()))
    for count in (-1, 0, 5, 7, 1 << 60):
        assert f"storage 0 has {count:,} elements" in _refused(_legacy(state, storages=struct.pack("<q", count) + numbers))
    bools = (
        b"\x80\x02" + ORDERED + b"}(" + _text("a") + _stored("1", 2, "BoolStorage") + b"ub(" + _text("x") + _tensor() + b"u."
    )
    assert "storage 1: dtype Bool" in _refused(_legacy(bools, keys=("1", "0")))


def test_no_depth_and_no_choice_of_keys_costs_more_than_its_bytes() -> None:
    """Nesting that would exhaust a stack when hashed or printed; keys that would collide; lengths that would fill memory."""
    many = 100_000
    collide = b"".join(b"\x8a\x0c" + (((1 << 61) - 1) * n).to_bytes(12, "little") + NONE for n in range(1, many))
    hostile = {
        "tuples": b"\x80\x02)" + b"\x85" * many + b".",
        "lists": b"\x80\x02" + b"]" * many + b"a" * (many - 1) + b".",
        "keys": b"\x80\x02})" + b"\x85" * many + b"Ns.",
        "arguments": b"\x80\x02" + ORDERED[:-2] + b")" + b"\x85" * many + b"R.",
        "shape": _state(("x", _tensor().replace(_number(2), b")" + b"\x85" * many, 1))),
        "cycle": b"\x80\x02}q\0" + _text("x") + b"h\0s.",
        "doubling": b"\x80\x02)" + b"q\0h\0\x86" * many + b".",
        "marks": b"\x80\x02" + b"(" * many + b".",
        "collisions": b"\x80\x02}(" + collide + b"u.",
    }
    for case, data in hostile.items():
        for file in (_zip(data), _legacy(data)):
            begin = time.perf_counter()
            _refused(file)
            assert time.perf_counter() - begin < 10, case


def test_no_claimed_length_is_believed() -> None:
    claims = [
        _long_table(_edited({})),
        _zip(b"\x80\x02X\xff\xff\xff\xff."),
        _legacy(_state(("x", _tensor((1 << 40,), (1,), 0, _stored(numel=1 << 40)))), storages=struct.pack("<q", 1 << 40)),
        _zip(_state(("x", _tensor((1 << 40,), (1,), 0, _stored(numel=1 << 40))))),
    ]
    for data in claims:
        tracemalloc.start()
        _refused(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 << 20


# Anything at all.


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    data = bytearray((BINS / draw(st.sampled_from(GOOD))).read_bytes())
    for _ in range(draw(st.integers(1, 4))):
        if not data:
            break
        where, piece = draw(st.integers(0, len(data) - 1)), draw(st.binary(min_size=1, max_size=9))
        match draw(st.sampled_from(["flip", "overwrite", "insert", "delete", "cut", "copy"])):
            case "flip":
                data[where] ^= 1 << draw(st.integers(0, 7))
            case "overwrite":
                data[where : where + len(piece)] = piece
            case "insert":
                data[where:where] = piece
            case "delete":
                del data[where : where + len(piece)]
            case "cut":
                del data[where:]
            case "copy":
                other = draw(st.integers(0, len(data) - 1))
                data[where : where + 40] = data[other : other + 40]
    return bytes(data)


@given(_damaged())
@FUZZ
def test_damaged_files_are_read_within_themselves_or_refused(data: bytes) -> None:
    _readable_or_refused(data)


@given(st.sampled_from(GOOD), st.data())
@FUZZ
def test_damaged_pickles_are_read_or_refused(name: str, data: st.DataObject) -> None:
    """Aimed at the pickle, which is a small part of a file, with numbers and operations that mean something."""
    content = bytearray((BINS / name).read_bytes())
    begin = 64 if name.endswith((".zip.bin", ".zip4.bin")) else 137  # where torch aligns data.pkl; past the system's sizes
    for _ in range(data.draw(st.integers(1, 3))):
        where = data.draw(st.integers(begin, min(begin + 900, len(content) - 1)))
        content[where] = data.draw(st.sampled_from(b"\0\1\x02\x7f\x80\xff" + _OPERATIONS))
    _readable_or_refused(bytes(content))


_OPERATIONS = b"".join(operation.code.encode("latin-1") for operation in pickletools.opcodes)
_SMALL = st.integers(0, 3)
_INTEGERS = st.one_of(
    _SMALL, _SMALL, st.integers(-2, 8), st.sampled_from([1 << 31, (1 << 59) + 1, 1 << 62, 1 << 64, -(1 << 70)])
)
_SIZES = st.one_of(st.lists(_SMALL, max_size=3), st.lists(_INTEGERS, max_size=4))


@st.composite
def _entry(draw: st.DrawFn) -> bytes:
    shape = draw(_SIZES)
    strides = draw(st.lists(_INTEGERS, min_size=len(shape), max_size=len(shape))) if draw(st.booleans()) else row_major(shape)
    return _text(draw(st.text(max_size=2))) + _tensor(shape, strides, draw(_INTEGERS))


@st.composite
def _fragment(draw: st.DrawFn) -> bytes:
    match draw(st.integers(0, 5)):
        case 0:
            return bytes([draw(st.sampled_from(_OPERATIONS))]) + draw(st.binary(max_size=3))
        case 1:
            return draw(
                st.sampled_from([b"(", b"t", b"u", b"s", b"a", b"e", b"R", b"b", b"Q", b"}", b"]", b")", b"0", b"2", b"\x94"])
            )
        case 2:
            return _number(draw(_INTEGERS)) if draw(st.booleans()) else _text(draw(st.text(max_size=3)))
        case 3:
            return draw(st.sampled_from([b"q", b"h"])) + bytes([draw(st.integers(0, 3))])
        case 4:
            names = sorted(torch_bin._STORAGES) + sorted(torch_bin._FUNCTIONS) + ["os.system", "builtins.eval"]
            return _name(*draw(st.sampled_from(names)).rsplit(".", 1))
        case _:
            kind = draw(st.sampled_from(["FloatStorage", "HalfStorage", "LongStorage"]))
            return _stored(draw(st.sampled_from(["0", "1", ""])), draw(_INTEGERS), kind)


@given(st.lists(st.one_of(_entry(), _entry(), _fragment()), max_size=8), st.booleans(), st.booleans())
@FUZZ
def test_any_stream_of_operations_is_read_or_refused(fragments: list[bytes], framed: bool, in_zip: bool) -> None:
    data = b"\x80\x02}(" + b"".join(fragments) + b"u." if framed else b"\x80\x02" + b"".join(fragments) + b"."
    _readable_or_refused(_zip(data) if in_zip else _legacy(data))


# Against torch itself, where it is installed.


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_views_that_torch_writes_now(data: st.DataObject) -> None:
    torch = pytest.importorskip("torch", reason="writing .bin files needs torch: make parity")
    dtypes = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    tensors = {}
    for name in ("a", "b.weight"):
        dtype = data.draw(st.sampled_from(dtypes))
        shape = data.draw(st.lists(st.integers(0, 4), max_size=4))
        strides = data.draw(st.lists(st.integers(0, 9), min_size=len(shape), max_size=len(shape)))
        offset = data.draw(st.integers(0, 5))
        base = torch.randint(-(1 << 15), 1 << 15, (offset + extent(tuple(shape), tuple(strides)) + 2,)).to(dtype)
        tensors[name] = torch.as_strided(base, shape, strides, offset)
        if data.draw(st.booleans()):
            tensors[name] = torch.nn.Parameter(tensors[name])
    tensors["tied"] = tensors["a"]
    buffer = io.BytesIO()
    protocol, in_zip = data.draw(st.sampled_from([2, 3, 4, 5])), data.draw(st.booleans())
    torch.save(tensors, buffer, pickle_protocol=protocol, _use_new_zipfile_serialization=in_zip)
    for name, found in _read(buffer.getvalue()).items():
        tensor = tensors[name].detach()
        assert found.shape == tuple(tensor.shape)
        assert str(found.dtype) == str(tensor.dtype).removeprefix("torch.")
        assert _bits(_values(found)) == _bits(
            tensor.reshape(-1).clone(memory_format=torch.contiguous_format).view(torch.int16).numpy()
        )


def test_torch_is_not_imported() -> None:
    code = (
        "import sys; from jorney.convert import torch_bin; "
        f"torch_bin.read_header({str(BINS / SHARED)!r}); assert 'torch' not in sys.modules, 'torch was imported'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
