"""The page as Streamlit runs it, without a browser, on a small run."""

from __future__ import annotations

import json
import os
import pathlib
import sys
from collections.abc import Callable
from typing import Any

import pytest
import viewed

from jorney.run.commands.viewing import APP

SECONDS = 60


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> pathlib.Path:
    return viewed.run(tmp_path_factory.mktemp("page") / "run")


@pytest.fixture
def opened(run, monkeypatch, tmp_path) -> Callable:
    """Opens the page at a place."""
    testing = pytest.importorskip("streamlit.testing.v1", reason="needs the extra [view]")
    import streamlit

    monkeypatch.setenv("XDG_CACHE_HOME", os.fspath(tmp_path / "cache"))
    streamlit.cache_resource.clear()
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])  # AppTest puts the page there, and leaves it

    def at(paths: list[str] | None = None, **params: str | list[str]) -> Any:
        told = {"paths": paths or [os.fspath(run)], "verdicts": os.fspath(tmp_path / "verdicts.jsonl")}
        monkeypatch.setattr(sys, "argv", ["app.py", json.dumps(told)])
        page = testing.AppTest.from_file(APP, default_timeout=SECONDS)
        for name, value in params.items():
            page.query_params[name] = value
        page.run()
        assert not page.exception
        return page

    return at
