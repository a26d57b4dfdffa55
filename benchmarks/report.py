"""Result files as Markdown: tables for each workload, then scaling and latency.

`write` also draws the pictures of `pictures.py` and links them above the tables.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from string import ascii_uppercase
from typing import Any

from benchmarks import pictures
from benchmarks.results import Entry, Measurement, merge
from benchmarks.statistics import Interval, Summary, median_interval
from benchmarks.workloads import WORKLOADS

PAGE = "benchmarks.md"
#: What stands between these in a page is replaced; the rest of the page is kept.
BEGIN, END = "<!-- tables: begin -->", "<!-- tables: end -->"
_MEGABYTE = 2**20


def write(
    results: Iterable[dict[str, Any]],
    folder: Path,
    *,
    page: Path | None = None,
    reference: str | None = None,
) -> list[Path]:
    """Write the tables and an SVG for each measurement; return the paths.

    Parameters
    ----------
    results : iterable of dict
        As `results.read` returns them; of a workload that was measured twice, the later counts.
    folder : path-like
        For the pictures; made if need be.
    page : path-like, optional
        Markdown file, by default `benchmarks.md` in the folder. If it has lines `BEGIN` and `END`,
        only what stands between them is replaced.
    reference : str, optional
        Contender that the others are set against, where it was measured; by default each
        workload's own.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed; the page is there by then.
    """
    measurements = merge(results)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE if page is None else page
    links = Path(os.path.relpath(folder, page.parent)).as_posix()
    tables = markdown(measurements, pictures_at=links, reference=reference)
    if page.exists() and BEGIN in (text := page.read_text(encoding="utf-8")):
        before, rest = text.split(BEGIN, 1)
        tables = f"{before}{BEGIN}\n\n{tables}\n{END}{rest.split(END, 1)[1]}"
    page.write_text(tables, encoding="utf-8")
    drawn = [
        path
        for found in measurements.values()
        if (path := pictures.write(found, folder)) is not None
    ]
    return [page, *drawn]


def markdown(
    measurements: dict[str, Measurement],
    *,
    pictures_at: str | None = None,
    reference: str | None = None,
) -> str:
    """Lay measurements out: the runs that they come from, then a section for each.

    Parameters
    ----------
    measurements : dict
        As `results.merge` returns them.
    pictures_at : str, optional
        Folder of the pictures, from where the page will stand; None leaves them out.
    reference : str, optional
        See `write`.
    """
    order = [*WORKLOADS, "scaling", "latency"]
    found = sorted(measurements.values(), key=lambda one: (one.device, order.index(one.name)))
    files = {one.file["started"]: one.file for one in found}
    runs = dict(zip(sorted(files), ascii_uppercase, strict=False))
    parts = [f"- Run {runs[started]}: {_machine(files[started])}" for started in sorted(files)]
    sections = [
        _section(one, runs[one.file["started"]], pictures_at, _reference(one, reference))
        for one in found
    ]
    return "\n\n".join(["\n".join(parts), *sections]) + "\n"


def _section(
    measurement: Measurement, run: str, pictures_at: str | None, reference: Entry | None
) -> str:
    on = "" if measurement.device == "cpu" else f", {measurement.device}"
    parts = [f"## {measurement.name}{on}: {measurement.about['title']}"]
    parts.append(f"{_sizes(measurement)}; run {run}.")
    if pictures_at is not None:
        link = PurePosixPath(pictures_at, f"{measurement.key}.svg")
        parts.append(f"![{measurement.name}{on}]({link})")
    if measurement.name == "scaling":
        parts += _scaling(measurement)
    elif measurement.name == "latency":
        parts += _latency(measurement)
    elif measurement.trains:
        parts += _fits(measurement, reference)
    else:
        parts += _scoring(measurement, reference)
    parts.append(_not_run(measurement))
    return "\n\n".join(part for part in parts if part)


def _reference(measurement: Measurement, name: str | None) -> Entry | None:
    """Return the entry that the others are set against, if it was measured."""
    workload = WORKLOADS.get(measurement.name)
    names = (name, workload.reference if workload else None)
    entries = (measurement.entries.get(one) for one in names if one)
    return next((entry for entry in entries if entry and entry.rounds), None)


def _fits(measurement: Measurement, reference: Entry | None) -> list[str]:
    """Return times and ratios, then what else was measured."""
    entries = _ranked(measurement, "epoch_seconds")
    against = f"times as fast as {reference.title}" if reference else ""
    speed = _table(
        (
            "",
            "epoch, s",
            "rows/s",
            against,
            "over the best loop",
            "over its products",
            "the same in turns",
            "share",
        ),
        [
            (
                _name(entry),
                _spread(entry.summary("epoch_seconds")),
                _count(entry.median("rows_per_second")),
                _interval(reference.ratio(entry, "epoch_seconds") if reference else None),
                _interval(entry.paired("rival_ratios")),
                _number(entry.median("floor_ratio")),
                _interval(entry.paired("floor_ratios")),
                _percent(entry.median("share")),
            )
            for entry in entries
        ],
    )
    rest = _table(
        (
            "",
            "import, s",
            "first fit, s",
            "memory, MiB",
            "GPU, MiB",
            "rows scored/s",
            "1024³, GFLOP/s",
        ),
        [
            (
                _name(entry),
                _number(entry.median("import_seconds")),
                _spread(entry.summary("first_fit_seconds")),
                _megabytes(entry.median("peak_host_bytes")),
                _megabytes(entry.median("peak_device_bytes")),
                _count(entry.median("scored_rows_per_second")),
                _gigaflops(entry.median("limit_flops")),
            )
            for entry in entries
        ],
    )
    return [speed, rest]


def _scoring(measurement: Measurement, reference: Entry | None) -> list[str]:
    entries = _ranked(measurement, "scored_rows_per_second")
    against = f"times the time of {reference.title}" if reference else ""
    rows = []
    for entry in entries:
        ratio = reference.ratio(entry, "scored_rows_per_second") if reference else None
        rows.append(
            (
                _name(entry),
                _count(entry.median("scored_rows_per_second")),
                _interval(ratio),
                _megabytes(entry.median("scoring_host_bytes")),
                _count(entry.median("scored_rows")),
                _percent(entry.median("share")),
            )
        )
    return [_table(("", "rows/s", against, "memory, MiB", "rows scored", "share"), rows)]


def _scaling(measurement: Measurement) -> list[str]:
    heading = (
        "", "µs a step, by rows", "slope, late over early", "µs a step, by epochs",
        "slope, late over early", "fit of other rows over the same",
    )  # fmt: skip
    rows = [
        (
            _name(entry),
            _microseconds(entry.median("rows_step_seconds")),
            _spread(entry.summary("rows_slope_ratio")),
            _microseconds(entry.median("epochs_step_seconds")),
            _spread(entry.summary("epochs_slope_ratio")),
            _spread(entry.summary("other_to_same_rows_fit")),
        )
        for entry in _ranked(measurement, "rows_step_seconds")
    ]
    return [_table(heading, rows)]


def _latency(measurement: Measurement) -> list[str]:
    sizes = (1, 16, 256)
    heading = ("", *(f"{size} {'row' if size == 1 else 'rows'}, µs (99 %)" for size in sizes))
    rows = [
        (
            _name(entry),
            *(
                f"{_microseconds(entry.median(f'p50_seconds_{size}'))} "
                f"({_microseconds(entry.median(f'p99_seconds_{size}'))})"
                for size in sizes
            ),
        )
        for entry in _ranked(measurement, "p50_seconds_1")
    ]
    facts = [
        (label, text)
        for entry in measurement.entries.values()
        for label, figure, form in (
            ("`aeanom score` on one row, whole process, s", "cold_start_seconds", _number),
            ("NumPy and safetensors: import, load and score, s", "first_score_seconds", _number),
            ("the same: resident memory, MiB", "resident_bytes", _megabytes),
            ("the same: installed size, MiB", "installed_bytes", _megabytes),
            ("of which aeanom, MiB", "installed_aeanom_bytes", _megabytes),
        )
        if (text := form(entry.median(figure)))
    ]
    return [_table(heading, rows), _table(("", ""), facts) if facts else ""]


def _sizes(measurement: Measurement) -> str:
    """Rows, batches, epochs and rounds."""
    about = measurement.about
    sizes = []
    if "rows" in about:
        sizes.append(f"{about['rows']:,} rows, float32")
    if measurement.trains:
        sizes.append(f"batches of {about['batch_size']:,}, {about['epochs']} epochs")
        if about["first_epochs"] != about["epochs"]:
            sizes.append(f"{about['first_epochs']} in the first fit")
    rounds = max(len(entry.rounds) for entry in measurement.entries.values())
    sizes.append(f"medians of {rounds} {'round' if rounds == 1 else 'rounds'}")
    if rounds > 1 and "rows" in about:
        confidence = median_interval([0.0] * rounds).confidence
        sizes.append(f"ratios with intervals of {confidence:.0%} confidence")
    return ", ".join(sizes)


def _machine(file: dict[str, Any]) -> str:
    """Machine, date, load and versions of one run."""
    machine = file["machine"]
    facts = [*machine["gpus"]] if file["settings"]["device"] != "cpu" else []
    facts.append(f"{machine['cpu']}, {machine['cores']} cores")
    if machine["memory_bytes"]:
        facts.append(f"{machine['memory_bytes'] / 2**30:.0f} GiB")
    threads = ", ".join(f"{name}={value}" for name, value in machine["environment"].items())
    facts.append(threads or "threads as each framework chooses")
    facts.append(f"load {_load(file['load_before'])} before, {_load(file['load_after'])} after")
    facts.append(f"{file['started'][:10]}, commit {machine['commit']}")
    versions = ", ".join(f"{name} {number}" for name, number in machine["packages"].items())
    facts.append(f"Python {machine['python']}, {versions}")
    if file["settings"]["quick"]:
        facts.append("**quick: few rows and epochs, not for publication**")
    return "; ".join(facts) + "."


def _not_run(measurement: Measurement) -> str:
    lines = [
        f"- {entry.title}{_after(len(entry.rounds))}: {entry.problem.splitlines()[0]}"
        for entry in measurement.entries.values()
        if entry.problem
    ]
    return "Not run:\n\n" + "\n".join(lines) if lines else ""


def _after(rounds: int) -> str:
    return f", after {rounds} {'round' if rounds == 1 else 'rounds'}" if rounds else ""


def _ranked(measurement: Measurement, figure: str) -> list[Entry]:
    """Entries that have a figure, the best first."""
    entries = [entry for entry in measurement.entries.values() if entry.values(figure)]
    more_is_better = figure.endswith("per_second")
    return sorted(entries, key=lambda one: one.median(figure) or 0.0, reverse=more_is_better)


def _name(entry: Entry) -> str:
    return f"**{entry.title}**" if entry.is_ours else entry.title


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table without the columns that nobody has anything in."""
    rows = list(rows)
    kept = [
        column for column in range(len(heading)) if column == 0 or any(row[column] for row in rows)
    ]
    lines = [[cells[column] for column in kept] for cells in (heading, *rows)]
    lines.insert(1, ["---", *("---:" for _ in kept[1:])])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _spread(found: Summary | None) -> str:
    if found is None:
        return ""
    if found.count == 1:
        return f"{found.median:.3g}"
    return f"{found.median:.3g} ({found.least:.3g} to {found.greatest:.3g})"


def _interval(found: Interval | None) -> str:
    if found is None:
        return ""
    if found.confidence <= 0:
        return f"{found.median:.3g}"
    return f"{found.median:.3g} ({found.low:.3g} to {found.high:.3g})"


def _count(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.3g} %"


def _megabytes(value: float | None) -> str:
    return "" if value is None else _three_digits(value / _MEGABYTE)


def _microseconds(value: float | None) -> str:
    return "" if value is None else _three_digits(1e6 * value)


def _three_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _gigaflops(value: float | None) -> str:
    return "" if value is None else f"{value / 1e9:,.0f}"


def _load(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}"
