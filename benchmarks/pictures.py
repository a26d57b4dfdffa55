"""Result files as pictures: one SVG for each measurement, for a page of any width.

Lettering is drawn as shapes, so that it looks the same everywhere, and large enough to be read when
the picture is 700 pixels wide. Colours are those of Okabe and Ito; ours and others' also differ in
the weight of their names.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from aeanom.plots.figures import new_figure
from aeanom.storage.atomic import replace_file
from benchmarks.results import Entry, Measurement

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

OURS, OTHERS, FLOOR = "#0072B2", "#E69F00", "#000000"
FRAMEWORK_COLOURS = {
    "numpy": "#0072B2",
    "torch": "#D55E00",
    "jax": "#009E73",
    "tensorflow": "#CC79A7",
}
_MARKERS = {"numpy": "o", "torch": "s", "jax": "^", "tensorflow": "D"}
_WIDTH = 8.0
_SMALL, _MEDIUM, _LARGE = 9.5, 10.5, 12.0


def write(measurement: Measurement, folder: Path) -> Path | None:
    """Draw a measurement into `<key>.svg`; None if there is nothing to draw.

    Raises
    ------
    MissingDependencyError
        If matplotlib is not installed.
    """
    draw = {"scaling": scaling, "latency": latency}.get(measurement.name, bars)
    figure = draw(measurement)
    if figure is None:
        return None
    from matplotlib import rc_context

    path = folder / f"{measurement.key}.svg"
    content = BytesIO()
    # Without date and random names: the same figures give the same file.
    with rc_context({"svg.hashsalt": "aeanom", "svg.fonttype": "path"}):
        figure.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    replace_file(path, lambda file: file.write(content.getvalue()))
    return path


def bars(measurement: Measurement) -> Figure | None:
    """Bars of the seconds of an epoch, or of scoring, the quickest on top."""
    what = "seconds of an epoch" if measurement.trains else "seconds to score a million rows"
    shown = [
        (entry, values)
        for entry in measurement.entries.values()
        if (values := _seconds(measurement, entry))
    ]
    if not shown:
        return None
    shown.sort(key=lambda one: one[1][1], reverse=True)
    figure = new_figure(_WIDTH, 1.5 + 0.36 * len(shown))
    axes = figure.subplots()
    places = range(len(shown))
    middle = [median for _, (_, median, _) in shown]
    errors = [
        [median - least for _, (least, median, _) in shown],
        [greatest - median for _, (_, median, greatest) in shown],
    ]
    axes.barh(
        places,
        middle,
        xerr=errors,
        color=[OURS if entry.is_ours else OTHERS for entry, _ in shown],
        height=0.72,
        error_kw={"ecolor": "#333333", "elinewidth": 1.2, "capsize": 2.5},
    )
    low, high = min(least for _, (least, _, _) in shown), max(high for _, (_, _, high) in shown)
    floors = [_floor(measurement, entry) for entry, _ in shown]
    low = min(low, *(floor for floor in floors if floor)) if any(floors) else low
    axes.set_xscale("log")
    _mark(axes.xaxis, high / low)
    # Room on the right for the figures beside the bars.
    span = max(high / low, 10.0)
    axes.set_xlim(low / span**0.12, high * span**0.22)
    for place, (entry, (_, median, greatest)) in enumerate(shown):
        axes.annotate(
            _short(median),
            (greatest, place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=_SMALL,
            fontweight="bold" if entry.is_ours else "normal",
        )
        if floor := floors[place]:
            axes.plot([floor, floor], [place - 0.36, place + 0.36], color=FLOOR, linewidth=2.2)
    _name_rows(axes, [entry for entry, _ in shown])
    axes.set_xlabel(f"{what} (logarithmic; median, least and greatest)", fontsize=_MEDIUM)
    _title(axes, measurement)
    _legend(figure, has_floor=any(floors))
    return figure


def scaling(measurement: Measurement) -> Figure | None:
    """Lines of the seconds of a fit by its rows and by its epochs."""
    entries = [entry for entry in measurement.entries.values() if entry.rounds]
    if not entries:
        return None
    figure = new_figure(_WIDTH, 4.2)
    panels = figure.subplots(1, 2, sharey=True)
    for axes, axis in zip(panels, ("rows", "epochs"), strict=True):
        for entry in entries:
            seconds = _median_by_factor(entry, f"{axis}_seconds")
            axes.plot(
                list(seconds),
                list(seconds.values()),
                color=FRAMEWORK_COLOURS[entry.framework],
                marker=_MARKERS[entry.framework],
                markersize=6,
                label=entry.title,
            )
        ticks = list(seconds)
        axes.set_xscale("log")
        axes.set_yscale("log")
        _mark(axes.yaxis, 10.0)
        axes.set_xticks(ticks, [f"{factor}×" for factor in ticks], fontsize=_SMALL)
        axes.xaxis.minorticks_off()
        axes.tick_params(labelsize=_SMALL)
        axes.set_xlabel(f"number of {axis}", fontsize=_MEDIUM)
        axes.grid(color="#dddddd", linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("seconds of a fit", fontsize=_MEDIUM)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=_SMALL
    )
    figure.suptitle(measurement.about["title"], fontsize=_LARGE)
    return figure


def latency(measurement: Measurement) -> Figure | None:
    """Dots at the median of a call's time, with a line to the 99th percentile."""
    entries = [entry for entry in measurement.entries.values() if entry.values("p50_seconds_1")]
    if not entries:
        return None
    sizes = (1, 16, 256)
    figure = new_figure(_WIDTH, 1.6 + 0.62 * len(entries))
    axes = figure.subplots()
    entries.sort(key=lambda entry: entry.median("p50_seconds_1") or 0.0, reverse=True)
    for shift, size, marker, colour in zip(
        (0.24, 0.0, -0.24), sizes, "os^", ("#0072B2", "#009E73", "#D55E00"), strict=True
    ):
        places = [place + shift for place in range(len(entries))]
        middle = [1e6 * (entry.median(f"p50_seconds_{size}") or 0.0) for entry in entries]
        late = [1e6 * (entry.median(f"p99_seconds_{size}") or 0.0) for entry in entries]
        axes.hlines(places, middle, late, color=colour, linewidth=2)
        axes.plot(late, places, "|", color=colour, markersize=8)
        label = f"{size} row" if size == 1 else f"{size} rows"
        axes.plot(middle, places, marker, color=colour, markersize=6.5, label=label)
        for place, value in zip(places, middle, strict=True):
            axes.annotate(
                f"{value:.0f}",
                (value, place),
                xytext=(-7, 0),
                textcoords="offset points",
                ha="right",
                va="center",
                fontsize=_SMALL - 1,
            )
    axes.set_xscale("log")
    _mark(axes.xaxis, 10.0)
    low, high = axes.get_xlim()
    axes.set_xlim(low / (high / low) ** 0.1, high)
    _name_rows(axes, entries)
    axes.set_xlabel("microseconds a call (logarithmic; median, line to 99 %)", fontsize=_MEDIUM)
    _title(axes, measurement)
    figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=_SMALL)
    return figure


def _seconds(measurement: Measurement, entry: Entry) -> tuple[float, float, float] | None:
    """Least, median and greatest seconds of an epoch, or of scoring a million rows."""
    if measurement.trains:
        found = entry.summary("epoch_seconds")
        return (found.least, found.median, found.greatest) if found else None
    rates = entry.summary("scored_rows_per_second")
    if rates is None:
        return None
    return 1e6 / rates.greatest, 1e6 / rates.median, 1e6 / rates.least


def _floor(measurement: Measurement, entry: Entry) -> float | None:
    """Seconds of an epoch's matrix products alone."""
    floor = entry.median("floor_seconds")
    return floor / measurement.about["epochs"] if floor and measurement.trains else None


def _median_by_factor(entry: Entry, figure: str) -> dict[int, float]:
    from statistics import median

    factors = entry.rounds[0][figure]
    return {int(key): median(taken[figure][key] for taken in entry.rounds) for key in factors}


def _mark(axis: Axis, span: float) -> None:
    """Mark a logarithmic axis with plain numbers at 1, 2 and 5, or at 1 only over a wide span."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if span < 200 else (1.0,)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _name_rows(axes: Axes, entries: list[Entry]) -> None:
    axes.set_yticks(range(len(entries)), [entry.title for entry in entries], fontsize=_SMALL)
    for label, entry in zip(axes.get_yticklabels(), entries, strict=True):
        label.set_fontweight("bold" if entry.is_ours else "normal")
    axes.tick_params(axis="x", labelsize=_SMALL)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#dddddd", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _title(axes: Axes, measurement: Measurement) -> None:
    on = "" if measurement.device == "cpu" else f" on {measurement.device}"
    axes.set_title(
        f"{measurement.name}{on}: {measurement.about['title']}", fontsize=_LARGE, loc="left"
    )


def _legend(figure: Figure, *, has_floor: bool) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles: list[Patch | Line2D] = [
        Patch(color=OURS, label="aeanom"),
        Patch(color=OTHERS, label="others"),
    ]
    if has_floor:
        label = "the epoch's matrix products alone"
        handles.append(Line2D([], [], color=FLOOR, linewidth=2.2, label=label))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=_SMALL
    )


def _short(seconds: float) -> str:
    if seconds < 1e-3:
        return f"{1e6 * seconds:.3g} µs"
    return f"{1e3 * seconds:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"
