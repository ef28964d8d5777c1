"""Malformed inputs, made systematically: truncations, flipped bits, wrong kinds, extreme numbers, marks, copies, endless files.

A case is files in a folder of its own and the words of a command that reads them. Nothing here is random: a case has the same
bytes in every run.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Iterator
from typing import Any

from random_trees import written_tree
from stub_endpoint import Act, Stub
from trees_by_hand import followed_tree

import jorney

EMBEDDED = pathlib.Path(jorney.__file__).parent / "embedded"
Write = Callable[[pathlib.Path], list[str]]


@dataclasses.dataclass(frozen=True)
class Case:
    """A malformed input.

    Attributes:
      name: unique; its first word is the group.
      write: makes the files in an empty folder, and returns the words of the command; what it writes goes to FOLDER/out.
      refused: whether it must be refused; else the right result will do.
      resumes: what a command that fails has done by then stays.
    """

    name: str
    write: Write
    refused: bool = True
    resumes: bool = False


def _damaged(data: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """(how, bytes, whether nobody can read them): a file cut, flipped and mixed with what does not belong there."""
    for share in (0, 1, 5, 9):
        yield f"cut to {share} tenths", data[: len(data) * share // 10], True
    yield "last byte lost", data.rstrip()[:-1], True
    for at in range(1, 8):
        place = len(data) * at // 8
        yield f"bit {at} flipped", data[:place] + bytes([data[place] ^ 1 << at % 7]) + data[place + 1 :], False
        yield f"no UTF-8 at {at}", data[:place] + b"\xff\xfe" + data[place:], True
        yield f"zeros at {at}", data[:place] + bytes(16) + data[place + 16 :], False
    yield "UTF-16", data.decode().encode("utf-16"), True
    yield "a mark", b"\xef\xbb\xbf" + data, False
    yield "nested without end", b"[" * 200_000, True
    yield "a number without end", b"[" + b"9" * 10_000 + b"]", True
    yield "twice", data + data, False
    for text in ("null", "[]", "3", '"text"', "{}", "[[]]", "NaN", "\x00", "<html>"):
        yield f"{text!r} alone", text.encode(), True


WRONG: tuple[Any, ...] = (None, True, "text", "", [], {}, [None], -1, 0, 1.5, 10**30, float("nan"), float("inf"), "\ud800")


CONFIGURATIONS = {
    "nothing": "",
    "syntax": "def config(:\n",
    "indentation": "def config():\nreturn 1\n",
    "no function": "config = 3\n",
    "returns nothing": "def config(): pass\n",
    "returns a number": "def config(): return 3\n",
    "returns a class": "from jorney.run.stages.fine_tuning import SftCommand\ndef config(): return SftCommand\n",
    "returns another": "from jorney.run.stages.evaluation import EvaluateCommand\ndef config(): return EvaluateCommand()\n",
    "yields": "def config(): yield 3\n",
    "awaits": "async def config(): return 3\n",
    "takes arguments": "def config(a, b): return a\n",
    "exits well": "import sys\nsys.exit(0)\n",
    "exits ill": "raise SystemExit(3)\n",
    "exits with words": "raise SystemExit('over\\nlines')\n",
    "exits in the function": "import sys\ndef config(): sys.exit()\n",
    "imports nothing": "import no_such_module_here\n",
    "imports no name": "from os import no_such_name\n",
    "imports what moved": "from jorney.pipeline import RunConfig\n",
    "asserts": "assert False\n",
    "divides": "def config(): return 1 / 0\n",
    "key": "def config(): return {}['a']\n",
    "index": "[][3]\n",
    "attribute": "None.x\n",
    "name": "x = y\n",
    "recursion": "def config(): return config()\n",
    "memory": "x = bytes(1 << 62)\n",
    "stop": "raise StopIteration\n",
    "base": "class Odd(BaseException): ...\nraise Odd('a\\nb')\n",
    "lines": "raise RuntimeError('a\\n' * 1000)\n",
    "long": "raise RuntimeError('a' * 10**6)\n",
    "no such file": "open('/no/such/file')\n",
    "no UTF-8": b"x = '\xff'\n",
    "zeros": b"\x00" * 100,
    "a mark": b"\xef\xbb\xbfdef config(): return 3\n",
    "UTF-16": "def config(): return 3\n".encode("utf-16"),
    "encoding": "# -*- coding: no-such -*-\n",
    "deep": "x = " + "(" * 1000 + ")" * 1000 + "\n",
    "long number": "x = int('9' * 10000)\n",
    "unknown field": "from jorney.run.stages.fine_tuning import SftCommand\ndef config(): return SftCommand(modle='x')\n",
    "wrong value": "from jorney.run.stages.fine_tuning import SftCommand\ndef config(): return SftCommand(dtype='int8')\n",
}


def configurations() -> Iterator[Case]:
    for name, text in CONFIGURATIONS.items():

        def write(folder: pathlib.Path, text: str | bytes = text) -> list[str]:
            (folder / "mine.py").write_bytes(text.encode() if isinstance(text, str) else text)
            return ["sft", str(folder / "mine.py"), "--output", str(folder / "out")]

        yield Case(f"configuration: {name}", write)
    for name, make in ENDLESS.items():

        def endless(folder: pathlib.Path, make: Callable[[pathlib.Path], None] = make) -> list[str]:
            make(folder / "mine.py")
            return ["sft", str(folder / "mine.py"), "--output", str(folder / "out")]

        yield Case(f"configuration: {name}", endless)


def _large(file: pathlib.Path) -> None:
    file.touch()
    os.truncate(file, 1 << 40)  # without a block on the disk


ENDLESS: dict[str, Callable[[pathlib.Path], None]] = {
    "a pipe": lambda file: os.mkfifo(file),
    "/dev/zero": lambda file: file.symlink_to("/dev/zero"),
    "/dev/null": lambda file: file.symlink_to("/dev/null"),
    "a folder": lambda file: file.mkdir(),
    "a circle": lambda file: file.symlink_to(file),
    "a link to nothing": lambda file: file.symlink_to("nowhere"),
}


def rows() -> Iterator[Case]:
    """Problems, up to a field that is refused once they are read: no model is loaded."""
    row = {"question": "What is 1 + 1?", "answer": "1 + 1 = 2\n#### 2"}
    good = "".join(json.dumps({**row, "question": f"What is {n} + 1?"}) + "\n" for n in range(8)).encode()

    def case(name: str, data: bytes | Callable[[pathlib.Path], None], kind: str = "jsonl", refused: bool = True) -> Case:
        def write(folder: pathlib.Path) -> list[str]:
            file = folder / f"rows.{kind}"
            data(file) if callable(data) else file.write_bytes(data)
            return ["evaluate", "--problems", str(file), "--evaluate.max-tokens", "100000", "--output", str(folder / "out")]

        return Case(f"rows: {name} ({kind})", write, refused)

    for name, data, _ in _damaged(good):  # the field is refused, if nothing else is
        yield case(name, data)
    for name, data, _ in _damaged(b'question,answer\n"What is 1, or 2?",2\nWhat is 3?,3\n'):
        yield case(name, data, "csv")
    for field in row:
        for value in WRONG:
            yield case(f"{field} = {value!r}", json.dumps({**row, field: value}).encode() + b"\n")
    for name, make in ENDLESS.items():
        yield case(name, make)
    for name, data in (("no parquet", b"PAR1"), ("cut", b"PAR1" + bytes(100) + b"PAR1"), ("nothing", b"")):
        yield case(name, data, "parquet")


def trees() -> Iterator[Case]:
    good = written_tree(3).to_json()
    data = json.dumps(good).encode() + b"\n"

    def case(name: str, content: bytes | Callable[[pathlib.Path], None], refused: bool, command: str = "validate") -> Case:
        def write(folder: pathlib.Path) -> list[str]:
            file = folder / "trees.jsonl"
            content(file) if callable(content) else file.write_bytes(content)
            if command == "derive":
                return ["derive", "--trees", str(file), "--output", str(folder / "out")]
            return ["trees", command, str(file)]

        return Case(f"trees: {name} ({command})", write, refused)

    for name, content, refused in _damaged(data):
        if name != "'null' alone":
            yield case(name, content, refused and name != "cut to 0 tenths")
        yield case(name, content, False, "derive")
    for field in sorted(good):
        for value in WRONG:
            yield case(f"{field} = {value!r}", json.dumps({**good, field: value}).encode(), False)
    for field in sorted(good["nodes"][1]):
        for value in WRONG:
            nodes = [good["nodes"][0], {**good["nodes"][1], field: value}, *good["nodes"][2:]]
            yield case(f"node's {field} = {value!r}", json.dumps({**good, "nodes": nodes}).encode(), False)
    for name, make in ENDLESS.items():
        yield case(name, make, refused=True)


def _copy(folder: pathlib.Path) -> pathlib.Path:
    where = folder / "model"
    where.mkdir()
    for file in EMBEDDED.iterdir():
        if file.name != "model.safetensors":
            shutil.copy(file, where)
    (where / "model.safetensors").symlink_to(EMBEDDED / "model.safetensors")
    return where


def _inspected(name: str, change: Callable[[pathlib.Path], None], refused: bool = True) -> Case:
    def write(folder: pathlib.Path) -> list[str]:
        change(where := _copy(folder))
        return ["inspect", str(where)]

    return Case(f"checkpoint: {name}", write, refused)


def _replaced(file: str, content: bytes | Callable[[pathlib.Path], None]) -> Callable[[pathlib.Path], None]:
    def change(folder: pathlib.Path) -> None:
        (folder / file).unlink(missing_ok=True)
        content(folder / file) if callable(content) else (folder / file).write_bytes(content)

    return change


def checkpoints() -> Iterator[Case]:
    config = json.loads((EMBEDDED / "config.json").read_text())
    for field in sorted(config):
        for value in (*WRONG, 10_000_000, 2**31 - 1, 10**9):
            content = json.dumps({**config, field: value}).encode()
            yield _inspected(f"config.json: {field} = {value!r}", _replaced("config.json", content), refused=False)
    for file in ("config.json", "generation_config.json", "tokenizer_config.json"):
        for name, content, refused in _damaged((EMBEDDED / file).read_bytes()):
            yield _inspected(f"{file}: {name}", _replaced(file, content), refused and file == "config.json")
        for name, make in ENDLESS.items():
            if (file, name) != ("generation_config.json", "a link to nothing"):
                yield _inspected(f"{file}: {name}", _replaced(file, make), file == "config.json")
    for name, content, refused in _damaged((EMBEDDED / "tokenizer.json").read_bytes()):
        yield _inspected(f"tokenizer.json: {name}", _replaced("tokenizer.json", content), refused)
    yield from weights()


def weights() -> Iterator[Case]:
    data = (EMBEDDED / "model.safetensors").read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])

    def written(found: Any) -> bytes:
        text = found if isinstance(found, bytes) else json.dumps(found).encode()
        return len(text).to_bytes(8, "little") + text + data[8 + length :]

    def case(name: str, content: bytes | Callable[[pathlib.Path], None], refused: bool = True) -> Case:
        return _inspected(f"weights: {name}", _replaced("model.safetensors", content), refused)

    for size in (0, 1, 7, 8, 9, 100, length, length + 7, len(data) // 2, len(data) - 1):
        yield case(f"cut to {size} bytes", data[:size])
    for claimed in (0, 1, length - 1, length + 1, 10**6, 10**9, 10**12, 2**63, 2**64 - 1):
        yield case(f"a header of {claimed} bytes", claimed.to_bytes(8, "little") + data[8:])
    for at in range(24):
        place = 8 + length * at // 24
        yield case(f"header: bit {at} flipped", data[:place] + bytes([data[place] ^ 1 << at % 8]) + data[place + 1 :], False)
    name = "model.norm.weight"
    terabytes = {"dtype": "F32", "shape": [10**6, 10**6], "data_offsets": [0, 4 * 10**12]}
    for value in (*WRONG, terabytes):
        yield case(f"an entry {value!r}", written({**header, name: value}))
        for field in header[name]:
            yield case(f"{field} = {value!r}", written({**header, name: {**header[name], field: value}}))
    yield case("a name twice", written(json.dumps(header).encode()[:-1] + f', "{name}": {{}}}}'.encode()))
    yield case("a million names", written({**header, **dict.fromkeys((f"x{n}" for n in range(10**5)), header[name])}))
    yield case("nested without end", written(b"[" * 10**6))
    for title, make in ENDLESS.items():
        yield case(title, make)
    yield case("a terabyte of nothing", _large)
    index = "model.safetensors.index.json"
    for title, content, refused in _damaged(json.dumps({"metadata": {}, "weight_map": {"x": "model.safetensors"}}).encode()):
        yield _inspected(f"index: {title}", _replaced(index, content), refused)
    for value in (*WRONG, "../model.safetensors", "/dev/zero", "no such", "model.safetensors/x", "\x00"):
        yield _inspected(f"index names {value!r}", _replaced(index, json.dumps({"weight_map": {"x": value}}).encode()))
    for title, make in {**ENDLESS, "a terabyte": _large}.items():
        if title not in ("a link to nothing", "a circle"):  # there is no index then
            yield _inspected(f"index: {title}", _replaced(index, make))
    many = json.dumps({"weight_map": {f"x{n}": f"{n}.safetensors" for n in range(10**6)}}).encode
    yield _inspected("index: a million files", lambda folder: _replaced(index, many())(folder))


@functools.cache
def _stage() -> dict[str, bytes]:
    """The files of a stage that has ended, {path: bytes}, and the trees that it read."""
    import contextlib
    import io
    import tempfile

    from jorney import cli

    with tempfile.TemporaryDirectory() as local, contextlib.redirect_stdout(io.StringIO()):
        root = pathlib.Path(local)
        rows = (json.dumps(followed_tree(seed).to_json()) for seed in range(4))
        (root / "trees.jsonl").write_text("".join(row + "\n" for row in rows))
        assert cli.main(["derive", "--trees", str(root / "trees.jsonl"), "--output", str(root / "out")]) == 0
        return {os.path.relpath(file, root): file.read_bytes() for file in sorted(root.rglob("*")) if file.is_file()}


def stages() -> Iterator[Case]:
    """A stage's folder that was damaged after it ended: refused, or made again."""
    for kind, ending in (("manifest", "manifest.json"), ("part", ".jsonl")):
        for how, _, _ in _damaged(bytes(16)):  # the names alone: the stage is made when it is needed

            def write(folder: pathlib.Path, ending: str = ending, how: str = how) -> list[str]:
                for file, data in _stage().items():
                    (folder / file).parent.mkdir(parents=True, exist_ok=True)
                    (folder / file).write_bytes(data)
                damaged = next(file for file in _stage() if file.startswith("out/stages/") and file.endswith(ending))
                content = next(content for name, content, _ in _damaged(_stage()[damaged]) if name == how)
                (folder / damaged).write_bytes(content)
                return ["derive", "--trees", str(folder / "trees.jsonl"), "--output", str(folder / "out")]

            yield Case(f"stage: {kind}: {how}", write, refused=False, resumes=True)


def endpoints() -> Iterator[Case]:
    """Replies to a judge: unread ones are counted or refused, whatever they are."""
    whole = json.dumps({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "model": "m"}).encode()
    bodies = {how: content.decode("utf-8", "replace") for how, content, _ in _damaged(whole)}
    acts = {
        **{f"body: {how}": Act("body", text) for how, text in bodies.items()},
        **{f"status {status}": Act("status", "no", status) for status in (400, 401, 404, 422)},
        **{
            f"text {text!r:.30}": Act(text=text)
            for text in ("", "\x00", "{", "{}", "[" * 100_000, "NaN", '{"correct": 3}', "9" * 10**5)
        },
        "half": Act("half"),
        "truncated": Act("truncated"),
        "usage": Act(usage={"prompt_tokens": "x"}),
    }
    for name, act in acts.items():

        def write(folder: pathlib.Path, act: Act = act) -> list[str]:
            (folder / "trees.jsonl").write_text(json.dumps(followed_tree(0).to_json()) + "\n")
            stub = Stub(lambda number, body: act).__enter__()  # ends with the process
            options = ["--llm.model", "m", "--llm.base-url", stub.url, "--llm.cache", str(folder / "cache")]
            options += ["--llm.backoff", "0.01", "--llm.attempts", "1", "--llm.give-up", "2", "--llm-judge.tries", "1"]
            options += ["--output", str(folder / "out")]
            return ["judge", "--trees", str(folder / "trees.jsonl"), "--judge", "llm", *options]

        yield Case(f"endpoint: {name}", write, refused=False, resumes=True)


GROUPS: dict[str, Callable[[], Iterator[Case]]] = {
    "configurations": configurations,
    "rows": rows,
    "trees": trees,
    "checkpoints": checkpoints,
    "stages": stages,
    "endpoints": endpoints,
}
