"""Principal components, the yardstick for a network: the best that a linear one could do.

Imports NumPy only.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["linear_reconstruction"]

Floats = NDArray[np.float64]

_OVERSAMPLING = 10
_ITERATIONS = 4


def linear_reconstruction(training: Floats, rows: Floats, n_components: int) -> Floats:
    """Return what the principal components of training rows make of other rows.

    Parameters
    ----------
    training : float64 ndarray of shape (n, d)
    rows : float64 ndarray of shape (m, d)
    n_components : int
        At most min(n, d) count.

    Returns
    -------
    float64 ndarray of shape (m, d)

    Notes
    -----
    By subspace iteration from a fixed random start (Halko, Martinsson and Tropp, "Finding structure
    with randomness", SIAM Review 53, 2011), whose cost grows with n · d · n_components, so that
    images are no trouble. With ten more directions than asked for, and four iterations, the error
    is that of the exact components within a fraction of a percent.
    """
    mean = training.mean(axis=0)
    centred = training - mean
    n, d = centred.shape
    size = min(n_components + _OVERSAMPLING, n, d)
    basis = np.linalg.qr(centred.T @ np.random.default_rng(0).normal(size=(n, size)))[0]
    for _ in range(_ITERATIONS):
        basis = np.linalg.qr(centred.T @ (centred @ basis))[0]
    # The best directions within that subspace.
    _, _, rotation = np.linalg.svd(centred @ basis, full_matrices=False)
    components = basis @ rotation[:n_components].T
    return np.asarray(mean + ((rows - mean) @ components) @ components.T)
