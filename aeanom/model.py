"""`AnomalyModel`: what a fit leaves behind. It scores, explains and is saved without a framework.

With the NumPy backend it needs NumPy and safetensors and nothing else. `detector.py` makes one,
`model_files.py` writes one to a file and reads it back, `calibration.py` fits its threshold.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aeanom.architectures import Architecture, Shape
from aeanom.calibration import fit_threshold, fit_to_rows
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.history import History
from aeanom.core.losses import Loss
from aeanom.core.registry import get_backend, resolve_backend
from aeanom.core.rows import as_rows, check_finite, check_names
from aeanom.core.scaling import Scaler
from aeanom.core.scoring import ScaledRows, element_errors, scaled_parts, score_rows
from aeanom.core.weights import Float, Weights
from aeanom.errors import InvalidDataError, InvalidParameterError
from aeanom.explain import Explanation, Familiar
from aeanom.parity import ParityReport, compare
from aeanom.thresholds import (
    FittedThreshold,
    Threshold,
    benjamini_hochberg,
    p_values,
    resolve,
    warn_if_too_few_to_discover,
)
from aeanom.thresholds.probability import anomaly_probability

__all__ = ["AnomalyModel"]


@dataclass(frozen=True, eq=False)
class AnomalyModel:
    """A trained network with its scaling, its threshold and the scores behind the threshold.

    Immutable: the `with_...` methods return another model that shares the arrays.

    Attributes
    ----------
    architecture : Architecture
    weights : dict of str to ndarray
        By canonical name, in the network's dtype.
    scaler : Scaler
    loss : Loss
        What the network was trained with; its value for a row is the row's score.
    threshold : FittedThreshold
    training_scores, calibration_scores : float64 ndarray
        Sorted scores of the rows that trained (validation rows included), and of those held out
        for calibration (may be empty).
    feature_names : tuple of str or None
        Columns, if the fit was given names.
    history : History
        The course of the training.
    provenance : dict
        Versions, backend, settings and row counts of the fit; JSON-able.
    backend : str
        Name of the backend that computes.
    device : str
    familiar : Familiar or None
        What error is usual for each feature, and what range training saw: what rows are explained
        by. None for a model of a file of an older version, until it is calibrated.
    """

    architecture: Architecture
    weights: Weights
    scaler: Scaler
    loss: Loss
    threshold: FittedThreshold
    training_scores: NDArray[np.float64]
    calibration_scores: NDArray[np.float64]
    feature_names: tuple[str, ...] | None = None
    history: History = field(default_factory=History)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    backend: str = "numpy"
    device: str = "auto"
    familiar: Familiar | None = None

    @property
    def row_shape(self) -> Shape:
        """Shape of one row: `(d,)` for a table."""
        return self.architecture.input_shape

    @property
    def n_features(self) -> int:
        """Number of columns, or of the elements of a window or an image."""
        return prod(self.row_shape)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns, or "feature 0" and so on; of all elements in C order."""
        return self.feature_names or self.architecture.element_names

    @property
    def dtype(self) -> str:
        """Precision that the network computes in."""
        return next(iter(self.weights.values())).dtype.name

    # Scoring.

    def anomaly_score(self, X: Any) -> NDArray[np.float64]:
        """Score rows: the higher, the more anomalous.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d), or array of shape (n, *row_shape)

        Returns
        -------
        float64 ndarray of shape (n,)
            Reconstruction error of each scaled row, in the units of the loss.

        Raises
        ------
        InvalidDataError
            If the rows cannot be used; see `aeanom.core.rows.as_rows`.
        """
        return self._scored(X)[1]

    def is_anomaly(self, X: Any, *, scores: Any = None) -> NDArray[np.bool_]:
        """Return whether each row's score is strictly above its threshold, of shape (n,).

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d), or array of shape (n, *row_shape)
        scores : array-like of shape (n,), optional
            What `anomaly_score` gave for these rows, not to compute it again.
        """
        if scores is None:
            rows, scores = self._scored(X)
        else:
            rows = self._rows(X)
            if np.shape(scores) != (len(rows),):
                raise InvalidDataError(
                    f"scores must be one for each of the {len(rows)} rows; their shape is "
                    f"{np.shape(scores)}"
                )
        return self.threshold.exceeds(scores, self.threshold.limits(rows, self.features))

    def detect(self, X: Any, false_discovery_rate: float = 0.1) -> NDArray[np.bool_]:
        """Name the anomalies of a batch so that few of those named are normal rows.

        `is_anomaly` bounds the share of normal rows that are flagged; where anomalies are rare,
        most flags may still be false. This bounds the share of false flags among the flags, by
        Benjamini and Hochberg's procedure on the conformal p-values: at most q on average. Which
        rows are named depends on the whole batch, and the threshold plays no part.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d), or array of shape (n, *row_shape)
        false_discovery_rate : float, default=0.1
            q, between 0 and 1, both excluded.

        Returns
        -------
        bool ndarray of shape (n,)

        Raises
        ------
        InvalidParameterError
            If no rows were held out for calibration, so that there are no valid p-values.

        Warns
        -----
        CalibrationWarning
            If none is named, and one row could not have been with so few calibration rows.
        """
        if len(self.calibration_scores) == 0:
            raise InvalidParameterError(
                "detect needs the scores of rows that were held out, and this fit held none out: "
                "give it new normal rows with calibrate(X_normal, 'conformal')"
            )
        values = self.p_values(X)
        named = benjamini_hochberg(values, false_discovery_rate)
        if not named.any():
            warn_if_too_few_to_discover(
                len(self.calibration_scores), len(values), false_discovery_rate
            )
        return named

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return scikit-learn's labels: +1 for a normal row, -1 for an anomaly."""
        return np.where(self.is_anomaly(X), -1, 1)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return threshold minus score, as scikit-learn has it: negative for anomalies."""
        rows, scores = self._scored(X)
        return self.threshold.limits(rows, self.features) - scores

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return the negative score, as scikit-learn has it: the lower, the more anomalous."""
        return -self.anomaly_score(X)

    def p_values(self, X: Any) -> NDArray[np.float64]:
        """Share of normal rows that are at least this odd, of shape (n,), in (0, 1].

        Conformal p-values, `(1 + #{calibration score ≥ score}) / (n + 1)`. Without calibration
        rows the training scores stand in, and the values are too small for new rows.
        """
        return p_values(self.anomaly_score(X), self._normal_scores)

    def anomaly_probability(self, X: Any) -> NDArray[np.float64]:
        """Where each row's score lies between normal and odd, of shape (n,), in (0, 1].

        0.5 at the row's threshold, 0.05 at the median of normal rows, rising with the score (where
        thresholds go by group, among rows of a group): a figure to show, and no probability that a
        row is an anomaly. See `aeanom.thresholds.probability.anomaly_probability`.
        """
        rows, scores = self._scored(X)
        limits = self.threshold.limits(rows, self.features)
        result = np.empty(len(rows))
        for limit in np.unique(limits):
            same = limits == limit
            result[same] = anomaly_probability(scores[same], self._normal_scores, float(limit))
        return result

    def extrapolates(self, X: Any) -> NDArray[np.bool_]:
        """Return whether each row lies far outside of what training saw, of shape (n,).

        A row, or its latent, is far outside where any of its values lies beyond the range of the
        training rows by more than a margin that about 1 % of the calibration rows exceed. A
        network may return such a row well: a low score then says little.

        Raises
        ------
        InvalidParameterError
            If the model comes from a file of an older version, which does not know the ranges.
        """
        familiar = self.familiar
        if familiar is None or familiar.inputs is None:
            raise InvalidParameterError(
                "this model was saved by a version of aeanom that did not write down which ranges "
                "its training saw: fit it again to know which rows lie outside"
            )
        rows = self._rows(X)
        outside = familiar.inputs.outside(rows)
        if familiar.latents is not None:
            outside |= familiar.latents.outside(self._encode(rows))
        return outside

    def explain(self, X: Any) -> Explanation:
        """Spread each row's score over its features.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d), or array of shape (n, *row_shape)

        Returns
        -------
        Explanation
            Expected and seen values, shares by what is usual for each feature, contributions that
            add up to the score, and whether a row is outside of what training saw.
        """
        rows = self._rows(X)
        errors = np.empty(rows.shape)
        expected = np.empty(rows.shape)
        parts = element_errors(self.autoencoder, self.scaler, self.loss, rows)
        for part, elements in parts:
            errors[part] = elements.errors
            expected[part] = self.scaler.inverse(elements.reconstruction)
        knows_latents = self.familiar is not None and self.familiar.latents is not None
        return Explanation.from_errors(
            self.features,
            self._score(rows),
            errors,
            expected,
            rows.astype(np.float64),
            axes=self.architecture.axes,
            familiar=self.familiar,
            latents=self._encode(rows).astype(np.float64) if knows_latents else None,
        )

    def reconstruct(self, X: Any) -> NDArray[np.float64]:
        """Return what the network makes of each row, in the shape and units it came in."""
        rows = self._rows(X)
        result = np.empty(rows.shape)
        for part, scaled in self._parts(rows):
            result[part] = self.scaler.inverse(self.autoencoder.reconstruct(scaled.rows))
        return result

    def encode(self, X: Any) -> Float:
        """Return each row's latent, of shape (n, *latent_shape), in the network's dtype."""
        return self._encode(self._rows(X))

    def penalties(self, X: Any) -> NDArray[np.float64]:
        """Return what the layers add to each row's loss besides its error, of shape (n,).

        The KL divergence of a variational network times `beta` over the number of elements of a
        row, the L1 term of a sparse one; 0 for the others.
        """
        rows = self._rows(X)
        result = np.empty(len(rows))
        for part, scaled in self._parts(rows):
            result[part] = self.autoencoder.penalties(scaled.rows)
        return result

    def decode(self, Z: Any) -> NDArray[np.float64]:
        """Return the rows that latents of shape (n, *latent_shape) stand for, in X's units."""
        shape = self.architecture.latent_shape
        latents = as_rows(Z, caller="AnomalyModel.decode", row_shape=shape)
        return self.scaler.inverse(self.autoencoder.decode(latents))

    @cached_property
    def autoencoder(self) -> Autoencoder:
        """The network in this model's backend, built when it is first needed."""
        return self._build()

    def native(self) -> Any:
        """Return a copy of the network as the backend's own module, such as a `torch.nn.Module`.

        What is done to it does not change the model.
        """
        return self._build().native()

    # Other models from this one.

    def with_backend(self, backend: str, device: str = "auto") -> AnomalyModel:
        """Return the same model, computed by another backend.

        Raises
        ------
        BackendError
            If the backend is unknown, not installed, or cannot run the network.
        """
        made = resolve_backend(backend, self.architecture)
        made.check(self.architecture, self.dtype)
        made.choose_device(device)
        return replace(self, backend=made.name, device=device)

    def parity(self, X: Any, backends: Iterable[str] | str | None = None) -> ParityReport:
        """Score rows with several backends and hold each against NumPy.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d), or array of shape (n, *row_shape)
        backends : iterable of str, optional
            Names; None means every known backend, installed or not.

        Returns
        -------
        ParityReport
            Per backend the largest difference of a score, the flags changed and the time;
            `agrees` says whether it is as small as it should be.
        """
        return compare(self, X, backends)

    def with_threshold(self, threshold: Threshold | str) -> AnomalyModel:
        """Return the same model with another threshold, without training or scoring anything.

        It is fitted on the calibration scores where there are any, else on the training scores;
        `Contamination` always takes the training scores, `Conformal` and `FalsePositiveBound` only
        calibration scores.

        Raises
        ------
        InvalidParameterError
            For `Conformal` and `FalsePositiveBound` where no rows were held out, and for thresholds
            that need the rows themselves or their labels (`ConformalByGroup`, `MaxFBeta`, ...), of
            which a model keeps the scores alone: call `calibrate` with some.
        """
        fitted = fit_threshold(
            resolve(threshold), self.training_scores, self.calibration_scores, self.dtype
        )
        return replace(self, threshold=fitted)

    def calibrate(
        self, X: Any, threshold: Threshold | str | None = None, *, y: Any = None
    ) -> AnomalyModel:
        """Return the same model with its threshold fitted to new rows; nothing is trained.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Rows that the network was not trained on, normal ones unless there are labels. The
            scores of the normal ones become the model's calibration scores.
        threshold : Threshold or str, optional
            Another kind of threshold than the present one.
        y : array-like of shape (n,), optional
            Labels: 1 or True for an anomaly, 0 or False for a normal row. Thresholds such as
            `MaxFBeta` are fitted to both, all others to the normal rows alone.

        Raises
        ------
        InvalidDataError
            If rows or labels cannot be used, or none is normal.
        InvalidParameterError
            If the threshold is not fitted to such rows, or needs labels.
        """
        # What a scorer that never calibrates need not load.
        from aeanom.assessment import familiar_after_calibration

        description = self.threshold.threshold if threshold is None else resolve(threshold)
        if description.sample in ("training", "none"):
            raise InvalidParameterError(
                f"{description!r} is not fitted to calibration rows; name the threshold that is "
                "to be: calibrate(X, thresholds.Conformal(0.05))"
            )
        rows, scores = self._scored(X)
        fitted, is_normal, scores = fit_to_rows(
            description, rows, scores, y, self.dtype, self.features
        )
        counts = {**self.provenance.get("rows", {}), "calibration": len(scores)}
        return replace(
            self,
            threshold=fitted,
            calibration_scores=np.sort(scores),
            provenance={**self.provenance, "rows": counts},
            familiar=familiar_after_calibration(
                self.familiar, self.autoencoder, self.scaler, self.loss, rows[is_normal]
            ),
        )

    # Files and words.

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a `.aeanom` file, whole or not at all.

        Any backend on any machine can load it; see `aeanom.load`.
        """
        from aeanom.model_files import write_model

        write_model(self, path)

    def summary(self) -> str:
        """Return what the model is, in a few lines of plain text."""
        counts = ", ".join(
            f"{count:,} {name}" for name, count in self.provenance.get("rows", {}).items() if count
        )
        lines = [
            f"AnomalyModel on {self._rows_in_words()}, {self.dtype}, backend {self.backend}",
            self.architecture.summary(),
            f"trained by      {self.provenance.get('backend', 'unknown')}, "
            f"{self.history.epochs} epochs ({self.history.stopped_by}), seed {self.history.seed}",
            f"rows            {counts or 'unknown'}",
            f"scaler          {self.scaler.kind}",
            f"loss            {self.loss.name}"
            + (f", {self.history.loss[-1]:.6g} after the last epoch" if self.history.loss else ""),
            f"threshold       {self.threshold.value:.6g}",
            f"                {self.threshold.describe()}",
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"<AnomalyModel: {self._rows_in_words()}, "
            f"{self.architecture.n_parameters:,} parameters, {self.dtype}, "
            f"backend {self.backend!r}, threshold {self.threshold.value:.4g}>"
        )

    def __getstate__(self) -> dict[str, Any]:
        # The network is built again from the weights: a framework's objects are not pickled.
        return {name: value for name, value in self.__dict__.items() if name != "autoencoder"}

    def probe(self) -> list[float]:
        """Return the errors of two fixed rows, by which a network is known again."""
        rows = np.linspace(-1, 1, 2 * self.n_features, dtype=self.dtype)
        errors = self.autoencoder.errors(rows.reshape(2, *self.row_shape), self.loss)
        return [float(error) for error in errors]

    def _rows_in_words(self) -> str:
        if len(self.row_shape) == 1:
            return f"{self.n_features} features"
        return f"rows of {' × '.join(map(str, self.row_shape))}"

    def _build(self) -> Autoencoder:
        backend = get_backend(self.backend)
        device = backend.choose_device(self.device)
        return backend.autoencoder(self.architecture, self.weights, dtype=self.dtype, device=device)

    def _rows(self, X: Any, *, finite: bool = True) -> Float:
        check_names(X, self.feature_names, type(self).__name__)
        return as_rows(
            X,
            caller=type(self).__name__,
            row_shape=self.row_shape,
            names=self.feature_names,
            finite=finite,
        )

    def _scored(self, X: Any) -> tuple[Float, NDArray[np.float64]]:
        """Check rows and score them."""
        rows = self._rows(X, finite=False)
        scores = self._score(rows)
        # A value that is not finite shows in its row's score, which is the quicker one to look at.
        if not np.isfinite(scores).all():
            check_finite(rows, self.feature_names)
        return rows, scores

    @property
    def _normal_scores(self) -> NDArray[np.float64]:
        held_out = self.calibration_scores
        return held_out if len(held_out) else self.training_scores

    def _encode(self, rows: Float) -> Float:
        result = np.empty((len(rows), *self.architecture.latent_shape), self.dtype)
        for part, scaled in self._parts(rows):
            result[part] = self.autoencoder.encode(scaled.rows)
        return result

    def _parts(self, rows: Float) -> Iterator[tuple[slice, ScaledRows]]:
        return scaled_parts(self.autoencoder, self.scaler, self.loss, rows)

    def _score(self, rows: Float) -> NDArray[np.float64]:
        return score_rows(self.autoencoder, self.scaler, self.loss, rows)
