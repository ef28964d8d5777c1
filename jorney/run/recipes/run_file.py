"""`jorney run`: what a configuration file holds."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Sequence
from typing import Any, ClassVar

from jorney import config
from jorney.run import configurations, options
from jorney.run.command import Command, carry_out, split_file, taken
from jorney.run.recipes.journey import RunConfig
from jorney.run.stage import StageCommand


@dataclasses.dataclass(frozen=True)
class RunFile(Command):
    """What the function config() of a Python file returns: a pipeline (RunConfig), or any stage (SftCommand, ...).

    The options are those of what it returns: jorney run CONFIG.py --help lists them.
    """

    command: ClassVar[str] = "run"
    file: ClassVar[str] = "CONFIG.py"

    @classmethod
    def main(cls, words: Sequence[str]) -> None:
        save_as, words = taken("--save-config", words)
        stated, words = taken("--config", words)
        if stated and stated.endswith(".py"):
            words, stated = [stated, *words], None
        file, rest = split_file(words, RunConfig())
        if file is None:
            if not any(word in options.HELP for word in rest):
                raise ValueError(f"CONFIG.py is missing: expected a configuration file: {cls.usage()}")
            options.read(cls(), options.HELP, cls.usage(), {}, (), cls.__doc__)
            print("configurations by name:\n" + textwrap.indent(textwrap.fill(", ".join(configurations.named()), 76), "  "))
            return
        made: Any = config.read(file, (RunConfig, StageCommand))
        kind = type(made)
        if not hasattr(kind, "command"):
            raise ValueError(
                f"{file}: config() returned a {kind.__name__}, which has no `command`: expected its name as `command`"
            )
        carry_out(made, kind, rest, f"jorney run {file} [OPTIONS]", {}, stated, save_as)
