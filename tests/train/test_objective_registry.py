"""Which objective a name stands for."""

from __future__ import annotations

import dataclasses
import importlib
from typing import ClassVar

from jorney.train import objective
from jorney.train.objectives.sft import Sft, SftConfig


def test_one_of_a_users_own_is_not_replaced_by_the_packages(monkeypatch) -> None:
    @dataclasses.dataclass(frozen=True)
    class MineConfig(SftConfig):
        name: ClassVar[str] = "sft"

    class Mine(Sft):
        config = MineConfig

    monkeypatch.setattr(objective, "_REGISTRY", {})
    mine = Mine()
    objective.register(mine)
    importlib.reload(importlib.import_module("jorney.train.objectives"))
    assert objective.objective_of("sft") is mine
    assert set(objective.objectives()) == {"sft", "dpo", "prm", "grpo"}
