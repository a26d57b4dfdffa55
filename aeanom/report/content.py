"""What the report says, as plain values: `build_content` makes all of it before anything is drawn.

The template in `templates/` decides how it looks and computes nothing. Imports NumPy and the parts
that know models, rows and pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom import __version__
from aeanom.core.rows import column_names
from aeanom.errors import InvalidParameterError
from aeanom.evaluation import Evaluation
from aeanom.explain import Explanation, Outside, Reason
from aeanom.model import AnomalyModel
from aeanom.plots.style import figure_text, read_count
from aeanom.report.judgement import (
    MetricLine,
    Tile,
    expected_note,
    metric_lines,
    summary_tiles,
)
from aeanom.report.pictures import Picture, draw_pictures, image_shape_of
from aeanom.report.scored import ScoredRows
from aeanom.thresholds import ConformalByGroup, benjamini_hochberg
from aeanom.words import baseline_verdict, layer_lines, plural, promise_in_words, training_facts

__all__ = ["Content", "build_content"]

_REASONS = 4
_MOST_LISTED = 5
_MOST_COLUMNS = 200
_FALSE_DISCOVERY_RATE = 0.1


class OddRow(NamedTuple):
    """One row with its score, what that means, and what made it odd; no reasons for images."""

    name: str
    label: str
    is_anomaly: bool | None
    flagged: bool
    score: float
    times_threshold: float | None
    p_value: float
    probability: float
    reasons: tuple[Reason, ...]
    outside: Outside | None


class GroupLine(NamedTuple):
    """A group of rows that has a threshold of its own."""

    name: str
    n_scores: int
    limit: float
    own: bool
    rows: int
    flagged: int


class ColumnLine(NamedTuple):
    """A column's range, in training and in these rows."""

    name: str
    trained: tuple[float, float] | None
    here: tuple[float, float]
    outside: int


@dataclass(frozen=True, eq=False)
class Content:
    """Everything on the page, in its order; `templates/report.html` shows it."""

    title: str
    source: str
    date: str
    version: str
    model: AnomalyModel
    scored: ScoredRows
    evaluation: Evaluation | None
    tiles: list[Tile]
    expected: str
    discoveries: int | None
    discovery_rate: float
    promise: str
    groups: list[GroupLine]
    grouped_by: str
    oddest: list[OddRow]
    false_alarms: list[OddRow]
    misses: list[OddRow]
    metrics: list[MetricLine]
    baseline_verdict: str
    baselines_fitted_on: str
    training: list[tuple[str, str]]
    layers: list[tuple[str, str, str, str]]
    columns: list[ColumnLine]
    more_columns: int
    pictures: Mapping[str, list[Picture]]
    rows_in_words: str
    of_images: bool
    of_columns: bool


def build_content(
    model: Any,
    X: Any,
    *,
    y: ArrayLike | None = None,
    title: str = "",
    source: str = "",
    date: str = "",
    top: int = 10,
    row_names: Sequence[object] | None = None,
    labels: Sequence[object] | None = None,
    feature_names: Sequence[str] | None = None,
    image_shape: Sequence[int] | None = None,
    baselines: Any = None,
    baselines_fitted_on: str = "",
) -> Content:
    """Score, explain and draw; parameters and errors are those of `write_report`."""
    model = getattr(model, "model_", model)
    top = read_count("top", top)
    features = _features(model, X, feature_names)
    image = _image_shape(model, image_shape)
    noun = (
        "image" if image else "window" if model.architecture.axes == ("time", "channel") else "row"
    )
    scored = ScoredRows.of(
        model, X, y, row_names=row_names, labels=labels, baselines=baselines, noun=noun
    )
    reasons = _Reasons(model, scored, features, with_reasons=image is None)
    shown = scored.oddest(None, top)
    is_anomaly, e = scored.is_anomaly, scored.evaluation
    false_alarms = misses = np.empty(0, dtype=np.intp)
    if is_anomaly is not None:
        false_alarms = scored.oddest(scored.flags & ~is_anomaly, _MOST_LISTED)
        # The most hidden first: those of the least scores.
        misses = scored.oddest(~scored.flags & is_anomaly, len(scored))[::-1][:_MOST_LISTED]
    best = None if e is None else e.best_baseline
    pictures: dict[str, list[Picture]] = {}
    lists = {"oddest": shown, "false-alarms": false_alarms, "misses": misses}
    for picture in draw_pictures(model, scored, lists, reasons.explain, image):
        pictures.setdefault(picture.section, []).append(picture)
    columns = _columns(model, scored, features)
    discoveries = None
    if len(model.calibration_scores):
        named = benjamini_hochberg(scored.p_values, _FALSE_DISCOVERY_RATE)
        discoveries = int(np.count_nonzero(named))
    return Content(
        title=title or (f"Anomaly report: {source}" if source else "Anomaly report"),
        source=source,
        date=date,
        version=__version__,
        model=model,
        scored=scored,
        evaluation=e,
        tiles=summary_tiles(model, scored),
        expected=expected_note(model, scored),
        discoveries=discoveries,
        discovery_rate=_FALSE_DISCOVERY_RATE,
        promise=promise_in_words(model.threshold),
        groups=_groups(model, scored),
        grouped_by=_grouped_by(model, features),
        oddest=reasons.of(shown),
        false_alarms=reasons.of(false_alarms),
        misses=reasons.of(misses),
        metrics=[] if e is None else metric_lines(e),
        baseline_verdict="" if best is None else baseline_verdict(best),
        baselines_fitted_on=""
        if baselines is None
        else baselines_fitted_on or plural(len(baselines), "row"),
        training=training_facts(model),
        layers=[] if hasattr(model.architecture, "framework") else layer_lines(model.architecture),
        columns=columns[:_MOST_COLUMNS],
        more_columns=max(len(columns) - _MOST_COLUMNS, 0),
        pictures=pictures,
        rows_in_words=_rows_in_words(model, scored, image),
        of_images=image is not None,
        of_columns=image is None and model.architecture.axes == ("feature",),
    )


class _Reasons:
    """Explains some of the rows, under the names that columns go by on the page."""

    def __init__(
        self,
        model: AnomalyModel,
        scored: ScoredRows,
        features: tuple[str, ...],
        *,
        with_reasons: bool,
    ) -> None:
        self._model, self._scored, self._features = model, scored, features
        self._with_reasons = with_reasons

    def explain(self, which: NDArray[np.intp]) -> Explanation:
        """Explain the rows of these places."""
        return replace(self._model.explain(self._scored.rows[which]), features=self._features)

    def of(self, which: NDArray[np.intp]) -> list[OddRow]:
        """Return what is to be said of each of the rows."""
        if not len(which):
            return []
        explanation = self.explain(which)
        return [self._row(index, place, explanation) for place, index in enumerate(which.tolist())]

    def _row(self, index: int, place: int, explanation: Explanation) -> OddRow:
        scored = self._scored
        score, limit = float(scored.scores[index]), float(scored.limits[index])
        outside = explanation.outside(place)[:1]
        return OddRow(
            name=scored.name(index),
            label=scored.label(index),
            is_anomaly=None if scored.is_anomaly is None else bool(scored.is_anomaly[index]),
            flagged=bool(scored.flags[index]),
            score=score,
            # A log-likelihood, and a threshold on one, may be negative.
            times_threshold=score / limit if limit > 0 <= score else None,
            p_value=float(scored.p_values[index]),
            probability=float(scored.probabilities[index]),
            reasons=tuple(explanation.row(place, _REASONS)) if self._with_reasons else (),
            outside=outside[0] if outside and self._with_reasons else None,
        )


def _features(model: AnomalyModel, X: Any, given: Sequence[str] | None) -> tuple[str, ...]:
    names = given if given is not None else model.feature_names or column_names(X)
    if names is None:
        return model.features
    if len(names) != model.n_features:
        raise InvalidParameterError(
            f"there are {len(names)} feature names, and rows have {model.n_features} columns"
        )
    return tuple(map(str, names))


def _image_shape(model: AnomalyModel, given: Sequence[int] | None) -> tuple[int, ...] | None:
    if given is None:
        return image_shape_of(model)
    shape = tuple(read_count("image_shape", length) for length in given)
    channels_fit = len(shape) == 2 or (len(shape) == 3 and shape[2] in (1, 3, 4))
    if not channels_fit or prod(shape) != model.n_features:
        raise InvalidParameterError(
            f"image_shape must be (height, width), or with 1, 3 or 4 channels behind, of "
            f"{model.n_features} elements in all; got {shape}"
        )
    return shape


def _rows_in_words(model: AnomalyModel, scored: ScoredRows, image: tuple[int, ...] | None) -> str:
    if model.architecture.axes == ("feature",) and image is None:
        shape = plural(model.n_features, "column")
    else:
        shape = " × ".join(map(str, image or model.row_shape))
    return f"{plural(len(scored), scored.noun)} of {shape}"


def _grouped_by(model: AnomalyModel, features: tuple[str, ...]) -> str:
    method = model.threshold.threshold
    if not isinstance(method, ConformalByGroup):
        return ""
    return features[method.place(model.n_features, model.features)]


def _groups(model: AnomalyModel, scored: ScoredRows) -> list[GroupLine]:
    groups, method = model.threshold.groups, model.threshold.threshold
    if not isinstance(method, ConformalByGroup):
        return []
    cells = method.column(scored.rows, model.features).astype(np.float64)
    lines = []
    for group in groups:
        low = -np.inf if group.low is None else group.low
        high = np.inf if group.high is None else group.high
        if group.low is not None and group.low == group.high:
            members, name = np.isclose(cells, group.low, rtol=1e-6, atol=0), figure_text(group.low)
        else:
            members = (cells > low) & (cells <= high)
            name = f"up to {figure_text(high)}" if low == -np.inf else f"above {figure_text(low)}"
            if group.low is not None and group.high is not None:
                name += f", up to {figure_text(high)}"
        lines.append(
            GroupLine(
                name,
                group.n_scores,
                group.limit,
                group.rank is not None,
                int(np.count_nonzero(members)),
                int(np.count_nonzero(scored.flags[members])),
            )
        )
    return lines


def _columns(
    model: AnomalyModel, scored: ScoredRows, features: tuple[str, ...]
) -> list[ColumnLine]:
    """Return the ranges of the columns of a table; nothing for images and windows."""
    if model.architecture.axes != ("feature",):
        return []
    seen = None if model.familiar is None else model.familiar.inputs
    low, high = scored.rows.min(axis=0).tolist(), scored.rows.max(axis=0).tolist()
    beyond = np.zeros(len(features), dtype=np.int64)
    if seen is not None:
        beyond = np.count_nonzero(seen.beyond(scored.rows) > seen.margin, axis=0)
    return [
        ColumnLine(
            name,
            None if seen is None else (float(seen.low[place]), float(seen.high[place])),
            (low[place], high[place]),
            int(beyond[place]),
        )
        for place, name in enumerate(features)
    ]
