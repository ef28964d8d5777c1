"""DPO of DeepSeekMath-7B by adapters (LoRA, rank 16) on given pairs, on four chips.

Command:   jorney dpo configs/deepseekmath_7b_lora_dpo_v5e_4.py --model gs://BUCKET/phase2/sft --data pairs.jsonl --output gs://BUCKET/dpo
Hardware:  TPU v5e-4: 4 chips of 15.75 GiB, one host
Memory:    11.24 GB of 16.91 a chip
Bound:     7,051 tokens/s/chip, by the chips' operations
Result:    OUTPUT/dpo/model, a folder of peft's

The reference is the model that training begins with: no second copy of it is held. If that is an adapter of the same rank, it
is trained on; its base stays as it is.
"""

from jorney.model.lora import LoraConfig
from jorney.run.stages.preferences import DpoCommand
from jorney.sharding import MeshConfig
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.optimizer import OptimizerConfig


def config() -> DpoCommand:
    return DpoCommand(
        model="deepseek-ai/deepseek-math-7b-base",
        output="runs/deepseekmath-lora-dpo",
        data="pairs.jsonl",
        dtype="bfloat16",
        mesh=MeshConfig(data=1, fsdp=-1),
        dpo=DpoConfig(
            batch_pairs=64,
            prompt_length=1024,
            completion_length=1536,
            accumulate=16,
            remat="attention",
            optimizer=OptimizerConfig(learning_rate=1e-5),
            lora=LoraConfig(rank=16),
        ),
    )
