"""Trains the embedded base model and writes it as a Hugging Face folder.

    python tools/train_base_model.py OUT_DIR [--steps 3000] [--seed 0] [--embed 128] [--layers 6]

The model learns the mechanics of Countdown from aimless walks (`walks.wander`): legal steps with true arithmetic, what
two numbers give, going back to an earlier state and trying something else there, and comparing what it comes to with a number
that it looks out for. No walk goes where such a number is, none ends, and none holds four numbers or more that belong to
another set than "train". It resumes from OUT_DIR/checkpoints when interrupted.

Cost of the model in the package: see `training.json` beside its weights.
"""

from __future__ import annotations

import argparse
import itertools
import os
import platform
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
import tokenizers
import transformers
import walks
from tokenizers import decoders, models, pre_tokenizers, processors, trainers

from jorney import sharding, storage
from jorney.batch.loader import BatchStream
from jorney.batch.packing import Packed
from jorney.compiled import Compilations
from jorney.convert import hf
from jorney.domain.countdown import game, sets
from jorney.model import params as parameters
from jorney.model.architecture import ModelConfig
from jorney.text.step_format import ABEL
from jorney.text.tokenizer import load_tokenizer
from jorney.train.loop import LoopConfig, Training, train
from jorney.train.objectives.sft import sft_loss
from jorney.train.optimizer import OptimizerConfig

VOCABULARY = 512
POSITIONS = 1024
HEAD = 32
BOS, EOS, PAD = "<|begin|>", "<|end|>", "<|pad|>"
# Shapes of batches (rows, tokens): short ones, which are cheaper a token; every second is long, for looking far back.
SHORT, LONG = (48, 128), (16, 384)
# Words that later stages write; they are to take few tokens.
WORDS = (
    "Wait Alternatively Therefore Consider Hmm So But Let me compute check if possible again instead another path way "
    "That does not work is wrong correct right reach target answer because try first then now the of and gives no none left "
    "Make"
)
# How many numbers a walk starts from, the largest of them, and how often.
STARTS = ((2, game.LARGEST, 0.12), (3, 50, 0.16), (4, 30, 0.64), (5, 25, 0.08))
MARKED, FOUND = 0.8, 0.6  # walks that look out for a number, and how many of these for one that they come to


def architecture(embed: int, layers: int) -> ModelConfig:
    """A Llama of this width and depth."""
    heads = embed // HEAD
    return ModelConfig(
        vocab_size=VOCABULARY,
        embed=embed,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        head_dim=HEAD,
        mlp=3 * embed,
        positions=POSITIONS,
        tie_embeddings=True,
        init_scale=0.05,
    )


def start(rng: random.Random) -> game.Numbers:
    count, largest, _ = rng.choices(STARTS, [share for *_, share in STARTS])[0]
    while True:
        numbers = tuple(sorted(rng.randint(1, largest) for _ in range(count)))
        if (count < 4 or sets.split_of(numbers) == "train") and game.moves(numbers):
            return numbers


def document(rng: random.Random, lines: int) -> str:
    numbers, seed, mark = start(rng), rng.random(), None
    walk = list(itertools.islice(walks.wander(numbers, random.Random(seed)), lines))
    if rng.random() < MARKED:
        # Often one that the walk comes to, or nothing would ever be equal to it.
        steps = [game.parse_step(line.partition(". ")[2]) for line in walk]
        ends = [step.result for step in steps if step and len(step.left) == 1]
        mark = rng.choice(ends) if ends and rng.random() < FOUND else rng.randint(1, rng.choice((20, game.LARGEST)))
        walk = list(itertools.islice(walks.wander(numbers, random.Random(seed), mark), lines))
    return ABEL.ask(walks.aimless_question(numbers, mark)) + "\n".join(walk)


def train_tokenizer(folder: str) -> None:
    """A byte-level BPE in which the numbers up to 99 (95 apart) and every mark of a step are one token each."""
    # Words with a bracket before or a colon behind, and punctuation with its newlines, stay whole.
    pieces = tokenizers.Regex(r" ?\d{1,2}| ?\(?[A-Za-z']+:?\n*| ?[^\sA-Za-z\d]+\n*|\s+")
    tokenizer = tokenizers.Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(pieces, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    rng = random.Random(0)
    texts = [document(rng, 8) for _ in range(2000)]
    texts += [ABEL.ask(sets.make_problem((1, 2), 3).question) + "#### 3"] * 2000
    texts += [" ".join(["", *map(str, range(1, 100))]) + "\n" + "\n".join(map(str, range(1, 10)))] * 300
    texts += ["Wait, 3 is not 4. Go back to 1, 2.\n"] * 1000
    texts += [f" {WORDS}, . : ? !\n" + "\n".join(WORDS.split()) + ".\n"] * 200
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[BOS, EOS, PAD],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, 0)])
    wrapped = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD, model_max_length=POSITIONS
    )
    wrapped.save_pretrained(folder)


class Walks(BatchStream):
    """Batches of walks, a function of (step, seed)."""

    def __init__(self, tokenizer: tokenizers.Tokenizer, steps: int, seed: int) -> None:
        self._tokenizer, self.steps, self._seed = tokenizer, steps, seed
        nothing = np.zeros((0, SHORT[1]), np.int32)
        self.rows = Packed(nothing, nothing, nothing, nothing, nothing)  # every second batch is long: what is counted is short

    @property
    def digest(self) -> str:
        return f"walks of seed {self._seed}"

    def __getitem__(self, step: int) -> Mapping[str, np.ndarray]:
        rows, length = LONG if step % 2 else SHORT
        rng = random.Random(f"{self._seed}/{step}")
        # A line has 7 tokens at least, so this many lines always fill the row; what is over is cut off.
        texts = [document(rng, length // 7 + 1) for _ in range(rows)]
        ids = np.array([encoded.ids[: length + 1] for encoded in self._tokenizer.encode_batch(texts)], np.int32)
        ones = np.ones((rows, length), np.int32)
        positions = np.broadcast_to(np.arange(length, dtype=np.int32), (rows, length))
        return {"tokens": ids[:, :-1], "targets": ids[:, 1:], "positions": positions, "segment_ids": ones, "loss_mask": ones}

    def start_at(self, step: int, params: Any = None) -> Iterator[Mapping[str, np.ndarray]]:
        return (self[number] for number in range(step, self.steps))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--embed", type=int, default=128, help=f"a multiple of {HEAD}")
    parser.add_argument("--layers", type=int, default=6)
    options = parser.parse_args()
    if options.embed < HEAD or options.embed % HEAD or options.layers < 1:
        parser.error(f"expected --embed of {HEAD} or a multiple, and one of --layers at least")
    config = architecture(options.embed, options.layers)
    started, cpu = time.time(), time.process_time()
    model = os.path.join(options.out, "model")
    os.makedirs(model, exist_ok=True)
    train_tokenizer(model)
    tokenizer = load_tokenizer(model)
    walked = Walks(tokenizer.backend.backend_tokenizer, options.steps, options.seed)

    def on_step(step: int, record: dict[str, float] | None) -> None:
        if record and step % 50 == 0:
            values = ", ".join(f"{name} {value:.4f}" for name, value in record.items() if name in ("loss", "accuracy"))
            print(f"{step} of {options.steps}: {values}, {time.time() - started:.0f} s", flush=True)

    adamw = OptimizerConfig(learning_rate=3e-3, warmup=0.02, final_fraction=0.01, b2=0.98, weight_decay=0.05)
    params, _ = train(
        Training(config, sft_loss(config), walked, adamw, {"seed": options.seed}),
        parameters.init(config, jax.random.key(options.seed)),
        sharding.make_mesh(),
        os.path.join(options.out, "training"),
        LoopConfig(save_every=200, log_every=50),
        Compilations(announce=print),
        on_step,
    )
    hf.save(model, config, params, tokenizer, "bfloat16")
    flags = [f"--{name} {getattr(options, name)}" for name in ("steps", "seed", "embed", "layers")]
    tokens = sum(np.prod(LONG if step % 2 else SHORT) for step in range(options.steps))
    storage.write_json(
        os.path.join(model, "training.json"),
        {
            "command": " ".join(["python tools/train_base_model.py OUT_DIR", *flags]),
            "parameters": parameters.count(config),
            "tokens": int(tokens),
            "wall_minutes": round((time.time() - started) / 60, 1),
            "cpu_minutes": round((time.process_time() - cpu) / 60, 1),
            "cores": os.cpu_count(),
            "machine": platform.machine(),
        },
    )


if __name__ == "__main__":
    main()
