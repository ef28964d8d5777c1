"""Reasoning trees of DeepSeekMath-7B on the hosts of a v5e-16, the paper's: w = 3, K = 3, ten levels at most.

Command:   tpu_scripts/generate.sh expand configs/deepseekmath_7b_expand_v5e_16.py --model $BUCKET/phase1/sft
           --problems $BUCKET/data/train.jsonl --judge $BUCKET/prm/prm --output $BUCKET/trees
Hardware:  TPU v5e-16: each of its four hosts by itself, over its own 4 chips of 15.75 GiB, with --shard i/4
Memory:    10.29 GB of 16.91 a chip, decoding
Bound:     1,380 tokens/s/chip, by the chips' memory
Result:    OUTPUT/trees, JSON lines

The model is split over the host's chips (tensor), and so are the reward model and both caches.
"""

from jorney.run.stages.expansion import ExpandCommand
from jorney.sharding import MeshConfig
from jorney.tree.expand import ExpandConfig
from jorney.tree.prune import PruneConfig


def config() -> ExpandCommand:
    return ExpandCommand(
        model="deepseek-ai/deepseek-math-7b-base",  # the one that phase 1 made has its architecture
        output="runs/deepseekmath-trees",
        problems="train.jsonl",
        limit=None,
        dtype="bfloat16",
        mesh=MeshConfig(data=1, tensor=-1),
        expand=ExpandConfig(w=3, depth=10, step_tokens=256, rows=64, prune=PruneConfig(keep=3, explore_wrong=1)),
    )
