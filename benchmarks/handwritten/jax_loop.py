"""The reference autoencoder trained by a hand-written JAX loop.

What is kept: one compiled call an epoch, `fori_loop` inside it with the state donated, each batch
gathered in the loop, indices promised to be in bounds, the backward pass written out; the short
last batch is padded with rows of weight zero.

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
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from .common import BETA_1, BETA_2, EPSILON, LEARNING_RATE, epoch_order, main


def loss_and_gradients(parameters, x, share):
    """Return the weighted loss of one batch, and its gradients; `share` sums to 1."""
    values = [x]
    last = len(parameters) - 1
    for layer, (kernel, bias) in enumerate(parameters):
        h = values[-1] @ kernel + bias
        values.append(jnp.maximum(h, 0) if layer < last else jax.nn.sigmoid(h))
    y = values[-1]
    error = y - x
    loss = jnp.sum(jnp.mean(error * error, axis=1) * share)
    d = error * y * (1 - y) * (share[:, None] * (2 / x.shape[1]))
    gradients = [None] * len(parameters)
    for layer in range(last, -1, -1):
        gradients[layer] = (values[layer].T @ d, d.sum(0))
        if layer:
            d = jnp.where(values[layer] > 0, d @ parameters[layer][0].T, 0)
    return loss, gradients


@partial(jax.jit, donate_argnums=0)
def run_epoch(state, rows, order, row_weights):
    """One epoch; `order` and `row_weights` are (steps, batch). Returns the state and the loss."""

    def body(index, carry):
        (parameters, moment_1, moment_2, step), total = carry
        weight = row_weights[index].sum()
        x = rows.at[order[index]].get(mode="promise_in_bounds")
        loss, gradients = loss_and_gradients(parameters, x, row_weights[index] / weight)
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


def train(rows, weights, *, epochs, batch_size, seed) -> dict:
    """Train with mini-batch Adam on the mean squared error; the first run of an epoch is apart."""
    count = len(rows)
    steps = -(-count // batch_size)
    padding = steps * batch_size - count
    row_weights = np.ones(steps * batch_size, np.float32)
    row_weights[count:] = 0
    row_weights = jnp.asarray(row_weights.reshape(steps, batch_size))
    resident = jnp.asarray(rows)

    def start():
        parameters = [(jnp.array(kernel), jnp.array(bias)) for kernel, bias in weights.values()]
        zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
        return parameters, *zeros, jnp.zeros((), jnp.float32)

    def order(epoch):
        rows_in_order = epoch_order(count, epoch, seed).astype(np.int32)
        return np.resize(rows_in_order, count + padding).reshape(steps, batch_size)

    begin = time.perf_counter()
    jax.block_until_ready(run_epoch(start(), resident, order(0), row_weights))
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    state, losses = start(), []
    for epoch in range(epochs):
        state, loss = run_epoch(state, resident, order(epoch), row_weights)
        losses.append(loss)  # not read yet: the next order is drawn while this epoch runs
    losses = [float(loss) for loss in losses]
    return {"loss": losses, "seconds": time.perf_counter() - begin, "first_seconds": first}


if __name__ == "__main__":
    main(train, framework="jax", version=jax.__version__)
