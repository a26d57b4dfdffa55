"""`aeanom report`: one HTML file about a model and what it makes of a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aeanom.cli.options import (
    BackendOption,
    IgnoreOption,
    ModelArgument,
    NormalOption,
    examples,
    split_names,
)
from aeanom.cli.output import message, plural, wrote

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["EXAMPLES", "report"]

_SAY_NOTHING = {"0", "1", "0.0", "1.0", "false", "true"}

EXAMPLES = examples(
    "aeanom report fraud.aeanom new.csv",
    "aeanom report fraud.aeanom test.csv --label y --baselines train.csv --output fraud.html",
    "aeanom report fraud.aeanom test.csv --label kind --normal ok,unknown --names id --top 20",
    "aeanom report clothes.aeanom images.npy --label classes.npy --normal 0,1,2,3,4",
    'aeanom report digits.aeanom held_out.csv --label label --image 8x8 --title "Digits"',
)


def report(
    model: ModelArgument,
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE",
            help="Rows to report on: .csv, .tsv, .parquet, or - (CSV on stdin); .npy for a model "
            "of images or windows.",
        ),
    ],
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column that tells normal rows from anomalies (with .npy rows, a .npy file of "
            "labels): the page then also says how good the model is. Without it, what it flags.",
        ),
    ] = None,
    normal: NormalOption = None,
    ignore: IgnoreOption = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="HTML file to write."),
    ] = Path("report.html"),
    title: Annotated[
        str,
        typer.Option(
            metavar="TEXT", show_default="Anomaly report: TABLE", help="Title of the page."
        ),
    ] = "",
    date: Annotated[
        str,
        typer.Option(
            metavar="TEXT",
            show_default="none",
            help="Date to print on the page, as it is. The page has no other, so that the same "
            "rows give the same file.",
        ),
    ] = "",
    baselines: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE",
            help="Ask whether the network is worth it: fit PCA and an isolation forest on the rows "
            "of this table, the one that the model was fitted on. Needs --label.",
        ),
    ] = None,
    top: Annotated[int, typer.Option(min=1, help="How many of the oddest rows to show.")] = 10,
    names: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            show_default="row numbers",
            help="Column that says what each row is called, such as id.",
        ),
    ] = None,
    image: Annotated[
        str | None,
        typer.Option(
            metavar="SHAPE",
            show_default="no images",
            help="Height and width, such as 28x28, where the columns are the pixels of an image.",
        ),
    ] = None,
    backend: BackendOption = "auto",
) -> None:
    """Write a page to show to colleagues: one HTML file that needs no network.

    What was trained on what, its health, the threshold and its promise, the oddest rows with
    reasons, and pictures; with --label also figures with intervals, false alarms and misses.
    Rows with empty cells are left out, and the page says so.
    --ignore is needed only with models that were fitted without column names.
    """
    shape = _parse_shape(image)
    if label is None:
        for given, option in ((normal, "--normal"), (baselines, "--baselines")):
            if given:
                raise typer.BadParameter("needs --label, the column to look in", param_hint=option)

    from aeanom import load
    from aeanom.cli.tables import (
        check_output,
        labels_to_anomalies,
        normal_rows,
        read_arrays,
        read_for_model,
        text_column,
    )
    from aeanom.report import write_report

    check_output(output)
    loaded = load(model, backend=backend)
    # A model that knows its columns takes no others; one that doesn't must be told.
    ignored = [*split_names(ignore), *([names] if names and loaded.feature_names is None else [])]
    if Path(table).suffix == ".npy":
        if names or baselines:
            raise typer.BadParameter("--names and --baselines need a table, not a .npy file")
        read = read_arrays(table, label)
    else:
        read = read_for_model(loaded, table, label=label, ignore=ignored)
    is_anomaly = None if label is None else labels_to_anomalies(read, split_names(normal))
    row_names = None if names is None else text_column(read, names, table)
    training, fitted_on = None, ""
    if baselines is not None and label is not None:
        training, fitted_on = normal_rows(
            loaded, baselines, label, split_names(normal), split_names(ignore)
        )
        # The page may go to others, to whom the folders of this machine say nothing.
        fitted_on = fitted_on.replace(baselines, Path(baselines).name)
    write_report(
        loaded,
        read.rows,
        output,
        y=is_anomaly,
        title=title,
        source="standard input" if table == "-" else Path(table).name,
        date=date,
        top=top,
        row_names=row_names,
        labels=_told(read.labels),
        feature_names=loaded.feature_names or read.names or None,
        image_shape=shape,
        baselines=training,
        baselines_fitted_on=fitted_on,
    )
    wrote(output)
    message(f"wrote {output} on {plural(len(read.rows), 'row')} of {table}")


def _told(labels: NDArray[np.object_] | None) -> list[object] | None:
    """Return labels that say more than normal or not, as "malignant" does and 1 does not."""
    if labels is None or {str(label).strip().lower() for label in labels} <= _SAY_NOTHING:
        return None
    return list(labels)


def _parse_shape(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) not in (2, 3) or not all(part.isascii() and part.isdigit() for part in parts):
        raise typer.BadParameter(
            f"{text!r} is no height and width such as 28x28", param_hint="--image"
        )
    return tuple(map(int, parts))
