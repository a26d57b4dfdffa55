"""The layers of `aeanom.architectures` in NumPy, forward and backward, in the same order.

A layer writes into arrays of a `Workspace`, which are made once and used again in every step. It
never changes its input, but for activations that directly follow a dense layer: they work in
place on what that one wrote.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from aeanom.architectures import Activation, Architecture, Dense, Dropout, PlacedLayer, Shape
from aeanom.architectures.layers import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from aeanom.core.weights import Float, Weights

Noise = Mapping[str, Float]


class Workspace:
    """Arrays that are made at the first use and overwritten at every later one.

    `inputs` holds what each layer was given in the last forward pass. A workspace belongs to one
    thread.
    """

    def __init__(self, dtype: str) -> None:
        self.inputs: dict[str, Float] = {}
        self._dtype = dtype
        self._arrays: dict[tuple[str, Shape], Float] = {}
        self._ones = np.ones(0, dtype)

    def array(self, name: str, shape: Shape) -> Float:
        """Return an array of this name and shape; its content is whatever was left in it."""
        # One array for every length, as long as the longest yet.
        array = self._arrays.get((name, shape[1:]))
        if array is None or len(array) < shape[0]:
            array = self._arrays[name, shape[1:]] = np.empty(shape, self._dtype)
        return array if len(array) == shape[0] else array[: shape[0]]

    def ones(self, size: int) -> Float:
        """Return a vector of ones."""
        if len(self._ones) < size:
            self._ones = np.ones(size, self._dtype)
        return self._ones[:size]


class NumpyLayer(ABC):
    """What to do with a batch, and with the gradient of the output for that batch."""

    def __init__(self, placed: PlacedLayer, parameters: Weights) -> None:
        self.name = placed.name

    @abstractmethod
    def forward(self, x: Float, workspace: Workspace, noise: Noise | None) -> Float:
        """Return the layer's output."""

    @abstractmethod
    def backward(
        self, delta: Float, gradients: Weights, workspace: Workspace, *, wanted: bool
    ) -> Float:
        """Write the parameters' gradients and return that of the input, if it is `wanted`.

        `delta`, the gradient of the output, may be overwritten.
        """


class DenseLayer(NumpyLayer):
    """`x @ kernel + bias`."""

    def __init__(self, placed: PlacedLayer, parameters: Weights) -> None:
        super().__init__(placed, parameters)
        assert isinstance(placed.layer, Dense)
        self.kernel = parameters[f"{placed.name}.kernel"]
        self.bias = parameters.get(f"{placed.name}.bias")

    def forward(self, x: Float, workspace: Workspace, noise: Noise | None) -> Float:
        """Multiply and add."""
        workspace.inputs[self.name] = x
        y = workspace.array(self.name, (*x.shape[:-1], self.kernel.shape[1]))
        np.matmul(x, self.kernel, out=y)
        if self.bias is not None:
            y += self.bias
        return y

    def backward(
        self, delta: Float, gradients: Weights, workspace: Workspace, *, wanted: bool
    ) -> Float:
        """Gradients are `x.T @ delta`, the sum of `delta`, and `delta @ kernel.T`."""
        x = workspace.inputs[self.name]
        np.matmul(x.T, delta, out=gradients[f"{self.name}.kernel"])
        if self.bias is not None:
            # The sum over the batch as a product with ones: BLAS is quicker at it.
            ones = workspace.ones(len(delta))
            np.matmul(ones, delta, out=gradients[f"{self.name}.bias"])
        if not wanted:
            return delta
        return np.matmul(delta, self.kernel.T, out=workspace.array(f"{self.name}.delta", x.shape))


class ActivationLayer(NumpyLayer):
    """An element-wise function."""

    def __init__(self, placed: PlacedLayer, parameters: Weights, *, in_place: bool) -> None:
        super().__init__(placed, parameters)
        assert isinstance(placed.layer, Activation)
        self.function = FUNCTIONS[placed.layer.function]
        self.in_place = in_place and not self.function.needs_input

    def forward(self, x: Float, workspace: Workspace, noise: Noise | None) -> Float:
        """Apply the function."""
        y = x if self.in_place else workspace.array(self.name, x.shape)
        self.function.forward(x, y)
        workspace.inputs[self.name] = x if self.function.needs_input else y
        return y

    def backward(
        self, delta: Float, gradients: Weights, workspace: Workspace, *, wanted: bool
    ) -> Float:
        """Multiply `delta` by the derivative, in place."""
        self.function.backward(delta, workspace.inputs[self.name])
        return delta


class DropoutLayer(NumpyLayer):
    """Multiplies by the noise it is handed; without any it does nothing."""

    def __init__(self, placed: PlacedLayer, parameters: Weights) -> None:
        super().__init__(placed, parameters)
        assert isinstance(placed.layer, Dropout)

    def forward(self, x: Float, workspace: Workspace, noise: Noise | None) -> Float:
        """Multiply by the factors."""
        if noise is None:
            # Else a later `backward` would multiply by the factors of an earlier pass.
            workspace.inputs.pop(self.name, None)
            return x
        workspace.inputs[self.name] = factors = noise[self.name]
        return np.multiply(x, factors, out=workspace.array(self.name, x.shape))

    def backward(
        self, delta: Float, gradients: Weights, workspace: Workspace, *, wanted: bool
    ) -> Float:
        """Multiply by the same factors."""
        factors = workspace.inputs.get(self.name)
        if factors is not None:
            delta *= factors
        return delta


LAYERS: Mapping[str, type[NumpyLayer]] = {
    "dense": DenseLayer,
    "activation": ActivationLayer,
    "dropout": DropoutLayer,
}


class Network:
    """Encoder and decoder as lists of layers that share the arrays of `parameters`.

    Attributes
    ----------
    encoder, decoder : list of NumpyLayer
    parameters : dict of str to ndarray
        Live arrays by canonical name.
    """

    def __init__(self, architecture: Architecture, parameters: Weights) -> None:
        made: list[NumpyLayer] = []
        n_encoder = len(architecture.encoder)
        for placed in architecture.layers:
            if isinstance(placed.layer, Activation):
                # The decoder's first layer may be handed latents of the caller's.
                follows_dense = len(made) not in (0, n_encoder) and isinstance(made[-1], DenseLayer)
                made.append(ActivationLayer(placed, parameters, in_place=follows_dense))
            else:
                made.append(LAYERS[placed.layer.kind](placed, parameters))
        self.encoder = made[:n_encoder]
        self.decoder = made[n_encoder:]
        self.parameters = parameters

    def __call__(self, x: Float) -> Float:
        """Reconstruct rows."""
        return self.output(x, Workspace(x.dtype.name), logits=False)

    def encode(self, x: Float, workspace: Workspace) -> Float:
        """Map rows to latents; the result lies in the workspace."""
        return _forward(self.encoder, x, workspace, None)

    def decode(self, z: Float, workspace: Workspace) -> Float:
        """Map latents to rows; the result lies in the workspace."""
        return _forward(self.decoder, z, workspace, None)

    def output(
        self, x: Float, workspace: Workspace, *, logits: bool, noise: Noise | None = None
    ) -> Float:
        """Reconstruct rows in training: with noise factors, and up to the logits if asked."""
        return _forward(self._layers(logits), x, workspace, noise)

    def backward(
        self, delta: Float, gradients: Weights, workspace: Workspace, *, logits: bool
    ) -> None:
        """Write the gradients of all parameters, given that of the last `output`."""
        layers = self._layers(logits)
        for index in range(len(layers) - 1, -1, -1):
            delta = layers[index].backward(delta, gradients, workspace, wanted=index > 0)

    def _layers(self, logits: bool) -> list[NumpyLayer]:
        return self.encoder + (self.decoder[:-1] if logits else self.decoder)


def _forward(
    layers: Sequence[NumpyLayer], x: Float, workspace: Workspace, noise: Noise | None
) -> Float:
    for layer in layers:
        x = layer.forward(x, workspace, noise)
    return x


class Function(NamedTuple):
    """An activation: `forward(x, y)` writes y, `backward(delta, saved)` multiplies delta.

    `saved` is the output, or the input where the derivative cannot be had from the output. With
    the output, `x` and `y` may be one array. `backward` may overwrite `saved`, whose last use it
    is.
    """

    forward: Callable[[Float, Float], None]
    backward: Callable[[Float, Float], None]
    needs_input: bool = False


def _linear(x: Float, y: Float) -> None:
    if y is not x:
        y[...] = x


def _linear_backward(delta: Float, y: Float) -> None:
    pass


def _relu(x: Float, y: Float) -> None:
    np.maximum(x, 0, out=y)


def _relu_backward(delta: Float, y: Float) -> None:
    # Ten times quicker than writing zeros through a mask.
    delta *= y > 0


def _leaky_relu(x: Float, y: Float) -> None:
    # The slope is below 1, so the larger of the two is the right one on both sides.
    np.maximum(x, LEAKY_SLOPE * x, out=y)


def _leaky_relu_backward(delta: Float, y: Float) -> None:
    np.multiply(delta, LEAKY_SLOPE, out=delta, where=y <= 0)


def _elu(x: Float, y: Float) -> None:
    y[...] = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _elu_backward(delta: Float, y: Float) -> None:
    np.multiply(delta, y + 1, out=delta, where=y <= 0)


def _selu(x: Float, y: Float) -> None:
    y[...] = SELU_SCALE * np.where(x >= 0, x, SELU_ALPHA * np.expm1(np.minimum(x, 0)))


def _selu_backward(delta: Float, y: Float) -> None:
    delta *= np.where(y >= 0, SELU_SCALE, y + SELU_SCALE * SELU_ALPHA)


def _gelu(x: Float, y: Float) -> None:
    y[...] = 0.5 * x * (1 + _erf(x * 0.5**0.5))


def _gelu_backward(delta: Float, x: Float) -> None:
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    delta *= 0.5 * (1 + _erf(x * 0.5**0.5)) + x * density


def _silu(x: Float, y: Float) -> None:
    _sigmoid(x, y)
    y *= x


def _silu_backward(delta: Float, x: Float) -> None:
    sigmoid = np.empty_like(x)
    _sigmoid(x, sigmoid)
    delta *= sigmoid * (1 + x * (1 - sigmoid))


def _tanh(x: Float, y: Float) -> None:
    np.tanh(x, out=y)


def _tanh_backward(delta: Float, y: Float) -> None:
    delta *= 1 - y * y


def _sigmoid(x: Float, y: Float) -> None:
    # exp overflows to infinity far on the left, whose reciprocal is the right answer.
    np.negative(x, out=y)
    np.exp(y, out=y)
    y += 1
    np.reciprocal(y, out=y)


def _sigmoid_backward(delta: Float, y: Float) -> None:
    delta *= y
    np.subtract(1, y, out=y)
    delta *= y


def _softplus(x: Float, y: Float) -> None:
    np.logaddexp(x, 0, out=y)


def _softplus_backward(delta: Float, y: Float) -> None:
    delta *= -np.expm1(-y)


FUNCTIONS: Mapping[str, Function] = {
    "linear": Function(_linear, _linear_backward),
    "relu": Function(_relu, _relu_backward),
    "leaky_relu": Function(_leaky_relu, _leaky_relu_backward),
    "elu": Function(_elu, _elu_backward),
    "selu": Function(_selu, _selu_backward),
    "gelu": Function(_gelu, _gelu_backward, needs_input=True),
    "silu": Function(_silu, _silu_backward, needs_input=True),
    "tanh": Function(_tanh, _tanh_backward),
    "sigmoid": Function(_sigmoid, _sigmoid_backward),
    "softplus": Function(_softplus, _softplus_backward),
}


def _erf(x: Float) -> Float:
    try:
        from scipy.special import erf
    except ImportError:
        # A scorer installed without SciPy: the same values from the C library, one by one.
        each: Float = np.vectorize(math.erf, otypes=[x.dtype])(x)
        return each
    values: Float = erf(x)
    return values
