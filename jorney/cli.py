"""The program: commands are found, and errors told in one line."""

from __future__ import annotations

import _thread
import contextlib
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from jorney.progress import Unfinished
from jorney.run.commands import entries
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


COMMANDS: dict[str, Callable[[Sequence[str]], None]] = {
    "quickstart": entries.quickstart,
    "run": entries.run,
    **{name: entries.stage(name) for name in ("expand", "judge", "derive", "refine", "sft", "dpo", "evaluate", "search")},
    "prm": entries.prm,
    "trees": entries.trees,
    "thoughts": entries.thoughts,
    "analyse": entries.analyse,
    "generate": entries.generate,
    "inspect": entries.inspect,
    "convert": entries.convert,
    "export": entries.export,
    "plan": entries.plan,
    "bench": entries.bench,
    "experiment": entries.experiment,
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
