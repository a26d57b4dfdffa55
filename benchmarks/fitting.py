"""One contender with one workload, in a process of its own: imports, fits, limits, scoring.

The first fit compiles; those after it are the steady state. The limit of the hardware, which is a
large matrix product and a step's own products timed alone, is measured right before and right
after the steady fits: a machine whose speed drifts then drifts in both.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from statistics import mean, median
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import devices, memory, pairs
from benchmarks.contenders import Contender

if TYPE_CHECKING:
    import numpy as np

    from benchmarks.workloads import Product, Workload

SQUARE = 1024
#: Seconds of a timed product; fits and scoring are repeated until twice as much has passed.
LONG_ENOUGH = 0.5
_SLOW_SCORING = 2.0


class Imports(NamedTuple):
    """What had to be imported before anything else, and the seconds that it took."""

    framework_seconds: float
    library_seconds: float


def measure(
    contender: Contender, workload: Workload, device: str, imports: Imports, *, in_pairs: bool
) -> dict[str, Any]:
    """Measure everything; seconds, bytes and operations, see `docs/benchmarks.md`.

    Raises
    ------
    UnsupportedError
        If the contender has no such device here.
    """
    begin = perf_counter()
    module = importlib.import_module(f"benchmarks.comparators.{contender.module}")
    own_imports = perf_counter() - begin
    if contender.is_ours:
        # What comparators take from this library, weights and orders, is no part of their time.
        own_imports += imports.library_seconds
    devices.check(contender.framework, device)
    rows_before = memory.resident_bytes()
    rows = workload.rows()
    memory.forget_peak()
    first_rows, epochs = rows, workload.first_epochs or workload.epochs
    if not workload.trains:
        first_rows, epochs = rows[: workload.batch_size], 1

    begin = perf_counter()
    runner = module.contender(workload, device, *contender.options)
    runner.fit(first_rows, epochs)
    first_fit_seconds = perf_counter() - begin
    result = {
        "framework_import_seconds": imports.framework_seconds,
        "import_seconds": imports.framework_seconds + own_imports,
        # From the moment that the framework is there; ours has its own modules to import then.
        "first_fit_seconds": own_imports + first_fit_seconds,
        "peak_host_bytes": memory.peak_bytes() - rows_before,
    }
    if device != "cpu":
        result["peak_device_bytes"] = devices.peak_bytes(contender.framework)
        result["gpu"] = devices.name(contender.framework)
    limits = Limits(contender.framework, workload, device)
    limits.measure()
    if workload.trains:
        seconds, losses = repeated(lambda: runner.fit(rows, workload.epochs))
        limits.measure()
        n_rows = workload.n_rows * workload.epochs
        result |= {
            "fit_seconds": seconds,
            "epoch_seconds": seconds / workload.epochs,
            "rows_per_second": n_rows / seconds,
            "last_loss": losses[-1] if len(losses) else None,
        }
        result |= limits.figures(workload.flops_per_row()[0] * n_rows / seconds)
        result |= limits.floor(seconds)
    result |= _scoring(runner, rows)
    if not workload.trains:
        limits.measure()
        flops = workload.flops_per_row()[1] * result["scored_rows_per_second"]
        result |= limits.figures(flops)
    if in_pairs and workload.trains and contender.can_be_paired:
        # Last: another loop moves in, and we fit other rows.
        try:
            result |= pairs.measure(runner, contender, workload, device, rows, limits, result)
        except Exception as error:
            result["rival_failed"] = repr(error)
    return result


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


def repeated(function: Callable[[], Any], *, most: int = 5) -> tuple[float, Any]:
    """Median seconds of a call, and what the last one returned.

    It is called again, at most so many times, until a quick one too has taken long enough to be
    told from noise.
    """
    taken: list[float] = []
    while sum(taken) < 2 * LONG_ENOUGH and len(taken) < most:
        begin = perf_counter()
        returned = function()
        taken.append(perf_counter() - begin)
    return median(taken), returned


def _scoring(runner: Any, rows: np.ndarray) -> dict[str, float]:
    """Rows scored in a second after a warm-up, and the memory that it takes beside the rows."""
    # A contender that is very slow is measured on a part: its time goes with the rows.
    part = rows[: len(rows) // 20]
    begin = perf_counter()
    runner.score(part)
    is_slow = perf_counter() - begin > _SLOW_SCORING
    before = memory.resident_bytes()
    memory.forget_peak()
    if not is_slow:
        runner.score(rows[: len(rows) // 10])
        tenth = memory.peak_bytes() - before
        part = rows
        runner.score(part)
    else:
        tenth = 0
    whole = memory.peak_bytes() - before
    seconds, scores = repeated(lambda: runner.score(part))
    return {
        "scored_rows": len(part),
        "scored_rows_per_second": len(part) / seconds,
        "scoring_host_bytes": max(whole, 0),
        "scoring_host_bytes_of_a_tenth": max(tenth, 0),
        "mean_score": float(scores.mean()),
    }
