"""Jorney: journey learning, native to JAX and TPU.

policy = jorney.load("path/or/hub-id")
scores = jorney.logits(policy, tokens)
completions = jorney.generate(policy, prompts, w=4)
trees = jorney.expand(policy, problems)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jorney.domain.problem import Problem as Problem
    from jorney.engine.generate import Completion as Completion
    from jorney.engine.generate import SamplingConfig as SamplingConfig
    from jorney.engine.generate import generate as generate
    from jorney.policy import Policy as Policy
    from jorney.policy import load as load
    from jorney.policy import logits as logits
    from jorney.policy import save as save
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
}
__all__ = [
    "Completion",
    "ExpandConfig",
    "Policy",
    "Problem",
    "SamplingConfig",
    "Tree",
    "expand",
    "generate",
    "load",
    "logits",
    "save",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'jorney' has no attribute {name!r}")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
