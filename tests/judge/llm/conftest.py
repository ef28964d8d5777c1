"""Clients of a stub."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pytest
from stub_endpoint import Stub

from jorney.judge.llm import Llm, LlmConfig


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-1234567890")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def make(tmp_path: pathlib.Path) -> Callable[..., Llm]:
    def llm(stub: Stub | str, **fields: Any) -> Llm:
        url = stub if isinstance(stub, str) else stub.url
        defaults = {"model": "m", "base_url": url, "cache": str(tmp_path / "cache"), "backoff": 0.01, "timeout": 30.0}
        return Llm(LlmConfig(**{**defaults, **fields}))

    return llm
