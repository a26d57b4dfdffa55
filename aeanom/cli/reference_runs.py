"""What is printed and drawn of each reference run; `reproduce.py` runs them and writes the files.

Each function prints, and returns the pictures as file name → function that draws it, so that
nothing is drawn where matplotlib is missing. Imported inside the commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aeanom import metrics, plots
from aeanom.cli.output import Printer, percent, plural
from aeanom.cli.show import (
    show_confusion,
    show_evaluation,
    show_layers,
    show_report,
)
from aeanom.data import CLASS_NAMES
from aeanom.evaluation import Evaluation
from aeanom.report import write_report
from aeanom.reproduce import fashion_mnist as fashion_mnist_run
from aeanom.reproduce import pytorch_tutorial as pytorch_run
from aeanom.reproduce import tensorflow_tutorial as tensorflow_run
from aeanom.words import training_facts

__all__ = ["fashion_mnist", "pytorch_tutorial", "report_fashion_mnist", "tensorflow_tutorial"]

Drawings = Mapping[str, Callable[[], Any]]

MOST_LISTED = 20
N_IMAGES = 5
#: Of standardised rows, for which a network that returns the means has a loss of 1.
BARELY_TRAINED = 0.9


def tensorflow_tutorial(
    printer: Printer, result: tensorflow_run.Result, title: str, names: Sequence[str]
) -> Drawings:
    """Print and draw reference run 1."""
    model, scores, flags = result.model, result.scores, result.flags
    printer.console.print(f"tensorflow-tutorial: {title}", style="bold")
    printer.facts(training_facts(model))
    _show_losses(printer, model.history.loss, every=1)
    printer.heading("Threshold")
    printer.text(f"{model.threshold.value:.6g}, {model.threshold.describe()}")

    printer.heading(f"Anomalies: {int(flags.sum()):,} of {plural(len(flags), 'test row')}")
    flagged = np.flatnonzero(flags)
    listed = flagged[np.argsort(-scores[flagged], kind="stable")][:MOST_LISTED]
    truth = result.is_anomaly
    printer.table(
        ("row", "error", "times threshold", *(() if truth is None else ("is",))),
        [
            (
                f"{result.test_rows[index]}",
                f"{scores[index]:.4g}",
                f"{scores[index] / model.threshold.value:.2f}",
                *(() if truth is None else ("anomaly" if truth[index] else "normal",)),
            )
            for index in listed
        ],
        right=(0, 1, 2),
    )
    if len(flagged) > len(listed):
        printer.text(f"and {len(flagged) - len(listed):,} more, in scores.csv")
    if truth is not None:
        printer.heading("Compared with the labels")
        show_evaluation(printer, Evaluation.of(truth, scores, model.threshold), model.threshold)

    threshold = {"mean + 3 std": model.threshold.value}
    if truth is None:
        kinds, called = flags, ("below threshold", "above threshold")
    else:
        kinds, called = truth, ("normal", "anomalous")
    return {
        "errors.png": lambda: plots.overview(
            model.history, scores, kinds, threshold, names=called, title=f"{title}: test rows"
        )
    }


def fashion_mnist(printer: Printer, result: fashion_mnist_run.Result) -> Drawings:
    """Print and draw reference run 2."""
    model, scores, is_anomaly = result.model, result.scores, result.is_anomaly
    normal = ", ".join(f"{index} {CLASS_NAMES[index]}" for index in result.normal_classes)
    printer.console.print("fashion-mnist", style="bold")
    printer.facts([("normal", normal), *training_facts(model)])
    printer.heading("Network")
    show_layers(printer, model.architecture)
    _show_losses(
        printer,
        model.history.loss,
        model.history.validation_loss,
        note="Validation is on the normal test images, as in the example.",
    )

    evaluation = Evaluation.of(is_anomaly, scores, model.threshold)
    printer.heading(f"Errors of {len(scores):,} test images")
    _show_errors(printer, scores, is_anomaly)
    printer.facts(
        [
            (name, "not defined without anomalies" if value is None else f"{value:.4f}")
            for name, value in (
                ("ROC AUC", evaluation.roc_auc),
                ("average precision", evaluation.average_precision),
            )
        ]
    )
    thresholds = (
        (result.tutorial_threshold, result.tutorial_flags),
        (model.threshold, result.flags),
    )
    printer.heading("Thresholds")
    printer.table(
        ("", "tutorial", "calibrated"),
        [
            ("error above", *(f"{fitted.value:.5f}" for fitted, _ in thresholds)),
            (
                "false alarms",
                *(f"{np.count_nonzero(flags & ~is_anomaly):,}" for _, flags in thresholds),
            ),
            (
                "of normal",
                *(percent(float(flags[~is_anomaly].mean())) for _, flags in thresholds),
            ),
            (
                "detected",
                *(f"{np.count_nonzero(flags & is_anomaly):,}" for _, flags in thresholds),
            ),
            ("total flagged", *(f"{np.count_nonzero(flags):,}" for _, flags in thresholds)),
        ],
        right=(1, 2),
    )
    printer.text(
        "tutorial: the 95th percentile of the errors of the normal test images themselves, so it "
        "flags 5 % of them by construction."
    )
    printer.text(f"calibrated: {model.threshold.describe()}.")

    draw: dict[str, Callable[[], Any]] = {
        "loss_curve.png": lambda: plots.loss_curve(
            model.history, title="Training, and validation on normal test images"
        ),
        "error_histogram.png": lambda: plots.error_histogram(
            scores,
            is_anomaly,
            {
                "95 % of normal test": result.tutorial_threshold.value,
                "calibrated": model.threshold.value,
            },
            names=("normal images", "anomalous images"),
            title="Errors of test images",
        ),
        "normal_images.png": lambda: _draw_images(
            result, np.flatnonzero(~is_anomaly)[:N_IMAGES], "Normal test images"
        ),
    }
    if is_anomaly.any():
        draw["anomalous_images.png"] = lambda: _draw_images(
            result, np.flatnonzero(is_anomaly)[:N_IMAGES], "Anomalous test images"
        )
    else:
        draw["oddest_images.png"] = lambda: _draw_images(
            result, np.argsort(-scores, kind="stable")[:N_IMAGES], "Test images of largest error"
        )
    return draw


def report_fashion_mnist(result: fashion_mnist_run.Result, path: Path) -> None:
    """Write the page of `aeanom report` about reference run 2."""
    model = result.model
    normal = ", ".join(CLASS_NAMES[index] for index in result.normal_classes)
    write_report(
        model,
        fashion_mnist_run.as_rows(result.images, model.row_shape, model.dtype),
        path,
        y=result.is_anomaly,
        title="Anomaly report: Fashion-MNIST",
        source=f"the {len(result.images):,} test images of Fashion-MNIST; normal are {normal}",
        row_names=[f"image {index}" for index in range(len(result.images))],
        labels=[CLASS_NAMES[label] for label in result.labels],
        image_shape=(28, 28),
    )


def pytorch_tutorial(printer: Printer, result: pytorch_run.Result) -> Drawings:
    """Print and draw reference run 3."""
    model, scores, is_anomaly = result.model, result.scores, result.is_anomaly
    printer.console.print("pytorch-tutorial", style="bold")
    printer.facts(training_facts(model))
    if model.history.loss[-1] > BARELY_TRAINED:
        steps = model.history.steps
        printer.text(
            f"Note: {plural(steps, 'step')} barely {'trains' if steps == 1 else 'train'} this "
            f"network. Its final loss, {model.history.loss[-1]:.3f}, is near 1.0, which the means "
            "of the columns give without any network. The anomalies are far enough away to be "
            "found all the same. This is a reproduction, not a recommendation.",
            style="yellow",
        )
    _show_losses(printer, model.history.loss, every=10)
    printer.heading("Errors")
    _show_errors(printer, scores, is_anomaly)
    printer.heading("Threshold")
    printer.text(f"{model.threshold.value:.6g}, {model.threshold.describe()}")
    evaluation = Evaluation.of(is_anomaly, scores, model.threshold)
    show_report(printer, evaluation)
    show_confusion(printer, evaluation)
    printer.text(
        f"TN {evaluation.true_negatives}, FP {evaluation.false_positives}, "
        f"FN {evaluation.false_negatives}, TP {evaluation.true_positives}; "
        f"ROC AUC {metrics.roc_auc_score(is_anomaly, scores):.4f}"
    )
    threshold = {"95th percentile": model.threshold.value}
    return {
        "errors.png": lambda: plots.overview(
            model.history,
            scores,
            is_anomaly,
            threshold,
            title="1000 normal rows (which trained) and 50 anomalies",
        )
    }


def _show_losses(
    printer: Printer,
    losses: Sequence[float],
    validation: Sequence[float] = (),
    *,
    every: int = 1,
    note: str = "",
) -> None:
    """Print the losses of every so many epochs, and of the last."""
    printer.heading("Loss by epoch")
    chosen = [
        epoch for epoch in range(1, len(losses) + 1) if epoch % every == 0 or epoch == len(losses)
    ]
    printer.table(
        ("epoch", "training", *(("validation",) if validation else ())),
        [
            (
                str(epoch),
                f"{losses[epoch - 1]:.6f}",
                *((f"{validation[epoch - 1]:.6f}",) if validation else ()),
            )
            for epoch in chosen
        ],
        right=(0, 1, 2),
    )
    if note:
        printer.text(note)


def _show_errors(
    printer: Printer, scores: NDArray[np.float64], is_anomaly: NDArray[np.bool_]
) -> None:
    printer.table(
        ("", "rows", "mean", "median", "largest"),
        [
            (
                name,
                f"{np.count_nonzero(which):,}",
                *(f"{of(scores[which]):.4g}" for of in (np.mean, np.median, np.max)),
            )
            for name, which in (("normal", ~is_anomaly), ("anomaly", is_anomaly))
            if which.any()
        ],
        right=(1, 2, 3, 4),
    )


def _draw_images(
    result: fashion_mnist_run.Result, chosen: NDArray[np.intp], title: str
) -> NDArray[Any]:
    originals = result.images[chosen]
    rows = fashion_mnist_run.as_rows(originals, result.model.row_shape, result.model.dtype)
    copies = result.model.reconstruct(rows).reshape(originals.shape)
    return plots.reconstructions(
        originals / 255,
        copies,
        [
            f"{CLASS_NAMES[result.labels[index]]}\nerror {result.scores[index]:.4f}"
            for index in chosen
        ],
        title=title,
    )
