"""Settings of an estimator, checked in `fit`: each refusal names the setting and what it may be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import numpy as np

from aeanom.errors import InvalidParameterError

__all__ = ["fraction", "positive", "precision", "seed_from", "whole_number"]


def fraction(name: str, value: Any) -> float:
    """Return a number in [0, 1) as a float, or refuse the setting by name."""
    if isinstance(value, Real) and not isinstance(value, bool) and 0 <= float(value) < 1:
        return float(value)
    raise InvalidParameterError(f"{name} must be a number in [0, 1), got {value!r}")


def positive(name: str, value: Any) -> float:
    """Return a finite number above 0 as a float, or refuse the setting by name."""
    if isinstance(value, Real) and not isinstance(value, bool) and 0 < float(value) < float("inf"):
        return float(value)
    raise InvalidParameterError(f"{name} must be a positive number, got {value!r}")


def whole_number(name: str, value: Any, automatic: int) -> int:
    """Return a whole number of at least 1, or `automatic` for "auto"; refuse the rest by name."""
    if isinstance(value, str) and value == "auto":
        return automatic
    if isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1:
        return int(value)
    raise InvalidParameterError(
        f"{name} must be 'auto' or a whole number of at least 1, got {value!r}"
    )


def precision(dtype: Any) -> tuple[str, str | None]:
    """Return the dtype of the weights and, for bfloat16, what layers compute in while training."""
    if isinstance(dtype, str):
        if dtype in ("float32", "float64"):
            return dtype, None
        if dtype == "bfloat16":
            return "float32", dtype
    raise InvalidParameterError(f"dtype must be 'float32', 'float64' or 'bfloat16', got {dtype!r}")


def drawn_seed() -> int:
    """Return a seed from the entropy of the operating system: another one at every call."""
    return int(np.random.SeedSequence().generate_state(1)[0])


def seed_from(random_state: Any) -> int:
    """Return a seed as scikit-learn has it: drawn for None, from a `RandomState`, or the number."""
    if random_state is None:
        return drawn_seed()
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31 - 1))
    if (
        isinstance(random_state, Integral)
        and not isinstance(random_state, bool)
        and int(random_state) >= 0
    ):
        return int(random_state)
    raise InvalidParameterError(
        "random_state must be None, a whole number of at least 0 or a RandomState, "
        f"got {random_state!r}"
    )
