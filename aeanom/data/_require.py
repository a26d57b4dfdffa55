"""Import a library where it is used, with an error that says how to install it."""

from __future__ import annotations

import importlib
from typing import Any

from aeanom.errors import MissingDependencyError


def require(module: str, package: str, purpose: str) -> Any:
    """Return the imported `module`, which the distribution `package` provides.

    Raises
    ------
    MissingDependencyError
        It is not installed; the message gives the pip command.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise MissingDependencyError(
            f"{purpose} needs {package}, which is not installed: pip install {package}"
        ) from error
