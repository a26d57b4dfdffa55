"""Options that several commands have, described once."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "BackendOption",
    "Dtype",
    "DtypeOption",
    "IgnoreOption",
    "JsonOption",
    "ModelArgument",
    "NormalOption",
    "SeedOption",
    "examples",
    "split_names",
]


class Dtype(StrEnum):
    """Precision of a network."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"


BackendOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="What computes: numpy, torch, jax, tensorflow, the name of a plug-in, or auto: the "
        "first installed of numpy, jax, torch, tensorflow.",
    ),
]
SeedOption = Annotated[
    int,
    typer.Option(
        min=0, help="Decides splits, initial weights and batches: the same seed, the same model."
    ),
]
DtypeOption = Annotated[Dtype, typer.Option(help="Precision that the network computes in.")]
ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model file, as `aeanom fit` writes it.")
]
IgnoreOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAMES",
        help="Columns that are not features, separated by commas; may be given several times.",
    ),
]
NormalOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="LABELS",
        help="Labels of normal rows, separated by commas; may be given several times. All other "
        "labels are anomalies. Without it, 0 is normal.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs to read.")]


def split_names(values: Iterable[str] | None) -> tuple[str, ...]:
    """Split what was given for a repeatable option at its commas."""
    parts = (part.strip() for value in values or () for part in value.split(","))
    return tuple(part for part in parts if part)


def examples(*lines: str) -> str:
    """Return lines as a help text's epilog, each on a line of its own."""
    return "\n\n".join(("Examples:", *lines))
