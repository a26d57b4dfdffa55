"""Names to backends: what is known, what is missing, and what a wrong name meant."""

import subprocess
import sys

import pytest
from support import NETWORK

from aeanom.core import (
    Backend,
    available_backends,
    get_backend,
    known_backends,
    registry,
    resolve_backend,
)
from aeanom.errors import (
    BackendError,
    BackendNotInstalledError,
    UnknownBackendError,
    UnsupportedError,
)


def without(monkeypatch, *packages):
    """Pretend that these packages are not installed."""
    find_spec = registry.find_spec
    monkeypatch.setattr(
        registry, "find_spec", lambda name: None if name in packages else find_spec(name)
    )


def test_the_four_built_in_backends_are_known():
    assert known_backends()[:4] == ("numpy", "torch", "jax", "tensorflow")


def test_listing_the_backends_imports_none_of_them():
    code = (
        "import sys, aeanom; names = aeanom.available_backends(); "
        "print(*names, *[m for m in ('torch', 'jax', 'flax', 'tensorflow') if m in sys.modules])"
    )
    printed = subprocess.check_output([sys.executable, "-c", code], text=True)
    assert tuple(printed.split()) == available_backends()


def test_a_backend_has_the_name_that_it_was_asked_for(backend):
    assert get_backend(backend.name) is backend
    assert isinstance(backend, Backend)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("tensorflw", "tensorflow"),
        ("pytorch", "torch"),
        ("tf", "tensorflow"),
        ("Keras", "tensorflow"),
        ("flax", "jax"),
        ("NumPy", "numpy"),
    ],
)
def test_an_unknown_name_lists_the_known_ones_and_says_what_was_meant(name, meant):
    with pytest.raises(UnknownBackendError, match=f"numpy, torch, jax.*Did you mean '{meant}'"):
        get_backend(name)


def test_a_name_like_no_other_has_no_suggestion():
    with pytest.raises(UnknownBackendError) as caught:
        get_backend("xyz")
    assert "Did you mean" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [
        ("torch", "torch", "torch"),
        ("jax", "flax", "jax"),
        ("tensorflow", "tensorflow", "tensorflow"),
    ],
)
def test_a_missing_framework_is_named_with_the_pip_command(monkeypatch, name, package, extra):
    without(monkeypatch, package)
    with pytest.raises(BackendNotInstalledError) as caught:
        get_backend(name)
    assert package in str(caught.value)
    assert f'pip install "aeanom[{extra}]"' in str(caught.value)
    assert isinstance(caught.value, ImportError)


def test_a_missing_framework_is_not_available_but_known(monkeypatch):
    without(monkeypatch, "flax")
    assert "jax" not in available_backends()
    assert "jax" in known_backends()


def test_auto_is_numpy_for_a_dense_network():
    assert resolve_backend("auto", NETWORK).name == "numpy"


def test_a_backend_object_means_itself():
    backend = get_backend("numpy")
    assert resolve_backend(backend, NETWORK) is backend


class FakeEntryPoint:
    name = "plugged"

    def __init__(self, made):
        self.made = made

    def load(self):
        return lambda: self.made


def plug_in(monkeypatch, made):
    monkeypatch.setattr(registry, "_plug_ins", lambda: {"plugged": FakeEntryPoint(made)})
    monkeypatch.setattr(registry, "_load", registry._load.__wrapped__)


def test_a_plug_in_is_known_and_found_by_its_name(monkeypatch):
    backend = type(get_backend("numpy"))()
    plug_in(monkeypatch, backend)
    assert known_backends() == ("numpy", "torch", "jax", "tensorflow", "plugged")
    assert "plugged" in available_backends()
    assert get_backend("plugged") is backend


def test_a_plug_in_that_is_no_backend_is_refused(monkeypatch):
    plug_in(monkeypatch, object())
    with pytest.raises(BackendError, match="'plugged' gave a object, not a Backend"):
        get_backend("plugged")


def test_the_first_device_is_the_cpu_and_auto_takes_it(backend):
    assert backend.devices()[0] == "cpu"
    assert backend.choose_device("auto") == "cpu"
    assert backend.choose_device("cpu") == "cpu"


def test_a_device_that_is_not_there_is_refused_with_those_that_are(backend):
    with pytest.raises(UnsupportedError, match="no device 'cuda:99' here; it has cpu"):
        backend.choose_device("cuda:99")


def test_a_dtype_that_it_cannot_compute_in_is_refused(backend):
    with pytest.raises(UnsupportedError, match="'float16'; it can in float32, float64"):
        backend.check(NETWORK, "float16")
