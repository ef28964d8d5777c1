"""Configurations: hashed by content, overridden by field name, and every mistake told in one line."""

from __future__ import annotations

import dataclasses
import io
import math
import os
import re
import signal
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jorney import cli, config
from jorney.run import options
from jorney.run.recipes.experiment.protocol import Protocol
from jorney.run.recipes.journey import RunConfig, quickstart
from jorney.run.stages.evaluation import EvaluateCommand
from jorney.run.stages.expansion import ExpandCommand
from jorney.run.stages.fine_tuning import SftCommand
from jorney.run.stages.judges.labelling import PrmLabelCommand
from jorney.run.stages.judges.reward_training import PrmCommand
from jorney.run.stages.pairing import PairsCommand
from jorney.run.stages.preferences import DpoCommand
from jorney.run.stages.reinforcement import GrpoCommand

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@dataclasses.dataclass(frozen=True)
class Inner:
    """A part.

    Attributes:
      rate: of learning.
    """

    rate: float = 0.5
    on: bool = True

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError(f"inner.rate = {self.rate}: expected 0 or more")


@dataclasses.dataclass(frozen=True)
class Outer:
    """A whole.

    Attributes:
      name: of the run.
    """

    name: str = "run"
    count: int | None = 3
    names: tuple[str, ...] = ()
    inner: Inner = dataclasses.field(default_factory=Inner)


def override(*arguments: str, default: object = None) -> object:
    return options.read(Outer() if default is None else default, arguments, "jorney test [OPTIONS]", {}, (), "")


def reversed_keys(value: object) -> object:
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return [reversed_keys(item) for item in value] if isinstance(value, list) else value


@settings(max_examples=60)
@given(JSON)
def test_the_digest_does_not_know_the_order_of_keys(value):
    assert config.digest(value) == config.digest(reversed_keys(value))


def test_the_digest_never_changes():
    # Finished stages are found by it: another value here would redo every run there is.
    assert config.digest(["sft", {"b": Inner(), "a": (1, None, "é")}]) == "c322e7c0fe56"
    assert len(config.digest(Outer())) == 12
    assert config.digest(Outer(), length=4) == config.digest(Outer())[:4]


def leaves(value: object, prefix: str = "") -> list[tuple[str, object]]:
    found = []
    for field in dataclasses.fields(value):
        inner = getattr(value, field.name)
        found += leaves(inner, f"{prefix}{field.name}.") if dataclasses.is_dataclass(inner) else [(prefix + field.name, inner)]
    return found


def with_leaf(value: object, name: str, changed: object) -> object:
    """A copy in which one value differs; unchecked, since any other value will do."""
    head, _, rest = name.partition(".")
    copy = object.__new__(type(value))
    fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    copy.__dict__.update(fields | {head: with_leaf(fields[head], rest, changed) if rest else changed})
    return copy


def test_the_digest_differs_for_every_field():
    default = quickstart()
    names = [name for name, _ in leaves(default)]
    assert {"seed", "problems.countdown.count", "sft.optimizer.learning_rate", "mesh.tensor"} <= set(names)
    assert [option.field for option in options.options(default)] == names
    digests = {config.digest(with_leaf(default, name, "something else")) for name in names}
    assert len(digests | {config.digest(default)}) == len(names) + 1
    assert config.digest(quickstart()) == config.digest(default)


def test_what_has_no_content_is_not_hashed():
    with pytest.raises(TypeError, match="cannot be hashed"):
        config.digest({"work": object()})
    with pytest.raises(TypeError, match="cannot be hashed"):
        config.digest(Inner)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], Outer()),
        (["--name", "a b"], Outer(name="a b")),
        (["--name=x=y"], Outer(name="x=y")),
        (["--count", "7", "--inner.rate", "1e-4"], Outer(count=7, inner=Inner(rate=1e-4))),
        (["--count", "None"], Outer(count=None)),
        (["--names", "a", "b"], Outer(names=("a", "b"))),
        (["--inner.no-on"], Outer(inner=Inner(on=False))),
        (["--inner.on"], Outer(inner=Inner(on=True))),
    ],
)
def test_fields_are_replaced(arguments, expected):
    assert override(*arguments) == expected


def test_what_is_not_named_keeps_the_given_value():
    default = Outer(name="mine", inner=Inner(rate=2.0, on=False))
    assert override("--count", "9", default=default) == dataclasses.replace(default, count=9)


def test_a_run_is_overridden():
    default = quickstart()
    found = override("--sft.optimizer.learning-rate", "1e-4", "--sft.optimizer.b2=0.9", "--seed", "5", default=default)
    optimizer = dataclasses.replace(default.sft.optimizer, learning_rate=1e-4, b2=0.9)
    assert found == dataclasses.replace(default, seed=5, sft=dataclasses.replace(default.sft, optimizer=optimizer))
    # Dashes and underscores are the same.
    assert override("--sft.optimizer.learning_rate", "1e-4", default=RunConfig()).sft.optimizer.learning_rate == 1e-4


@pytest.mark.parametrize(
    ("default", "arguments", "parts"),
    [
        (Outer(), ["--nam", "x"], ["unknown option --nam: did you mean --name", "jorney test --help lists all"]),
        (Outer(), ["--inner.rat", "1"], ["unknown option --inner.rat: did you mean --inner.rate?"]),
        (Outer(), ["--rate=1"], ["unknown option --rate: did you mean --inner.rate?"]),
        (Outer(), ["--inner", "1"], ["unknown option --inner: it has several: --inner.rate, --inner.on"]),
        (Outer(), ["--no-count"], ["--no-count", "--count"]),
        (Outer(), ["--qqqq"], ["unknown option --qqqq (jorney test --help lists all)"]),
        (Outer(), ["--count", "many"], ["--count", "'many'", "{None}|INT"]),
        (Outer(), ["--count", "1.5"], ["--count", "'1.5'", "INT"]),
        (
            Outer(),
            ["--inner.rate", "fast"],
            ["--inner.rate", "could not convert string to float: 'fast'", "FLOAT", "of learning"],
        ),
        (Outer(), ["--count"], ["--count", "Missing value"]),
        (Outer(), ["stray"], ["stray"]),
        (Outer(), ["-x"], ["-x"]),
        (Outer(), ["--inner.rate", "-1"], ["inner.rate = -1.0: expected 0 or more"]),
        (
            RunConfig(),
            ["--sft.optimiser.learning-rate", "1"],
            ["did you mean --sft.optimizer.learning-rate"],
        ),
        (RunConfig(), ["--learning-rate", "1"], ["unknown option --learning-rate", "--sft.optimizer.learning-rate"]),
        (RunConfig(), ["--sft", "1"], ["unknown option --sft: it has several: --sft.epochs"]),
        (RunConfig(), ["--seed", "x"], ["--seed", "'x'", "INT"]),
        (RunConfig(), ["--sft.epochs", "0"], ["sft.epochs = 0: expected 1 or more"]),
        (RunConfig(), ["--dtype", "int8"], ["dtype = 'int8': expected one of float32, bfloat16"]),
        (RunConfig(), ["--problems.countdown.count", "9"], ["countdown.count = 9: expected 2 or more, 6 at most"]),
        (RunConfig(), ["--problems.train-count", "None"], ["problems.train_count = None: expected a number"]),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])  # tyro draws its boxes by it
def test_every_mistake_is_one_line(default, arguments, parts, encoding, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    with pytest.raises(ValueError, match=re.escape(parts[0])) as raised:
        override(*arguments, default=default)
    message = str(raised.value)
    assert "\n" not in message
    assert not re.search(r"[─│╭╰\x1b]|---|  |rror Error|arsing error", message)
    for part in parts:
        assert part in message
    assert capsys.readouterr().err == ""


HEAD = "from jorney.run.recipes.journey import RunConfig\n"


@pytest.fixture
def file(tmp_path) -> str:
    return str(tmp_path / "mine.py")


def write(file: str, text: str) -> None:
    with open(file, "w") as out:
        out.write(text)


def test_a_configuration_is_read(file):
    write(file, HEAD + "SEED = 3\n\ndef config() -> RunConfig:\n    return RunConfig(name='mine', seed=SEED)\n")
    assert config.read(file, RunConfig) == RunConfig(name="mine", seed=3)


def test_an_edit_is_seen_at_once(file, monkeypatch):
    # Python takes its bytecode for current when size and second of the file are the same.
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    for seed in (1, 2, 3):
        write(file, f"{HEAD}def config(): return RunConfig(seed={seed})\n")
        os.utime(file, (1e9, 1e9))
        assert config.read(file, RunConfig).seed == seed
    assert os.listdir(os.path.dirname(file)) == ["mine.py"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", "expected a function config() that returns a RunConfig"),
        ("config = 3\n", "expected a function config() that returns a RunConfig"),
        ("def config(:\n", "SyntaxError: invalid syntax (mine.py, line 1)"),
        ("import no_such_module\n", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("x = undefined\n", "NameError: name 'undefined' is not defined"),
        ("def config(): return 3\n", "config() returned a int: expected a RunConfig"),
        ("def config(): pass\n", "config() returned a NoneType: expected a RunConfig"),
        ("def config(x): pass\n", "config(): config() missing 1 required positional argument: 'x'"),
        (HEAD + "def config(): return RunConfig(sead=1)\n", "config(): RunConfig.__init__() got an unexpected keyword"),
        (HEAD + "def config(): return RunConfig(dtype='int8')\n", "config(): dtype = 'int8': expected one of"),
        (HEAD + "MADE = RunConfig(dtype='int8')\n", "ValueError: dtype = 'int8': expected one of float32, bfloat16"),
        ("raise TypeError('over\\n  lines')\n", "TypeError: over lines"),
        ("import sys\nsys.exit(0)\n", "SystemExit: it ends the program (0): expected it to go on (line 2)"),
        ("def config(): raise SystemExit('bye')\n", "config(): SystemExit: it ends the program (bye): expected it to go on"),
        ("assert False\n", "AssertionError (line 1)"),
        ("def config():\n    return {}['a']\n", "config(): KeyError: 'a' (line 2)"),
        ("class Odd(BaseException): ...\nraise Odd('a\\nb')\n", "Odd: a b (line 2)"),
        ("def f(): f()\nf()\n", "RecursionError: maximum recursion depth exceeded (line 1)"),
        ("def config(): return config()\n", "config(): RecursionError: maximum recursion depth exceeded"),
        ("x = [0] * (1 << 62)\n", "MemoryError (line 1)"),
        ("open('/no/such/file')\n", "FileNotFoundError: [Errno 2] No such file or directory: '/no/such/file' (line 1)"),
        ("x = 1\0\n", "SyntaxError: source code string cannot contain null bytes"),
        ("# -*- coding: none -*-\n", "SyntaxError: unknown encoding: none"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_line(file, text, error):
    write(file, text)
    with pytest.raises(ValueError, match=re.escape(f"{file}: {error}")) as raised:
        config.read(file, RunConfig)
    assert "\n" not in str(raised.value)


def test_a_fault_of_the_file_is_one_line_and_its_traceback_can_be_seen(file, capsys, monkeypatch):
    write(file, "def config(): return 1 / 0\n")
    assert cli.main(["run", file]) == 2
    assert capsys.readouterr().err == f"jorney: {file}: config(): ZeroDivisionError: division by zero (line 1)\n"
    monkeypatch.setenv("JORNEY_TRACEBACK", "1")
    with pytest.raises(ValueError, match="division by zero") as raised:
        cli.main(["run", file])
    assert isinstance(raised.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    "text", ["while True: pass\n", "def config():\n    while True: pass\n", "import time\ntime.sleep(60)\n"]
)
def test_a_file_that_comes_to_no_end_is_stopped(file, monkeypatch, text):
    monkeypatch.setattr(config, "_SECONDS", 1)
    before = signal.getsignal(signal.SIGALRM)
    write(file, text)
    with pytest.raises(ValueError, match=r"mine\.py: .*TimeoutError: it takes longer than 1 s: expected what returns at once"):
        config.read(file, RunConfig)
    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.alarm(0) == 0


def test_a_missing_file_and_what_is_no_python_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no\.py: no such file: expected a Python file with a function config"):
        config.read(str(tmp_path / "no.py"), RunConfig)
    (tmp_path / "mine.txt").write_text("x")
    (tmp_path / "folder.py").mkdir()
    for name in ("", "mine.txt", "folder.py"):
        with pytest.raises(ValueError, match=r"expected a Python file \(\.py\) with a function config"):
            config.read(str(tmp_path / name), RunConfig)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("from jorney.pipeline import RunConfig", "jorney.pipeline has moved: import from jorney.run.recipes.journey"),
        ("from jorney.stages.command import SftCommand", "jorney.stages has moved: import from jorney.run.stages"),
        ("from jorney.train.sft import SftConfig", "jorney.train.sft has moved: import from jorney.train.objectives.sft"),
        ("from jorney.judge.llm import LlmJudgeConfig", "jorney.judge.llm has moved: import from jorney.judge.llm_judge"),
        ("from jorney.data.countdown import Countdown", "jorney.data has moved: import from jorney.domain.countdown.sets"),
    ],
)
def test_a_configuration_of_an_earlier_version_is_told_what_has_moved(tmp_path, line: str, message: str) -> None:
    file = tmp_path / "old.py"
    file.write_text(f"{line}\ndef config(): ...\n")
    with pytest.raises(ValueError, match=re.escape(f"{file}: ") + ".*" + re.escape(message)):
        config.read(str(file), object)


def test_the_configurations_of_the_project_are_read():
    folder = os.path.join(os.path.dirname(__file__), "..", "configs")
    found = []
    for name in sorted(os.listdir(folder)):
        if name.endswith(".py"):
            found.append(type(config.read(os.path.join(folder, name), object)))
    sampling = {EvaluateCommand, ExpandCommand, PairsCommand, PrmLabelCommand}
    assert set(found) == {DpoCommand, GrpoCommand, PrmCommand, Protocol, RunConfig, SftCommand, *sampling}


@dataclasses.dataclass(frozen=True)
class Checked:
    count: int | None = 1
    share: float = 0.5
    kind: str = "a"


@pytest.mark.parametrize(
    ("changes", "check", "message"),
    [
        ({"count": 0}, lambda made: config.expect_at_least(1, made, "x", "count"), "x.count = 0: expected 1 or more"),
        (
            {"count": 0},
            lambda made: config.expect_at_least(1, made, "", "count", none="None for all"),
            "count = 0: expected 1 or more, or None for all",
        ),
        ({"share": 0}, lambda made: config.expect_above(0, made, "x", "share"), "x.share = 0: expected a number above 0"),
        ({"share": 1.5}, lambda made: config.expect_share(made, "x", "share"), "x.share = 1.5: expected above 0, 1 at most"),
        (
            {"share": math.inf},
            lambda made: config.expect_above(0, made, "x", "share"),
            "x.share = inf: expected a number above 0",
        ),
        (
            {"share": math.nan},
            lambda made: config.expect_share(made, "x", "share"),
            "x.share = nan: expected above 0, 1 at most",
        ),
        ({"share": "1"}, lambda made: config.expect_share(made, "x", "share"), "x.share = '1': expected above 0, 1 at most"),
        ({"share": None}, lambda made: config.expect_share(made, "x", "share"), "x.share = None: expected above 0, 1 at most"),
        ({"count": 1.5}, lambda made: config.expect_at_least(1, made, "", "count"), "count = 1.5: expected a whole number"),
        ({"count": True}, lambda made: config.expect_at_least(1, made, "", "count"), "count = True: expected 1 or more"),
        (
            {"count": 10**9},
            lambda made: config.expect_number(made, "", "count", least=1, most=64),
            "count = 1000000000: expected 1 or more, 64 at most",
        ),
        (
            {"share": -math.inf},
            lambda made: config.expect_number(made, "", "share", least=0, none="None for the endpoint's"),
            "share = -inf: expected 0 or more, or None for the endpoint's",
        ),
        ({"kind": "c"}, lambda made: config.expect_one_of(("a", "b"), made, "", "kind"), "kind = 'c': expected one of a, b"),
    ],
)
def test_a_field_that_does_not_hold_is_named_with_what_was_expected(changes, check, message):
    check(Checked())
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check(Checked(**changes))


def test_a_field_may_be_none_where_that_is_told():
    config.expect_at_least(1, Checked(count=None), "x", "count", none="None for all")


def test_numbers_of_any_size_and_kind_are_read_by_their_value():
    config.expect_number(Checked(count=10**400), "x", "count", least=1, most=10**500)
    config.expect_share(Checked(share=1), "x", "share")
    config.expect_number(Checked(share=np.float32(0.5)), "x", "share", least=0, most=0.5)


RUN = "from jorney.run.recipes.journey import RunConfig\ndef config(): return RunConfig({})\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (RUN.format("evaluate=None"), "evaluate = None: expected EvaluateConfig(...)"),
        (RUN.format("sft=3"), "sft = 3: expected SftConfig(...)"),
        (RUN.format("model=5"), "model = 5: expected text in Unicode"),
        (RUN.format("output=None"), "output = None: expected text in Unicode"),
        (RUN.format(r"output='a\ud800'"), r"output = 'a\ud800': expected text in Unicode"),
        (RUN.format(r"output='a\0b'"), r"output = 'a\x00b': expected text in Unicode"),
        (RUN.format("excursion_loss='no'"), "excursion_loss = 'no': expected True or False"),
        (
            "import dataclasses\nfrom jorney.run.recipes.journey import RunConfig, ProblemsConfig\n"
            "def config(): return RunConfig(problems=dataclasses.replace(ProblemsConfig(), train=['a']))\n",
            "problems.train = ['a']: expected text in Unicode",
        ),
        (
            "class Odd(Exception):\n    def __str__(self): raise RuntimeError\nraise Odd\n",
            "Odd: its text cannot be shown (line 3)",
        ),
        ("import os\nos._exit(0)\n", "SystemExit: it ends the program (0): expected it to go on (line 2)"),
        ("import os\ndef config(): os._exit(3)\n", "it ends the program (3): expected it to go on"),
    ],
)
def test_a_field_of_another_kind_is_one_line(tmp_path, text, told):
    file = tmp_path / "mine.py"
    file.write_text(text)
    with pytest.raises(ValueError, match=re.escape(told)) as error:
        config.read(str(file), RunConfig)
    assert str(error.value).startswith(str(file))
    assert "\n" not in str(error.value)
    str(error.value).encode()


def test_a_word_that_no_file_can_be_called_is_refused():
    with pytest.raises(ValueError, match="output = .*: expected text in Unicode"):
        config.override(RunConfig(), ["--output", "a\udcff"])


@pytest.mark.filterwarnings("ignore:os.fork:RuntimeWarning")  # jax's, where a test before this one has used it
def test_processes_that_a_configuration_forks_may_end(tmp_path):
    (tmp_path / "mine.py").write_text(
        "import os\nif not (child := os.fork()): os._exit(7)\ncode = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "from jorney.run.recipes.journey import RunConfig\ndef config(): return RunConfig(name=str(code))\n"
    )
    assert config.read(str(tmp_path / "mine.py"), RunConfig).name == "7"
