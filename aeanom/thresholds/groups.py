"""`ConformalByGroup`: a threshold, and a promise, for each segment of a column.

What is usual at one site, for one kind of machine or at one load may be odd at another. A single
threshold then flags too many rows of the noisy group and finds too few of the quiet one. Imports
NumPy, the standard library and `aeanom.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import CalibrationWarning, InvalidDataError, InvalidParameterError, warn
from aeanom.thresholds.base import (
    FittedThreshold,
    Group,
    Placement,
    Precision,
    Promise,
    Threshold,
    name_scores,
    percent,
    tolerance_of,
    warn_of_constant_scores,
)
from aeanom.thresholds.conformal import Conformal
from aeanom.thresholds.placement import above, count_for_one, floor_of_share
from aeanom.thresholds.reading import Floats, read_parameter

__all__ = ["ConformalByGroup"]

# A value that went through float32 is still the value that it was.
_SAME = 1e-6


@dataclass(frozen=True)
class ConformalByGroup(Threshold):
    """At most this share of each group's normal rows is flagged, on average over calibrations.

    Each group has the conformal threshold of its own calibration scores; see `Conformal`. Groups
    are the values of a column or, for a column of measurements, intervals of it (a, b]: by `edges`
    of one's own, or by its `quantiles`, so that the groups have about as many calibration rows
    each. Rows of a group with too few calibration rows, or of a value that calibration has not
    seen, have the threshold of all calibration rows together, `value`, which promises nothing about
    a group by itself. Too few are less than 1 / α − 1, for 5 % less than 19: a
    `CalibrationWarning` names the groups.

    Parameters
    ----------
    by : str or int
        Name of the column, or its place in a row, from 0; of images and windows the place among
        the elements of a row in C order.
    false_positive_rate : float, default=0.05
        α, between 0 and 1, both excluded.
    edges : sequence of float, optional
        Increasing values, in the column's units, between intervals: (−∞, e₁], (e₁, e₂], ..., up to
        (eₙ, ∞).
    quantiles : int, optional
        Into how many intervals to cut the column, 2 or more, at quantiles of the calibration rows.

    Notes
    -----
    An edge taken from the calibration rows is the value of one of them, which therefore is not as
    free as a new row to be in its interval. In a group of m rows that one is not counted on: its
    rank is ⌊α·m⌋ instead of ⌊α(m + 1)⌋, with which the promise holds for any dependence of the
    score on the column.

    References
    ----------
    Vovk, "Conditional validity of inductive conformal predictors", ACML (2012), section 3.
    """

    method: ClassVar[str] = "conformal_by_group"
    sample: ClassVar[Literal["calibration"]] = "calibration"

    by: str | int
    false_positive_rate: float = 0.05
    edges: tuple[float, ...] | None = None
    quantiles: int | None = None

    def __post_init__(self) -> None:
        by: Any = self.by
        if isinstance(by, np.integer):
            by = int(by)
        if isinstance(by, bool) or not isinstance(by, str | int) or by == "":
            raise InvalidParameterError(
                f"by must be the name of a column or its place in a row; got {by!r}"
            )
        if isinstance(by, int) and by < 0:
            raise InvalidParameterError(f"by must be a place in a row, from 0; got {by!r}")
        object.__setattr__(self, "by", by)
        rate = Conformal(self.false_positive_rate).false_positive_rate
        object.__setattr__(self, "false_positive_rate", rate)
        if self.edges is not None and self.quantiles is not None:
            raise InvalidParameterError(
                f"edges={self.edges!r} and quantiles={self.quantiles!r} exclude each other: both "
                "say where to cut the column"
            )
        if self.edges is not None:
            object.__setattr__(self, "edges", _read_edges(self.edges))
        if self.quantiles is not None:
            object.__setattr__(self, "quantiles", _read_quantiles(self.quantiles))

    def fit(
        self,
        scores: ArrayLike | None = None,
        column: ArrayLike | None = None,
        *,
        precision: Precision = "float64",
        sample: str = "scores",
    ) -> FittedThreshold:
        """Place a threshold for each group in its own scores, and one for all others.

        Parameters
        ----------
        scores : array_like of shape (n,)
            Finite scores of normal rows that had no part in training.
        column : array_like of shape (n,)
            The value, in the column that groups are made by, of each of these rows.
        precision, sample
            As in `Threshold.fit`.

        Returns
        -------
        FittedThreshold
            Its `value` is the threshold of rows of no group.

        Raises
        ------
        InvalidDataError
            When scores or values are missing, not as many as each other, or not finite.

        Warns
        -----
        CalibrationWarning
            When a group, or the whole sample, has too few rows, or all scores are equal.
        """
        tolerance = tolerance_of(precision)
        values = self._read(scores)
        cells = self._read_column(column, values.size)
        ordered = np.sort(values)
        overall = Conformal(self.false_positive_rate)._place(ordered, tolerance)
        groups, too_few = [], []
        for interval in self._intervals(cells):
            members = np.sort(values[_belongs(cells, *interval)])
            groups.append(self._group(members, interval, overall.value, tolerance))
            if groups[-1].rank is None:
                too_few.append(groups[-1])
        if ordered[0] == ordered[-1]:
            warn_of_constant_scores(ordered, sample)
        if too_few:
            warn(self._too_few(too_few, len(groups)), CalibrationWarning)
        fitted = self._fitted(ordered, overall, sample)
        return FittedThreshold(**{**vars(fitted), "groups": tuple(groups)})

    def column(self, rows: NDArray[Any], features: Sequence[str] = ()) -> NDArray[Any]:
        """Return the column of rows of shape (n, ...) that groups are made by, of shape (n,).

        Raises
        ------
        InvalidParameterError
            When there is no such column.
        """
        flat = rows.reshape(len(rows), -1)
        return flat[:, self.place(flat.shape[1], features)]

    def place(self, n_features: int, features: Sequence[str] = ()) -> int:
        """Return the column's place in a row of so many elements of these names.

        Raises
        ------
        InvalidParameterError
            When there is no such column.
        """
        if isinstance(self.by, int):
            if self.by < n_features:
                return self.by
            raise InvalidParameterError(
                f"groups are made by column {self.by}, and rows have {n_features} columns, 0 to "
                f"{n_features - 1}"
            )
        if self.by in features:
            return list(features).index(self.by)
        guess = get_close_matches(self.by, features, n=1)
        if guess:
            hint = f"; did you mean {guess[0]!r}?"
        elif features:
            shown = ", ".join(map(repr, features[:5])) + (", ..." if len(features) > 5 else "")
            hint = f"; they have {shown}. Columns without names are found by their place, from 0"
        else:
            hint = ": their columns have no names, so give its place, from 0"
        raise InvalidParameterError(
            f"groups are made by column {self.by!r}, which rows do not have{hint}"
        )

    def _place(self, ordered: Floats, tolerance: float) -> Placement:
        return Conformal(self.false_positive_rate)._place(ordered, tolerance)

    def _read_column(self, column: ArrayLike | None, n_rows: int) -> Floats:
        if column is None:
            raise InvalidDataError(
                f"{self!r} needs the column's values beside the scores: fit(scores, column), or a "
                "model's calibrate(X, threshold)"
            )
        cells = np.asarray(column)
        if cells.shape != (n_rows,):
            raise InvalidDataError(
                f"the column must have one value for each of the {n_rows} scores; its shape is "
                f"{cells.shape}"
            )
        if cells.dtype.kind not in "biuf":
            raise InvalidDataError(f"the column has dtype {cells.dtype}; it must be numbers")
        cells = cells.astype(np.float64)
        n_wrong = int(np.count_nonzero(~np.isfinite(cells)))
        if n_wrong:
            raise InvalidDataError(f"{n_wrong} of {n_rows} values of the column are not finite")
        return cells

    def _intervals(self, cells: Floats) -> list[tuple[float | None, float | None]]:
        """Return the (low, high) of each group, in increasing order."""
        if self.edges is None and self.quantiles is None:
            return [(value, value) for value in np.unique(cells).tolist()]
        edges: Sequence[float] = self.edges or ()
        if self.quantiles is not None:
            shares = np.arange(1, self.quantiles) / self.quantiles
            found = np.unique(np.quantile(cells, shares, method="inverted_cdf"))
            # Nothing is above an edge at the largest value.
            edges = found[found < cells.max()].tolist()
        return list(pairwise([None, *edges, None]))

    def _group(
        self,
        members: Floats,
        interval: tuple[float | None, float | None],
        overall: float,
        tolerance: float,
    ) -> Group:
        n = members.size
        rank = floor_of_share(self.false_positive_rate, n + self._counted)
        if rank == 0:
            return Group(overall, n, None, *interval)
        limit = above(members, float(members[n - rank]), tolerance)
        return Group(limit, n, rank, *interval)

    @property
    def _counted(self) -> int:
        """How many rows the rank counts on besides the group's own: see the class's notes."""
        return 0 if self.quantiles is not None else 1

    def _too_few(self, groups: Sequence[Group], n_groups: int) -> str:
        needed = count_for_one(self.false_positive_rate) - self._counted
        shown = "; ".join(f"{_name(group)}: {group.n_scores}" for group in groups[:5])
        message = (
            f"{len(groups)} of {n_groups} groups of column {self.by!r} have fewer than the "
            f"{needed} calibration rows that {percent(self.false_positive_rate)} takes "
            f"({shown}{'; ...' if len(groups) > 5 else ''}) and use the threshold of all rows"
        )
        if len(groups) == n_groups and self.edges is None and self.quantiles is None:
            message += ". For a column of measurements give edges=(...) or quantiles=4"
        return message

    def _limits(
        self, fitted: FittedThreshold, rows: NDArray[Any], features: Sequence[str]
    ) -> Floats:
        cells = self.column(rows, features).astype(np.float64)
        limits = np.array([group.limit for group in fitted.groups])
        if not limits.size:
            return np.full(len(cells), fitted.value)
        if self.edges is None and self.quantiles is None:
            values = np.array([group.low for group in fitted.groups], dtype=np.float64)
            middles = values[:-1] / 2 + values[1:] / 2
            nearest = np.searchsorted(middles, cells)
            known = np.abs(cells - values[nearest]) <= _SAME * np.abs(values[nearest])
            return np.where(known, limits[nearest], fitted.value)
        edges = np.array([group.high for group in fitted.groups[:-1]], dtype=np.float64)
        return np.asarray(limits[np.searchsorted(edges, cells, side="left")], dtype=np.float64)

    def _promise(self, fitted: FittedThreshold) -> Promise:
        # With too few calibration rows altogether the level attained is more than was asked for.
        return Promise(max(self.false_positive_rate, fitted.level or 0.0))

    def _describe(self, fitted: FittedThreshold) -> str:
        own = [group for group in fitted.groups if group.rank is not None]
        if not own:
            return (
                f"no group of column {self.by!r} has calibration rows enough for a threshold of "
                f"its own; all rows: {fitted.value:.6g}, of {name_scores(fitted)}, with at most "
                f"{percent(self._promise(fitted).rate)} of normal rows flagged on average"
            )
        sentence = (
            f"at most {percent(self.false_positive_rate)} of normal rows flagged on average in "
            f"{f'each of {len(own)} groups' if len(own) > 1 else '1 group'} of column {self.by!r}"
        )
        shown = ", ".join(
            f"{_name(group)}: {group.limit:.6g} ({group.n_scores})" for group in own[:5]
        )
        return (
            f"{sentence}, a hair above {'scores' if len(own) > 1 else 'a score'} of their "
            f"calibration rows ({shown}{', ...' if len(own) > 5 else ''}); other rows: "
            f"{fitted.value:.6g}, of {name_scores(fitted)}, which promises nothing about a group "
            "by itself"
        )


def _belongs(cells: Floats, low: float | None, high: float | None) -> NDArray[np.bool_]:
    if low is not None and low == high:
        return np.asarray(cells == low, dtype=np.bool_)
    inside = np.ones(cells.shape, dtype=np.bool_)
    if low is not None:
        inside &= cells > low
    if high is not None:
        inside &= cells <= high
    return inside


def _name(group: Group) -> str:
    low, high = group.low, group.high
    if low is None and high is None:
        return "all"
    if low is None:
        return f"up to {high:.6g}"
    if high is None:
        return f"above {low:.6g}"
    return f"{low:.6g}" if low == high else f"above {low:.6g} up to {high:.6g}"


def _read_edges(edges: Any) -> tuple[float, ...]:
    if isinstance(edges, str) or not isinstance(edges, Sequence | np.ndarray) or len(edges) == 0:
        raise InvalidParameterError(
            f"edges must be one increasing number or more, such as (10.0, 20.0); got {edges!r}"
        )
    read = tuple(
        read_parameter("each of edges", edge, "a finite number", lambda _: True) for edge in edges
    )
    if any(right <= left for left, right in pairwise(read)):
        raise InvalidParameterError(f"edges must increase; got {edges!r}")
    return read


def _read_quantiles(quantiles: Any) -> int:
    if isinstance(quantiles, np.integer):
        quantiles = int(quantiles)
    if isinstance(quantiles, bool) or not isinstance(quantiles, int) or quantiles < 2:
        raise InvalidParameterError(
            f"quantiles must be a whole number of intervals, 2 or more; got {quantiles!r}"
        )
    return quantiles
