"""The usual architectures, made from a few numbers: one builder for each kind of rows.

Imports the standard library only. `automatic.py` chooses among them, `variants.py` makes any
of them denoising, sparse or variational; what the layers do stands in `layers/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial, reduce
from itertools import pairwise, zip_longest
from math import prod

from aeanom.architectures.architecture import Architecture
from aeanom.architectures.layers import (
    GRU,
    LSTM,
    Activation,
    BatchNorm,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    Layer,
    LayerNorm,
    MaxPool,
    RepeatVector,
    Reshape,
    Shape,
    Upsample,
)
from aeanom.architectures.layers.base import whole_number
from aeanom.errors import ArchitectureError

__all__ = [
    "convolutional",
    "convolutional_1d",
    "dense",
    "recurrent",
]


def dense(
    n_features: int,
    hidden_layer_sizes: Sequence[int] = (128,),
    latent_dim: int = 32,
    *,
    activation: str = "relu",
    latent_activation: str = "linear",
    output_activation: str = "linear",
    normalization: str | None = None,
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
    normalization : {None, "layer", "batch"}
        `LayerNorm` or `BatchNorm` before each hidden activation.
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
    widths = _sequence("hidden_layer_sizes", hidden_layer_sizes)
    after = _after_hidden(normalization, activation, dropout)

    def hidden(widths: Iterable[int]) -> list[Layer]:
        return [
            layer for units in widths for layer in (Dense(units, initializer=initializer), *after)
        ]

    latent = [Dense(latent_dim, initializer=initializer), *_function(latent_activation)]
    output = [Dense(n_features, initializer=initializer), *_function(output_activation)]
    return _network((n_features,), (*hidden(widths), *latent), (*hidden(reversed(widths)), *output))


def convolutional(
    input_shape: Sequence[int],
    filters: Sequence[int] = (16, 32),
    latent_dim: int | None = None,
    *,
    kernel_size: int | tuple[int, int] = 3,
    downsampling: str = "stride",
    upsampling: str = "nearest",
    activation: str = "relu",
    latent_activation: str = "linear",
    output_activation: str = "linear",
    normalization: str | None = None,
    dropout: float = 0.0,
    initializer: str = "glorot_uniform",
) -> Architecture:
    """Build a convolutional autoencoder for images of any size.

    Each level of the encoder halves height and width, and the decoder's level opposite to it
    returns to exactly the size that there was, odd or even. An axis of one cell stays as it is.

    Parameters
    ----------
    input_shape : (height, width) or (height, width, channels)
    filters : sequence of int
        Channels of the encoder's levels; the decoder has them in reverse.
    latent_dim : int, optional
        Width of the latent layer, which is dense. By default 32, but fewer than an image has
        elements (and at least 1).
    kernel_size : int or pair of int
        Of every convolution.
    downsampling : {"stride", "pool"}
        Convolutions with stride 2, or with stride 1 and a `MaxPool` of 2 behind the activation.
    upsampling : {"nearest", "transposed"}
        `Upsample` and a convolution, or a `Conv2DTranspose` with stride 2; the former leaves no
        checkerboard (Odena et al. 2016).
    activation, latent_activation, output_activation : str
        Functions after the hidden layers, the latent layer and the last layer. With a
        `"sigmoid"` output the detector scales its input to [0, 1].
    normalization : {None, "layer", "batch"}
        `LayerNorm` or `BatchNorm` before each hidden activation.
    dropout : float
        Share of the elements dropped in training, after each hidden activation.
    initializer : {"glorot_uniform", "he_uniform", "fan_in"}
        Initial weights of every layer.

    Returns
    -------
    Architecture

    Raises
    ------
    ArchitectureError
        If `input_shape` is no image, a number or name is none that there is, or the kernel is too
        small to return to an odd size.

    Examples
    --------
    >>> convolutional((28, 28), output_activation="sigmoid").latent_shape
    (32,)
    """
    shape = _input_shape("convolutional", input_shape, "(height, width[, channels])", (2, 3))
    image = shape if len(shape) == 3 else (*shape, 1)
    _check_choice("upsampling", upsampling, ("nearest", "transposed"))
    convolution = partial(Conv2D, kernel_size=kernel_size, initializer=initializer)
    transposed = partial(Conv2DTranspose, kernel_size=kernel_size, initializer=initializer)
    encoder, decoder = _levels(
        image,
        _sequence("filters", filters),
        convolution,
        transposed if upsampling == "transposed" else None,
        downsampling,
        _after_hidden(normalization, activation, dropout),
        initializer,
    )
    # What the last layer is given is the loss's: the image's shape comes before the activation.
    first, last = ([], []) if shape == image else ([Reshape(image)], [Reshape(shape)])
    latent = Dense(_latent_dim(latent_dim, shape), initializer=initializer)
    return _network(
        shape,
        (*first, *encoder, latent, *_function(latent_activation)),
        (*decoder, *last, *_function(output_activation)),
    )


def convolutional_1d(
    input_shape: Sequence[int],
    filters: Sequence[int] = (32, 16),
    latent_dim: int | None = None,
    *,
    kernel_size: int = 7,
    downsampling: str = "stride",
    activation: str = "relu",
    latent_activation: str = "linear",
    output_activation: str = "linear",
    normalization: str | None = None,
    dropout: float = 0.0,
    initializer: str = "glorot_uniform",
) -> Architecture:
    """Build a convolutional autoencoder for windows of a series, of any length.

    Each level of the encoder halves the time, and the decoder's level opposite to it upsamples to
    exactly the length that there was, odd or even. One time step stays as it is.

    Parameters
    ----------
    input_shape : (time, channels)
    filters : sequence of int
        Channels of the encoder's levels; the decoder has them in reverse.
    latent_dim : int, optional
        Width of the latent layer, which is dense. By default 32, but fewer than a window has
        elements (and at least 1).
    kernel_size : int
        Of every convolution.
    downsampling : {"stride", "pool"}
        Convolutions with stride 2, or with stride 1 and a `MaxPool` of 2 behind the activation.
    activation, latent_activation, output_activation : str
        Functions after the hidden layers, the latent layer and the last layer. With a
        `"sigmoid"` output the detector scales its input to [0, 1].
    normalization : {None, "layer", "batch"}
        `LayerNorm` or `BatchNorm` before each hidden activation.
    dropout : float
        Share of the elements dropped in training, after each hidden activation.
    initializer : {"glorot_uniform", "he_uniform", "fan_in"}
        Initial weights of every layer.

    Returns
    -------
    Architecture

    Raises
    ------
    ArchitectureError
        If `input_shape` is no window, a number or name is none that there is, or the kernel is
        too small to return to an odd length.

    Examples
    --------
    >>> convolutional_1d((64, 19)).output_activation
    'linear'
    """
    shape = _input_shape("convolutional_1d", input_shape, "(time, channels)", (2,))
    encoder, decoder = _levels(
        shape,
        _sequence("filters", filters),
        partial(Conv1D, kernel_size=kernel_size, initializer=initializer),
        None,
        downsampling,
        _after_hidden(normalization, activation, dropout),
        initializer,
    )
    latent = Dense(_latent_dim(latent_dim, shape), initializer=initializer)
    return _network(
        shape,
        (*encoder, latent, *_function(latent_activation)),
        (*decoder, *_function(output_activation)),
    )


def recurrent(
    input_shape: Sequence[int],
    units: int = 64,
    latent_dim: int | None = None,
    *,
    cell: str = "lstm",
    n_layers: int = 1,
    latent_activation: str = "linear",
    output_activation: str = "linear",
    dropout: float = 0.0,
    initializer: str = "glorot_uniform",
) -> Architecture:
    """Build a recurrent autoencoder for windows of a series.

    The encoder's last state becomes the latent, which the decoder is given at every time
    (Srivastava et al. 2015; for anomalies Malhotra et al. 2016).

    Parameters
    ----------
    input_shape : (time, channels)
    units : int
        Width of every recurrent layer.
    latent_dim : int, optional
        Width of the latent layer, which is dense. By default 32, but fewer than a window has
        elements (and at least 1).
    cell : {"lstm", "gru"}
        Kind of the recurrent layers.
    n_layers : int
        Recurrent layers on each side.
    latent_activation, output_activation : str
        Functions after the latent layer and the last layer. With a `"sigmoid"` output the
        detector scales its input to [0, 1].
    dropout : float
        Share of the elements dropped in training, after each recurrent layer.
    initializer : {"glorot_uniform", "he_uniform", "fan_in"}
        Initial weights of every layer.

    Returns
    -------
    Architecture

    Raises
    ------
    ArchitectureError
        If `input_shape` is no window, or a number or name is none that there is.

    Examples
    --------
    >>> recurrent((30, 4), 16, latent_dim=8, cell="gru").latent_shape
    (8,)
    """
    shape = _input_shape("recurrent", input_shape, "(time, channels)", (2,))
    _check_choice("cell", cell, ("lstm", "gru"))
    if whole_number(n_layers) < 1:
        raise ArchitectureError(f"n_layers must be a positive whole number, got {n_layers!r}")
    time, channels = shape
    after = _after_hidden(None, "linear", dropout)
    states, last_state = (
        [(LSTM if cell == "lstm" else GRU)(units, sequences, initializer), *after]
        for sequences in (True, False)
    )
    latent = Dense(_latent_dim(latent_dim, shape), initializer=initializer)
    output = Dense(channels, initializer=initializer)
    return Architecture(
        shape,
        (*states * (n_layers - 1), *last_state, latent, *_function(latent_activation)),
        (RepeatVector(time), *states * n_layers, output, *_function(output_activation)),
    )


def _levels(
    shape: Shape,
    filters: Sequence[int],
    convolution: Callable[..., Conv1D | Conv2D],
    transposed: Callable[..., Conv2DTranspose] | None,
    downsampling: str,
    after: Sequence[Layer],
    initializer: str,
) -> tuple[list[Layer], list[Layer]]:
    """Build the encoder down to `Flatten`, and the decoder that leads back from the latent.

    `convolution` and `transposed` make layers from a number of filters; `after` is what follows
    each of them, but the last.
    """
    _check_choice("downsampling", downsampling, ("stride", "pool"))
    if not filters:
        raise ArchitectureError("filters needs at least one entry: one for each halving")
    shapes = [shape]
    encoder: list[Layer] = []
    for channels in filters:
        factors = _factors(shapes[-1])
        if downsampling == "stride" or set(factors) == {1}:
            level: list[Layer] = [convolution(channels, stride=factors), *after]
        else:
            level = [convolution(channels), *after, MaxPool(factors)]
        encoder += level
        shapes.append(reduce(lambda shape, layer: layer.output_shape(shape), level, shapes[-1]))

    decoder = [Dense(prod(shapes[-1]), initializer=initializer), *after, Reshape(shapes[-1])]
    *levels, last = (
        _enlarge(have, wanted, convolution, transposed)
        for have, wanted in pairwise(reversed(shapes))
    )
    for level in levels:
        decoder += [*level, *after]
    return [*encoder, Flatten()], [*decoder, *last]


def _factors(shape: Shape) -> tuple[int, ...]:
    """Return by how much each axis before the channels shrinks on the next level."""
    return tuple(1 if size == 1 else 2 for size in shape[:-1])


def _enlarge(
    have: Shape,
    wanted: Shape,
    convolution: Callable[..., Conv1D | Conv2D],
    transposed: Callable[..., Conv2DTranspose] | None,
) -> list[Layer]:
    """Return layers that lead from one level's shape to exactly that of the level above."""
    factors = _factors(wanted)
    channels = wanted[-1]
    grown = tuple(size * factor for size, factor in zip(have, factors, strict=False))
    surplus = [size - other for size, other in zip(grown, wanted, strict=False)]
    layer = transposed(channels, stride=factors) if transposed else convolution(channels)
    if any(surplus):
        # An odd size was rounded on the way down. A convolution then gets fewer zeros than
        # "same" gives it, or more, and a transposed one more cells cropped, or fewer.
        window, _, edges = layer.geometry((*grown, channels))
        sign = 1 if transposed else -1
        totals = [sum(edge) + sign * cells for edge, cells in zip(edges, surplus, strict=True)]
        if min(totals) < 0:
            raise ArchitectureError(
                f"kernel_size {window} is too small to return from {have[:-1]} to {wanted[:-1]}: "
                f"use {max(window) - min(totals)}"
            )
        padding = tuple((total // 2, -(-total // 2)) for total in totals)
        layer = replace(layer, padding=padding)
    return [layer] if transposed or set(factors) == {1} else [Upsample(factors), layer]


def _function(name: str) -> list[Layer]:
    """Return an activation, unless it is none."""
    return [] if name == "linear" else [Activation(name)]


def _after_hidden(normalization: str | None, activation: str, dropout: float) -> list[Layer]:
    """Return what follows the weights of every hidden layer."""
    _check_choice("normalization", normalization, (None, "layer", "batch"))
    before = [BatchNorm() if normalization == "batch" else LayerNorm()] if normalization else []
    return [*before, *_function(activation), *([Dropout(dropout)] if dropout else [])]


def _network(shape: Shape, encoder: Sequence[Layer], decoder: Sequence[Layer]) -> Architecture:
    """Put encoder and decoder together, without biases that a batch normalisation takes away."""
    # Such a bias has a gradient of nothing but rounding, and Adam makes a whole step of that.
    parts = [
        [
            replace(layer, use_bias=False)
            if isinstance(layer, Dense | Conv1D | Conv2D | Conv2DTranspose)
            and isinstance(following, BatchNorm)
            else layer
            for layer, following in zip_longest(part, part[1:])
        ]
        for part in (encoder, decoder)
    ]
    return Architecture(shape, *map(tuple, parts))


def _latent_dim(latent_dim: int | None, input_shape: Shape) -> int:
    """Return it as given, or 32, or one less than a row has elements."""
    return max(min(32, prod(input_shape) - 1), 1) if latent_dim is None else latent_dim


def _sequence(setting: str, values: Sequence[int]) -> tuple[int, ...]:
    try:
        return tuple(values)
    except TypeError:
        raise ArchitectureError(f"{setting} is a sequence: write ({values},)") from None


def _input_shape(
    builder: str, input_shape: Sequence[int], wanted: str, ranks: tuple[int, ...]
) -> Shape:
    """Check the number of axes, and that each has an element."""
    try:
        shape = tuple(map(whole_number, input_shape))
    except TypeError:
        shape = ()
    if len(shape) not in ranks or min(shape) < 1:
        raise ArchitectureError(
            f"{builder} needs an input_shape {wanted} of positive whole numbers, got "
            f"{input_shape!r}"
        )
    return shape


def _check_choice(setting: str, value: object, choices: Sequence[object]) -> None:
    if value not in choices:
        known = ", ".join(map(repr, choices))
        raise ArchitectureError(f"unknown {setting} {value!r}; known: {known}")
