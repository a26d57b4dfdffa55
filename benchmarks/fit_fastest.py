"""Constants of the rule behind `backend="fastest"`, fitted to what the suite measured.

`python -m benchmarks.fit_fastest benchmarks/results/cpu.json ...` prints entries of the table in
`aeanom/core/fastest.py` for what was measured, and what the rule then says of every workload. A
step's time has two constants for each kind of network, fitted by least squares of the logarithms,
so that twice too slow and twice too fast count alike. What the measurements leave open (there is
one recurrent workload, for two constants) stays near what it is in the present table.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from scipy.optimize import least_squares

from aeanom.core.fastest import COSTS, Costs, Pace, Work, rank, work_of
from benchmarks.results import Measurement, merge, read
from benchmarks.workloads import WORKLOADS

KINDS = ("dense", "convolutional", "recurrent")
#: Weight of the present constants: little against that of a measurement, which is 1.
PRIOR_WEIGHT = 0.03


class Sample(NamedTuple):
    """What the suite measured of one of our backends with one workload: medians, in seconds."""

    workload: str
    backend: str
    device: str
    work: Work
    imports: float
    start: float
    step: float

    @property
    def seconds(self) -> float:
        """Of a whole first fit in a new process."""
        return self.imports + self.start + self.work.steps * self.step


def samples(measurements: Iterable[Measurement]) -> list[Sample]:
    """Every fit of our own backends among the measurements, those in float32."""
    found = []
    for measurement in measurements:
        if not measurement.trains:
            continue
        about = measurement.about
        steps = -(-about["rows"] // about["batch_size"])
        work = work_of(
            WORKLOADS[measurement.name].architecture(),
            steps=steps * about["epochs"],
            batch_size=about["batch_size"],
        )
        for entry in measurement.entries.values():
            epoch = entry.median("epoch_seconds")
            if entry.name != f"aeanom-{entry.framework}" or epoch is None:
                continue
            first = entry.median("first_fit_seconds")
            imports = entry.median("framework_import_seconds")
            with_ours = entry.median("import_seconds")
            assert first is not None
            assert imports is not None
            assert with_ours is not None
            found.append(
                Sample(
                    measurement.name,
                    entry.framework,
                    measurement.device,
                    work,
                    # NumPy itself is there before anybody chooses, and so are our own modules,
                    # which the suite counts to the first fit.
                    0.0 if entry.framework == "numpy" else imports,
                    max(first - (with_ours - imports) - about["first_epochs"] * epoch, 0.0),
                    epoch / steps,
                )
            )
    return found


def fit(taken: list[Sample]) -> dict[tuple[str, str], Costs]:
    """Return costs of what was measured: the present ones, with constants fitted to the samples."""
    table = {}
    for pair in dict.fromkeys((sample.backend, sample.device) for sample in taken):
        own = [sample for sample in taken if (sample.backend, sample.device) == pair]
        by_kind = {kind: [sample for sample in own if sample.work.kind == kind] for kind in KINDS}
        table[pair] = COSTS[pair]._replace(
            imports=median(sample.imports for sample in own),
            **{
                kind: fit_pace(some, getattr(COSTS[pair], kind))
                for kind, some in by_kind.items()
                if some
            },
        )
    return table


def fit_pace(some: list[Sample], present: Pace) -> Pace:
    """Fit the constants of one kind of network."""
    operations, flops, seconds = np.array(
        [(sample.work.operations, sample.work.flops, sample.step) for sample in some], dtype=float
    ).T
    prior = np.log([present.overhead, present.rate])

    def residuals(logarithms: np.ndarray) -> np.ndarray:
        overhead, rate = np.exp(logarithms)
        expected = operations * overhead + flops / rate
        return np.concatenate([np.log(expected / seconds), PRIOR_WEIGHT * (logarithms - prior)])

    overhead, rate = np.exp(least_squares(residuals, prior).x)
    return Pace(median(sample.start for sample in some), float(overhead), float(rate))


def as_python(table: dict[tuple[str, str], Costs]) -> str:
    """Return the entries as they stand in `aeanom/core/fastest.py`."""
    lines = []
    for (backend, device), costs in table.items():
        lines += [f'    ("{backend}", "{device}"): Costs(', f"        imports={costs.imports:.2g},"]
        for kind in KINDS:
            pace: Pace = getattr(costs, kind)
            lines.append(
                f"        {kind}=Pace(start={pace.start:.2g}, overhead={pace.overhead:.1e}, "
                f"rate={pace.rate:.1e}),"
            )
        lines.append("    ),")
    return "\n".join(lines)


def as_markdown(taken: list[Sample], table: dict[tuple[str, str], Costs]) -> str:
    """Return what the rule would choose for each workload, and what was the fastest."""
    lines = [
        "| workload | device | measured: first fit with import, s (expected) | chosen | costs |",
        "|---|---|---|---|---|",
    ]
    for workload, device in dict.fromkeys((sample.workload, sample.device) for sample in taken):
        own = {
            sample.backend: sample
            for sample in taken
            if (sample.workload, sample.device) == (workload, device)
        }
        work = next(iter(own.values())).work
        ranking = rank(work, [(name, device) for name in own], table=table)
        expected = {one.backend: one.seconds for one in ranking}
        order = sorted(own, key=lambda name: own[name].seconds)
        chosen = ranking[0].backend
        figures = ", ".join(
            f"{name} {own[name].seconds:.2g} ({expected[name]:.2g})" for name in order
        )
        ratio = own[chosen].seconds / own[order[0]].seconds
        lines.append(f"| {workload} | {device} | {figures} | {chosen} | {ratio:.2f} × best |")
    return "\n".join(lines)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", nargs="+", type=Path, help="JSON files of the suite")
    arguments = parser.parse_args()
    taken = samples(merge(read(path) for path in arguments.results).values())
    if not taken:
        parser.error("there is no fit of a backend of ours in these files")
    table = fit(taken)
    print(as_python(table))
    print()
    print(as_markdown(taken, table))


if __name__ == "__main__":
    main()
