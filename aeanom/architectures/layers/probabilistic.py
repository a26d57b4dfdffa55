"""Layers that add noise in training, a term to the loss, or a likelihood."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from aeanom.architectures.layers.base import (
    INITIALIZERS,
    Draws,
    Layer,
    Parameter,
    Shape,
    check_choice,
    not_negative,
    positive,
)
from aeanom.architectures.layers.dense import Dense
from aeanom.errors import ArchitectureError

NOISES = ("gaussian", "masking", "swap")

LOG_VARIANCE_BOUND = 10.0
"""A log-variance that a network gives, r, is taken as 10 · tanh(r / 10).

It is smooth, next to r near 0, and keeps every variance between 4.5e-5 and 2.2e4: a likelihood is
then finite however odd the row.
"""


@dataclass(frozen=True)
class GaussianLatent(Layer):
    """The latent of a variational autoencoder (Kingma and Welling 2014).

    Two dense heads give a mean m and a log-variance; in training the output is m + √variance · ε
    with ε a normal draw, otherwise it is m. To each row's loss is added::

        beta · kl_weight · KL / n      KL = ½ Σ (m² + variance - log variance - 1)

    with n the number of elements of a row of the network's input, so that a Gaussian output with
    beta = 1 is trained for the evidence lower bound per element. `kl_weight` rises from 0 to 1
    over the first `warm_up_steps` training steps. The log-variance is bounded, see
    `LOG_VARIANCE_BOUND`.

    With beta = 0 nothing keeps the variance from vanishing, so nothing is drawn either: the
    network is then the plain autoencoder with m as its latent.

    Parameters
    ----------
    units : int
        Width of the latent.
    beta : float
        Weight of the KL divergence, at least 0.
    warm_up_steps : int
        Training steps over which that weight rises; 0 for none.
    kl_in_score : bool
        Whether a row's score holds its KL term, besides the reconstruction's loss.
    initializer : {"glorot_uniform", "he_uniform", "fan_in"}
        Of both kernels.
    """

    units: int
    beta: float = 1.0
    warm_up_steps: int = 0
    kl_in_score: bool = False
    initializer: str = "glorot_uniform"
    kind: ClassVar[str] = "gaussian_latent"

    def __post_init__(self) -> None:
        positive(self, "units")
        if self.warm_up_steps != 0:
            positive(self, "warm_up_steps")
        not_negative(self, "beta")
        check_choice(self, "initializer", INITIALIZERS)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `(units,)`; rows must be flat."""
        if len(input_shape) != 1:
            raise ArchitectureError(
                f"GaussianLatent needs rows of shape (features,), got {input_shape}: put Flatten() "
                "before it"
            )
        return (self.units,)

    def parameters(self, input_shape: Shape) -> tuple[Parameter, ...]:
        """Kernel and bias of the mean, named as in `Dense`, then those of the log-variance."""
        heads = Dense(self.units, initializer=self.initializer).parameters(input_shape)
        spread = (replace(head, name=f"log_variance_{head.name}") for head in heads)
        return (*heads, *spread)

    def draws(self, input_shape: Shape) -> Draws | None:
        """One normal draw a unit."""
        return Draws("normal", (self.units,)) if self.beta else None


@dataclass(frozen=True)
class GaussianOutput(Layer):
    """The end of a decoder that gives each feature a mean and a log-variance.

    Of `(..., 2 · channels)` the first half are the means, which are the reconstruction, and the
    second the log-variances, bounded as `LOG_VARIANCE_BOUND` says. The loss `"gaussian"` is the
    negative log-likelihood under them. It must be the last layer.
    """

    kind: ClassVar[str] = "gaussian_output"

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape with half of the last axis."""
        if input_shape[-1] % 2:
            raise ArchitectureError(
                "GaussianOutput needs an even last axis, means and then log-variances, got "
                f"{input_shape}"
            )
        return (*input_shape[:-1], input_shape[-1] // 2)


@dataclass(frozen=True)
class InputNoise(Layer):
    """Noise in training that the network learns to undo: a denoising autoencoder's first layer.

    The targets are the rows without it, and scoring has none (Vincent et al. 2008).

    ==========  ================================================================================
    noise       what happens to an element
    ==========  ================================================================================
    gaussian    a normal draw times `amount` is added
    masking     with probability `amount` it becomes 0
    swap        with probability `amount` it becomes the same element of another row of the batch
    ==========  ================================================================================

    For `swap` with a uniform draw u below `amount`, the other row is number ⌊u / amount · n⌋ of
    the n rows of the batch that are not padding, so that one draw decides both.

    Parameters
    ----------
    noise : {"gaussian", "masking", "swap"}
    amount : float
        Standard deviation in units of the scaled data, or a probability in [0, 1].
    """

    noise: str = "gaussian"
    amount: float = 0.1
    kind: ClassVar[str] = "input_noise"

    def __post_init__(self) -> None:
        check_choice(self, "noise", NOISES)
        not_negative(self, "amount")
        if self.noise != "gaussian" and self.amount > 1:
            raise ArchitectureError(
                f"InputNoise({self.noise!r}) needs a probability as amount, got {self.amount!r}"
            )

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        return input_shape

    def draws(self, input_shape: Shape) -> Draws | None:
        """One draw an element."""
        if not self.amount:
            return None
        return Draws("normal" if self.noise == "gaussian" else "uniform", input_shape)


@dataclass(frozen=True)
class ActivityRegularization(Layer):
    """Adds `l1 · mean |x|` to each row's loss in training: put behind the latent, it is sparse.

    The layer returns its input. Scores do not hold the term.

    Parameters
    ----------
    l1 : float
        At least 0.
    """

    l1: float
    kind: ClassVar[str] = "activity_regularization"

    def __post_init__(self) -> None:
        not_negative(self, "l1")

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape unchanged."""
        return input_shape
