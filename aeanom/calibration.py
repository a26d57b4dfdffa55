"""From a model's scores to its threshold: which sample a method is fitted to, and what it lacks.

The methods are in `thresholds/`; `detector.py` and `model.py` ask here. Imports NumPy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aeanom.core.weights import Float
from aeanom.errors import InvalidDataError, InvalidParameterError
from aeanom.thresholds import (
    ConformalByGroup,
    FittedThreshold,
    LabelledThreshold,
    Precision,
    Threshold,
    read_labels,
)

__all__ = ["check_threshold", "fit_threshold", "fit_to_rows"]


def check_threshold(threshold: Threshold, features: tuple[str, ...]) -> None:
    """Raise before a training what `fit_threshold` would raise after it.

    Raises
    ------
    InvalidParameterError
        If the threshold needs labels, or a column that rows of these features do not have.
    """
    if isinstance(threshold, LabelledThreshold):
        raise InvalidParameterError(
            f"{threshold!r} needs labels, and a fit has none: fit with threshold='auto', then "
            "calibrate(X, threshold, y=labels) with rows that were not trained on"
        )
    if isinstance(threshold, ConformalByGroup):
        threshold.place(len(features), features)


def fit_threshold(
    threshold: Threshold,
    training_scores: NDArray[np.float64],
    calibration_scores: NDArray[np.float64],
    dtype: str,
    *,
    rows: Float | None = None,
    features: tuple[str, ...] = (),
) -> FittedThreshold:
    """Fit a threshold on the sample that it wants; see `AnomalyModel.with_threshold`.

    `rows` are those of the calibration scores, in their order; a model keeps none.
    """
    if isinstance(threshold, LabelledThreshold):
        raise InvalidParameterError(
            f"{threshold!r} needs rows with labels, and a model keeps none: "
            "calibrate(X, threshold, y=labels)"
        )
    if threshold.sample == "calibration" and len(calibration_scores) == 0:
        raise InvalidParameterError(
            f"{threshold!r} needs the scores of rows that were held out, and this fit held none "
            "out. Fit with threshold='auto', or fit the threshold to new normal rows with "
            "calibrate(X_normal, threshold=...)"
        )
    held_out = threshold.sample != "training" and len(calibration_scores) > 0
    name, scores = (
        ("calibration", calibration_scores) if held_out else ("training", training_scores)
    )
    precision = _precision(dtype)
    if isinstance(threshold, ConformalByGroup):
        if rows is None:
            raise InvalidParameterError(
                f"{threshold!r} needs the rows themselves, and a model keeps their scores alone: "
                "calibrate(X_normal, threshold)"
            )
        column = threshold.column(rows, features)
        return threshold.fit(scores, column, precision=precision, sample=name)
    return threshold.fit(scores, precision=precision, sample=name)


def fit_to_rows(
    threshold: Threshold,
    rows: Float,
    scores: NDArray[np.float64],
    labels: Any,
    dtype: str,
    features: tuple[str, ...],
) -> tuple[FittedThreshold, NDArray[np.bool_], NDArray[np.float64]]:
    """Fit a threshold to rows that were not trained on; see `AnomalyModel.calibrate`.

    Parameters
    ----------
    threshold : Threshold
    rows : ndarray of shape (n, *row_shape)
    scores : float64 ndarray of shape (n,)
    labels : array-like of shape (n,) or None
        None: all rows are normal.
    dtype : str
        Of the network.
    features : tuple of str
        Names of a row's elements.

    Returns
    -------
    FittedThreshold
    is_normal : bool ndarray of shape (n,)
    scores : float64 ndarray
        Those of the normal rows.
    """
    is_normal = np.ones(len(rows), dtype=np.bool_)
    if labels is not None:
        is_normal = ~read_labels(labels, len(rows))
    if not is_normal.any():
        raise InvalidDataError(
            f"all {len(rows)} labels are anomalies: a threshold needs normal rows"
        )
    normal_scores = scores[is_normal]
    if not isinstance(threshold, LabelledThreshold):
        none = np.empty(0)
        fitted = fit_threshold(
            threshold, none, normal_scores, dtype, rows=rows[is_normal], features=features
        )
    elif labels is None:
        raise InvalidParameterError(
            f"{threshold!r} needs the rows' labels: calibrate(X, threshold, y=labels), "
            "with 1 for anomalies and 0 for normal rows"
        )
    else:
        fitted = threshold.fit(scores, ~is_normal, precision=_precision(dtype), sample="labelled")
    return fitted, is_normal, normal_scores


def _precision(dtype: str) -> Precision:
    return "float64" if dtype == "float64" else "float32"
