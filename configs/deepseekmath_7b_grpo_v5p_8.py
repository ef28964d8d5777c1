"""GRPO of DeepSeekMath-7B as DeepSeekMath-RL has it: 16 questions of 64 completions a round, beta 0.04, learning rate 1e-6.

Command:   jorney grpo configs/deepseekmath_7b_grpo_v5p_8.py --model gs://BUCKET/phase1/sft --problems gs://BUCKET/train.jsonl
           --output gs://BUCKET/grpo
Hardware:  TPU v5p-8: 4 chips of 95.73 GiB, one host
Memory:    90.34 GB of 102.79 a chip, decoding; an update needs 64.28
Bound:     4,503 tokens/s/chip sampled: a round takes 58.2 s at least, 46% of it sampling, by the chips' memory
Result:    OUTPUT/grpo/model, a Hugging Face folder

The host samples beside the training: a chip holds 24.19 GB of parameters (float32), moments (float32) and reference (bfloat16),
the 3.46 GB that it samples with, and a cache of 60.10 GB for 16 questions of 32 rows. Completions that are all of full length
want a twelfth more; what is dropped is read again, which the bound does not count. The reward is accuracy, where
DeepSeekMath-RL had a reward model.
"""

from jorney.run.stages.reinforcement import GrpoCommand
from jorney.sharding import MeshConfig
from jorney.train.objectives.grpo import GrpoConfig
from jorney.train.optimizer import OptimizerConfig


def config() -> GrpoCommand:
    return GrpoCommand(
        model="deepseek-ai/deepseek-math-7b-base",  # the one that phase 1 made has its architecture
        output="runs/deepseekmath-grpo",
        problems="train.jsonl",
        dtype="bfloat16",
        mesh=MeshConfig(data=1, fsdp=-1),
        grpo=GrpoConfig(
            questions=16,
            group=64,
            completion_length=1024,
            beta=0.04,
            kl="k3",
            aggregate="sequence",
            scale="sample",
            row_completions=8,
            accumulate=16,
            remat="attention",
            decode_rows=512,
            optimizer=OptimizerConfig(learning_rate=1e-6, schedule="constant"),
        ),
    )
