"""The rule behind `backend="fastest"`: which backend would be the first to finish a fit.

Of each backend, on each kind of device, it expects::

    seconds = import + start + steps · (operations · overhead + FLOPs / rate)

`import` is that of the framework, 0 in a process that has done it already; `start` is what the
first steps take longer than the others (compilation, a GPU's start); an operation is a matrix
product or convolution forwards, with its two products backwards. The constants stand in `COSTS`.
They were measured on one machine, so a time is right in its order of magnitude and no better:
what counts is which of them is the smallest, in which the speed of a machine largely cancels.

The rule leaves out what hardly tells backends apart: placing the rows, the optimiser, validation
and scoring. `choice.py` asks it; it imports no framework.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import prod
from typing import NamedTuple

from aeanom.architectures import Architecture, Parameter, PlacedLayer

__all__ = ["COSTS", "Costs", "Expected", "Pace", "Work", "flops_per_row", "rank", "work_of"]

_CONVOLUTIONAL = frozenset({"conv1d", "conv2d", "conv2d_transpose"})
_RECURRENT = frozenset({"lstm", "gru"})


class Pace(NamedTuple):
    """How fast a backend trains networks of one kind.

    Attributes
    ----------
    start : float
        Seconds that a first fit takes longer than a second one.
    overhead : float
        Seconds of an operation besides its arithmetic.
    rate : float
        FLOPs a second.
    """

    start: float
    overhead: float
    rate: float


class Costs(NamedTuple):
    """What a backend on a kind of device takes: import in seconds, and a pace by kind of network.

    A network with recurrent layers is recurrent, whatever else it has; one with convolutions and
    none of those is convolutional, and every other dense.
    """

    imports: float
    dense: Pace
    convolutional: Pace
    recurrent: Pace


class Work(NamedTuple):
    """A fit, as far as the rule looks at it.

    Attributes
    ----------
    kind : {"dense", "convolutional", "recurrent"}
    steps : int
    operations : int
        In one step, those that can only be done one after the other: one for each kernel, and
        one for each time of a recurrent layer.
    flops : int
        Of the matrix products and convolutions of one step; a multiplication and its addition
        are two.
    """

    kind: str
    steps: int
    operations: int
    flops: int


class Expected(NamedTuple):
    """What the rule expects of a backend (its name) on a kind of device."""

    backend: str
    device: str
    seconds: float


#: (backend, kind of device) → costs, of equals the first. Those of the CPU were fitted to what the
#: suite measured, by `python -m benchmarks.fit_fastest benchmarks/results/speed_*.json`.
COSTS: dict[tuple[str, str], Costs] = {
    ("numpy", "cpu"): Costs(
        imports=0.0,
        dense=Pace(start=0.023, overhead=3.4e-05, rate=1.3e11),
        convolutional=Pace(start=0.24, overhead=3.0e-06, rate=1.3e10),
        recurrent=Pace(start=1.1, overhead=7.1e-05, rate=5.0e10),
    ),
    ("jax", "cpu"): Costs(
        imports=0.59,
        dense=Pace(start=1.1, overhead=1.1e-05, rate=1.6e11),
        convolutional=Pace(start=1.2, overhead=1.5e-06, rate=3.6e10),
        recurrent=Pace(start=1.7, overhead=2.3e-05, rate=4.4e10),
    ),
    ("torch", "cpu"): Costs(
        imports=1.2,
        dense=Pace(start=0.11, overhead=6.2e-05, rate=2.0e11),
        convolutional=Pace(start=0.44, overhead=5.8e-06, rate=3.5e10),
        recurrent=Pace(start=0.0, overhead=6.7e-05, rate=1.1e11),
    ),
    ("tensorflow", "cpu"): Costs(
        imports=4.8,
        dense=Pace(start=1.0, overhead=2.3e-05, rate=1.6e11),
        convolutional=Pace(start=0.62, overhead=1.9e-06, rate=4.6e10),
        recurrent=Pace(start=1.3, overhead=5.7e-05, rate=3.6e10),
    ),
    # Not measured yet, but set so that a GPU is taken for what keeps a CPU busy for minutes.
    ("torch", "cuda"): Costs(
        imports=3.0,
        dense=Pace(start=6.0, overhead=5.0e-05, rate=2.0e12),
        convolutional=Pace(start=8.0, overhead=1.0e-04, rate=1.0e12),
        recurrent=Pace(start=8.0, overhead=1.0e-04, rate=1.0e12),
    ),
    ("jax", "cuda"): Costs(
        imports=3.0,
        dense=Pace(start=8.0, overhead=5.0e-05, rate=2.0e12),
        convolutional=Pace(start=12.0, overhead=1.0e-04, rate=1.0e12),
        recurrent=Pace(start=12.0, overhead=1.0e-04, rate=1.0e12),
    ),
    ("tensorflow", "cuda"): Costs(
        imports=6.0,
        dense=Pace(start=10.0, overhead=1.0e-04, rate=2.0e12),
        convolutional=Pace(start=12.0, overhead=2.0e-04, rate=1.0e12),
        recurrent=Pace(start=12.0, overhead=2.0e-04, rate=1.0e12),
    ),
}


def rank(
    work: Work,
    candidates: Iterable[tuple[str, str]],
    imported: Iterable[str] = (),
    table: Mapping[tuple[str, str], Costs] = COSTS,
) -> list[Expected]:
    """Return what is expected of the candidates, the fastest first.

    Parameters
    ----------
    work : Work
    candidates : iterable of (backend, kind of device)
        Of equals the first given is the first returned.
    imported : iterable of str
        Backends whose framework this process has imported.
    table : mapping
        The constants; candidates that it does not have are left out.
    """
    imported = frozenset(imported)
    expected = []
    for backend, device in candidates:
        costs = table.get((backend, device))
        if costs is None:
            continue
        pace: Pace = getattr(costs, work.kind)
        step = work.operations * pace.overhead + work.flops / pace.rate
        seconds = pace.start + work.steps * step
        if backend not in imported:
            seconds += costs.imports
        expected.append(Expected(backend, device, seconds))
    return sorted(expected, key=lambda one: one.seconds)


def work_of(architecture: Architecture, *, steps: int, batch_size: int) -> Work:
    """Count what a fit of so many steps has to do."""
    operations = sum(
        _uses(placed) if placed.layer.kind in _RECURRENT else 1
        for placed in architecture.walk()
        if _kernels(placed)
    )
    flops = batch_size * flops_per_row(architecture)[0]
    kind = "dense"
    if architecture.kinds & _RECURRENT:
        kind = "recurrent"
    elif architecture.kinds & _CONVOLUTIONAL:
        kind = "convolutional"
    return Work(kind, steps, operations, flops)


def flops_per_row(architecture: Architecture) -> tuple[int, int]:
    """Floating-point operations that one row takes in training, and in scoring.

    Those of the products with kernels, which are nearly all. A kernel takes part in three:
    forwards, for its own gradient, and for that of its input, which the network's first kernel
    does without. Windows that reach over the edge of a row count in full. Of a layer of your own,
    every array of two and more axes is taken for a dense kernel.
    """
    forward = [
        2 * _uses(placed) * kernel.size
        for placed in architecture.walk()
        for kernel in _kernels(placed)
    ]
    return 3 * sum(forward) - sum(forward[:1]), sum(forward)


def _kernels(placed: PlacedLayer) -> list[Parameter]:
    """Kernels of a layer itself, without those of the layers inside it."""
    inside = {parameter.name for part in placed.inner for parameter in part.parameters}
    return [
        parameter
        for parameter in placed.parameters
        if len(parameter.shape) > 1 and parameter.name not in inside
    ]


def _uses(placed: PlacedLayer) -> int:
    """How often one row passes through a layer's kernels: at every place or time."""
    by_input = placed.layer.kind in _RECURRENT | {"conv2d_transpose"}
    return prod((placed.input_shape if by_input else placed.output_shape)[:-1])
