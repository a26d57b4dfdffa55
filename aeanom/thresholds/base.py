"""What every threshold is: a frozen description, and what comes of fitting it to scores.

Imports NumPy, the standard library and `aeanom.errors`. To write a method, derive from
`Threshold`, as `sample.Quantile` does in a few lines. Parameters, scores and labels are read by
`reading`; a threshold that depends on the row is in `groups`.
"""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import CalibrationWarning, InvalidDataError, InvalidParameterError, warn
from aeanom.thresholds.reading import Floats, check_names, read_count, read_parameter, read_scores

__all__ = ["FittedThreshold", "Group", "Placement", "Precision", "Promise", "Threshold"]

Precision = Literal["float32", "float64"]

# How far apart two computations of one score may be, with room to spare: the hair by which a
# threshold keeps off the scores, relative to the score.
_TOLERANCES: Mapping[str, float] = {"float32": 1e-5, "float64": 1e-9}


class Placement(NamedTuple):
    """Where a method puts its threshold in a sample.

    `score` is the order statistic that it was put above and `rank` its rank from the largest, both
    None for a method that uses none. `level` is the level attained, where it is not simply the
    share of the sample above the threshold. `figures` are those that the method's class names.
    """

    value: float
    score: float | None = None
    rank: int | None = None
    level: float | None = None
    figures: Mapping[str, float] = MappingProxyType({})


class Promise(NamedTuple):
    """What a threshold promises about new normal rows.

    Attributes
    ----------
    rate : float
        The most of them that is flagged.
    confidence : float or None
        In what share of calibrations the rate holds; None where it holds on average over them.
    """

    rate: float
    confidence: float | None = None


@dataclass(frozen=True)
class Threshold(ABC):
    """Description of how a threshold follows from scores; frozen, comparable, JSON-able.

    Attributes
    ----------
    method : str
        The method's name in settings and files.
    sample : {"calibration", "training", "any", "labelled", "none"}
        Which scores it wants: those of held-out rows and no others, those of the training rows
        themselves, held-out ones where there are any and else training ones, those of labelled
        rows, or none at all.
    figures : tuple of str
        Names of what it keeps of a fit besides the fields that all have.
    """

    method: ClassVar[str]
    sample: ClassVar[Literal["calibration", "training", "any", "labelled", "none"]]
    figures: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def _place(self, ordered: Floats, tolerance: float) -> Placement:
        """Place the threshold in the sample `ordered` (increasing, finite, not empty)."""

    def fit(
        self,
        scores: ArrayLike | None = None,
        *,
        precision: Precision = "float64",
        sample: str = "scores",
    ) -> FittedThreshold:
        """Place the threshold in a sample of scores.

        Parameters
        ----------
        scores : array_like of shape (n,)
            Finite scores, larger for more anomalous rows. Only `Fixed` does without.
        precision : {"float32", "float64"}, default="float64"
            In what precision the scores were computed. It sets how far the threshold keeps from
            the scores: 1e-5 or 1e-9 of the score.
        sample : str, default="scores"
            What to call the sample in descriptions, such as "calibration" or "training".

        Returns
        -------
        FittedThreshold

        Raises
        ------
        InvalidDataError
            When there are no scores, they are not one-dimensional, or some are not finite.
        InvalidParameterError
            When the precision is neither of the two.

        Warns
        -----
        CalibrationWarning
            When the sample cannot carry what is asked of it: too few scores, or all equal.
        """
        tolerance = tolerance_of(precision)
        ordered = np.sort(self._read(scores))
        fitted = self._fitted(ordered, self._place(ordered, tolerance), sample)
        if ordered[0] == ordered[-1]:
            warn_of_constant_scores(ordered, sample)
        return fitted

    def _read(self, scores: ArrayLike | None) -> Floats:
        """Return the scores as float64, or say which ones this method is fitted to."""
        if scores is None:
            raise InvalidDataError(
                f"{self!r} is fitted to {_SAMPLE_NAMES[self.sample]}, and none were given"
            )
        return read_scores(scores, "scores")

    def _fitted(self, ordered: Floats, placement: Placement, sample: str) -> FittedThreshold:
        value, score, rank, level, figures = placement
        n_above = ordered.size - int(np.searchsorted(ordered, value, side="right"))
        return FittedThreshold(
            value=float(value),
            threshold=self,
            sample=sample,
            n_scores=ordered.size,
            n_ties=0 if score is None else int(np.count_nonzero(ordered == score)),
            rank=rank,
            level=n_above / ordered.size if level is None else level,
            figures=dict(figures),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the method and its parameters as plain JSON values; see `threshold_from_dict`."""
        return {"method": self.method, **dataclasses.asdict(self)}

    def _promise(self, fitted: FittedThreshold) -> Promise | None:
        """Return what `FittedThreshold.promise` is; None where nothing is promised."""
        return None

    def _interval(self, fitted: FittedThreshold, confidence: float) -> tuple[float, float] | None:
        """Return the interval of `FittedThreshold.interval`; None where there is none."""
        return None

    def _limits(
        self, fitted: FittedThreshold, rows: NDArray[Any], features: Sequence[str]
    ) -> Floats:
        """Return each row's threshold: the same for all, unless a method knows better."""
        return np.full(len(rows), fitted.value)

    @abstractmethod
    def _describe(self, fitted: FittedThreshold) -> str:
        """Say in one sentence what the threshold is; the method's name is put before it."""


class Group(NamedTuple):
    """The threshold of the rows whose value in a column is in one interval.

    Attributes
    ----------
    limit : float
        Rows of the group with a larger score are anomalous.
    n_scores : int
        Scores of the sample that belong to the group.
    rank : int or None
        Which of them the limit was put just above, 1 for the largest; None where they are too few
        and the limit is that of all rows.
    low, high : float or None
        The interval (low, high], or the single value where the two are equal; None where it has no
        end.
    """

    limit: float
    n_scores: int
    rank: int | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class FittedThreshold:
    """A threshold, with how it came about and what it promises.

    Attributes
    ----------
    value : float
        Rows with a larger score are anomalous; where there are groups, those of none of them.
    threshold : Threshold
        The description that was fitted.
    sample : str
        What the caller named the sample, such as "calibration".
    n_scores : int
        How many scores were in it.
    n_ties : int
        How many of them equal the score that the threshold was put just above, that one included;
        0 for a method that uses none.
    rank : int or None
        That score's rank, 1 for the largest: k of the conformal rule.
    level : float or None
        For `Conformal` and its relatives k / (n + 1): the false-positive rate on normal rows is at
        most this in expectation. For the other methods the share of the sample that is above the
        threshold; None for `Fixed`, which has no sample.
    figures : mapping of str to float
        What the method keeps of the fit besides, such as the shape of a tail, by name.
    groups : tuple of Group
        Thresholds by the value of a column, of `ConformalByGroup`.
    """

    value: float
    threshold: Threshold
    sample: str = "scores"
    n_scores: int = 0
    n_ties: int = 0
    rank: int | None = None
    level: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict, hash=False)
    groups: tuple[Group, ...] = ()

    def limits(self, rows: ArrayLike, features: Sequence[str] = ()) -> Floats:
        """Return the threshold of each row, of shape (n,): `value`, unless it has groups.

        Parameters
        ----------
        rows : array_like of shape (n, ...)
            In the units in which they are scored.
        features : sequence of str, optional
            Names of a row's elements, to find a column by name.

        Raises
        ------
        InvalidParameterError
            When the rows do not have the column that the groups are made by.
        """
        return self.threshold._limits(self, np.asarray(rows), features)

    def exceeds(self, scores: ArrayLike, limits: ArrayLike | None = None) -> NDArray[np.bool_]:
        """Say which rows are anomalous: ``score > threshold``, strictly, in float64.

        Parameters
        ----------
        scores : array_like of any shape
            An infinite score is anomalous.
        limits : array_like of the same shape, optional
            Each row's threshold, from `limits`; without it, `value` for all.

        Returns
        -------
        ndarray of bool, of the same shape

        Raises
        ------
        InvalidDataError
            When some scores are NaN, which would pass for normal.
        InvalidParameterError
            When the threshold has groups, and `limits` was left out.
        """
        if limits is None and self.groups:
            raise InvalidParameterError(
                "this threshold depends on the row, and scores alone do not tell: use "
                "exceeds(scores, limits(rows)), or a model's is_anomaly(X)"
            )
        array = np.asarray(scores, dtype=np.float64)
        n_missing = int(np.count_nonzero(np.isnan(array)))
        if n_missing:
            raise InvalidDataError(f"{n_missing} of {array.size} scores are NaN")
        limit = np.asarray(self.value if limits is None else limits, dtype=np.float64)
        return np.asarray(array > limit, dtype=np.bool_)

    @property
    def promise(self) -> Promise | None:
        """The false-positive rate that is promised for new normal rows; None if none is."""
        return self.threshold._promise(self)

    def interval(self, confidence: float = 0.95) -> tuple[float, float] | None:
        """Interval in which the realised false-positive rate on normal rows falls.

        The promise of `Conformal` is an average over calibrations. For the one at hand the rate
        follows Beta(k, n + 1 − k) when scores have no ties (with ties it is lower still), and so it
        does for `FalsePositiveBound`; this is its central interval.

        Parameters
        ----------
        confidence : float, default=0.95
            In what share of calibrations the rate lies inside.

        Returns
        -------
        (low, high) : tuple of float, or None
            None for the other methods.

        Raises
        ------
        InvalidParameterError
            When `confidence` is not between 0 and 1.
        MissingDependencyError
            When SciPy is not installed.

        References
        ----------
        Vovk, "Conditional validity of inductive conformal predictors", ACML (2012).
        """
        confidence = read_parameter(
            "confidence", confidence, "between 0 and 1, both excluded", lambda c: 0 < c < 1
        )
        return self.threshold._interval(self, confidence)

    def describe(self) -> str:
        """Say in one plain sentence, for terminals, what this threshold is and promises."""
        return f"{self.threshold.method}: {self.threshold._describe(self)}"

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values; `from_dict` reads it back exactly."""
        values = {entry.name: getattr(self, entry.name) for entry in dataclasses.fields(self)}
        values |= {
            "threshold": self.threshold.to_dict(),
            "figures": dict(self.figures),
            "groups": [list(group) for group in self.groups],
        }
        # Left out where a method has none.
        return {key: value for key, value in values.items() if value or key not in _LATER}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FittedThreshold:
        """Rebuild a fitted threshold from `to_dict`'s result.

        Parameters
        ----------
        values : mapping
            As `to_dict` returns it, possibly through JSON.

        Returns
        -------
        FittedThreshold

        Raises
        ------
        InvalidParameterError
            When something is missing, unknown, of the wrong type or out of range.
        """
        # The table of methods knows every method, and each method knows this module.
        from aeanom.thresholds.settings import threshold_from_dict

        if isinstance(values, Mapping):
            values = {**_LATER, **values}
        check_names("a fitted threshold", values, {entry.name for entry in dataclasses.fields(cls)})
        threshold = threshold_from_dict(values["threshold"])
        level, figures, groups = values["level"], values["figures"], values["groups"]
        n_scores = read_count("n_scores", values["n_scores"], math.inf)
        if not isinstance(values["sample"], str):
            raise InvalidParameterError(f"sample must be a name; got {values['sample']!r}")
        check_names(f"the figures of a {threshold.method} threshold", figures, {*threshold.figures})
        if not isinstance(groups, list | tuple):
            raise InvalidParameterError(f"groups must be a list; got {groups!r}")
        return cls(
            value=_finite("value", values["value"]),
            threshold=threshold,
            sample=values["sample"],
            n_scores=n_scores,
            n_ties=read_count("n_ties", values["n_ties"], n_scores),
            rank=_read_rank("rank", values["rank"], n_scores),
            level=None
            if level is None
            else read_parameter("level", level, "from 0 to 1", lambda x: 0 <= x <= 1),
            figures={name: _finite(name, figures[name]) for name in threshold.figures},
            groups=tuple(_read_group(group) for group in groups),
        )


def percent(share: float) -> str:
    """Return a share as text, in percent with three significant digits."""
    return f"{100 * share:.3g} %"


def ordinal(rank: int) -> str:
    """Return "largest", "2nd largest", "3rd largest", ... ."""
    if rank == 1:
        return "largest"
    teen = rank % 100 in (11, 12, 13)
    suffix = "th" if teen else {1: "st", 2: "nd", 3: "rd"}.get(rank % 10, "th")
    return f"{rank}{suffix} largest"


def name_scores(fitted: FittedThreshold) -> str:
    """Return "199 calibration scores"; plain "199 scores" where the sample has no name."""
    kind = "" if fitted.sample == "scores" else f"{fitted.sample} "
    return f"{fitted.n_scores} {kind}score{'s' if fitted.n_scores != 1 else ''}"


_SAMPLE_NAMES = {
    "calibration": "the scores of rows that were held out of training",
    "training": "the scores of the training rows",
    "any": "scores",
    "labelled": "the scores of labelled rows",
    "none": "nothing",
}

# What fitted thresholds did not have at first, and what it is where they do not.
_LATER: Mapping[str, Any] = MappingProxyType({"figures": {}, "groups": ()})


def tolerance_of(precision: str) -> float:
    """Return the hair's width, relative to a score, for scores computed in this precision."""
    if precision not in _TOLERANCES:
        raise InvalidParameterError(
            f"precision must be 'float32' or 'float64', in which the scores were computed; got "
            f"{precision!r}"
        )
    return _TOLERANCES[precision]


def _finite(name: str, value: object) -> float:
    return read_parameter(name, value, "a finite number", lambda _: True)


def _read_rank(name: str, value: object, most: int) -> int | None:
    return None if value is None else read_count(name, value, most, 1)


def _read_group(values: Any) -> Group:
    if not isinstance(values, list | tuple) or len(values) != len(Group._fields):
        raise InvalidParameterError(
            f"a group must be a list of {', '.join(Group._fields)}; got {values!r}"
        )
    limit, n_scores, rank, low, high = values
    n_scores = read_count("n_scores of a group", n_scores, math.inf)
    return Group(
        limit=_finite("limit of a group", limit),
        n_scores=n_scores,
        rank=_read_rank("rank in a group", rank, n_scores),
        low=None if low is None else _finite("low end of a group", low),
        high=None if high is None else _finite("high end of a group", high),
    )


def warn_of_constant_scores(ordered: Floats, sample: str) -> None:
    """Warn that all scores are equal, so that none of them is flagged."""
    kind = "" if sample == "scores" else f"{sample} "
    if ordered.size == 1:
        found = f"there is a single {kind}score, {float(ordered[0]):.6g}"
    else:
        found = f"all {ordered.size} {kind}scores are equal, {float(ordered[0]):.6g}"
    warn(
        f"{found}: the threshold lies above it and flags none of these rows. Scores that do not "
        "vary say nothing about which rows are unusual; check that the rows differ from each other "
        "and that the network was trained",
        CalibrationWarning,
    )
