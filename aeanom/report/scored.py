"""`ScoredRows`: everything that a model says of some rows, computed once for the whole report.

Imports NumPy and the parts that score, decide and judge. What of it is shown, `content.py` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.baselines import baseline_scores
from aeanom.core.rows import as_rows, check_names, column_names
from aeanom.errors import InvalidDataError, UnsupportedError
from aeanom.evaluation import Evaluation
from aeanom.model import AnomalyModel
from aeanom.thresholds import read_labels
from aeanom.words import plural

__all__ = ["ScoredRows"]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class ScoredRows:
    """Rows with their scores and decisions; all arrays are of the n rows that could be scored.

    Attributes
    ----------
    rows : ndarray of shape (n, *row_shape)
    numbers : intp ndarray of shape (n,)
        Place of each among the rows that were handed over, from 0.
    handed_over : int
        How many those were.
    refused : str
        Which of them could not be scored, in words; empty if all could.
    scores, limits, p_values, probabilities : float64 ndarray of shape (n,)
        A row is flagged when its score is above its limit.
    flags : bool ndarray of shape (n,)
    outside : bool ndarray of shape (n,), or None
        Rows far outside of what training saw; None if the model does not know.
    is_anomaly : bool ndarray of shape (n,), or None
    row_names, labels : tuple of str, or None
    evaluation : Evaluation or None
        Where there are labels.
    noun : str
        What one of them is: a row, a window, an image.
    """

    rows: NDArray[Any]
    numbers: NDArray[np.intp]
    handed_over: int
    refused: str
    scores: Floats
    limits: Floats
    p_values: Floats
    probabilities: Floats
    flags: Flags
    outside: Flags | None
    is_anomaly: Flags | None
    row_names: tuple[str, ...] | None
    labels: tuple[str, ...] | None
    evaluation: Evaluation | None
    noun: str = "row"

    @classmethod
    def of(
        cls,
        model: AnomalyModel,
        X: Any,
        y: ArrayLike | None = None,
        *,
        row_names: Sequence[object] | None = None,
        labels: Sequence[object] | None = None,
        baselines: Any = None,
        noun: str = "row",
    ) -> ScoredRows:
        """Score rows and compare them with labels; rows with missing values are left out.

        Parameters are those of `write_report`.
        """
        rows, kept, refused = _usable(model, X)
        n = len(kept)
        is_anomaly = None if y is None else read_labels(y, n)[kept]
        names = None if row_names is None else _read_texts("row_names", row_names, kept)
        texts = None if labels is None else _read_texts("labels", labels, kept)
        if baselines is not None and y is None:
            raise InvalidDataError("a comparison with baselines needs labels: give y as well")
        scores = model.anomaly_score(rows)
        flags = model.is_anomaly(rows, scores=scores)
        knows_range = model.familiar is not None and model.familiar.inputs is not None
        evaluation = None
        if is_anomaly is not None:
            others = None
            if baselines is not None:
                others = baseline_scores(baselines, rows, n_components=_latent_size(model))
            evaluation = Evaluation.of(is_anomaly, scores, model.threshold, flags, baselines=others)
        return cls(
            rows=rows,
            numbers=np.flatnonzero(kept),
            handed_over=n,
            refused=refused,
            scores=scores,
            limits=model.threshold.limits(rows, model.features),
            p_values=model.p_values(rows),
            probabilities=model.anomaly_probability(rows),
            flags=flags,
            outside=model.extrapolates(rows) if knows_range else None,
            is_anomaly=is_anomaly,
            row_names=names,
            labels=texts,
            evaluation=evaluation,
            noun=noun,
        )

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def kinds(self) -> tuple[Flags, tuple[str, str]]:
        """By what pictures tell rows apart, and what the two kinds are called."""
        if self.is_anomaly is None:
            return self.flags, ("passed", "flagged")
        return self.is_anomaly, ("normal", "anomalous")

    def name(self, index: int) -> str:
        """Return what a row is called: its name, or "row" and its number."""
        if self.row_names is not None:
            return self.row_names[index]
        return f"{self.noun} {self.numbers[index]}"

    def label(self, index: int) -> str:
        """Return what a row is, where that is known."""
        if self.labels is not None:
            return self.labels[index]
        if self.is_anomaly is None:
            return ""
        return "anomaly" if self.is_anomaly[index] else "normal"

    def oddest(self, which: Flags | None, most: int) -> NDArray[np.intp]:
        """Return the rows of the largest scores, of those in `which`, the largest first."""
        among = np.arange(len(self)) if which is None else np.flatnonzero(which)
        order = np.argsort(-self.scores[among], kind="stable")
        return np.asarray(among[order[:most]])


def _usable(model: AnomalyModel, X: Any) -> tuple[NDArray[Any], Flags, str]:
    """Return the rows that can be scored, which they are, and what is wrong with the others."""
    check_names(X, model.feature_names, "the report")
    array = X if isinstance(X, np.ndarray) else np.asarray(X)
    wanted: dict[str, Any] = {
        "caller": "the report",
        "row_shape": model.row_shape,
        "names": model.feature_names or column_names(X),
    }
    if array.dtype.kind != "f" or array.ndim != 1 + len(model.row_shape) or not len(array):
        # Whole numbers have no gaps; what else is not an array of rows is refused here.
        rows = as_rows(X, **wanted)
        return rows, np.ones(len(rows), dtype=np.bool_), ""
    finite = np.isfinite(array)
    kept: Flags = np.asarray(finite.reshape(len(array), -1).all(axis=1))
    if kept.all() or not kept.any():
        return as_rows(array, **wanted), kept, ""
    places = np.flatnonzero(~kept)
    shown = ", ".join(map(str, places[:_MOST_NAMED]))
    more = f" and {len(places) - _MOST_NAMED:,} more" if len(places) > _MOST_NAMED else ""
    rows_were = "row was" if len(places) == 1 else "rows were"
    words = (
        f"{len(places):,} {rows_were} left out for missing or infinite values: "
        f"number {shown}{more}, counted from 0"
    )
    if array.ndim == 2:
        columns = np.flatnonzero(~finite.all(axis=0))
        names = ", ".join(model.features[column] for column in columns[:_MOST_NAMED])
        words += f"; in {plural(len(columns), 'column')}: {names}"
        words += ", ..." if len(columns) > _MOST_NAMED else ""
    return as_rows(array[kept], **wanted), kept, words


def _latent_size(model: AnomalyModel) -> int | None:
    """Return how many values the latent has; None for a module that has none."""
    try:
        return prod(model.architecture.latent_shape)
    except UnsupportedError:
        return None


def _read_texts(name: str, values: Sequence[object], kept: Flags) -> tuple[str, ...]:
    if len(values) != len(kept):
        raise InvalidDataError(f"{name} has {len(values)} entries, and there are {len(kept)} rows")
    return tuple(str(value) for value, here in zip(values, kept, strict=True) if here)
