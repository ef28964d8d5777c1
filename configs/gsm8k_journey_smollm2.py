"""The whole pipeline on GSM8K with SmolLM2, at counts that a laptop bears: is every stage in order for real mathematics?

Command:   jorney run configs/gsm8k_journey_smollm2.py --problems.train train.jsonl --problems.trees train_rest.jsonl \
               --problems.test test.jsonl
Hardware:  two CPU cores, 8 GB; for results worth reading an accelerator, and counts in the thousands
Result:    none promised: the report states accuracies with intervals, and which parts were left out for want of a right path

Steps are judged by a reward model that is trained on the policy's own rollouts. The three sets have no question in common.
"""

from jorney.judge.rollouts import RolloutConfig
from jorney.run.recipes.journey import ProblemsConfig, RunConfig
from jorney.solve.evaluate import EvaluateConfig
from jorney.solve.resample import ResampleConfig
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.prm import PrmConfig
from jorney.train.objectives.sft import SftConfig
from jorney.train.optimizer import OptimizerConfig
from jorney.tree.expand import ExpandConfig
from jorney.tree.prune import PruneConfig


def config() -> RunConfig:
    learned = SftConfig(batch_rows=4, row_length=512, head_chunk=512, optimizer=OptimizerConfig(learning_rate=2e-5))
    return RunConfig(
        name="gsm8k-journey-smollm2",
        output="runs/gsm8k-journey-smollm2",
        model="HuggingFaceTB/SmolLM2-135M-Instruct",
        judge="prm",
        share=0.5,
        problems=ProblemsConfig(
            train="openai/gsm8k:main@train[:64]",
            trees="openai/gsm8k:main@train[64:96]",
            test="openai/gsm8k:main@test",
            train_count=64,
            trees_count=32,
            test_count=32,
        ),
        evaluate=EvaluateConfig(max_tokens=192, rows=16),
        long_tokens=384,
        sft=learned,
        expand=ExpandConfig(w=3, depth=6, step_tokens=64, rows=16, prune=PruneConfig(keep=3, explore_wrong=1)),
        phase2=SftConfig(
            batch_rows=4, row_length=1024, head_chunk=512, epochs=3, optimizer=OptimizerConfig(learning_rate=2e-5)
        ),
        resample=ResampleConfig(attempts=2),
        rollouts=RolloutConfig(solutions=2, completions=4, max_tokens=192, rows=16),
        prm=PrmConfig(batch_rows=4, row_length=512),
        dpo=DpoConfig(samples=8, pairs=3, batch_pairs=4, head_chunk=256),
    )
