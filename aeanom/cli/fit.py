"""`aeanom fit`: train on a table and write the model file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aeanom.cli.options import (
    IgnoreOption,
    NormalOption,
    SeedOption,
    examples,
    split_names,
)
from aeanom.cli.output import Printer, plural, progress, without_health_warnings, wrote

if TYPE_CHECKING:
    from aeanom.architectures import Architecture
    from aeanom.thresholds import Threshold

__all__ = ["EXAMPLES", "fit", "parse_threshold"]

EXAMPLES = examples(
    "aeanom fit train.csv --output fraud.aeanom",
    "aeanom fit train.csv --label y --normal 0 --ignore id,time --output fraud.aeanom",
    "aeanom fit train.parquet --output a.aeanom --backend jax --hidden 64,32 --latent 8",
    "aeanom fit train.csv --output a.aeanom --threshold quantile:0.99",
    "aeanom fit train.csv --output a.aeanom --backend fastest",
)


class LossName(StrEnum):
    """Losses of `aeanom.core.losses`."""

    MSE = "mse"
    MAE = "mae"
    HUBER = "huber"
    BCE = "bce"


class TrainingDtype(StrEnum):
    """Precisions of `AnomalyDetector`."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"
    BFLOAT16 = "bfloat16"


class ScalerName(StrEnum):
    """Scalers of `aeanom.core.scaling`, and auto."""

    AUTO = "auto"
    STANDARD = "standard"
    MINMAX = "minmax"
    ROBUST = "robust"
    NONE = "none"


def fit(
    table: Annotated[
        str,
        typer.Argument(
            metavar="TABLE", help="Rows to learn from: .csv, .tsv, .parquet, or - (CSV on stdin)."
        ),
    ],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", metavar="FILE", help="Model file to write, such as fraud.aeanom."
        ),
    ],
    label: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="Column that tells normal rows from anomalies. It is no feature, and only normal "
            "rows are trained on. Without it, every row is, and most should be normal.",
        ),
    ] = None,
    normal: NormalOption = None,
    ignore: IgnoreOption = None,
    backend: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="What computes: numpy, torch, jax, tensorflow, the name of a plug-in, auto: the "
            "first installed of numpy, jax, torch, tensorflow; or fastest: the one that is "
            "expected to finish this fit first.",
        ),
    ] = "auto",
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1,
            show_default="about 4000 steps, stopped early",
            help="Times that all rows are gone through; a number trains exactly so many.",
        ),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option(min=1, show_default="by the number of rows", help="Rows in a step."),
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="Step size of Adam.")] = 1e-3,
    hidden: Annotated[
        str | None,
        typer.Option(
            metavar="WIDTHS",
            show_default="by the number of columns",
            help="Widths of the encoder's hidden layers, such as 64,32; the decoder mirrors them.",
        ),
    ] = None,
    latent: Annotated[
        int | None,
        typer.Option(
            min=1, show_default="by the number of columns", help="Width of the narrow middle."
        ),
    ] = None,
    loss: Annotated[
        LossName,
        typer.Option(
            help="What a reconstruction costs; also the score. With bce the network ends in a "
            "sigmoid, and columns are scaled to 0 to 1."
        ),
    ] = LossName.MSE,
    scaler: Annotated[
        ScalerName,
        typer.Option(
            help="How columns are scaled: by mean and deviation, minimum and maximum, median and "
            "quartiles, or not. auto is standard, and minmax for bce."
        ),
    ] = ScalerName.AUTO,
    threshold: Annotated[
        str,
        typer.Option(
            metavar="METHOD",
            help="auto, conformal, false_positive_bound:0.05,0.1 (the rate, and in what share of "
            "calibrations it may be exceeded) and conformal_by_group:COLUMN (the rate in each "
            "group of rows) keep rows out of training to promise a false-positive rate. "
            "quantile:0.95, mean_std:3, mad:3, iqr:1.5, pot:0.001 (peaks over threshold, with a "
            "risk) and fixed:0.5 promise nothing. Those that need labels are fitted from Python.",
        ),
    ] = "auto",
    false_positive_rate: Annotated[
        float,
        typer.Option(help="Share of normal rows that may be flagged, on average (conformal)."),
    ] = 0.05,
    contamination: Annotated[
        float | None,
        typer.Option(
            show_default=False,
            help="Instead of a threshold: flag this share of the training rows themselves.",
        ),
    ] = None,
    dtype: Annotated[
        TrainingDtype,
        typer.Option(
            help="Precision that the network computes in. bfloat16, for GPUs, is that of the "
            "training alone: weights and scores are float32."
        ),
    ] = TrainingDtype.FLOAT32,
    device: Annotated[
        str,
        typer.Option(
            help="auto (the CPU; with --backend fastest a GPU that is worth it), cpu, cuda or "
            "cuda:1; see aeanom backends --devices."
        ),
    ] = "auto",
    seed: SeedOption = 0,
) -> None:
    """Learn what normal rows of a table look like, and write a model file."""
    description = parse_threshold(threshold)
    widths = _parse_widths(hidden)

    from aeanom import AnomalyDetector, data
    from aeanom.cli.show import show_health
    from aeanom.cli.tables import NamedRows, check_output, labels_to_anomalies
    from aeanom.words import training_facts

    if normal and label is None:
        raise typer.BadParameter("needs --label, the column to look in", param_hint="--normal")
    check_output(output)
    read = data.read_table(table, label=label, ignore=split_names(ignore))
    rows = read.rows
    printer = Printer()
    if label is not None:
        anomalous = labels_to_anomalies(read, split_names(normal))
        rows = rows[~anomalous]
        printer.console.print(
            f"{plural(len(rows), 'normal row')} of {len(anomalous):,} by column {label!r}; "
            f"{plural(int(anomalous.sum()), 'anomaly', 'anomalies')} left out of training"
        )
    with without_health_warnings(), progress() as callbacks:
        detector = AnomalyDetector(
            backend=backend,
            architecture=_architecture(len(read.names), widths, latent, loss),
            loss=loss.value,
            learning_rate=learning_rate,
            batch_size=batch_size or "auto",
            epochs=epochs or "auto",
            threshold=description,
            false_positive_rate=false_positive_rate,
            contamination="auto" if contamination is None else contamination,
            scaler=None if scaler is ScalerName.NONE else scaler.value,
            dtype=dtype.value,
            device=device,
            random_state=seed,
            callbacks=callbacks,
        )
        model = detector.fit(NamedRows(rows, read.names)).model_
    model.save(output)
    wrote(output)
    printer.heading("Model")
    printer.facts(
        [
            ("written to", str(output)),
            ("columns", str(model.n_features)),
            *training_facts(model),
            ("threshold", f"{model.threshold.value:.6g}"),
            ("", model.threshold.describe()),
        ]
    )
    show_health(printer, model.history)


def parse_threshold(text: str) -> str | Threshold:
    """Read "conformal", "quantile:0.99", "false_positive_bound:0.05,0.1" and the like.

    Parameters
    ----------
    text : str
        A method's name, and after a colon its parameters, with commas between them. "pot" is short
        for "peaks_over_threshold", and the first parameter of "conformal_by_group" is a column.

    Raises
    ------
    typer.BadParameter
        If it is no method, one that needs labels, or a parameter is no number.
    """
    from aeanom.errors import InvalidParameterError
    from aeanom.thresholds import METHODS, LabelledThreshold

    def refuse(message: str) -> typer.BadParameter:
        return typer.BadParameter(message, param_hint="--threshold")

    kinds: dict[str, Any] = dict(METHODS)
    name, colon, values = text.partition(":")
    name = name.replace("-", "_")
    name = {"pot": "peaks_over_threshold"}.get(name, name)
    if text == "auto":
        return text
    if name not in kinds:
        known = (key for key, kind in kinds.items() if not issubclass(kind, LabelledThreshold))
        raise refuse(f"{name!r} is none of auto, {', '.join(known)}")
    if issubclass(kinds[name], LabelledThreshold):
        raise refuse(
            f"{name!r} needs labelled rows, on which nothing is trained. Fit without it, then set "
            "the threshold from Python: aeanom.load(FILE).calibrate(X, "
            f"thresholds.{kinds[name].__name__}(), y=labels).save(FILE)"
        )
    parts = [part.strip() for part in values.split(",")] if colon else []
    by_group = name == "conformal_by_group"
    if not colon and name != "fixed" and not by_group:
        return name
    if by_group and not any(parts[:1]):
        raise refuse(f"{text!r} needs a column after the colon, such as {name}:site")
    column: list[Any] = [parts.pop(0)] if by_group else []
    try:
        return kinds[name](*column, *map(float, parts or ([] if by_group else [""])))  # type: ignore[no-any-return]
    except InvalidParameterError as error:
        raise refuse(str(error)) from None
    except TypeError:
        raise refuse(f"{text!r} has more parameters than {name} takes") from None
    except ValueError:
        raise refuse(f"{text!r} needs a number after the colon, such as {name}:0.5") from None


def _parse_widths(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = split_names([text])
    if not parts or not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise typer.BadParameter(
            f"{text!r} is no list of whole numbers such as 64,32", param_hint="--hidden"
        )
    return tuple(map(int, parts))


def _architecture(
    n_features: int, widths: tuple[int, ...] | None, latent: int | None, loss: LossName
) -> str | Architecture:
    if widths is None and latent is None and loss is not LossName.BCE:
        return "auto"
    from aeanom.architectures import dense, for_table

    automatic = for_table(n_features)
    return dense(
        n_features,
        (automatic.layers[0].output_shape[0],) if widths is None else widths,
        automatic.latent_shape[0] if latent is None else latent,
        output_activation="sigmoid" if loss is LossName.BCE else "linear",
    )
