"""How sure a figure is: confidence intervals by resampling the test rows.

A test set is a sample, and so is every figure of it. The stratified bootstrap draws as many normal
rows and as many anomalies again, with replacement, many times over, and looks at how far the
figure moves. Imports NumPy and `aeanom.errors` only. Scores are sorted once; a resample is then
nothing but new counts at each distinct score. Bands around whole curves are in `bands`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidDataError, InvalidParameterError
from aeanom.metrics._counts import Counts, Floats, Integers
from aeanom.metrics._labels import read_labels, read_scores, require_same_length
from aeanom.metrics.operating_points import (
    best_f1,
    best_f1_score,
    found_at,
    precision_at_k,
    precision_of_first,
    recall_at_k,
    recall_of_first,
    true_positive_rate_at,
)
from aeanom.metrics.ranking import (
    area,
    average_precision,
    average_precision_score,
    roc_auc_score,
)

__all__ = ["Interval", "bootstrap_difference", "bootstrap_interval", "resampled"]

#: Row numbers drawn at a time: what they are counted into stays in the processor's cache.
_CHUNK = 1 << 17

#: Figures that follow from counts alone, for all resamples of a chunk at once.
_OF_COUNTS: dict[Callable[..., Any], Callable[..., Floats]] = {
    roc_auc_score: area,
    average_precision_score: average_precision,
    best_f1_score: best_f1,
    precision_at_k: precision_of_first,
    recall_at_k: recall_of_first,
    true_positive_rate_at: found_at,
}

Metric = Callable[..., Any]
RandomState = int | np.random.Generator | None


class Interval(NamedTuple):
    """A figure and the interval in which it probably lies.

    Attributes
    ----------
    value : float
        The figure of the rows at hand.
    low, high : float
        The ends of the interval.
    """

    value: float
    low: float
    high: float


class Resampling:
    """Stratified resamples of labelled rows: as many of each class, with replacement.

    Which rows are drawn depends on the labels and the seed, and on nothing else: figures of several
    rankings of the same rows come from the same resamples and can be compared pair by pair.

    Parameters
    ----------
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    n_resamples : int
    random_state : int, Generator or None
        None draws other resamples each time; a Generator is advanced.

    Attributes
    ----------
    anomalous : ndarray of bool, shape (n,)
        The labels.

    Raises
    ------
    InvalidDataError
        When the labels cannot be used.
    InvalidParameterError
        When there is to be no resample.
    """

    def __init__(self, y_true: ArrayLike, n_resamples: int, random_state: RandomState) -> None:
        self.anomalous = read_labels(y_true, "y_true")
        if (
            isinstance(n_resamples, bool)
            or not isinstance(n_resamples, int | np.integer)
            or n_resamples < 1
        ):
            raise InvalidParameterError(
                f"n_resamples must be a whole number of at least 1; got {n_resamples!r}"
            )
        self.n_resamples = int(n_resamples)
        # One generator a class, so that chunks of any size draw the same rows.
        self._generators = np.random.default_rng(random_state).spawn(2)

    def everything(self) -> tuple[Integers, Integers]:
        """Return what `draws` yields if each row is drawn once: the rows themselves."""
        n_anomalous = int(np.count_nonzero(self.anomalous))
        return np.arange(self.anomalous.size - n_anomalous)[None], np.arange(n_anomalous)[None]

    def draws(self) -> Iterator[tuple[Integers, Integers]]:
        """Yield what is drawn, some resamples at a time.

        Yields
        ------
        normal, anomalous : ndarray of int64, shape (r, number of rows of the class)
            Places among the normal rows and among the anomalies, in the order of the rows. The r
            of all chunks add up to `n_resamples`.
        """
        n_anomalous = int(np.count_nonzero(self.anomalous))
        sizes = (self.anomalous.size - n_anomalous, n_anomalous)
        step = max(1, _CHUNK // self.anomalous.size)
        for start in range(0, self.n_resamples, step):
            lines = min(step, self.n_resamples - start)
            normal, anomalous = (
                generator.integers(max(size, 1), size=(lines, size))
                for generator, size in zip(self._generators, sizes, strict=True)
            )
            yield normal, anomalous


class Ranking:
    """One ranking of labelled rows, sorted once, that counts resamples of them.

    Neighbouring scores that only normal rows have are one group: no figure changes between them but
    at their end.

    Parameters
    ----------
    anomalous : ndarray of bool, shape (n,)
    scores : ndarray of float64, shape (n,)

    Attributes
    ----------
    n_groups : int
        m.
    normal_groups, anomalous_groups : ndarray of int64
        The group of each normal row and of each anomaly, 0 for the largest scores.
    """

    def __init__(self, anomalous: NDArray[np.bool_], scores: Floats) -> None:
        distinct, place = np.unique(-scores, return_inverse=True)
        has_anomaly = np.zeros(distinct.size, dtype=np.bool_)
        has_anomaly[place[anomalous]] = True
        begins = np.ones(distinct.size, dtype=np.bool_)
        begins[1:] = has_anomaly[1:] | has_anomaly[:-1]
        groups = (np.cumsum(begins) - 1)[place]
        self.n_groups = int(np.count_nonzero(begins))
        self.normal_groups, self.anomalous_groups = groups[~anomalous], groups[anomalous]

    def counts(self, normal: Integers, anomalous: Integers) -> Counts:
        """Count the rows drawn; see `Resampling.draws`. The counts have shape (r, m)."""
        return Counts(
            self._cumulative(self.normal_groups[normal]),
            self._cumulative(self.anomalous_groups[anomalous]),
        )

    def _cumulative(self, groups: Integers) -> Integers:
        lines, m = len(groups), self.n_groups
        places = (groups + m * np.arange(lines)[:, None]).ravel()
        return np.cumsum(np.bincount(places, minlength=lines * m).reshape(lines, m), axis=1)


def bootstrap_interval(
    metric: Metric,
    y_true: ArrayLike,
    y_score: ArrayLike,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    random_state: RandomState = 0,
) -> Interval:
    """Confidence interval of any metric by the stratified bootstrap.

    Both classes keep their numbers of rows in every resample, and the interval is between two
    percentiles of the figures of the resamples. It says how much the figure owes to the rows that
    happen to be in the test, not how much another fit would differ.

    It needs some rows of each class: with fewer than about ten anomalies it is too narrow, and
    where no anomaly scores below a normal row it has no width at all, as all resamples are alike.

    Parameters
    ----------
    metric : callable of (y_true, y_score), or (y_true, y_pred), returning a number
        The metrics of a ranking in this package, also through `functools.partial`, take a
        fraction of a second for 1,000 resamples of 10,000 rows; any other is called once a
        resample.
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score : array_like of shape (n,)
        What the metric takes: scores, or decisions.
    confidence : float, default=0.95
        Above 0 and below 1.
    n_resamples : int, default=1000
    random_state : int, Generator or None, default=0
        None draws other resamples each time.

    Returns
    -------
    Interval
        `value`, `low` and `high`.

    Raises
    ------
    InvalidDataError
        When labels or scores cannot be used, the metric cannot do with them (a class is missing),
        or it is not a finite number in some resample.
    InvalidParameterError
        When a setting is out of its range.

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13.

    Examples
    --------
    >>> import numpy as np
    >>> from aeanom.metrics import bootstrap_interval, roc_auc_score
    >>> y_true = np.repeat([0, 1], [200, 50])
    >>> y_score = np.random.default_rng(0).normal(size=250) + y_true
    >>> value, low, high = bootstrap_interval(roc_auc_score, y_true, y_score)
    >>> bool(low < value < high)
    True
    """
    require_confidence(confidence)
    (value,), figures = resampled(
        [(metric, y_score)], y_true, n_resamples=n_resamples, random_state=random_state
    )
    return interval_of(float(value), figures[:, 0], confidence)


def bootstrap_difference(
    metric: Metric,
    y_true: ArrayLike,
    y_score: ArrayLike,
    other: ArrayLike,
    *,
    confidence: float = 0.95,
    n_resamples: int = 1000,
    random_state: RandomState = 0,
) -> Interval:
    """Confidence interval of how much better one ranking is than another of the same rows.

    Both are judged by the same resamples, so that rows that are hard for both do not widen the
    interval. One that includes 0 means that these rows do not tell which is better.

    Parameters
    ----------
    metric : callable of (y_true, y_score) returning a number
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    y_score, other : array_like of shape (n,)
        Scores of the same rows by two detectors, each on a scale of its own.
    confidence, n_resamples, random_state
        See `bootstrap_interval`.

    Returns
    -------
    Interval
        Of the metric of `y_score` minus that of `other`.

    Raises
    ------
    InvalidDataError, InvalidParameterError
        See `bootstrap_interval`.
    """
    require_confidence(confidence)
    values, figures = resampled(
        [(metric, y_score), (metric, other)],
        y_true,
        n_resamples=n_resamples,
        random_state=random_state,
    )
    return interval_of(float(values[0] - values[1]), figures[:, 0] - figures[:, 1], confidence)


def resampled(
    figures: Sequence[tuple[Metric, ArrayLike]],
    y_true: ArrayLike,
    *,
    n_resamples: int = 1000,
    random_state: RandomState = 0,
) -> tuple[Floats, Floats]:
    """Several figures of the same rows, and of the same resamples of them.

    Parameters
    ----------
    figures : sequence of (metric, scores), length f
        Metrics as for `bootstrap_interval`; the scores, of shape (n,), may differ from one to the
        next.
    y_true : array_like of shape (n,)
        1 or True for anomalies, 0 or False for normal rows.
    n_resamples, random_state
        See `bootstrap_interval`.

    Returns
    -------
    values : ndarray of float64, shape (f,)
        The figures of the rows themselves.
    resampled_values : ndarray of float64, shape (n_resamples, f)

    Raises
    ------
    InvalidDataError, InvalidParameterError
        See `bootstrap_interval`.
    """
    resampling = Resampling(y_true, n_resamples, random_state)
    anomalous = resampling.anomalous
    rankings: dict[int, Ranking] = {}
    read = []
    for metric, scores in figures:
        array = read_scores(scores, "y_score")
        require_same_length(anomalous, array, "y_score")
        # Scores that stand behind several metrics are sorted once.
        key = id(scores)
        if key not in rankings and _of_counts(metric) is not None:
            rankings[key] = Ranking(anomalous, array)
        read.append((metric, array, key))

    def figures_of(normal: Integers, anomalous_rows: Integers) -> Floats:
        counts = {key: one.counts(normal, anomalous_rows) for key, one in rankings.items()}
        columns = []
        for metric, array, key in read:
            of_counts = _of_counts(metric)
            if of_counts is not None:
                columns.append(of_counts(counts[key]))
            else:
                columns.append(
                    _called(metric, array[~anomalous][normal], array[anomalous][anomalous_rows])
                )
        return np.stack(columns, axis=1)

    values = figures_of(*resampling.everything())[0]
    chunks = [figures_of(*drawn) for drawn in resampling.draws()]
    result = np.concatenate(chunks)
    n_wrong = int(np.count_nonzero(~np.isfinite(result).all(axis=1)))
    if n_wrong:
        raise InvalidDataError(
            f"the metric is not a finite number in {n_wrong} of {n_resamples} resamples, so that "
            "there is no interval"
        )
    return values, result


def interval_of(value: float, figures: Floats, confidence: float) -> Interval:
    """Return a figure with the percentiles of its resamples, of shape (n_resamples,)."""
    tail = (1 - confidence) / 2
    low, high = np.quantile(figures, [tail, 1 - tail])
    return Interval(value, float(low), float(high))


def _of_counts(metric: Metric) -> Callable[[Counts], Floats] | None:
    """Return the metric as a function of counts, or None where it must be called itself."""
    if isinstance(metric, functools.partial):
        found = None if metric.args else _OF_COUNTS.get(metric.func)
        return None if found is None else functools.partial(found, **metric.keywords)
    return _OF_COUNTS.get(metric)


def _called(metric: Metric, normal: Floats, anomalous: Floats) -> Floats:
    """Call a metric once for each line of scores of normal rows and of anomalies."""
    y_true = np.repeat([0, 1], [normal.shape[1], anomalous.shape[1]])
    lines = np.concatenate((normal, anomalous), axis=1)
    return np.array([float(metric(y_true, line)) for line in lines])


def require_confidence(confidence: float) -> None:
    """Raise `InvalidParameterError` unless a confidence is between 0 and 1."""
    if not 0 < confidence < 1:
        raise InvalidParameterError(
            f"confidence must be between 0 and 1, both excluded; got {confidence!r}"
        )
