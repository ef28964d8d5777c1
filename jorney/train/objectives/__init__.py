"""What a training minimises: one file an objective. All of them are registered here."""

from jorney.train.objective import register
from jorney.train.objectives.dpo import Dpo
from jorney.train.objectives.grpo import Grpo
from jorney.train.objectives.prm import Prm
from jorney.train.objectives.sft import Sft

for objective in (Sft(), Dpo(), Prm(), Grpo()):
    register(objective, replace=False)  # one of a user's own, registered before, stays
