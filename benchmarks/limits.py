"""The limits of the hardware: a large matrix product, and a step's own products timed alone."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from importlib.util import find_spec
from statistics import mean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.workloads import Product, Workload

SQUARE = 1024
#: Seconds of a timed product; fits and scoring are repeated until twice as much has passed.
LONG_ENOUGH = 0.5


class Limits:
    """What a framework's matrix products reach in this process, measured once or several times.

    Parameters
    ----------
    framework : str
        With a module in `products/`, else nothing is measured.
    workload : Workload
    device : str
    """

    def __init__(self, framework: str, workload: Workload, device: str) -> None:
        name = f"benchmarks.products.{framework}_products"
        self._module = importlib.import_module(name) if find_spec(name) else None
        self._workload, self._device = workload, device
        self._rates: list[float] = []
        self._step_seconds: list[float] = []
        self._enough: dict[tuple[Product, ...], int] = {}

    def measure(self) -> None:
        """Time the products once more."""
        if self._module is None:
            return
        self._rates.append(2 * SQUARE**3 / self._seconds([("nn", SQUARE, SQUARE, SQUARE)]))
        products = self._workload.products()
        if products and self._workload.trains:
            self._step_seconds.append(self._seconds(products))

    def figures(self, flops_per_second: float) -> dict[str, float]:
        """Rate of the large product, and the share of it that was reached."""
        if not self._rates:
            return {}
        rate = mean(self._rates)
        return {"limit_flops": rate, "flops": flops_per_second, "share": flops_per_second / rate}

    def floor(self, seconds: float) -> dict[str, float]:
        """Seconds of a fit's products alone, and how many times that the fit took."""
        if not self._step_seconds:
            return {}
        n_steps = self._workload.epochs * self._workload.n_rows / self._workload.batch_size
        floor = mean(self._step_seconds) * n_steps
        return {"floor_seconds": floor, "floor_ratio": seconds / floor}

    def step_seconds(self) -> float:
        """Time the products of one step anew; dense networks only."""
        return self._seconds(self._workload.products())

    @property
    def has_floor(self) -> bool:
        """Whether a step's products were timed."""
        return bool(self._step_seconds)

    def _seconds(self, products: Sequence[Product]) -> float:
        """Seconds of doing these products once, timed over enough of them."""
        timed, key = self._module.seconds, tuple(products)
        if key not in self._enough:
            steps = 1
            while (seconds := timed(products, steps, self._device)) < LONG_ENOUGH / 10:
                steps *= 8
            self._enough[key] = max(steps, round(steps * LONG_ENOUGH / seconds))
        steps = self._enough[key]
        return timed(products, steps, self._device) / steps
