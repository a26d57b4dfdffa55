"""aeanom itself: a backend's trainer as the detector uses it, and scoring through a model.

Training is built straight from the core, so that weights and the number of rows are the
workload's. Scoring is the whole way of `AnomalyModel.anomaly_score`: rows are checked and scaled.
"""

from __future__ import annotations

import numpy as np

from aeanom import AnomalyModel, thresholds
from aeanom.core import Block, Loss, Scaler, TrainingPlan, get_backend
from aeanom.core.scaling import scales_of
from benchmarks.workloads import LEARNING_RATE, Workload


class Backend:
    """Trains and scores with one backend."""

    def __init__(
        self, workload: Workload, device: str, backend: str, compute_dtype: str | None
    ) -> None:
        self.workload = workload
        self.backend = get_backend(backend)
        self.device = self.backend.choose_device(device)
        self.compute_dtype = compute_dtype
        self.weights: dict[str, np.ndarray] = {}
        self.model: AnomalyModel | None = None

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        architecture, loss = self.workload.architecture(), Loss("mse")
        autoencoder = self.backend.autoencoder(
            architecture, self.workload.weights(), dtype="float32", device=self.device
        )
        plan = TrainingPlan(
            loss,
            learning_rate=LEARNING_RATE,
            batch_size=self.workload.batch_size,
            epochs=epochs,
            compute_dtype=self.compute_dtype,
        )
        history = self.backend.trainer(autoencoder, plan).fit(Block(rows))
        self.weights, self.model = autoencoder.weights(), None
        return history.loss

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean squared error of each row."""
        if self.model is None:
            self.model = model_of(self.workload, self.weights, self.backend.name, self.device)
        return self.model.anomaly_score(rows)


def model_of(
    workload: Workload, weights: dict[str, np.ndarray], backend: str, device: str
) -> AnomalyModel:
    """Return a model around a workload's network; its scaling leaves every value as it is."""
    architecture = workload.architecture()
    n_scales = scales_of(architecture)
    return AnomalyModel(
        architecture=architecture,
        weights=weights,
        scaler=Scaler("standard", np.zeros(n_scales), np.ones(n_scales)),
        loss=Loss("mse"),
        threshold=thresholds.Fixed(1.0).fit(),
        training_scores=np.zeros(1),
        calibration_scores=np.zeros(1),
        backend=backend,
        device=device,
    )


def contender(
    workload: Workload, device: str, backend: str = "numpy", compute_dtype: str | None = None
) -> Backend:
    """Make one for a workload."""
    return Backend(workload, device, backend, compute_dtype)
