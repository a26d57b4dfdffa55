"""Matrix products alone in NumPy: what a step cannot be faster than."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np

Product = tuple[str, int, int, int]


def seconds(products: Sequence[Product], steps: int, device: str) -> float:
    """Time a list of products, done so many times one behind the other.

    Parameters
    ----------
    products : list of (form, m, k, n)
        float32. `"nn"`: (m, k) @ (k, n); `"tn"`: (k, m).T @ (k, n); `"nt"`: (m, k) @ (n, k).T.
    steps : int
    device : str
        `"cpu"`; NumPy has no other.
    """
    prepared = [_prepare(product) for product in products]

    def run(count: int) -> float:
        begin = perf_counter()
        for _ in range(count):
            for left, right, out in prepared:
                # Half of `matmul`'s time before BLAS is called.
                np.dot(left, right, out=out)
        return perf_counter() - begin

    run(max(steps // 10, 1))
    return run(steps)


def _prepare(product: Product) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    form, m, k, n = product
    generator = np.random.default_rng(0)

    def numbers(*shape: int) -> np.ndarray:
        return generator.standard_normal(shape, dtype=np.float32)

    left = numbers(k, m).T if form == "tn" else numbers(m, k)
    right = numbers(n, k).T if form == "nt" else numbers(k, n)
    return left, right, np.empty((m, n), np.float32)
