"""What is computed once training is over: what is usual for the network, and how healthy it is.

`detector.py` asks for both after a fit, `model.py` for the first after a calibration. Only a
sample of the rows is looked at, so that it costs little beside a fit. Imports NumPy; the checks
themselves are in `health/`.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np
from numpy.typing import NDArray

from aeanom.core.autoencoder import Autoencoder
from aeanom.core.history import Finding, History
from aeanom.core.losses import Loss
from aeanom.core.registry import get_backend
from aeanom.core.scaling import Scaler
from aeanom.core.scoring import element_errors
from aeanom.core.weights import Float
from aeanom.errors import UnsupportedError
from aeanom.explain import Familiar, SeenRange, UsualErrors
from aeanom.health import Evidence, Sample, check_fit

__all__ = ["assess_fit", "familiar_after_calibration", "observe"]

MOST_ROWS = 1000
MOST_ELEMENTS = 128_000
# Enough to calibrate a margin, and to compare two samples.
LEAST_ROWS = 100
_ADDING_TERMS = frozenset({"gaussian_latent", "activity_regularization"})
# With fewer calibration rows, what is usual for a feature is read from training rows.
LEAST_CALIBRATION_ROWS = 20


def observe(autoencoder: Autoencoder, scaler: Scaler, loss: Loss, rows: Float) -> Sample:
    """Run rows through the network, some of them at even distances if there are many.

    Parameters
    ----------
    autoencoder : Autoencoder
    scaler : Scaler
    loss : Loss
    rows : ndarray of shape (n, *row_shape)
        In the units of the table.

    Returns
    -------
    Sample
        Of at most 1,000 rows; of fewer, but at least 100, where rows have more than 128 elements.
    """
    most = max(min(MOST_ROWS, MOST_ELEMENTS // prod(rows.shape[1:])), LEAST_ROWS)
    rows = _some(rows, most)
    network = _quick_to_start(autoencoder)
    scaled, returned, errors = np.empty(rows.shape), np.empty(rows.shape), np.empty(rows.shape)
    for part, elements in element_errors(network, scaler, loss, rows):
        scaled[part], returned[part] = elements.rows, elements.reconstruction
        errors[part] = elements.errors
    in_dtype = scaled.astype(network.dtype)
    adds_terms = not _ADDING_TERMS.isdisjoint(autoencoder.architecture.kinds)
    return Sample(
        rows=scaled,
        reconstruction=returned,
        errors=errors,
        latents=_latents(network, in_dtype),
        penalties=network.penalties(in_dtype) if adds_terms else np.zeros(len(rows)),
    )


def assess_fit(
    autoencoder: Autoencoder,
    scaler: Scaler,
    loss: Loss,
    history: History,
    *,
    training_rows: Float,
    validation_rows: Float,
    calibration_rows: Float,
    own_rows: bool,
) -> tuple[Familiar, tuple[Finding, ...]]:
    """Tell what is usual for a network that was just trained, and what is wrong with the fit.

    Parameters
    ----------
    autoencoder : Autoencoder
    scaler : Scaler
    loss : Loss
    history : History
    training_rows, validation_rows, calibration_rows : ndarray of shape (n, *row_shape)
        In the units of the table; the last two may be empty.
    own_rows : bool
        Whether one of these two was given by the user, and is no random share of the rows.

    Returns
    -------
    Familiar
    tuple of Finding
    """
    training = observe(autoencoder, scaler, loss, training_rows)
    calibration = held_out = None
    if len(calibration_rows):
        calibration = held_out = observe(autoencoder, scaler, loss, calibration_rows)
    if len(calibration_rows) < LEAST_CALIBRATION_ROWS:
        held_out = None
        if len(validation_rows) >= LEAST_CALIBRATION_ROWS:
            held_out = observe(autoencoder, scaler, loss, validation_rows)
    unit = _unit(scaler, training.rows.shape[1:])
    known = Familiar(_usual(training, unit, "training"), SeenRange.of(training_rows, unit))
    if training.latents is not None:
        unit_latent = np.ones(training.latents.shape[1:])
        known = replace(known, latents=SeenRange.of(training.latents, unit_latent))
    if calibration is not None:
        known = _calibrated(known, scaler, calibration_rows, calibration)
    evidence = Evidence(
        history, autoencoder.architecture, loss, autoencoder.dtype, training, held_out, own_rows
    )
    return known, check_fit(evidence)


def familiar_after_calibration(
    known: Familiar | None,
    autoencoder: Autoencoder,
    scaler: Scaler,
    loss: Loss,
    calibration_rows: Float,
) -> Familiar | None:
    """Tell what is usual after a calibration, from what was known before.

    The ranges stay those of the training rows. With fewer than 20 rows, what is usual stays too.
    """
    calibration = observe(autoencoder, scaler, loss, calibration_rows)
    if known is None:
        if len(calibration_rows) < LEAST_CALIBRATION_ROWS:
            return None
        unit = _unit(scaler, calibration.rows.shape[1:])
        return Familiar(_usual(calibration, unit, "calibration"))
    return _calibrated(known, scaler, calibration_rows, calibration)


def _calibrated(
    known: Familiar, scaler: Scaler, calibration_rows: Float, calibration: Sample
) -> Familiar:
    usual, inputs, latents = known.usual, known.inputs, known.latents
    if len(calibration_rows) >= LEAST_CALIBRATION_ROWS:
        usual = _usual(calibration, _unit(scaler, calibration.rows.shape[1:]), "calibration")
    if inputs is not None:
        inputs = inputs.calibrated(_some(calibration_rows, MOST_ROWS))
    if latents is not None and calibration.latents is not None:
        latents = latents.calibrated(calibration.latents)
    return Familiar(usual, inputs, latents)


def _some(rows: Float, most: int) -> Float:
    """Return at most so many rows, at even distances."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]


def _usual(sample: Sample, unit: NDArray[np.float64], name: str) -> UsualErrors:
    rows = sample.usual_rows()
    residuals = sample.rows[rows] - sample.reconstruction[rows]
    return UsualErrors.of(sample.errors[rows], residuals, unit, name)


def _unit(scaler: Scaler, row_shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return the scaler's unit of every element of a row."""
    return np.broadcast_to(scaler.scale, row_shape)


def _latents(network: Autoencoder, rows: Float) -> NDArray[np.float64] | None:
    try:
        return network.encode(rows).astype(np.float64)
    except UnsupportedError:  # a module that only maps rows to rows
        return None


def _quick_to_start(autoencoder: Autoencoder) -> Autoencoder:
    """Return the network itself, or in NumPy where its backend would compile for each method."""
    if not autoencoder.has_static_shapes:
        return autoencoder
    backend = get_backend("numpy")
    try:
        backend.check(autoencoder.architecture, autoencoder.dtype)
    except UnsupportedError:  # a module, or a layer of one's own that NumPy does not have
        return autoencoder
    return backend.autoencoder(
        autoencoder.architecture, autoencoder.weights(), dtype=autoencoder.dtype, device="cpu"
    )
