"""Whether the time of a fit is affine in its rows and epochs, and whether a second fit compiles.

The tiny network is fitted on once, 3, 10 and 30 times as many rows, and for as many epochs. Sizes
take turns, and slopes are taken within a turn: a machine that slows down slows all of them.
"""

from __future__ import annotations

import importlib
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks import devices
from benchmarks.contenders import Contender

if TYPE_CHECKING:
    import numpy as np

FACTORS = (1, 3, 10, 30)
QUICK_FACTORS = (1, 3, 6)
ROWS, EPOCHS, TURNS = 1_000, 10, 9
#: As many steps of an epoch as `ROWS` have, but other numbers of rows.
OTHER_ROWS = (999, 997, 995)


def measure(contender: Contender, device: str, quick: bool) -> dict[str, Any]:
    """Seconds by number of rows and of epochs, slopes a step, and the fits that may compile."""
    module = importlib.import_module(f"benchmarks.comparators.{contender.module}")
    importlib.import_module(contender.framework)
    devices.check(contender.framework, device)

    from benchmarks.workloads import WORKLOADS

    workload = WORKLOADS["tiny"]
    factors = QUICK_FACTORS if quick else FACTORS
    rows = workload.rows(ROWS * factors[-1])
    runner = module.contender(workload, device, *contender.options)

    def seconds(some_rows: np.ndarray, epochs: int) -> float:
        begin = perf_counter()
        runner.fit(some_rows, epochs)
        return perf_counter() - begin

    seconds(rows[:ROWS], EPOCHS)
    # The first fit with a number of rows, and another: alike unless the first had to compile.
    new, same = zip(
        *([seconds(rows[:n], EPOCHS) for _ in range(2)] for n in OTHER_ROWS), strict=True
    )
    result: dict[str, Any] = {
        "other_rows_fit_seconds": median(new),
        "same_rows_fit_seconds": median(same),
        # The slowest: one compilation must not hide behind two fits without.
        "other_to_same_rows_fit": max(new) / median(same),
    }
    sizes = {
        "rows": {factor: (rows[: ROWS * factor], EPOCHS) for factor in factors},
        "epochs": {factor: (rows[:ROWS], EPOCHS * factor) for factor in factors},
    }
    steps = EPOCHS * workload.steps(ROWS)
    for axis, fits in sizes.items():
        for fit in fits.values():
            seconds(*fit)
        turns = [_turn(fits, seconds) for _ in range(1 if quick else TURNS)]
        result[f"{axis}_seconds"] = {
            str(factor): median(turn[factor] for turn in turns) for factor in factors
        }
        slopes = [_slopes(turn, steps) for turn in turns]
        result[f"{axis}_step_seconds"] = median(whole for whole, _ in slopes)
        result[f"{axis}_slope_ratio"] = median(ratio for _, ratio in slopes)
    return result


def _turn(fits: dict[int, tuple[Any, int]], seconds: Any) -> dict[int, float]:
    """Seconds of each size; small ones are repeated, as they drown in noise."""
    largest = max(fits)
    return {
        factor: median(seconds(*fit) for _ in range(min(5, largest // factor)))
        for factor, fit in fits.items()
    }


def _slopes(seconds: dict[int, float], steps: int) -> tuple[float, float]:
    """Seconds a step over the whole range, and the last part's slope over the first part's.

    The parts are the smallest size to the middle one, and on to the largest.
    """
    factors = list(seconds)
    middle = factors[-2]
    parts = [
        (seconds[large] - seconds[small]) / (steps * (large - small))
        for small, large in pairwise((factors[0], middle, factors[-1]))
    ]
    whole = (seconds[factors[-1]] - seconds[factors[0]]) / (steps * (factors[-1] - factors[0]))
    return whole, parts[1] / parts[0]
