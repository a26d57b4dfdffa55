"""Scoring a million rows of 30 numbers through 30-64-32-64-30 in plain NumPy, on two threads.

What is kept: blocks of 2,048 rows that stay in the cache, each seen as a stack of 16 x 128 rows.
OpenBLAS multiplies in one thread when rows x inputs x outputs is at most 262,144 (128 x 64 x 32),
and `np.matmul` walks a stack in C without the interpreter's lock. So two Python threads each take
half of the rows, no BLAS thread is woken, and no thread setting of the process is touched.
Float64 rows are standardised block by block and cast as they are divided.

What was tried (ratio to what is kept; two cores): one Python thread 2.1; blocks of 1,024, 4,096 and
8,192 rows 1.4, 1.1-1.2 and 1.3; stacks of 64 rows 1.1-1.2, of 256 (BLAS threads wake) 2.6-2.9;
unstacked blocks of 4,096 rows with BLAS's own threads 1.4 on idle cores and 3 to 20 on busy ones
(its threads wait for each other by spinning); unstacked in two Python threads while the process's
BLAS threads are limited to one 1.0-1.1 (these two compared by way of ONNX Runtime); biases as a
column of ones 1.0-1.1; rows as columns 1.4-1.6; `einsum`, `vecdot` and `mean` for the sum over a
row 1.0, 1.0 and 1.1 against a product with a constant vector; float64 standardised as one array and
then cast adds 0.15 s to ONNX Runtime, and took 1.6-2.1 s by itself in a process that timed many
variants (cause not found).
"""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from .common import glorot_weights

FLOAT = np.float32
WIDTHS = (30, 64, 32, 64, 30)
ROWS, BLOCK, SUB, THREADS = 1_000_000, 2_048, 128, 2


def score(rows, weights, mean=None, scale=None, threads=THREADS) -> np.ndarray:
    """Mean squared error of each row; with `mean` and `scale`, of the standardised rows."""
    layers = list(weights.values())
    last = len(layers) - 1
    features = rows.shape[1]
    share = np.full(features, 1 / features, FLOAT)
    errors = np.empty(len(rows), FLOAT)

    def work(first: int, stop: int) -> None:
        buffers = [np.empty((BLOCK // SUB, SUB, kernel.shape[1]), FLOAT) for kernel, _ in layers]
        wide = np.empty((BLOCK, features))
        narrow = np.empty((BLOCK, features), FLOAT)
        for start in range(first, stop, BLOCK):
            end = min(start + BLOCK, stop)
            x = rows[start:end]
            if mean is not None:
                difference = np.subtract(x, mean, out=wide[: end - start])
                x = np.divide(difference, scale, out=narrow[: end - start], casting="same_kind")
            # The end of the last block, shorter than SUB, goes through as a stack of one.
            whole = (end - start) // SUB * SUB
            for low, high, sub in ((0, whole, SUB), (whole, end - start, end - start - whole)):
                if low == high:
                    continue
                stack = h = x[low:high].reshape(-1, sub, features)
                for index, (kernel, bias) in enumerate(layers):
                    h = np.matmul(h, kernel, out=buffers[index][: len(stack), :sub])
                    h += bias
                    if index < last:
                        np.maximum(h, 0, out=h)
                h -= stack
                h *= h
                np.matmul(h, share, out=errors[start + low : start + high].reshape(-1, sub))

    part = -(-len(rows) // (threads * BLOCK)) * BLOCK
    with ThreadPoolExecutor(threads) as pool:
        starts = range(0, len(rows), part)
        list(pool.map(lambda first: work(first, min(first + part, len(rows))), starts))
    return errors


def data(count: int = ROWS):
    """Rows in float32, the same in float64 before standardising, and the mean and scale."""
    rows = np.random.default_rng(1).standard_normal((count, WIDTHS[0]), dtype=FLOAT)
    mean, scale = np.full(WIDTHS[0], 1.0), np.full(WIDTHS[0], 3.0)
    return rows, rows * scale + mean, mean, scale


def median_seconds(function, repeats: int = 7) -> float:
    """Median time of a call after one that is not counted."""
    function()
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - begin)
    return float(np.median(seconds))


def main() -> None:
    """Print the median seconds for float32 rows and for float64 rows to be standardised."""
    rows, wide, mean, scale = data()
    weights = glorot_weights(WIDTHS)
    result = {
        "float32": median_seconds(lambda: score(rows, weights)),
        "float64_standardised": median_seconds(lambda: score(wide, weights, mean, scale)),
        "mean_error": float(score(rows, weights).mean()),
    }
    print(json.dumps({"framework": "numpy", "version": np.__version__, **result}))


if __name__ == "__main__":
    main()
