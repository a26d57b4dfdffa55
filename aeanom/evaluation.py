"""How good a model is on labelled rows: every figure of it in one place, with its interval.

The command line prints it, and reports show it. Imports NumPy, `aeanom.metrics` and
`aeanom.thresholds`. The figures themselves are defined in `aeanom.metrics`; the detectors that a
model is compared with are in `baselines`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom import metrics
from aeanom.errors import InvalidDataError
from aeanom.metrics.bootstrap import Metric, interval_of
from aeanom.metrics.classification import balanced_accuracy, correlation
from aeanom.thresholds import FittedThreshold

__all__ = ["Baseline", "Evaluation"]

CONFIDENCE = 0.95
#: Rows drawn for all resamples together: 1,000 resamples up to 100,000 rows.
_MOST_DRAWN = 100_000_000
_RESAMPLES = (200, 1000)
_USUAL_RATE = 0.05

Ends = tuple[float, float]


@dataclass(frozen=True)
class Baseline:
    """Another detector's figures on the same rows, and how far the model is ahead of it.

    Attributes
    ----------
    name : str
    roc_auc, average_precision : float
    roc_auc_interval, average_precision_interval : (low, high)
    roc_auc_ahead, average_precision_ahead : float
        The model's figure minus this one's; negative where the model is behind.
    roc_auc_ahead_interval, average_precision_ahead_interval : (low, high)
        Of the difference, with both detectors judged by the same resamples.
    """

    name: str
    roc_auc: float
    roc_auc_interval: Ends
    roc_auc_ahead: float
    roc_auc_ahead_interval: Ends
    average_precision: float
    average_precision_interval: Ends
    average_precision_ahead: float
    average_precision_ahead_interval: Ends

    @property
    def verdict(self) -> Literal["ahead", "level", "behind"]:
        """Where the model is by ROC AUC: "level" if the interval of the difference includes 0."""
        low, high = self.roc_auc_ahead_interval
        return "ahead" if low > 0 else "behind" if high < 0 else "level"


@dataclass(frozen=True)
class Evaluation:
    """How well a model tells labelled rows apart; None where a figure is not defined.

    Intervals hold 95 % and come from stratified resamples of the rows; see
    `metrics.bootstrap_interval`.

    Attributes
    ----------
    rows, anomalies : int
        Number of rows, and of anomalies among them.
    roc_auc, average_precision : float or None
    precision_at_n : float or None
        Share of anomalies among as many rows of the largest scores as there are anomalies.
    true_positive_rate : float or None
        Share of anomalies found where `at_false_positive_rate` of the normal rows is flagged.
    at_false_positive_rate : float
        The rate that the threshold promises, 0.05 for one that promises none.
    best_f1, best_f1_threshold : float or None
        What the best threshold for these very labels reaches, and that threshold.
    true_negatives, false_positives, false_negatives, true_positives : int
        What the model's own threshold makes of the rows.
    precision, recall, f1 : float
        Of the anomalies, at the model's threshold; 0 where nothing was flagged.
    balanced_accuracy, matthews_correlation : float
    false_positive_rate_promised, false_positive_rate_realised : float or None
    false_positive_rate_interval : (low, high) or None
        Where the rate on new normal rows may fall; see `FittedThreshold.interval`.
    n_resamples : int
        How many there were: 1,000, fewer for more than 100,000 rows.
    baselines : tuple of Baseline
    """

    rows: int
    anomalies: int
    roc_auc: float | None
    roc_auc_interval: Ends | None
    average_precision: float | None
    average_precision_interval: Ends | None
    precision_at_n: float | None
    precision_at_n_interval: Ends | None
    true_positive_rate: float | None
    true_positive_rate_interval: Ends | None
    at_false_positive_rate: float
    best_f1: float | None
    best_f1_threshold: float | None
    true_negatives: int
    false_positives: int
    false_negatives: int
    true_positives: int
    precision: float
    recall: float
    f1: float
    balanced_accuracy: float
    matthews_correlation: float
    false_positive_rate_promised: float | None
    false_positive_rate_realised: float | None
    false_positive_rate_interval: Ends | None
    n_resamples: int
    baselines: tuple[Baseline, ...] = ()

    @classmethod
    def of(
        cls,
        is_anomaly: ArrayLike,
        scores: ArrayLike,
        threshold: FittedThreshold,
        flags: ArrayLike | None = None,
        *,
        baselines: Mapping[str, ArrayLike] | None = None,
        random_state: int = 0,
    ) -> Evaluation:
        """Compare scores with what the rows are.

        Parameters
        ----------
        is_anomaly : array_like of bool, shape (n,)
        scores : array_like of shape (n,)
            The model's scores.
        threshold : FittedThreshold
            The model's threshold.
        flags : array_like of bool, shape (n,), optional
            The model's decisions, where its threshold depends on more than the score.
        baselines : mapping of str to array_like, shape (n,), optional
            Name to scores of other detectors on the same rows.
        random_state : int, default=0
            Of the resamples.

        Returns
        -------
        Evaluation

        Raises
        ------
        InvalidDataError
            When labels or scores cannot be used, or there are baselines and one of the two classes
            is missing.
        """
        if flags is None:
            flags = threshold.exceeds(scores)
        matrix = metrics.confusion_matrix(is_anomaly, flags)
        (tn, fp), (fn, tp) = matrix.tolist()
        rows, anomalies = tn + fp + fn + tp, tp + fn
        promise = threshold.promise
        rate = _USUAL_RATE if promise is None else promise.rate
        if baselines and not 0 < anomalies < rows:
            raise InvalidDataError(
                "a comparison with baselines needs normal rows and anomalies; there are "
                f"{rows - anomalies} normal rows and {anomalies} anomalies"
            )

        n_resamples = int(np.clip(_MOST_DRAWN // rows, *_RESAMPLES))
        figures: dict[str, tuple[Metric, ArrayLike]] = {}
        if anomalies:
            figures["average_precision"] = metrics.average_precision_score, scores
            figures["precision_at_n"] = metrics.precision_at_k, scores
        if 0 < anomalies < rows:
            at_rate = functools.partial(metrics.true_positive_rate_at, false_positive_rate=rate)
            figures["roc_auc"] = metrics.roc_auc_score, scores
            figures["true_positive_rate"] = at_rate, scores
        for name, other in (baselines or {}).items():
            figures[f"roc_auc of {name}"] = metrics.roc_auc_score, other
            figures[f"average_precision of {name}"] = metrics.average_precision_score, other
        values, drawn = _resampled(figures, is_anomaly, n_resamples, random_state)

        def value(name: str) -> float | None:
            return values.get(name)

        def ends(name: str) -> Ends | None:
            return _ends(drawn[name]) if name in drawn else None

        best = metrics.best_f1_score(is_anomaly, scores) if anomalies else None
        classes = metrics.precision_recall_fscore_support(is_anomaly, flags)
        return cls(
            rows=rows,
            anomalies=anomalies,
            roc_auc=value("roc_auc"),
            roc_auc_interval=ends("roc_auc"),
            average_precision=value("average_precision"),
            average_precision_interval=ends("average_precision"),
            precision_at_n=value("precision_at_n"),
            precision_at_n_interval=ends("precision_at_n"),
            true_positive_rate=value("true_positive_rate"),
            true_positive_rate_interval=ends("true_positive_rate"),
            at_false_positive_rate=rate,
            best_f1=best and best.value,
            best_f1_threshold=best and best.threshold,
            true_negatives=tn,
            false_positives=fp,
            false_negatives=fn,
            true_positives=tp,
            precision=float(classes.precision[1]),
            recall=float(classes.recall[1]),
            f1=float(classes.fscore[1]),
            balanced_accuracy=balanced_accuracy(matrix),
            matthews_correlation=correlation(matrix),
            false_positive_rate_promised=None if promise is None else promise.rate,
            false_positive_rate_realised=fp / (tn + fp) if tn + fp else None,
            false_positive_rate_interval=threshold.interval(),
            n_resamples=n_resamples,
            baselines=tuple(_baseline(name, values, drawn) for name in baselines or {}),
        )

    @property
    def confusion_matrix(self) -> NDArray[np.int64]:
        """``[[TN, FP], [FN, TP]]``."""
        return np.array(
            [
                [self.true_negatives, self.false_positives],
                [self.false_negatives, self.true_positives],
            ]
        )

    @property
    def best_baseline(self) -> Baseline | None:
        """The baseline of the largest ROC AUC; None if there are none."""
        return max(self.baselines, key=lambda one: one.roc_auc, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values; baselines have their verdict with them."""
        values = asdict(self)
        for baseline, entry in zip(self.baselines, values["baselines"], strict=True):
            entry["verdict"] = baseline.verdict
        return values


def _resampled(
    figures: Mapping[str, tuple[Metric, ArrayLike]],
    is_anomaly: ArrayLike,
    n_resamples: int,
    random_state: int,
) -> tuple[dict[str, float], dict[str, NDArray[np.float64]]]:
    """Return each figure of the rows, and of the resamples, by its name."""
    if not figures:
        return {}, {}
    values, drawn = metrics.resampled(
        list(figures.values()), is_anomaly, n_resamples=n_resamples, random_state=random_state
    )
    return dict(zip(figures, values.tolist(), strict=True)), dict(
        zip(figures, drawn.T, strict=True)
    )


def _baseline(
    name: str, values: Mapping[str, float], drawn: Mapping[str, NDArray[np.float64]]
) -> Baseline:
    found: dict[str, Any] = {"name": name}
    for figure in ("roc_auc", "average_precision"):
        theirs = f"{figure} of {name}"
        found[figure] = values[theirs]
        found[f"{figure}_interval"] = _ends(drawn[theirs])
        found[f"{figure}_ahead"] = values[figure] - values[theirs]
        found[f"{figure}_ahead_interval"] = _ends(drawn[figure] - drawn[theirs])
    return Baseline(**found)


def _ends(drawn: NDArray[np.float64]) -> Ends:
    _, low, high = interval_of(0.0, drawn, CONFIDENCE)
    return low, high
