"""`aeanom score`: append scores, p-values, flags and reasons to a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aeanom.cli.options import BackendOption, IgnoreOption, ModelArgument, examples, split_names
from aeanom.cli.output import message, percent, plural, wrote

__all__ = ["EXAMPLES", "score"]

EXAMPLES = examples(
    "aeanom score fraud.aeanom new.csv > scored.csv",
    "aeanom score fraud.aeanom new.parquet --output scored.parquet",
    "zcat new.csv.gz | aeanom score fraud.aeanom - | grep true",
)


def score(
    model: ModelArgument,
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="Rows to score: .csv, .tsv, .parquet, or - (CSV on stdin)."
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            show_default="CSV on standard output",
            help="File to write: .csv, .tsv or .parquet.",
        ),
    ] = None,
    ignore: IgnoreOption = None,
    backend: BackendOption = "auto",
) -> None:
    """Score rows: all columns of the table, and anomaly_score, p_value, is_anomaly, top_feature.

    Columns are found by name, in any order; other columns are passed through.
    --ignore is needed only with models that were fitted without column names.
    """
    from aeanom import load
    from aeanom.cli.tables import check_output, read_for_model, score_columns
    from aeanom.data import write_scored

    to_file = output is not None and str(output) != "-"
    if output is not None and to_file:
        check_output(output)
    loaded = load(model, backend=backend)
    read = read_for_model(loaded, table, ignore=split_names(ignore))
    columns = score_columns(loaded, read)
    write_scored(output, read, columns)
    if output is not None and to_file:
        wrote(output)
    flagged = int(columns["is_anomaly"].sum())
    message(
        f"scored {plural(len(read.rows), 'row')}: {plural(flagged, 'anomaly', 'anomalies')} "
        f"({percent(flagged / len(read.rows))})" + (f", written to {output}" if to_file else "")
    )
