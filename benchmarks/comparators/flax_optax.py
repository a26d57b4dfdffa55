"""Flax and Optax as people use them: an `nnx` module, `nnx.Optimizer`, a jitted step in a loop."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import nnx

from aeanom.architectures import Architecture
from benchmarks.workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload

TITLE = "Flax and Optax, step by step"
KINDS = frozenset({"dense", "convolutional", "lstm", "conv1d"})
DEVICES = frozenset({"cpu", "cuda"})

SCORED_AT_ONCE = 8192
FUNCTIONS = {"relu": nnx.relu, "sigmoid": nnx.sigmoid, "linear": lambda x: x}
# To `nnx.jit` functions are the same only if they are one object: with new ones, an optimiser's or
# a layer's, it would compile anew in every fit.
ADAM = optax.adam(LEARNING_RATE, BETA_1, BETA_2, EPSILON)


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
    if kind == "lstm":
        lstm = nnx.RNN(nnx.OptimizedLSTMCell(inputs, layer.units, rngs=rngs))
        return lstm if layer.return_sequences else nnx.Sequential(lstm, last_state)
    if kind in ("conv1d", "conv2d"):
        window, strides, _ = layer.geometry(placed.input_shape)
        return nnx.Conv(inputs, layer.filters, window, strides, padding="SAME", rngs=rngs)
    if kind == "upsample":
        return upsample(layer.factors(placed.input_shape))
    if kind == "repeat_vector":
        return repeat_vector(layer.times)
    if kind in ("flatten", "reshape"):
        return reshape(placed.output_shape)
    raise NotImplementedError(kind)


def last_state(states):
    """Return an LSTM's state at the last time."""
    return states[:, -1]


@cache
def upsample(factors: tuple[int, ...]):
    """Return a layer that repeats each value along every axis."""

    def layer(x):
        for axis, factor in enumerate(factors, start=1):
            x = jnp.repeat(x, factor, axis)
        return x

    return layer


@cache
def repeat_vector(times: int):
    """Return a layer that puts a row at every one of so many times."""
    return lambda x: jnp.repeat(x[:, None], times, axis=1)


@cache
def reshape(shape: tuple[int, ...]):
    """Return a layer that gives rows this shape."""
    return lambda x: x.reshape(len(x), *shape)


def parameters_of(layer) -> list[nnx.Param]:
    """Parameters of a layer in the order of the workload's weights."""
    if isinstance(layer, nnx.Sequential):
        return [parameter for part in layer.layers for parameter in parameters_of(part)]
    if isinstance(layer, nnx.RNN):
        cell = layer.cell
        return [cell.dense_i.kernel, cell.dense_h.kernel, cell.dense_h.bias]
    if isinstance(layer, nnx.Linear | nnx.Conv):
        return [layer.kernel, layer.bias]
    return []


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
        self.device = jax.devices(device)[0]
        self.model = None

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        with jax.default_device(self.device):
            return self._fit(rows, epochs)

    def _fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        count, batch_size = len(rows), self.workload.batch_size
        self.model = Model(self.workload.architecture(), nnx.Rngs(0))
        parameters = [one for layer in self.model.layers for one in parameters_of(layer)]
        for parameter, array in zip(parameters, self.workload.weights().values(), strict=True):
            parameter[...] = array
        optimizer = nnx.Optimizer(self.model, ADAM, wrt=nnx.Param)
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
        with jax.default_device(self.device):
            return np.concatenate(
                [errors(self.model, rows[start : start + SCORED_AT_ONCE]) for start in parts]
            )


def contender(workload: Workload, device: str) -> Stepwise:
    """Make one for a workload."""
    return Stepwise(workload, device)
