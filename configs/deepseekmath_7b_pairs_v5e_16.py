"""Preference pairs of DeepSeekMath-7B's own samples, the paper's: twenty of every problem, at temperature 0.7 and top-p 0.95.

Command:   tpu_scripts/generate.sh pairs configs/deepseekmath_7b_pairs_v5e_16.py --model $BUCKET/phase2/sft
           --problems $BUCKET/data/train.jsonl --output $BUCKET/pairs
Hardware:  TPU v5e-16: each of its four hosts by itself, over its own 4 chips of 15.75 GiB, with --shard i/4
Memory:    8.34 GB of 16.91 a chip, decoding
Bound:     547 tokens/s/chip, by the chips' memory
Result:    OUTPUT/pairs/pairs.jsonl, what `jorney dpo --data` takes
"""

from jorney.run.stages.pairing import PairsCommand
from jorney.sharding import MeshConfig
from jorney.solve.evaluate import EvaluateConfig
from jorney.train.objectives.dpo import DpoConfig


def config() -> PairsCommand:
    return PairsCommand(
        model="deepseek-ai/deepseek-math-7b-base",  # the one that phase 2 made has its architecture
        output="runs/deepseekmath-pairs",
        problems="train.jsonl",
        dtype="bfloat16",
        mesh=MeshConfig(data=1, tensor=-1),
        evaluate=EvaluateConfig(max_tokens=1536, rows=20),
        dpo=DpoConfig(samples=20, pairs=5),
    )
