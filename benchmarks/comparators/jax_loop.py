"""JAX as experts train with it: one compiled call an epoch over rows that stay on the device.

What is kept: `fori_loop` over the steps with the state donated, each batch gathered in the loop,
indices promised to be in bounds, the backward pass written out; the short last batch is padded
with rows of weight zero.

What was tried (ratio of an epoch's time to what is kept; two cores): `lax.scan` over the batches
1.0-1.1, unrolled by two 1.0; `jax.value_and_grad` instead of the written-out backward pass 1.05;
`mode="clip"` 1.0-1.2 and `mode="fill"` 1.1; shuffling the whole epoch first and slicing 1.15-1.25;
one flat parameter vector 1.2 (slices of it are copied before each product); kernels stored
(out, in) 1.0; the short batch as a second copy of the step 1.0-1.1 and half as much
compilation again; three epochs in one call 0.75-0.95 per epoch, on busy cores: not settled. Most
ratios were taken in pairs that differ in one thing only, not against the final file.
"""

from __future__ import annotations

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload, epoch_order

TITLE = "jax, one compiled call an epoch"
KINDS = frozenset({"dense"})
DEVICES = frozenset({"cpu", "cuda"})
EXPERT = True

SCORED_AT_ONCE = 8192
matmul = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)


def forward(parameters, x, *, sigmoid):
    """Return the values of all layers, the rows first."""
    values = [x]
    last = len(parameters) - 1
    for layer, (kernel, bias) in enumerate(parameters):
        h = matmul(values[-1], kernel) + bias
        if layer < last:
            h = jnp.maximum(h, 0)
        elif sigmoid:
            h = jax.nn.sigmoid(h)
        values.append(h)
    return values


def loss_and_gradients(parameters, x, share, *, sigmoid):
    """Return the weighted loss of one batch, and its gradients; `share` sums to 1."""
    values = forward(parameters, x, sigmoid=sigmoid)
    y = values[-1]
    error = y - x
    loss = jnp.sum(jnp.mean(error * error, axis=1) * share)
    d = error * (share[:, None] * (2 / x.shape[1]))
    if sigmoid:
        d = d * y * (1 - y)
    gradients = [None] * len(parameters)
    for layer in reversed(range(len(parameters))):
        gradients[layer] = (matmul(values[layer].T, d), d.sum(0))
        if layer:
            d = jnp.where(values[layer] > 0, matmul(d, parameters[layer][0].T), 0)
    return loss, gradients


@partial(jax.jit, static_argnames="sigmoid", donate_argnums=0)
def run_epoch(state, rows, order, row_weights, *, sigmoid):
    """One epoch; `order` and `row_weights` are (steps, batch). Returns the state and the loss."""

    def body(index, carry):
        (parameters, moment_1, moment_2, step), total = carry
        weight = row_weights[index].sum()
        x = rows.at[order[index]].get(mode="promise_in_bounds")
        share = row_weights[index] / weight
        loss, gradients = loss_and_gradients(parameters, x, share, sigmoid=sigmoid)
        step = step + 1
        moment_1 = jax.tree.map(
            lambda m, g: BETA_1 * m + (1 - BETA_1) * g, moment_1, gradients)  # fmt: skip
        moment_2 = jax.tree.map(
            lambda v, g: BETA_2 * v + (1 - BETA_2) * g * g, moment_2, gradients)  # fmt: skip
        # 1 - BETA_2**step in float32 would be off by 1e-5 at the first steps.
        correct_1 = -jnp.expm1(step * math.log(BETA_1))
        correct_2 = -jnp.expm1(step * math.log(BETA_2))
        parameters = jax.tree.map(
            lambda p, m, v: p
            - LEARNING_RATE * (m / correct_1) / (jnp.sqrt(v / correct_2) + EPSILON),
            parameters, moment_1, moment_2,
        )  # fmt: skip
        return (parameters, moment_1, moment_2, step), total + loss * weight

    state, total = jax.lax.fori_loop(0, order.shape[0], body, (state, jnp.float32(0)))
    return state, total / row_weights.sum()


@partial(jax.jit, static_argnames="sigmoid")
def errors(parameters, x, *, sigmoid):
    """Mean squared error of each row."""
    return jnp.square(forward(parameters, x, sigmoid=sigmoid)[-1] - x).mean(1)


class Loop:
    """Trains a workload's dense network; everything stays on the device."""

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload = workload
        self.device = jax.devices(device)[0]
        self.sigmoid = workload.architecture().output_activation == "sigmoid"
        self.parameters = None

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        count, batch_size = len(rows), self.workload.batch_size
        steps = -(-count // batch_size)
        row_weights = np.ones(steps * batch_size, np.float32)
        row_weights[count:] = 0
        row_weights = jax.device_put(row_weights.reshape(steps, batch_size), self.device)
        resident = jax.device_put(rows, self.device)
        arrays = list(self.workload.weights().values())
        parameters = list(zip(arrays[::2], arrays[1::2], strict=True))
        moments = [jax.tree.map(np.zeros_like, parameters) for _ in range(2)]
        state = jax.device_put((parameters, *moments, np.float32(0)), self.device)
        losses = []
        for epoch in range(epochs):
            order = epoch_order(count, epoch).astype(np.int32)
            order = np.resize(order, (steps, batch_size))
            state, loss = run_epoch(state, resident, order, row_weights, sigmoid=self.sigmoid)
            losses.append(loss)  # not read yet: the next order is drawn while this epoch runs
        self.parameters = state[0]
        return [float(loss) for loss in losses]

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean squared error of each row."""
        parts = []
        for start in range(0, len(rows), SCORED_AT_ONCE):
            block = rows[start : start + SCORED_AT_ONCE]
            if len(block) < SCORED_AT_ONCE:  # the last one: another shape would be compiled anew
                block = np.resize(block, (SCORED_AT_ONCE, rows.shape[1]))
            parts.append(errors(self.parameters, block, sigmoid=self.sigmoid))
        return np.concatenate(parts)[: len(rows)]


def contender(workload: Workload, device: str) -> Loop:
    """Make one for a workload."""
    return Loop(workload, device)
