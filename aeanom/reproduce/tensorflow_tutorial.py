"""Reference run 1: a table scaled to [0, 1], a dense network, mean + 3 standard deviations.

What tutorials of anomaly detection with TensorFlow do with a table: min-max scaling, 64-32-64
units with ReLU, sigmoid output, MSE, Adam 1e-3, 10 epochs in batches of 32, and a threshold three
standard deviations above the mean training error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom import architectures, data, thresholds
from aeanom.core.callbacks import Callback
from aeanom.data import LabelledTable
from aeanom.detector import AnomalyDetector
from aeanom.model import AnomalyModel

__all__ = ["EPOCHS", "Result", "run"]

EPOCHS = 10
TEST_FRACTION = 0.2


@dataclass(frozen=True, eq=False)
class Result:
    """What `run` leaves.

    Attributes
    ----------
    model : AnomalyModel
    training_scores : float64 ndarray of shape (n_training,)
        Errors of the training rows, sorted.
    test_rows : ndarray of intp, shape (n,)
        Which rows of the table are the test, ascending.
    scores : float64 ndarray of shape (n,)
        Errors of the test rows.
    flags : ndarray of bool, shape (n,)
        Whether each is above the threshold.
    is_anomaly : ndarray of bool, shape (n,), or None
        What they are, if the table says.
    """

    model: AnomalyModel
    training_scores: NDArray[np.float64]
    test_rows: NDArray[np.intp]
    scores: NDArray[np.float64]
    flags: NDArray[np.bool_]
    is_anomaly: NDArray[np.bool_] | None


def run(
    table: LabelledTable | ArrayLike | None = None,
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
    table : LabelledTable or array-like of shape (n, d), optional
        By default breast-cancer. Of a labelled table, 80 % of the normal rows train and all
        others are the test; of rows without labels, 80 % of all.
    backend, dtype : str
    seed : int
        Decides the split too.
    epochs : int
    callbacks : sequence of callable
        See `AnomalyDetector`.

    Returns
    -------
    Result

    Raises
    ------
    AeanomError
        As `AnomalyDetector.fit`, for rows that cannot be used.
    """
    if table is None:
        table = data.breast_cancer()
    if isinstance(table, LabelledTable):
        rows, is_anomaly = table.rows, table.is_anomaly
    else:
        rows, is_anomaly = np.asarray(table), None
    training, test = data.train_test_split_normal(
        rows,
        np.zeros(len(rows), dtype=np.bool_) if is_anomaly is None else is_anomaly,
        TEST_FRACTION,
        seed,
    )
    detector = AnomalyDetector(
        backend=backend,
        architecture=architectures.dense(
            rows.shape[1], (64,), 32, latent_activation="relu", output_activation="sigmoid"
        ),
        batch_size=32,
        epochs=epochs,
        validation_fraction=0,
        scaler="minmax",
        threshold=thresholds.MeanStd(3),
        dtype=dtype,
        random_state=seed,
        callbacks=callbacks,
    ).fit(rows[training])
    scores = detector.anomaly_score(rows[test])
    return Result(
        model=detector.model_,
        training_scores=detector.model_.training_scores,
        test_rows=test,
        scores=scores,
        flags=detector.model_.threshold.exceeds(scores),
        is_anomaly=None if is_anomaly is None else is_anomaly[test],
    )
