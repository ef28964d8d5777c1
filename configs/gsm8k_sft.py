"""SFT of a Llama-family model on GSM8K's worked solutions, evaluated before and after.

Command:   jorney run configs/gsm8k_sft.py --model DIR --problems.train train.jsonl --problems.test test.jsonl
Hardware:  what the model needs; SmolLM2-135M runs on a laptop
Result:    none promised; the report states accuracy before and after with intervals
"""

from jorney.run.recipes.journey import ProblemsConfig, RunConfig
from jorney.solve.evaluate import EvaluateConfig
from jorney.train.objectives.sft import SftConfig
from jorney.train.optimizer import OptimizerConfig


def config() -> RunConfig:
    return RunConfig(
        name="gsm8k-sft",
        output="runs/gsm8k-sft",
        model="HuggingFaceTB/SmolLM2-135M",
        until="sft_phase1",
        problems=ProblemsConfig(
            train="openai/gsm8k:main@train", test="openai/gsm8k:main@test", train_count=None, test_count=None
        ),
        evaluate=EvaluateConfig(max_tokens=512),
        # The paper's settings: learning rate 1e-5, cosine, 3% warm-up, AdamW (0.9, 0.95), no weight decay.
        sft=SftConfig(epochs=1, batch_rows=16, row_length=1024, remat="dots", optimizer=OptimizerConfig(learning_rate=1e-5)),
    )
