"""Jorney: journey learning, native to JAX and TPU.

policy = jorney.load("path/or/hub-id")
scores = jorney.logits(policy, tokens)
completions = jorney.generate(policy, prompts, w=4)
trees = jorney.expand(policy, problems)
thoughts = jorney.derive(trees)
policy, records = jorney.train(policy, thoughts)
graded = jorney.evaluate(policy, problems)
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jorney.api import derive as derive
    from jorney.api import evaluate as evaluate
    from jorney.api import search as search
    from jorney.domain.problem import Problem as Problem
    from jorney.engine.generate import Completion as Completion
    from jorney.engine.generate import SamplingConfig as SamplingConfig
    from jorney.engine.generate import generate as generate
    from jorney.policy import Policy as Policy
    from jorney.policy import load as load
    from jorney.policy import logits as logits
    from jorney.policy import save as save
    from jorney.solve.evaluate import EvaluateConfig as EvaluateConfig
    from jorney.solve.search import SearchConfig as SearchConfig
    from jorney.thought.derive import DeriveConfig as DeriveConfig
    from jorney.train.objectives.dpo import DpoConfig as DpoConfig
    from jorney.train.objectives.sft import SftConfig as SftConfig
    from jorney.train.optimizer import OptimizerConfig as OptimizerConfig
    from jorney.tree.expand import ExpandConfig as ExpandConfig
    from jorney.tree.expand import expand as expand
    from jorney.tree.tree import Tree as Tree

__version__ = "0.1.0"

# Name -> the module it lives in. Imported at first use: `import jorney` itself takes milliseconds.
_PUBLIC = {
    "Policy": "jorney.policy",
    "load": "jorney.policy",
    "logits": "jorney.policy",
    "save": "jorney.policy",
    "Completion": "jorney.engine.generate",
    "SamplingConfig": "jorney.engine.generate",
    "generate": "jorney.engine.generate",
    "Problem": "jorney.domain.problem",
    "Tree": "jorney.tree.tree",
    "ExpandConfig": "jorney.tree.expand",
    "expand": "jorney.tree.expand",
    "derive": "jorney.api",
    "evaluate": "jorney.api",
    "search": "jorney.api",
    "DeriveConfig": "jorney.thought.derive",
    "EvaluateConfig": "jorney.solve.evaluate",
    "SearchConfig": "jorney.solve.search",
    "SftConfig": "jorney.train.objectives.sft",
    "DpoConfig": "jorney.train.objectives.dpo",
    "OptimizerConfig": "jorney.train.optimizer",
}
__all__ = [
    "Completion",
    "DeriveConfig",
    "DpoConfig",
    "EvaluateConfig",
    "ExpandConfig",
    "OptimizerConfig",
    "Policy",
    "Problem",
    "SamplingConfig",
    "SearchConfig",
    "SftConfig",
    "Tree",
    "derive",
    "evaluate",
    "expand",
    "generate",
    "judge",
    "load",
    "logits",
    "save",
    "search",
    "train",
]


class _Room(types.ModuleType):
    """A package that is called as well: `jorney.train(...)` is `jorney.api.train(...)`, whatever was imported before."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        return getattr(importlib.import_module("jorney.api"), self.__name__.rpartition(".")[2])(*given, **named)


def call_as_well(room: str) -> None:
    """Lets a package of ours be called; said in its `__init__`."""
    sys.modules[room].__class__ = _Room


def __getattr__(name: str) -> Any:
    if name in ("judge", "train"):
        return importlib.import_module(f"jorney.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'jorney' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
