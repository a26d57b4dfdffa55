"""`EXAMPLES`: small networks that between them have every layer kind, with a loss and rows.

They are as small as a layer allows, as a compiled backend takes about a second for each. The rows
have exact zeros among them, which through biases of zero lie on the kink of every function behind.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from aeanom.architectures import ACTIVATIONS, Architecture, Shape
from aeanom.architectures.layers import (
    GRU,
    LSTM,
    Activation,
    ActivityRegularization,
    AveragePool,
    BatchNorm,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Flatten,
    GaussianLatent,
    GaussianOutput,
    InputNoise,
    Layer,
    LayerNorm,
    MaxPool,
    RepeatVector,
    Reshape,
    Residual,
    Upsample,
)
from aeanom.core.losses import Loss

__all__ = ["EXAMPLES", "N_ROWS", "Example"]

N_ROWS = 14


@dataclass(frozen=True, eq=False)
class Example:
    """A network, what it is trained with, and rows for it.

    Attributes
    ----------
    name : str
    architecture : Architecture
    loss : Loss
    rows : float64 ndarray of shape (14, *input_shape)
        In [0, 1], read-only; every third row is zero.
    """

    name: str
    architecture: Architecture
    loss: Loss = field(default_factory=Loss)

    @property
    def rows(self) -> NDArray[np.float64]:
        """The same rows for every network of this input shape."""
        return _rows(self.architecture.input_shape)


def _rows(shape: Shape) -> NDArray[np.float64]:
    rows = np.random.default_rng(0).uniform(size=(N_ROWS, *shape))
    rows[::3] = 0.0
    rows.flags.writeable = False
    return rows


def _behind_dense(*layers: Layer) -> Architecture:
    """Return a network of flat rows whose encoder is one dense layer and these behind it."""
    return Architecture((6,), (Dense(5), *layers), (Dense(6),))


def _function_network(function: str) -> Architecture:
    """Return a network that has the function in every place that can have one."""
    act = Activation(function)
    return Architecture((6,), (Dense(4), act), (Dense(6), act))


def _denoising(noise: str, amount: float) -> Architecture:
    return Architecture((6,), (InputNoise(noise, amount), Dense(5)), (Activation("tanh"), Dense(6)))


def _recurrent(layer: type[LSTM] | type[GRU]) -> Architecture:
    decoder = (RepeatVector(4), layer(3, return_sequences=True), Dense(2))
    return Architecture((4, 2), (layer(3),), decoder)


_LOSSES = {"leaky_relu": Loss("mae"), "elu": Loss("huber", delta=0.2), "sigmoid": Loss("bce")}

_EXAMPLES = (
    Example(
        "dense",
        Architecture(
            (6,),
            (Dense(5), Activation("tanh"), Dense(3)),
            (Dense(5), Activation("tanh"), Dense(6)),
        ),
    ),
    *(
        Example(function, _function_network(function), _LOSSES.get(function, Loss()))
        for function in ACTIVATIONS
    ),
    Example(
        "layer_norm",
        _behind_dense(LayerNorm(), Activation("relu"), Dense(4), LayerNorm()),
    ),
    Example(
        "batch_norm",
        # A bias before a normalisation has no gradient but rounding, which Adam makes a step of.
        Architecture(
            (6,),
            (
                *(Dense(5, use_bias=False), BatchNorm(), Activation("relu")),
                *(Dense(4, use_bias=False), BatchNorm(decay=0.5)),
            ),
            (Dense(6),),
        ),
    ),
    Example("dropout", _behind_dense(Activation("tanh"), Dropout(0.25))),
    Example(
        "conv2d_max_pool",
        # Windows that leave a line of the image out.
        Architecture(
            (7, 6, 1),
            (Conv2D(2, 3), Activation("relu"), MaxPool(2), Flatten(), Dense(3)),
            (
                *(Dense(24), Reshape((4, 3, 2)), Upsample(2)),
                Conv2D(1, (2, 3), padding=((0, 0), (1, 1))),
            ),
        ),
    ),
    Example(
        "conv2d_average_pool",
        Architecture(
            (5, 5, 1),
            (Conv2D(2, 3), Activation("tanh"), AveragePool(2)),
            (Upsample(3), Conv2D(1, 2, padding="valid"), Activation("sigmoid")),
        ),
        Loss("bce"),
    ),
    Example(
        "conv2d_transpose",
        Architecture(
            (5, 5, 1),
            (Conv2D(2, 3, stride=2), Activation("relu")),
            (Conv2DTranspose(1, 3, stride=2, padding=((1, 1), (1, 1))),),
        ),
    ),
    Example(
        "conv1d",
        Architecture(
            (7, 2),
            (Conv1D(3, 3, stride=2), Activation("relu"), MaxPool(2)),
            (Upsample(4), Conv1D(2, 2, padding="valid")),
        ),
    ),
    Example("lstm", _recurrent(LSTM)),
    Example("gru", _recurrent(GRU)),
    Example(
        "variational",
        _behind_dense(
            Activation("tanh"), GaussianLatent(3, beta=0.5, warm_up_steps=20, kl_in_score=True)
        ),
    ),
    Example(
        "gaussian_output",
        Architecture((6,), (Dense(5), Activation("tanh")), (Dense(12), GaussianOutput())),
        Loss("gaussian"),
    ),
    Example("noise_gaussian", _denoising("gaussian", 0.1)),
    Example("noise_masking", _denoising("masking", 0.3)),
    Example("noise_swap", _denoising("swap", 0.3)),
    Example("sparse", _behind_dense(Activation("relu"), ActivityRegularization(0.1))),
    Example(
        "residual",
        _behind_dense(Residual((Dense(5), Activation("relu"), Residual((Dense(5),))))),
    ),
    Example(
        "residual_conv2d",
        Architecture(
            (4, 4, 1),
            (
                Conv2D(2, 3),
                Residual((Conv2D(2, 3, use_bias=False), BatchNorm(), Activation("relu"))),
                AveragePool(2),
            ),
            (Upsample(2), Conv2D(1, 3)),
        ),
    ),
)

EXAMPLES: Mapping[str, Example] = {example.name: example for example in _EXAMPLES}
"""Every example by its name."""
