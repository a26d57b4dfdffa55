"""What the figures of a report mean, in words: the tiles on top, the lines of metrics, verdicts.

It imports NumPy. The figures themselves are in `scored.py`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from aeanom.evaluation import Evaluation
from aeanom.model import AnomalyModel
from aeanom.report.scored import ScoredRows
from aeanom.words import low_to_high, percent, plural, promise_in_words

__all__ = ["MetricLine", "Tile", "expected_note", "metric_lines", "summary_tiles"]

# Fewer rows say little about a rate.
_ENOUGH_ROWS = 100


class Tile(NamedTuple):
    """A figure on top of the page; `tone` is "good", "bad" or nothing."""

    label: str
    value: str
    note: str
    tone: str = ""


class MetricLine(NamedTuple):
    """A figure with its interval, and what it is."""

    name: str
    value: float
    interval: tuple[float, float] | None
    meaning: str


def summary_tiles(model: AnomalyModel, scored: ScoredRows) -> list[Tile]:
    """Return what a reader wants to know first."""
    n, flagged = len(scored), int(np.count_nonzero(scored.flags))
    tiles = [Tile("flagged", f"{flagged:,}", f"of {plural(n, 'row')}, {percent(flagged / n)}")]
    e = scored.evaluation
    if e is not None and e.anomalies:
        tiles.append(
            Tile(
                "anomalies found",
                percent(e.recall),
                f"{e.true_positives:,} of {e.anomalies:,}",
            )
        )
    if e is not None and e.false_positive_rate_realised is not None:
        normal = e.rows - e.anomalies
        tiles.append(
            Tile(
                "false alarms",
                percent(e.false_positive_rate_realised),
                f"{e.false_positives:,} of {plural(normal, 'normal row')}; promised "
                + (
                    "nothing"
                    if model.threshold.promise is None
                    else promise_in_words(model.threshold)
                ),
                "bad" if _above_the_interval(e) else "",
            )
        )
    if e is not None and e.roc_auc is not None:
        tiles.append(
            Tile("ROC AUC", f"{e.roc_auc:.3f}", f"95 % interval {low_to_high(e.roc_auc_interval)}")
        )
    if e is None:
        promised = (
            "nothing" if model.threshold.promise is None else promise_in_words(model.threshold)
        )
        tiles.append(Tile("promised", promised, "of new normal rows are flagged"))
        if scored.outside is not None:
            outside = int(np.count_nonzero(scored.outside))
            tiles.append(
                Tile("outside of training", f"{outside:,}", f"{percent(outside / n)} of the rows")
            )
    warnings = sum(finding.severity == "warning" for finding in model.history.health)
    tiles.append(
        Tile(
            "health of the fit",
            plural(warnings, "warning") if warnings else "good",
            "see below" if warnings else "nothing wrong found",
            "bad" if warnings else "good",
        )
    )
    return tiles


def expected_note(model: AnomalyModel, scored: ScoredRows) -> str:
    """Say what the share of flagged rows means beside what the threshold promised."""
    threshold, e = model.threshold, scored.evaluation
    interval = threshold.interval()
    if e is not None:
        if interval is None or e.false_positive_rate_realised is None:
            return ""
        if _above_the_interval(e) or e.false_positive_rate_realised < interval[0]:
            return (
                "The realised rate is outside that interval: chance, which adds its share with few "
                "normal rows, or normal rows that are not like those of the calibration."
            )
        return "The realised rate is inside that interval: the promise is kept here."
    if threshold.promise is None or threshold.level is None:
        return ""
    share = float(scored.flags.mean())
    expected = threshold.level if not threshold.groups else threshold.promise.rate
    begin = (
        f"{percent(share)} of these rows are flagged; of normal rows alone "
        f"{percent(expected)} would be, on average"
    )
    if interval is None:
        return begin + "."
    begin += f", and {low_to_high(interval, percent)} in 95 % of calibrations. "
    if len(scored) < _ENOUGH_ROWS:
        return begin + f"{plural(len(scored), 'row')} are too few to tell the two apart."
    if share > interval[1]:
        return begin + (
            "That is more than normal rows alone explain: there are anomalies among these rows, or "
            "what is normal has changed since the calibration."
        )
    if share < interval[0]:
        return begin + "That is less: these rows are more usual than those of the calibration."
    return begin + "So these rows look like normal rows: most alarms here may be false."


def metric_lines(e: Evaluation) -> list[MetricLine]:
    """Return the figures that are defined: those of the ranking, then those at the threshold."""
    share = e.anomalies / e.rows
    found = [
        ("ROC AUC", e.roc_auc, e.roc_auc_interval,
         "how often an anomaly scores above a normal row; chance is 0.5"),
        ("average precision", e.average_precision, e.average_precision_interval,
         f"precision over all recalls; chance is {share:.3g}, the share of anomalies"),
        (f"precision, first {e.anomalies:,}", e.precision_at_n, e.precision_at_n_interval,
         "share of anomalies among as many rows of the largest scores"),
        (f"recall at {percent(e.at_false_positive_rate)} false alarms", e.true_positive_rate,
         e.true_positive_rate_interval, "share of anomalies found at that rate"),
        ("best F1", e.best_f1, None,
         "with the best threshold for these very labels; new rows would give less"),
    ]  # fmt: skip
    if e.anomalies:
        found += [
            (
                "precision",
                e.precision,
                None,
                "share of the alarms that are right",
            ),
            ("recall", e.recall, None, "share of the anomalies that are found"),
            ("F1", e.f1, None, "harmonic mean of the two"),
        ]
    if 0 < e.anomalies < e.rows:
        found += [
            ("balanced accuracy", e.balanced_accuracy, None, "mean of both classes; chance is 0.5"),
            ("Matthews correlation", e.matthews_correlation, None,
             "of decisions and labels; chance is 0"),
        ]  # fmt: skip
    return [MetricLine(name, value, interval, meaning)
            for name, value, interval, meaning in found if value is not None]  # fmt: skip


def _above_the_interval(e: Evaluation) -> bool:
    if e.false_positive_rate_interval is None or e.false_positive_rate_realised is None:
        return False
    return e.false_positive_rate_realised > e.false_positive_rate_interval[1]
