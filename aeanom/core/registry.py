"""Names to backends.

1. Only the backend that was asked for is imported; listing them imports none.
2. Nothing here is "current": a backend is an argument, never process-wide state.
3. The four built-in backends stand in a table; others are found through the entry-point group
   `aeanom.backends`, and cannot take a built-in name.
"""

from __future__ import annotations

import importlib
import sys
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import NamedTuple

from aeanom.architectures import Architecture
from aeanom.core.backend import Backend
from aeanom.core.modules import ModuleArchitecture
from aeanom.errors import (
    BackendError,
    BackendNotInstalledError,
    UnknownBackendError,
    UnsupportedError,
)

__all__ = ["available_backends", "get_backend", "known_backends", "resolve_backend"]


class _BuiltIn(NamedTuple):
    module: str
    cls: str
    requires: tuple[str, ...]
    extra: str | None


_BUILT_IN = {
    "numpy": _BuiltIn("aeanom.backends.numpy", "NumpyBackend", (), None),
    "torch": _BuiltIn("aeanom.backends.torch", "TorchBackend", ("torch",), "torch"),
    "jax": _BuiltIn("aeanom.backends.jax", "JaxBackend", ("jax", "flax"), "jax"),
    "tensorflow": _BuiltIn(
        "aeanom.backends.tensorflow", "TensorFlowBackend", ("tensorflow",), "tensorflow"
    ),
}
_HEAVY_KINDS = frozenset({"conv1d", "conv2d", "conv2d_transpose", "lstm", "gru"})
_DENSE_ORDER = ("numpy", "jax", "torch", "tensorflow")
_HEAVY_ORDER = ("torch", "jax", "tensorflow", "numpy")


def known_backends() -> tuple[str, ...]:
    """Names of every backend that could be asked for, installed or not."""
    return (*_BUILT_IN, *sorted(_plug_ins()))


def available_backends() -> tuple[str, ...]:
    """Names of the backends that can be used here, without importing any of them.

    Examples
    --------
    >>> "numpy" in available_backends()
    True
    """
    return tuple(name for name in known_backends() if not missing_packages(name))


def missing_packages(name: str) -> tuple[str, ...]:
    """Return the packages that a built-in backend needs and that are not installed."""
    requires = _BUILT_IN[name].requires if name in _BUILT_IN else ()
    return tuple(package for package in requires if find_spec(package) is None)


def is_imported(name: str) -> bool:
    """Whether this process has imported the framework of a built-in backend.

    What else the backend needs, it imports where it is needed.
    """
    return all(package in sys.modules for package in _BUILT_IN[name].requires[:1])


def get_backend(name: str) -> Backend:
    """Return the backend of that name, importing its framework.

    Raises
    ------
    UnknownBackendError
        If nothing provides it; the message lists the known names and the one probably meant.
    BackendNotInstalledError
        If its framework is missing; the message gives the pip command.
    """
    if name not in known_backends():
        raise UnknownBackendError(_unknown(name))
    missing = missing_packages(name)
    if missing:
        raise BackendNotInstalledError(
            f"backend {name!r} needs {', '.join(missing)}, not installed here: "
            f'pip install "aeanom[{_BUILT_IN[name].extra}]"'
        )
    return _load(name)


def resolve_backend(
    backend: str | Backend, architecture: Architecture, compute_dtype: str | None = None
) -> Backend:
    """Return the backend that a setting means for a network.

    `"auto"` is the first installed of a fixed order: torch, jax, tensorflow, numpy for networks
    with convolutional or recurrent layers; numpy, jax, torch, tensorflow for the others. With a
    `compute_dtype` it is the first of them that can train in it. A `Backend` object must be the
    one that its name leads to: a model finds its backend again by name.

    `"fastest"` goes by the number of steps, which only a fit knows: see `core/choice.py`.
    """
    if isinstance(backend, Backend):
        if backend.name not in known_backends() or get_backend(backend.name) is not backend:
            raise UnknownBackendError(
                f"{type(backend).__name__} is not what the name {backend.name!r} leads to, by "
                "which a model would look for it again: name its class in the entry-point group "
                "aeanom.backends"
            )
        return backend
    if backend == "fastest":
        raise UnsupportedError(
            "'fastest' is chosen by the length of a fit: name a backend here, or 'auto'"
        )
    if backend != "auto":
        return get_backend(backend)
    if isinstance(architecture, ModuleArchitecture):
        return get_backend(architecture.framework)
    order = _HEAVY_ORDER if architecture.kinds & _HEAVY_KINDS else _DENSE_ORDER
    for made in (get_backend(name) for name in order if not missing_packages(name)):
        if compute_dtype is None or compute_dtype in made.capabilities.compute_dtypes:
            return made
    raise UnsupportedError(
        f"no backend installed here can train in {compute_dtype}: torch, jax and tensorflow can"
    )


def _unknown(name: object) -> str:
    known = known_backends()
    message = (
        f"unknown backend {name!r}; known: {', '.join(known)}, or 'auto', or 'fastest' for a fit"
    )
    close = get_close_matches(str(name).lower(), (*known, "auto", "fastest"), n=1, cutoff=0.5)
    aliases = {"pytorch": "torch", "tf": "tensorflow", "keras": "tensorflow", "flax": "jax"}
    meant = aliases.get(str(name).lower(), close[0] if close else None)
    return f"{message}. Did you mean {meant!r}?" if meant else message


@cache
def _plug_ins() -> dict[str, EntryPoint]:
    found = entry_points(group="aeanom.backends")
    return {entry.name: entry for entry in found if entry.name not in _BUILT_IN}


@cache
def _load(name: str) -> Backend:
    if name in _BUILT_IN:
        built_in = _BUILT_IN[name]
        made = getattr(importlib.import_module(built_in.module), built_in.cls)()
    else:
        made = _plug_ins()[name].load()()
    if not isinstance(made, Backend):
        raise BackendError(f"plug-in {name!r} gave a {type(made).__name__}, not a Backend")
    return made
