"""`aeanom evaluate`: how well a model tells the rows of a labelled table apart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from aeanom.model import AnomalyModel

__all__ = ["EXAMPLES", "evaluate"]

EXAMPLES = examples(
    "aeanom evaluate fraud.aeanom test.csv --label y",
    "aeanom evaluate fraud.aeanom test.csv --label y --baselines train.csv",
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
    baselines: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE",
            help="Ask whether the network is worth it: fit PCA and an isolation forest on the rows "
            "of this table, the one that the model was fitted on, and score the same rows with "
            "them. Where it has the label column, on its normal rows only.",
        ),
    ] = None,
    backend: BackendOption = "auto",
    as_json: JsonOption = False,
) -> None:
    """Compare a model's scores with labels.

    ROC AUC, average precision and more with 95 % intervals, confusion matrix, classification
    report, false-positive rate.
    --ignore is needed only with models that were fitted without column names.
    """
    from aeanom import load
    from aeanom.cli.show import show_baselines, show_evaluation
    from aeanom.cli.tables import labels_to_anomalies, normal_rows, read_for_model
    from aeanom.evaluation import Evaluation

    loaded = load(model, backend=backend)
    read = read_for_model(loaded, table, label=label, ignore=split_names(ignore))
    is_anomaly = labels_to_anomalies(read, split_names(normal))
    scores = loaded.anomaly_score(read.rows)
    training, in_words = None, ""
    if baselines is not None:
        training, in_words = normal_rows(
            loaded, baselines, label, split_names(normal), split_names(ignore)
        )
    evaluation = Evaluation.of(
        is_anomaly,
        scores,
        loaded.threshold,
        loaded.is_anomaly(read.rows, scores=scores),
        baselines=None if training is None else _score_baselines(loaded, training, read.rows),
    )
    if as_json:
        print_json(
            {
                "model": str(model),
                "table": table,
                "threshold": loaded.threshold.to_dict(),
                **evaluation.to_dict(),
                **({} if training is None else {"baseline_rows": len(training)}),
            }
        )
        return
    printer = Printer()
    printer.console.print(f"{model} on {table}", style="bold", soft_wrap=True)
    show_evaluation(printer, evaluation, loaded.threshold, report=True)
    if training is not None:
        show_baselines(printer, evaluation, in_words)


def _score_baselines(
    model: AnomalyModel, training: NDArray[np.float64], rows: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    from math import prod

    from aeanom.baselines import baseline_scores

    return baseline_scores(training, rows, n_components=prod(model.architecture.latent_shape))
