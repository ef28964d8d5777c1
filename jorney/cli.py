"""The commands. Thin: each reads its configuration and calls one function."""

from __future__ import annotations

import _thread
import contextlib
import itertools
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jorney.progress import Unfinished
from jorney.train.stopping import Stopped

USAGE = """usage: jorney COMMAND [OPTIONS]

commands:
  quickstart           the whole pipeline on a laptop, with the embedded model
  run CONFIG.py        what a configuration file holds: a pipeline, or one stage
  expand               reasoning trees of problems, judged and pruned
  trees                validate, import, export and describe files of trees
  judge                other ratings for trees: exact, reward model, LLM
  derive               shortcuts and journeys from trees
  refine               thoughts in the words of a language model, checked
  thoughts KIND        thoughts of other kinds, and care for sets of them: tree,
                       propose-critique, student-teacher, human; score, dedupe,
                       mix, diversity
  analyse FILES        what thoughts and outputs are made of, side by side
  sft                  supervised fine-tuning: thoughts, solutions, chats, texts
  prm                  a process reward model from rollouts or labelled steps
  prm label            labels for the steps of solutions, from rollouts
  prm eval             how good a reward model is on labelled solutions
  dpo                  preference training on given pairs, or on sampled ones
  evaluate             a model's accuracy on problems
  search               the same with search: best of N, beams of steps
  experiment FILE.py   journeys against shortcuts, by a protocol: seeds,
                       controls, doses, and one page
  generate             completions of prompts
  inspect MODEL        what a checkpoint holds, and where it fits
  convert MODEL DIR    a Hugging Face checkpoint -> Jorney's own
  export MODEL DIR     a checkpoint -> a Hugging Face folder
  plan CONFIG.py       what its programs need of a TPU machine, compiled for it
  bench train          throughput and memory of a training step
  bench sample         throughput of tree expansion

jorney COMMAND --help lists a command's options. From expand to search, a
configuration file may stand before them: jorney sft CONFIG.py [OPTIONS]."""


def _quickstart(arguments: Sequence[str]) -> None:
    from jorney.run.recipes.journey import quickstart

    _pipeline(quickstart(), arguments, "jorney quickstart", "The whole pipeline on a laptop.")


def _run(arguments: Sequence[str]) -> None:
    from jorney import config
    from jorney.run.commands.command import StageCommand
    from jorney.run.recipes.journey import RunConfig

    if not arguments or arguments[0].startswith("-"):
        raise ValueError("jorney run: expected a configuration file: jorney run CONFIG.py [OPTIONS]")
    file, *options = arguments
    made: Any = config.read(file, (RunConfig, StageCommand))
    if isinstance(made, StageCommand):
        _run_stage(made, options, f"jorney run {file}", made.name)
    else:
        _pipeline(made, options, f"jorney run {file}", "The pipeline of a configuration file.")


def _pipeline(default: Any, arguments: Sequence[str], prog: str, description: str) -> None:
    from jorney import config

    chosen = config.override(default, arguments, prog, description)
    _use_jax()
    from jorney.progress import Progress
    from jorney.run.recipes.journey import Run
    from jorney.show.tables import terminal_table

    progress = Progress()
    report = Run(chosen, progress).run()
    progress.console.print(terminal_table(report), soft_wrap=False)
    progress.say(f"report: {os.path.join(chosen.output, 'report.html')}")


def _stage(kind: Any) -> Callable[[Sequence[str]], None]:
    """A stage as a command."""

    def run(arguments: Sequence[str]) -> None:
        from jorney import config
        from jorney.run.commands import command
        from jorney.run.commands import rate as data_commands
        from jorney.run.commands import reward as prm_commands
        from jorney.run.commands import thoughts as thought_commands

        files = (command, data_commands, prm_commands, thought_commands)
        made: type[command.StageCommand] = {name: one for file in files for name, one in file.COMMANDS.items()}[kind]
        default, prog = made(), f"jorney {kind}"
        if arguments and not arguments[0].startswith("-"):
            default, prog = config.read(arguments[0], made), f"{prog} {arguments[0]}"
            arguments = arguments[1:]
        _run_stage(default, arguments, prog, kind)

    return run


def _run_stage(default: Any, arguments: Sequence[str], prog: str, kind: str) -> None:
    from jorney import config, devices, distributed
    from jorney.run.commands import command

    chosen = config.override(default, arguments, prog, (default.__doc__ or "").split("\n")[0])
    _use_jax()
    if isinstance(chosen, command.TrainCommand):
        devices.keep_freed_memory()
        distributed.initialize(chosen.distributed)
    from jorney.progress import Progress

    progress = Progress(quiet=not distributed.is_main())
    done = command.run(chosen, progress)
    for name, value in command.plain(done.result).items():
        progress.say(f"  {name}: {value:.4g}" if isinstance(value, float) else f"  {name}: {value}")
    progress.say(f"{kind}: {done.folder}")


def _thoughts(arguments: Sequence[str]) -> None:
    kinds = ("propose-critique", "student-teacher", "human", "score", "dedupe", "mix", "diversity")
    if arguments and {"--help", "-h"} >= set(arguments):
        print(f"jorney thoughts tree|{'|'.join(kinds)} [OPTIONS]; jorney thoughts score --help lists the options")
        return
    if not arguments or arguments[0] not in ("tree", *kinds):
        raise ValueError(f"jorney thoughts: expected what to do: jorney thoughts tree|{'|'.join(kinds)} [OPTIONS]")
    kind, *rest = arguments
    _stage("derive" if kind == "tree" else f"thoughts {kind}")(rest)


def _analyse(arguments: Sequence[str]) -> None:
    import dataclasses

    from jorney import config
    from jorney.run.commands import thoughts as thought_commands

    files = tuple(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
    default = thought_commands.AnalyseCommand(files=files)
    about = (default.__doc__ or "").split("\n")[0]
    chosen = config.override(default, arguments[len(files) :], "jorney analyse FILES...", about)
    _use_jax()
    from jorney.progress import Progress

    progress = Progress()
    written, shown = thought_commands.run_analysis(dataclasses.replace(chosen, files=chosen.files or files), progress)
    for table in shown:
        progress.console.print(table, "")
    for file in written:
        progress.say(f"analyse: {file}")


def _prm(arguments: Sequence[str]) -> None:
    kind, options = (arguments[0], arguments[1:]) if arguments[:1] and arguments[0] in _PRM else ("train", arguments)
    _stage(_PRM[kind])(options)


# `jorney prm [OPTIONS]` trains, as it did before there were others.
_PRM = {"train": "prm", "label": "prm label", "eval": "prm eval"}


def _experiment(arguments: Sequence[str]) -> None:
    import dataclasses

    from jorney import config
    from jorney.run.recipes.experiment.protocol import Protocol

    if not arguments or arguments[0].startswith("-"):
        raise ValueError("jorney experiment: expected a protocol: jorney experiment PROTOCOL.py [OPTIONS]")
    protocol = config.read(arguments[0], Protocol)
    about = "Journeys against shortcuts, by a protocol."
    chosen = config.override(protocol.choice(), arguments[1:], f"jorney experiment {arguments[0]}", about)
    _use_jax()
    from jorney.progress import Progress
    from jorney.run.recipes.experiment.write import experiment

    experiment(dataclasses.replace(protocol, **dataclasses.asdict(chosen)), Progress())


def _bench(arguments: Sequence[str]) -> None:
    from jorney import config, devices
    from jorney.machine.bench import sample, train
    from jorney.progress import Progress

    kinds: dict[str, tuple[Any, Any]] = {"train": (train.TrainBench(), train.run), "sample": (sample.SampleBench(), sample.run)}
    if arguments and {"--help", "-h"} >= set(arguments):
        print("jorney bench train|sample [OPTIONS]; jorney bench train --help lists the options")
        return
    if not arguments or arguments[0] not in kinds:
        raise ValueError("jorney bench: expected what to measure: jorney bench train|sample [OPTIONS]")
    kind, *options = arguments
    default, measure = kinds[kind]
    chosen = config.override(default, options, f"jorney bench {kind}", (default.__doc__ or "").split("\n")[0])
    _use_jax()
    if kind == "train":
        devices.keep_freed_memory()
    progress = Progress()
    for name, value in measure(chosen, progress.say).items():
        progress.say(f"{name:28} {value:,.4g}" if isinstance(value, float) else f"{name:28} {value}")


def _plan(arguments: Sequence[str]) -> None:
    from jorney import config
    from jorney.machine.plan import plan
    from jorney.run.commands.command import StageCommand
    from jorney.run.recipes.journey import RunConfig

    (file,), options = _places(arguments, "jorney plan CONFIG")
    about = "What a configuration's programs need of a TPU machine."
    chosen = config.override(plan.PlanConfig(), options, "jorney plan CONFIG.py", about)
    made: StageCommand | RunConfig = config.read(file, (StageCommand, RunConfig))
    import jax

    jax.config.update("jax_platforms", "cpu")  # a TPU that is here has no part in it, and may be in use
    print(plan.run(made, chosen, lambda line: print(line, file=sys.stderr, flush=True)))


def _trees(arguments: Sequence[str]) -> None:
    from jorney import config
    from jorney.progress import Progress
    from jorney.run.commands import tree_files

    known = "|".join((*tree_files.ACTIONS, "schema"))
    if arguments and {"--help", "-h"} >= set(arguments):
        print(f"jorney trees {known} FILE... [OPTIONS]; jorney trees import --help lists the options of import")
        return
    if list(arguments) == ["schema"]:
        tree_files.print_schema()
        return
    if not arguments or arguments[0] not in tree_files.ACTIONS:
        raise ValueError(f"jorney trees: expected what to do: jorney trees {known} FILE... [OPTIONS]")
    action, *rest = arguments
    files = list(itertools.takewhile(lambda argument: not argument.startswith("-"), rest))
    default, prog = tree_files.ACTIONS[action](), f"jorney trees {action} FILE..."
    chosen = config.override(default, rest[len(files) :], prog, (default.__doc__ or "").split("\n")[0])
    if not files:
        raise ValueError(f"expected {prog} [OPTIONS], got no file")
    tree_files.run(chosen, files, Progress())


def _generate(arguments: Sequence[str]) -> None:
    from jorney import config
    from jorney.run.commands.generation import GenerateCommand

    chosen = config.override(GenerateCommand(), arguments, "jorney generate", "Completions of prompts.")
    if not chosen.prompts:
        raise ValueError("--prompts: expected at least one text")
    _use_jax()
    import jorney

    policy = jorney.load(chosen.model)
    for prompt, completions in zip(chosen.prompts, jorney.generate(policy, chosen.prompts, chosen.sampling), strict=True):
        for completion in completions:
            print(prompt + completion.text)


def _inspect(arguments: Sequence[str]) -> None:
    from jorney import config
    from jorney.run.commands import checkpoints as command

    (model,), rest = _places(arguments, "jorney inspect MODEL")
    chosen = config.override(command.InspectCommand(), rest, "jorney inspect MODEL", "What a checkpoint holds.")
    print(command.describe(model, chosen))


def _convert(arguments: Sequence[str]) -> None:
    _between("convert", "A Hugging Face checkpoint -> Jorney's own.", arguments)


def _export(arguments: Sequence[str]) -> None:
    _between("export", "A checkpoint -> a Hugging Face folder.", arguments)


def _between(name: str, description: str, arguments: Sequence[str]) -> None:
    from jorney import config
    from jorney.progress import Progress
    from jorney.run.commands import checkpoints as command

    (model, output), rest = _places(arguments, f"jorney {name} MODEL DIR")
    chosen = config.override(command.ConvertCommand(), rest, f"jorney {name} MODEL DIR", description)
    _use_jax()
    {"convert": command.convert, "export": command.export}[name](model, output, chosen, Progress())


def _places(arguments: Sequence[str], usage: str) -> tuple[list[str], list[str]]:
    """The arguments before the options, as many as the usage names, and the options."""
    count = sum(word.isupper() for word in usage.split())
    places = list(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
    if len(places) != count and "--help" not in arguments and "-h" not in arguments:
        raise ValueError(f"expected {usage} [OPTIONS], got {len(places)} of {count} places")
    return (places + [""] * count)[:count], list(arguments[len(places) :])


def _use_jax() -> None:
    from jorney import devices
    from jorney.compiled import use_persistent_cache

    devices.only_what_is_here()
    use_persistent_cache()


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "quickstart": _quickstart,
    "run": _run,
    **{name: _stage(name) for name in ("expand", "judge", "derive", "refine", "sft", "dpo", "evaluate", "search")},
    "prm": _prm,
    "trees": _trees,
    "thoughts": _thoughts,
    "analyse": _analyse,
    "generate": _generate,
    "inspect": _inspect,
    "convert": _convert,
    "export": _export,
    "plan": _plan,
    "bench": _bench,
    "experiment": _experiment,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command. Returns 0; 2 for input that is wrong, after one line that says so; 130 or 143 when told to stop."""
    try:
        try:
            return _main(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            sys.stdout.flush()  # now, for a pipe that is closed is an error of its own (120) once Python shuts down
    except BrokenPipeError:  # the reader, `head` say, has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # so that the last flush finds no broken pipe
        return 141  # as a program that SIGPIPE ended


def _main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(USAGE)
        return 0
    try:
        if arguments[0] == "--version":
            import jorney

            print(jorney.__version__)
            return 0
        if arguments[0] not in COMMANDS:
            raise ValueError(f"unknown command {arguments[0]!r}: expected one of {', '.join(COMMANDS)}")
        with warnings.catch_warnings(), _interrupts_are_heard():
            warnings.showwarning = _show_warning
            COMMANDS[arguments[0]](arguments[1:])
    except BrokenPipeError:
        raise
    except Stopped as stop:
        print(f"jorney: {stop}; the same command goes on from there", file=sys.stderr)
        return 128 + stop.signal
    except Unfinished as share:
        print(f"jorney: {share}", file=sys.stderr)
        return 0
    except KeyboardInterrupt:
        print("\njorney: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except ImportError as error:
        if "gcsfs" not in str(error):
            raise
        print("jorney: gs:// paths need gcsfs: pip install 'jorney[gcs]'", file=sys.stderr)
        return 2
    except (ValueError, OSError) as error:
        if os.environ.get("JORNEY_TRACEBACK") or not _is_about_input(error):
            raise
        print(f"jorney: {error}", file=sys.stderr)
        return 2
    return 0


@contextlib.contextmanager
def _interrupts_are_heard() -> Iterator[None]:
    """Sends a Ctrl-C again that struck where Python drops exceptions: in a finaliser or in a callback of the collector."""
    report = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, KeyboardInterrupt):
            report(unraisable)
            return
        again = threading.Timer(0.05, _thread.interrupt_main)  # later: here it would be dropped again
        again.daemon = True
        again.start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = report


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"jorney: warning: {message}", file=sys.stderr)


def _is_about_input(error: BaseException) -> bool:
    """Whether Jorney itself or the operating system raised it. All else is a fault of the program and keeps its traceback."""
    if isinstance(error, OSError):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    return os.path.dirname(os.path.abspath(frames[-1].filename)).startswith(os.path.dirname(os.path.abspath(__file__)))


if __name__ == "__main__":
    sys.exit(main())
