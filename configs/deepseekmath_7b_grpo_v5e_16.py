"""GRPO of DeepSeekMath-7B as DeepSeekMath-RL has it: 16 questions of 64 completions a round, beta 0.04, learning rate 1e-6.

Command:   jorney grpo configs/deepseekmath_7b_grpo_v5e_16.py --model gs://BUCKET/phase1/sft --problems gs://BUCKET/train.jsonl
           --output gs://BUCKET/grpo
Hardware:  TPU v5e-16: 16 chips of 15.75 GiB, four hosts; the command runs on every host
Memory:    15.43 GB of 16.91 a chip, decoding; an update needs 14.71
Bound:     1,152 tokens/s/chip sampled: a round takes 56.9 s at least, 67% of it sampling, by the chips' memory
Result:    OUTPUT/grpo/model, a Hugging Face folder

Each host samples for its share of the questions on its own four chips, beside the training: a chip holds 4.32 GB of parameters
(float32), moments (bfloat16) and reference (bfloat16), the 3.46 GB that it samples with, and a cache of 7.31 GB for four
questions of 16 rows. Completions that are all of full length want an eighth more; what is dropped is read again, which the
bound does not count. float32 moments would take 1.73 GB more, of the cache. The reward is accuracy, where DeepSeekMath-RL had a
reward model.
"""

from jorney.distributed import DistributedConfig
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
        distributed=DistributedConfig(coordinator="auto"),
        grpo=GrpoConfig(
            questions=16,
            group=64,
            completion_length=1024,
            beta=0.04,
            kl="k3",
            aggregate="sequence",
            scale="sample",
            row_completions=4,
            accumulate=16,
            remat="attention",
            decode_rows=64,
            optimizer=OptimizerConfig(learning_rate=1e-6, schedule="constant", moments="bfloat16"),
        ),
    )
