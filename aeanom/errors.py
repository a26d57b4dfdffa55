"""Every exception and warning that aeanom raises.

Each one derives from `AeanomError` and from the built-in that callers expect::

    AeanomError (Exception)
    ├── InvalidDataError (ValueError)           rows that cannot be used: shape, NaN, text, ...
    │   └── DataTypeError (TypeError)           rows of a kind that cannot be read at all: sparse
    ├── InvalidParameterError (ValueError)      a setting outside its range, or two that exclude
    ├── ArchitectureError (ValueError)          layers that do not fit together, or their weights
    ├── NotFittedError (sklearn's NotFittedError)    a detector used before `fit`
    ├── TrainingError (ArithmeticError)         training that cannot go on: a loss not finite
    ├── BackendError (Exception)
    │   ├── UnknownBackendError (ValueError)    a backend name that nothing provides
    │   ├── BackendNotInstalledError (ImportError)    its framework is missing
    │   └── UnsupportedError (ValueError)       a device, dtype or layer that it cannot run
    ├── MissingDependencyError (ImportError)    an optional library is missing
    ├── ModelFileError (ValueError)             a file that is not a model, or a damaged one
    └── DatasetNotFoundError (FileNotFoundError)    a named data set that is not on this machine

    AeanomWarning (UserWarning)
    ├── CalibrationWarning                      a threshold that is weaker than it looks
    └── HealthWarning                           a fit that ended, but not well

It imports nothing but the standard library; `NotFittedError` needs scikit-learn's class of the
same name as its base and is therefore made when it is first asked for.
"""

from __future__ import annotations

import sys
import warnings
from types import FrameType
from typing import TYPE_CHECKING, Any

__all__ = [
    "AeanomError",
    "AeanomWarning",
    "ArchitectureError",
    "BackendError",
    "BackendNotInstalledError",
    "CalibrationWarning",
    "DataTypeError",
    "DatasetNotFoundError",
    "HealthWarning",
    "InvalidDataError",
    "InvalidParameterError",
    "MissingDependencyError",
    "ModelFileError",
    "NotFittedError",
    "TrainingError",
    "UnknownBackendError",
    "UnsupportedError",
]


class AeanomError(Exception):
    """Root of every exception that aeanom raises."""


class InvalidDataError(AeanomError, ValueError):
    """Rows that cannot be used; the message says what is wrong, where, and what to do."""


class DataTypeError(InvalidDataError, TypeError):
    """Rows of a kind that cannot be read at all, such as a sparse matrix."""


class InvalidParameterError(AeanomError, ValueError):
    """A setting outside its range, or two settings that exclude each other."""


class ArchitectureError(AeanomError, ValueError):
    """Layers that do not fit each other, or weights that do not fit the layers."""


class TrainingError(AeanomError, ArithmeticError):
    """Training that cannot go on, such as a loss that is no longer finite."""


class BackendError(AeanomError):
    """Root of the errors that concern one backend."""


class UnknownBackendError(BackendError, ValueError):
    """A backend name that neither aeanom nor an installed plug-in provides."""


class BackendNotInstalledError(BackendError, ImportError):
    """A backend whose framework is not installed; the message gives the pip command."""


class UnsupportedError(BackendError, ValueError):
    """A device, dtype or layer kind that the backend cannot run."""


class MissingDependencyError(AeanomError, ImportError):
    """An optional library that this call needs is not installed."""


class ModelFileError(AeanomError, ValueError):
    """A file that is not an aeanom model, or one that was damaged or made by a newer version."""


class DatasetNotFoundError(AeanomError, FileNotFoundError):
    """A named data set that is not on this machine and could not be downloaded."""


class AeanomWarning(UserWarning):
    """Root of every warning that aeanom gives."""


class CalibrationWarning(AeanomWarning):
    """A threshold whose promise is weaker than what was asked for."""


class HealthWarning(AeanomWarning):
    """A fit that ended and can be used, but of which something is wrong; see `aeanom.health`."""


def warn(message: str, category: type[AeanomWarning]) -> None:
    """Give a warning that points at the line outside aeanom which called, from however deep.

    Python shows a warning once for each line that it points at: one that pointed into the library
    would be shown for the first of several fits only.
    """
    package = __name__.partition(".")[0]
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _package(frame) == package:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


if TYPE_CHECKING:
    from sklearn.exceptions import NotFittedError as _SklearnNotFittedError

    class NotFittedError(AeanomError, _SklearnNotFittedError):
        """A detector was used before `fit`."""


def __getattr__(name: str) -> Any:
    if name != "NotFittedError":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sklearn.exceptions import NotFittedError as SklearnNotFittedError

    made = type(
        "NotFittedError",
        (AeanomError, SklearnNotFittedError),
        {"__doc__": "A detector was used before `fit`.", "__module__": __name__},
    )
    globals()["NotFittedError"] = made
    return made
