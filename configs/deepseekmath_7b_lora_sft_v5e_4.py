"""SFT of DeepSeekMath-7B by adapters (LoRA, rank 16) on long thoughts, on four chips.

Command:   jorney sft configs/deepseekmath_7b_lora_sft_v5e_4.py --data thoughts.jsonl --output gs://BUCKET/phase2
Hardware:  TPU v5e-4: 4 chips of 15.75 GiB, one host
Memory:    11.23 GB of 16.91 a chip
Bound:     6,745 tokens/s/chip, by the chips' operations
Result:    OUTPUT/sft/model, a folder of peft's

The base is held in bfloat16 and not saved. The learning rate is ten times that of full training.
"""

from jorney.model.lora import LoraConfig
from jorney.run.stages.fine_tuning import SftCommand
from jorney.sharding import MeshConfig
from jorney.train.objectives.sft import SftConfig
from jorney.train.optimizer import OptimizerConfig


def config() -> SftCommand:
    return SftCommand(
        model="deepseek-ai/deepseek-math-7b-base",
        output="runs/deepseekmath-lora",
        data="runs/derive/thoughts/journey.jsonl",
        dtype="bfloat16",
        mesh=MeshConfig(data=1, fsdp=-1),
        sft=SftConfig(
            epochs=3,
            batch_rows=64,
            row_length=4096,
            accumulate=16,
            remat="attention",
            optimizer=OptimizerConfig(learning_rate=1e-4),
            lora=LoraConfig(rank=16),
        ),
    )
