"""Detectors that need no network, to ask whether the network is worth it.

Principal components and an isolation forest, fitted on the same normal rows. Imports NumPy,
`aeanom.errors` and `aeanom.core.rows`; scikit-learn inside the function that needs it. What their
scores are compared by is in `evaluation`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aeanom.core.rows import as_rows
from aeanom.errors import InvalidDataError, InvalidParameterError, MissingDependencyError

__all__ = ["baseline_scores"]

EXPLAINED = 0.9


def baseline_scores(
    training: Any, rows: Any, *, n_components: int | None = None, random_state: int = 0
) -> dict[str, NDArray[np.float64]]:
    """Score rows by detectors without a network, fitted on other rows.

    Columns are standardised by the training rows. The principal components score a row by the
    squared distance to what is left of it in their space, which is what a linear autoencoder of
    that size does: one with as many components as hold 90 % of the variance, and one of a given
    number. The isolation forest has scikit-learn's defaults.

    Parameters
    ----------
    training : array-like of shape (m, d) or (m, *row_shape)
        Normal rows; elements of images and windows are columns like any others.
    rows : array-like of shape (n, d) or (n, *row_shape)
        The rows to score.
    n_components : int, optional
        Components of a second PCA, such as the number of the network's latent values; left out if
        there are not so many columns and training rows.
    random_state : int, default=0
        Of the isolation forest.

    Returns
    -------
    dict of str to ndarray of float64, shape (n,)
        Name to scores, larger for more anomalous rows.

    Raises
    ------
    InvalidDataError
        When rows cannot be used, their shapes differ, or there are fewer than two training rows.
    InvalidParameterError
        When `n_components` is less than 1.
    MissingDependencyError
        When scikit-learn is not installed.

    References
    ----------
    Shyu, Chen, Sarinnapakorn and Chang, "A novel anomaly detection scheme based on principal
    component classifier", ICDM workshop (2003).
    Liu, Ting and Zhou, "Isolation forest", ICDM (2008).
    """
    try:
        from sklearn.decomposition import PCA
        from sklearn.ensemble import IsolationForest
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise MissingDependencyError(
            "baselines need scikit-learn, which is not installed: pip install scikit-learn"
        ) from error
    if n_components is not None and n_components < 1:
        raise InvalidParameterError(f"n_components must be at least 1; got {n_components!r}")
    known = as_rows(training, caller="baselines", minimum=2)
    new = as_rows(rows, caller="baselines")
    if known.shape[1:] != new.shape[1:]:
        raise InvalidDataError(
            f"the training rows have shape {known.shape[1:]} and the rows to score {new.shape[1:]}"
        )
    known, new = (part.reshape(len(part), -1).astype(np.float64) for part in (known, new))
    scaler = StandardScaler().fit(known)
    known, new = scaler.transform(known), scaler.transform(new)

    def residual(pca: Any) -> NDArray[np.float64]:
        pca.fit(known)
        left = new - pca.inverse_transform(pca.transform(new))
        return np.asarray(np.square(left).sum(axis=1), dtype=np.float64)

    scores = {}
    varies = bool(known.std(axis=0).any())
    # Of rows that are all alike there are no components.
    if varies:
        scores[f"PCA, {100 * EXPLAINED:.0f} % of variance"] = residual(
            PCA(EXPLAINED, svd_solver="full") if min(known.shape) > 1 else PCA(1)
        )
        if n_components is not None and n_components <= min(known.shape):
            size = "1 component" if n_components == 1 else f"{n_components} components"
            scores[f"PCA, {size}"] = residual(PCA(n_components, svd_solver="full"))
    forest = IsolationForest(random_state=random_state).fit(known)
    scores["isolation forest"] = -np.asarray(forest.score_samples(new), dtype=np.float64)
    return scores
