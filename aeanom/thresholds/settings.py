"""From settings and files to threshold descriptions: the table of methods and its two readers.

Imports the other modules of this package and `aeanom.errors`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from aeanom.errors import InvalidParameterError
from aeanom.thresholds.base import Threshold
from aeanom.thresholds.bound import FalsePositiveBound
from aeanom.thresholds.conformal import Conformal
from aeanom.thresholds.fixed import Fixed
from aeanom.thresholds.groups import ConformalByGroup
from aeanom.thresholds.labelled import (
    Cost,
    MaxFBeta,
    MaxMCC,
    TargetPrecision,
    TargetRecall,
    Youden,
)
from aeanom.thresholds.peaks import PeaksOverThreshold
from aeanom.thresholds.reading import check_names
from aeanom.thresholds.robust import IQR, MAD
from aeanom.thresholds.sample import Contamination, MeanStd, Quantile

__all__ = ["METHODS", "resolve", "threshold_from_dict"]

DEFAULT_RATE = 0.05

METHODS: Mapping[str, type[Threshold]] = MappingProxyType(
    {
        kind.method: kind
        for kind in (
            Conformal,
            ConformalByGroup,
            FalsePositiveBound,
            Quantile,
            Contamination,
            MeanStd,
            MAD,
            IQR,
            PeaksOverThreshold,
            Fixed,
            MaxFBeta,
            MaxMCC,
            Youden,
            TargetRecall,
            TargetPrecision,
            Cost,
        )
    }
)

# Methods that nothing can be fitted by without being told more, and how to tell it.
_NEEDS_MORE: Mapping[str, str] = MappingProxyType(
    {
        "fixed": "a value: pass thresholds.Fixed(0.5), for example",
        "conformal_by_group": "a column: pass thresholds.ConformalByGroup('site'), for example",
    }
)


def resolve(
    threshold: str | Threshold = "auto",
    false_positive_rate: float = DEFAULT_RATE,
    contamination: float | str = "auto",
) -> Threshold:
    """Turn an estimator's three settings into one threshold description.

    Parameters
    ----------
    threshold : str or Threshold, default="auto"
        "auto" is ``Conformal(false_positive_rate)``, or ``Contamination(contamination)`` where
        that is given. The name of a method is that method with its defaults ("conformal" takes
        `false_positive_rate`). A description is used as it is.
    false_positive_rate : float, default=0.05
        Between 0 and 1, both excluded.
    contamination : float or "auto", default="auto"
        Above 0 and at most 0.5; excludes any `threshold` but "auto".

    Returns
    -------
    Threshold

    Raises
    ------
    InvalidParameterError
        When a setting is unknown or out of range, or two of them exclude each other.
    """
    conformal = Conformal(false_positive_rate)
    wants_share = not (isinstance(contamination, str) and contamination == "auto")
    if isinstance(threshold, str) and threshold == "auto":
        # Any string but "auto" is refused by the constructor.
        return Contamination(contamination) if wants_share else conformal  # type: ignore[arg-type]
    if wants_share:
        raise InvalidParameterError(
            f"contamination={contamination!r} and threshold={threshold!r} exclude each other: "
            "contamination is itself a threshold. Leave one of them at 'auto'"
        )
    if threshold == "conformal":
        return conformal
    if false_positive_rate != DEFAULT_RATE:
        raise InvalidParameterError(
            f"false_positive_rate={false_positive_rate!r} belongs to the conformal threshold, and "
            f"threshold={threshold!r} takes no notice of it. Leave one of them out"
        )
    if isinstance(threshold, Threshold):
        return threshold
    if isinstance(threshold, str) and threshold in _NEEDS_MORE:
        raise InvalidParameterError(f"threshold={threshold!r} needs {_NEEDS_MORE[threshold]}")
    if isinstance(threshold, str) and threshold in METHODS:
        return METHODS[threshold]()
    if isinstance(threshold, (int, float)) and not isinstance(threshold, bool):
        raise InvalidParameterError(
            f"threshold={threshold!r}: a fixed value is thresholds.Fixed({threshold!r})"
        )
    raise InvalidParameterError(
        f"threshold must be 'auto', one of {', '.join(map(repr, METHODS))}, or a description such "
        f"as thresholds.Quantile(0.99); got {threshold!r}"
    )


def threshold_from_dict(values: Mapping[str, Any]) -> Threshold:
    """Rebuild a description from `Threshold.to_dict`'s result.

    Parameters
    ----------
    values : mapping
        The method's name under "method", and each of its parameters.

    Returns
    -------
    Threshold

    Raises
    ------
    InvalidParameterError
        When the method is unknown, or a parameter is missing, unknown or out of range.
    """
    method = values.get("method") if isinstance(values, Mapping) else None
    if not isinstance(method, str) or method not in METHODS:
        raise InvalidParameterError(
            f"a threshold must have a method, one of {', '.join(map(repr, METHODS))}; got "
            f"{values!r}"
        )
    kind = METHODS[method]
    names = {field.name for field in dataclasses.fields(kind)}
    check_names(f"a {method} threshold", values, names | {"method"})
    return kind(**{name: values[name] for name in names})
