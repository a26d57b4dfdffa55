"""Scoring rows through a dense network in plain NumPy, on a thread per core.

What is kept: blocks of 2,048 rows that stay in the cache, each seen as a stack of 16 x 128 rows.
OpenBLAS multiplies in one thread when rows x inputs x outputs is at most 262,144 (128 x 64 x 32),
and `np.matmul` walks a stack in C without the interpreter's lock. So Python threads share the rows,
no BLAS thread is woken, and no thread setting of the process is touched.

What was tried (ratio to what is kept; two cores): one Python thread 2.1; blocks of 1,024, 4,096 and
8,192 rows 1.4, 1.1-1.2 and 1.3; stacks of 64 rows 1.1-1.2, of 256 (BLAS threads wake) 2.6-2.9;
unstacked blocks of 4,096 rows with BLAS's own threads 1.4 on idle cores and 3 to 20 on busy ones
(its threads wait for each other by spinning); unstacked in two Python threads while the process's
BLAS threads are limited to one 1.0-1.1 (these two compared by way of ONNX Runtime); biases as a
column of ones 1.0-1.1; rows as columns 1.4-1.6; `einsum`, `vecdot` and `mean` for the sum over a
row 1.0, 1.0 and 1.1 against a product with a constant vector; `np.maximum` with a number for the
ReLU, which is not vectorised, 1.1.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.workloads import Workload

TITLE = "NumPy, scoring by hand"
KINDS = frozenset({"dense"})
DEVICES = frozenset({"cpu"})
TRAINS = False

FLOAT = np.float32
BLOCK, SUB = 2_048, 128
# The cores that this process may use, where the system tells.
THREADS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
ZERO, INFINITY = np.array(0, FLOAT), np.array(np.inf, FLOAT)


class Scorer:
    """Scores with a workload's first weights."""

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload = workload
        self.sigmoid = workload.architecture().output_activation == "sigmoid"
        self.layers: list[tuple[np.ndarray, np.ndarray]] = []

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Take the first weights; nothing is trained."""
        arrays = list(self.workload.weights().values())
        self.layers = list(zip(arrays[::2], arrays[1::2], strict=True))
        return []

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean squared error of each row."""
        errors = np.empty(len(rows), FLOAT)
        part = -(-len(rows) // (THREADS * BLOCK)) * BLOCK

        def work(first: int) -> None:
            self._score_part(rows[first : first + part], errors[first : first + part])

        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(work, range(0, len(rows), part)))
        return errors

    def _score_part(self, rows: np.ndarray, errors: np.ndarray) -> None:
        features = rows.shape[1]
        share = np.full(features, 1 / features, FLOAT)
        widths = [len(bias) for _, bias in self.layers]
        buffers = [np.empty((BLOCK // SUB, SUB, width), FLOAT) for width in widths]
        for start in range(0, len(rows), BLOCK):
            end = min(start + BLOCK, len(rows))
            # The end of the last block, shorter than SUB, goes through as a stack of one.
            whole = start + (end - start) // SUB * SUB
            for low, high in ((start, whole), (whole, end)):
                if low == high:
                    continue
                sub = min(SUB, high - low)
                stack = rows[low:high].reshape(-1, sub, features)
                output = self._output(stack, [buffer[: len(stack), :sub] for buffer in buffers])
                output -= stack
                output *= output
                np.matmul(output, share, out=errors[low:high].reshape(-1, sub))

    def _output(self, h: np.ndarray, buffers: list[np.ndarray]) -> np.ndarray:
        *hidden, last = zip(self.layers, buffers, strict=True)
        for (kernel, bias), out in hidden:
            h = np.matmul(h, kernel, out=out)
            h += bias
            h.clip(ZERO, INFINITY, out=h)
        (kernel, bias), out = last
        y = np.matmul(h, kernel, out=out)
        y += bias
        if self.sigmoid:
            np.negative(y, out=y)
            np.exp(y, out=y)
            y += 1
            np.divide(1, y, out=y)
        return y


def contender(workload: Workload, device: str) -> Scorer:
    """Make one for a workload."""
    return Scorer(workload, device)
