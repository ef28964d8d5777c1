"""SFT of DeepSeekMath-7B on long thoughts, the paper's phase 2: three epochs, learning rate 1e-5, batch 64.

Command:   jorney sft configs/deepseekmath_7b_sft_v5e_8.py --data thoughts.jsonl --output gs://BUCKET/phase2
Hardware:  TPU v5e-8: 8 chips of 15.75 GiB, one host
Memory:    16.69 GB of 16.91 a chip
Bound:     4,694 tokens/s/chip, by the chips' operations
Result:    OUTPUT/sft/model, a Hugging Face folder

Adam's moments are bfloat16: with float32 ones the gradients of micro-batches, which are added up in float32, do not fit.
"""

from jorney.run.stages.fine_tuning import SftCommand
from jorney.sharding import MeshConfig
from jorney.train.objectives.sft import SftConfig
from jorney.train.optimizer import OptimizerConfig


def config() -> SftCommand:
    return SftCommand(
        model="deepseek-ai/deepseek-math-7b-base",
        output="runs/deepseekmath-sft",
        data="runs/derive/thoughts/journey.jsonl",
        dtype="bfloat16",
        mesh=MeshConfig(data=1, fsdp=-1),
        sft=SftConfig(
            epochs=3,
            batch_rows=64,
            row_length=4096,
            accumulate=8,
            remat="full",
            optimizer=OptimizerConfig(moments="bfloat16"),
        ),
    )
