"""Measure the whole ladder of parity and write it as a table: `python -m aeanom.testing.table`.

`docs/parity_table.md` is what it wrote last. It takes some minutes, most of them for compiling.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from aeanom.core.registry import available_backends, get_backend
from aeanom.errors import UnsupportedError
from aeanom.testing.architectures import EXAMPLES
from aeanom.testing.ladder import BOUNDS, RUNGS
from aeanom.testing.runs import RUNS, Comparison, compare_runs

__all__ = ["COLUMNS", "main", "measure", "read_table", "render"]

COLUMNS = tuple(
    (rung, dtype) for dtype in ("float64", "float32") for rung in RUNGS if dtype in BOUNDS[rung]
)
"""Rung and dtype of each column."""

Cells = Mapping[str, Mapping[str, Sequence[float | str]]]
"""By backend and example: one difference a column, or one reason for all."""

_TITLE = "# The parity table"
_PACKAGES = ("numpy", "torch", "jax", "flax", "tensorflow", "tensorflow-cpu")


def measure(backends: Sequence[str]) -> Cells:
    """Measure every rung of every example on these backends."""
    return {name: {example: _row(name, example) for example in EXAMPLES} for name in backends}


def render(cells: Cells, runs: Mapping[str, Sequence[Comparison]]) -> str:
    """Write the measured differences as a page of Markdown."""
    lines = [
        _TITLE,
        "",
        "Largest difference from the NumPy backend in float64, measured. What each rung measures "
        "is in [parity.md](parity.md), the networks are in "
        "[architectures.py](../aeanom/testing/architectures.py). `python -m aeanom.testing.table "
        "docs/parity_table.md` writes this page, and the test suite measures every cell again "
        "and holds it to the bound of its column. Random numbers are the shared ones. NumPy's own "
        "cells in float64 are zero: it is what the others are held against.",
        "",
        f"Python {platform.python_version()}, {_versions()}, {platform.machine()} CPU.",
    ]
    heading = [f"{rung.replace('_', ' ')}, {dtype}" for rung, dtype in COLUMNS]
    bounds = [f"< {BOUNDS[rung][dtype]:g}" for rung, dtype in COLUMNS]
    for backend, rows in cells.items():
        lines += ["", f"## {backend}", ""]
        lines += _markdown(
            ["network", *heading],
            [["*bound*", *bounds], *([name, *map(_cell, row)] for name, row in rows.items())],
        )
    if runs:
        lines += [
            "",
            "## Whole trainings",
            "",
            "The reference runs, trained to the end. In float64: the largest difference of a row's "
            "score, over the larger of it and the median score (bound 1e-8), and the flags that "
            "change (none may). In float32: the difference of the ROC AUC (bound 0.005) and the "
            "share of flags that change (bound 1 %).",
            "",
        ]
        lines += _markdown(
            [
                "run",
                "backend",
                "score, float64",
                "flags, float64",
                "AUC, float32",
                "flags, float32",
            ],
            [[name, *comparison.cells()] for name, rows in runs.items() for comparison in rows],
        )
    return "\n".join(lines) + "\n"


def read_table(text: str) -> dict[str, dict[str, list[str]]]:
    """Read the cells of a rendered page back, as text, by backend and example."""
    tables: dict[str, dict[str, list[str]]] = {}
    for line in text.splitlines():
        if line.startswith("## "):
            rows = tables.setdefault(line.removeprefix("## "), {})
        elif line.startswith("| ") and tables:
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            rows[name] = cells
    return {
        backend: {name: cells for name, cells in rows.items() if name in EXAMPLES}
        for backend, rows in tables.items()
        if backend in available_backends()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(prog="python -m aeanom.testing.table", description=__doc__)
    parser.add_argument("path", nargs="?", help="file to write; standard output by default")
    parser.add_argument("--without-runs", action="store_true", help="leave the whole trainings out")
    options = parser.parse_args(arguments)
    names = [name for name in available_backends() if name != "numpy"]
    # NumPy's own float32 is held to its float64 too.
    cells = measure(["numpy", *names])
    runs = {} if options.without_runs else {run: compare_runs(run, names) for run in RUNS}
    text = render(cells, runs)
    if options.path is None:
        sys.stdout.write(text)
    else:
        Path(options.path).write_text(text, encoding="utf-8")


def _row(backend: str, example: str) -> Sequence[float | str]:
    print(f"{backend}: {example}", file=sys.stderr)
    try:
        return [
            RUNGS[rung](get_backend(backend), EXAMPLES[example], dtype) for rung, dtype in COLUMNS
        ]
    except UnsupportedError as error:
        return [str(error)]


def _cell(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.1e}"


def _markdown(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heading)} |"
    yield f"|{'---|' * len(heading)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _versions() -> str:
    found = []
    for package in _PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except ModuleNotFoundError:
            continue
    return ", ".join(found)


if __name__ == "__main__":
    main()
