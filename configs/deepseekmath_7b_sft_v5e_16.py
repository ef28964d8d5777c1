"""SFT of DeepSeekMath-7B on long thoughts, the paper's phase 2: three epochs, learning rate 1e-5, batch 64.

Command:   jorney sft configs/deepseekmath_7b_sft_v5e_16.py --data thoughts.jsonl --output gs://BUCKET/phase2
Hardware:  TPU v5e-16: 16 chips of 15.75 GiB, four hosts; the command runs on every host
Memory:    15.22 GB of 16.91 a chip
Bound:     4,694 tokens/s/chip, by the chips' operations
Result:    OUTPUT/sft/model, a Hugging Face folder
"""

from jorney.distributed import DistributedConfig
from jorney.run.stages.fine_tuning import SftCommand
from jorney.sharding import MeshConfig
from jorney.train.objectives.sft import SftConfig


def config() -> SftCommand:
    return SftCommand(
        model="deepseek-ai/deepseek-math-7b-base",
        output="runs/deepseekmath-sft",
        data="runs/derive/thoughts/journey.jsonl",
        dtype="bfloat16",
        mesh=MeshConfig(data=1, fsdp=-1),
        distributed=DistributedConfig(coordinator="auto"),
        sft=SftConfig(epochs=3, batch_rows=64, row_length=4096, accumulate=4, remat="attention"),
    )
