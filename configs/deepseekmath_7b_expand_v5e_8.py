"""Reasoning trees of DeepSeekMath-7B, the paper's: w = 3, K = 3, ten levels at most.

Command:   jorney expand configs/deepseekmath_7b_expand_v5e_8.py --model gs://BUCKET/phase1/sft --problems gs://BUCKET/train.jsonl
           --judge gs://BUCKET/prm/prm --output gs://BUCKET/trees
Hardware:  TPU v5e-8: 8 chips of 15.75 GiB, one host; or each host of a larger machine, with --shard i/n
Memory:    8.20 GB of 16.91 a chip, decoding
Bound:     1,687 tokens/s/chip, by the chips' memory
Result:    OUTPUT/trees, JSON lines

The model is split over the host's chips (tensor): every chip holds an eighth of the weights and of each problem's cache.
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
        expand=ExpandConfig(w=3, depth=10, step_tokens=256, rows=128, prune=PruneConfig(keep=3, explore_wrong=1)),
    )
