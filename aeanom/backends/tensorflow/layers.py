"""The layers of `aeanom.architectures`, as `tf.Module`s, in the same order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from aeanom.architectures import Activation, Architecture, Dense, Dropout, PlacedLayer
from aeanom.architectures.layers import LEAKY_SLOPE, SELU_ALPHA, SELU_SCALE
from aeanom.core.noise import dropout_sites

Noise = Mapping[str, tf.Tensor]
Parameters = dict[str, tf.Tensor]


class DenseModule(tf.Module):
    """`x @ kernel + bias`; the kernel is the canonical one."""

    def __init__(self, placed: PlacedLayer, parameters: Parameters) -> None:
        super().__init__()
        layer = placed.layer
        assert isinstance(layer, Dense)
        self.kernel = parameters[f"{placed.name}.kernel"]
        self.bias = parameters[f"{placed.name}.bias"] if layer.use_bias else None

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Apply the layer."""
        product = tf.linalg.matmul(x, self.kernel)
        return product if self.bias is None else product + self.bias


class ActivationModule(tf.Module):
    """An element-wise function."""

    def __init__(self, placed: PlacedLayer, parameters: Parameters) -> None:
        super().__init__()
        assert isinstance(placed.layer, Activation)
        self.function = placed.layer.function

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Apply the function."""
        return FUNCTIONS[self.function](x)


class DropoutModule(tf.Module):
    """Nothing when scoring; in training the trainer multiplies by its draws."""

    def __init__(self, placed: PlacedLayer, parameters: Parameters) -> None:
        super().__init__()
        assert isinstance(placed.layer, Dropout)
        self.rate = placed.layer.rate

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Return `x`."""
        return x


LAYERS: Mapping[str, Callable[[PlacedLayer, Parameters], tf.Module]] = {
    "dense": DenseModule,
    "activation": ActivationModule,
    "dropout": DropoutModule,
}


class Network(tf.Module):
    """Encoder and decoder as lists of modules.

    Its parameters are variables in the network that users see, and tensors in the one that is
    put together inside a compiled function.
    """

    def __init__(self, architecture: Architecture, parameters: Parameters) -> None:
        super().__init__()
        made = [LAYERS[placed.layer.kind](placed, parameters) for placed in architecture.layers]
        n_encoder = len(architecture.encoder)
        self.encoder: Sequence[tf.Module] = made[:n_encoder]
        self.decoder: Sequence[tf.Module] = made[n_encoder:]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Reconstruct rows."""
        return self.decode(self.encode(x))

    def encode(self, x: tf.Tensor) -> tf.Tensor:
        """Map rows to latents."""
        for layer in self.encoder:
            x = layer(x)
        return x

    def decode(self, z: tf.Tensor) -> tf.Tensor:
        """Map latents to rows."""
        for layer in self.decoder:
            z = layer(z)
        return z

    def output(self, x: tf.Tensor, *, logits: bool, noise: Noise | None = None) -> tf.Tensor:
        """Reconstruct rows in training: with noise factors, and up to the logits if asked."""
        named = [
            (f"{part}.{index}", layer)
            for part, layers in (("encoder", self.encoder), ("decoder", self.decoder))
            for index, layer in enumerate(layers)
        ]
        for name, layer in named[:-1] if logits else named:
            if not isinstance(layer, DropoutModule):
                x = layer(x)
            elif noise is not None:
                x = x * noise[name]
        return x


def draw_noise(
    architecture: Architecture, seed: tf.Tensor, step: tf.Tensor, batch: int, dtype: tf.DType
) -> dict[str, tf.Tensor]:
    """Draw dropout factors for one step, statelessly, keyed by (seed, step, site)."""
    factors = {}
    for index, (name, (rate, shape)) in enumerate(dropout_sites(architecture).items()):
        key = tf.random.experimental.stateless_fold_in(tf.stack([seed, step]), index)
        draws = tf.random.stateless_uniform((batch, *shape), seed=key, dtype=dtype)
        factors[name] = tf.cast(draws >= rate, dtype) / (1 - rate)
    return factors


# Python numbers below become constants of the tensor's own dtype. `tf.cast(0.01, tf.float64)`
# would be a widened float32, and so are some constants inside `tf.nn`.


def _leaky_relu(x: tf.Tensor) -> tf.Tensor:
    return tf.where(x > 0, x, LEAKY_SLOPE * x)


def _selu(x: tf.Tensor) -> tf.Tensor:
    # The derivative at 0 is the right-hand one.
    negative = SELU_ALPHA * tf.math.expm1(tf.minimum(x, 0))
    return SELU_SCALE * tf.where(x >= 0, x, negative)


def _gelu(x: tf.Tensor) -> tf.Tensor:
    return 0.5 * x * (1 + tf.math.erf(x * 0.5**0.5))


FUNCTIONS: Mapping[str, Callable[[tf.Tensor], tf.Tensor]] = {
    "linear": lambda x: x,
    "relu": tf.nn.relu,
    "leaky_relu": _leaky_relu,
    "elu": tf.nn.elu,
    "selu": _selu,
    "gelu": _gelu,
    "silu": lambda x: x * tf.sigmoid(x),
    "tanh": tf.tanh,
    "sigmoid": tf.sigmoid,
    "softplus": tf.nn.softplus,
}
