"""Convolutional and recurrent autoencoders trained by a hand-written TensorFlow loop.

What is kept: a `tf.function` of a whole epoch, `tf.while_loop` over the full batches, the layers of
`tf.nn` on rows with their channels last, `GradientTape`, and the state in one flat vector of
parameters and one of each moment. XLA for the LSTM only.

What was tried (ratio of an epoch's time to what is kept; two cores), image: the state array by
array 1.0-1.02, and 0.6 s more until the first epoch is done; one call a step, with variables and
`ResourceApplyAdam`, 1.1; that operator in a loop over the epoch 1.1-1.2. LSTM: the kernels of
`BlockLSTM` without XLA, one call a step 1.05-1.3, in a loop over the epoch 1.2, each compiled in a
third of the time.
"""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

from benchmarks.workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload, epoch_order

TITLE = "TensorFlow, tf.nn, an epoch a call"
KINDS = frozenset({"convolutional", "lstm", "conv1d"})
DEVICES = frozenset({"cpu", "cuda"})
EXPERT = True

SCORED_AT_ONCE = 1024


def reconstruct(architecture, parameters, x):
    """Send rows through the network; the parameters are in canonical order."""
    arrays = iter(parameters)
    for placed in architecture.layers:
        layer, kind = placed.layer, placed.layer.kind
        if kind == "dense":
            x = tf.nn.bias_add(tf.tensordot(x, next(arrays), 1), next(arrays))
        elif kind == "activation":
            x = {"relu": tf.nn.relu, "sigmoid": tf.sigmoid}[layer.function](x)
        elif kind in ("conv1d", "conv2d"):
            product = tf.nn.convolution(x, next(arrays), list(layer.stride), "SAME")
            x = tf.nn.bias_add(product, next(arrays))
        elif kind in ("flatten", "reshape"):
            x = tf.reshape(x, (x.shape[0], *placed.output_shape))
        elif kind == "upsample" and x.shape.rank == 4:
            x = tf.raw_ops.ResizeNearestNeighbor(images=x, size=placed.output_shape[:2])
        elif kind == "upsample":
            x = tf.repeat(x, *layer.factor, axis=1)
        elif kind == "repeat_vector":
            x = tf.repeat(x[:, tf.newaxis], layer.times, axis=1)
        elif kind == "lstm":
            states = lstm(x, next(arrays), next(arrays), next(arrays))
            x = tf.transpose(states, (1, 0, 2)) if layer.return_sequences else states[-1]
        else:
            raise NotImplementedError(kind)
    return x


def lstm(x, kernel, recurrent_kernel, bias):
    """Return the states at all times, of shape (times, rows, units)."""
    times, shape = x.shape[1], (x.shape[0], recurrent_kernel.shape[0])
    inputs = tf.transpose(tf.tensordot(x, kernel, 1) + bias, (1, 0, 2))
    by_time = tf.TensorArray(x.dtype, times).unstack(inputs)

    def step(time, h, c, states):
        gates = by_time.read(time) + tf.matmul(h, recurrent_kernel)
        i, f, g, o = tf.split(gates, 4, axis=1)
        c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
        h = tf.sigmoid(o) * tf.tanh(c)
        return time + 1, h, c, states.write(time, h)

    zeros = tf.zeros(shape)
    states = tf.TensorArray(x.dtype, times, element_shape=shape)
    *_, states = tf.while_loop(
        lambda time, *_: time < times,
        step,
        (tf.constant(0), zeros, zeros, states),
        maximum_iterations=times,
    )
    return states.stack()


class Loop:
    """Trains and scores a workload with one compiled function each."""

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload = workload
        self.architecture = workload.architecture()
        self.device = device.replace("cuda", "GPU").replace("cpu", "CPU")
        self.shapes = [array.shape for array in workload.weights().values()]
        use_xla = device != "cpu" or workload.kind == "lstm"
        self.run_epoch = tf.function(self._run_epoch, jit_compile=use_xla, autograph=False)
        self.errors = tf.function(self._errors, jit_compile=use_xla, autograph=False)
        self.parameters = None

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        weights = self.workload.weights().values()
        with tf.device(self.device):
            resident = tf.constant(rows)
            parameters = tf.constant(np.concatenate([array.ravel() for array in weights]))
            zeros = tf.zeros_like(parameters)
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

    def _arrays(self, parameters):
        parts = tf.split(parameters, [math.prod(shape) for shape in self.shapes])
        return [tf.reshape(part, shape) for part, shape in zip(parts, self.shapes, strict=True)]

    def _update(self, parameters, moment_1, moment_2, step, x):
        arrays = self._arrays(parameters)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(arrays)
            loss = tf.reduce_mean((reconstruct(self.architecture, arrays, x) - x) ** 2)
        gradients = tape.gradient(loss, arrays)
        gradient = tf.concat([tf.reshape(part, [-1]) for part in gradients], 0)
        step = step + 1.0
        # 1 - BETA_2**step in float32 would be off by 1e-5 at the first steps.
        correct_1 = -tf.math.expm1(step * math.log(BETA_1))
        correct_2 = -tf.math.expm1(step * math.log(BETA_2))
        moment_1 = BETA_1 * moment_1 + (1 - BETA_1) * gradient
        moment_2 = BETA_2 * moment_2 + (1 - BETA_2) * gradient * gradient
        change = (moment_1 / correct_1) / (tf.sqrt(moment_2 / correct_2) + EPSILON)
        return parameters - LEARNING_RATE * change, moment_1, moment_2, step, loss

    def _run_epoch(self, state, rows, order):
        batch_size, count = self.workload.batch_size, order.shape[0]
        full, left = divmod(count, batch_size)
        batches = tf.reshape(order[: full * batch_size], (full, batch_size))

        def body(index, parameters, moment_1, moment_2, step, total):
            x = tf.gather(rows, batches[index])
            *state, loss = self._update(parameters, moment_1, moment_2, step, x)
            return index + 1, *state, total + loss

        _, *state, total = tf.while_loop(
            lambda index, *_: index < full,
            body,
            (tf.constant(0), *state, tf.constant(0.0)),
            parallel_iterations=1,
        )
        total *= batch_size
        if left:
            *state, loss = self._update(*state, tf.gather(rows, order[full * batch_size :]))
            total += loss * left
        return tuple(state), total / count

    def _errors(self, parameters, x):
        y = reconstruct(self.architecture, self._arrays(parameters), x)
        return tf.reduce_mean((y - x) ** 2, axis=tuple(range(1, x.shape.rank)))


def contender(workload: Workload, device: str) -> Loop:
    """Make one for a workload."""
    return Loop(workload, device)
