"""Labels for the steps of DeepSeekMath-7B's solutions, Math-Shepherd's: eight solutions, eight completions of every step.

Command:   tpu_scripts/generate.sh prm label configs/deepseekmath_7b_label_v5e_16.py --model $BUCKET/phase1/sft
           --problems $BUCKET/data/train.jsonl --output $BUCKET/labels
Hardware:  TPU v5e-16: each of its four hosts by itself, over its own 4 chips of 15.75 GiB, with --shard i/4
Memory:    15.01 GB of 16.91 a chip, decoding
Bound:     922 tokens/s/chip, by the chips' memory
Result:    OUTPUT/rollouts/labels.jsonl, what `jorney prm --data` takes
"""

from jorney.judge.rollouts import RolloutConfig
from jorney.run.stages.judges.labelling import PrmLabelCommand
from jorney.sharding import MeshConfig


def config() -> PrmLabelCommand:
    return PrmLabelCommand(
        model="deepseek-ai/deepseek-math-7b-base",  # the one that phase 1 made has its architecture
        output="runs/deepseekmath-labels",
        problems="train.jsonl",
        limit=2000,
        dtype="bfloat16",
        mesh=MeshConfig(data=1, tensor=-1),
        rollouts=RolloutConfig(solutions=8, completions=8, max_tokens=512, rows=64),
    )
