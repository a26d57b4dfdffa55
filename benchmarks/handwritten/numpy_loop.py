"""The reference autoencoder trained by a hand-written NumPy loop.

What is kept: one flat parameter vector with one flat gradient (each kernel and bias is a view), so
that Adam is nine array operations in all; buffers made once; `out=` everywhere; no scaling passes.

What was tried (ratio of an epoch's time, or of the operation's, to what is kept; two cores):
Adam in cache blocks of 8,192 or 16,384 numbers 1.5 and 1.3 (65,536: no gain); textbook moments
with a multiplication each 1.2 on Adam; separate bias add and negation before `exp` 1.01-1.02 on
an epoch; bias as a column of ones 1.0, with awkward widths (785); tanh for the sigmoid 1.6 on it;
`np.copyto(gradient, 0, where=mask)` 10 and a Boolean index 10 on the ReLU mask; a take that
checks its indices 2 on the gather; shuffling a whole epoch first 0.95-1.0, at twice the memory;
kernels stored (out, in) 1.0; output and Adam split over two Python threads 1.1 (OpenBLAS's waiting
thread holds the second core); two half batches in two threads over single-threaded BLAS about 0.9,
timed in another process and so within the noise, and it needs a process-wide thread limit.
"""

from __future__ import annotations

import time

import numpy as np

from .common import BETA_1, BETA_2, EPSILON, LEARNING_RATE, epoch_order, main

FLOAT = np.float32


def views(flat: np.ndarray, shapes: list[tuple[int, int]]):
    """Return the kernels and biases that lie one after another in a flat vector."""
    kernels, biases, start = [], [], 0
    for inputs, outputs in shapes:
        stop = start + inputs * outputs
        kernels.append(flat[start:stop].reshape(inputs, outputs))
        biases.append(flat[stop : stop + outputs])
        start = stop + outputs
    return kernels, biases


class Buffers:
    """Everything one batch of a given length writes to."""

    def __init__(self, rows: int, widths: list[int]) -> None:
        self.values = [np.empty((rows, width), FLOAT) for width in widths]
        self.slopes = [np.empty((rows, width), FLOAT) for width in widths]
        self.masks = [np.empty((rows, width), bool) for width in widths]
        self.ones = np.ones(rows, FLOAT)


def train(rows, weights, *, epochs, batch_size, seed) -> dict:
    """Train with mini-batch Adam on the mean squared error; seconds leave out one warm-up step."""
    begin = time.perf_counter()
    run(rows[:batch_size], weights, epochs=1, batch_size=batch_size, seed=seed)
    first = time.perf_counter() - begin
    begin = time.perf_counter()
    losses, _ = run(rows, weights, epochs=epochs, batch_size=batch_size, seed=seed)
    return {"loss": losses, "seconds": time.perf_counter() - begin, "first_seconds": first}


def run(rows, weights, *, epochs, batch_size, seed):
    """Return the losses, and the trained kernels and biases."""
    shapes = [kernel.shape for kernel, _ in weights.values()]
    widths = [shapes[0][0], *(outputs for _, outputs in shapes)]
    last = len(shapes) - 1
    size = sum(inputs * outputs + outputs for inputs, outputs in shapes)
    parameters, gradient, scratch = (np.empty(size, FLOAT) for _ in range(3))
    moment_1, moment_2 = np.zeros(size, FLOAT), np.zeros(size, FLOAT)
    kernels, biases = views(parameters, shapes)
    kernel_gradients, bias_gradients = views(gradient, shapes)
    for (kernel, bias), k, b in zip(weights.values(), kernels, biases, strict=True):
        k[:], b[:] = kernel, bias

    count, elements = len(rows), widths[-1]
    buffers = {n: Buffers(n, widths) for n in {min(batch_size, count), count % batch_size} if n}
    minus_bias = np.empty_like(biases[-1])
    one, beta_1, beta_2 = FLOAT(1), FLOAT(BETA_1), FLOAT(BETA_2)
    losses, step = [], 0
    for epoch in range(epochs):
        order, total = epoch_order(count, epoch, seed), 0.0
        for start in range(0, count, batch_size):
            batch = order[start : start + batch_size]
            buffer = buffers[len(batch)]
            values, slopes = buffer.values, buffer.slopes
            # mode="clip" with out= gathers straight into the buffer; "raise" makes a copy first.
            x = np.take(rows, batch, axis=0, out=values[0], mode="clip")

            for layer in range(last):
                h = np.matmul(values[layer], kernels[layer], out=values[layer + 1])
                h += biases[layer]
                np.maximum(h, 0, out=h)
            # The sigmoid 1 / (1 + exp(-bias - z)): the bias is added and the sign turned in one go.
            y = np.matmul(values[last], kernels[last], out=values[last + 1])
            np.negative(biases[last], out=minus_bias)
            np.subtract(minus_bias, y, out=y)
            np.exp(y, out=y)
            y += one
            np.reciprocal(y, out=y)

            # Gradients carry a factor batch_size * elements / 2, which Adam takes out below.
            d = np.subtract(y, x, out=slopes[last + 1])
            flat = d.ravel()
            total += float(flat @ flat)
            d *= y
            np.subtract(one, y, out=y)
            d *= y
            if len(batch) != batch_size:
                d *= FLOAT(batch_size / len(batch))
            for layer in range(last, -1, -1):
                np.matmul(values[layer].T, d, out=kernel_gradients[layer])
                np.matmul(buffer.ones, d, out=bias_gradients[layer])
                if layer:
                    d = np.matmul(d, kernels[layer].T, out=slopes[layer])
                    mask = np.greater(values[layer], 0, out=buffer.masks[layer])
                    d *= mask

            # Adam with moments left unscaled: moment_1 is m * factor / (1 - beta_1), moment_2 is
            # v * factor**2 / (1 - beta_2); the scalars of the step put both right.
            step += 1
            factor = batch_size * elements / 2
            root = (1 - BETA_2**step) ** 0.5 / (1 - BETA_2) ** 0.5
            rate = FLOAT(LEARNING_RATE * (1 - BETA_1) / (1 - BETA_1**step) * root)
            epsilon = FLOAT(EPSILON * factor * root)
            moment_1 *= beta_1
            moment_1 += gradient
            np.multiply(gradient, gradient, out=gradient)
            moment_2 *= beta_2
            moment_2 += gradient
            np.sqrt(moment_2, out=scratch)
            scratch += epsilon
            np.divide(moment_1, scratch, out=scratch)
            scratch *= rate
            parameters -= scratch
        losses.append(total / count / elements)
    return losses, (kernels, biases)


if __name__ == "__main__":
    main(train, framework="numpy", version=np.__version__)
