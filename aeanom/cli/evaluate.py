"""`aeanom evaluate`: how well a model tells the rows of a labelled table apart."""

from __future__ import annotations

from typing import Annotated

import typer

from aeanom.cli.options import (
    BackendOption,
    IgnoreOption,
    JsonOption,
    ModelArgument,
    NormalOption,
    examples,
    split_names,
)
from aeanom.cli.output import Printer, print_json

__all__ = ["EXAMPLES", "evaluate"]

EXAMPLES = examples(
    "aeanom evaluate fraud.aeanom test.csv --label y",
    "aeanom evaluate fraud.aeanom test.csv --label kind --normal ok,unknown --json",
)


def evaluate(
    model: ModelArgument,
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="Labelled rows: .csv, .tsv, .parquet, or - (CSV on stdin)."
        ),
    ],
    label: Annotated[
        str,
        typer.Option(metavar="COLUMN", help="Column that tells normal rows from anomalies."),
    ],
    normal: NormalOption = None,
    ignore: IgnoreOption = None,
    backend: BackendOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Compare a model's scores with labels.

    ROC AUC, average precision, confusion matrix, classification report, false-positive rate.
    --ignore is needed only with models that were fitted without column names.
    """
    from aeanom import load
    from aeanom.cli.report import Evaluation, show_evaluation
    from aeanom.cli.tables import labels_to_anomalies, read_for_model

    loaded = load(model, backend=backend)
    read = read_for_model(loaded, table, label=label, ignore=split_names(ignore))
    is_anomaly = labels_to_anomalies(read, split_names(normal))
    scores = loaded.anomaly_score(read.rows)
    flags = loaded.is_anomaly(read.rows, scores=scores)
    evaluation = Evaluation.of(is_anomaly, scores, loaded.threshold, flags)
    if as_json:
        print_json(
            {
                "model": str(model),
                "table": table,
                "threshold": loaded.threshold.to_dict(),
                **evaluation.to_dict(),
            }
        )
        return
    printer = Printer()
    printer.console.print(f"{model} on {table}", style="bold", soft_wrap=True)
    show_evaluation(printer, evaluation, loaded.threshold, report=True)
