"""`aeanom parity`: whether the backends give a model's rows the same scores and flags."""

from __future__ import annotations

from typing import Annotated

import typer

from aeanom.cli.options import IgnoreOption, JsonOption, ModelArgument, examples, split_names
from aeanom.cli.output import Printer, print_json

__all__ = ["EXAMPLES", "parity"]

EXAMPLES = examples(
    "aeanom parity fraud.aeanom new.csv",
    "aeanom parity fraud.aeanom new.csv --backends torch,jax",
)


def parity(
    model: ModelArgument,
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="Rows to score: .csv, .tsv, .parquet, or - (CSV on stdin)."
        ),
    ],
    backends: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAMES",
            show_default="all",
            help="Backends to compare, separated by commas; may be given several times. One that "
            "is named and cannot run counts as a difference.",
        ),
    ] = None,
    ignore: IgnoreOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score the same rows with every backend, and compare scores, flags and times with NumPy's.

    Exit status 1 if a score differs by more than rounding, or a flag at all.
    --ignore is needed only with models that were fitted without column names.
    """
    from aeanom import load
    from aeanom.cli.tables import read_for_model
    from aeanom.parity import compare

    loaded = load(model, backend="numpy")
    read = read_for_model(loaded, table, ignore=split_names(ignore))
    named = split_names(backends)
    report = compare(loaded, read.rows, named or None)
    if as_json:
        print_json({"model": str(model), "table": table, **report.to_dict()})
    else:
        printer = Printer()
        printer.console.print(f"{model} on {table}", style="bold", soft_wrap=True)
        printer.text(report.title())
        heading, *lines = report.table()
        printer.table(heading, lines, right=(1, 2, 3, 4))
    if not report.agrees or (named and not report.complete):
        raise typer.Exit(1)
