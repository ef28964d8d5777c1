"""Folders that tests use."""

import os
import pathlib
import tempfile

ROOT = pathlib.Path(__file__).parent.parent
# Compiled programs are kept between test runs of one user; only speed depends on it.
CACHE = os.environ.get("JORNEY_TEST_CACHE") or os.path.join(tempfile.gettempdir(), f"jorney-tests-{os.getuid()}")
