"""Reference run 3: ten made-up features, a small network, fifty full-batch steps.

What tutorials of anomaly detection with PyTorch do: 10-5-2-5-10 units with ReLU inside, PyTorch's
initial weights, MSE, Adam 1e-3, 50 epochs of one step each, and a threshold at the 95th percentile
of the training errors. Fifty steps barely train the network: the loss ends near 1, which is what
the columns' means give. The anomalies are so far off that it finds them all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from aeanom import architectures, data, thresholds
from aeanom.core.callbacks import Callback
from aeanom.detector import AnomalyDetector
from aeanom.model import AnomalyModel

__all__ = ["EPOCHS", "Result", "run"]

EPOCHS = 50


@dataclass(frozen=True, eq=False)
class Result:
    """What `run` leaves.

    Attributes
    ----------
    model : AnomalyModel
    scores : float64 ndarray of shape (1050,)
        Errors of all rows: 1000 normal ones, which trained, and 50 anomalies, which did not.
    flags : ndarray of bool, shape (1050,)
        Whether each is above the threshold.
    is_anomaly : ndarray of bool, shape (1050,)
    """

    model: AnomalyModel
    scores: NDArray[np.float64]
    flags: NDArray[np.bool_]
    is_anomaly: NDArray[np.bool_]


def run(
    *,
    backend: str = "auto",
    seed: int = 0,
    dtype: str = "float32",
    epochs: int = EPOCHS,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Run the example.

    Parameters
    ----------
    backend, dtype : str
    seed : int
        Decides the initial weights; the rows are always the same.
    epochs : int
        Steps, as the batch is all of the rows.
    callbacks : sequence of callable
        See `AnomalyDetector`.

    Returns
    -------
    Result
    """
    rows, is_anomaly = data.pytorch_tutorial_rows()
    training = rows[~is_anomaly]
    detector = AnomalyDetector(
        backend=backend,
        architecture=architectures.dense(rows.shape[1], (5,), 2, initializer="fan_in"),
        batch_size=len(training),
        epochs=epochs,
        validation_fraction=0,
        scaler="standard",
        threshold=thresholds.Quantile(0.95),
        dtype=dtype,
        random_state=seed,
        callbacks=callbacks,
    ).fit(training)
    scores = detector.anomaly_score(rows)
    return Result(
        model=detector.model_,
        scores=scores,
        flags=detector.model_.threshold.exceeds(scores),
        is_anomaly=is_anomaly,
    )
