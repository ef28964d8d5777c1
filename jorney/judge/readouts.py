"""How process reward models are given a solution, and where and how their score of each step is read. Data, not code paths.

A read-out is how one family of published models was trained to be asked. What it says is written here once for each; one
function writes a path (`lay_out`), and one class scores it (`judge.reward_model.PrmJudge`).
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp

from jorney.domain.answers import final_answer
from jorney.model.architecture import ModelConfig
from jorney.model.params import param_shardings
from jorney.policy import Policy
from jorney.text.chat import Message, render
from jorney.text.step_format import StepFormat
from jorney.text.tokenizer import Tokenizer
from jorney.train.objectives.prm import encode_steps


@dataclasses.dataclass(frozen=True)
class ReadOut:
    """How a model is asked.

    Attributes:
      name: for commands.
      models: whose it is, for people.
      layout: "format": prompt and steps as the step format writes them; "text": one text of prompt and steps; "answer": a
        chat whose last turn, the assistant's, holds all steps; "turns": a chat, a turn of the user for each step, which the
        assistant answers with a label; "parts": prompt and steps, each tokenised alone.
      prompt: what stands before the steps, template with `{question}`; of a chat the user's first words.
      step: template with `{k}` (from 1) and `{step}`, its own opening left out.
      join: between two steps.
      system: the chat's first message; None for none.
      tag: a token that ends every step, at which it is read; "" where its last token is.
      back: how many tokens before there it is read.
      answers: tokens whose logits are compared, the first of them the good one; () for a model with a head of its own. The
        head's value of a class is the logit then.
      classes: of the head.
      good: classes whose probabilities are a step's score.
      redundant: class whose probability says that a step adds nothing; None where there is none.
    """

    name: str
    models: str
    layout: str
    prompt: str = ""
    step: str = "{step}"
    join: str = ""
    system: str | None = None
    tag: str = ""
    back: int = 0
    answers: tuple[str, ...] = ()
    classes: int = 2
    good: tuple[int, ...] = (1,)
    redundant: int | None = None


OWN = ReadOut("jorney", "those of `jorney prm`", "format")
MATH_SHEPHERD = ReadOut(
    "math-shepherd",
    "peiyi9979/math-shepherd-mistral-7b-prm",  # its "+", "-" and "ки" are the ids 648, 387 and 12902
    "text",
    prompt="{question} ",
    step="Step {k}: {step} ки",
    join="\n",
    tag="ки",
    answers=("+", "-"),
    good=(0,),
)
QWEN = ReadOut(
    "qwen2.5-math-prm",
    "Qwen/Qwen2.5-Math-PRM-7B, -72B, Qwen2.5-Math-7B-PRM800K",  # the tag is the id 151651
    "answer",
    prompt="{question}",
    step="{step}<extra_0>",
    system="Please reason step by step, and put your final answer within \\boxed{}.",
    tag="<extra_0>",
)
RLHFLOW = ReadOut(
    "rlhflow",
    "RLHFlow/Llama3.1-8B-PRM-Deepseek-Data, -Mistral-Data",  # "+" and "-" are the ids 10 and 12
    "turns",
    prompt="{question} ",
    step="Step {k}: {step}",
    answers=("+", "-"),
    good=(0,),
)
# Class 0 is negative, 1 neutral, 2 positive: valid is what is not negative, redundant what is neutral.
REASON_EVAL_34B = ReadOut(
    "reasoneval-34b",
    "GAIR/ReasonEval-34B",
    "parts",
    prompt="Question:\n{question}\nAnswer:\nLet's think step by step.\n",
    step="{k}. {step}",
    classes=3,
    good=(1, 2),
    redundant=1,
)
# The published program reads this one a token before a step's last (it leaves bos out of its count): so do we, for these are
# the scores that were published.
REASON_EVAL_7B = dataclasses.replace(REASON_EVAL_34B, name="reasoneval-7b", models="GAIR/ReasonEval-7B", back=1)

READOUTS = {one.name: one for one in (OWN, MATH_SHEPHERD, QWEN, RLHFLOW, REASON_EVAL_7B, REASON_EVAL_34B)}
AUTO = "auto"
_WORDS = {2: "two", 3: "three"}


def choose(name: str, config: ModelConfig, source: str) -> ReadOut:
    """The read-out of a name; of "auto" the one that the model's head leaves no doubt about.

    Args:
      source: of the model, for messages.

    Raises:
      ValueError: there is none of that name, the model does not say which is its own, or it has another head.
    """
    if name == AUTO:
        if known := {("linear", OWN.classes): OWN, ("mlp", QWEN.classes): QWEN}.get((config.head, config.labels)):
            return known
        kind = "a language model" if config.head == "lm" else f"a head of {config.labels} values"
        raise ValueError(f"{source}: {kind} may be read in several ways: expected readout = one of {', '.join(READOUTS)}")
    if name not in READOUTS:
        raise ValueError(f"readout = {name!r}: expected {AUTO} or one of {', '.join(READOUTS)}")
    found = READOUTS[name]
    if found.answers and config.head != "lm":
        raise ValueError(f"{source}: readout = {name!r} reads a language model's logits: expected one")
    if not found.answers and (config.head == "lm" or config.labels != found.classes):
        raise ValueError(
            f"{source}: expected a reward model with {_WORDS[found.classes]} values a token, for readout = {name!r}"
        )
    return found


def classifier(model: Policy, readout: ReadOut) -> Policy:
    """The model with a head of the read-out's classes: of a language model the logits of the few tokens that are compared.

    So all of them are scored alike, and nobody computes the logits of a whole vocabulary.
    """
    if not readout.answers:
        return model
    ids = [id_of(model.tokenizer, text) for text in readout.answers]
    config = dataclasses.replace(model.config, head="linear", labels=len(ids), head_bias=False, tie_embeddings=False)
    table = model.params["embedding" if model.config.tie_embeddings else "head"]
    trunk = {name: leaf for name, leaf in model.params.items() if name != "head"}
    head = jax.device_put({"out": jnp.take(table, jnp.array(ids), axis=0).T}, param_shardings(config, model.mesh)["score"])
    return dataclasses.replace(model, config=config, params={**trunk, "score": head})


def id_of(tokenizer: Tokenizer, text: str) -> int:
    """The id of a text that is one token: the last one, where the tokenizer puts a space before every text.

    Raises:
      ValueError: it is none.
    """
    ids = tokenizer.encode(text, rendered=True)
    if not ids or tokenizer.decode_each(ids[-1:])[0].strip() not in (text, ""):  # special ones leave nothing
        raise ValueError(f"{text!r} is no token of the reward model's tokenizer: expected that of the read-out's models")
    return ids[-1]


@dataclasses.dataclass(frozen=True)
class Layout:
    """A path as a model reads it.

    Attributes:
      root: ids that are there whatever the steps; at least one.
      readings: for each step all ids up to where it is read, those of the root among them. Each begins with the one before,
        unless a chat template writes what was said otherwise once more follows.
    """

    root: tuple[int, ...]
    readings: tuple[tuple[int, ...], ...]

    @property
    def nested(self) -> bool:
        """One reading of the last step reads all of them."""
        readings = (self.root, *self.readings)
        return all(later[: len(earlier)] == earlier for earlier, later in itertools.pairwise(readings))

    @property
    def pieces(self) -> list[tuple[int, ...]]:
        """What the last step's reading consists of: the root, and what each step adds; two where that is not known."""
        last = self.readings[-1]
        cuts = sorted({len(self.root), *(len(one) for one in self.readings if last[: len(one)] == one), len(last)})
        return [last[a:b] for a, b in itertools.pairwise([0, *cuts])]


def lay_out(readout: ReadOut, tokenizer: Tokenizer, step_format: StepFormat, question: str, steps: Sequence[str]) -> Layout:
    """Writes a path for a read-out.

    Args:
      steps: as `step_format` writes them, openings included. With "format" the last of them ends with a line break, as the
        others do, unless it states the answer.

    Raises:
      ValueError: the tokenizer lacks the read-out's tag or a chat template, or a step would be read nowhere.
    """
    if readout.layout == "format":
        goes_on = bool(steps) and final_answer(steps[-1], step_format.mark) is None
        whole, ends = encode_steps(tokenizer, step_format, question, steps, goes_on)
        return Layout(tuple(step_format.encode(tokenizer, question)), tuple(tuple(whole[: end + 1]) for end in ends))
    written = [readout.step.format(k=k, step=step_format.bare(step)) for k, step in enumerate(steps, start=1)]
    prompt = readout.prompt.format(question=question.strip())
    if readout.layout == "parts":
        head, *parts = itertools.accumulate([tokenizer.encode_prompt(prompt), *map(tokenizer.encode, written)])
        return Layout(tuple(head), tuple(tuple(part[: len(part) - readout.back]) for part in parts))
    # The tag may be a special token; what is judged writes none.
    judged = [readout.step.format(k=k, step=tokenizer.guarded(step_format.bare(step))) for k, step in enumerate(steps, start=1)]
    start, texts = _TEXTS[readout.layout](readout, tokenizer, tokenizer.guarded(prompt), judged)
    found = _encode(tokenizer, start, texts, readout.answers[0] if readout.layout == "turns" else "")
    if readout.tag and texts:
        tag = id_of(tokenizer, readout.tag)
        for k, ids in enumerate(found.readings, start=1):
            if ids[-1] != tag:
                raise ValueError(f"step {k} does not end with the token {readout.tag!r}: the tokenizer joins it to others")
    return found


def _encode(tokenizer: Tokenizer, start: str, texts: Sequence[str], after: str) -> Layout:
    """Ids of what all paths begin with, and of the texts up to each place that is read; the last text is tokenised, whole.

    Args:
      after: what a model that answers says there: without it the last id could be another.
    """
    if not texts:
        return Layout(tuple(tokenizer.encode_prompt(start, rendered=True)), ())
    if any(not later.startswith(earlier) for earlier, later in itertools.pairwise(texts)):
        apart = tuple(_encode(tokenizer, "", [text], after).readings[0] for text in texts)
        return Layout(apart[0][:1], apart)
    ids, spans = tokenizer.encode_prompt_with_spans(texts[-1] + after, rendered=True)
    counts = [sum(begin < len(text) for begin, _ in spans) for text in (start, *texts)]
    return Layout(tuple(ids[: max(1, min(counts[0], counts[1] - 1))]), tuple(tuple(ids[:count]) for count in counts[1:]))


# What all paths of a question begin with, and the text up to where each step is read.
Texts = tuple[str, list[str]]


def _plain(readout: ReadOut, tokenizer: Tokenizer, prompt: str, steps: Sequence[str]) -> Texts:
    return prompt.rstrip(" "), [prompt + readout.join.join(steps[:count]) for count in range(1, len(steps) + 1)]


def _answer(readout: ReadOut, tokenizer: Tokenizer, prompt: str, steps: Sequence[str]) -> Texts:
    chat = [*_system(readout), {"role": "user", "content": prompt}]
    head = render(tokenizer, chat, _CHAT)
    whole = render(tokenizer, [*chat, {"role": "assistant", "content": readout.join.join(steps)}], _CHAT, speak=False)
    found, stop = [], whole.find(prompt) + len(prompt)
    for k, step in enumerate(steps, start=1):
        if (at := whole.find(step, stop)) < 0:
            raise ValueError(f"{_CHAT}: the template does not write step {k} as it is: expected {step[-40:]!r}")
        stop = at + len(step)
        found.append(whole[:stop])
    return (head if whole.startswith(head) else ""), found


def _turns(readout: ReadOut, tokenizer: Tokenizer, prompt: str, steps: Sequence[str]) -> Texts:
    """Each step is read where the model's answer to it would begin, in the chat with that answer."""
    found, chat = [], _system(readout)
    for k, step in enumerate(steps):
        asked, said = step if k else prompt + step, readout.answers[0]
        chat = [*chat, {"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        whole = render(tokenizer, chat, _CHAT, speak=False)
        found.append(whole[: whole.rindex(readout.answers[0])])
    first = found[0] if found else render(tokenizer, [*chat, {"role": "user", "content": prompt}], _CHAT)
    at = first.find(prompt.strip())
    return (first[: at + len(prompt.strip())] if at >= 0 else ""), found


def _system(readout: ReadOut) -> list[Message]:
    return [] if readout.system is None else [{"role": "system", "content": readout.system}]


_CHAT = "the reward model's chat"
_TEXTS: dict[str, Callable[[ReadOut, Tokenizer, str, Sequence[str]], Texts]] = {
    "text": _plain,
    "answer": _answer,
    "turns": _turns,
}
