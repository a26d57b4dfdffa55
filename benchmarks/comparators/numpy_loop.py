"""NumPy written out by hand for dense networks: forward, backward and Adam.

What is kept: one flat parameter vector with one flat gradient (each kernel and bias is a view), so
that Adam is ten array operations in all; buffers made once; `out=` everywhere; no scaling passes;
`dot` rather than `matmul`, and constants as arrays without axes, both of which take half as long to
begin; indices of NumPy's own kind, which `take` need not convert; moments that are close to
subnormal made zero after each epoch, without which those of dead units make an epoch up to 1.8
times as long from the fifth on.

What was tried (ratio of an epoch's time, or of the operation's, to what is kept; two cores): Adam
as one pass over 5 million parameters 1.4, in blocks of 8,192 or 16,384 numbers 1.5 and 1.2 (on
200,000 parameters blocks gain nothing); textbook moments with a multiplication each 1.2 on Adam;
separate bias add and negation before `exp` 1.01-1.02 on an epoch; bias as a column of ones 1.0,
with awkward widths (785); tanh for the sigmoid 1.6 on it; `np.copyto(gradient, 0, where=mask)` 10
and a Boolean index 10 on the ReLU mask; `np.maximum` with a number, which is not vectorised, 2.5 on
the ReLU; `np.sign` for the mask 2.6 on it, but 0.6 on 32 rows of 5; a
take that checks its indices 2 on the gather; shuffling a whole epoch first 0.95-1.0, at twice the
memory; kernels stored (out, in) 1.0; output and Adam split over two Python threads 1.1 (OpenBLAS's
waiting thread holds the second core); two half batches in two threads over single-threaded BLAS
about 0.9, timed in another process and so within the noise, and it needs a process-wide thread
limit.
"""

from __future__ import annotations

import numpy as np

from benchmarks.workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload, epoch_order

TITLE = "NumPy, loop by hand"
KINDS = frozenset({"dense"})
DEVICES = frozenset({"cpu"})
EXPERT = True

FLOAT = np.float32
ADAM_BLOCK = 65_536
SCORED_AT_ONCE = 1_024
NEARLY_SUBNORMAL = 1e-30


def constant(value: float) -> np.ndarray:
    """Return an array without axes."""
    return np.array(value, FLOAT)


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


class Loop:
    """Trains a workload's dense network."""

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload = workload
        self.sigmoid = workload.architecture().output_activation == "sigmoid"
        self.zero, self.one, self.infinity = map(constant, (0, 1, np.inf))
        self.kernels, self.biases = [], []

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        arrays = list(self.workload.weights().values())
        shapes = [kernel.shape for kernel in arrays[::2]]
        widths = [shapes[0][0], *(outputs for _, outputs in shapes)]
        last = len(shapes) - 1
        parameters = np.concatenate([array.ravel() for array in arrays])
        gradient = np.empty_like(parameters)
        moments = np.zeros_like(parameters), np.zeros_like(parameters)
        self.kernels, self.biases = views(parameters, shapes)
        kernels = self.kernels
        kernel_gradients, bias_gradients = views(gradient, shapes)
        blocks = [
            [part[start : start + ADAM_BLOCK] for part in (parameters, gradient, *moments)]
            for start in range(0, len(parameters), ADAM_BLOCK)
        ]
        scratch = np.empty_like(parameters[:ADAM_BLOCK])
        beta_1, beta_2, rate, epsilon = map(constant, (BETA_1, BETA_2, 0, 0))

        count, elements = len(rows), widths[-1]
        batch_size = min(self.workload.batch_size, count)
        buffers = {n: Buffers(n, widths) for n in {batch_size, count % batch_size} if n}
        losses, step = [], 0
        for epoch in range(epochs):
            order, total = epoch_order(count, epoch), 0.0
            for start in range(0, count, batch_size):
                batch = order[start : start + batch_size]
                buffer = buffers[len(batch)]
                values, slopes = buffer.values, buffer.slopes
                # mode="clip" with out= gathers straight into the buffer; "raise" copies first.
                x = rows.take(batch, 0, values[0], "clip")
                y = self._forward(values)

                # Gradients carry a factor batch_size * elements / 2, which Adam takes out below.
                d = np.subtract(y, x, out=slopes[last + 1])
                flat = d.ravel()
                total += float(np.dot(flat, flat))
                if self.sigmoid:
                    d *= y
                    np.subtract(self.one, y, out=y)
                    d *= y
                if len(batch) != batch_size:
                    d *= FLOAT(batch_size / len(batch))
                for layer in range(last, -1, -1):
                    np.dot(values[layer].T, d, out=kernel_gradients[layer])
                    np.dot(buffer.ones, d, out=bias_gradients[layer])
                    if layer:
                        d = np.dot(d, kernels[layer].T, out=slopes[layer])
                        mask = np.greater(values[layer], self.zero, out=buffer.masks[layer])
                        d *= mask

                # Adam with moments left unscaled: the first is m * factor / (1 - beta_1), the
                # second v * factor**2 / (1 - beta_2); the scalars of the step put both right.
                step += 1
                factor = batch_size * elements / 2
                root = (1 - BETA_2**step) ** 0.5 / (1 - BETA_2) ** 0.5
                rate[...] = LEARNING_RATE * (1 - BETA_1) / (1 - BETA_1**step) * root
                epsilon[...] = EPSILON * factor * root
                for p, g, moment_1, moment_2 in blocks:
                    change = scratch[: len(p)]
                    moment_1 *= beta_1
                    moment_1 += g
                    np.multiply(g, g, out=g)
                    moment_2 *= beta_2
                    moment_2 += g
                    np.sqrt(moment_2, out=change)
                    change += epsilon
                    np.divide(moment_1, change, out=change)
                    change *= rate
                    p -= change
            for moment in moments:
                moment *= np.abs(moment) >= NEARLY_SUBNORMAL
            losses.append(total / count / elements)
        return losses

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean squared error of each row; `scoring_numpy.py` is what is fast at it."""
        widths = [len(self.kernels[0]), *map(len, self.biases)]
        values = [np.empty((SCORED_AT_ONCE, width), FLOAT) for width in widths]
        errors = np.empty(len(rows), FLOAT)
        for start in range(0, len(rows), SCORED_AT_ONCE):
            part = rows[start : start + SCORED_AT_ONCE]
            difference = self._forward([part, *(h[: len(part)] for h in values[1:])])
            difference -= part
            np.vecdot(difference, difference, out=errors[start : start + len(part)])
        errors /= rows.shape[1]
        return errors

    def _forward(self, values: list[np.ndarray]) -> np.ndarray:
        """Fill the values of all layers behind the first; return the last ones."""
        *hidden, (kernel, bias) = zip(self.kernels, self.biases, strict=True)
        for layer, (k, b) in enumerate(hidden):
            h = np.dot(values[layer], k, out=values[layer + 1])
            h += b
            h.clip(self.zero, self.infinity, out=h)
        y = np.dot(values[-2], kernel, out=values[-1])
        if not self.sigmoid:
            y += bias
            return y
        # 1 / (1 + exp(-bias - z)): the bias is added and the sign turned in one go.
        np.subtract(-bias, y, out=y)
        np.exp(y, out=y)
        y += self.one
        return np.divide(self.one, y, out=y)


def contender(workload: Workload, device: str) -> Loop:
    """Make one for a workload."""
    return Loop(workload, device)
