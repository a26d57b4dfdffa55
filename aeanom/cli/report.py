"""What several commands say about a model, its threshold and its decisions.

It imports NumPy, and is imported inside the commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aeanom import metrics
from aeanom.architectures import Architecture
from aeanom.cli.output import Printer, percent, plural
from aeanom.core.modules import ModuleArchitecture
from aeanom.explain import Explanation
from aeanom.model import AnomalyModel
from aeanom.thresholds import FittedThreshold

__all__ = ["Evaluation", "show_evaluation", "show_layers", "show_oddest", "training_facts"]


_ROW_KINDS = ("training", "validation", "calibration")


@dataclass(frozen=True)
class Evaluation:
    """How well a model tells labelled rows apart; None where a figure is not defined."""

    rows: int
    anomalies: int
    roc_auc: float | None
    average_precision: float | None
    true_negatives: int
    false_positives: int
    false_negatives: int
    true_positives: int
    false_positive_rate_promised: float | None
    false_positive_rate_realised: float | None
    false_positive_rate_interval: tuple[float, float] | None

    @classmethod
    def of(
        cls,
        is_anomaly: NDArray[np.bool_],
        scores: NDArray[np.float64],
        threshold: FittedThreshold,
        flags: NDArray[np.bool_] | None = None,
    ) -> Evaluation:
        """Compare scores of shape (n,) with what the rows are.

        `flags` are the decisions, where the threshold depends on more than the score.
        """
        if flags is None:
            flags = threshold.exceeds(scores)
        (tn, fp), (fn, tp) = metrics.confusion_matrix(is_anomaly, flags).tolist()
        both = tp + fn > 0 and tn + fp > 0
        promise = threshold.promise
        return cls(
            rows=len(scores),
            anomalies=tp + fn,
            roc_auc=metrics.roc_auc_score(is_anomaly, scores) if both else None,
            average_precision=(
                metrics.average_precision_score(is_anomaly, scores) if tp + fn else None
            ),
            true_negatives=tn,
            false_positives=fp,
            false_negatives=fn,
            true_positives=tp,
            false_positive_rate_promised=None if promise is None else promise.rate,
            false_positive_rate_realised=fp / (tn + fp) if tn + fp else None,
            false_positive_rate_interval=threshold.interval(),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        return asdict(self)


def show_evaluation(
    printer: Printer, evaluation: Evaluation, threshold: FittedThreshold, *, report: bool = False
) -> None:
    """Print ranking, confusion matrix, and promised beside realised false-positive rate."""
    e = evaluation
    normal = e.rows - e.anomalies
    printer.facts(
        [
            ("rows", f"{normal:,} normal, {plural(e.anomalies, 'anomaly', 'anomalies')}"),
            ("ROC AUC", _figure(e.roc_auc, "needs normal rows and anomalies")),
            ("average precision", _figure(e.average_precision, "needs anomalies")),
        ]
    )
    show_confusion(printer, e)
    if report:
        show_report(printer, e)
    show_promise(printer, e, threshold)


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
    """Print precision, recall and F1 of each class, and their unweighted means."""

    def figures(hits: int, flagged: int, present: int) -> list[float]:
        return [
            hits / flagged if flagged else 0.0,
            hits / present if present else 0.0,
            2 * hits / (flagged + present) if flagged + present else 0.0,
        ]

    normal = figures(e.true_negatives, e.true_negatives + e.false_negatives, e.rows - e.anomalies)
    anomaly = figures(e.true_positives, e.true_positives + e.false_positives, e.anomalies)
    mean = np.mean([normal, anomaly], axis=0).tolist()
    printer.heading("Classification report")
    printer.table(
        ("", "precision", "recall", "F1", "rows"),
        [
            (name, *(f"{figure:.3f}" for figure in line), f"{count:,}")
            for name, line, count in (
                ("normal", normal, e.rows - e.anomalies),
                ("anomaly", anomaly, e.anomalies),
                ("mean", mean, e.rows),
            )
        ],
        right=(1, 2, 3, 4),
    )
    correct = e.true_negatives + e.true_positives
    printer.text(f"accuracy {correct / e.rows:.3f} ({correct:,} of {e.rows:,} rows)")


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
    """Print rows, each with its score, its p-value and the features that made it odd."""
    for index, name in enumerate(names):
        printer.text(
            f"{name}  score {explanation.scores[index]:.4g}  p-value\u00a0{p_values[index]:.3g}",
            style="bold",
        )
        for reason in explanation.row(index, n_reasons):
            printer.text(f"  {reason}")


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


def _figure(value: float | None, reason: str) -> str:
    return f"{value:.4f}" if value is not None else f"not defined ({reason})"


def _is_outside(e: Evaluation) -> bool:
    if e.false_positive_rate_interval is None or e.false_positive_rate_realised is None:
        return False
    low, high = e.false_positive_rate_interval
    return not low <= e.false_positive_rate_realised <= high
