"""The step format: how a prompt is made, how steps are told apart and how a final answer is written. Data, not code."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

from jorney.text.chat import render
from jorney.text.tokenizer import Tokenizer

BOXED = r"\boxed"
MARKS = ("####", BOXED)
# A box, up to what it holds. A backspace is what `\\b` becomes where text was taken for a program's.
BOX = re.compile(r"(?:\\boxed|\x08oxed|\\fbox|\\framebox)(?![A-Za-z])\s*")

# Displayed formulas, environments and code: what stands within them begins no step. `{end}` is what else may end them. A
# bracket behind two backslashes is a line's end with its height, `\\[2pt]`; `$$70` amid a line is a sum of money.
_BLOCKS = (
    r"(?<!\\)\\\[.*?(?:(?<!\\)\\\]{end})|\$\$[^\n]*?\$\$|(?:^[ \t]*\$\$|\$\$(?!\d)).*?(?:\$\${end})"
    r"|\\begin\{{(\w+\*?)\}}.*?(?:\\end\{{\1\}}{end})|^```.*?(?:^```[ \t]*${end})"
)
_CLOSED = re.compile(_BLOCKS.format(end=""), re.DOTALL | re.MULTILINE)
_OPEN_TOO = re.compile(_BLOCKS.format(end=r"|\Z"), re.DOTALL | re.MULTILINE)


@dataclasses.dataclass(frozen=True)
class StepFormat:
    """A way of writing step-by-step solutions.

    Attributes:
      name: for configurations and records.
      prompt: template with `{question}`.
      start: regular expression that matches where a step begins, its number as group 1; without a group it matches the space
        that divides two steps.
      opening: what step k begins with, template with `{k}`.
      answer: how the final answer is written, template with `{answer}`; a line of its own.
      between: what stands between two steps.
      mark: what a final answer is known by: "####" (behind it, on its line; else the last box) or "\\boxed" (boxes alone: there
        are models whose headings begin with ####).
      chat: whether the prompt is what the user says in a chat, through the model's chat template.
      system: what the system says before, in a chat; "" for nothing.
    """

    name: str
    prompt: str
    start: str
    opening: str
    answer: str
    between: str = "\n"
    mark: str = "####"
    chat: bool = False
    system: str = ""

    def __post_init__(self) -> None:
        if self.mark not in MARKS:
            raise ValueError(f"step format {self.name!r}: mark = {self.mark!r}: expected one of {', '.join(MARKS)}")

    @property
    def numbered(self) -> bool:
        """Steps begin with their numbers."""
        return bool(re.compile(self.start).groups)

    def ask(self, question: str) -> str:
        """The prompt for a question; in a chat, what the user says."""
        return self.prompt.replace("{question}", question.strip())

    def messages(self, question: str) -> list[dict[str, str]]:
        """The chat that asks a question."""
        before = [{"role": "system", "content": self.system}] if self.system else []
        return [*before, {"role": "user", "content": self.ask(question)}]

    def longest(self, tokenizer: Tokenizer, questions: Iterable[str]) -> int:
        """Ids of the longest prompt; raises as `encode` does."""
        return max((len(self.encode(tokenizer, question)) for question in questions), default=0)

    def encode(self, tokenizer: Tokenizer, question: str) -> list[int]:
        """Ids of the prompt for a question, up to where the model is to write: bos once, where the model has one.

        Raises:
          ValueError: the format asks in a chat, and the tokenizer has no chat template, or one that refuses it.
        """
        if not self.chat:
            return tokenizer.encode_prompt(self.ask(question))
        chat = tokenizer.guarded(self.messages(question))
        return tokenizer.encode_prompt(render(tokenizer, chat, f"step_format = {self.name!r}"), rendered=True)

    def opens(self, k: int) -> str:
        """The text that step k (from 1) begins with."""
        return self.opening.replace("{k}", str(k))

    def states(self, answer: str) -> str:
        """The line that states a final answer."""
        return self.answer.replace("{answer}", answer)

    def bare(self, step: str) -> str:
        """A step without its opening and the space around it."""
        step = step.strip()
        opening = re.match(self.start, step) if self.numbered else None
        return step[opening.end() if opening else 0 :].strip()

    def opened(self, step: str, k: int, any_number: bool = False) -> str:
        """A step behind the opening of step k, which it may have already; with `any_number` that of another step will do."""
        opens = re.match(self.start, step) if any_number else step.startswith(self.opens(k))
        return step if opens else self.opens(k) + step

    def unopened(self, step: str, k: int) -> str:
        """What stands behind the opening of step k, to the letter; `bare` where the step begins with another."""
        opening = self.opens(k)
        return step.removeprefix(opening) if step.startswith(opening) else self.bare(step)

    def stating(self, step: str, answer: str | None) -> str:
        """A step and, where there is one, the line that states the final answer."""
        return step if answer is None else "\n".join([*([step] if step else []), self.states(answer)])

    def stated(self, text: str) -> tuple[str, str | None]:
        """A step and the answer that its last line states: the inverse of `stating`. None where it states none so."""
        head, _, tail = self.answer.partition("{answer}")
        step, line, last = text.rpartition("\n")
        answer = last.removeprefix(head).removesuffix(tail)
        if head + answer + tail != last or not answer.strip() or answer != answer.strip() or (line and not step):
            return text, None
        return step, answer

    def write(self, steps: Sequence[str], answer: str) -> str:
        """A response: the steps, numbered from 1, and the final answer."""
        texts = [self._undivided(step.strip()) for step in steps if step.strip()]
        return self.stating(self.between.join(self.opens(k) + text for k, text in enumerate(texts, start=1)), answer)

    def _undivided(self, step: str) -> str:
        """A step without the blank lines at which it would be cut in two."""
        if self.numbered:
            return step
        for match in reversed(list(self._starts(step, _CLOSED))):
            step = f"{step[: match.start()]}\n{step[match.end() :]}"
        return step

    def _starts(self, text: str, blocks: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Where steps begin."""
        within = [match.span() for match in blocks.finditer(text)]
        for match in re.finditer(self.start, text, re.MULTILINE):
            if not any(start < match.end() < stop for start, stop in within):
                yield match

    def end_of_step(self, text: str, k: int) -> int | None:
        """Where step k ends in a text that begins with it, its opening left out. None: not yet.

        It ends where the next step begins (with its number, where steps have numbers), or behind the line of the final answer;
        never within a displayed formula, an environment or code.
        """
        begins = (one for one in self._starts(text, _OPEN_TOO) if not self.numbered or one[1] == str(k + 1))
        # Space before a step belongs to the one before it.
        ends = [match.end() - len(match[0].lstrip()) for match in itertools.islice(begins, 1)]
        return min([*ends, *itertools.islice(self._behind_answers(text), 1)], default=None)

    def _behind_answers(self, text: str) -> Iterator[int]:
        """Behind the lines that state a final answer, complete ones only."""
        if self.mark != BOXED:
            at = 0
            while (end := text.find("\n", at)) >= 0:  # not one pattern for all: a line of marks would take its square
                if text[at:end].partition("####")[2].strip():
                    yield end + 1
                at = end + 1
            return
        within = [match.span() for match in _OPEN_TOO.finditer(text)]
        closed = closings(text)
        for box in BOX.finditer(text):
            stop = closed.get(box.end())
            lines = (match.end() for match in re.compile(r"\n").finditer(text, stop)) if stop else ()
            yield from (end for end in lines if not any(a < end < b for a, b in within))

    def split(self, response: str) -> list[str]:
        """The steps of a response, as written, without the space around them.

        A step may span lines and blank lines may lie between steps. Text before the first step is a step of its own; the
        final answer belongs to the last step.
        """
        return [response[start:stop] for start, stop in self.places(response)]

    def places(self, response: str) -> list[tuple[int, int]]:
        """Where the steps of `split` stand in a response: (start, stop) of each."""
        cuts = sorted({0, *(match.start() for match in self._starts(response, _CLOSED)), len(response)})
        pieces = ((a, response[a:b]) for a, b in itertools.pairwise(cuts))
        starts = ((a + len(piece) - len(piece.lstrip()), piece.strip()) for a, piece in pieces)
        return [(start, start + len(step)) for start, step in starts if step]

    def lines(self, steps: Sequence[str], goes_on: bool) -> list[str]:
        """Steps as they stand in a response, openings included, with what divides each from the next.

        Args:
          goes_on: whether others follow the last.
        """
        return [step + self.between for step in steps[:-1]] + [steps[-1] + self.between * goes_on] if steps else []


def closings(text: str) -> dict[int, int]:
    """Where each brace that is closed stands -> behind the one that closes it. An escaped brace is text."""
    found, opened = {}, []
    for match in re.finditer(r"\\.|[{}]", text, re.DOTALL):
        if match[0] == "{":
            opened.append(match.start())
        elif match[0] == "}" and opened:
            found[opened.pop()] = match.end()
    return found


# Abel's numbered lines (spec of the paper's phase 1): measured on its public outputs, 7% hold a step of several lines and
# 16% blank lines between steps, so a step begins at a number, never at a bare newline.
ABEL = StepFormat(
    name="abel",
    prompt="Question:\n{question}\nAnswer:\nLet's think step by step.\n",
    start=r"^[^\S\n]*(\d+)\.\s",  # not \s*: over a run of blank lines that would take its square
    opening="{k}. ",
    answer="#### {answer}",
)
# Steps divided by blank lines, as Qwen2.5-Math's and DeepSeekMath's models write them; the prompt is DeepSeekMath's, whose chat
# template it is written out by.
_BOXED_SUFFIX = "{question}\nPlease reason step by step, and put your final answer within \\boxed{}."
BLANK = StepFormat(
    name="blank",
    prompt=f"User: {_BOXED_SUFFIX}\n\nAssistant:",
    start=r"(?<=\S)[ \t]*\n(?:[ \t]*\n)+(?=[ \t]*\S)",
    opening="",
    answer="The final answer is $\\boxed{{answer}}$.",
    between="\n\n",
    mark=BOXED,
)
# Llama 3's evaluation prompt, and with it search-and-learn's (Beeching et al., 2024).
_LLAMA = """Solve the following math problem efficiently and clearly:

- For simple problems (2 steps or fewer):
Provide a concise solution with minimal explanation.

- For complex problems (3 steps or more):
Use this step-by-step format:

## Step 1: [Concise description]
[Brief explanation and calculations]

## Step 2: [Concise description]
[Brief explanation and calculations]

...

Regardless of the approach, always conclude with:

Therefore, the final answer is: $\\boxed{answer}$. I hope it is correct.

Where [answer] is just the final number or expression that solves the problem."""
STEP = StepFormat(
    name="step",
    prompt=f"{_LLAMA}\n\nProblem: {{question}}\n\n",
    start=r"^[^\S\n]*#{1,6}[ \t]*Step[ \t]+(\d+)(?:[:.)]|\b)[ \t]*",
    opening="## Step {k}: ",
    answer="Therefore, the final answer is: $\\boxed{{answer}}$. I hope it is correct.",
    between="\n\n",
    mark=BOXED,
)
# The same steps, asked for through the model's chat template.
BLANK_CHAT = dataclasses.replace(BLANK, name="blank-chat", chat=True, prompt=_BOXED_SUFFIX)
STEP_CHAT = dataclasses.replace(STEP, name="step-chat", chat=True, system=_LLAMA, prompt="{question}")
AUTO = "auto"  # the one that suits a model: what it learned here (`policy.ABOUT`), else the `usual` one
FORMATS = {one.name: one for one in (ABEL, BLANK, STEP, BLANK_CHAT, STEP_CHAT)}


def usual(chats: bool) -> str:
    """The format of a model of which nothing is known but whether its tokenizer has a chat template."""
    return BLANK_CHAT.name if chats else ABEL.name


def rewrite(solution: str, old: StepFormat, new: StepFormat) -> str:
    """A solution in another format; as it stands where it is not in the old one, a number at each step and a marked answer."""
    if old == new or not (old.numbered and re.match(old.start, solution)):
        return solution
    before, mark, answer = solution.rpartition(old.mark)
    if not mark or old.mark == BOXED or not answer.strip():
        return solution
    return new.write([old.bare(step) for step in old.split(before)], answer.strip())
