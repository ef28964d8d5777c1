"""What a command is: a configuration that is read from the words of a command line, and does something."""

from __future__ import annotations

import pathlib
import shlex
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from jorney import config
from jorney.progress import Progress
from jorney.run import configurations, options, yaml_config


class Command:
    """A configuration (a frozen dataclass) that is a command.

    Attributes:
      command: its name on the command line.
      file: "[CONFIG.py]" where a configuration file may give the defaults, "CONFIG.py" where one must, "" where none can.
      places: fields that words without an option fill, in order, and what the usage calls each: "MODEL"; "FILE..." takes all
        that are left, and "[FILE...]" may take none.
      common: the options that people change first, as they are written.
    """

    command: ClassVar[str]
    file: ClassVar[str] = ""
    places: ClassVar[dict[str, str]] = {}
    common: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def default(cls) -> Any:
        """What it is without options."""
        return cls()

    @classmethod
    def usage(cls) -> str:
        return " ".join(["jorney", cls.command, *filter(None, [cls.file, *cls.places.values()]), "[OPTIONS]"])

    @classmethod
    def main(cls, words: Sequence[str]) -> None:
        """Does what the words of a command line say.

        Raises:
          FileNotFoundError, ValueError: name the file, the option or the place, and what was expected.
        """
        save_as, words = taken("--save-config", words)
        stated, words = taken("--config", words)
        file, rest = split_file(words, cls.default()) if cls.file else (None, list(words))
        file, stated = (stated, None) if stated and stated.endswith(".py") else (file, stated)
        default = config.read(file, cls) if file else cls.default()
        carry_out(default, type(default) if file else cls, rest, cls.usage(), cls.places, stated, save_as)

    def execute(self) -> None:
        """Does it."""
        raise NotImplementedError


def carry_out(
    default: Any,
    kind: type[Command],
    words: Sequence[str],
    usage: str,
    places: dict[str, str],
    stated: str | None,
    save_as: str | None,
) -> None:
    """Does what a configuration says with options: those of a YAML file, and words, which win; or shows its help.

    Args:
      kind: whose common options and words the help shows.
      stated: the file.
      save_as: a file, into which all of it is written.
    """
    given = [*(yaml_config.words_of(stated, default) if stated else ()), *words]
    if chosen := options.read(default, given, usage, places, kind.common, kind.__doc__):
        if save_as:
            yaml_config.save(chosen, save_as)
        chosen.execute()


def taken(option: str, words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The value of an option that every command has, if it is there, and the other words."""
    rest, value = list(words), None
    for place, word in enumerate(words):
        if word == option or word.startswith(option + "="):
            own = word == option
            if own and place + 1 == len(words):
                raise ValueError(f"{option}: expected a file behind it")
            value = words[place + 1] if own else word.removeprefix(option + "=")
            del rest[place : place + 1 + own]
            break
    return value, rest


def split_file(words: Sequence[str], default: Any) -> tuple[str | None, list[str]]:
    """The configuration file among the words, if there is one: the first that is no option's value; and the other words.

    A name is that of one of Jorney's own configurations.

    Args:
      default: a configuration whose options are likely; the file may have others.
    """
    places = options.split(default, words, "", strict=False).places
    if not places:
        return None, list(words)
    file, rest = next((word for word in places if word.endswith(".py")), places[0]), list(words)
    rest.remove(file)
    return configurations.find(file), rest


def line() -> str | None:
    """The command line that runs, without keys in its addresses; None where Jorney is used from Python."""
    from jorney.judge.llm.redaction import without_secrets

    program = pathlib.Path(sys.argv[0])
    if program.name != "jorney" and program.parent != pathlib.Path(__file__).parents[1]:
        return None
    parted = (word.partition("=") if word.startswith("--") else ("", "", word) for word in sys.argv[1:])
    return shlex.join(["jorney", *(f"{option}{sign}{without_secrets(value)}" for option, sign, value in parted)])


def use_jax() -> None:
    """Takes the devices that are here, and keeps compiled programs on disk. Of several processes, once they have met.

    Raises:
      ValueError: there are none, or the environment has jax compute otherwise than commands do.
    """
    from jorney import devices, precision
    from jorney.compiled import use_persistent_cache

    precision.expect_settings()
    devices.only_what_is_here()
    use_persistent_cache()


def show(values: dict[str, Any], progress: Progress, line: str = "  {}: {}", number: str = ".4g") -> None:
    """A line for each number or word; `line` is filled with the name and the text, `number` formats floats."""
    for name, value in values.items():
        if value != "" and not isinstance(value, list | dict):
            progress.say(line.format(name, format(value, number) if isinstance(value, float) else value))
