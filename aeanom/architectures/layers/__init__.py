"""Layers as frozen descriptions: what they are called, the shapes they make, what they hold.

A description computes nothing. Each backend has a function of the same name in its own
`layers.py`, in the same order as here. Rows have their channels last: `(features,)`,
`(time, channels)` or `(height, width, channels)`. Imports the standard library and
`aeanom.errors`; read `architecture.py` next.
"""

# The order is that of `LAYERS`, and of every backend's functions.
from aeanom.architectures.layers.base import (
    INITIALIZERS,
    LAYERS,
    Draws,
    Layer,
    Parameter,
    PlacedLayer,
    Shape,
    layer_from_dict,
    place_layers,
)
from aeanom.architectures.layers.dense import (
    ACTIVATIONS,
    LEAKY_SLOPE,
    SELU_ALPHA,
    SELU_SCALE,
    Activation,
    BatchNorm,
    Dense,
    Dropout,
    Flatten,
    LayerNorm,
    Reshape,
    Residual,
)  # isort: split

from aeanom.architectures.layers.convolution import (
    AveragePool,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Geometry,
    MaxPool,
    Upsample,
)  # isort: split

from aeanom.architectures.layers.recurrent import GRU, LSTM, RepeatVector  # isort: split

from aeanom.architectures.layers.probabilistic import (
    LOG_VARIANCE_BOUND,
    ActivityRegularization,
    GaussianLatent,
    GaussianOutput,
    InputNoise,
)

__all__ = [
    "ACTIVATIONS",
    "GRU",
    "INITIALIZERS",
    "LAYERS",
    "LEAKY_SLOPE",
    "LOG_VARIANCE_BOUND",
    "LSTM",
    "SELU_ALPHA",
    "SELU_SCALE",
    "Activation",
    "ActivityRegularization",
    "AveragePool",
    "BatchNorm",
    "Conv1D",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "Draws",
    "Dropout",
    "Flatten",
    "GaussianLatent",
    "GaussianOutput",
    "Geometry",
    "InputNoise",
    "Layer",
    "LayerNorm",
    "MaxPool",
    "Parameter",
    "PlacedLayer",
    "RepeatVector",
    "Reshape",
    "Residual",
    "Shape",
    "Upsample",
    "layer_from_dict",
    "place_layers",
]
