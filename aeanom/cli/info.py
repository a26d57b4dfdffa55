"""`aeanom info`: what is in a model file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aeanom.cli.options import JsonOption, ModelArgument, examples
from aeanom.cli.output import Printer, print_json

if TYPE_CHECKING:
    from aeanom.model import AnomalyModel

__all__ = ["EXAMPLES", "info"]

EXAMPLES = examples("aeanom info fraud.aeanom", "aeanom info fraud.aeanom --json")

#: What a scaler learnt of each column: names, and the values from its center and scale.
_RANGES = {
    "standard": ("mean", "deviation"),
    "minmax": ("minimum", "maximum"),
    "robust": ("median", "quartile range"),
}


def info(model: ModelArgument, as_json: JsonOption = False) -> None:
    """Show what a model is, how it was trained and how well, its columns and its threshold."""
    from aeanom.model_files import read_model
    from aeanom.storage import read_manifest

    # As it stands in the file: nothing is computed, and no framework need be loaded for it.
    loaded = read_model(model)
    digest = str(read_manifest(model)["digest"])
    if as_json:
        print_json(_values(model, loaded, digest))
        return
    _show(model, loaded, digest)


def _show(path: Path, model: AnomalyModel, digest: str) -> None:
    from aeanom.cli.show import show_health, show_layers
    from aeanom.words import training_facts

    printer = Printer()
    printer.console.print(str(path), style="bold", soft_wrap=True)
    provenance = dict(model.provenance)
    printer.facts(
        [
            ("written by", f"aeanom {provenance.get('aeanom', 'unknown')}"),
            ("digest", digest),
            *training_facts(model),
            ("learning rate", f"{provenance.get('learning_rate', 'unknown')}"),
            ("batch size", f"{provenance.get('batch_size', 'unknown')}"),
            ("scaler", model.scaler.kind),
        ]
    )
    show_health(printer, model.history)
    printer.heading("Network")
    show_layers(printer, model.architecture)
    printer.heading("Threshold")
    printer.text(f"{model.threshold.value:.6g}")
    printer.text(model.threshold.describe())
    kind = "column" if len(model.row_shape) == 1 else "channel"
    printer.heading(f"{kind.capitalize()}s ({len(_names(model))})")
    low_name, high_name = _RANGES.get(model.scaler.kind, ("", ""))
    columns = _columns(model)
    if not low_name:
        printer.text(", ".join(column["name"] for column in columns))
        return
    printer.table(
        (kind, low_name, high_name),
        [
            (column["name"], f"{column[low_name]:.5g}", f"{column[high_name]:.5g}")
            for column in columns
        ],
        right=(1, 2),
    )


def _names(model: AnomalyModel) -> tuple[str, ...]:
    """Names of the columns, or of what else has a scale of its own."""
    if len(model.row_shape) == 1:
        return model.features
    count = model.scaler.center.size
    return tuple(f"channel {index}" for index in range(count)) if count > 1 else ("all elements",)


def _columns(model: AnomalyModel) -> list[dict[str, Any]]:
    names = _RANGES.get(model.scaler.kind)
    if names is None:
        return [{"name": name} for name in _names(model)]
    low, high = model.scaler.center, model.scaler.scale
    if model.scaler.kind == "minmax":
        high = low + high
    return [
        {"name": name, names[0]: first, names[1]: second}
        for name, first, second in zip(_names(model), low.tolist(), high.tolist(), strict=True)
    ]


def _values(path: Path, model: AnomalyModel, digest: str) -> dict[str, Any]:
    return {
        "path": str(path),
        "digest": digest,
        "dtype": model.dtype,
        "architecture": model.architecture.to_dict(),
        "parameters": model.architecture.n_parameters,
        "loss": model.loss.to_dict(),
        "scaler": model.scaler.kind,
        "columns": _columns(model),
        "threshold": {**model.threshold.to_dict(), "description": model.threshold.describe()},
        "history": model.history.to_dict(),
        "provenance": dict(model.provenance),
    }
