"""A protocol: how problems are asked, and how answers are read. An accuracy is an accuracy by a protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from jorney.config import expect_at_least, expect_one_of
from jorney.domain.choice_of_options import shown
from jorney.domain.problem import Problem
from jorney.domain.readings import STATED, expect_known
from jorney.solve.generation_request import first_of
from jorney.text.chat import render
from jorney.text.step_format import FORMATS, StepFormat
from jorney.text.tokenizer import Tokenizer

AUTO, YES, NO = "auto", "yes", "no"
GENERATION, LIKELIHOOD = "generation", "likelihood"


@dataclasses.dataclass(frozen=True)
class Shot:
    """A worked example.

    Attributes:
      asked: the prompt of its problem.
      solution: what a model would write behind it.
    """

    asked: str
    solution: str


@dataclasses.dataclass(frozen=True)
class TaskProtocol:
    r"""How problems are asked, and how answers are read.

    Attributes:
      prompt: of one problem: a template with `{question}`, `{options}` of a choice, and texts of a problem's `meta` (a line for
        each text of a list).
      join: what stands between a shot's prompt and its solution.
      between: what stands behind a shot.
      before: what stands before all, or what the system says in a chat.
      shots: where they are read from (`shots.read`); "" for none.
      count: of shots; None for all that are there.
      worked: the shots themselves, once they are read.
      stops: strings before which a text ends.
      stops_in_chats: whether they do in a chat, too.
      readings: how answers are read (`domain.readings`): the first decides.
      written: the step format (`text.step_format.FORMATS`) by which "stated" knows a final answer.
      chat: "yes" asks through the model's chat template, shots as turns; "auto" where there is one; "no" as a text.
      plain: the prompt where a chat is asked for by "auto" and the model has no template; "" for the same.
      by: "generation" of texts, or "likelihood" of a choice's options.
      scored: in a likelihood, an option's "text" or its "letter", a space before it.
      max_tokens: of a text.
      samples, temperature, top_p: how many texts of a problem are drawn, and how, unless told otherwise.
    """

    prompt: str
    join: str = " "
    between: str = "\n\n"
    before: str = ""
    shots: str = ""
    count: int | None = None
    worked: tuple[Shot, ...] = ()
    stops: tuple[str, ...] = ()
    stops_in_chats: bool = False
    readings: tuple[str, ...] = (STATED,)
    written: str = "abel"
    chat: str = NO
    plain: str = ""
    by: str = GENERATION
    scored: str = "text"
    max_tokens: int = 1024
    samples: int = 1
    temperature: float = 0.0
    top_p: float = 1.0

    @classmethod
    def of(cls, step_format: StepFormat, readings: Sequence[str] = (STATED, "lenient")) -> TaskProtocol:
        """What a step format says: its prompt alone, answers as it marks them."""
        return cls(
            step_format.prompt,
            join="",
            between="" if step_format.chat else "\n\n",
            before=step_format.system,
            readings=tuple(readings),
            written=step_format.name,
            chat=YES if step_format.chat else NO,
        )

    @property
    def step_format(self) -> StepFormat:
        return FORMATS[self.written]

    def settled(self, chats: bool) -> TaskProtocol:
        """For a model whose tokenizer has a chat template, or has none."""
        if self.chat != AUTO:
            return self
        plain = self.plain if self.plain and not chats else self.prompt
        return dataclasses.replace(self, chat=YES if chats else NO, prompt=plain)

    def told(self, max_tokens: int) -> str:
        """In a line, for people; with the limit of a text."""
        count = f"{len(self.worked)} shot{'s' * (len(self.worked) != 1)}"
        shown = f"{count} ({self.shots})" if self.worked else f"shots of {self.shots}" if self.shots else "no shots"
        asked = "as a text" if self.chat == NO else "as a chat"
        if self.by == LIKELIHOOD:
            return f"{shown}, {asked}; the likelihood of each option's {self.scored} decides"
        first, *others = self.readings
        beside = f", {' and '.join(others)} beside it" if others else ""
        return f"{shown}, {asked}; read by {first}{beside}; {max_tokens:,} tokens at most"

    def ask(self, problem: Problem) -> str:
        """The prompt of one problem, without shots."""
        fields = {name: value for name, value in problem.meta.items() if isinstance(value, str)}
        listed = {name: value for name, value in problem.meta.items() if isinstance(value, list)}
        fields |= {name: "\n".join(value) for name, value in listed.items() if all(isinstance(one, str) for one in value)}
        if "{options}" in self.prompt:
            fields["options"] = shown(problem)
        fields["question"] = problem.question.strip()
        return filled(self.prompt, fields)

    def text(self, problem: Problem) -> str:
        """The whole prompt where it is a text: what stands before, the shots, the question."""
        shots = "".join(f"{shot.asked}{self.join}{shot.solution}{self.between}" for shot in self.worked)
        return f"{self.before}{shots}{self.ask(problem)}"

    def messages(self, problem: Problem) -> list[dict[str, str]]:
        """The whole prompt where it is a chat: shots are turns."""
        found = [{"role": "system", "content": self.before.strip()}] if self.before.strip() else []
        for shot in self.worked:
            found += [{"role": "user", "content": shot.asked}, {"role": "assistant", "content": shot.solution}]
        return [*found, {"role": "user", "content": self.ask(problem)}]

    def encode(self, tokenizer: Tokenizer, problem: Problem) -> list[int]:
        """Ids of the whole prompt, bos once where the model has one.

        Raises:
          ValueError: it asks in a chat, and the tokenizer has no chat template, or one that refuses it.
        """
        if self.chat == NO:
            return tokenizer.encode_prompt(self.text(problem))
        chat = tokenizer.guarded(self.messages(problem))
        return tokenizer.encode_prompt(render(tokenizer, chat, "--protocol.chat"), rendered=True)

    def longest(self, tokenizer: Tokenizer, problems: Iterable[Problem]) -> int:
        """Ids of the longest prompt; raises as `encode` does."""
        return max((len(self.encode(tokenizer, problem)) for problem in problems), default=0)

    def cut(self, text: str) -> int | None:
        """Where a text is over: before the first of the stops; None where none is there.

        In a chat the model ends its turn itself: what would end a text that goes on ("\\ndef") may well stand in an answer.
        """
        if self.chat == YES and not self.stops_in_chats:
            return None
        return first_of(text, self.stops)


def filled(template: str, fields: dict[str, str]) -> str:
    """A template with its fields, each put in once: braces in what is put in are text."""
    parts, rest = [], template
    while rest:
        places = [(at, name) for name in fields if (at := rest.find("{" + name + "}")) >= 0]
        if not places:
            break
        at, name = min(places)
        parts += [rest[:at], fields[name]]
        rest = rest[at + len(name) + 2 :]
    return "".join([*parts, rest])


@dataclasses.dataclass(frozen=True)
class ProtocolConfig:
    """What is to be otherwise than a benchmark's protocol, or a step format, has it.

    Attributes:
      shots: a file of worked examples, rows with a question and a solution (or answer); "none" for none; "" as the protocol has
        it.
      count: how many shots.
      prompt: template of a prompt, with {question}.
      system: what stands before everything else; in a chat, what the system says.
      chat: "yes" asks through the model's chat template, shots as turns; "no" asks with a text; "" as the protocol has it.
      stops: strings at which a text is cut off; "none" for none. In a chat, only what is stated here counts.
      readings: how answers are read: stated, lenient, last-number, minerva and others of domain/readings.py. The first decides.
    """

    shots: str = ""
    count: int | None = None
    prompt: str = ""
    system: str = ""
    chat: str = ""
    stops: tuple[str, ...] = ()
    readings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expect_one_of(("", YES, NO, AUTO), self, "protocol", "chat")
        expect_at_least(1, self, "protocol", "count", none="None for all")
        expect_known(self.readings, "protocol.readings")
        if self.prompt and not any(f"{{{name}}}" in self.prompt for name in ("question", "prompt", "text")):
            raise ValueError(f"protocol.prompt = {self.prompt!r}: expected a template with {{question}}")

    def over(self, protocol: TaskProtocol) -> TaskProtocol:
        """A protocol with what is stated here in place of its own."""
        chat, before = self.chat or protocol.chat, self.system or protocol.before
        if self.system and chat == NO:
            before = f"{before.rstrip()}\n\n"
        return dataclasses.replace(
            protocol,
            shots="" if self.shots == "none" else self.shots or protocol.shots,
            count=protocol.count if self.count is None else self.count,
            prompt=self.prompt or protocol.prompt,
            plain="" if self.prompt else protocol.plain,
            before=before,
            chat=chat,
            stops=() if self.stops == ("none",) else self.stops or protocol.stops,
            stops_in_chats=bool(self.stops) or protocol.stops_in_chats,
            readings=self.readings or protocol.readings,
        )
