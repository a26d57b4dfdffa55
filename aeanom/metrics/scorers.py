"""Scorers for scikit-learn's model selection, with 1 for an anomaly as everywhere here.

scikit-learn's own `scoring="roc_auc"` ranks a detector by `decision_function`, which is larger for
more normal rows, and so gives 1 − AUC without a word when 1 marks an anomaly.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from aeanom.metrics.ranking import roc_auc_score

__all__ = ["roc_auc_scorer"]


class _ScoresSamples(Protocol):
    def score_samples(self, X: Any, /) -> ArrayLike: ...


def roc_auc_scorer(estimator: _ScoresSamples, X: Any, y: ArrayLike) -> float:
    """ROC AUC of a fitted outlier detector, as a scikit-learn scorer.

    Pass it as `scoring=roc_auc_scorer` to `GridSearchCV` or `cross_val_score`. Any estimator with
    scikit-learn's `score_samples` (larger for more normal rows) will do, pipelines included.

    Parameters
    ----------
    estimator : object with a `score_samples` method
        A fitted detector, or a pipeline that ends in one.
    X : array_like or DataFrame of n rows
        Rows in the form that the estimator takes.
    y : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.

    Returns
    -------
    float
        See `roc_auc_score`.

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, or one of the two classes is missing from `y`; split
        with `StratifiedKFold`, which scikit-learn does not do by itself for outlier detectors.
    """
    return roc_auc_score(y, -np.asarray(estimator.score_samples(X)))
