"""Matrix products alone in TensorFlow: what a step cannot be faster than.

By XLA, as the dense networks are. TensorFlow's own operator reaches the same rate on a CPU, within
what two measurements differ by.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, partial
from time import perf_counter

import numpy as np
import tensorflow as tf

Product = tuple[str, int, int, int]


def seconds(products: Sequence[Product], steps: int, device: str) -> float:
    """Time a list of products, done so many times one behind the other, in one compiled loop.

    Parameters
    ----------
    products : list of (form, m, k, n)
        float32. `"nn"`: (m, k) @ (k, n); `"tn"`: (k, m).T @ (k, n); `"nt"`: (m, k) @ (n, k).T.
    steps : int
    device : str
    """
    generator = np.random.default_rng(0)

    def numbers(*shape: int) -> tf.Tensor:
        return tf.constant(generator.uniform(-1, 1, shape), tf.float32)

    with tf.device(device.replace("cuda", "GPU").replace("cpu", "CPU")):
        operands = [
            (
                numbers(*((k, m) if form == "tn" else (m, k))),
                numbers(*((n, k) if form == "nt" else (k, n))),
            )
            for form, m, k, n in products
        ]
        lefts, rights = (list(arrays) for arrays in zip(*operands, strict=True))
        run = _compiled(tuple(form for form, *_ in products))
        _wait(run(lefts, rights, tf.constant(max(steps // 10, 1))))
        count = tf.constant(steps)
        begin = perf_counter()
        _wait(run(lefts, rights, count))
        return perf_counter() - begin


@cache
def _compiled(forms):
    return tf.function(partial(_run, forms), jit_compile=True, autograph=False)


def _run(forms, lefts, rights, steps):
    def step(index, lefts):
        results = map(_multiply, forms, lefts, rights)
        # One number of each result goes into the next left factor: without it XLA would do each
        # product once, before the loop.
        return index + 1, [
            tf.tensor_scatter_nd_update(left, [[0, 0]], [result[0, 0]])
            for left, result in zip(lefts, results, strict=True)
        ]

    _, lefts = tf.while_loop(lambda index, _: index < steps, step, (tf.constant(0), lefts))
    return [left[0, 0] for left in lefts]


def _multiply(form, left, right):
    return tf.matmul(left, right, transpose_a=form == "tn", transpose_b=form == "nt")


def _wait(tensors):
    for tensor in tensors:
        tensor.numpy()
