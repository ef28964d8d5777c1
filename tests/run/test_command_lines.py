"""Command lines as people type them: words in any order, near misses named, help that begins with what is changed first."""

from __future__ import annotations

import dataclasses
import pathlib
import subprocess
import sys

import pytest

from jorney import cli
from jorney.run import command_registry, options
from jorney.run.command import Command
from jorney.run.commands.checkpoints import ConvertCommand
from jorney.run.stages.evaluation import EvaluateCommand
from jorney.run.stages.fine_tuning import SftCommand

CONFIG = pathlib.Path(__file__).parents[2] / "configs" / "sft_smollm2.py"

WRONG = [
    ("sfft", "unknown command 'sfft': did you mean sft"),
    ("evalute", "unknown command 'evalute': did you mean evaluate?"),
    ("train", "unknown command 'train'"),
    ("launch", "unknown command 'launch' (jorney --help lists all)"),
    ("--model x sft", "--model stands before the command: expected jorney COMMAND [OPTIONS]"),
    ("-v", "-v stands before the command"),
    ("sft --epochs 3", "unknown option --epochs: did you mean --sft.epochs? (jorney sft --help lists all)"),
    ("sft --learning-rate 1e-4", "unknown option --learning-rate: did you mean --sft.optimizer.learning-rate?"),
    ("sft --sft.lerning-rate 1", "unknown option --sft.lerning-rate: did you mean --sft.optimizer.learning-rate?"),
    ("sft --sft.epoch 2", "unknown option --sft.epoch: did you mean --sft.epochs"),
    ("sft -e 2", "unknown option -e (jorney sft --help lists all)"),
    ("sft --sft.epochs", "--sft.epochs"),
    ("sft --sft.epochs two", "--sft.epochs"),
    ("sft --sft.epochs 1.5", "--sft.epochs"),
    ("sft --seed=x", "--seed"),
    ("sft --no-seed", "--no-seed"),
    ("sft notes.txt", "notes.txt: no such file: expected a Python file with a function config()"),
    ("sft nowhere.py", "nowhere.py: no such file: expected a Python file with a function config()"),
    ("sft --limit 3 nowhere.py", "nowhere.py: no such file"),
    ("evaluate --problem x.jsonl", "unknown option --problem: did you mean --problems?"),
    ("run", "CONFIG.py is missing: expected a configuration file: jorney run CONFIG.py [OPTIONS]"),
    ("run --seed 1", "CONFIG.py is missing"),
    ("plan", "CONFIG.py is missing: expected jorney plan CONFIG.py [OPTIONS]"),
    ("convert", "MODEL is missing: expected jorney convert MODEL DIR [OPTIONS]"),
    ("convert model", "DIR is missing: expected jorney convert MODEL DIR [OPTIONS]"),
    ("convert model out more", "'more' is one word too many: expected jorney convert MODEL DIR [OPTIONS]"),
    ("inspect", "MODEL is missing: expected jorney inspect MODEL [OPTIONS]"),
    ("analyse --output x", "FILE is missing: expected jorney analyse FILE... [OPTIONS]"),
    ("generate --sampling.w 2", "prompts: expected either TEXT..., or --prompts-from FILE"),
    ("trees", "jorney trees: one word is missing (expected jorney trees validate|import|export|stats|schema [OPTIONS])"),
    ("trees vaildate t.jsonl", "jorney trees: 'vaildate' is no kind of trees: did you mean validate?"),
    ("trees validate", "FILE is missing: expected jorney trees validate FILE... [OPTIONS]"),
    ("trees import rows.jsonl --format prm80k --output t.jsonl", "format = 'prm80k': expected one of"),
    ("trees schema --all", "unknown option --all (jorney trees schema --help lists all)"),
    ("trees schema x", "'x' is one word too many: expected jorney trees schema [OPTIONS]"),
    ("thoughts scor", "jorney thoughts: 'scor' is no kind of thoughts: did you mean score?"),
    ("thoughts --least 1", "jorney thoughts: one word is missing (expected jorney thoughts tree|"),
    ("bench", "jorney bench: one word is missing (expected jorney bench train|sample|all [OPTIONS])"),
    ("bench trian", "jorney bench: 'trian' is no kind of bench: did you mean train?"),
    ("prm evl --data x", "jorney prm: 'evl' is no kind of prm: did you mean eval? (expected jorney prm train|label|eval"),
    ("inspect a --model b", "'a' and --model: expected one of the two: jorney inspect MODEL [OPTIONS]"),
    ("experiment", "PROTOCOL.py is missing: expected jorney experiment PROTOCOL.py [OPTIONS]"),
    ("completion fish", "shell = 'fish': expected one of bash, zsh"),
]


@pytest.mark.parametrize(("line", "message"), WRONG)
def test_a_wrong_line_ends_in_one_helpful_line(line: str, message: str, capsys, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(line.split()) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (told,) = shown.err.splitlines()
    assert message in told
    assert told.startswith("jorney: ")
    assert not list(tmp_path.iterdir()), "something was written"


@pytest.fixture
def chosen(monkeypatch):
    """The configuration that a command line comes to."""
    found: list[Command] = []
    for kind in (SftCommand, EvaluateCommand, ConvertCommand):
        monkeypatch.setattr(kind, "execute", lambda self: found.append(self))

    def choose(*words: str) -> Command:
        found.clear()
        assert cli.main(words) == 0
        return found[0]

    return choose


def test_words_in_any_order(chosen) -> None:
    one = chosen("convert", "model", "out", "--dtype", "bfloat16", "--mesh.fsdp", "2")
    assert (one.source, one.output, one.dtype, one.mesh.fsdp) == ("model", "out", "bfloat16", 2)
    for words in (
        ("--dtype", "bfloat16", "model", "--mesh.fsdp=2", "out"),
        ("--mesh.fsdp", "2", "--dtype=bfloat16", "model", "out"),
        ("--source", "model", "--output", "out", "--dtype", "bfloat16", "--mesh.fsdp", "2"),
    ):
        assert chosen("convert", *words) == one
    assert chosen("sft", str(CONFIG), "--seed", "7") == chosen("sft", "--seed", "7", str(CONFIG))
    assert chosen("sft", "--seed", "7", str(CONFIG)).sft.row_length != SftCommand().sft.row_length  # the file's


def test_a_flag_takes_no_word_and_a_list_takes_all(chosen) -> None:
    one = chosen("sft", "--no-excursion-loss", str(CONFIG), "--sft.best", "--sft.held-out", "0.1")
    assert (one.excursion_loss, one.sft.best, one.sft.held_out) == (False, True, 0.1)
    assert chosen("evaluate", "--evaluate.temperature", "0.5", "--limit", "None").limit is None
    with pytest.raises(ValueError, match="unknown option"):
        options.split(SftCommand(), ["--no-such"], SftCommand.usage())
    rounds = ["--rounds", "a", "b", "--seed", "1"]
    assert options.split(command_registry.command("thoughts diversity")(), rounds, "") == ([], rounds)
    # A list of numbers ends where no number is; a value is no file, whatever it is called.
    seeds = ["--seeds", "0", "1", "configs/experiment.py"]
    assert options.split(command_registry.command("experiment")(), seeds, "") == (seeds[3:], seeds[:3])
    assert chosen("evaluate", "--output", "runs/a.py").output == "runs/a.py"
    assert chosen("evaluate", "--mesh.data", "1", "--mesh.fsdp", "-1").mesh.fsdp == -1


@pytest.mark.parametrize("name", command_registry.COMMANDS)
def test_help_begins_with_what_is_changed_first(name: str, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    kind = command_registry.command(name)
    assert cli.main([*name.split(), "--help"]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    usage, _, rest = shown.partition("\n")
    assert usage == f"usage: {kind.usage()}"
    known = [option.name for option in options.options(kind.default())]
    assert set(kind.common) <= set(known)
    first = rest.partition("options:\n")[2].partition("\n\n")[0]
    assert sum(line.startswith("  --") for line in first.splitlines()) <= 15
    for option in known:  # every one of them once
        assert sum(line.split()[:1] in ([f"--{option}"], [f"--{option},"]) for line in rest.splitlines()) == 1, option
    assert kind.command == name or name in ("thoughts tree", "prm train")


@pytest.mark.parametrize("name", command_registry.COMMANDS)
def test_every_option_is_described(name: str) -> None:
    default = command_registry.command(name).default()
    assert not [option.name for option in options.options(default) if not option.about]
    assert dataclasses.is_dataclass(default)


def test_the_package_is_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "jorney", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.strip()


def test_help_fits_a_narrow_terminal_and_tells_what_the_command_does(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    assert cli.main(["quickstart", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "The whole pipeline on a laptop" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 60


def _completed(words: str, tmp_path: pathlib.Path, capsys) -> set[str]:
    assert cli.main(["completion", "bash"]) == 0
    script = tmp_path / "completion"
    script.write_text(capsys.readouterr().out)
    last = len(words.split(" ")) - 1
    asks = (
        f'source {script}; COMP_WORDS=({words} ""); COMP_WORDS=({words}); COMP_CWORD={last}; _jorney; echo "${{COMPREPLY[@]}}"'
    )
    done = subprocess.run(["bash", "-c", asks], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("jorney ev", {"evaluate"}),
        ("jorney sft --sft.epo", {"--sft.epochs"}),
        ("jorney prm ev", {"eval"}),
        ("jorney prm eval --tun", {"--tuning"}),
        ("jorney trees va", {"validate"}),
        ("jorney sft --model x --too", {"--too-long"}),
    ],
)
def test_a_shell_completes_commands_and_options(words: str, expected: set[str], tmp_path, capsys) -> None:
    assert _completed(words, tmp_path, capsys) == expected


def test_help_shows_no_key_of_a_files_address(capsys, tmp_path) -> None:
    file = tmp_path / "judged.py"
    file.write_text(
        "from jorney.judge.llm import LlmConfig\nfrom jorney.run.stages.judges.rerating import JudgeCommand\n"
        "def config():\n    return JudgeCommand(llm=LlmConfig('m', 'https://user:sk-secret@127.0.0.1:1/v1?key=q-secret'))\n"
    )
    assert cli.main(["judge", str(file), "--help"]) == 0
    said = capsys.readouterr().out
    assert "https://127.0.0.1:1/v1" in said
    assert "secret" not in said
