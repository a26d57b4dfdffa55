"""Matrix products alone in JAX: what a step cannot be faster than."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from time import perf_counter

import jax
import jax.numpy as jnp
import numpy as np

Product = tuple[str, int, int, int]
EXACT = jax.lax.Precision.HIGHEST


def seconds(products: Sequence[Product], steps: int, device: str) -> float:
    """Time a list of products, done so many times one behind the other, in one compiled loop.

    Parameters
    ----------
    products : list of (form, m, k, n)
        float32. `"nn"`: (m, k) @ (k, n); `"tn"`: (k, m).T @ (k, n); `"nt"`: (m, k) @ (n, k).T.
    steps : int
    device : str
    """
    place = jax.devices(device)[0]
    generator = np.random.default_rng(0)

    def numbers(*shape: int) -> jax.Array:
        return jax.device_put(generator.uniform(-1, 1, shape).astype(np.float32), place)

    operands = [
        (
            numbers(*((k, m) if form == "tn" else (m, k))),
            numbers(*((n, k) if form == "nt" else (k, n))),
        )
        for form, m, k, n in products
    ]
    forms = tuple(form for form, *_ in products)
    lefts, rights = (list(arrays) for arrays in zip(*operands, strict=True))
    lefts = jax.block_until_ready(_run(forms, lefts, rights, max(steps // 10, 1)))
    begin = perf_counter()
    jax.block_until_ready(_run(forms, lefts, rights, steps))
    return perf_counter() - begin


@partial(jax.jit, static_argnums=0, donate_argnums=1)
def _run(forms, lefts, rights, steps):
    def step(_, lefts):
        results = map(_multiply, forms, lefts, rights)
        # One number of each result goes into the next left factor, in place: without it XLA would
        # do each product once, before the loop.
        return [
            left.at[0, 0].set(result[0, 0]) for left, result in zip(lefts, results, strict=True)
        ]

    return jax.lax.fori_loop(0, steps, step, lefts)


def _multiply(form, left, right):
    return jnp.matmul(
        left.T if form == "tn" else left, right.T if form == "nt" else right, precision=EXACT
    )
