"""Reasoning trees of DeepSeekMath-7B, the paper's: w = 3, K = 3, ten levels at most.

Command:   jorney expand configs/deepseekmath_7b_expand_v5p_8.py --model gs://BUCKET/phase1/sft --problems gs://BUCKET/train.jsonl
           --judge gs://BUCKET/prm/prm --output gs://BUCKET/trees
Hardware:  TPU v5p-8: 4 chips of 95.73 GiB, one host; or each host of a larger machine, with --shard i/n
Memory:    52.83 GB of 102.79 a chip, decoding
Bound:     6,836 tokens/s/chip, by the chips' memory
Result:    OUTPUT/trees, JSON lines

The model is split over the host's chips (tensor): every chip holds a quarter of the weights and of each problem's cache.
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
        expand=ExpandConfig(w=3, depth=10, step_tokens=256, rows=512, prune=PruneConfig(keep=3, explore_wrong=1)),
    )
