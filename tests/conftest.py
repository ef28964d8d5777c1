"""Shared by all tests: eight simulated devices, a compilation cache, small models."""

from __future__ import annotations

import gc
import os
import pathlib
import signal
import sys
from collections.abc import Iterator

os.environ.setdefault("JAX_PLATFORMS", "cpu")  # programs that tests start do not look for a TPU because its compiler is here
os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")
# Most programs here run once, for milliseconds: making them fast would take half of the tests' time.
os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}".strip()

import hypothesis
import jax
import pytest
from places import CACHE, ROOT

sys.path.append(str(ROOT / "tools"))  # what the embedded model learned from is there

# A job that a shell put in the background ignores SIGINT, and so would commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
# How long an example takes says nothing on a machine that others share.
hypothesis.settings.register_profile("jorney", deadline=None)
hypothesis.settings.load_profile("jorney")
jax.config.update("jax_num_cpu_devices", 8)
jax.config.update("jax_compilation_cache_dir", CACHE)
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are not part of a test's name: a compressed file holds the hour, and workers must find the same names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="module", autouse=True)
def _no_programs_of_other_modules() -> Iterator[None]:
    """Compiled programs are dropped with the module that made them: all together take a dozen gigabytes."""
    yield
    jax.clear_caches()
    gc.collect()


@pytest.fixture(scope="session")
def gsm8k() -> pathlib.Path:
    """The folder of GSM8K's published files."""
    folder = ROOT.parent / "shared" / "data" / "gsm8k"
    if not folder.exists():
        pytest.skip("the shared data folder is not beside the project")
    return folder


@pytest.fixture(scope="session")
def mesh1():
    """One device."""
    from jorney.sharding import make_mesh

    return make_mesh(devices=jax.devices()[:1])


@pytest.fixture(scope="session")
def policy(mesh1):
    """The embedded model on one device."""
    import jorney

    return jorney.load(mesh=mesh1)


@pytest.fixture(scope="session")
def tiny():
    """A two-layer architecture with grouped heads and an untied head; a vocabulary that no power of two divides."""
    from jorney.model.architecture import ModelConfig

    return ModelConfig(
        vocab_size=72, embed=32, layers=2, heads=8, kv_heads=4, head_dim=8, mlp=64, positions=256, init_scale=0.2
    )


@pytest.fixture(scope="session")
def shared_data() -> pathlib.Path:
    """The folder of published data sets."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.exists():
        pytest.skip("the shared data folder is not beside the project")
    return folder
