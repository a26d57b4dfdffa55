"""A backend side by side with the best loop by hand, and with the bare products, in one process.

The speed of a shared machine drifts by more within a minute than what is to be told apart, so
whole processes in turns do not show a difference of a few per cent. Short fits in turns do: a
pair lasts a second or two, and the ratio is taken pair by pair.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from math import ceil
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks.contenders import Contender, contenders

if TYPE_CHECKING:
    import numpy as np

    from benchmarks.workloads import Workload

#: Seconds that a fit of a pair should take, and that all pairs should take together.
FIT_SECONDS, ALL_SECONDS = 0.8, 20.0
FEWEST, MOST = 6, 25


def measure(
    runner: Any,
    contender: Contender,
    workload: Workload,
    device: str,
    rows: np.ndarray,
    fit_seconds: float,
    product_seconds: Callable[[], float] | None,
) -> dict[str, Any]:
    """Ratios of our time to theirs, pair by pair.

    Parameters
    ----------
    runner : object
        Ours, which has fitted these rows.
    contender : Contender
        Ours too.
    workload : Workload
    device : str
    rows : ndarray
    fit_seconds : float
        Of one fit of the workload.
    product_seconds : callable, optional
        Seconds of the products of one step, measured anew at every call; for dense networks.

    Returns
    -------
    dict
        `rival`, whom we are paired with; `rival_ratios`, `floor_ratios`: one value a pair.
    """
    # A part of an epoch, or several: as many whole batches as take long enough.
    epoch_seconds = fit_seconds / workload.epochs
    n_rows, epochs = workload.n_rows, 1
    if epoch_seconds > 2 * FIT_SECONDS:
        steps = ceil(workload.steps() * FIT_SECONDS / epoch_seconds)
        n_rows = min(steps * workload.batch_size, workload.n_rows)
    else:
        epochs = ceil(FIT_SECONDS / epoch_seconds)
    n_steps = epochs * ceil(n_rows / workload.batch_size)
    part = rows[:n_rows]

    def timed(one: Any) -> float:
        begin = perf_counter()
        one.fit(part, epochs)
        return perf_counter() - begin

    timed(runner)
    rival = _fastest_rival(contender, workload, device, timed)
    rival_ratios: list[float] = []
    floor_ratios: list[float] = []
    begin = perf_counter()
    while len(rival_ratios) < FEWEST or (
        len(rival_ratios) < MOST and perf_counter() - begin < ALL_SECONDS
    ):
        # Whoever comes first in one pair comes second in the next.
        ours_first = len(rival_ratios) % 2 == 0
        first = timed(runner if ours_first else rival[1])
        second = timed(rival[1] if ours_first else runner)
        ours, theirs = (first, second) if ours_first else (second, first)
        rival_ratios.append(ours / theirs)
        if product_seconds is not None:
            floor_ratios.append(ours / (n_steps * product_seconds()))
    figures: dict[str, Any] = {"rival": rival[0], "rival_ratios": rival_ratios}
    if floor_ratios:
        figures |= {"floor_ratios": floor_ratios, "floor_ratio": median(floor_ratios)}
    return figures


def has_rival(contender: Contender, workload: Workload, device: str) -> bool:
    """Whether there is somebody to be paired with."""
    return bool(_rivals(contender, workload, device))


def _rivals(contender: Contender, workload: Workload, device: str) -> list[Contender]:
    """Loops in the same framework that were written to win."""
    return [
        other
        for other in contenders().values()
        if other.is_expert
        and other.framework == contender.framework
        and workload.kind in other.kinds
        and other.why_not(device) is None
    ]


def _fastest_rival(
    contender: Contender, workload: Workload, device: str, timed: Callable[[Any], float]
) -> tuple[str, Any]:
    tried = []
    for other in _rivals(contender, workload, device):
        module = importlib.import_module(f"benchmarks.comparators.{other.module}")
        rival = module.contender(workload, device)
        timed(rival)
        tried.append((min(timed(rival), timed(rival)), other.name, rival))
    _, name, rival = min(tried, key=lambda one: one[:2])
    return name, rival
