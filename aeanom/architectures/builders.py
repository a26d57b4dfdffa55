"""The usual architectures, made from a few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, log2, sqrt

from aeanom.architectures.architecture import Architecture
from aeanom.architectures.layers import Activation, Dense, Dropout, Layer
from aeanom.errors import ArchitectureError

__all__ = ["dense", "for_table"]


def dense(
    n_features: int,
    hidden_layer_sizes: Sequence[int] = (128,),
    latent_dim: int = 32,
    *,
    activation: str = "relu",
    latent_activation: str = "linear",
    output_activation: str = "linear",
    dropout: float = 0.0,
    initializer: str = "glorot_uniform",
) -> Architecture:
    """Build a symmetric autoencoder of dense layers for tables.

    Parameters
    ----------
    n_features : int
        Columns of the table.
    hidden_layer_sizes : sequence of int
        Widths of the encoder's hidden layers; the decoder has them in reverse. May be empty.
    latent_dim : int
        Width of the latent layer.
    activation, latent_activation, output_activation : str
        Functions after the hidden layers, the latent layer and the last layer; see
        `aeanom.architectures.ACTIVATIONS`. With a `"sigmoid"` output the detector scales its
        input to [0, 1].
    dropout : float
        Share of the hidden units dropped in training, after each hidden activation.
    initializer : {"glorot_uniform", "he_uniform", "fan_in"}
        Initial weights of every layer.

    Returns
    -------
    Architecture

    Raises
    ------
    ArchitectureError
        If a width is not a positive whole number or a name is unknown.

    Examples
    --------
    >>> dense(784, (128,), 32, latent_activation="relu", output_activation="sigmoid").n_parameters
    209968
    """
    if isinstance(hidden_layer_sizes, int):
        raise ArchitectureError(
            f"hidden_layer_sizes is a sequence of widths: write ({hidden_layer_sizes},)"
        )

    def block(units: int, function: str) -> list[Layer]:
        layers: list[Layer] = [Dense(units, initializer=initializer)]
        return layers if function == "linear" else [*layers, Activation(function)]

    def hidden(units: int) -> list[Layer]:
        return block(units, activation) + ([Dropout(dropout)] if dropout else [])

    encoder = [layer for units in hidden_layer_sizes for layer in hidden(units)]
    decoder = [layer for units in reversed(hidden_layer_sizes) for layer in hidden(units)]
    encoder += block(latent_dim, latent_activation)
    decoder += block(n_features, output_activation)
    return Architecture((n_features,), tuple(encoder), tuple(decoder))


def for_table(n_features: int) -> Architecture:
    """Build what `architecture="auto"` means for a table: one hidden layer, sized by its columns.

    Parameters
    ----------
    n_features : int
        Columns of the table.

    Returns
    -------
    Architecture
        `min(128, 2^⌈log2(2d)⌉)` hidden units and a latent width of
        `min(max(⌈√d⌉, 2), 32, d - 1)`, at least 1: 5 → 16 → 3, 30 → 64 → 6, 784 → 128 → 28.
    """
    hidden_units = min(128, 2 ** ceil(log2(2 * n_features)))
    latent_dim = max(min(max(ceil(sqrt(n_features)), 2), 32, n_features - 1), 1)
    return dense(n_features, (hidden_units,), latent_dim)
