"""`Network`: encoder and decoder as lists of `tf.Module`s, and the noise of a training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import tensorflow as tf

from aeanom.architectures import Architecture
from aeanom.backends.tensorflow.layers import LAYERS, Bound, Pass
from aeanom.backends.tensorflow.module import ModuleNetwork, draw_states
from aeanom.core.layers import Context, bind, run
from aeanom.core.modules import ModuleArchitecture

Noise = Mapping[str, tf.Tensor]
Parameters = dict[str, tf.Tensor]


class LayerModule(tf.Module):
    """One layer: its arrays are attributes, `kernel` and `bias` say, under their canonical names.

    A residual block holds modules as `inner`.
    """

    def __init__(self, bound: Bound) -> None:
        super().__init__(name=bound.layer.kind)
        self.bound = bound
        self.inner = [LayerModule(part) for part in bound.inner]
        for name, array in bound.parameters.items():
            setattr(self, name, array)

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Apply the layer as in scoring."""
        return run(LAYERS, (self.bound,), x, Context())


class Network(tf.Module):
    """Encoder and decoder as lists of modules.

    Its parameters are variables in the network that users see, and tensors in the one that is
    put together inside a compiled function. `trainable` are those that gradients are taken of.
    """

    def __init__(self, architecture: Architecture, parameters: Parameters) -> None:
        super().__init__()
        self.trainable = {held.name: parameters[held.name] for held in architecture.trainable}
        made = [LayerModule(bind(placed, parameters)) for placed in architecture.layers]
        n_encoder = len(architecture.encoder)
        self.encoder: Sequence[LayerModule] = made[:n_encoder]
        self.decoder: Sequence[LayerModule] = made[n_encoder:]

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        """Reconstruct rows."""
        return self.decode(self.encode(x))

    def encode(self, x: tf.Tensor, context: Pass | None = None) -> tf.Tensor:
        """Map rows to latents."""
        return _run(self.encoder, x, Context())

    def decode(self, z: tf.Tensor, context: Pass | None = None) -> tf.Tensor:
        """Map latents to rows."""
        return _run(self.decoder, z, Context())

    def output(self, x: tf.Tensor, context: Pass, *, raw: bool) -> tf.Tensor:
        """Reconstruct rows in a pass; `raw` returns what the last layer would be given."""
        layers = (*self.encoder, *self.decoder)
        return _run(layers[:-1] if raw else layers, x, context)


def _run(layers: Sequence[LayerModule], x: tf.Tensor, context: Pass) -> tf.Tensor:
    return run(LAYERS, (layer.bound for layer in layers), x, context)


def make_network(architecture: Architecture, parameters: Parameters) -> Network | ModuleNetwork:
    """Put a network together inside a compiled function: a described one, or a user's module."""
    if isinstance(architecture, ModuleArchitecture):
        return ModuleNetwork(architecture, parameters)
    return Network(architecture, parameters)


def uses_xla(architecture: Architecture, device: str) -> bool:
    """Whether the network's functions are compiled by XLA: all but one thing is faster for it.

    On a CPU, its convolutions are several times slower than TensorFlow's own. A user's module may
    do what XLA cannot.
    """
    if isinstance(architecture, ModuleArchitecture):
        return False
    return "GPU" in device or not architecture.kinds & {"conv1d", "conv2d", "conv2d_transpose"}


def compile_once(
    function: Callable[..., Any], architecture: Architecture, device: str
) -> Callable[..., Any]:
    """Compile a function of tensors and variables for the shapes of its first call, and no others.

    A `tf.function` looks closely at all its arguments at every call, to find the right one among
    its concrete functions. Here that one is called, which takes half the time for tiny networks.
    """
    # Functions are told apart by their code, and only `partial` objects by themselves.
    assert isinstance(function, partial)
    compiled = tf.function(function, jit_compile=uses_xla(architecture, device), autograph=False)
    made: list[Callable[..., Any]] = []

    def call(*arguments: Any) -> Any:
        if not made:
            made.append(compiled.get_concrete_function(*arguments))
        return made[0](*arguments)

    return call


def draw_noise(
    architecture: Architecture, seed: tf.Tensor, step: tf.Tensor, batch: int, dtype: tf.DType
) -> Noise:
    """Draw the random numbers of one step, statelessly, keyed by (seed, step, site)."""
    key = tf.stack([seed, step])
    if isinstance(architecture, ModuleArchitecture):
        return draw_states(architecture.module, key)
    drawn = {}
    for index, (name, (distribution, shape)) in enumerate(architecture.draws.items()):
        uniform = distribution == "uniform"
        draw = tf.random.stateless_uniform if uniform else tf.random.stateless_normal
        own_key = tf.random.experimental.stateless_fold_in(key, index)
        drawn[name] = draw((batch, *shape), seed=own_key, dtype=dtype)
    return drawn


def kept_with_network(make: Callable[..., Any]) -> Callable[..., Any]:
    """Keep what a function makes for an architecture, its first argument.

    For described networks in a cache that all share. What is compiled for a user's module is of
    use to that alone, and is kept with it: it goes when the module goes.
    """
    shared = lru_cache(maxsize=256)(make)

    def find(architecture: Architecture, *key: Any) -> Any:
        if not isinstance(architecture, ModuleArchitecture):
            return shared(architecture, *key)
        own = vars(architecture).setdefault("made", {})
        if (make, key) not in own:
            own[make, key] = make(architecture, *key)
        return own[make, key]

    return find
