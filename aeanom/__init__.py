"""aeanom: anomaly detection with autoencoders, the same in PyTorch, JAX, TensorFlow and NumPy.

>>> from aeanom import AnomalyDetector
>>> detector = AnomalyDetector(backend="numpy").fit(X)      # doctest: +SKIP
>>> detector.is_anomaly(X_new)                              # doctest: +SKIP

Names are loaded when they are first used, so that `import aeanom` costs little more than
`import numpy` and imports no framework.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from aeanom import architectures, core, data, errors, metrics, plots, thresholds
    from aeanom.core.registry import available_backends
    from aeanom.detector import AnomalyDetector
    from aeanom.model import AnomalyModel
    from aeanom.model_files import load

__all__ = [
    "AnomalyDetector",
    "AnomalyModel",
    "architectures",
    "available_backends",
    "core",
    "data",
    "errors",
    "load",
    "metrics",
    "plots",
    "thresholds",
]

_HOMES = {
    "AnomalyDetector": "aeanom.detector",
    "AnomalyModel": "aeanom.model",
    "available_backends": "aeanom.core.registry",
    "load": "aeanom.model_files",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = getattr(import_module(_HOMES[name]), name)
    elif name in __all__:
        value = import_module(f"aeanom.{name}")
    else:
        raise AttributeError(f"module 'aeanom' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
