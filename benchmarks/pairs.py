"""A backend side by side with the best loop by hand, and with the bare products, in one process.

The speed of a shared machine drifts by more within a minute than what is to be told apart, so
whole processes in turns do not show a difference of a few per cent. Short fits in turns do: a
turn lasts a few seconds, and the ratio is taken turn by turn.
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

    from benchmarks.limits import Limits
    from benchmarks.workloads import Workload

#: Seconds that a fit should take, and that all turns should take together.
FIT_SECONDS, ALL_SECONDS = 0.8, 30.0
FEWEST, MOST = 6, 25


def measure(
    runner: Any,
    contender: Contender,
    workload: Workload,
    device: str,
    rows: np.ndarray,
    limits: Limits,
    figures: dict[str, Any],
) -> dict[str, Any]:
    """Ratios of our time to that of the fastest rival; nothing where there is none.

    Parameters
    ----------
    runner : object
        Ours, which has fitted these rows.
    contender : Contender
        Ours too.
    workload : Workload
    device : str
    rows : ndarray
    limits : Limits
        Times the products of a step, for dense networks.
    figures : dict
        With the seconds of an epoch.

    Returns
    -------
    dict
        `rival`, whom we are paired with; `rival_ratios`, `floor_ratios`: one value a turn; and
        their medians.
    """
    # A part of an epoch, or several: as many whole batches as take long enough.
    epoch_seconds = figures["epoch_seconds"]
    n_rows, epochs = workload.n_rows, 1
    if epoch_seconds > 2 * FIT_SECONDS:
        steps = ceil(workload.steps() * FIT_SECONDS / epoch_seconds)
        n_rows = min(steps * workload.batch_size, workload.n_rows)
    else:
        epochs = ceil(FIT_SECONDS / epoch_seconds)
    n_steps = epochs * n_rows / workload.batch_size
    part = rows[:n_rows]

    def timed(one: Any) -> float:
        begin = perf_counter()
        one.fit(part, epochs)
        return perf_counter() - begin

    found = _fastest_rival(contender, workload, device, timed)
    if found is None:
        return {}
    name, rival = found
    timed(runner)
    rival_ratios: list[float] = []
    floor_ratios: list[float] = []
    begin = perf_counter()
    while len(rival_ratios) < FEWEST or (
        len(rival_ratios) < MOST and perf_counter() - begin < ALL_SECONDS
    ):
        # Each turn is one of ours, two of theirs, one of ours: nobody always comes first, and a
        # drift within the turn cancels.
        before = timed(runner)
        theirs = timed(rival) + timed(rival)
        ours = before + timed(runner)
        rival_ratios.append(ours / theirs)
        if limits.has_floor:
            floor_ratios.append(ours / 2 / (n_steps * limits.step_seconds()))
    result = {"rival": name, "rival_ratios": rival_ratios, "rival_ratio": median(rival_ratios)}
    if floor_ratios:
        result |= {"floor_ratios": floor_ratios, "paired_floor_ratio": median(floor_ratios)}
    return result


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
) -> tuple[str, Any] | None:
    """Return who is the fastest at what `timed` does, warmed up; None without rivals."""
    tried = []
    for other in _rivals(contender, workload, device):
        module = importlib.import_module(f"benchmarks.comparators.{other.module}")
        rival = module.contender(workload, device)
        timed(rival)
        tried.append((min(timed(rival), timed(rival)), other.name, rival))
    if not tried:
        return None
    _, name, rival = min(tried, key=lambda one: one[:2])
    return name, rival
