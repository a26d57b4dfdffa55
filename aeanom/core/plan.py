"""`TrainingPlan`: everything that decides a training run besides the rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from aeanom.core.losses import Loss
from aeanom.core.optimizers import Adam
from aeanom.core.weights import Float
from aeanom.errors import InvalidParameterError

__all__ = ["TrainingPlan"]


@dataclass(frozen=True)
class TrainingPlan:
    """Loss, optimiser, batches, epochs and seed of a training run.

    Parameters
    ----------
    loss : Loss
    optimizer : Adam
    learning_rate : float
    batch_size, epochs : int
    seed : int
        Order of the rows and noise are functions of it.
    shuffle : bool
        False takes the rows in their own order in every epoch.
    patience : int, optional
        Epochs without a better validation loss after which training stops and the best weights
        come back. None trains to the end and keeps the last ones.
    min_delta : float
        How much lower a validation loss must be to count as better.
    noise : {"native", "shared"}
        Whose random numbers the layers use that draw some (dropout, denoising, variational): the
        framework's, or those of `core/noise.py`.
    compute_dtype : {None, "bfloat16"}
        What layers compute in while training; None is the weights' own dtype. The weights, the
        loss and the optimiser's state keep that in any case.
    """

    loss: Loss = field(default_factory=Loss)
    optimizer: Adam = field(default_factory=Adam)
    learning_rate: float = 1e-3
    batch_size: int = 32
    epochs: int = 10
    seed: int = 0
    shuffle: bool = True
    patience: int | None = None
    min_delta: float = 0.0
    noise: str = "native"
    compute_dtype: str | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "epochs"):
            if getattr(self, name) < 1:
                raise InvalidParameterError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not (self.learning_rate > 0 and np.isfinite(self.learning_rate)):
            raise InvalidParameterError(
                f"learning_rate must be a positive number, got {self.learning_rate!r}"
            )
        if self.patience is not None and self.patience < 1:
            raise InvalidParameterError(f"patience must be at least 1, got {self.patience}")
        if self.noise not in ("native", "shared"):
            raise InvalidParameterError(f"noise is 'native' or 'shared', got {self.noise!r}")
        if self.compute_dtype not in (None, "bfloat16"):
            raise InvalidParameterError(
                f"compute_dtype is None or 'bfloat16', got {self.compute_dtype!r}"
            )

    def schedules(self, first_step: int, steps: int, warm_up_steps: int = 0) -> Mapping[str, Float]:
        """Values that may change from step to step, for `steps` steps from `first_step`.

        `"learning_rate"`, and with `warm_up_steps` the weight of the KL divergence,
        `"kl_weight"`, which reaches 1 in the last of them; a schedule that is missing is 1.
        """
        schedules = {"learning_rate": np.full(steps, self.learning_rate)}
        if warm_up_steps:
            count = np.arange(first_step + 1, first_step + steps + 1)
            schedules["kl_weight"] = np.minimum(count / warm_up_steps, 1.0)
        return schedules
