"""The reference autoencoder trained by a hand-written TensorFlow loop.

What is kept: a `tf.function` of a whole epoch with `jit_compile=True`, `tf.while_loop` over the
full batches with the whole state as loop variables (not `tf.Variable`), each batch gathered in the
loop, Adam's equations and the backward pass written out, the short batch as a last step of its own.

What was tried (ratio of an epoch's time to what is kept; two cores): `GradientTape` 1.06-1.08;
without XLA 1.6, with `ResourceApplyAdam` in place of the equations 1.35-1.4 (that operator cannot
be used as it is: its epsilon is added to the uncorrected root, so it needs
`epsilon * sqrt(1 - beta_2**t)`); the steps unrolled in Python without XLA 1.45, and 16 s to trace;
one call a step 2.1, with XLA or without; shuffling the whole epoch first 1.03-1.15.
These were taken with the state in variables that are read and assigned once an epoch.
"""

from __future__ import annotations

import math
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from .common import BETA_1, BETA_2, EPSILON, LEARNING_RATE, epoch_order, main


def loss_and_gradients(parameters, x):
    """Return the loss of one batch, and its gradients in the order of the parameters."""
    values = [x]
    last = len(parameters) // 2 - 1
    for layer in range(last + 1):
        h = tf.matmul(values[-1], parameters[2 * layer]) + parameters[2 * layer + 1]
        values.append(tf.nn.relu(h) if layer < last else tf.sigmoid(h))
    y = values[-1]
    error = y - x
    loss = tf.reduce_mean(error * error)
    d = error * y * (1 - y) * (2.0 / (x.shape[0] * x.shape[1]))
    gradients = [None] * len(parameters)
    for layer in range(last, -1, -1):
        gradients[2 * layer] = tf.matmul(values[layer], d, transpose_a=True)
        gradients[2 * layer + 1] = tf.reduce_sum(d, 0)
        if layer:
            d = tf.matmul(d, parameters[2 * layer], transpose_b=True)
            d = tf.where(values[layer] > 0, d, 0.0)
    return loss, gradients


def update(parameters, moment_1, moment_2, step, x):
    """One step of Adam: the new state and the loss before it."""
    loss, gradients = loss_and_gradients(parameters, x)
    step = step + 1.0
    # 1 - BETA_2**step in float32 would be off by 1e-5 at the first steps.
    correct_1 = -tf.math.expm1(step * math.log(BETA_1))
    correct_2 = -tf.math.expm1(step * math.log(BETA_2))
    moment_1 = [BETA_1 * m + (1 - BETA_1) * g for m, g in zip(moment_1, gradients, strict=True)]
    moment_2 = [BETA_2 * v + (1 - BETA_2) * g * g for v, g in zip(moment_2, gradients, strict=True)]
    parameters = [
        p - LEARNING_RATE * (m / correct_1) / (tf.sqrt(v / correct_2) + EPSILON)
        for p, m, v in zip(parameters, moment_1, moment_2, strict=True)
    ]
    return parameters, moment_1, moment_2, step, loss


def make_epoch(batch_size: int):
    """Return a compiled function of a whole epoch: (state, rows, order) to (state, mean loss)."""

    @tf.function(jit_compile=True, autograph=False)
    def run_epoch(state, rows, order):
        count = order.shape[0]
        full, left = divmod(count, batch_size)
        batches = tf.reshape(order[: full * batch_size], (full, batch_size))

        def body(index, parameters, moment_1, moment_2, step, total):
            x = tf.gather(rows, batches[index])
            *state, loss = update(parameters, moment_1, moment_2, step, x)
            return index + 1, *state, total + loss

        _, *state, total = tf.while_loop(
            lambda index, *_: index < full, body, (tf.constant(0), *state, tf.constant(0.0))
        )
        total *= batch_size
        if left:
            *state, loss = update(*state, tf.gather(rows, order[full * batch_size :]))
            total += loss * left
        return tuple(state), total / count

    return run_epoch


def train(rows, weights, *, epochs, batch_size, seed) -> dict:
    """Train with mini-batch Adam on the mean squared error; the first run of an epoch is apart."""
    count = len(rows)
    resident = tf.constant(rows)
    run_epoch = make_epoch(batch_size)

    def start():
        parameters = [tf.constant(array) for pair in weights.values() for array in pair]
        zeros = [[tf.zeros_like(p) for p in parameters] for _ in range(2)]
        return parameters, *zeros, tf.constant(0.0)

    def order(epoch):
        return tf.constant(epoch_order(count, epoch, seed).astype(np.int32))

    begin = time.perf_counter()
    float(run_epoch(start(), resident, order(0))[1])
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    state, losses = start(), []
    for epoch in range(epochs):
        state, loss = run_epoch(state, resident, order(epoch))
        losses.append(float(loss))
    return {"loss": losses, "seconds": time.perf_counter() - begin, "first_seconds": first}


if __name__ == "__main__":
    main(train, framework="tensorflow", version=tf.__version__)
