"""`AnomalyDetector`: the scikit-learn estimator, and the front door of the library.

It turns settings and rows into a plan, has a backend's trainer carry it out, and keeps what comes
of it as an `AnomalyModel`, which does all the scoring.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor, log2, prod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

try:
    from sklearn.base import BaseEstimator, OutlierMixin
except ImportError as error:
    from aeanom.errors import MissingDependencyError

    raise MissingDependencyError(
        "AnomalyDetector needs scikit-learn, which a scorer does without (aeanom.load): "
        "pip install aeanom"
    ) from error

from aeanom import __version__
from aeanom.architectures import Architecture, Shape, from_data
from aeanom.assessment import assess_fit
from aeanom.calibration import check_threshold, fit_threshold
from aeanom.core.backend import Backend
from aeanom.core.batches import Block
from aeanom.core.callbacks import Callback, callbacks_from
from aeanom.core.choice import choose
from aeanom.core.history import History
from aeanom.core.initializers import initial_weights
from aeanom.core.losses import Loss, loss_from
from aeanom.core.modules import framework_of
from aeanom.core.optimizers import Adam, optimizer_from
from aeanom.core.plan import TrainingPlan
from aeanom.core.registry import get_backend
from aeanom.core.rows import as_rows, check_names, column_names
from aeanom.core.scaling import Scaler, scaler_kind, scales_of
from aeanom.core.scoring import scale_rows, score_rows
from aeanom.core.settings import fraction, positive, precision, seed_from, whole_number
from aeanom.core.split import Split, split_rows
from aeanom.core.weights import Float
from aeanom.errors import ArchitectureError, InvalidParameterError, NotFittedError, TrainingError
from aeanom.explain import Explanation
from aeanom.health import warn_of
from aeanom.model import AnomalyModel
from aeanom.thresholds import Threshold, resolve

__all__ = ["AnomalyDetector"]

PATIENCE = 10


class AnomalyDetector(OutlierMixin, BaseEstimator):
    """Find odd rows of a table, odd images or odd windows of a series with an autoencoder.

    A network learns to return rows through a narrow middle; a row that it cannot return well is
    odd. Its reconstruction error is its anomaly score, and a threshold on the score decides.

    Parameters
    ----------
    backend : str or Backend, default="auto"
        `"numpy"`, `"torch"`, `"jax"`, `"tensorflow"` or a plug-in's name. `"auto"` is the first
        installed of numpy, jax, torch, tensorflow; of torch, jax, tensorflow, numpy for networks
        with convolutional or recurrent layers. `"fastest"` is the one that is expected to finish
        this fit first, see `aeanom.core.fastest`; `history_` says which and why. Another machine
        may choose another, and then the last digits of a model differ.
    architecture : "auto", Architecture or a framework's own module, default="auto"
        The network; `"auto"` is `architectures.from_data(X)`: for a table one hidden layer sized
        by the columns, for images and windows of a series a convolutional network. A
        `torch.nn.Module`, flax `nnx.Module`, `tf.Module` or Keras model that maps rows to rows is
        copied, and trained by its own framework from the weights that it has.
    loss : {"auto", "mse", "mae", "huber", "bce", "gaussian"} or Loss, default="auto"
        What is trained for, and the score. `"auto"` is the negative log-likelihood for a network
        with a Gaussian output, and the mean squared error for any other.
    optimizer : "adam" or Adam, default="adam"
    learning_rate : float, default=1e-3
    batch_size : int or "auto", default="auto"
        `"auto"` is 2^⌊log2(n / 64)⌋ within [32, 1024].
    epochs : int or "auto", default="auto"
        `"auto"` is ⌈4000 / steps an epoch⌉ within [10, 200], and stops early after 10 epochs
        without a better validation loss. A number trains exactly so many.
    validation_fraction : float or "auto", default="auto"
        Share of the rows, after those for calibration, that watch the training. `"auto"` is 0.1,
        none under 200 rows.
    calibration_fraction : float, default=0.2
        Share of the rows kept out of training to calibrate the threshold, at most 10,000 and at
        least one. Only for thresholds that need them (the conformal default).
    threshold : "auto", str or Threshold, default="auto"
        `"auto"` is `thresholds.Conformal(false_positive_rate)`; `aeanom.thresholds` has the others.
    false_positive_rate : float, default=0.05
        Share of normal rows that may be flagged, in expectation; for the conformal threshold.
    contamination : float or "auto", default="auto"
        scikit-learn's meaning: that share of the training rows themselves is flagged (those that
        watch the training included), and none is held out to calibrate. Excludes any other
        threshold.
    scaler : {"auto", "standard", "minmax", "robust"} or None, default="auto"
        `"auto"` is min-max if the network ends in a sigmoid, else standard: each column by
        itself, each channel of a window or an image, all pixels of an image without channels
        alike. Scaled values are clipped at ±1e9.
    dtype : {"float32", "float64", "bfloat16"}, default="float32"
        With `"bfloat16"`, meant for GPUs, layers compute in it while training; weights, losses,
        the optimiser and all scoring are float32. NumPy cannot: with backend `"auto"` it is left
        out.
    device : str, default="auto"
        `"auto"` is the CPU, but with `backend="fastest"` a GPU if there is one and the work is
        worth it. `"cuda"` asks for a GPU, and is refused where there is none.
    noise : {"native", "shared"}, default="native"
        Whose random numbers dropout, denoising and variational layers draw in training: the
        framework's own, or NumPy's, with which such a network is the same in every framework too.
    random_state : int, RandomState or None, default=None
        Decides splits, initial weights, batches and noise. None draws a seed and keeps it in
        `history_.seed`.
    callbacks : sequence of callable, optional
        Each is called with a `aeanom.core.Progress` after an epoch; True ends the training.
    verbose : int, default=0
        0 is silent, 1 prints about ten lines, 2 prints every epoch, to standard error.

    Attributes
    ----------
    model_ : AnomalyModel
        What scores, explains and is saved; needs no framework.
    threshold_ : float
        A row is an anomaly if its score is strictly greater; with `thresholds.ConformalByGroup`,
        a row of no group.
    offset_ : float
        `-threshold_`: `decision_function` is `score_samples` minus this, but for rows of groups.
    history_ : History
        Losses by epoch, seed, how training ended, backend and device; in `health` what is wrong
        with the fit.
    backend_ : str
        The backend that trained.
    n_features_in_ : int
    feature_names_in_ : ndarray of str
        Only if `X` had string column names.

    Examples
    --------
    >>> import numpy as np
    >>> from aeanom import AnomalyDetector
    >>> X = np.random.default_rng(0).normal(size=(500, 4))
    >>> detector = AnomalyDetector(backend="numpy", random_state=0).fit(X)
    >>> detector.is_anomaly([[0, 0, 0, 0], [9, -9, 9, -9]])
    array([False,  True])
    """

    def __init__(
        self,
        *,
        backend: str | Backend = "auto",
        architecture: str | Architecture = "auto",
        loss: str | Loss = "auto",
        optimizer: str | Adam = "adam",
        learning_rate: float = 1e-3,
        batch_size: int | str = "auto",
        epochs: int | str = "auto",
        validation_fraction: float | str = "auto",
        calibration_fraction: float = 0.2,
        threshold: str | Threshold = "auto",
        false_positive_rate: float = 0.05,
        contamination: float | str = "auto",
        scaler: str | None = "auto",
        dtype: str = "float32",
        device: str = "auto",
        noise: str = "native",
        random_state: int | np.random.RandomState | None = None,
        callbacks: Sequence[Callback] | None = None,
        verbose: int = 0,
    ) -> None:
        self.backend = backend
        self.architecture = architecture
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.epochs = epochs
        self.validation_fraction = validation_fraction
        self.calibration_fraction = calibration_fraction
        self.threshold = threshold
        self.false_positive_rate = false_positive_rate
        self.contamination = contamination
        self.scaler = scaler
        self.dtype = dtype
        self.device = device
        self.noise = noise
        self.random_state = random_state
        self.callbacks = callbacks
        self.verbose = verbose

    def fit(
        self, X: Any, y: Any = None, *, validation: Any = None, calibration: Any = None
    ) -> Self:
        """Train on mostly normal rows.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Or windows of a series (n, time, channels), images (n, height, width) or
            (n, height, width, channels).
        y : ignored
            Only there because scikit-learn's tools pass it.
        validation, calibration : array-like or DataFrame, optional
            Own rows for early stopping and for the threshold, instead of random shares of `X`:
            later rows, for data with an order in time. Both should be normal.

        Returns
        -------
        AnomalyDetector
            Itself. If anything fails, an earlier fit is left as it was.

        Raises
        ------
        InvalidDataError, InvalidParameterError, ArchitectureError, BackendError, TrainingError
            See `aeanom.errors`.

        Warns
        -----
        HealthWarning
            If something is wrong with the fit, which can be used all the same: `history_.health`
            holds what was found, see `aeanom.health`.
        """
        rows = as_rows(X, caller="AnomalyDetector", minimum=2)
        own_validation = self._own_rows(validation, X, rows.shape[1:], "validation")
        own_calibration = self._own_rows(calibration, X, rows.shape[1:], "calibration")

        threshold = resolve(self.threshold, self.false_positive_rate, self.contamination)
        dtype, compute_dtype = precision(self.dtype)
        architecture = self._architecture(rows, dtype)
        loss = loss_from(self.loss, architecture)
        loss.check(architecture)
        seed = seed_from(self.random_state)
        names = column_names(X)
        features = names or architecture.element_names
        check_threshold(threshold, features)

        split = self._split(
            len(rows),
            seed,
            calibrates=threshold.sample == "calibration" and own_calibration is None,
            validates=own_validation is None,
        )
        validation_rows = rows[split.validation] if own_validation is None else own_validation
        calibration_rows = rows[split.calibration] if own_calibration is None else own_calibration
        training_rows = rows[split.training]
        plan = self._plan(loss, len(training_rows), len(validation_rows), seed, compute_dtype)
        backend, device, because = choose(
            self.backend, self.device, architecture, plan, n_rows=len(training_rows), dtype=dtype
        )
        scaler = Scaler.fit(
            scaler_kind(self.scaler, architecture, loss),
            training_rows,
            names,
            scales_of(architecture),
        )

        weights = initial_weights(architecture, seed, dtype)
        autoencoder = backend.autoencoder(architecture, weights, dtype=dtype, device=device)
        history = backend.trainer(autoencoder, plan).fit(
            Block(scale_rows(scaler, loss, training_rows, dtype).rows),
            Block(scale_rows(scaler, loss, validation_rows, dtype).rows)
            if len(validation_rows)
            else None,
            callbacks=callbacks_from(self.callbacks, self.verbose, plan.epochs),
        )

        # In the rows' own order, so that their scores come out of `predict` bit for bit again.
        fitted_rows = rows[np.sort(np.concatenate([split.training, split.validation]))]
        training_scores = np.sort(score_rows(autoencoder, scaler, loss, fitted_rows))
        if not np.isfinite(training_scores).all():
            raise TrainingError(
                f"training diverged in its last epoch: the scores of "
                f"{(~np.isfinite(training_scores)).sum()} training rows are not finite. Use a "
                f"smaller learning_rate than {plan.learning_rate}"
            )
        calibration_scores = score_rows(autoencoder, scaler, loss, calibration_rows)
        familiar, health = assess_fit(
            autoencoder,
            scaler,
            loss,
            history,
            training_rows=training_rows,
            validation_rows=validation_rows,
            calibration_rows=calibration_rows,
            own_rows=own_validation is not None or own_calibration is not None,
        )
        model = AnomalyModel(
            architecture=architecture,
            weights=autoencoder.weights(),
            scaler=scaler,
            loss=loss,
            threshold=fit_threshold(
                threshold,
                training_scores,
                calibration_scores,
                dtype,
                rows=calibration_rows,
                features=features,
            ),
            training_scores=training_scores,
            calibration_scores=np.sort(calibration_scores),
            feature_names=names,
            history=replace(
                history, backend=backend.name, device=device, chosen_because=because, health=health
            ),
            provenance={
                "aeanom": __version__,
                "backend": backend.name,
                "device": device,
                "rows": {
                    "training": len(training_rows),
                    "validation": len(validation_rows),
                    "calibration": len(calibration_rows),
                },
                "optimizer": plan.optimizer.to_dict(),
                "learning_rate": plan.learning_rate,
                "batch_size": plan.batch_size,
                "compute_dtype": self.dtype,
            },
            backend=backend.name,
            device=device,
            familiar=familiar,
        )
        self._keep(model)
        warn_of(health)
        return self

    def calibrate(self, X: Any, threshold: Threshold | str | None = None, *, y: Any = None) -> Self:
        """Fit the threshold to new rows; nothing is trained.

        Parameters
        ----------
        X : array-like or DataFrame of shape (n, d)
            Rows that the network was not trained on, normal ones unless there are labels.
        threshold : Threshold or str, optional
            Another kind of threshold than the present one.
        y : array-like of shape (n,), optional
            Labels, 1 for anomalies; see `AnomalyModel.calibrate`.
        """
        return self._keep(self._fitted().calibrate(X, threshold, y=y))

    def anomaly_score(self, X: Any) -> NDArray[np.float64]:
        """Score rows, shape (n,): the higher, the more anomalous."""
        return self._fitted().anomaly_score(X)

    def is_anomaly(self, X: Any, *, scores: Any = None) -> NDArray[np.bool_]:
        """Return whether each row's score is strictly above its threshold.

        That is `threshold_` for all rows, except with `thresholds.ConformalByGroup`. `scores` of
        the same rows, from `anomaly_score`, are not computed again.
        """
        return self._fitted().is_anomaly(X, scores=scores)

    def detect(self, X: Any, false_discovery_rate: float = 0.1) -> NDArray[np.bool_]:
        """Name the anomalies of a batch so that at most this share of those named is normal.

        On average; see `AnomalyModel.detect`.
        """
        return self._fitted().detect(X, false_discovery_rate)

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return +1 for a normal row and -1 for an anomaly."""
        return self._fitted().predict(X)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return threshold minus score: negative for anomalies."""
        return self._fitted().decision_function(X)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return the negative score: the lower, the more anomalous."""
        return self._fitted().score_samples(X)

    def p_values(self, X: Any) -> NDArray[np.float64]:
        """Share of normal rows at least as odd as each row; see `AnomalyModel.p_values`."""
        return self._fitted().p_values(X)

    def anomaly_probability(self, X: Any) -> NDArray[np.float64]:
        """Map scores to (0, 1], 0.5 at the threshold; see `AnomalyModel.anomaly_probability`."""
        return self._fitted().anomaly_probability(X)

    def extrapolates(self, X: Any) -> NDArray[np.bool_]:
        """Return whether each row is far outside of what training saw; see `AnomalyModel`."""
        return self._fitted().extrapolates(X)

    def explain(self, X: Any) -> Explanation:
        """Spread each row's score over its features."""
        return self._fitted().explain(X)

    def reconstruct(self, X: Any) -> NDArray[np.float64]:
        """Return what the network makes of each row, in the shape and units it came in."""
        return self._fitted().reconstruct(X)

    def encode(self, X: Any) -> Float:
        """Return each row's latent."""
        return self._fitted().encode(X)

    def decode(self, Z: Any) -> NDArray[np.float64]:
        """Return the rows that latents stand for, in the units of `X`."""
        return self._fitted().decode(Z)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to a `.aeanom` file; see `aeanom.load`."""
        self._fitted().save(path)

    @property
    def threshold_(self) -> float:
        """A row is an anomaly if its score is strictly greater."""
        return self._fitted().threshold.value

    @property
    def offset_(self) -> float:
        """`-threshold_`."""
        return -self.threshold_

    @property
    def history_(self) -> History:
        """Losses by epoch, seed, how training ended."""
        return self._fitted().history

    @property
    def backend_(self) -> str:
        """The backend in use."""
        return self._fitted().backend

    @classmethod
    def from_model(cls, model: AnomalyModel) -> Self:
        """Wrap a model, one loaded from a file perhaps, as a fitted estimator."""
        detector = cls(
            backend=model.backend,
            architecture=model.architecture,
            loss=model.loss,
            threshold=model.threshold.threshold,
            scaler=None if model.scaler.kind == "none" else model.scaler.kind,
            dtype=model.dtype,
            device=model.device,
        )
        return detector._keep(model)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def _fitted(self) -> AnomalyModel:
        if not hasattr(self, "model_"):
            raise NotFittedError(
                f"This {type(self).__name__} instance is not fitted yet. Call 'fit' with "
                "appropriate arguments before using this estimator."
            )
        return self.model_

    def _keep(self, model: AnomalyModel) -> Self:
        self.model_ = model
        self.n_features_in_ = model.n_features
        if model.feature_names is not None:
            self.feature_names_in_ = np.array(model.feature_names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        return self

    def _own_rows(self, own: Any, X: Any, row_shape: Shape, which: str) -> Float | None:
        if own is None:
            return None
        check_names(own, column_names(X), f"AnomalyDetector ({which} rows)")
        return as_rows(own, caller=f"AnomalyDetector ({which} rows)", row_shape=row_shape)

    def _architecture(self, rows: Float, dtype: str) -> Architecture:
        if isinstance(self.architecture, str) and self.architecture == "auto":
            return from_data(rows)
        row_shape = rows.shape[1:]
        framework = framework_of(self.architecture)
        if framework is not None:
            return get_backend(framework).describe(self.architecture, row_shape, dtype)
        if not isinstance(self.architecture, Architecture):
            raise InvalidParameterError(
                "architecture must be 'auto', an Architecture such as "
                f"architectures.dense({prod(row_shape)}), or a module of torch, flax or "
                f"TensorFlow, got {self.architecture!r}"
            )
        if self.architecture.input_shape != row_shape:
            given = f"{row_shape[0]} features" if rows.ndim == 2 else f"rows of shape {row_shape}"
            raise ArchitectureError(
                f"the architecture takes rows of shape {self.architecture.input_shape}, X has "
                f"{given}"
            )
        return self.architecture

    def _split(self, n: int, seed: int, *, calibrates: bool, validates: bool) -> Split:
        calibration = fraction("calibration_fraction", self.calibration_fraction)
        validation = self.validation_fraction
        if validates and validation != "auto":
            validation = fraction("validation_fraction", validation)
        return split_rows(
            n,
            seed,
            calibration=calibration if calibrates else None,
            validation=validation if validates else None,
        )

    def _plan(
        self,
        loss: Loss,
        n_training: int,
        n_validation: int,
        seed: int,
        compute_dtype: str | None = None,
    ) -> TrainingPlan:
        automatic_batch = int(np.clip(2 ** floor(log2(max(n_training / 64, 1))), 32, 1024))
        batch_size = whole_number("batch_size", self.batch_size, automatic_batch)
        automatic_epochs = int(np.clip(ceil(4000 / ceil(n_training / batch_size)), 10, 200))
        stops_early = self.epochs == "auto" and n_validation > 0
        return TrainingPlan(
            loss=loss,
            optimizer=optimizer_from(self.optimizer),
            learning_rate=positive("learning_rate", self.learning_rate),
            batch_size=batch_size,
            epochs=whole_number("epochs", self.epochs, automatic_epochs),
            seed=seed,
            patience=PATIENCE if stops_early else None,
            noise=self.noise,
            compute_dtype=compute_dtype,
        )
