"""Our four backends run the kit that third parties run."""

import pytest

from aeanom.testing import BackendConformance


@pytest.fixture(autouse=True)
def quick(request):
    """Leave what compiles every network once more, in float32, to `--slow`."""
    rung = request.node.originalname.removeprefix("test_")
    if request.config.getoption("--slow") or rung not in ("gradients", "one_step"):
        return
    example, dtype = (request.node.callspec.params[name] for name in ("example", "dtype"))
    compiles = request.cls.backend_name in ("jax", "tensorflow")
    if compiles and dtype == "float32" and example.name != "dense":
        pytest.skip("compiles for a minute: run with --slow")


class TestNumpy(BackendConformance):
    backend_name = "numpy"


class TestTorch(BackendConformance):
    backend_name = "torch"


class TestJax(BackendConformance):
    backend_name = "jax"


class TestTensorFlow(BackendConformance):
    backend_name = "tensorflow"
