"""DPO of DeepSeekMath-7B on given pairs: beta 0.1, learning rate 1e-6, 64 pairs a step.

Command:   jorney dpo configs/deepseekmath_7b_dpo_v5p_8.py --model gs://BUCKET/phase2/sft --data pairs.jsonl --output gs://BUCKET/dpo
Hardware:  TPU v5p-8: 4 chips of 95.73 GiB, one host
Memory:    48.37 GB of 102.79 a chip
Bound:     11,337 tokens/s/chip, by the chips' operations
Result:    OUTPUT/dpo/model, a Hugging Face folder

Pairs are rows of prompt, chosen and rejected. A prompt is read once for both; the reference's log-probabilities are computed
before training and stored beside it.
"""

from jorney.run.stages.preferences import DpoCommand
from jorney.sharding import MeshConfig
from jorney.train.objectives.dpo import DpoConfig


def config() -> DpoCommand:
    return DpoCommand(
        model="deepseek-ai/deepseek-math-7b-base",  # the one that phase 2 made has its architecture
        output="runs/deepseekmath-dpo",
        data="pairs.jsonl",
        dtype="bfloat16",
        mesh=MeshConfig(data=1, fsdp=-1),
        dpo=DpoConfig(batch_pairs=64, prompt_length=1024, completion_length=1536, accumulate=8, remat="attention"),
    )
