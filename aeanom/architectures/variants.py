"""What turns any architecture into a denoising, sparse or variational one, or gives it a variance.

Each takes an architecture and returns another, so that they can be combined:
`denoising(variational(convolutional((28, 28))))`.
"""

from __future__ import annotations

from dataclasses import replace

from aeanom.architectures.architecture import Architecture
from aeanom.architectures.layers import (
    Activation,
    ActivityRegularization,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    GaussianLatent,
    GaussianOutput,
    InputNoise,
    Reshape,
)
from aeanom.errors import ArchitectureError

__all__ = ["denoising", "gaussian_output", "sparse", "variational"]


def variational(
    architecture: Architecture,
    *,
    beta: float = 1.0,
    warm_up_steps: int = 400,
    kl_in_score: bool = False,
) -> Architecture:
    """Make an autoencoder variational: its latent becomes a normal distribution.

    The encoder's last `Dense` is replaced by a `GaussianLatent`, whose mean starts from the very
    weights that the `Dense` would have. An activation behind it is left out: a mean pressed into
    a half-line or an interval could not come near the standard normal distribution that the KL
    divergence pulls it to.

    Parameters
    ----------
    architecture : Architecture
    beta, warm_up_steps, kl_in_score
        See `GaussianLatent`. The weight of the KL divergence rises slowly, or the latent may never
        come into use (Bowman et al. 2016).

    Returns
    -------
    Architecture

    Raises
    ------
    ArchitectureError
        If the encoder does not end in a `Dense` on flat rows.

    Examples
    --------
    >>> from aeanom.architectures import dense
    >>> variational(dense(6, (5,), 3)).encoder[-1].kind
    'gaussian_latent'
    """
    encoder = architecture.encoder
    if isinstance(encoder[-1], Activation):
        encoder = encoder[:-1]
    if not encoder or not isinstance(encoder[-1], Dense):
        raise ArchitectureError(
            f"a variational latent takes the place of a Dense layer, but the encoder ends in "
            f"{architecture.encoder[-1]}: end it in Dense, and call variational() before sparse()"
        )
    latent = GaussianLatent(
        encoder[-1].units,
        beta=beta,
        warm_up_steps=warm_up_steps,
        kl_in_score=kl_in_score,
        initializer=encoder[-1].initializer,
    )
    return replace(architecture, encoder=(*encoder[:-1], latent))


def gaussian_output(architecture: Architecture) -> Architecture:
    """Give every feature of the reconstruction a variance, learned from the row.

    The decoder's last layer gets twice its width and `GaussianOutput` follows. Train it with
    `loss="gaussian"` (Nix and Weigend 1994).

    Parameters
    ----------
    architecture : Architecture
        Its decoder must end in `Dense` or a convolution.

    Returns
    -------
    Architecture

    Raises
    ------
    ArchitectureError
        If the decoder ends in anything else.

    Examples
    --------
    >>> from aeanom.architectures import dense
    >>> gaussian_output(dense(6, (5,), 3)).raw_output_shape
    (12,)
    """
    *decoder, last = architecture.decoder
    if last == Activation("linear") and decoder:
        *decoder, last = decoder
    if isinstance(last, Dense):
        last = replace(last, units=2 * last.units)
    elif isinstance(last, Conv1D | Conv2D | Conv2DTranspose):
        last = replace(last, filters=2 * last.filters)
    else:
        remedy = "end the decoder in Dense or a convolution"
        if isinstance(last, Activation):
            remedy = "build the network with output_activation='linear'"
        if isinstance(last, Reshape):
            remedy = f"give images an axis for channels, here {(*architecture.input_shape, 1)}"
        raise ArchitectureError(
            f"a Gaussian output needs means and log-variances side by side in the last axis, "
            f"straight from the last weights, but the decoder ends in {last}: {remedy}"
        )
    return replace(architecture, decoder=(*decoder, last, GaussianOutput()))


def denoising(
    architecture: Architecture, noise: str = "gaussian", amount: float = 0.1
) -> Architecture:
    """Make an autoencoder denoising: it sees rows with noise and learns the rows without it.

    Parameters
    ----------
    architecture : Architecture
    noise, amount
        See `InputNoise`.

    Returns
    -------
    Architecture
        With `InputNoise` as the encoder's first layer; the others move one place on.

    Raises
    ------
    ArchitectureError
        If the noise is unknown or the amount no number that fits it.

    Examples
    --------
    >>> from aeanom.architectures import dense
    >>> denoising(dense(6, (5,), 3), "masking", 0.25).encoder[0]
    InputNoise(noise='masking', amount=0.25)
    """
    return replace(architecture, encoder=(InputNoise(noise, amount), *architecture.encoder))


def sparse(architecture: Architecture, l1: float = 1e-3) -> Architecture:
    """Make an autoencoder sparse: training presses its latent towards zero.

    Parameters
    ----------
    architecture : Architecture
    l1 : float
        Weight of the latent's mean absolute value in a row's loss.

    Returns
    -------
    Architecture
        With `ActivityRegularization` as the encoder's last layer.

    Raises
    ------
    ArchitectureError
        If `l1` is not a finite number of at least 0.

    Examples
    --------
    >>> from aeanom.architectures import dense
    >>> sparse(dense(6, (5,), 3)).encoder[-1]
    ActivityRegularization(l1=0.001)
    """
    return replace(architecture, encoder=(*architecture.encoder, ActivityRegularization(l1)))
