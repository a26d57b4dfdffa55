"""`aeanom reproduce`: the three reference runs, printed and drawn."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aeanom.cli.group import CommandGroup
from aeanom.cli.options import (
    BackendOption,
    Dtype,
    DtypeOption,
    IgnoreOption,
    NormalOption,
    SeedOption,
    examples,
    split_names,
)
from aeanom.cli.output import Printer, progress, wrote

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aeanom.model import AnomalyModel

__all__ = ["app"]

app = typer.Typer(
    cls=CommandGroup,
    no_args_is_help=True,
    help="Run a published autoencoder example on any backend, with its figures.",
    epilog=examples(
        "aeanom reproduce fashion-mnist --backend jax",
        "aeanom reproduce tensorflow-tutorial --backend torch",
        "aeanom reproduce pytorch-tutorial --backend tensorflow",
    ),
)


class NetworkName(StrEnum):
    """Networks of the fashion-mnist run."""

    DENSE = "dense"
    CONVOLUTIONAL = "convolutional"


OutputOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        show_default="reproduce/NAME-BACKEND",
        help="Folder to write to; made if need be.",
    ),
]
EpochsOption = Annotated[
    int, typer.Option(min=1, help="Other than the default is no reproduction any more.")
]


@app.command(
    "tensorflow-tutorial",
    epilog=examples(
        "aeanom reproduce tensorflow-tutorial",
        "aeanom reproduce tensorflow-tutorial --data table.csv --label y --normal 0",
    ),
)
def tensorflow_tutorial(
    table: Annotated[
        str | None,
        typer.Option(
            "--data",
            metavar="TABLE",
            show_default="breast-cancer",
            help="Another table: .csv, .tsv or .parquet.",
        ),
    ] = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of --data that tells normal from anomalous."),
    ] = None,
    normal: NormalOption = None,
    ignore: IgnoreOption = None,
    backend: BackendOption = "auto",
    output: OutputOption = None,
    seed: SeedOption = 0,
    dtype: DtypeOption = Dtype.FLOAT32,
    epochs: EpochsOption = 10,
) -> None:
    """Run a table through 64-32-64 units; threshold at mean + 3 standard deviations.

    Columns scaled to 0 to 1, ReLU, sigmoid output, MSE, Adam 1e-3, batches of 32, 10 epochs.
    80 % of the normal rows train (without labels, 80 % of all); the others are the test.
    """
    from aeanom import data
    from aeanom.cli import reference_runs
    from aeanom.cli.tables import labels_to_anomalies
    from aeanom.reproduce import tensorflow_tutorial as example

    if table is None and (label or normal or ignore):
        raise typer.BadParameter("--label, --normal and --ignore belong to --data")
    rows: Any = data.breast_cancer()
    title, names = rows.title, rows.names
    if table is not None:
        read = data.read_table(table, label=label, ignore=split_names(ignore))
        title, names, rows = Path(table).name, read.names, read.rows
        if label is not None:
            anomalous = labels_to_anomalies(read, split_names(normal))
            rows = data.LabelledTable(read.rows, read.names, anomalous, title, "")
    with progress() as callbacks:
        result = example.run(
            rows, backend=backend, seed=seed, dtype=dtype.value, epochs=epochs, callbacks=callbacks
        )
    printer = Printer()
    drawn = reference_runs.tensorflow_tutorial(printer, result, title, names)
    _write(
        printer,
        _folder(output, "tensorflow-tutorial", result.model),
        result.model,
        drawn,
        {
            "row": result.test_rows,
            **({} if result.is_anomaly is None else {"label": result.is_anomaly.astype(int)}),
            "anomaly_score": result.scores,
            "is_anomaly": result.flags,
        },
    )


@app.command(
    "fashion-mnist",
    epilog=examples(
        "aeanom reproduce fashion-mnist --backend torch",
        "aeanom reproduce fashion-mnist --architecture convolutional",
        "aeanom reproduce fashion-mnist --normal-classes 5,7,9",
        "aeanom reproduce fashion-mnist --normal-classes all",
        "aeanom reproduce fashion-mnist --report",
    ),
)
def fashion_mnist(
    folder: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="FOLDER",
            show_default="found, or downloaded once",
            help="Folder with the four IDX files. Without it they are looked for in "
            "AEANOM_DATA/images, where Debian's package puts them, and in the caches of Keras and "
            "torchvision.",
        ),
    ] = None,
    normal_classes: Annotated[
        str,
        typer.Option(metavar="CLASSES", help="Classes 0 to 9 that are normal, or all."),
    ] = "0,1,2,3,4",
    architecture: Annotated[
        NetworkName,
        typer.Option(help="The example's network, or a convolutional one in its place."),
    ] = NetworkName.DENSE,
    backend: BackendOption = "auto",
    output: OutputOption = None,
    seed: SeedOption = 0,
    dtype: DtypeOption = Dtype.FLOAT32,
    epochs: EpochsOption = 10,
    report: Annotated[
        bool,
        typer.Option("--report", help="Also write report.html, the page of `aeanom report`."),
    ] = False,
) -> None:
    """Learn five kinds of clothes, find the other five; threshold at the 95th percentile.

    784-128-32-128-784 units, ReLU, sigmoid output, MSE, Adam 1e-3, batches of 256, 10 epochs.
    The example's threshold is fitted to normal test images; a calibrated one stands beside it.
    """
    classes = _parse_classes(normal_classes)

    from aeanom import data
    from aeanom.cli import reference_runs
    from aeanom.reproduce import fashion_mnist as example

    images = data.fashion_mnist(folder)
    with progress() as callbacks:
        result = example.run(
            images,
            architecture=architecture.value,
            backend=backend,
            seed=seed,
            dtype=dtype.value,
            epochs=epochs,
            normal_classes=classes,
            callbacks=callbacks,
        )
    printer = Printer()
    variant = "" if architecture is NetworkName.DENSE else f"-{architecture.value}"
    drawn = reference_runs.fashion_mnist(printer, result)
    target = _folder(output, f"fashion-mnist{variant}", result.model)
    _write(
        printer,
        target,
        result.model,
        drawn,
        {
            "class": result.labels,
            "label": result.is_anomaly.astype(int),
            "anomaly_score": result.scores,
            "is_anomaly": result.flags,
            "is_anomaly_tutorial": result.tutorial_flags,
        },
    )
    if report:
        reference_runs.report_fashion_mnist(result, target / "report.html")
        _tell(printer, target / "report.html")


@app.command("pytorch-tutorial", epilog=examples("aeanom reproduce pytorch-tutorial --backend jax"))
def pytorch_tutorial(
    backend: BackendOption = "auto",
    output: OutputOption = None,
    seed: SeedOption = 0,
    dtype: DtypeOption = Dtype.FLOAT32,
    epochs: EpochsOption = 50,
) -> None:
    """Run 1000 made-up rows through 10-5-2-5-10 units, 50 steps; 50 anomalies to find.

    Standardised, ReLU inside, PyTorch's initial weights, MSE, Adam 1e-3, full batches.
    The threshold is the 95th percentile of the training errors.
    Fifty steps barely train the network: a reproduction, not a recommendation.
    """
    from aeanom.cli import reference_runs
    from aeanom.reproduce import pytorch_tutorial as example

    with progress() as callbacks:
        result = example.run(
            backend=backend, seed=seed, dtype=dtype.value, epochs=epochs, callbacks=callbacks
        )
    printer = Printer()
    drawn = reference_runs.pytorch_tutorial(printer, result)
    _write(
        printer,
        _folder(output, "pytorch-tutorial", result.model),
        result.model,
        drawn,
        {
            "label": result.is_anomaly.astype(int),
            "anomaly_score": result.scores,
            "is_anomaly": result.flags,
        },
    )


def _parse_classes(text: str) -> tuple[int, ...]:
    if text.strip().lower() == "all":
        return tuple(range(10))
    parts = split_names([text])
    if not parts or not all(len(part) == 1 and part in "0123456789" for part in parts):
        raise typer.BadParameter(
            f"{text!r} is neither all nor some of 0 to 9, separated by commas",
            param_hint="--normal-classes",
        )
    return tuple(map(int, parts))


def _folder(output: Path | None, name: str, model: AnomalyModel) -> Path:
    return Path("reproduce") / f"{name}-{model.backend}" if output is None else output


def _write(
    printer: Printer,
    folder: Path,
    model: AnomalyModel,
    drawn: Any,
    columns: dict[str, NDArray[np.generic]],
) -> None:
    """Write the model, the scores and the pictures, each of which is drawn only now."""
    import numpy as np

    from aeanom import plots
    from aeanom.cli.tables import make_table
    from aeanom.data import write_scored
    from aeanom.errors import MissingDependencyError

    printer.heading("Written")
    folder.mkdir(parents=True, exist_ok=True)
    model.save(folder / "model.aeanom")
    _tell(printer, folder / "model.aeanom")
    no_features = np.empty((len(columns["anomaly_score"]), 0))
    table = make_table(no_features, (), columns)
    write_scored(folder / "scores.csv", table, {})
    _tell(printer, folder / "scores.csv")
    try:
        for name, draw in drawn.items():
            plots.save(draw(), folder / name)
            _tell(printer, folder / name)
    except MissingDependencyError as error:
        printer.line(f"no pictures: {error}", style="yellow")


def _tell(printer: Printer, path: Path) -> None:
    wrote(path)
    printer.line(str(path))
