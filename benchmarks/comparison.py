"""Two result files side by side: the ratio of every figure, and whether it is more than spread."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.results import FIGURES, Figure, merge
from benchmarks.statistics import Summary


@dataclass(frozen=True)
class Change:
    """A figure in both files.

    Attributes
    ----------
    measurement, contender : str
    figure : Figure
    old, new : Summary
    """

    measurement: str
    contender: str
    figure: Figure
    old: Summary
    new: Summary

    @property
    def ratio(self) -> float:
        """New median over the old one."""
        return self.new.median / self.old.median

    @property
    def verdict(self) -> str:
        """`"better"` or `"worse"` if no round of one file reaches into those of the other.

        Of a single round nobody knows how far it reaches.
        """
        if min(self.new.count, self.old.count) < 2:
            return ""
        if self.new.least <= self.old.greatest and self.old.least <= self.new.greatest:
            return ""
        return "better" if (self.ratio > 1) == self.figure.more_is_better else "worse"

    def cells(self) -> tuple[str, ...]:
        """Cells of a table's line."""
        unit = f", {self.figure.unit}" if self.figure.unit else ""
        return (
            self.measurement,
            self.contender,
            f"{self.figure.title}{unit}",
            f"{self.old.median:.3g}",
            f"{self.new.median:.3g}",
            f"{self.ratio:.2f}",
            self.verdict,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return {
            "measurement": self.measurement,
            "contender": self.contender,
            "figure": self.figure.title,
            "unit": self.figure.unit,
            "old": asdict(self.old),
            "new": asdict(self.new),
            "ratio": self.ratio,
            "verdict": self.verdict,
        }


def compare(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    """Every figure that both files have, in the order of the new one."""
    before, after = merge([old]), merge([new])
    changes = []
    for key, measurement in after.items():
        for name, entry in measurement.entries.items():
            earlier = before[key].entries.get(name) if key in before else None
            if earlier is None:
                continue
            for figure_name, figure in FIGURES.items():
                was, is_ = earlier.summary(figure_name), entry.summary(figure_name)
                if was and is_ and was.median > 0:
                    changes.append(Change(key, name, figure, was, is_))
    return changes


def differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Tell what else than the code was not the same: machine, versions, settings."""
    found = [
        f"{name}: {old['machine'].get(name)}, then {new['machine'].get(name)}"
        for name in ("cpu", "cores", "memory_bytes", "python", "environment")
        if old["machine"].get(name) != new["machine"].get(name)
    ]
    versions = old["machine"]["packages"], new["machine"]["packages"]
    found += [
        f"{name}: {versions[0].get(name, 'none')}, then {versions[1].get(name, 'none')}"
        for name in sorted(versions[0].keys() | versions[1].keys())
        if versions[0].get(name) != versions[1].get(name)
    ]
    if old["settings"]["quick"] != new["settings"]["quick"]:
        found.append("one of them was quick: few rows and epochs")
    return found
