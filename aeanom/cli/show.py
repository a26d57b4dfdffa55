"""What several commands say about a model, its threshold and its decisions.

It imports NumPy, and is imported inside the commands.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from aeanom.architectures import Architecture
from aeanom.cli.output import Printer, percent, plural
from aeanom.core.history import History
from aeanom.core.modules import ModuleArchitecture
from aeanom.evaluation import Baseline, Evaluation
from aeanom.explain import Explanation
from aeanom.metrics.classification import class_figures
from aeanom.thresholds import FittedThreshold
from aeanom.words import (
    baseline_verdict,
    layer_lines,
    low_to_high,
    promise_in_words,
    signed,
)

__all__ = [
    "show_baselines",
    "show_confusion",
    "show_evaluation",
    "show_health",
    "show_layers",
    "show_oddest",
    "show_ranking",
    "show_report",
]

#: Rows of a class under which an interval by resampling is too narrow.
FEW = 10
#: Columns of a terminal that the whole comparison with baselines takes.
WIDE = 72


def show_evaluation(
    printer: Printer, evaluation: Evaluation, threshold: FittedThreshold, *, report: bool = False
) -> None:
    """Print ranking, confusion matrix, and promised beside realised false-positive rate."""
    e = evaluation
    normal = e.rows - e.anomalies
    printer.facts([("rows", f"{normal:,} normal, {plural(e.anomalies, 'anomaly', 'anomalies')}")])
    show_ranking(printer, e, whole=report)
    show_confusion(printer, e)
    if report:
        show_report(printer, e)
    show_promise(printer, e, threshold)


def show_ranking(printer: Printer, e: Evaluation, *, whole: bool = True) -> None:
    """Print the figures that need no threshold, each with its interval.

    Without `whole` only ROC AUC and average precision.
    """
    lines = [
        ("ROC AUC", e.roc_auc, e.roc_auc_interval, "needs normal rows and anomalies"),
        ("average precision", e.average_precision, e.average_precision_interval, "needs anomalies"),
    ]
    if whole and e.precision_at_n is not None:
        lines.append(
            (f"precision, first {e.anomalies:,}", e.precision_at_n, e.precision_at_n_interval, "")
        )
    if whole and e.true_positive_rate is not None:
        rate = percent(e.at_false_positive_rate)
        lines.append(
            (f"recall at {rate} FPR", e.true_positive_rate, e.true_positive_rate_interval, "")
        )
    if whole and e.best_f1 is not None:
        lines.append(("best F1", e.best_f1, None, ""))
    printer.heading("Ranking (whatever the threshold)")
    printer.table(
        ("", "", "95 % interval"),
        [
            (name, *((f"{value:.4f}", low_to_high(ends)) if value is not None else ("-", reason)))
            for name, value, ends, reason in lines
        ],
        right=(1,),
    )
    if whole and e.best_f1 is not None:
        printer.text(
            f"best F1: above {e.best_f1_threshold:.4g}, the best threshold for these very labels; "
            "new rows would give less"
        )
    if e.roc_auc is not None and min(e.anomalies, e.rows - e.anomalies) < FEW:
        printer.text(
            f"With fewer than {FEW} rows of a class intervals are too narrow.", style="yellow"
        )


def show_confusion(printer: Printer, e: Evaluation) -> None:
    """Print the confusion matrix."""
    printer.heading("Confusion matrix")
    printer.table(
        ("", "passed", "flagged"),
        [
            ("normal", f"{e.true_negatives:,} (TN)", f"{e.false_positives:,} (FP)"),
            ("anomaly", f"{e.false_negatives:,} (FN)", f"{e.true_positives:,} (TP)"),
        ],
        right=(1, 2),
    )


def show_report(printer: Printer, e: Evaluation) -> None:
    """Print precision, recall and F1 of each class, their unweighted means, and what is overall."""
    *figures, support = class_figures(e.confusion_matrix)
    normal, anomaly = np.stack(figures, axis=1).tolist()
    mean = np.mean([normal, anomaly], axis=0).tolist()
    printer.heading("Classification report")
    printer.table(
        ("", "precision", "recall", "F1", "rows"),
        [
            (name, *(f"{figure:.3f}" for figure in line), f"{count:,}")
            for name, line, count in (
                ("normal", normal, support[0]),
                ("anomaly", anomaly, support[1]),
                ("mean", mean, e.rows),
            )
        ],
        right=(1, 2, 3, 4),
    )
    correct = e.true_negatives + e.true_positives
    printer.text(
        f"accuracy {correct / e.rows:.3f} ({correct:,} of {e.rows:,} rows), "
        f"balanced accuracy {e.balanced_accuracy:.3f}, "
        f"Matthews correlation {e.matthews_correlation:.3f}"
    )


def show_baselines(printer: Printer, e: Evaluation, trained_on: str) -> None:
    """Print the model beside detectors without a network, and what the comparison says."""
    best = e.best_baseline
    if best is None or e.roc_auc is None or e.average_precision is None:
        return
    printer.heading(f"Is the network worth it? (others fitted on {trained_on})")

    def figures(of: Evaluation | Baseline) -> dict[str, str]:
        return {
            "ROC AUC": f"{of.roc_auc:.3f}\n{low_to_high(of.roc_auc_interval)}",
            "average precision": f"{of.average_precision:.3f}\n"
            f"{low_to_high(of.average_precision_interval)}",
        }

    lines = {"this model": figures(e)}
    for one in e.baselines:
        ahead = f"{signed(one.roc_auc_ahead)}\n{low_to_high(one.roc_auc_ahead_interval, signed)}"
        lines[one.name] = {**figures(one), "ROC AUC ahead by": ahead}
    columns = ["ROC AUC", "average precision", "ROC AUC ahead by"]
    if printer.console.width < WIDE:
        del columns[1]
    printer.table(
        ("", *columns),
        [(name, *(line.get(column, "") for column in columns)) for name, line in lines.items()],
        right=(1, 2, 3),
    )
    printer.text(baseline_verdict(best), style="" if best.verdict != "behind" else "yellow")


def show_promise(printer: Printer, e: Evaluation, threshold: FittedThreshold) -> None:
    """Print the false-positive rate that was promised, and the one that came of it."""
    printer.heading("False-positive rate (normal rows that were flagged)")
    pairs = [("promised", promise_in_words(threshold))]
    if e.false_positive_rate_realised is not None:
        normal = e.true_negatives + e.false_positives
        pairs.append(
            (
                "realised",
                f"{percent(e.false_positive_rate_realised)} "
                f"({e.false_positives:,} of {plural(normal, 'normal row')} here)",
            )
        )
    if e.false_positive_rate_interval is not None:
        low, high = map(percent, e.false_positive_rate_interval)
        pairs.append(
            (
                "may fall in",
                f"{low} to {high} with {plural(threshold.n_scores, 'calibration row')}, "
                "in 95 % of calibrations",
            )
        )
    printer.facts(pairs)
    if _is_outside(e):
        printer.text(
            "The realised rate is outside that interval: chance, which adds its share with few "
            "normal rows, or normal rows that are not like those of the calibration.",
            style="yellow",
        )


def show_oddest(
    printer: Printer,
    explanation: Explanation,
    p_values: NDArray[np.float64],
    names: Sequence[str],
    *,
    n_reasons: int = 3,
) -> None:
    """Print rows, each with its score, its p-value and the features that made it odd.

    And the value that is farthest outside of what training saw, if any is.
    """
    for index, name in enumerate(names):
        printer.text(
            f"{name}  score {explanation.scores[index]:.4g}  p-value\u00a0{p_values[index]:.3g}",
            style="bold",
        )
        for reason in explanation.row(index, n_reasons):
            printer.text(f"  {reason}")
        for outside in explanation.outside(index)[:1]:
            printer.text(f"  {outside}", style="yellow")


def show_health(printer: Printer, history: History) -> None:
    """Print what was found wrong with a fit, each with its advice."""
    printer.heading("Health of the fit")
    if not history.health:
        printer.text("nothing wrong found")
    for finding in history.health:
        printer.text(finding.message, style="yellow" if finding.severity == "warning" else "")


def show_layers(printer: Printer, architecture: Architecture) -> None:
    """Print the layers with their shapes and parameter counts, or a module's arrays."""
    if isinstance(architecture, ModuleArchitecture):
        printer.table(
            ("array", "shape"),
            [(array.name, " × ".join(map(str, array.shape))) for array in architecture.parameters],
        )
        printer.text(f"{architecture.n_parameters:,} trainable parameters")
        return
    printer.table(
        ("layer", "kind", "output", "parameters"), layer_lines(architecture), right=(2, 3)
    )
    printer.text(
        f"latent {' × '.join(map(str, architecture.latent_shape))}, "
        f"{architecture.n_parameters:,} trainable parameters"
    )


def _is_outside(e: Evaluation) -> bool:
    if e.false_positive_rate_interval is None or e.false_positive_rate_realised is None:
        return False
    low, high = e.false_positive_rate_interval
    return not low <= e.false_positive_rate_realised <= high
