"""DPO of DeepSeekMath-7B on given pairs: beta 0.1, learning rate 1e-6.

Command:   jorney dpo configs/dpo_deepseekmath.py --model runs/sft-deepseekmath/sft --data pairs.jsonl
Hardware:  as configs/sft_deepseekmath.py
Result:    runs/dpo-deepseekmath/dpo/model, a Hugging Face folder

Pairs are rows of prompt, chosen and rejected. A prompt is read once for both; the reference's log-probabilities are computed
before training and stored beside it.
"""

from jorney.distributed import DistributedConfig
from jorney.sharding import MeshConfig
from jorney.stages.command import DpoCommand
from jorney.train.dpo import DpoConfig


def config() -> DpoCommand:
    return DpoCommand(
        model="runs/sft-deepseekmath/sft",
        output="runs/dpo-deepseekmath",
        data="pairs.jsonl",
        dtype="bfloat16",
        mesh=MeshConfig(data=1, fsdp=-1),
        distributed=DistributedConfig(coordinator="auto"),
        dpo=DpoConfig(batch_pairs=64, accumulate=4, remat="full", prompt_length=512, completion_length=1024),
    )
