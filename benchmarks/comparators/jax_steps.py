"""Convolutions and LSTMs in JAX by hand: JAX's own operators, one compiled call a step.

Step by step, as XLA's convolutions with JAX's own gradients are 2 to 20 times slower on a CPU
inside a compiled loop than outside it. The state is donated, rows and order stay on the device,
which counts the steps too, and losses are not read before the end.
"""

from __future__ import annotations

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload, epoch_order

TITLE = "jax, one compiled call a step"
KINDS = frozenset({"convolutional", "lstm", "conv1d"})
DEVICES = frozenset({"cpu", "cuda"})
EXPERT = True

SCORED_AT_ONCE = 1024
EXACT = jax.lax.Precision.HIGHEST


def forward(architecture, parameters, x):
    """Reconstruct rows."""
    for placed in architecture.layers:
        layer, kind = placed.layer, placed.layer.kind
        own = [parameters[parameter.name] for parameter in placed.parameters]
        if kind == "dense":
            x = jnp.matmul(x, own[0], precision=EXACT) + own[1]
        elif kind == "activation":
            x = {"relu": jax.nn.relu, "sigmoid": jax.nn.sigmoid}[layer.function](x)
        elif kind in ("conv1d", "conv2d"):
            _, strides, _ = layer.geometry(placed.input_shape)
            axes = "HW"[: x.ndim - 2]
            numbers = (f"N{axes}C", f"{axes}IO", f"N{axes}C")
            x = own[1] + jax.lax.conv_general_dilated(
                x, own[0], strides, "SAME", dimension_numbers=numbers, precision=EXACT
            )
        elif kind == "upsample":
            for axis, factor in enumerate(layer.factors(placed.input_shape), start=1):
                x = jnp.repeat(x, factor, axis)
        elif kind == "lstm":
            x = lstm(x, *own, sequences=layer.return_sequences)
        elif kind == "repeat_vector":
            x = jnp.broadcast_to(x[:, None], (len(x), *placed.output_shape))
        else:
            x = x.reshape(len(x), *placed.output_shape)
    return x


def lstm(x, kernel, recurrent_kernel, bias, *, sequences):
    """Go through time; the input's part of the gates is computed for all times at once."""

    def step(state, projected):
        hidden, cell = state
        gates = projected + jnp.matmul(hidden, recurrent_kernel, precision=EXACT)
        i, f, g, o = jnp.split(gates, 4, axis=-1)
        cell = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(g)
        hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
        return (hidden, cell), hidden if sequences else None

    projected = jnp.matmul(x.swapaxes(0, 1), kernel, precision=EXACT) + bias
    zeros = jnp.zeros((len(x), len(recurrent_kernel)), x.dtype)
    (hidden, _), states = jax.lax.scan(step, (zeros, zeros), projected)
    return states.swapaxes(0, 1) if sequences else hidden


def train_step(architecture, batch_size, state, rows, order, *, size):
    """One step of Adam on `size` rows; the sum of the row losses is added to the state's."""
    parameters, moment_1, moment_2, count, total = state
    # Which rows is found on the device, so that nothing is sent there in a step.
    steps = -(-len(order) // batch_size)
    start = (count % steps) * batch_size
    batch = jax.lax.dynamic_slice_in_dim(order, start, size)

    def loss_of(parameters):
        return jnp.mean(jnp.square(forward(architecture, parameters, x) - x))

    x = rows.at[batch].get(mode="promise_in_bounds")
    loss, gradients = jax.value_and_grad(loss_of)(parameters)
    count = count + 1
    moment_1 = jax.tree.map(lambda m, g: BETA_1 * m + (1 - BETA_1) * g, moment_1, gradients)
    moment_2 = jax.tree.map(lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, moment_2, gradients)
    correct_1 = -jnp.expm1(count * jnp.log(BETA_1))
    correct_2 = -jnp.expm1(count * jnp.log(BETA_2))
    parameters = jax.tree.map(
        lambda p, m, v: p - LEARNING_RATE * (m / correct_1) / (jnp.sqrt(v / correct_2) + EPSILON),
        parameters, moment_1, moment_2,
    )  # fmt: skip
    return parameters, moment_1, moment_2, count, total + loss * size


def errors(architecture, parameters, x):
    """Mean squared error of each row."""
    return jnp.square(forward(architecture, parameters, x) - x).reshape(len(x), -1).mean(1)


class Steps:
    """Trains a workload's network; everything stays on the device."""

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload = workload
        self.device = jax.devices(device)[0]
        # As an argument, an architecture would be hashed at every call.
        architecture = workload.architecture()
        self.train_step = jax.jit(
            partial(train_step, architecture, workload.batch_size),
            static_argnames="size",
            donate_argnums=0,
        )
        self.errors = jax.jit(partial(errors, architecture))
        self.parameters = None

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        count, batch_size = len(rows), self.workload.batch_size
        resident = jax.device_put(rows, self.device)
        parameters = self.workload.weights()
        moments = [jax.tree.map(np.zeros_like, parameters) for _ in range(2)]
        state = jax.device_put((parameters, *moments, np.int32(0), np.float32(0)), self.device)
        totals = []
        for epoch in range(epochs):
            order = jax.device_put(epoch_order(count, epoch).astype(np.int32), self.device)
            for start in range(0, count, batch_size):
                size = min(batch_size, count - start)
                state = self.train_step(state, resident, order, size=size)
            totals.append(state[-1] + 0)  # a copy: the next step reuses the state's memory
        self.parameters = state[0]
        return [float(part) / count for part in np.diff(np.stack(totals), prepend=0)]

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean squared error of each row."""
        parts = range(0, len(rows), SCORED_AT_ONCE)
        return np.concatenate(
            [self.errors(self.parameters, rows[start : start + SCORED_AT_ONCE]) for start in parts]
        )


def contender(workload: Workload, device: str) -> Steps:
    """Make one for a workload."""
    return Steps(workload, device)
