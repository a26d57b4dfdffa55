"""`StreamingPeaks`: peaks over threshold for scores that keep coming, learning from each.

Imports NumPy, the standard library and `aeanom.errors`. Made by `PeaksOverThreshold.stream`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aeanom.errors import InvalidDataError, InvalidParameterError
from aeanom.thresholds.base import FittedThreshold, Precision, tolerance_of
from aeanom.thresholds.peaks import PeaksOverThreshold, tail_limit
from aeanom.thresholds.placement import clear_of_scores
from aeanom.thresholds.reading import check_names, read_count, read_parameter, read_scores
from aeanom.thresholds.tail import Tail, fit_tail

__all__ = ["StreamingPeaks"]

# The newest excesses that the tail is estimated from, and all that the state grows to.
_MOST_EXCESSES = 1000


class StreamingPeaks:
    """A peaks-over-threshold limit that follows new normal scores: the SPOT algorithm, mended.

    Each new score above the present threshold is flagged. One between the initial threshold and the
    present one is a new excess: the tail is estimated again, from the newest 1,000 excesses, and
    the threshold moves. Any lower one is only counted. The initial threshold stays what it was, so
    that this follows a tail that becomes known better, and not a process that drifts away: for
    that, begin again with `PeaksOverThreshold.stream` on recent scores.

    Of the flagged scores the algorithm as published learns nothing. It then sees a tail that is cut
    off at its own threshold, lowers it, cuts off more, and after 20,000 scores flags several times
    the risk. A share of normal scores is flagged by design, the risk, so that many of the flagged
    are learned from as well, the first to come; each as no larger than what a tenth of the risk
    exceeds, or as the present threshold, since it may be an anomaly.

    Parameters
    ----------
    threshold : PeaksOverThreshold
    scores : array_like of shape (n,)
        Finite scores of normal rows, as many as for `PeaksOverThreshold.fit`, with the same
        warnings.
    precision : {"float32", "float64"}, default="float64"
        In what precision scores are computed.

    Attributes
    ----------
    threshold : PeaksOverThreshold
    value : float
        The present threshold.
    n_scores : int
        Scores learned from so far, those at the beginning included.
    n_excesses : int
        How many of them were above the initial threshold.

    References
    ----------
    Siffer, Fouque, Termier and Largouet, "Anomaly detection in streams with extreme value theory",
    KDD (2017), algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from aeanom import thresholds
    >>> scores = np.random.default_rng(0).exponential(size=1000)
    >>> stream = thresholds.PeaksOverThreshold(risk=1e-4).stream(scores)
    >>> stream.update([0.5, 40.0]).tolist()
    [False, True]
    """

    def __init__(
        self,
        threshold: PeaksOverThreshold,
        scores: ArrayLike,
        *,
        precision: Precision = "float64",
    ) -> None:
        fitted = threshold.fit(scores, precision=precision)
        values = read_scores(scores, "scores")
        initial = fitted.figures["initial"]
        excesses = values[values > initial]
        self.threshold = threshold
        self.value = fitted.value
        self.n_scores = values.size
        self.n_excesses = int(excesses.size)
        self._precision = precision
        self._initial = initial
        self._peaks = deque(excesses.tolist(), maxlen=_MOST_EXCESSES)
        self._figures = dict(fitted.figures)
        self._n_first = values.size
        self._n_learned_flags = 0

    def update(self, scores: ArrayLike) -> NDArray[np.bool_]:
        """Flag new scores, in order, and learn from them.

        Parameters
        ----------
        scores : array_like of shape (m,)
            An infinite one is flagged; none at all changes nothing.

        Returns
        -------
        ndarray of bool, shape (m,)
            Whether each was above the threshold as it stood when the score's turn came.

        Raises
        ------
        InvalidDataError
            When some scores are NaN, or they are not one-dimensional; nothing is learned then.
        """
        values = np.asarray(scores, dtype=np.float64)
        if values.ndim != 1:
            raise InvalidDataError(f"scores must be one-dimensional; their shape is {values.shape}")
        n_missing = int(np.count_nonzero(np.isnan(values)))
        if n_missing:
            raise InvalidDataError(f"{n_missing} of {values.size} scores are NaN")
        flags = np.zeros(values.size, dtype=np.bool_)
        counted = 0
        for index in np.flatnonzero(values > self._initial).tolist():
            self.n_scores += index - counted
            counted = index + 1
            score = float(values[index])
            if score > self.value:
                flags[index] = True
                if (
                    self.threshold.risk * (self.n_scores - self._n_first)
                    < self._n_learned_flags + 1
                ):
                    continue
                self._n_learned_flags += 1
                # Where few excesses reach no further, that is less than the present threshold.
                score = min(score, max(self._limit(self.threshold.risk / 10), self.value))
            self.n_scores += 1
            self.n_excesses += 1
            self._peaks.append(score)
            self._move()
        self.n_scores += values.size - counted
        return flags

    def fitted(self) -> FittedThreshold:
        """Return the threshold as it stands, to describe it or to use it elsewhere."""
        return FittedThreshold(
            value=self.value,
            threshold=self.threshold,
            sample="streamed",
            n_scores=self.n_scores,
            figures=dict(self._figures),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the whole state as plain JSON values; `from_dict` goes on where this stops."""
        return {
            "fitted": self.fitted().to_dict(),
            "precision": self._precision,
            "n_excesses": self.n_excesses,
            "peaks": list(self._peaks),
            "n_first": self._n_first,
            "n_learned_flags": self._n_learned_flags,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a stream from `to_dict`'s result.

        Raises
        ------
        InvalidParameterError
            When something is missing, unknown, of the wrong type or out of range.
        """
        counts = ("n_excesses", "n_first", "n_learned_flags")
        check_names("a stream", values, {"fitted", "precision", "peaks", *counts})
        fitted = FittedThreshold.from_dict(values["fitted"])
        if not isinstance(fitted.threshold, PeaksOverThreshold):
            raise InvalidParameterError(
                f"a stream is one of peaks over threshold; got {fitted.threshold!r}"
            )
        tolerance_of(values["precision"])
        if not isinstance(values["peaks"], list):
            raise InvalidParameterError(f"peaks must be a list; got {values['peaks']!r}")
        initial = fitted.figures["initial"]
        peaks = [
            read_parameter("each of peaks", peak, f"above {initial!r}", lambda x: x > initial)
            for peak in values["peaks"]
        ]
        stream = cls.__new__(cls)
        stream.threshold = fitted.threshold
        stream.value = fitted.value
        stream.n_scores = fitted.n_scores
        stream.n_excesses, stream._n_first, stream._n_learned_flags = (
            read_count(name, values[name], fitted.n_scores) for name in counts
        )
        stream._precision = values["precision"]
        stream._initial = initial
        stream._peaks = deque(peaks, maxlen=_MOST_EXCESSES)
        stream._figures = dict(fitted.figures)
        return stream

    def __repr__(self) -> str:
        return (
            f"<StreamingPeaks: {self.threshold!r}, value {self.value:.6g}, {self.n_excesses} "
            f"excesses of {self.n_scores} scores>"
        )

    def _move(self) -> None:
        tail = self._tail()
        # With the initial threshold, below which the limit never is.
        seen = np.sort(np.array([self._initial, *self._peaks]))
        limit = self._limit(self.threshold.risk, tail)
        self.value = clear_of_scores(seen, limit, tolerance_of(self._precision))
        self._figures |= {
            "excesses": float(self.n_excesses),
            "shape": tail.shape,
            "scale": tail.scale,
        }

    def _tail(self) -> Tail:
        return fit_tail(np.array(self._peaks) - self._initial)

    def _limit(self, risk: float, tail: Tail | None = None) -> float:
        """Return the score that is exceeded with this risk, at most the largest float64.

        It is the initial threshold where that is exceeded less often, or never was.
        """
        if not self._peaks:
            return self._initial
        tail = self._tail() if tail is None else tail
        excess = tail_limit(tail, risk, self.n_scores, self.n_excesses)
        return min(self._initial + excess, float(np.finfo(np.float64).max))
