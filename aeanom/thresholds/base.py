"""What every threshold is: a frozen description, and what comes of fitting it to scores.

Imports NumPy, the standard library and `aeanom.errors`. To write a method, derive from
`Threshold`, as `sample.Quantile` does in a few lines.
"""

from __future__ import annotations

import dataclasses
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import CalibrationWarning, InvalidDataError, InvalidParameterError

__all__ = ["FittedThreshold", "Placement", "Precision", "Threshold"]

Floats = NDArray[np.float64]
Precision = Literal["float32", "float64"]

# How far apart two computations of one score may be, with room to spare: the hair by which a
# threshold keeps off the scores, relative to the score.
_TOLERANCES: Mapping[str, float] = {"float32": 1e-5, "float64": 1e-9}


class Placement(NamedTuple):
    """Where a method puts its threshold in a sample.

    `score` is the order statistic that it was put above and `rank` its rank from the largest, both
    None for a method that uses none. `level` is the level attained, where it is not simply the
    share of the sample above the threshold.
    """

    value: float
    score: float | None = None
    rank: int | None = None
    level: float | None = None


@dataclass(frozen=True)
class Threshold(ABC):
    """Description of how a threshold follows from scores; frozen, comparable, JSON-able.

    Attributes
    ----------
    method : str
        The method's name in settings and files.
    sample : {"calibration", "training", "any", "none"}
        Which scores it wants: those of held-out rows and no others, those of the training rows
        themselves, held-out ones where there are any and else training ones, or none at all.
    """

    method: ClassVar[str]
    sample: ClassVar[Literal["calibration", "training", "any", "none"]]

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
        tolerance = _tolerance(precision)
        if scores is None:
            raise InvalidDataError(
                f"{self!r} is fitted to {_SAMPLE_NAMES[self.sample]}, and none were given"
            )
        ordered = np.sort(read_scores(scores, "scores"))
        value, score, rank, level = self._place(ordered, tolerance)
        if ordered[0] == ordered[-1]:
            _warn_of_constant_scores(ordered, sample)
        n_above = ordered.size - int(np.searchsorted(ordered, value, side="right"))
        return FittedThreshold(
            value=float(value),
            threshold=self,
            sample=sample,
            n_scores=ordered.size,
            n_ties=0 if score is None else int(np.count_nonzero(ordered == score)),
            rank=rank,
            level=n_above / ordered.size if level is None else level,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the method and its parameters as plain JSON values; see `threshold_from_dict`."""
        return {"method": self.method, **dataclasses.asdict(self)}

    def _interval(self, fitted: FittedThreshold, confidence: float) -> tuple[float, float] | None:
        """Return the interval of `FittedThreshold.interval`; None where nothing is promised."""
        return None

    @abstractmethod
    def _describe(self, fitted: FittedThreshold) -> str:
        """Say in one sentence what the threshold is; the method's name is put before it."""


@dataclass(frozen=True)
class FittedThreshold:
    """A threshold, with how it came about and what it promises.

    Attributes
    ----------
    value : float
        Rows with a larger score are anomalous.
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
        For `Conformal` the level attained, k / (n + 1): the false-positive rate on normal rows is
        at most this in expectation. For the other methods the share of the sample that is above
        the threshold; None for `Fixed`, which has no sample.
    """

    value: float
    threshold: Threshold
    sample: str = "scores"
    n_scores: int = 0
    n_ties: int = 0
    rank: int | None = None
    level: float | None = None

    def exceeds(self, scores: ArrayLike) -> NDArray[np.bool_]:
        """Say which rows are anomalous: ``score > value``, strictly, in float64.

        Parameters
        ----------
        scores : array_like of any shape
            An infinite score is anomalous.

        Returns
        -------
        ndarray of bool, of the same shape

        Raises
        ------
        InvalidDataError
            When some scores are NaN, which would pass for normal.
        """
        array = np.asarray(scores, dtype=np.float64)
        n_missing = int(np.count_nonzero(np.isnan(array)))
        if n_missing:
            raise InvalidDataError(f"{n_missing} of {array.size} scores are NaN")
        return np.asarray(array > self.value, dtype=np.bool_)

    def interval(self, confidence: float = 0.95) -> tuple[float, float] | None:
        """Interval in which the realised false-positive rate on normal rows falls.

        The promise of `Conformal` is an average over calibrations. For the one at hand the rate
        follows Beta(k, n + 1 − k) when scores have no ties (with ties it is lower still); this is
        its central interval.

        Parameters
        ----------
        confidence : float, default=0.95
            In what share of calibrations the rate lies inside.

        Returns
        -------
        (low, high) : tuple of float, or None
            None for the other methods, which promise nothing about new rows.

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
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {**values, "threshold": self.threshold.to_dict()}

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

        check_names("a fitted threshold", values, {field.name for field in dataclasses.fields(cls)})
        level = values["level"]
        n_scores = _count("n_scores", values["n_scores"], math.inf)
        if not isinstance(values["sample"], str):
            raise InvalidParameterError(f"sample must be a name; got {values['sample']!r}")
        return cls(
            value=read_parameter("value", values["value"], "a finite number", lambda _: True),
            threshold=threshold_from_dict(values["threshold"]),
            sample=values["sample"],
            n_scores=n_scores,
            n_ties=_count("n_ties", values["n_ties"], n_scores),
            rank=None if values["rank"] is None else _count("rank", values["rank"], n_scores, 1),
            level=None
            if level is None
            else read_parameter("level", level, "from 0 to 1", lambda x: 0 <= x <= 1),
        )


def read_parameter(
    name: str, value: object, allowed: str, is_allowed: Callable[[float], bool]
) -> float:
    """Return `value` as a float, or raise `InvalidParameterError` that names it and its range.

    Parameters
    ----------
    name : str
        The parameter's name, for the message.
    value : object
        What was given; a Python or NumPy number, not a bool.
    allowed : str
        The range in words.
    is_allowed : callable of float returning bool
        The range. NaN and infinity are never allowed.
    """
    number = math.nan
    if isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool):
        # Through text, so that np.float32(0.05) is the 0.05 that was meant.
        number = float(str(value)) if isinstance(value, np.floating) else float(value)
    if not (math.isfinite(number) and is_allowed(number)):
        raise InvalidParameterError(f"{name} must be {allowed}; got {value!r}")
    return number


def read_scores(scores: ArrayLike, name: str) -> Floats:
    """Return a sample of scores as float64 of shape (n,), or raise `InvalidDataError`."""
    try:
        array = np.asarray(scores)
    except ValueError as error:  # ragged lists
        raise InvalidDataError(f"{name} are not an array: {error}") from error
    if array.ndim != 1:
        raise InvalidDataError(f"{name} must be one-dimensional; their shape is {array.shape}")
    if array.size == 0:
        raise InvalidDataError(f"{name} are empty: a threshold needs at least one score")
    if array.dtype.kind not in "biuf":
        raise InvalidDataError(f"{name} have dtype {array.dtype}; they must be numbers")
    values = np.asarray(array, dtype=np.float64)
    finite = np.isfinite(values)
    if not finite.all():
        raise InvalidDataError(
            f"{int(np.count_nonzero(~finite))} of {values.size} {name} are NaN or infinite, the "
            f"first at row {int(np.argmin(finite))}"
        )
    return values


def check_names(what: str, values: object, names: set[str]) -> None:
    """Raise `InvalidParameterError` unless `values` is a mapping with exactly these names."""
    if not isinstance(values, Mapping):
        raise InvalidParameterError(f"{what} must be a mapping; got {type(values).__name__}")
    missing, unknown = sorted(names - values.keys()), sorted(map(str, values.keys() - names))
    if missing or unknown:
        raise InvalidParameterError(
            f"{what} has "
            + " and ".join(
                f"{kind} entries {', '.join(map(repr, found))}"
                for kind, found in (("missing", missing), ("unknown", unknown))
                if found
            )
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
    "none": "nothing",
}


def _tolerance(precision: str) -> float:
    if precision not in _TOLERANCES:
        raise InvalidParameterError(
            f"precision must be 'float32' or 'float64', in which the scores were computed; got "
            f"{precision!r}"
        )
    return _TOLERANCES[precision]


def _count(name: str, value: object, most: float, least: int = 0) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        upper = "" if math.isinf(most) else f" and at most {most}"
        raise InvalidParameterError(
            f"{name} must be a whole number of at least {least}{upper}; got {value!r}"
        )
    return value


def _warn_of_constant_scores(ordered: Floats, sample: str) -> None:
    kind = "" if sample == "scores" else f"{sample} "
    if ordered.size == 1:
        found = f"there is a single {kind}score, {float(ordered[0]):.6g}"
    else:
        found = f"all {ordered.size} {kind}scores are equal, {float(ordered[0]):.6g}"
    warnings.warn(
        f"{found}: the threshold lies above it and flags none of these rows. Scores that do not "
        "vary say nothing about which rows are unusual; check that the rows differ from each other "
        "and that the network was trained",
        CalibrationWarning,
        stacklevel=3,
    )
