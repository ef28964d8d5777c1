"""`jorney completion`: a script that completes commands and their options in a shell."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from jorney.run import command_registry, options
from jorney.run.command import Command

SHELLS = ("bash", "zsh")
_SCRIPT = """{zsh}_jorney() {{
    local line="${{COMP_WORDS[*]:1:COMP_CWORD-1}}" word="${{COMP_WORDS[COMP_CWORD]}}" words=""
    case "$line" in
{cases}
        "") words="{commands}" ;;
    esac
    COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o default -o bashdefault -F _jorney jorney
"""


@dataclasses.dataclass(frozen=True)
class CompletionCommand(Command):
    """Prints a script that completes commands and options: jorney completion bash > ~/.jorney_completion, and source it.

    Attributes:
      shell: bash or zsh.
    """

    command: ClassVar[str] = "completion"
    places: ClassVar[dict[str, str]] = {"shell": "SHELL"}

    shell: str = ""

    def __post_init__(self) -> None:
        if self.shell and self.shell not in SHELLS:
            raise ValueError(f"shell = {self.shell!r}: expected one of {', '.join(SHELLS)}")

    def execute(self) -> None:
        names = list(command_registry.COMMANDS)
        groups = {name.partition(" ")[0]: [] for name in names}  # type: dict[str, list[str]]
        cases = []
        for name in sorted(names, key=len, reverse=True):  # the longest first, as the shell takes the first that fits
            first, _, kind = name.partition(" ")
            known = options.options(command_registry.command(name).default())
            words = [f"--{option.name}" for option in known]
            groups[first] += [kind] if kind else words
            if kind:
                cases.append(f'        "{name}"*) words="{" ".join(words)}" ;;')
        cases += [f'        "{first}"*) words="{" ".join(words)}" ;;' for first, words in groups.items()]
        zsh = "autoload -U +X bashcompinit && bashcompinit\n" if self.shell == "zsh" else ""
        print(_SCRIPT.format(zsh=zsh, cases="\n".join(cases), commands=" ".join(groups)), end="")
