"""A backend of lm-evaluation-harness: its tasks, asked of a model by Jorney's programs.

    python -m jorney.solve.harness run --model jorney --model_args pretrained=MODEL --tasks arc_easy

is the harness's own command line, which knows the model "jorney" beside its own ("hf" and others). Texts are tokenised, cut and
stopped as "hf" does, so that both give the same figures. Needs `pip install 'jorney[eval]'`; this is the only module that
imports the harness.
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax

try:
    from lm_eval import utils
    from lm_eval.api.model import TemplateLM
    from lm_eval.api.registry import register_model
except ModuleNotFoundError as missing:
    if __name__ == "__main__":
        raise SystemExit(f"jorney: {missing}: expected lm-evaluation-harness: pip install 'jorney[eval]'") from None
    raise
from tqdm import tqdm

from jorney import storage
from jorney.compiled import Compilations, use_persistent_cache
from jorney.convert import config_json
from jorney.devices import keep_freed_memory
from jorney.engine.generate import Completion, Generator
from jorney.engine.scoring import Scorer
from jorney.model import params as parameters
from jorney.policy import Policy, load, resolve
from jorney.precision import EXACT
from jorney.sharding import MeshConfig
from jorney.solve.generation_request import GenerationRequest, first_of

NAME = "jorney"
ROWS = 64  # texts that are decoded together, unless told otherwise
MAX_TOKENS = 256  # of a text, as "hf" has it
_DTYPES = ("float32", "bfloat16", "auto")


class JorneyLM(TemplateLM):
    """A model of Jorney as the harness asks it.

    Args:
      pretrained: a folder, a hub id, or "embedded"; `model` is another name for it.
      dtype: "float32", "bfloat16", or "auto", what the weights are stored in.
      precision: of matrix products, see `jorney.load`.
      data, fsdp, tensor, devices: of the mesh, see `MeshConfig`.
      batch_size: texts that are decoded together. 1, which the harness says where nothing was said, and "auto" stand for 64;
        no figure depends on it. How much is scored together follows from the devices.
      max_length: ids that a text has at most; by default the model's positions. What is longer loses its first ids.
      max_gen_toks: ids of a generated text at most, where a task says nothing.
      add_bos_token: whether texts begin with bos; by default as the tokenizer has it.
      prefix_token_id: stands where a context is empty; by default bos, or eos where there is none.
      think_end_token: what ends a model's thoughts, which are cut off: a text, or an id.
      enable_thinking: given to the chat template, as are all chat_template_args.
      seed: of sampled texts.
      trust_remote_code: False; nothing that is loaded here runs code.
      device, max_batch_size: not used: the harness says "cuda:0" where nothing was said. JAX_PLATFORMS chooses devices.

    Raises:
      ValueError: an argument is unknown, or not as expected; names it.
    """

    def __init__(
        self,
        pretrained: str | None = None,
        model: str | None = None,
        dtype: str = "float32",
        precision: str = EXACT,
        data: int = -1,
        fsdp: int = 1,
        tensor: int = 1,
        devices: int | None = None,
        batch_size: int | str = 1,
        max_length: int | None = None,
        max_gen_toks: int = MAX_TOKENS,
        add_bos_token: bool | None = None,
        prefix_token_id: int | None = None,
        think_end_token: str | int | None = None,
        enable_thinking: bool | None = None,
        chat_template_args: Mapping[str, Any] | None = None,
        seed: int = 0,
        trust_remote_code: bool | None = False,
        device: str | None = None,
        max_batch_size: int | None = None,
        **unknown: Any,
    ) -> None:
        super().__init__()
        if unknown:
            raise ValueError(f"unknown model arguments {', '.join(sorted(unknown))}: expected some of {', '.join(_known())}")
        if (pretrained is None) == (model is None):
            raise ValueError("expected pretrained = a folder, a hub id or 'embedded' (or model, another name for it)")
        if trust_remote_code:
            raise ValueError("trust_remote_code = True: expected False: nothing that is loaded here runs code")
        if enable_thinking and think_end_token is None:
            raise ValueError("enable_thinking = True: expected a think_end_token beside it, what ends the thoughts")
        source = str(pretrained or model)
        mesh = MeshConfig(data=data, fsdp=fsdp, tensor=tensor, devices=devices)
        self.policy: Policy = load(source, mesh=mesh, dtype=_dtype(dtype, source), precision=precision)
        positions = self.policy.config.positions
        if max_length is not None and not 1 <= max_length <= positions:
            raise ValueError(f"max_length = {max_length}: expected 1 to {positions}, the model's positions")
        self._max_length, self._max_gen_toks, self._seed = max_length or positions, int(max_gen_toks), int(seed)
        self._rows = _rows(batch_size)
        self._prefix, self._add_bos = prefix_token_id, add_bos_token
        digits = isinstance(think_end_token, str) and think_end_token.isdigit()
        self._think_end = int(str(think_end_token)) if digits else think_end_token
        self._thinks = bool(enable_thinking)
        self._template_arguments = dict(chat_template_args or {})
        if enable_thinking is not None:
            self._template_arguments["enable_thinking"] = enable_thinking
        self.tokenizer = self.policy.tokenizer.backend
        if add_bos_token is not None:
            self.tokenizer = copy.deepcopy(self.tokenizer)
            self.tokenizer.add_bos_token = add_bos_token
        self.compilations = Compilations()
        self._generator: Generator | None = None
        self._encode = functools.lru_cache(maxsize=1024)(self._encoded)  # the choices of a question share its context

    # --- what the harness asks of a model

    @property
    def eot_token_id(self) -> int:
        """The id that ends texts."""
        return int(self.tokenizer.eos_token_id)

    @property
    def prefix_token_id(self) -> int:
        """What stands before a text without a context."""
        if self._prefix is not None:
            return self._prefix
        return self.eot_token_id if self.tokenizer.bos_token_id is None else int(self.tokenizer.bos_token_id)

    @property
    def max_length(self) -> int:
        """Ids of a text, at most."""
        return self._max_length

    @property
    def max_gen_toks(self) -> int:
        """Ids of a generated text at most, where nothing is said."""
        return self._max_gen_toks

    @property
    def batch_size(self) -> int:
        """Texts that are decoded together."""
        return self._rows

    @property
    def tokenizer_name(self) -> str:
        """What the harness files the rendered requests under."""
        return self.policy.source.replace("/", "__")

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, left_truncate_len: int | None = None, **_: Any
    ) -> list[int]:
        """Ids of a text, as "hf" has them: special tokens that it writes are tokens, for templates write them.

        Args:
          add_special_tokens: whether bos may be put before it; None for what the tokenizer does, but never twice.
          left_truncate_len: how many are kept, the last ones.
        """
        ids = list(self._encode(string, add_special_tokens))
        return ids[-left_truncate_len:] if left_truncate_len else ids

    def _encoded(self, string: str, add_special_tokens: bool | None) -> tuple[int, ...]:
        adds = self._add_bos if add_special_tokens is None else add_special_tokens
        if add_special_tokens is None and string.startswith(self.tokenizer.decode(self.prefix_token_id)):
            adds = False
        return tuple(self.tokenizer.encode(string, **({} if adds is None else {"add_special_tokens": adds})))

    def tok_decode(self, tokens: int | Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text of ids."""
        return str(self.tokenizer.decode(tokens, skip_special_tokens=skip_special_tokens))

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """A chat as text; without its system's messages where the template refuses them."""
        render = functools.partial(
            self.policy.tokenizer.render_chat,
            options={"continue_final_message": not add_generation_prompt, **self._template_arguments},
            speak=add_generation_prompt,
        )
        try:
            return render(chat_history)
        except ValueError:
            others = [message for message in chat_history if message["role"] != "system"]
            if len(others) == len(chat_history):
                raise
            return render(others)

    def get_model_info(self) -> dict[str, Any]:
        """For the results: what model it was, and how it was computed."""
        return {
            "model_num_parameters": parameters.count(self.policy.config),
            "model_dtype": str(jax.numpy.dtype(self.policy.dtype)),
            "model_products": self.policy.products,
            "model_mesh": {axis: size for axis, size in self.policy.mesh.shape.items() if size > 1},
        }

    # --- likelihoods

    @functools.cached_property
    def _scorer(self) -> Scorer:
        return Scorer(self.policy, self.compilations, max_length=self._max_length, truncate="left")

    def loglikelihood(self, requests: list[Any], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """(log-probability of a continuation after its context, whether it is the greedy one) of each request."""
        if self._thinks:
            raise ValueError("enable_thinking = True: expected False for tasks that score texts which are given")
        return list(super().loglikelihood(requests, disable_tqdm=disable_tqdm))

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[tuple[str, str] | None, list[int], list[int]]], disable_tqdm: bool = False, **_: Any
    ) -> list[tuple[float, bool]]:
        found: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        shown = tqdm(total=len(requests), disable=disable_tqdm, desc="Running loglikelihood requests")
        with shown:
            for index, one in self._scorer.stream([(context, continuation) for _, context, continuation in requests]):
                found[index] = one.log_prob, one.greedy
                if (texts := requests[index][0]) is not None:
                    self.cache_hook.add_partial("loglikelihood", texts, found[index])
                shown.update(1)
        return found

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """Log-probability of each text, all of it: a long one in windows, each as long as can be."""
        windows = [
            [
                (None, *utils.make_disjoint_window(pair))
                for pair in utils.get_rolling_token_windows(
                    self.tok_encode(text), self.prefix_token_id, max_seq_len=self._max_length, context_len=1
                )
            ]
            for (text,) in (request.args for request in requests)
        ]
        values = iter(self._loglikelihood_tokens(list(itertools.chain.from_iterable(windows)), disable_tqdm=disable_tqdm))
        totals = []
        for request, own in zip(requests, windows, strict=True):
            totals.append(sum(value for value, _ in itertools.islice(values, len(own))))
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, totals[-1])
        return totals

    # --- texts

    def generate_until(self, requests: list[Any], disable_tqdm: bool = False) -> list[str]:
        """A text after each context, up to where one of its `until` begins, or the model ends it.

        Raises:
          ValueError: a request asks for what is not known here, or leaves no room for a context; names it.
        """
        found: dict[int, str] = {}
        groups: dict[str, list[int]] = {}
        for index, (_, asked) in enumerate(request.args for request in requests):
            groups.setdefault(json.dumps(asked, sort_keys=True, default=str), []).append(index)
        plans = [
            (indexes, GenerationRequest.of(requests[indexes[0]].args[1], self._max_gen_toks)) for indexes in groups.values()
        ]
        with tqdm(total=len(requests), disable=disable_tqdm, desc="Running generate_until requests") as shown:
            for indexes, asked in plans:
                for at, text in self._generate([requests[index].args[0] for index in indexes], asked):
                    index = indexes[at]
                    found[index] = text
                    self.cache_hook.add_partial("generate_until", requests[index].args, text)
                    shown.update(1)
        return [found[index] for index in range(len(requests))]

    def _generate(self, contexts: Sequence[str], asked: GenerationRequest) -> Iterator[tuple[int, str]]:
        """(index of the context, its text), as they end."""
        room = self._max_length - asked.limit
        if room < 1:
            raise ValueError(f"max_gen_toks = {asked.limit}: expected less than max_length = {self._max_length}")
        prompts = [self.tok_encode(context, left_truncate_len=room) or [self.prefix_token_id] for context in contexts]
        # Repeats of a context are drawn apart.
        names = [f"{count} {context}" for count, context in _numbered(contexts)]
        cut: dict[int, str] = {}

        def stop(index: int, text: str) -> int | None:
            # What a model thinks may hold anything: where thoughts are cut off, only what follows them is looked at.
            start = 0
            if self._think_end is not None:
                start = text.rfind(str(self._think_end)) + len(str(self._think_end))
                if isinstance(self._think_end, int) or start < len(str(self._think_end)):
                    return None
            at = first_of(text, asked.until, start)
            if at is not None:
                cut[index] = text[:at]  # ids are kept or dropped whole: the last may hold the text's end and the stop's begin
            return at

        sampling = dataclasses.replace(asked.sampling, seed=self._seed, rows=self._rows)
        stops = stop if asked.until else None
        for index, (completion,) in self._generator_ending(asked.until).stream(prompts, sampling, names, stops):
            yield index, self._answer(completion, cut.get(index), asked.until)

    def _answer(self, completion: Completion, cut: str | None, until: Sequence[str]) -> str:
        """What counts of a text: thoughts are cut off, and what begins with a stop."""
        text = completion.text if cut is None else cut
        if isinstance(self._think_end, int):
            ids = list(completion.tokens)
            after = len(ids) - ids[::-1].index(self._think_end) if self._think_end in ids else 0
            text = self.policy.tokenizer.decode(ids[after:]).lstrip()
        elif self._think_end is not None:
            text = text.rpartition(self._think_end)[2].lstrip()
        return text[: first_of(text, until, 0)]

    def _generator_ending(self, until: Sequence[str]) -> Generator:
        """The generator; special tokens among the stops, which decoded texts leave out, end its texts by their ids."""
        if self._generator is None:
            self._generator = Generator(self.policy, self.compilations)
        special = {str(token): id_ for id_, token in self.tokenizer.added_tokens_decoder.items() if token.special}
        ends = sorted({*self.policy.ends, *(special[term] for term in until if term in special)})
        if tuple(ends) == self.policy.ends:
            return self._generator
        other = copy.copy(self._generator)
        other.policy = dataclasses.replace(self.policy, generation={**self.policy.generation, "eos_token_id": ends})
        return other


def _numbered(texts: Sequence[str]) -> Iterator[tuple[int, str]]:
    """(how many equal ones came before, text)."""
    seen: Counter[str] = Counter()
    for text in texts:
        yield seen[text], text
        seen[text] += 1


def _known() -> list[str]:
    """The arguments of a model."""
    code = JorneyLM.__init__.__code__
    return list(code.co_varnames[1 : code.co_argcount])


def _dtype(name: str, source: str) -> str:
    if name not in _DTYPES:
        raise ValueError(f"dtype = {name!r}: expected one of {', '.join(_DTYPES)}")
    if name != "auto":
        return name
    file = storage.path(resolve(source)) / config_json.NAME
    fields = storage.read_json(file) if file.exists() else {}
    stored = fields.get("dtype") or fields.get("torch_dtype")
    return "float32" if stored in (None, "float32") else "bfloat16"


def _rows(batch_size: int | str) -> int:
    if str(batch_size).partition(":")[0] == "auto" or batch_size in (1, "1"):
        return ROWS
    if not str(batch_size).isdigit() or int(batch_size) < 1:
        raise ValueError(f"batch_size = {batch_size!r}: expected 1 or more, or 'auto'")
    return int(batch_size)


def main() -> None:
    """The harness's own command line."""
    from lm_eval.__main__ import cli_evaluate

    use_persistent_cache()
    keep_freed_memory()
    cli_evaluate()


if __name__ == "__main__":
    from jorney.solve import harness  # as everybody else calls it: else there would be two of the class

    harness.main()
else:
    register_model(NAME)(JorneyLM)
