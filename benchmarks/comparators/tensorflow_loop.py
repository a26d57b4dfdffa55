"""Dense autoencoders trained by a hand-written TensorFlow loop.

What is kept: a `tf.function` of a whole epoch with `jit_compile=True`, `tf.while_loop` over the
full batches with the whole state as loop variables (not `tf.Variable`), each batch gathered in the
loop, Adam's equations and the backward pass written out, the short batch as a last step of its own;
for a small network the parameters in one flat vector, and each moment too.

What was tried (ratio of an epoch's time to what is kept; two cores): `GradientTape` 1.06-1.09;
without XLA 1.6, with `ResourceApplyAdam` in place of the equations 1.35-1.4 (that operator cannot
be used as it is: its epsilon is added to the uncorrected root, so it needs
`epsilon * sqrt(1 - beta_2**t)`); the steps unrolled in Python without XLA 1.45, and 16 s to trace;
one call a step 2.1, with XLA or without; shuffling the whole epoch first 1.03-1.15; parameters
and moments of a large network in one flat vector each 1.25-1.3 (the other way round for the tiny
one: array by array 1.4-1.8).
All but the last were taken with the state in variables that are read and assigned once an epoch.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from benchmarks.workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload, epoch_order

TITLE = "TensorFlow, XLA, an epoch a call"
KINDS = frozenset({"dense"})
DEVICES = frozenset({"cpu", "cuda"})
EXPERT = True

SCORED_AT_ONCE = 8192
SMALL = 2**16


def join(arrays):
    """Put the arrays of a small network into one vector, which has one update instead of many."""
    if sum(math.prod(array.shape) for array in arrays) > SMALL:
        return arrays
    return [tf.concat([tf.reshape(array, [-1]) for array in arrays], 0)]


def separate(joined, shapes):
    """Take apart what `join` made of arrays of these shapes."""
    if len(joined) == len(shapes):
        return joined
    parts = tf.split(joined[0], [math.prod(shape) for shape in shapes])
    return [tf.reshape(part, shape) for part, shape in zip(parts, shapes, strict=True)]


def activations(parameters, x, *, sigmoid):
    """Return the rows and what each layer makes of them."""
    values = [x]
    last = len(parameters) // 2 - 1
    for layer in range(last + 1):
        h = tf.matmul(values[-1], parameters[2 * layer]) + parameters[2 * layer + 1]
        if layer < last:
            h = tf.nn.relu(h)
        values.append(tf.sigmoid(h) if sigmoid and layer == last else h)
    return values


def loss_and_gradients(parameters, x, *, sigmoid):
    """Return the loss of one batch, and its gradients in the order of the parameters."""
    values = activations(parameters, x, sigmoid=sigmoid)
    y = values[-1]
    error = y - x
    loss = tf.reduce_mean(error * error)
    d = error * (2.0 / (x.shape[0] * x.shape[1]))
    if sigmoid:
        d *= y * (1 - y)
    gradients = [None] * len(parameters)
    for layer in range(len(parameters) // 2 - 1, -1, -1):
        gradients[2 * layer] = tf.matmul(values[layer], d, transpose_a=True)
        gradients[2 * layer + 1] = tf.reduce_sum(d, 0)
        if layer:
            d = tf.matmul(d, parameters[2 * layer], transpose_b=True)
            d = tf.where(values[layer] > 0, d, 0.0)
    return loss, gradients


def update(parameters, moment_1, moment_2, step, x, *, shapes, sigmoid):
    """One step of Adam on a joined state: the new one and the loss before it."""
    loss, gradients = loss_and_gradients(separate(parameters, shapes), x, sigmoid=sigmoid)
    gradients = join(gradients)
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


class Loop:
    """Trains and scores a workload with one compiled function each."""

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload = workload
        self.device = device.replace("cuda", "GPU").replace("cpu", "CPU")
        self.shapes = [array.shape for array in workload.weights().values()]
        self.sigmoid = workload.architecture().output_activation == "sigmoid"
        self.run_epoch = tf.function(self._run_epoch, jit_compile=True, autograph=False)
        self.errors = tf.function(self._errors, jit_compile=True, autograph=False)
        self.parameters = []

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        with tf.device(self.device):
            resident = tf.constant(rows)
            parameters = join([tf.constant(array) for array in self.workload.weights().values()])
            zeros = [tf.zeros_like(array) for array in parameters]
            state, losses = (parameters, zeros, zeros, tf.constant(0.0)), []
            for epoch in range(epochs):
                order = tf.constant(epoch_order(len(rows), epoch).astype(np.int32))
                state, loss = self.run_epoch(state, resident, order)
                losses.append(loss)
        self.parameters = state[0]
        return [float(loss) for loss in losses]

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean squared error of each row."""
        with tf.device(self.device):
            parts = [
                self.errors(self.parameters, tf.constant(rows[start : start + SCORED_AT_ONCE]))
                for start in range(0, len(rows), SCORED_AT_ONCE)
            ]
        return np.concatenate([part.numpy() for part in parts])

    def _run_epoch(self, state, rows, order):
        batch_size = self.workload.batch_size
        count = order.shape[0]
        full, left = divmod(count, batch_size)
        batches = tf.reshape(order[: full * batch_size], (full, batch_size))

        def body(index, parameters, moment_1, moment_2, step, total):
            x = tf.gather(rows, batches[index])
            *state, loss = self._update(parameters, moment_1, moment_2, step, x)
            return index + 1, *state, total + loss

        _, *state, total = tf.while_loop(
            lambda index, *_: index < full, body, (tf.constant(0), *state, tf.constant(0.0))
        )
        total *= batch_size
        if left:
            rest = tf.gather(rows, order[full * batch_size :])
            *state, loss = self._update(*state, rest)
            total += loss * left
        return tuple(state), total / count

    def _update(self, *state_and_rows):
        return update(*state_and_rows, shapes=self.shapes, sigmoid=self.sigmoid)

    def _errors(self, parameters, x):
        y = activations(separate(parameters, self.shapes), x, sigmoid=self.sigmoid)[-1]
        return tf.reduce_mean((y - x) ** 2, axis=1)


def contender(workload: Workload, device: str) -> Loop:
    """Make one for a workload."""
    return Loop(workload, device)
