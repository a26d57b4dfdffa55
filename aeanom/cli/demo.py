"""`aeanom demo`: the whole job on a real data set that scikit-learn ships."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aeanom.cli.options import BackendOption, SeedOption, examples
from aeanom.cli.output import Printer, progress, without_health_warnings, wrote

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aeanom.data import LabelledTable
    from aeanom.model import AnomalyModel

__all__ = ["EXAMPLES", "demo"]

EXAMPLES = examples("aeanom demo", "aeanom demo --dataset digits --backend torch --output digits")

TEST_FRACTION = 0.3
N_ODDEST = 5


class Dataset(StrEnum):
    """Sets that scikit-learn ships."""

    BREAST_CANCER = "breast-cancer"
    DIGITS = "digits"


def demo(
    dataset: Annotated[
        Dataset,
        typer.Option(
            help="breast-cancer: benign is normal, malignant the anomaly; digits: 0 to 4 are "
            "normal, 5 to 9 anomalies."
        ),
    ] = Dataset.BREAST_CANCER,
    backend: BackendOption = "numpy",
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder to write to; made if need be.")
    ] = Path("demo"),
    seed: SeedOption = 0,
) -> None:
    """Train, calibrate, score and explain on real data, in seconds."""
    from aeanom import AnomalyDetector, data
    from aeanom.cli.show import show_evaluation, show_health, show_oddest
    from aeanom.evaluation import Evaluation
    from aeanom.words import training_facts

    table = data.breast_cancer() if dataset is Dataset.BREAST_CANCER else data.digits()
    training, test = data.train_test_split_normal(table.rows, table.is_anomaly, TEST_FRACTION, seed)
    rows, is_anomaly = table.rows[test], table.is_anomaly[test]
    output.mkdir(parents=True, exist_ok=True)

    printer = Printer()
    printer.console.print(table.title, style="bold")
    printer.text(table.description)
    printer.text(
        f"{len(training):,} normal rows of {table.rows.shape[1]} columns to learn from; "
        f"{len(test):,} held out for the test, {int(is_anomaly.sum()):,} of them anomalies."
    )
    with without_health_warnings(), progress() as callbacks:
        detector = AnomalyDetector(backend=backend, random_state=seed, callbacks=callbacks)
        model = detector.fit(_named(table, training)).model_

    printer.heading("Training (on normal rows only)")
    printer.facts(training_facts(model))
    show_health(printer, model.history)
    printer.heading("Threshold")
    printer.text(f"A row is an anomaly if its error is above {model.threshold.value:.4g}.")
    printer.text(model.threshold.describe())

    columns = _score(model, table, test)
    scores = columns["anomaly_score"]
    printer.heading("Test (rows it has never seen)")
    show_evaluation(printer, Evaluation.of(is_anomaly, scores, model.threshold), model.threshold)

    oddest = (-scores).argsort(kind="stable")[:N_ODDEST]
    printer.heading(f"The {len(oddest)} oddest rows, and what made them odd")
    show_oddest(
        printer,
        model.explain(rows[oddest]),
        columns["p_value"][oddest],
        [f"row {test[index]}  {'anomaly' if is_anomaly[index] else 'normal'}" for index in oddest],
    )
    _write(printer, output, table, test, model, columns)
    held_out, model_file = output / "held_out.csv", output / "model.aeanom"
    printer.heading("Next")
    for command in (
        f"aeanom info {model_file}",
        f"aeanom score {model_file} {held_out} --output new_scores.csv",
        f"aeanom evaluate {model_file} {held_out} --label label",
        f"aeanom report {model_file} {held_out} --label label",
        "aeanom fit YOUR.csv --output YOUR.aeanom",
    ):
        printer.line(command)


def _named(table: LabelledTable, which: NDArray[np.intp]) -> Any:
    from aeanom.cli.tables import NamedRows

    return NamedRows(table.rows[which], table.names)


def _score(
    model: AnomalyModel, table: LabelledTable, which: NDArray[np.intp]
) -> dict[str, NDArray[Any]]:
    from aeanom.cli.tables import make_table, score_columns

    return score_columns(model, make_table(table.rows[which], table.names, {}))


def _write(
    printer: Printer,
    folder: Path,
    table: LabelledTable,
    test: NDArray[np.intp],
    model: AnomalyModel,
    columns: dict[str, NDArray[Any]],
) -> None:
    from aeanom.cli.tables import make_table
    from aeanom.data import write_scored

    is_anomaly = table.is_anomaly[test]
    held_out = make_table(table.rows[test], table.names, {"label": is_anomaly.astype(int)})
    printer.heading("Written")
    printer.text("In the tables, label 0 is normal and 1 an anomaly.")
    model.save(folder / "model.aeanom")
    _tell(printer, folder / "model.aeanom")
    write_scored(folder / "held_out.csv", held_out, {})
    _tell(printer, folder / "held_out.csv")
    write_scored(folder / "scored.csv", held_out, columns)
    _tell(printer, folder / "scored.csv")

    from aeanom import plots
    from aeanom.errors import MissingDependencyError

    try:
        figure = plots.overview(
            model.history,
            columns["anomaly_score"],
            is_anomaly,
            {"threshold": model.threshold.value},
            title=f"{table.title}: {len(test):,} held-out rows",
        )
    except MissingDependencyError as error:
        printer.line(f"no picture: {error}", style="yellow")
        return
    plots.save(figure, folder / "demo.png")
    _tell(printer, folder / "demo.png")


def _tell(printer: Printer, path: Path) -> None:
    wrote(path)
    printer.line(str(path))
