"""Thresholds for rows whose labels are known: the cut that is best for a figure, or good enough.

Every cut between two different scores is tried, and "flag none" and "flag all" with them, so that
the optimum is exact. Labels are used up by that: figures of the same rows flatter the threshold,
and other labelled rows have to measure it. Imports NumPy, the standard library and
`aeanom.errors`.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import CalibrationWarning, InvalidDataError, warn
from aeanom.thresholds.base import (
    FittedThreshold,
    Placement,
    Precision,
    Threshold,
    name_scores,
    percent,
    tolerance_of,
    warn_of_constant_scores,
)
from aeanom.thresholds.placement import above, below_all, ceil_of_share
from aeanom.thresholds.reading import Floats, read_labels, read_parameter

__all__ = [
    "Cost",
    "LabelledThreshold",
    "MaxFBeta",
    "MaxMCC",
    "TargetPrecision",
    "TargetRecall",
    "Youden",
]


class Cuts(NamedTuple):
    """What each way to cut a sample in two flags, from "none" to "all".

    Attributes
    ----------
    hits, false_alarms : float64 ndarray of shape (number of cuts,)
        Anomalies and normal rows above the cut; neither ever falls.
    anomalies, normal : int
        How many there are of each, at least one.
    """

    hits: Floats
    false_alarms: Floats
    anomalies: int
    normal: int


@dataclass(frozen=True)
class LabelledThreshold(Threshold):
    """A threshold that is fitted to scores and labels; the methods derive from it.

    Of several cuts that are equally good, the one that flags the fewest rows is taken. The
    threshold lies a hair above the largest score that is not flagged, and below the smallest one
    where all are. It promises nothing about new rows.
    """

    sample: ClassVar[Literal["labelled"]] = "labelled"
    figures: ClassVar[tuple[str, ...]] = ("anomalies", "attained")

    @abstractmethod
    def _worth(self, cuts: Cuts) -> Floats:
        """Return how good each cut is, the larger the better; the first of the largest is taken."""

    @abstractmethod
    def _attained(self, cuts: Cuts, index: int) -> float:
        """Return the figure that the method is about, at the cut that was taken."""

    @abstractmethod
    def _says(self, attained: str) -> str:
        """Say what was looked for and attained."""

    def fit(
        self,
        scores: ArrayLike | None = None,
        y: ArrayLike | None = None,
        *,
        precision: Precision = "float64",
        sample: str = "scores",
    ) -> FittedThreshold:
        """Place the threshold in a sample of scores with labels.

        Parameters
        ----------
        scores : array_like of shape (n,)
            Finite scores, larger for more anomalous rows.
        y : array_like of shape (n,)
            Labels of the same rows: True or 1 for an anomaly, False or 0 for a normal row.
        precision, sample
            As in `Threshold.fit`.

        Returns
        -------
        FittedThreshold

        Raises
        ------
        InvalidDataError
            When scores or labels are missing or unusable, or the labels are all of one kind.

        Warns
        -----
        CalibrationWarning
            When all scores are equal, or what is asked for cannot be attained.
        """
        tolerance = tolerance_of(precision)
        values = self._read(scores)
        if y is None:
            raise InvalidDataError(
                f"{self!r} needs labels beside the scores: fit(scores, y), or a model's "
                "calibrate(X, threshold, y=labels), with 1 for anomalies and 0 for normal rows"
            )
        is_anomaly = read_labels(y, values.size)
        n_anomalies = int(np.count_nonzero(is_anomaly))
        if n_anomalies in (0, values.size):
            kind = "normal rows" if n_anomalies == 0 else "anomalies"
            raise InvalidDataError(
                f"all {values.size} labels are {kind}: {self!r} weighs the one kind against the "
                "other and needs both"
            )
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        if ordered[0] == ordered[-1]:
            warn_of_constant_scores(ordered, sample)
            cuts, index = _cuts(ordered, is_anomaly[order])[0], 0
            value = above(ordered, float(ordered[-1]), tolerance)
        else:
            cuts, starts = _cuts(ordered, is_anomaly[order])
            index = int(np.argmax(self._worth(cuts)))
            start = int(starts[index])
            value = (
                above(ordered, float(ordered[start - 1]), tolerance)
                if start
                else below_all(ordered, tolerance)
            )
        figures = {"anomalies": float(n_anomalies), "attained": self._attained(cuts, index)}
        return self._fitted(ordered, Placement(value, figures=figures), sample)

    def _place(self, ordered: Floats, tolerance: float) -> Placement:
        raise InvalidDataError(f"{self!r} needs labels beside the scores: fit(scores, y)")

    def _describe(self, fitted: FittedThreshold) -> str:
        attained = f"{fitted.figures['attained']:.4g}"
        sentence = (
            f"{self._says(attained)}, of {name_scores(fitted)}, "
            f"{fitted.figures['anomalies']:.0f} of them of anomalies"
        )
        if fitted.level is not None:
            sentence += f"; {percent(fitted.level)} of them are above it"
        return f"{sentence}; promises nothing about new rows"


@dataclass(frozen=True)
class MaxFBeta(LabelledThreshold):
    """The largest F-beta: the harmonic mean of precision and recall, recall weighing β² as much.

    F_β = (1 + β²)·TP / ((1 + β²)·TP + β²·FN + FP). It promises nothing about new rows, of which the
    figure is lower.

    Parameters
    ----------
    beta : float, default=1.0
        Above 0 and at most 1e6. With 1 precision and recall weigh the same, with 2 recall weighs
        more.

    References
    ----------
    van Rijsbergen, "Information Retrieval" (1979), chapter 7.
    """

    method: ClassVar[str] = "max_f_beta"

    beta: float = 1.0

    def __post_init__(self) -> None:
        # Its square must be a number that can be counted with.
        beta = read_parameter("beta", self.beta, "above 0 and at most 1e6", lambda x: 0 < x <= 1e6)
        object.__setattr__(self, "beta", beta)

    def _worth(self, cuts: Cuts) -> Floats:
        square = self.beta**2
        flagged = cuts.hits + cuts.false_alarms
        return (1 + square) * cuts.hits / (square * cuts.anomalies + flagged)

    def _attained(self, cuts: Cuts, index: int) -> float:
        return float(self._worth(cuts)[index])

    def _says(self, attained: str) -> str:
        return f"the largest F{self.beta:.6g}, {attained}"


@dataclass(frozen=True)
class MaxMCC(LabelledThreshold):
    """The largest Matthews correlation between labels and flags.

    MCC = (TP·TN − FP·FN) / √((TP + FP)(TP + FN)(TN + FP)(TN + FN)), and 0 where all rows or none
    are flagged. It weighs both classes alike, however rare one is. It promises nothing about new
    rows, of which the figure is lower.

    References
    ----------
    Matthews, "Comparison of the predicted and observed secondary structure of T4 phage lysozyme",
    Biochimica et Biophysica Acta 405 (1975).
    """

    method: ClassVar[str] = "max_mcc"

    def _worth(self, cuts: Cuts) -> Floats:
        flagged = cuts.hits + cuts.false_alarms
        total = cuts.anomalies + cuts.normal
        # TP·TN - FP·FN, of which the counts that are left are differences.
        covariance = cuts.hits * cuts.normal - cuts.false_alarms * cuts.anomalies
        spread = np.sqrt(flagged * (total - flagged)) * math.sqrt(cuts.anomalies * cuts.normal)
        return np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 0)

    def _attained(self, cuts: Cuts, index: int) -> float:
        return float(self._worth(cuts)[index])

    def _says(self, attained: str) -> str:
        return f"the largest Matthews correlation, {attained}"


@dataclass(frozen=True)
class Youden(LabelledThreshold):
    """The largest difference between the share of anomalies and of normal rows that is flagged.

    J = TPR − FPR, the height of the ROC curve above the diagonal. It does not depend on how rare
    anomalies are, so that with rare ones most alarms at this threshold may be false. It promises
    nothing about new rows, of which the figure is lower.

    References
    ----------
    Youden, "Index for rating diagnostic tests", Cancer 3 (1950).
    """

    method: ClassVar[str] = "youden"

    def _worth(self, cuts: Cuts) -> Floats:
        # In whole numbers, so that equal ones are equal.
        return cuts.hits * cuts.normal - cuts.false_alarms * cuts.anomalies

    def _attained(self, cuts: Cuts, index: int) -> float:
        return float(self._worth(cuts)[index]) / (cuts.anomalies * cuts.normal)

    def _says(self, attained: str) -> str:
        return f"the largest difference of detection and false-alarm rate, {attained}"


@dataclass(frozen=True)
class TargetRecall(LabelledThreshold):
    """The fewest rows flagged with which at least this share of the anomalies is found.

    The threshold lies just below the ⌈r·m⌉-th largest score of m anomalies. It promises nothing
    about new ones: with few anomalies in the sample the share of those to come may be far from it.

    Parameters
    ----------
    recall : float, default=0.9
        r, above 0 and at most 1.

    References
    ----------
    van Rijsbergen, "Information Retrieval" (1979), chapter 7.
    """

    method: ClassVar[str] = "target_recall"

    recall: float = 0.9

    def __post_init__(self) -> None:
        recall = read_parameter(
            "recall", self.recall, "above 0 and at most 1", lambda x: 0 < x <= 1
        )
        object.__setattr__(self, "recall", recall)

    def _worth(self, cuts: Cuts) -> Floats:
        needed = ceil_of_share(self.recall, cuts.anomalies)
        return np.where(cuts.hits >= needed, 1.0, 0.0)

    def _attained(self, cuts: Cuts, index: int) -> float:
        return float(cuts.hits[index]) / cuts.anomalies

    def _says(self, attained: str) -> str:
        return f"the fewest rows flagged for a recall of {self.recall:.6g}, {attained} attained"


@dataclass(frozen=True)
class TargetPrecision(LabelledThreshold):
    """The most anomalies found while at least this share of the flagged rows are anomalies.

    Where no cut is as precise, the most precise one is taken, and a `CalibrationWarning` says what
    it attains. Precision depends on how rare anomalies are: what is attained says something only
    where they are as frequent as in the sample, and promises nothing about new rows even there.

    Parameters
    ----------
    precision : float, default=0.9
        Above 0 and at most 1.

    References
    ----------
    van Rijsbergen, "Information Retrieval" (1979), chapter 7.
    """

    method: ClassVar[str] = "target_precision"

    precision: float = 0.9

    def __post_init__(self) -> None:
        precision = read_parameter(
            "precision", self.precision, "above 0 and at most 1", lambda x: 0 < x <= 1
        )
        object.__setattr__(self, "precision", precision)

    def _worth(self, cuts: Cuts) -> Floats:
        flagged = cuts.hits + cuts.false_alarms
        # The slack is rounding's: 9 of 10 are a precision of 0.9.
        enough = (cuts.hits >= self.precision * flagged * (1 - 1e-12)) & (cuts.hits > 0)
        if enough.any():
            return np.where(enough, cuts.hits, -1.0)
        shares = cuts.hits / np.maximum(flagged, 1)
        warn(
            f"no threshold has a precision of {self.precision:.6g} on these {cuts.normal} normal "
            f"rows and {cuts.anomalies} anomalies: the most precise one is taken, with "
            f"{float(shares.max()):.3g}",
            CalibrationWarning,
        )
        return shares

    def _attained(self, cuts: Cuts, index: int) -> float:
        return float(cuts.hits[index] / max(cuts.hits[index] + cuts.false_alarms[index], 1))

    def _says(self, attained: str) -> str:
        asked = f"{self.precision:.6g}, {attained} attained"
        return f"the most anomalies found with a precision of {asked}"


@dataclass(frozen=True)
class Cost(LabelledThreshold):
    """The smallest expected cost of a row, from what a false alarm and a missed anomaly cost.

    prevalence · miss · FNR + (1 − prevalence) · false_alarm · FPR. It promises nothing about new
    rows, of which the cost is higher.

    Parameters
    ----------
    false_alarm, miss : float
        What a flagged normal row and an anomaly that is not flagged cost, in the same unit; above
        0. By default 1 and 10.
    prevalence : float, optional
        Share of anomalies among the rows to come, between 0 and 1, both excluded. None takes the
        sample's, which is usually far too large where labelled anomalies were collected.

    References
    ----------
    Elkan, "The foundations of cost-sensitive learning", IJCAI (2001).
    """

    method: ClassVar[str] = "cost"

    false_alarm: float = 1.0
    miss: float = 10.0
    prevalence: float | None = None

    def __post_init__(self) -> None:
        for name in ("false_alarm", "miss"):
            value = read_parameter(name, getattr(self, name), "above 0", lambda x: x > 0)
            object.__setattr__(self, name, value)
        if self.prevalence is not None:
            prevalence = read_parameter(
                "prevalence", self.prevalence, "between 0 and 1, both excluded", lambda x: 0 < x < 1
            )
            object.__setattr__(self, "prevalence", prevalence)

    def _worth(self, cuts: Cuts) -> Floats:
        return -self._costs(cuts)

    def _attained(self, cuts: Cuts, index: int) -> float:
        return float(self._costs(cuts)[index])

    def _costs(self, cuts: Cuts) -> Floats:
        total = cuts.anomalies + cuts.normal
        missed, share = cuts.anomalies - cuts.hits, self.prevalence
        if share is None:
            return (self.miss * missed + self.false_alarm * cuts.false_alarms) / total
        return (
            share * self.miss * missed / cuts.anomalies
            + (1 - share) * self.false_alarm * cuts.false_alarms / cuts.normal
        )

    def _says(self, attained: str) -> str:
        share = "the sample's share" if self.prevalence is None else percent(self.prevalence)
        return (
            f"the smallest expected cost of a row, {attained}, with {self.false_alarm:.6g} for a "
            f"false alarm, {self.miss:.6g} for a miss and {share} of anomalies"
        )


def _cuts(ordered: Floats, is_anomaly: NDArray[np.bool_]) -> tuple[Cuts, NDArray[np.intp]]:
    """Return the cuts of a sample in increasing order, and where the flagged rows begin in each.

    Neighbouring float64 numbers, between which no threshold fits, are cut no more than equal ones.
    """
    apart = np.nextafter(ordered[:-1], np.inf) < ordered[1:]
    starts = np.concatenate([[0], np.flatnonzero(apart) + 1, [ordered.size]])[::-1]
    hits_below = np.concatenate([[0], np.cumsum(is_anomaly)])
    n_anomalies = int(hits_below[-1])
    hits = (n_anomalies - hits_below[starts]).astype(np.float64)
    false_alarms = ordered.size - starts - hits
    return Cuts(hits, false_alarms, n_anomalies, ordered.size - n_anomalies), starts
