"""Settings of an estimator, checked in `fit`: each refusal names the setting and what it may be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from aeanom.errors import InvalidParameterError

__all__ = ["check_dtype", "fraction", "whole_number"]


def fraction(name: str, value: Any) -> float:
    """Return a number in [0, 1) as a float, or refuse the setting by name."""
    if isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) < 1:
        return float(value)
    raise InvalidParameterError(f"{name} must be a number in [0, 1), got {value!r}")


def whole_number(name: str, value: Any, automatic: int) -> int:
    """Return a whole number of at least 1, or `automatic` for "auto"; refuse the rest by name."""
    if isinstance(value, str) and value == "auto":
        return automatic
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1:
        return int(value)
    raise InvalidParameterError(
        f"{name} must be 'auto' or a whole number of at least 1, got {value!r}"
    )


def check_dtype(dtype: Any) -> None:
    """Refuse any precision but float32 and float64, by name."""
    if not isinstance(dtype, str) or dtype not in ("float32", "float64"):
        raise InvalidParameterError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
