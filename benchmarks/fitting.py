"""One contender with one workload, in a process of its own: imports, fits, limits, scoring.

The first fit compiles; those after it are the steady state. The limits of the hardware are measured
right before and right after the steady fits: a machine whose speed drifts then drifts in both.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks import devices, memory, pairs
from benchmarks.contenders import Contender
from benchmarks.limits import LONG_ENOUGH, Limits

if TYPE_CHECKING:
    import numpy as np

    from benchmarks.workloads import Workload

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
