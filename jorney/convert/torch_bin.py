"""Reading PyTorch's `.bin` state dicts, without torch and without running what their pickles ask for.

A pickle is a program that may name any function of any module. Here it is parsed, never executed: a small interpreter
knows the few operations by which torch writes tensors, and a name outside its list ends the reading where it stands.
Nothing in a pickle is hashed, compared or printed whole, so that no depth or choice of values costs more than its bytes.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
import zipfile
from collections.abc import Callable
from typing import IO, Any, NamedTuple

from jorney import storage
from jorney.convert.safetensors import DTYPES
from jorney.convert.stored import StoredTensor, extent

_KINDS = {"Double": "F64", "Float": "F32", "Half": "F16", "BFloat16": "BF16"}
# Known only so that an error can say which tensor is of such a dtype.
_OTHERS = ("Long", "Int", "Short", "Char", "Byte", "Bool", "ComplexFloat", "ComplexDouble")
_STORAGES = {f"torch.{kind}Storage": _KINDS.get(kind, kind) for kind in (*_KINDS, *_OTHERS)}
_FUNCTIONS = {
    "collections.OrderedDict",
    "torch._utils._rebuild_tensor",  # before torch 0.4
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
}
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # the first values of a file before torch 1.6
_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, lengths of name and extra field
_LONGEST_READ = 8 << 20  # a pickle takes some 200 bytes a tensor: 40,000 tensors; a zip archive's table takes less
_MOST_AXES = 8
_LARGEST_NUMBER = 1 << 59  # elements: their bytes still fit numpy's 64 bits


class _Dict(NamedTuple):
    """A dict or an OrderedDict: pairs, because keys that a file chose are not to be hashed."""

    ordered: bool
    items: list[tuple[Any, Any]]


class _Global(NamedTuple):
    """A name that is on the lists above; never imported."""

    name: str


class _Storage(NamedTuple):
    """Numbers that tensors are views of: `numel` elements of a dtype, under a key in the file."""

    dtype: str
    key: str
    numel: int


class _Tensor(NamedTuple):
    """A view of a storage, in elements. What a file says of it is unchecked before `_check`."""

    storage: _Storage
    offset: Any
    shape: Any
    strides: Any


class _Bounded:
    """A stream of which only short pieces are read, whatever length a file claims for them."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self.size = size
        self._stream = stream

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, length: int | None = -1) -> bytes:
        if length is None or length < 0:
            length = self.size - self.tell()
        if length > _LONGEST_READ:
            raise ValueError(f"{length:,} bytes of names: expected at most {_LONGEST_READ:,}")
        return self._stream.read(length)

    def read_at(self, offset: int, length: int) -> bytes:
        if not 0 <= offset <= self.size - length:
            raise ValueError(f"{length:,} bytes at {offset:,} are not in its {self.size:,}: expected a complete file")
        self.seek(offset)
        return self.read(length)


def read_header(file: str) -> dict[str, StoredTensor]:
    """{name: StoredTensor} of a state dict that `torch.save` wrote, in its zip format or in the one before torch 1.6.

    A tensor keeps the strides it was saved with; one of no axes has no rows to be read.

    Raises:
      FileNotFoundError, ValueError: name the file and what is wrong with it.
    """
    where = storage.path(file)
    if not where.exists():
        raise FileNotFoundError(f"{file}: no such file")
    try:
        with where.open("rb") as opened:
            stream = _Bounded(opened, where.stat().length)
            start = stream.read(min(stream.size, 512))
            if start.startswith(b"PK\x03\x04"):
                tensors, offsets = _read_zip(stream)
            elif start.startswith(b"\x80"):  # a pickle's protocol
                tensors, offsets = _read_legacy(stream)
            else:
                found = "a tar archive" if start[257:262] == b"ustar" else "neither a zip archive nor a pickle"
                raise ValueError(f"is {found}: expected a file that torch.save wrote")
    # What the libraries raise on damaged input; warnings too, where a caller has made them errors.
    except (ValueError, zipfile.BadZipFile, struct.error, NotImplementedError, RuntimeError, OverflowError, Warning) as error:
        raise ValueError(f"{file}: {_shown(str(error))}") from None
    result = {}
    for name, (stored, offset, shape, strides) in tensors.items():
        dtype = DTYPES[stored.dtype]
        first = 0 if 0 in shape else offset  # an empty view may begin beyond its storage
        result[name] = StoredTensor(file, dtype, shape, strides, offsets[stored.key] + first * dtype.itemsize)
    return result


def _read_zip(stream: _Bounded) -> tuple[dict[str, _Tensor], dict[str, int]]:
    """The tensors, and where in the file each storage begins."""
    with zipfile.ZipFile(stream) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
    prefix = next(iter(entries), "").partition("/")[0]

    def find(name: str) -> tuple[int, int]:
        """Offset and length of an entry. Its checksum is not looked at: torch can be told to write none that is valid."""
        entry = entries.get(f"{prefix}/{name}")
        if entry is None:
            raise ValueError(f"has no {name}: expected a zip archive that torch.save wrote")
        if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1 or entry.compress_size != entry.file_size:
            raise ValueError(f"{name} is compressed or encrypted: expected it stored as it is")
        signature, *lengths = _LOCAL_HEADER.unpack(stream.read_at(entry.header_offset, _LOCAL_HEADER.size))
        begin = entry.header_offset + _LOCAL_HEADER.size + sum(lengths)
        if signature != b"PK\x03\x04" or begin + entry.file_size > stream.size:
            raise ValueError(f"{name} is not where the zip archive's table says: expected a complete file")
        return begin, entry.file_size

    if f"{prefix}/byteorder" in entries:
        order = stream.read_at(*find("byteorder"))
        if order != b"little":
            raise ValueError(f"its byte order is {order[:20]!r}: expected little")
    storages: dict[str, _Storage] = {}
    tensors = _state_dict(_interpret(io.BytesIO(stream.read_at(*find("data.pkl"))), storages))
    offsets = {}
    for key in dict.fromkeys(tensor.storage.key for tensor in tensors.values()):  # in order: the first fault is named
        _, _, numel = storages[key]
        itemsize = DTYPES[storages[key].dtype].itemsize
        offsets[key], length = find(f"data/{key}")
        if length // itemsize != numel:
            raise ValueError(f"data/{key} has {length:,} bytes: expected {numel:,} elements of {itemsize}")
    return tensors, offsets


def _read_legacy(stream: _Bounded) -> tuple[dict[str, _Tensor], dict[str, int]]:
    """As `_read_zip`. Five pickles, then of each storage that the fifth lists the count of its elements and their bytes."""
    pickles = io.BytesIO(stream.read_at(0, min(stream.size, _LONGEST_READ)))
    if _interpret(pickles, {}) != _MAGIC or _interpret(pickles, {}) != _PROTOCOL:
        raise ValueError("is a pickle of something else: expected a file that torch.save wrote")
    system = _interpret(pickles, {})
    if not isinstance(system, _Dict) or not any(key == "little_endian" and value is True for key, value in system.items):
        raise ValueError("its byte order is not little: expected little")
    storages: dict[str, _Storage] = {}
    tensors = _state_dict(_interpret(pickles, storages))
    keys = _interpret(pickles, {})
    if type(keys) is not list or any(type(key) is not str or key not in storages for key in keys):
        raise ValueError("lists storages that its tensors do not have")
    offsets, position = {}, pickles.tell()
    for key in keys:
        dtype, _, numel = storages[key]
        if dtype not in DTYPES:
            raise ValueError(f"storage {key}: {_unsupported(dtype)}")
        count = int.from_bytes(stream.read_at(position, 8), "little", signed=True)
        offsets[key] = position + 8
        position += 8 + numel * DTYPES[dtype].itemsize
        if count != numel or position > stream.size:
            raise ValueError(
                f"storage {key} has {count:,} elements to byte {position:,} of {stream.size:,}: expected {numel:,}"
            )
    for name, tensor in tensors.items():
        if tensor.storage.key not in offsets:
            raise ValueError(f"{name}: its storage {tensor.storage.key} is not listed")
    return tensors, offsets


# How many values an operation takes from the stack, and what one makes that takes none.
_TAKES = {
    "TUPLE1": 1,
    "TUPLE2": 2,
    "TUPLE3": 3,
    "APPEND": 1,
    "SETITEM": 2,
    "STACK_GLOBAL": 2,
    "REDUCE": 2,
    "BUILD": 1,
    "BINPERSID": 1,
    "STOP": 1,
}
_MAKES: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": lambda: _Dict(False, []),
}


def _interpret(pickles: io.BytesIO, storages: dict[str, _Storage]) -> Any:
    """The value of the next pickle; the storages that it names are added to `storages`.

    Raises:
      ValueError: an operation that torch's writers do not use, or a name that is not on the lists.
    """
    stack: list[Any] = []
    below: list[list[Any]] = []  # the stacks under each mark
    memo: dict[int, Any] = {}
    operations: Any = pickletools.genops(pickles)
    try:
        for operation, argument, _ in operations:
            name = operation.name
            items = [stack.pop() for _ in range(_TAKES.get(name, 0))][::-1]
            if name in ("APPENDS", "SETITEMS", "TUPLE"):
                items, stack = stack, below.pop()
            match name:
                case "PROTO" | "FRAME":
                    pass
                case "BINPUT" | "LONG_BINPUT":
                    memo[argument] = stack[-1]
                case "MEMOIZE":
                    memo[len(memo)] = stack[-1]
                case "BINGET" | "LONG_BINGET":
                    stack.append(memo[argument])
                case "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT" | "BINUNICODE" | "SHORT_BINUNICODE":
                    stack.append(argument)
                case "NONE" | "NEWTRUE" | "NEWFALSE" | "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_DICT":
                    stack.append(_MAKES[name]())
                case "MARK":
                    below.append(stack)
                    stack = []
                case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                    stack.append(tuple(items))
                case "APPEND" | "APPENDS":
                    _container(stack[-1], list).extend(items)
                case "SETITEM" | "SETITEMS":
                    _container(stack[-1], _Dict).items.extend(zip(items[::2], items[1::2], strict=True))
                case "GLOBAL":
                    stack.append(_global(argument.replace(" ", ".", 1)))
                case "STACK_GLOBAL":
                    if any(type(part) is not str for part in items):
                        raise ValueError("its pickle is damaged: it asks for a name that is no text")
                    stack.append(_global(".".join(items)))
                case "REDUCE":
                    stack.append(_call(*items))
                case "BUILD":  # attributes: of a state dict, the versions of its modules
                    if not _container(stack[-1], _Dict).ordered:
                        raise ValueError("its pickle is damaged: it gives attributes to a dict")
                case "BINPERSID":
                    stored = _persistent(*items)
                    if storages.setdefault(stored.key, stored) != stored:
                        raise ValueError(f"its pickle describes storage {stored.key} in two ways")
                    stack.append(stored)
                case "STOP":
                    return items[0]
                case other:
                    raise ValueError(f"its pickle has the operation {other}, which torch.save does not write: refused")
    except LookupError:
        raise ValueError("its pickle is damaged: it takes what it has not made") from None
    raise ValueError("its pickle has no end")  # genops says so itself


def _container(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise ValueError(f"its pickle is damaged: it fills {_kind(value)}")
    return value


def _global(name: str) -> _Global:
    if name not in _STORAGES and name not in _FUNCTIONS:
        raise ValueError(f"its pickle asks for {name}: only tensors are read: refused")
    return _Global(name)


def _call(function: Any, arguments: Any) -> _Dict | _Tensor:
    """What a function of the list returns. Hooks, attributes and requires_grad are dropped."""
    if not isinstance(function, _Global) or type(arguments) is not tuple:
        raise ValueError("its pickle is damaged: it calls what is no function")
    match function.name, arguments:
        case "collections.OrderedDict", ():
            return _Dict(True, [])
        case "torch._utils._rebuild_tensor", (_Storage() as stored, offset, shape, strides):
            return _Tensor(stored, offset, shape, strides)
        case "torch._utils._rebuild_tensor_v2", (_Storage() as stored, offset, shape, strides, _, _):
            return _Tensor(stored, offset, shape, strides)
        case "torch._utils._rebuild_parameter", (_Tensor() as tensor, _, _):
            return tensor
        case "torch._utils._rebuild_parameter_with_state", (_Tensor() as tensor, _, _, _):
            return tensor
    # A seventh argument of _rebuild_tensor_v2 would say that the numbers are to be negated or conjugated.
    raise ValueError(f"its pickle calls {function.name} with {len(arguments)} arguments of an unknown form: refused")


def _persistent(identity: Any) -> _Storage:
    """The storage that a persistent id describes: its class, key, device and length."""
    match identity:
        case ("storage", _Global(name), key, _, numel, *view) if name in _STORAGES and type(key) is str:
            if view not in ([], [None]):
                raise ValueError(f"storage {key} is a view of another: expected whole ones: refused")
            if type(numel) is int and 0 <= numel <= _LARGEST_NUMBER:
                return _Storage(_STORAGES[name], key, numel)
    raise ValueError("its pickle is damaged: it refers to something other than a storage of numbers")


def _state_dict(value: Any) -> dict[str, _Tensor]:
    """The tensors of a flat dict, each checked to lie within its storage."""
    if not isinstance(value, _Dict):
        raise ValueError(f"holds {_kind(value)}: expected a dict of tensors")
    tensors = {}
    for name, tensor in value.items:
        if type(name) is not str:
            raise ValueError(f"has {_kind(name)} for a name: expected a dict of names and tensors")
        name.encode()  # half a surrogate pair is refused: nothing can print it
        if not isinstance(tensor, _Tensor):
            raise ValueError(f"{name}: {_kind(tensor)}: expected a tensor in a flat dict of tensors")
        try:
            _check(tensor)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        tensors[name] = tensor
    return tensors


def _check(tensor: _Tensor) -> None:
    stored, offset, shape, strides = tensor
    if stored.dtype not in DTYPES:
        raise ValueError(_unsupported(stored.dtype))
    if type(shape) is not tuple or type(strides) is not tuple or not len(shape) == len(strides) <= _MOST_AXES:
        raise ValueError(f"expected a size and a stride for each of at most {_MOST_AXES} axes")
    if any(type(number) is not int or not 0 <= number <= _LARGEST_NUMBER for number in (offset, *shape, *strides)):
        raise ValueError("expected whole sizes, strides and offset, none of them negative or absurd")
    if math.prod(size or 1 for size in shape) > _LARGEST_NUMBER:
        raise ValueError(f"shape {list(shape)} has absurdly many elements")
    if 0 not in shape and offset + extent(shape, strides) > stored.numel:
        raise ValueError(
            f"shape {list(shape)} with strides {list(strides)} from element {offset:,} reaches beyond a storage of "
            f"{stored.numel:,}"
        )


def _unsupported(dtype: str) -> str:
    return f"dtype {dtype} is not supported: expected one of {', '.join(DTYPES)}"


def _kind(value: Any) -> str:
    name = type(value).__name__.strip("_").lower()
    return f"an {name}" if name[0] in "aeiou" else f"a {name}"


def _shown(text: str) -> str:
    """Words that a file chose, made short and without what a terminal would obey."""
    if len(text) > 1000:
        text = f"{text[:500]} ... {text[-500:]}"
    return text if text.isprintable() else ascii(text)[1:-1]
