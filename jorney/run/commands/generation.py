"""`jorney generate`: completions of prompts, printed; or of a file's prompts, written as JSON lines."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from jorney import storage
from jorney.config import digest, expect_at_least, expect_one_of
from jorney.engine.generate import Completion, Generator, Prompt, SamplingConfig
from jorney.engine.sampling import DRAWING
from jorney.policy import EMBEDDED, load
from jorney.progress import Progress
from jorney.rows.fields import columns
from jorney.rows.sources import Row, read_rows
from jorney.run.artifact import Artifact, Model, open_model
from jorney.run.command import Command, use_jax
from jorney.run.fitting import PLAIN
from jorney.run.parts import Finished, Making, Numbered, Parts, numbered
from jorney.run.stage import read_model
from jorney.run.workspace import Workspace
from jorney.sharding import MeshConfig
from jorney.text.tokenizer import Tokenizer
from jorney.train.optimizer import DTYPES

CHATS = ("auto", "yes", "no")
Asked = str | list[dict[str, Any]]  # a text, or the messages of a chat


class Question(NamedTuple):
    """A row of a file of prompts: what is asked, and the name of the adapter that answers it."""

    prompt: Asked
    adapter: str | None = None


@dataclasses.dataclass(frozen=True)
class GenerateCommand(Command):
    """Completions of prompts.

    Attributes:
      prompts: texts; what the user says, where the model is asked in a chat. Their completions are printed.
      prompts_from: a .jsonl, .parquet or .csv file (local or gs://), a hub id or tfds:NAME, whose rows have a prompt, question
        or messages. Their completions are written to OUTPUT; the same command goes on from what stands there.
      limit: how many rows; None takes all.
      output: folder for the completions of a file's prompts.
      chat: "auto" asks through the model's chat template where there is one, "yes" expects one, "no" takes texts as they are.
      model: a folder (local or gs://), a hub id or "embedded".
      adapters: NAME=FOLDER of adapters of the model, each with a name; a row's `adapter` names the one that answers it. What is
        given as TEXT is answered by each of them, one after the other.
      dtype: of the computation and of the weights, "float32" or "bfloat16".
      verify: of a model that a stage made, large files are read again and held against their digests, too.
    """

    command: ClassVar[str] = "generate"
    places: ClassVar[dict[str, str]] = {"prompts": "[TEXT...]"}
    common = (
        *("model", "prompts-from", "limit", "output", "chat", "dtype", "mesh.tensor", "sampling.w", "sampling.max-tokens"),
        *("sampling.temperature", "sampling.top-p", "sampling.seed"),
    )

    prompts: tuple[str, ...] = ()
    prompts_from: str = ""
    limit: int | None = None
    output: str = "runs/generate"
    chat: str = "auto"
    model: str = EMBEDDED
    adapters: tuple[str, ...] = ()
    dtype: str = "float32"
    verify: bool = False
    mesh: MeshConfig = dataclasses.field(default_factory=MeshConfig)
    sampling: SamplingConfig = dataclasses.field(default_factory=SamplingConfig)

    def __post_init__(self) -> None:
        expect_one_of(DTYPES, self, "", "dtype")
        expect_one_of(CHATS, self, "", "chat")
        expect_at_least(1, self, "", "limit", none="None for all")
        if any(not prompt for prompt in self.prompts):
            raise ValueError("prompts: expected texts that are not empty")
        for one in self.adapters:
            name, sign, place = one.partition("=")
            if not (name and sign and place):
                raise ValueError(f"adapters = {one!r}: expected NAME=FOLDER")
        if len(self.places_of_adapters) < len(self.adapters):
            raise ValueError(f"adapters = {', '.join(self.adapters)}: expected a name of its own for each")

    @property
    def places_of_adapters(self) -> dict[str, str]:
        """{name: folder}"""
        return {name: place for name, _, place in (one.partition("=") for one in self.adapters)}

    def execute(self) -> None:
        if bool(self.prompts) == bool(self.prompts_from):
            raise ValueError("prompts: expected either TEXT..., or --prompts-from FILE")
        if self.prompts:
            self._print()
        else:
            self._write()

    def _print(self) -> None:
        use_jax()
        places = {name: open_model(place, self.verify) for name, place in self.places_of_adapters.items()}
        policy = load(open_model(self.model, self.verify), mesh=self.mesh, dtype=self.dtype, adapters=places)
        chats = speaks(policy.tokenizer, self.chat)
        prompts = [encoded(policy.tokenizer, prompt, chats) for prompt in self.prompts]
        policy.tokenizer.warn_of_lost(self.prompts)
        asked = [(place, name) for place in range(len(prompts)) for name in policy.adapters or (None,)]
        given, names = [prompts[place] for place, _ in asked], [self.prompts[place] for place, _ in asked]
        found = Generator(policy).generate(given, self.sampling, names, adapters=[name for _, name in asked])
        for (place, name), completions in zip(asked, found, strict=True):
            prompt = self.prompts[place]
            for completion in completions:
                told = f"{name}: " if name else ""
                print(f"{told}{prompt}\n\n{completion.text}" if chats else told + prompt + completion.text)

    def _write(self) -> None:
        rows = itertools.islice(read_rows(self.prompts_from), self.limit)
        asked = list(numbered(Question(asked_of(row, place), self._adapter_of(row, place)) for place, row in rows))
        use_jax()
        progress = Progress()
        model = read_model(self.model, self.verify)
        about = (self.output, self.mesh, self.dtype, PLAIN, self.sampling.seed, progress)
        space = Workspace(*about, verify=self.verify)
        adapters = {name: read_model(place, self.verify) for name, place in self.places_of_adapters.items()}
        done = plan_completions(space, model, asked, self.sampling, self.chat, adapters).make(progress)
        progress.say(f"{self.command}: {done.folder / COMPLETIONS}")

    def _adapter_of(self, row: Row, place: str) -> str | None:
        name, known = row.get("adapter"), self.places_of_adapters
        if name is not None and (not isinstance(name, str) or name not in known):
            expected = ", ".join(known) or "none: --adapters NAME=FOLDER"
            raise ValueError(f"{place}: adapter = {name!r:.100}: expected one of {expected}")
        return name


COMPLETIONS = "completions.jsonl"


def plan_completions(
    space: Workspace,
    model: Model,
    asked: Sequence[Numbered],
    sampling: SamplingConfig,
    chat: str,
    adapters: Mapping[str, Model] | None = None,
) -> Artifact:
    """Completions of prompts, in parts; in completions.jsonl, in the prompts' order, when all are there.

    Args:
      asked: whose members are `Question`s.
      adapters: by name, those that questions choose from.
    """
    adapters = adapters or {}

    def work(folder: storage.Path) -> dict[str, Any]:
        def complete(waiting: Iterator[Numbered]) -> Making:
            generator, own = space.generator(model, adapters), list(waiting)
            tokenizer = generator.policy.tokenizer
            chats = speaks(tokenizer, chat)
            prompts = [encoded(tokenizer, one.member.prompt, chats) for one in own]
            names, which = [_name(one.member.prompt) for one in own], [one.member.adapter for one in own]
            for index, found in generator.stream(prompts, sampling, names, adapters=which):
                about = {name: value for name, value in own[index].member._asdict().items() if value is not None}
                yield Finished([{"id": own[index].id, **about, "completions": list(map(_row, found))}])

        parts = Parts(folder / "parts")
        parts.fill(space.progress, "prompts", asked, len(asked), complete)
        rows = [{name: value for name, value in row.items() if name != "id"} for row in parts.of(asked)]
        storage.write_jsonl(folder / COMPLETIONS, rows)
        found = [one for row in rows for one in row["completions"]]
        return {"prompts": len(rows), "completions": len(found), "cut": sum(not one["finished"] for one in found)}

    reads = [model.key, digest([one.member.prompt for one in asked]), sampling.decides(), chat, DRAWING]
    if adapters:
        reads += [{name: one.key for name, one in adapters.items()}, digest([one.member.adapter for one in asked])]
    return space.plan("completions", reads, work, f"{len(asked):,} prompts, {sampling.w} completions each")


def _name(asked: Asked) -> str:
    """Of its random numbers: a text's are its own, whether it is printed or written."""
    return asked if isinstance(asked, str) else json.dumps(asked, ensure_ascii=False)


def _row(completion: Completion) -> dict[str, Any]:
    log_prob = sum(completion.log_probs)
    return {"text": completion.text, "tokens": len(completion.tokens), "finished": completion.finished, "log_prob": log_prob}


def asked_of(row: Row, place: str) -> Asked:
    """The prompt of a row. Raises ValueError where it has none; names the place."""
    for name in ("prompt", "question", "messages"):
        found = row.get(name)
        if isinstance(found, str) and found.strip():
            return found
        if isinstance(found, list) and found and all(isinstance(one, dict) and "role" in one for one in found):
            last = len(found) - (found[-1]["role"] == "assistant")  # what is to be said is not given away
            return [dict(one) for one in found[:last]]
    raise ValueError(f"{place}: the columns are {columns(row)}: expected a prompt, a question, or messages")


def speaks(tokenizer: Tokenizer, chat: str) -> bool:
    """Whether the model is asked in a chat. Raises ValueError where it is to be, and has no template."""
    if chat == "yes" and not tokenizer.chats:
        raise ValueError("chat = 'yes': expected a tokenizer with a chat template")
    return tokenizer.chats and chat != "no"


def encoded(tokenizer: Tokenizer, asked: Asked, chats: bool) -> Prompt:
    """A prompt as the engine takes it. Raises ValueError for messages, where the model is not asked in a chat."""
    if isinstance(asked, str):
        return tokenizer.encode_chat([{"role": "user", "content": asked}]) if chats else asked
    if not chats:
        raise ValueError("messages: expected a tokenizer with a chat template, and chat = 'auto' or 'yes'")
    return tokenizer.encode_chat(asked)
