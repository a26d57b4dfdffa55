"""What several commands say about a model, its threshold and its decisions.

It imports NumPy, and is imported inside the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from aeanom.architectures import Architecture
from aeanom.cli.output import Printer, percent, plural
from aeanom.core.history import History
from aeanom.core.modules import ModuleArchitecture
from aeanom.evaluation import Baseline, Evaluation
from aeanom.explain import Explanation
from aeanom.metrics.classification import class_figures
from aeanom.model import AnomalyModel
from aeanom.thresholds import FittedThreshold

__all__ = [
    "show_baselines",
    "show_confusion",
    "show_evaluation",
    "show_health",
    "show_layers",
    "show_oddest",
    "show_ranking",
    "show_report",
    "training_facts",
]

#: Rows of a class under which an interval by resampling is too narrow.
FEW = 10
#: Columns of a terminal that the whole comparison with baselines takes.
WIDE = 72


_ROW_KINDS = ("training", "validation", "calibration")


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
            (name, *((f"{value:.4f}", _ends(ends)) if value is not None else ("-", reason)))
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
            "ROC AUC": f"{of.roc_auc:.3f}\n{_ends(of.roc_auc_interval)}",
            "average precision": f"{of.average_precision:.3f}\n"
            f"{_ends(of.average_precision_interval)}",
        }

    lines = {"this model": figures(e)}
    for one in e.baselines:
        ahead = f"{_signed(one.roc_auc_ahead)}\n{_ends(one.roc_auc_ahead_interval, _signed)}"
        lines[one.name] = {**figures(one), "ROC AUC ahead by": ahead}
    columns = ["ROC AUC", "average precision", "ROC AUC ahead by"]
    if printer.console.width < WIDE:
        del columns[1]
    printer.table(
        ("", *columns),
        [(name, *(line.get(column, "") for column in columns)) for name, line in lines.items()],
        right=(1, 2, 3),
    )
    difference = f"{_signed(best.roc_auc_ahead)} ({_ends(best.roc_auc_ahead_interval, _signed)})"
    says = {
        "ahead": f"The network is ahead of the best of them, {best.name}: {difference} in ROC AUC.",
        "level": f"The network is level with the best of them, {best.name}: the difference in ROC "
        f"AUC is {difference}, and these rows do not tell which is better.",
        "behind": f"The network is behind the best of them, {best.name}: {difference} in ROC AUC. "
        "For rows like these the simpler detector is the better choice.",
    }
    printer.text(says[best.verdict], style="" if best.verdict != "behind" else "yellow")


def show_promise(printer: Printer, e: Evaluation, threshold: FittedThreshold) -> None:
    """Print the false-positive rate that was promised, and the one that came of it."""
    printer.heading("False-positive rate (normal rows that were flagged)")
    promised = "nothing: this threshold makes no promise about new rows"
    if e.false_positive_rate_promised is not None:
        promised = f"at most {percent(e.false_positive_rate_promised)}"
        confidence = threshold.promise.confidence if threshold.promise else None
        if threshold.groups:
            promised += " in each group, on average"
        elif confidence is not None:
            promised += f" in {percent(confidence)} of calibrations"
        else:
            promised += ", on average"
        # What is expected of all rows together says little about a group.
        level = None if threshold.groups else threshold.level
        if level is not None and level < e.false_positive_rate_promised:
            promised += f" ({percent(level)} is expected)"
    pairs = [("promised", promised)]
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
    rows = []
    for placed in architecture.layers:
        values = placed.layer.to_dict()
        kind = values.pop("kind")
        count = sum(parameter.size for parameter in placed.parameters)
        rows.append(
            (
                placed.name,
                # An activation is known by its function's name.
                str(values["function"]) if kind == "activation" else kind,
                " × ".join(map(str, placed.output_shape)),
                f"{count:,}",
            )
        )
    printer.table(("layer", "kind", "output", "parameters"), rows, right=(2, 3))
    printer.text(
        f"latent {' × '.join(map(str, architecture.latent_shape))}, "
        f"{architecture.n_parameters:,} trainable parameters"
    )


def training_facts(model: AnomalyModel) -> list[tuple[str, str]]:
    """Say how a model was trained, as facts to print."""
    history = model.history
    rows = model.provenance.get("rows", {})
    # In the order of use, which a file does not keep.
    counts = [f"{rows[kind]:,} {kind}" for kind in _ROW_KINDS if rows.get(kind)]
    ended = {
        "epochs": "all done",
        "early_stopping": f"stopped early, epoch {history.best_epoch} was best",
        "callback": "stopped by a callback",
    }
    facts = [
        (
            "network",
            _shape(model.architecture) + f", {model.architecture.n_parameters:,} parameters",
        ),
        (
            "trained by",
            f"{model.provenance.get('backend', 'unknown')} on "
            f"{model.provenance.get('device', 'unknown')}, "
            f"{model.provenance.get('compute_dtype', model.dtype)}, seed {history.seed}",
        ),
        *([("", history.chosen_because)] if history.chosen_because else []),
        ("rows", ", ".join(counts) or "unknown"),
        ("epochs", f"{history.epochs} ({ended[history.stopped_by]}), {sum(history.seconds):.2g} s"),
    ]
    if history.loss:
        facts.append(("loss", f"{model.loss.name}, {history.loss[0]:.4g} → {history.loss[-1]:.4g}"))
    if history.validation_loss:
        facts.append(
            ("validation", f"{history.validation_loss[0]:.4g} → {history.validation_loss[-1]:.4g}")
        )
    return facts


def _shape(architecture: Architecture) -> str:
    """Return `"30-64-6-64-30"` for dense layers, `"28×28 → 32 → 28×28"` for others."""
    if isinstance(architecture, ModuleArchitecture):
        shape = "×".join(map(str, architecture.input_shape))
        return f"a {architecture.framework} module for rows of {shape}"
    shapes = [architecture.input_shape, architecture.latent_shape, architecture.input_shape]
    if architecture.kinds <= {"dense", "activation", "dropout"}:
        dense = (placed for placed in architecture.layers if placed.layer.kind == "dense")
        shapes[1:] = [placed.output_shape for placed in dense]
        return "-".join(str(size) for (size,) in shapes)
    return " → ".join("×".join(map(str, shape)) for shape in shapes)


def _ends(
    ends: tuple[float, float] | None, as_text: Callable[[float], str] = "{:.3f}".format
) -> str:
    return "" if ends is None else " to ".join(map(as_text, ends))


def _signed(value: float) -> str:
    """Return "+0.012", "-0.012", and "0.000" for what rounds to it from either side."""
    text = f"{value:+.3f}"
    return text[1:] if float(text) == 0 else text


def _is_outside(e: Evaluation) -> bool:
    if e.false_positive_rate_interval is None or e.false_positive_rate_realised is None:
        return False
    low, high = e.false_positive_rate_interval
    return not low <= e.false_positive_rate_realised <= high
