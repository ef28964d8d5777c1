"""What each command of the command line does with its words: the configuration is read, and one function is called.

Modules are imported where a command needs them: `jorney --help` takes milliseconds.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from jorney import config
from jorney.progress import Progress

Words = Sequence[str]
THOUGHTS = ("propose-critique", "student-teacher", "human", "score", "dedupe", "mix", "diversity")
_PRM = {"train": "prm", "label": "prm label", "eval": "prm eval"}  # `jorney prm [OPTIONS]` trains, as before there were others


def _options(default: Any, words: Words, prog: str, about: str = "") -> Any:
    """The configuration with what the words say; described as its class is."""
    return config.override(default, words, prog, about or (default.__doc__ or "").split("\n")[0])


def _before_options(words: Words) -> tuple[list[str], list[str]]:
    """The words before the first option, and the rest."""
    places = list(itertools.takewhile(lambda word: not word.startswith("-"), words))
    return places, list(words[len(places) :])


def _places(words: Words, usage: str) -> tuple[list[str], list[str]]:
    """The words before the options, as many as the usage names, and the options."""
    count = sum(word.isupper() for word in usage.split())
    places, options = _before_options(words)
    if len(places) != count and "--help" not in words and "-h" not in words:
        raise ValueError(f"expected {usage} [OPTIONS], got {len(places)} of {count} places")
    return (places + [""] * count)[:count], options


def _file(words: Words, usage: str, what: str) -> tuple[str, list[str]]:
    """The file that stands first, and the options."""
    if not words or words[0].startswith("-"):
        raise ValueError(f"{usage.rpartition(' ')[0]}: expected {what}: {usage} [OPTIONS]")
    return words[0], list(words[1:])


def _kind(words: Words, name: str, kinds: Words, what: str, rest: str = "", example: str = "") -> tuple[str, list[str]] | None:
    """Which of its kinds a command is to do, and the words after it; None where help was asked for and given."""
    usage = f"jorney {name} {'|'.join(kinds)}{rest} [OPTIONS]"
    if words and {"--help", "-h"} >= set(words):
        print(f"{usage}; jorney {name} {example} --help lists the options{f' of {example}' if rest else ''}")
        return None
    if not words or words[0] not in kinds:
        raise ValueError(f"jorney {name}: expected {what}: {usage}")
    return words[0], list(words[1:])


def _use_jax() -> None:
    from jorney import devices
    from jorney.compiled import use_persistent_cache

    devices.only_what_is_here()
    use_persistent_cache()


def _show(values: dict[str, Any], say: Callable[[str], None], line: str, number: str) -> None:
    """A line for each value; `line` is filled with the name and the text, `number` formats floats."""
    for name, value in values.items():
        say(line.format(name, format(value, number) if isinstance(value, float) else value))


def quickstart(words: Words) -> None:
    from jorney.run.recipes import journey

    _run_pipeline(journey.quickstart(), words, "jorney quickstart", "The whole pipeline on a laptop.")


def run(words: Words) -> None:
    from jorney.run.commands.command import StageCommand
    from jorney.run.recipes.journey import RunConfig

    file, options = _file(words, "jorney run CONFIG.py", "a configuration file")
    made: Any = config.read(file, (RunConfig, StageCommand))
    if isinstance(made, StageCommand):
        _run_stage(made, options, f"jorney run {file}", made.name)
    else:
        _run_pipeline(made, options, f"jorney run {file}", "The pipeline of a configuration file.")


def _run_pipeline(default: Any, words: Words, prog: str, about: str) -> None:
    chosen = _options(default, words, prog, about)
    _use_jax()
    from jorney.run.recipes.journey import Run
    from jorney.show.tables import terminal_table

    progress = Progress()
    progress.console.print(terminal_table(Run(chosen, progress).run()), soft_wrap=False)
    progress.say(f"report: {os.path.join(chosen.output, 'report.html')}")


def stage(kind: str) -> Callable[[Words], None]:
    """A stage as a command; a configuration file may stand before its options."""

    def run(words: Words) -> None:
        from jorney.run.commands import command, learn, rate, reward
        from jorney.run.commands import thoughts as of_thoughts

        known = {name: one for file in (command, learn, rate, reward, of_thoughts) for name, one in file.COMMANDS.items()}
        made: Any = known[kind]
        files, options = _before_options(words)
        if not files:
            _run_stage(made(), options, f"jorney {kind}", kind)
        else:
            _run_stage(config.read(files[0], made), list(words[1:]), f"jorney {kind} {files[0]}", kind)

    return run


def _run_stage(default: Any, words: Words, prog: str, kind: str) -> None:
    from jorney import devices, distributed
    from jorney.run.commands import command

    chosen = _options(default, words, prog)
    _use_jax()
    if isinstance(chosen, command.TrainCommand):
        devices.keep_freed_memory()
        distributed.initialize(chosen.distributed)
    progress = Progress(quiet=not distributed.is_main())
    done = command.run(chosen, progress)
    _show(command.plain(done.result), progress.say, "  {}: {}", ".4g")
    progress.say(f"{kind}: {done.folder}")


def prm(words: Words) -> None:
    kind, options = (words[0], words[1:]) if words[:1] and words[0] in _PRM else ("train", words)
    stage(_PRM[kind])(options)


def thoughts(words: Words) -> None:
    if found := _kind(words, "thoughts", ("tree", *THOUGHTS), "what to do", example="score"):
        stage("derive" if found[0] == "tree" else f"thoughts {found[0]}")(found[1])


def analyse(words: Words) -> None:
    from jorney.run.commands import thoughts as of_thoughts

    files, options = _before_options(words)
    chosen = _options(of_thoughts.AnalyseCommand(files=tuple(files)), options, "jorney analyse FILES...")
    _use_jax()
    progress = Progress()
    chosen = dataclasses.replace(chosen, files=chosen.files or tuple(files))
    written, shown = of_thoughts.run_analysis(chosen, progress)
    for table in shown:
        progress.console.print(table, "")
    for file in written:
        progress.say(f"analyse: {file}")


def trees(words: Words) -> None:
    from jorney.run.commands import tree_files

    if list(words) == ["schema"]:
        tree_files.print_schema()
        return
    found = _kind(words, "trees", (*tree_files.ACTIONS, "schema"), "what to do", " FILE...", "import")
    if not found:
        return
    files, options = _before_options(found[1])
    prog = f"jorney trees {found[0]} FILE..."
    chosen = _options(tree_files.ACTIONS[found[0]](), options, prog)
    if not files:
        raise ValueError(f"expected {prog} [OPTIONS], got no file")
    tree_files.run(chosen, files, Progress())


def generate(words: Words) -> None:
    from jorney.run.commands.generation import GenerateCommand

    chosen = _options(GenerateCommand(), words, "jorney generate", "Completions of prompts.")
    if not chosen.prompts:
        raise ValueError("--prompts: expected at least one text")
    _use_jax()
    import jorney

    policy = jorney.load(chosen.model)
    for prompt, completions in zip(chosen.prompts, jorney.generate(policy, chosen.prompts, chosen.sampling), strict=True):
        for completion in completions:
            print(prompt + completion.text)


def inspect(words: Words) -> None:
    from jorney.run.commands import checkpoints

    (model,), options = _places(words, "jorney inspect MODEL")
    chosen = _options(checkpoints.InspectCommand(), options, "jorney inspect MODEL", "What a checkpoint holds.")
    print(checkpoints.describe(model, chosen))


def convert(words: Words) -> None:
    _between("convert", "A Hugging Face checkpoint -> Jorney's own.", words)


def export(words: Words) -> None:
    _between("export", "A checkpoint -> a Hugging Face folder.", words)


def _between(name: str, about: str, words: Words) -> None:
    from jorney.run.commands import checkpoints

    (model, output), options = _places(words, f"jorney {name} MODEL DIR")
    chosen = _options(checkpoints.ConvertCommand(), options, f"jorney {name} MODEL DIR", about)
    _use_jax()
    getattr(checkpoints, name)(model, output, chosen, Progress())


def plan(words: Words) -> None:
    from jorney.machine.plan import plan as plans
    from jorney.run.commands.command import StageCommand
    from jorney.run.recipes.journey import RunConfig

    (file,), options = _places(words, "jorney plan CONFIG")
    about = "What a configuration's programs need of a TPU machine."
    chosen = _options(plans.PlanConfig(), options, "jorney plan CONFIG.py", about)
    made: Any = config.read(file, (StageCommand, RunConfig))
    import jax

    jax.config.update("jax_platforms", "cpu")  # a TPU that is here has no part in it, and may be in use
    print(plans.run(made, chosen, lambda line: print(line, file=sys.stderr, flush=True)))


def bench(words: Words) -> None:
    found = _kind(words, "bench", ("train", "sample"), "what to measure", example="train")
    if not found:
        return
    from jorney import devices
    from jorney.machine.bench import sample, train

    kinds: dict[str, tuple[Any, Any]] = {"train": (train.TrainBench(), train.run), "sample": (sample.SampleBench(), sample.run)}
    default, measure = kinds[found[0]]
    chosen = _options(default, found[1], f"jorney bench {found[0]}")
    _use_jax()
    if found[0] == "train":
        devices.keep_freed_memory()
    say = Progress().say
    _show(measure(chosen, say), say, "{:28} {}", ",.4g")


def experiment(words: Words) -> None:
    from jorney.run.recipes.experiment.protocol import Protocol

    file, options = _file(words, "jorney experiment PROTOCOL.py", "a protocol")
    protocol = config.read(file, Protocol)
    chosen = _options(protocol.choice(), options, f"jorney experiment {file}", "Journeys against shortcuts, by a protocol.")
    _use_jax()
    from jorney.run.recipes.experiment.write import experiment

    experiment(dataclasses.replace(protocol, **dataclasses.asdict(chosen)), Progress())
