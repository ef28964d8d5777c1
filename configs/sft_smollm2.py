"""SFT of SmolLM2-135M on GSM8K's worked solutions, 5% of them held out; the best checkpoint is the result.

Command:   jorney sft configs/sft_smollm2.py --model DIR --data gsm8k_train.jsonl
Hardware:  a laptop (two CPU cores take 6 hours), any GPU or TPU (minutes)
Result:    runs/sft-smollm2/sft/model, a Hugging Face folder; held-out loss at every checkpoint
"""

from jorney.run.stages.fine_tuning import SftCommand
from jorney.train.loop import LoopConfig
from jorney.train.objectives.sft import SftConfig
from jorney.train.optimizer import OptimizerConfig


def config() -> SftCommand:
    return SftCommand(
        model="HuggingFaceTB/SmolLM2-135M",
        output="runs/sft-smollm2",
        data="openai/gsm8k:main@train",
        sft=SftConfig(
            batch_rows=16,
            row_length=512,
            held_out=0.05,
            best=True,
            optimizer=OptimizerConfig(learning_rate=1e-4),
            loop=LoopConfig(save_every=20, log_every=5),
        ),
    )
