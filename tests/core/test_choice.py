"""From the settings `backend` and `device` to what computes."""

import sys
from dataclasses import replace

import pytest
from support import NETWORK

from aeanom.architectures import convolutional
from aeanom.core import Capabilities, TrainingPlan, choice, get_backend, registry
from aeanom.core.choice import choose
from aeanom.core.fastest import Costs, Pace
from aeanom.errors import UnknownBackendError, UnsupportedError


def costs(start, step):
    pace = Pace(start, step, 1e18)
    return Costs(0.0, pace, pace, pace)


@pytest.fixture
def table(monkeypatch):
    """Put other costs into the place of the measured ones, by names such as `torch_cuda`."""

    def put(**entries):
        fake = {tuple(name.split("_")): entry for name, entry in entries.items()}
        monkeypatch.setattr(choice, "COSTS", fake)

    return put


@pytest.fixture
def installed(monkeypatch):
    """Pretend that these built-in backends are installed; each is NumPy's under another name."""

    def pretend(*names, **classes):
        numpy = type(get_backend("numpy"))
        made = {name: type(name, (classes.get(name, numpy),), {"name": name})() for name in names}
        monkeypatch.setattr(choice, "available_backends", lambda: names)
        monkeypatch.setattr(choice, "get_backend", made.__getitem__)
        monkeypatch.setattr(choice, "is_imported", lambda name: False)

    return pretend


def fastest(*, n_rows=100, device="auto", architecture=NETWORK, **plan):
    settings = TrainingPlan(**{"batch_size": 10, "epochs": 1, **plan})
    return choose("fastest", device, architecture, settings, n_rows=n_rows, dtype="float32")


def test_few_rows_are_for_the_quick_starter_and_many_for_the_quick_runner(table, installed):
    table(numpy_cpu=costs(0, 1e-3), torch_cpu=costs(1, 1e-5))
    installed("numpy", "torch")
    few, many = fastest(n_rows=100), fastest(n_rows=100_000)
    assert (few.backend.name, few.device) == ("numpy", "cpu")
    assert (many.backend.name, many.device) == ("torch", "cpu")
    assert few.because == (
        "expected to be the first to finish 10 steps: numpy 0.04 s, against torch 1 s"
    )


def test_epochs_and_batches_count_like_rows(table, installed):
    table(numpy_cpu=costs(0, 1e-3), torch_cpu=costs(1, 1e-5))
    installed("numpy", "torch")
    assert fastest(n_rows=100, epochs=1000).backend.name == "torch"
    assert fastest(n_rows=100_000, batch_size=100_000).backend.name == "numpy"


def test_what_is_not_installed_is_not_chosen(table, installed):
    table(numpy_cpu=costs(9, 1), torch_cpu=costs(0, 1e-9))
    installed("numpy")
    assert fastest().backend.name == "numpy"


def test_a_plug_in_is_never_chosen_and_the_reason_says_so(table, installed):
    table(numpy_cpu=costs(9, 1))
    installed("numpy", "plugged")
    found = fastest()
    assert found.backend.name == "numpy"
    assert found.because.endswith("; the pace of plugged is not known")


def test_a_backend_that_cannot_run_the_network_is_passed_over_and_named(table, installed):
    class NoConvolution(type(get_backend("numpy"))):
        capabilities = Capabilities(
            frozenset({"dense"}), frozenset({"float32"}), frozenset({"cpu"})
        )
        layers = {}

    table(numpy_cpu=costs(9, 1), torch_cpu=costs(0, 1e-9))
    installed("numpy", "torch", torch=NoConvolution)
    found = fastest(architecture=convolutional((8, 8), (2,), 2))
    assert found.backend.name == "numpy"
    assert "backend 'torch' has no layer of kind" in found.because


def test_a_gpu_is_asked_for_only_where_there_is_a_driver(table, installed, monkeypatch):
    class WithGpu(type(get_backend("numpy"))):
        def devices(self):
            return ("cpu", "cuda:0")

    table(torch_cpu=costs(0, 1), torch_cuda=costs(1, 1e-9))
    installed("torch", torch=WithGpu)
    for driver, device in ((False, "cpu"), (True, "cuda:0")):
        monkeypatch.setattr(choice, "_has_nvidia_driver", lambda driver=driver: driver)
        assert fastest().device == device
    assert "torch on a GPU 1 s, against torch 40 s" in fastest().because


def test_a_driver_without_a_device_falls_back_to_the_cpu_and_says_so(table, installed, monkeypatch):
    monkeypatch.setattr(choice, "_has_nvidia_driver", lambda: True)
    table(torch_cpu=costs(0, 1), torch_cuda=costs(0, 1e-9))
    installed("torch")
    found = fastest()
    assert found.device == "cpu"
    assert "backend 'torch' has no device 'cuda' here" in found.because


def test_a_device_that_is_asked_for_is_never_another(table, installed):
    table(numpy_cpu=costs(0, 1e-9), torch_cpu=costs(0, 1e-9), torch_cuda=costs(9, 9))
    installed("numpy", "torch")
    with pytest.raises(UnsupportedError, match="'torch' has no device 'cuda' here; it has cpu"):
        fastest(device="cuda")
    with pytest.raises(UnsupportedError, match="known to have a device 'tpu'"):
        fastest(device="tpu")


def test_a_training_in_bfloat16_is_not_given_to_numpy(table, installed):
    table(numpy_cpu=costs(0, 1e-9))
    installed("numpy")
    with pytest.raises(UnsupportedError, match="'numpy' cannot train in bfloat16: use torch, jax"):
        fastest(compute_dtype="bfloat16")


def test_auto_takes_the_first_of_its_order_that_can_train_so(monkeypatch):
    def capable(name):
        numpy = get_backend("numpy")
        more = {} if name == "numpy" else {"compute_dtypes": frozenset({"bfloat16"})}
        capabilities = replace(numpy.capabilities, **more)
        return type(name, (type(numpy),), {"name": name, "capabilities": capabilities})()

    made = {name: capable(name) for name in ("numpy", "jax", "torch", "tensorflow")}
    monkeypatch.setattr(registry, "get_backend", made.__getitem__)
    monkeypatch.setattr(registry, "missing_packages", lambda name: ())
    assert registry.resolve_backend("auto", NETWORK).name == "numpy"
    assert registry.resolve_backend("auto", NETWORK, "bfloat16").name == "jax"
    monkeypatch.setattr(
        registry, "missing_packages", lambda name: () if name == "numpy" else ("missing",)
    )
    with pytest.raises(UnsupportedError, match="no backend installed here can train in bfloat16"):
        registry.resolve_backend("auto", NETWORK, "bfloat16")


def test_a_name_and_auto_are_taken_without_a_reason():
    for name in ("auto", "numpy", get_backend("numpy")):
        found = choose(name, "auto", NETWORK, TrainingPlan(), n_rows=10, dtype="float32")
        assert (found.backend.name, found.device, found.because) == ("numpy", "cpu", None)


def test_a_misspelt_fastest_is_understood():
    with pytest.raises(UnknownBackendError, match="Did you mean 'fastest'"):
        choose("fatest", "auto", NETWORK, TrainingPlan(), n_rows=10, dtype="float32")


def test_scoring_has_no_steps_to_choose_by():
    with pytest.raises(UnsupportedError, match="chosen by the length of a fit"):
        registry.resolve_backend("fastest", NETWORK)


def test_a_framework_counts_as_imported_without_what_is_imported_later(monkeypatch):
    assert registry.is_imported("numpy")
    monkeypatch.delitem(sys.modules, "flax", raising=False)
    monkeypatch.setitem(sys.modules, "jax", sys)
    assert registry.is_imported("jax")
    monkeypatch.delitem(sys.modules, "jax")
    assert not registry.is_imported("jax")
