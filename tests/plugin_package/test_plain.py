"""The whole test suite of a backend: run it with `pytest` where the package is installed."""

import pytest

from aeanom.core import known_backends
from aeanom.testing import BackendConformance

if "plain" not in known_backends():
    pytest.skip("aeanom-plain is not installed here", allow_module_level=True)


class TestPlain(BackendConformance):
    backend_name = "plain"
