"""The pictures of the report: which there are for a model and its rows, each as an SVG.

Every picture is one of `aeanom.plots`, in a size in which its letters can be read on a phone, with
a sentence that says how to read it. Imports NumPy; matplotlib through `aeanom.plots`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aeanom import plots
from aeanom.errors import UnsupportedError
from aeanom.explain import Explanation
from aeanom.model import AnomalyModel
from aeanom.plots.figures import new_axes, new_figure
from aeanom.plots.style import figure_text, printable
from aeanom.report.scored import ScoredRows

__all__ = ["Picture", "draw_pictures", "image_shape_of"]

# Inches. Half of a wide page, and a phone's width nearly: letters of 10 points stay legible.
_SIZE = (4.4, 3.7)
_SQUARE = (4.3, 4.6)
# More rows than these do not change a cloud of points, and cost time.
_MOST_LATENTS = 20_000
_IMAGES_A_LINE = 4
_MOST_WINDOWS = 3


class Picture(NamedTuple):
    """A drawing with what is said under it, and the section of the page that it belongs to."""

    section: str
    name: str
    caption: str
    svg: str
    wide: bool = False


def draw_pictures(
    model: AnomalyModel,
    scored: ScoredRows,
    lists: Mapping[str, NDArray[np.intp]],
    explain: Callable[[NDArray[np.intp]], Explanation],
    image_shape: tuple[int, ...] | None,
) -> list[Picture]:
    """Draw what there is to see.

    Parameters
    ----------
    model : AnomalyModel
    scored : ScoredRows
    lists : mapping of str to intp ndarray
        Rows that the page lists, by the section: "oddest" first, "false-alarms", "misses".
    explain : callable
        Explains rows of these places.
    image_shape : tuple of int or None
        Height and width, and channels if there are several, where rows are images.
    """
    made = [
        *_of_scores(model, scored),
        *_of_ranking(model, scored),
        *_of_p_values(model, scored),
        *_of_training(model),
        *_of_latents(model, scored),
    ]
    if image_shape is not None:
        for section, which in lists.items():
            if len(which):
                # Two lines of the oddest, one of the others.
                most = _IMAGES_A_LINE * (2 if section == "oddest" else 1)
                first = which[:most]
                made.append(_images(section, scored, first, explain(first), image_shape))
        return made
    shown = lists["oddest"]
    if model.architecture.axes == ("feature",):
        made += _of_reasons(scored, explain(shown), shown)
    elif model.architecture.axes == ("time", "channel"):
        made += _of_windows(scored, explain(shown[:_MOST_WINDOWS]), shown)
    return made


def image_shape_of(model: AnomalyModel) -> tuple[int, ...] | None:
    """Return the shape of the images that a model takes; None if it takes none."""
    shape = model.row_shape
    if model.architecture.axes[:2] != ("row", "column") or (
        len(shape) == 3 and shape[2] not in (1, 3, 4)
    ):
        return None
    return shape


def _picture(
    section: str,
    name: str,
    drawn: Any,
    caption: str,
    *,
    description: str = "",
    wide: bool = False,
) -> Picture:
    svg = plots.to_svg(drawn, description=description or caption, id_prefix=f"picture-{name}")
    return Picture(section, name, caption, svg, wide)


def _of_scores(model: AnomalyModel, scored: ScoredRows) -> Iterator[Picture]:
    kinds, names = scored.kinds
    threshold = model.threshold
    # By group there is no one line that would be true for all rows.
    lines = {} if threshold.groups else {"threshold": threshold.value}
    yield _picture(
        "scores",
        "histogram",
        plots.error_histogram(
            scored.scores, kinds, lines, names=names, axes=new_axes(*_SIZE), title="Errors"
        ),
        "How many rows have which error."
        + ("" if threshold.groups else " Right of the line they are flagged."),
    )
    if not threshold.groups:
        yield _picture(
            "scores",
            "scatter",
            plots.error_scatter(
                scored.scores,
                kinds,
                threshold.value,
                names=names,
                axes=new_axes(*_SIZE),
                title="Errors, row by row",
            ),
            "Each dot is a row, in the order of the table: above the line it is flagged. A rise "
            "from left to right would be a drift.",
        )


def _of_ranking(model: AnomalyModel, scored: ScoredRows) -> Iterator[Picture]:
    is_anomaly, evaluation = scored.is_anomaly, scored.evaluation
    if is_anomaly is None or evaluation is None:
        return
    threshold = None if model.threshold.groups else model.threshold.value
    settings: dict[str, Any] = {"n_resamples": evaluation.n_resamples}
    if is_anomaly.any() and not is_anomaly.all():
        yield _picture(
            "ranking",
            "roc",
            plots.roc_curve(
                scored.scores, is_anomaly, threshold, axes=new_axes(*_SQUARE), **settings
            ),
            "What is found for which share of false alarms. The band is what the curve owes to "
            "the rows that happen to be in the test.",
        )
    if is_anomaly.any():
        yield _picture(
            "ranking",
            "precision-recall",
            plots.precision_recall_curve(
                scored.scores, is_anomaly, threshold, axes=new_axes(*_SQUARE), **settings
            ),
            "Which share of the alarms is right, for which share of the anomalies found. It holds "
            "where anomalies are as frequent as among these rows.",
        )
    if is_anomaly.any() and not is_anomaly.all():
        yield _picture(
            "ranking",
            "sweep",
            plots.threshold_sweep(scored.scores, is_anomaly, threshold, axes=new_axes(*_SQUARE)),
            "What another threshold would change.",
        )


def _of_p_values(model: AnomalyModel, scored: ScoredRows) -> Iterator[Picture]:
    n = len(model.calibration_scores)
    is_anomaly = scored.is_anomaly
    yield _picture(
        "p-values",
        "p-histogram",
        plots.p_value_histogram(scored.p_values, is_anomaly, axes=new_axes(*_SIZE)),
        "Normal rows have all p-values equally often, the dashed line; a heap at the left end are "
        "rows that are odder than normal ones.",
    )
    if n and is_anomaly is not None and not is_anomaly.all():
        yield _picture(
            "p-values",
            "p-calibration",
            plots.p_value_calibration(
                scored.p_values, is_anomaly, n_calibration=n, axes=new_axes(*_SQUARE)
            ),
            "Where the line of the normal rows runs on the diagonal or below it, p-values keep "
            "their promise. The band is how far chance may take it.",
        )


def _of_training(model: AnomalyModel) -> Iterator[Picture]:
    if model.history.epochs:
        yield _picture(
            "training",
            "loss",
            plots.loss_curve(model.history, axes=new_axes(*_SIZE), title="Loss by epoch"),
            "A loss that still falls at the right end asks for more epochs; a validation loss "
            "that rises, for fewer.",
        )


def _of_latents(model: AnomalyModel, scored: ScoredRows) -> Iterator[Picture]:
    kinds, names = scored.kinds
    chosen: Any = slice(None)
    caption = "Where the encoder puts the rows."
    if len(scored) > _MOST_LATENTS:
        chosen = np.random.default_rng(0).permutation(len(scored))[:_MOST_LATENTS]
        caption += f" {_MOST_LATENTS:,} of the {len(scored):,} rows, drawn by chance."
    try:
        latents = model.encode(scored.rows[chosen])
    except UnsupportedError:
        # A module that maps rows to rows shows no latent.
        return
    yield _picture(
        "scores",
        "latent",
        plots.latent_space(latents, kinds[chosen], names=names, axes=new_axes(*_SIZE)),
        caption,
    )


def _of_reasons(
    scored: ScoredRows, explanation: Explanation, shown: NDArray[np.intp]
) -> Iterator[Picture]:
    first = printable(scored.name(int(shown[0])), 40)
    k = min(8, len(explanation.features))
    bars = k + (len(explanation.features) > k)
    axes = new_axes(_SIZE[0], 1.5 + 0.44 * bars)
    score = figure_text(float(explanation.scores[0]))
    yield _picture(
        "oddest",
        "contributions",
        plots.feature_contributions(explanation, 0, k, axes=axes, title=f"{first}: score {score}"),
        "What made the oddest row odd: the bars add up to its score.",
    )
    if len(shown) < 2 or len(explanation.features) < 2:
        return
    k = min(6, len(explanation.features))
    axes = new_axes(_SIZE[0], 2.3 + 0.3 * len(shown))
    plots.contribution_matrix(explanation, k=k, axes=axes)
    names = [printable(scored.name(int(index)), 14) for index in shown]
    axes.set_yticks(range(len(shown)), names, fontsize=9, parse_math=False)
    axes.set_ylabel("")
    yield _picture(
        "oddest",
        "shares",
        axes,
        "Whether the oddest rows are odd for the same reason: each line adds up to 100 %.",
    )


def _images(
    section: str,
    scored: ScoredRows,
    which: NDArray[np.intp],
    explanation: Explanation,
    shape: tuple[int, ...],
) -> Picture:
    columns = min(len(which), _IMAGES_A_LINE)
    lines = 3 * -(-len(which) // columns)
    figure = new_figure(1.15 * columns + 1.0, 1.0 * lines + 0.4 * lines / 3)
    axes = np.asarray(figure.subplots(lines, columns, squeeze=False))
    seen, expected, maps = (
        part.reshape(-1, *shape)
        for part in (explanation.seen, explanation.expected, explanation.contribution)
    )
    titles = [
        f"{printable(scored.label(index) or scored.name(index), 16)}\n"
        f"{figure_text(float(scored.scores[index]))}"
        for index in which.tolist()
    ]
    plots.error_maps(seen, expected, maps, titles, columns=columns, axes=axes)
    caption = "Original, what the network makes of it, and where the error is: dark is none."
    return _picture(section, f"{section}-images", axes, caption, wide=True)


def _of_windows(
    scored: ScoredRows, explanation: Explanation, shown: NDArray[np.intp]
) -> Iterator[Picture]:
    for place in range(min(len(shown), _MOST_WINDOWS)):
        name = printable(scored.name(int(shown[place])), 40)
        score = figure_text(float(explanation.scores[place]))
        yield _picture(
            "oddest",
            f"window-{place}",
            plots.window_contributions(
                explanation, place, axes=_two_axes(), title=f"{name}: score {score}"
            ),
            "Above, the channels as they were (lines) and as they were expected (dashed); below, "
            "what each time adds to the score.",
        )


def _two_axes() -> NDArray[Any]:
    figure = new_figure(_SIZE[0], 4.4)
    return np.asarray(figure.subplots(2, 1, sharex=True, height_ratios=(3, 2)))
