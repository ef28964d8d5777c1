"""SFT of DeepSeekMath-7B on long thoughts, as the paper's phase 2: three epochs, learning rate 1e-5, batch 64.

Command:   jorney sft configs/sft_deepseekmath.py --data thoughts.jsonl     (on every host of a pod, at the same time)
Hardware:  16 chips of v5e or more, or 8 GPUs of 80 GB; on several hosts each starts the command
Result:    runs/sft-deepseekmath/sft/model, a Hugging Face folder

On a TPU pod the processes find each other ("auto"); elsewhere --distributed.coordinator HOST:PORT --distributed.processes N
--distributed.process I. OUTPUT must be a folder that all hosts see, such as gs://bucket/folder.
"""

from jorney.distributed import DistributedConfig
from jorney.sharding import MeshConfig
from jorney.stages.command import SftCommand
from jorney.train.sft import SftConfig


def config() -> SftCommand:
    return SftCommand(
        model="deepseek-ai/deepseek-math-7b-base",
        output="runs/sft-deepseekmath",
        data="runs/derive/thoughts/journey.jsonl",
        dtype="bfloat16",
        mesh=MeshConfig(data=1, fsdp=-1),
        distributed=DistributedConfig(coordinator="auto"),
        sft=SftConfig(epochs=3, batch_rows=64, row_length=4096, accumulate=4, remat="full"),
    )
