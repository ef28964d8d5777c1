"""The paper's whole recipe with PRM800K: deepseek-sft-prm800k, then trees, journeys, phase 2 and preference training.

Command:   git clone https://github.com/openai/prm800k          (with git-lfs)
           jorney run configs/o1_journey_prm800k.py
Hardware:  TPU v5p-8: 4 chips of 95.73 GiB, one host (a larger machine: stage by stage, see tpu_scripts/README.md)
Memory:    48.37 GB of 102.79 a chip, a step of DPO; sampling keeps its cache in what is left
Bound:     11,337 tokens/s/chip, a step of DPO
Result:    runs/o1-journey-prm800k/report.html. The paper's own, on MATH500, one pass: SFT phase 1 0.290, shortcuts 0.348,
           journeys 0.428, DPO 0.440

Phase 1 trains on one right solution of each question (the paper counts 6,998), left out where it misses the known answer
(jorney/rows/prm800k.py). In place of o1-mini, which judged the paper's steps, stands a reward model trained on rollouts.
"""

from jorney.judge.rollouts import RolloutConfig
from jorney.run.recipes.journey import ProblemsConfig, RunConfig
from jorney.sharding import MeshConfig
from jorney.solve.evaluate import EvaluateConfig
from jorney.thought.derive import DeriveConfig
from jorney.train.objectives.dpo import DpoConfig
from jorney.train.objectives.prm import PrmConfig
from jorney.train.objectives.sft import SftConfig
from jorney.tree.expand import ExpandConfig
from jorney.tree.prune import PruneConfig


def config() -> RunConfig:
    return RunConfig(
        name="o1-journey-prm800k",
        output="runs/o1-journey-prm800k",
        model="deepseek-ai/deepseek-math-7b-base",
        dtype="bfloat16",
        judge="prm",
        share=0.1,
        problems=ProblemsConfig(
            train="prm800k/prm800k/data/phase2_train.jsonl",
            train_count=None,
            trees="prm800k/prm800k/math_splits/train.jsonl",
            trees_count=2_000,
            test="prm800k/prm800k/math_splits/test.jsonl",  # MATH500
            test_count=None,
        ),
        evaluate=EvaluateConfig(max_tokens=1024, rows=128),
        sft=SftConfig(epochs=1, batch_rows=64, row_length=4096, accumulate=8, remat="attention"),
        expand=ExpandConfig(w=3, depth=10, rows=256, prune=PruneConfig(keep=3, explore_wrong=1)),
        derive=DeriveConfig(per_tree=1),
        phase2=SftConfig(epochs=3, batch_rows=64, row_length=4096, accumulate=8, remat="attention"),
        rollouts=RolloutConfig(rows=256),
        prm=PrmConfig(batch_rows=64, row_length=4096, accumulate=8, remat="attention", share=False),
        # Of each question 20 samples, five pairs (section 3.3.4 of the paper).
        dpo=DpoConfig(
            samples=20, pairs=5, prompt_length=1024, completion_length=1536, batch_pairs=64, accumulate=8, remat="attention"
        ),
        mesh=MeshConfig(data=1, fsdp=-1),
        sampling_mesh=MeshConfig(data=1, tensor=-1),
    )
