"""What is said of a model in words, on the terminal and in the report alike.

It imports the standard library only, so that `aeanom --help` may import it, and knows a model by
its attributes. Who prints is `cli/show.py`, who writes a page is `report/`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aeanom.architectures import Architecture
    from aeanom.evaluation import Baseline
    from aeanom.model import AnomalyModel
    from aeanom.thresholds import FittedThreshold

__all__ = [
    "baseline_verdict",
    "low_to_high",
    "layer_lines",
    "network_in_words",
    "percent",
    "plural",
    "promise_in_words",
    "signed",
    "training_facts",
]

_ROW_KINDS = ("training", "validation", "calibration")


def percent(share: float) -> str:
    """Return a share in percent with up to three significant digits: "5.38 %"."""
    return f"{100 * share:.3g} %"


def plural(count: int, noun: str, nouns: str = "") -> str:
    """Return "1 row", "1,024 rows", or with `nouns` what does not just add an s."""
    return f"{count:,} {noun if count == 1 else nouns or noun + 's'}"


def low_to_high(
    interval: tuple[float, float] | None, as_text: Callable[[float], str] = "{:.3f}".format
) -> str:
    """Return an interval as "0.910 to 0.954"; nothing for none."""
    return "" if interval is None else " to ".join(map(as_text, interval))


def signed(value: float) -> str:
    """Return "+0.012", "-0.012", and "0.000" for what rounds to it from either side."""
    text = f"{value:+.3f}"
    return text[1:] if float(text) == 0 else text


def promise_in_words(threshold: FittedThreshold) -> str:
    """Say which share of new normal rows a threshold promises to flag at most."""
    promise = threshold.promise
    if promise is None:
        return "nothing: this threshold makes no promise about new rows"
    promised = f"at most {percent(promise.rate)}"
    if threshold.groups:
        promised += " in each group, on average"
    elif promise.confidence is not None:
        promised += f" in {percent(promise.confidence)} of calibrations"
    else:
        promised += ", on average"
    # What is expected of all rows together says little about a group.
    level = None if threshold.groups else threshold.level
    if level is not None and percent(level) != percent(promise.rate):
        promised += f" ({percent(level)} is expected)"
    return promised


def baseline_verdict(best: Baseline) -> str:
    """Say whether a model is ahead of the best of the detectors that it was compared with."""
    ahead = low_to_high(best.roc_auc_ahead_interval, signed)
    difference = f"{signed(best.roc_auc_ahead)} ({ahead})"
    return {
        "ahead": f"The network is ahead of the best of them, {best.name}: {difference} in ROC AUC.",
        "level": f"The network is level with the best of them, {best.name}: the difference in ROC "
        f"AUC is {difference}, and these rows do not tell which is better.",
        "behind": f"The network is behind the best of them, {best.name}: {difference} in ROC AUC. "
        "For rows like these the simpler detector is the better choice.",
    }[best.verdict]


def training_facts(model: AnomalyModel) -> list[tuple[str, str]]:
    """Say how a model was trained, as names and facts; a fact may go on under an empty name."""
    history = model.history
    rows = model.provenance.get("rows", {})
    # In the order of use, which a file does not keep.
    counts = [f"{rows[kind]:,} {kind}" for kind in _ROW_KINDS if rows.get(kind)]
    ended = {
        "epochs": "all done",
        "early_stopping": f"stopped early, epoch {history.best_epoch} was best",
        "callback": "stopped by a callback",
    }
    facts = [
        (
            "network",
            f"{network_in_words(model.architecture)}, "
            f"{model.architecture.n_parameters:,} parameters",
        ),
        (
            "trained by",
            f"{model.provenance.get('backend', 'unknown')} on "
            f"{model.provenance.get('device', 'unknown')}, "
            f"{model.provenance.get('compute_dtype', model.dtype)}, seed {history.seed}",
        ),
        *([("", history.chosen_because)] if history.chosen_because else []),
        ("rows", ", ".join(counts) or "unknown"),
        ("epochs", f"{history.epochs} ({ended[history.stopped_by]}), {sum(history.seconds):.2g} s"),
    ]
    if history.loss:
        facts.append(("loss", f"{model.loss.name}, {history.loss[0]:.4g} → {history.loss[-1]:.4g}"))
    if history.validation_loss:
        facts.append(
            ("validation", f"{history.validation_loss[0]:.4g} → {history.validation_loss[-1]:.4g}")
        )
    return facts


def network_in_words(architecture: Architecture) -> str:
    """Return `"30-64-6-64-30"` for dense layers, `"28×28 → 32 → 28×28"` for others."""
    if framework := getattr(architecture, "framework", None):
        shape = "×".join(map(str, architecture.input_shape))
        return f"a {framework} module for rows of {shape}"
    shapes = [architecture.input_shape, architecture.latent_shape, architecture.input_shape]
    if architecture.kinds <= {"dense", "activation", "dropout"}:
        dense = (placed for placed in architecture.layers if placed.layer.kind == "dense")
        shapes[1:] = [placed.output_shape for placed in dense]
        return "-".join(str(size) for (size,) in shapes)
    return " → ".join("×".join(map(str, shape)) for shape in shapes)


def layer_lines(architecture: Architecture) -> list[tuple[str, str, str, str]]:
    """Return name, kind, output shape and number of parameters of each layer, as text."""
    lines = []
    for placed in architecture.layers:
        values = placed.layer.to_dict()
        kind = values.pop("kind")
        count = sum(parameter.size for parameter in placed.parameters)
        lines.append(
            (
                placed.name,
                # An activation is known by its function's name.
                str(values["function"]) if kind == "activation" else kind,
                " × ".join(map(str, placed.output_shape)),
                f"{count:,}",
            )
        )
    return lines
