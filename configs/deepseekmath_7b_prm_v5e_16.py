"""A process reward model from DeepSeekMath-7B, on labelled steps: one epoch, learning rate 1e-6, batch 64.

Command:   tpu_scripts/run.sh prm configs/deepseekmath_7b_prm_v5e_16.py --model $BUCKET/phase1/sft
           --data $BUCKET/labels/rollouts/labels.jsonl --held-out-data $BUCKET/held_out/rollouts/labels.jsonl
           --output $BUCKET/prm
Hardware:  TPU v5e-16: 16 chips of 15.75 GiB, four hosts; the command runs on every host
Memory:    11.91 GB of 16.91 a chip
Bound:     4,994 tokens/s/chip, by the chips' operations
Result:    OUTPUT/prm/model, a folder that `--judge` takes, with the threshold that the held-out steps chose
"""

from jorney.distributed import DistributedConfig
from jorney.run.stages.judges.reward_training import PrmCommand
from jorney.sharding import MeshConfig
from jorney.train.objectives.prm import PrmConfig
from jorney.train.optimizer import OptimizerConfig


def config() -> PrmCommand:
    return PrmCommand(
        model="deepseek-ai/deepseek-math-7b-base",  # the one that phase 1 made has its architecture
        output="runs/deepseekmath-prm",
        data="labels.jsonl",
        held_out_data="held_out_labels.jsonl",
        held_out_limit=None,
        dtype="bfloat16",
        mesh=MeshConfig(data=1, fsdp=-1),
        distributed=DistributedConfig(coordinator="auto"),
        prm=PrmConfig(
            batch_rows=64, row_length=4096, accumulate=4, remat="full", optimizer=OptimizerConfig(learning_rate=1e-6)
        ),
    )
