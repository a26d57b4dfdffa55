"""Matrix products alone in torch: what a step cannot be faster than."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import torch

Product = tuple[str, int, int, int]


@torch.inference_mode()
def seconds(products: Sequence[Product], steps: int, device: str) -> float:
    """Time a list of products, done so many times one behind the other.

    Parameters
    ----------
    products : list of (form, m, k, n)
        float32. `"nn"`: (m, k) @ (k, n); `"tn"`: (k, m).T @ (k, n); `"nt"`: (m, k) @ (n, k).T.
    steps : int
    device : str
    """
    prepared = [_prepare(product, device) for product in products]

    def run(count: int) -> float:
        _wait(device)
        begin = perf_counter()
        for _ in range(count):
            for left, right, out in prepared:
                torch.mm(left, right, out=out)
        _wait(device)
        return perf_counter() - begin

    run(max(steps // 10, 1))
    return run(steps)


def _prepare(product: Product, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    form, m, k, n = product
    generator = torch.Generator(device).manual_seed(0)

    def numbers(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator, device=device)

    left = numbers(k, m).t() if form == "tn" else numbers(m, k)
    right = numbers(n, k).t() if form == "nt" else numbers(k, n)
    return left, right, torch.empty(m, n, device=device)


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)
