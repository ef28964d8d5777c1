"""What a command is: a configuration that is read from the words of a command line, and does something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from jorney import config
from jorney.progress import Progress
from jorney.run import options


class Command:
    """A configuration (a frozen dataclass) that is a command.

    Attributes:
      command: its name on the command line.
      file: "[CONFIG.py]" where a configuration file may give the defaults, "CONFIG.py" where one must, "" where none can.
      places: fields that words without an option fill, in order, and what the usage calls each: "MODEL"; "FILE..." takes all
        that are left.
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
        file, rest = split_file(words, cls.default()) if cls.file else (None, list(words))
        default = config.read(file, cls) if file else cls.default()
        kind = type(default) if file else cls  # a class of the file may have more options
        if chosen := options.read(default, rest, cls.usage(), cls.places, kind.common, kind.__doc__):
            chosen.execute()

    def execute(self) -> None:
        """Does it."""
        raise NotImplementedError


def split_file(words: Sequence[str], default: Any) -> tuple[str | None, list[str]]:
    """The configuration file among the words, if there is one: the first that is no option's value; and the other words.

    Args:
      default: a configuration whose options are likely; the file may have others.
    """
    places = options.split(default, words, "", strict=False).places
    if not places:
        return None, list(words)
    file, rest = next((word for word in places if word.endswith(".py")), places[0]), list(words)
    rest.remove(file)
    return file, rest


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
