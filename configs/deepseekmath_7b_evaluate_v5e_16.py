"""The accuracy of a DeepSeekMath-7B that was trained on journeys: one greedy completion of every problem.

Command:   tpu_scripts/generate.sh evaluate configs/deepseekmath_7b_evaluate_v5e_16.py --model $BUCKET/dpo/dpo
           --problems $BUCKET/data/test.jsonl --output $BUCKET/grades
Hardware:  TPU v5e-16: each of its four hosts by itself, over its own 4 chips of 15.75 GiB, with --shard i/4
Memory:    13.31 GB of 16.91 a chip, decoding
Bound:     393 tokens/s/chip, by the chips' memory
Result:    OUTPUT/summary.json: accuracy with its interval, mean tokens
"""

from jorney.run.stages.evaluation import EvaluateCommand
from jorney.sharding import MeshConfig
from jorney.solve.evaluate import EvaluateConfig


def config() -> EvaluateCommand:
    return EvaluateCommand(
        model="deepseek-ai/deepseek-math-7b-base",  # the one that was trained has its architecture
        output="runs/deepseekmath-grades",
        problems="test.jsonl",
        dtype="bfloat16",
        mesh=MeshConfig(data=1, tensor=-1),
        evaluate=EvaluateConfig(max_tokens=2048, rows=24),
    )
