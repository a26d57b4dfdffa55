"""Result files: what figures they hold, how files are merged, and values by round.

`suite.py` writes them; `report.py`, `pictures.py` and `comparison.py` read them through this.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from aeanom.errors import InvalidDataError
from aeanom.storage.atomic import replace_file
from benchmarks.statistics import Interval, Summary, median_interval, paired_ratios, summary

FORMAT = 1


class Figure(NamedTuple):
    """A figure that files are compared by."""

    title: str
    unit: str
    more_is_better: bool = False


#: The first of these that a contender has is what it is ranked by.
FIGURES = {
    "epoch_seconds": Figure("steady epoch", "s"),
    "first_fit_seconds": Figure("first fit", "s"),
    "import_seconds": Figure("import", "s"),
    "scored_rows_per_second": Figure("rows scored", "rows/s", True),
    "peak_host_bytes": Figure("memory of a fit", "bytes"),
    "scoring_host_bytes": Figure("memory of scoring", "bytes"),
    "peak_device_bytes": Figure("GPU memory", "bytes"),
    "limit_flops": Figure("matrix product, 1024³", "FLOP/s", True),
    "floor_ratio": Figure("fit over its products", ""),
    "rival_ratio": Figure("fit over that of the best loop", ""),
    "rows_slope_ratio": Figure("slope by rows, late over early", ""),
    "epochs_slope_ratio": Figure("slope by epochs, late over early", ""),
    "share": Figure("share of the limit", "", True),
    "rows_step_seconds": Figure("a step, by rows", "s"),
    "epochs_step_seconds": Figure("a step, by epochs", "s"),
    "other_to_same_rows_fit": Figure("fit of other rows over the same", ""),
    "p50_seconds_1": Figure("1 row, median", "s"),
    "p99_seconds_1": Figure("1 row, 99 %", "s"),
    "p50_seconds_16": Figure("16 rows, median", "s"),
    "p99_seconds_16": Figure("16 rows, 99 %", "s"),
    "p50_seconds_256": Figure("256 rows, median", "s"),
    "p99_seconds_256": Figure("256 rows, 99 %", "s"),
    "cold_start_seconds": Figure("cold start", "s"),
    "first_score_seconds": Figure("import, load and score", "s"),
    "resident_bytes": Figure("resident memory", "bytes"),
    "installed_bytes": Figure("installed size", "bytes"),
}


@dataclass(frozen=True)
class Entry:
    """What one contender did in one measurement."""

    name: str
    title: str
    framework: str
    is_ours: bool
    rounds: tuple[dict[str, Any], ...]
    problem: str | None

    def values(self, figure: str) -> dict[int, float]:
        """Values of a figure by round."""
        found = {taken["round"]: taken.get(figure) for taken in self.rounds}
        return {turn: value for turn, value in found.items() if value is not None}

    def summary(self, figure: str) -> Summary | None:
        """Median and spread, or None if it was not measured."""
        values = self.values(figure)
        return summary(list(values.values())) if values else None

    def median(self, figure: str) -> float | None:
        """Median, or None if it was not measured."""
        found = self.summary(figure)
        return None if found is None else found.median

    def paired(self, figure: str) -> Interval | None:
        """Median of a figure of which a round has a list, one value a turn.

        The interval is that of the rounds' medians, as turns of one process are not independent;
        of a single round, that of its turns.
        """
        lists = [taken[figure] for taken in self.rounds if taken.get(figure)]
        if not lists:
            return None
        return median_interval([median(each) for each in lists] if len(lists) > 1 else lists[0])

    def ratio(self, other: Entry, figure: str) -> Interval | None:
        """Median of this one's value over the other's in the same round."""
        ratios = paired_ratios(self.values(figure), other.values(figure))
        return median_interval(ratios) if ratios else None


@dataclass(frozen=True)
class Measurement:
    """A workload, the scaling or the latency on one device, with the file's facts around it."""

    name: str
    device: str
    about: dict[str, Any]
    file: dict[str, Any]
    entries: dict[str, Entry]

    @property
    def key(self) -> str:
        """Such as `"fashion"` or `"fashion-cuda"`."""
        return self.name if self.device == "cpu" else f"{self.name}-{self.device}"

    @property
    def trains(self) -> bool:
        """Whether fits were measured."""
        return bool(self.about.get("trains"))


def write(result: dict[str, Any], path: Path) -> None:
    """Write a result whole or not at all."""
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    replace_file(path, lambda file: file.write(text.encode()))


def read(path: Path) -> dict[str, Any]:
    """Read a result.

    Raises
    ------
    InvalidDataError
        If it is none, or one of another format.
    """
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidDataError(f"{path}: not a JSON file: {error}") from None
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise InvalidDataError(
            f"{path}: not written by `aeanom benchmark`, or by another version of it"
        )
    return result


def merge(results: Iterable[dict[str, Any]]) -> dict[str, Measurement]:
    """Measurements of several files by key; of what was measured twice, the later."""
    merged = {}
    for result in sorted(results, key=lambda result: result["started"]):
        for name, about in result["measurements"].items():
            entries = {
                contender: Entry(
                    contender,
                    entry["title"],
                    entry["framework"],
                    entry["ours"],
                    tuple(entry["rounds"]),
                    entry.get("failed") or entry.get("not_run"),
                )
                for contender, entry in about["contenders"].items()
            }
            if any(entry.rounds for entry in entries.values()):
                found = Measurement(name, about["device"], about, result, entries)
                merged[found.key] = found
    return merged
