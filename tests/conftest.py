"""What every test may use: the `backend` fixtures, quiet frameworks, and `--slow`.

What a test leaves to chance is the same in every run: `repeatable` sees to it.

`backend` runs a test once for each of the four backends, `framework_backend` for the three that
are held against NumPy. A backend whose framework is not installed is skipped and says so.
"""

from __future__ import annotations

import itertools
import os
import random
import sys

# Before TensorFlow is imported by anything: it logs from C++, past Python's warnings.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:
    # Several processes side by side: threads of one, waiting for each other, would wait long.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from hypothesis import settings
from support import BACKENDS

from aeanom.core import get_backend
from aeanom.core.registry import missing_packages

# The same examples in every run, and no time limit for one: the first call may compile.
settings.register_profile("aeanom", deadline=None, derandomize=True, database=None)
settings.load_profile("aeanom")


def pytest_addoption(parser):
    parser.addoption(
        "--slow", action="store_true", help="also run the proofs that take minutes (`make parity`)"
    )


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes: run with --slow"))


@pytest.fixture(autouse=True)
def repeatable(monkeypatch):
    """Begin each test with the same random state, for fits without a seed and modules too.

    Keras takes its initial weights from `random`, torch (imported by then) from a generator of
    its own, which begins elsewhere in every process.
    """
    monkeypatch.setattr("aeanom.core.settings.drawn_seed", itertools.count(1).__next__)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def installed_backend(name):
    missing = missing_packages(name)
    if missing:
        pytest.skip(f"backend {name!r} needs {', '.join(missing)}, not installed here")
    return get_backend(name)


@pytest.fixture(params=BACKENDS)
def backend(request):
    """Each of the four backends."""
    return installed_backend(request.param)


@pytest.fixture(params=BACKENDS[1:])
def framework_backend(request):
    """Each backend but NumPy's, which is the oracle."""
    return installed_backend(request.param)


@pytest.fixture(params=("jax", "tensorflow"))
def compiled_backend(request):
    """Each backend that compiles."""
    return installed_backend(request.param)


@pytest.fixture(scope="session")
def numpy_backend():
    return get_backend("numpy")
