"""Flax and Optax as people use them: an `nnx` module, `nnx.Optimizer`, a jitted step in a loop."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from aeanom.architectures import Architecture
from benchmarks.workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload

TITLE = "Flax and Optax, step by step"
KINDS = frozenset({"dense", "convolutional", "conv1d"})
DEVICES = frozenset({"cpu", "cuda"})

SCORED_AT_ONCE = 8192
FUNCTIONS = {"relu": nnx.relu, "sigmoid": nnx.sigmoid, "linear": lambda x: x}


class Model(nnx.Module):
    """Layers one behind the other, as a description tells them."""

    def __init__(self, architecture: Architecture, rngs: nnx.Rngs) -> None:
        self.layers = nnx.List([_layer(placed, rngs) for placed in architecture.layers])

    def __call__(self, x):
        """Reconstruct rows."""
        for layer in self.layers:
            x = layer(x)
        return x


def _layer(placed, rngs: nnx.Rngs):
    layer, kind, inputs = placed.layer, placed.layer.kind, placed.input_shape[-1]
    if kind == "dense":
        return nnx.Linear(inputs, layer.units, rngs=rngs)
    if kind == "activation":
        return FUNCTIONS[layer.function]
    if kind in ("conv1d", "conv2d"):
        window, strides, _ = layer.geometry(placed.input_shape)
        return nnx.Conv(inputs, layer.filters, window, strides, padding="SAME", rngs=rngs)
    if kind == "upsample":
        factors = layer.factors(placed.input_shape)
        return lambda x: _upsample(x, factors)
    if kind in ("flatten", "reshape"):
        return lambda x: x.reshape(len(x), *placed.output_shape)
    raise NotImplementedError(kind)


def _upsample(x, factors):
    for axis, factor in enumerate(factors, start=1):
        x = jnp.repeat(x, factor, axis)
    return x


@nnx.jit
def train_step(model, optimizer, x):
    """One step of Adam on the mean squared error of a batch."""

    def loss_of(model):
        return jnp.mean((model(x) - x) ** 2)

    loss, gradients = nnx.value_and_grad(loss_of)(model)
    optimizer.update(model, gradients)
    return loss


@nnx.jit
def errors(model, x):
    """Mean squared error of each row."""
    return jnp.mean((model(x) - x) ** 2, axis=tuple(range(1, x.ndim)))


class Stepwise:
    """Trains a workload's network, one jitted call a step."""

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload = workload
        kind, _, index = device.partition(":")
        self.device = jax.devices(kind)[int(index or 0)]
        self.model = None

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        with jax.default_device(self.device):
            return self._fit(rows, epochs)

    def _fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        count, batch_size = len(rows), self.workload.batch_size
        self.model = Model(self.workload.architecture(), nnx.Rngs(0))
        weights = iter(self.workload.weights().values())
        for layer in self.model.layers:
            if isinstance(layer, nnx.Linear | nnx.Conv):
                layer.kernel[...], layer.bias[...] = next(weights), next(weights)
        adam = optax.adam(LEARNING_RATE, BETA_1, BETA_2, EPSILON)
        optimizer = nnx.Optimizer(self.model, adam, wrt=nnx.Param)
        rows, generator = jnp.asarray(rows), np.random.default_rng(0)
        history = []
        for _ in range(epochs):
            order, total = generator.permutation(count), 0.0
            for start in range(0, count, batch_size):
                batch = rows[order[start : start + batch_size]]
                total += train_step(self.model, optimizer, batch) * len(batch)
            history.append(float(total) / count)
        return history

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean squared error of each row."""
        parts = range(0, len(rows), SCORED_AT_ONCE)
        return np.concatenate(
            [errors(self.model, rows[start : start + SCORED_AT_ONCE]) for start in parts]
        )

    def memory(self) -> int | None:
        """Most bytes of the device's memory in use so far."""
        statistics = self.device.memory_stats()
        return statistics["peak_bytes_in_use"] if statistics else None


def contender(workload: Workload, device: str) -> Stepwise:
    """Make one for a workload."""
    return Stepwise(workload, device)
