"""`Explanation`: per row and feature, what was expected, what was seen, and what it costs.

What is usual for a feature, and what training saw of it, is in `familiar.py`. Imports NumPy and
`aeanom.errors`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aeanom.errors import InvalidParameterError
from aeanom.explain.familiar import Familiar, SeenRange

__all__ = ["Explanation", "Outside", "Reason"]

Floats = NDArray[np.float64]


class Reason(NamedTuple):
    """One feature's part in one row's score; `str()` of it is a short sentence.

    `residual` is seen minus expected. `times_usual` is how many times the feature's usual miss
    that is, without its sign; None for a model of an older file, which does not know.
    """

    feature: str
    share: float
    contribution: float
    expected: float
    seen: float
    residual: float
    times_usual: float | None

    def __str__(self) -> str:
        usual = "" if self.times_usual is None else f"{_times(self.times_usual)} the usual error, "
        return (
            f"{self.feature}: expected {self.expected:.4g}, saw {self.seen:.4g} "
            f"({usual}{self.share:.0%} of the score)"
        )


class Outside(NamedTuple):
    """A value far outside of what training saw; `str()` of it is a short sentence.

    `beyond` is the distance from the nearer end of the range, in widths of the range.
    """

    feature: str
    seen: float
    low: float
    high: float
    beyond: float

    def __str__(self) -> str:
        return (
            f"{self.feature}: {self.seen:.4g} is outside of what training saw, "
            f"{self.low:.4g} to {self.high:.4g}"
        )


@dataclass(frozen=True, eq=False)
class Explanation:
    """How the scores of some rows spread over the features.

    Attributes
    ----------
    features : tuple of str
        Names of the d features; of an image or window, of its elements in C order.
    scores : float64 ndarray of shape (n,)
        Anomaly scores.
    errors : float64 ndarray of shape (n, d), or (n, *row_shape) for images and windows
        What each element costs, over the least that it can cost.
    share : float64 ndarray of the same shape
        Share of the score: in proportion to the errors, each over what is usual for its feature.
        Each row adds up to 1, or is 0 where all errors are.
    expected, seen : float64 ndarray of the same shape
        The reconstruction and the row itself, in the units of the table.
    axes : tuple of str
        What the axes after the first are: ("feature",), ("time", "channel"), ("row", "column")
        or ("row", "column", "channel").
    familiar : Familiar or None
        What errors and ranges are measured by. None for a model of a file of an older version:
        shares are then those of the plain errors.
    latents : float64 ndarray of shape (n, *latent_shape) or None
        Where the model knows the range of its latents.
    """

    features: tuple[str, ...]
    scores: Floats
    errors: Floats
    share: Floats
    expected: Floats
    seen: Floats
    axes: tuple[str, ...] = ("feature",)
    familiar: Familiar | None = None
    latents: Floats | None = None

    @classmethod
    def from_errors(
        cls,
        features: Sequence[str],
        scores: Floats,
        errors: Floats,
        expected: Floats,
        seen: Floats,
        *,
        axes: Sequence[str] = ("feature",),
        familiar: Familiar | None = None,
        latents: Floats | None = None,
    ) -> Explanation:
        """Spread scores over features in proportion to their errors, of shape (n, ...)."""
        weighed = errors if familiar is None else errors / familiar.usual.scale
        total = _each_row(weighed.reshape(len(errors), -1).sum(axis=1), errors.ndim)
        share = np.divide(weighed, total, out=np.zeros_like(errors), where=total > 0)
        return cls(
            tuple(features), scores, errors, share, expected, seen, tuple(axes), familiar, latents
        )

    def __len__(self) -> int:
        return len(self.scores)

    @cached_property
    def contribution(self) -> Floats:
        """Share times score, of the share's shape; each row adds up to its score.

        A log-likelihood may be negative, and so are its contributions then: `share` tells which
        feature is oddest. What a layer adds to the score of a whole row is spread alike.
        """
        return self.share * _each_row(self.scores, self.share.ndim)

    @property
    def residual(self) -> Floats:
        """Seen minus expected, in the units of the table."""
        with np.errstate(over="ignore"):
            return self.seen - self.expected

    @property
    def times_usual(self) -> Floats | None:
        """The residual over the feature's usual one, with its sign; None if that is unknown."""
        if self.familiar is None:
            return None
        with np.errstate(over="ignore"):
            return np.asarray(self.residual / self.familiar.usual.residuals)

    # Rows far from what training saw.

    @cached_property
    def extrapolates(self) -> NDArray[np.bool_] | None:
        """Whether each row, or its latent, lies far outside of what training saw, of shape (n,).

        A network may return such a row well, so that its score says little. None for a model of
        an older file, which does not know the ranges.
        """
        found = [seen.outside(values) for _, seen, values in self._ranges()]
        return np.logical_or.reduce(found) if found else None

    def outside(self, index: int) -> list[Outside]:
        """Return what lies far outside of the training's range in one row, the farthest first.

        Features by their names, then units of the latent ("latent 3").
        """
        result = []
        for names, seen, values in self._ranges():
            row = values[index : index + 1 or None]
            beyond = seen.beyond(row).ravel()
            order = np.argsort(-beyond, kind="stable")
            result += [
                Outside(
                    feature=names[place],
                    seen=float(row.flat[place]),
                    low=float(seen.low.flat[place]),
                    high=float(seen.high.flat[place]),
                    beyond=float(beyond[place]),
                )
                for place in order[beyond[order] > seen.margin]
            ]
        return result

    def _ranges(self) -> list[tuple[Sequence[str], SeenRange, Floats]]:
        """Return the ranges that are known, with the names and values that they are for."""
        found: list[tuple[Sequence[str], SeenRange, Floats]] = []
        if self.familiar is not None and self.familiar.inputs is not None:
            found.append((self.features, self.familiar.inputs, self.seen))
        if self.familiar is not None and self.familiar.latents is not None:
            assert self.latents is not None
            names = [f"latent {unit}" for unit in range(self.familiar.latents.low.size)]
            found.append((names, self.familiar.latents, self.latents))
        return found

    # Sums over a part of the axes.

    def by(self, *axes: str) -> Floats:
        """Add up contributions over all other axes: `by("time")`, `by("row", "column")`.

        Parameters
        ----------
        *axes : str
            Some of `self.axes`.

        Returns
        -------
        float64 ndarray of shape (n, size of each axis named, in the order of a row)
            Each row adds up to its score.

        Raises
        ------
        InvalidParameterError
            For an axis that the rows do not have.
        """
        unknown = [axis for axis in axes if axis not in self.axes]
        if unknown or not axes:
            raise InvalidParameterError(
                f"these rows have the axes {', '.join(self.axes)}, not "
                f"{', '.join(map(repr, unknown)) or 'none'}"
            )
        rest = tuple(1 + place for place, axis in enumerate(self.axes) if axis not in axes)
        return np.asarray(self.contribution.sum(axis=rest))

    def by_time(self) -> Floats:
        """Contributions of each time step of a window, of shape (n, time)."""
        return self.by("time")

    def by_channel(self) -> Floats:
        """Contributions of each channel of a window or an image, of shape (n, channels)."""
        return self.by("channel")

    def error_map(self) -> Floats:
        """Contributions of each pixel of an image, of shape (n, height, width)."""
        return self.by("row", "column")

    # In words.

    def top(self, k: int = 3) -> list[list[Reason]]:
        """Return the `k` features that count most, for each row, the largest share first."""
        return [self.row(index, k) for index in range(len(self))]

    def row(self, index: int, k: int = 3) -> list[Reason]:
        """Return the `k` features that count most in one row, the largest share first."""
        share, expected, seen = (
            part[index].ravel() for part in (self.share, self.expected, self.seen)
        )
        usual = None if self.familiar is None else self.familiar.usual.residuals.ravel()
        reasons = []
        for place in np.argsort(-share, kind="stable")[:k]:
            residual = float(seen[place]) - float(expected[place])
            reasons.append(
                Reason(
                    feature=self.features[place],
                    share=float(share[place]),
                    contribution=float(share[place] * self.scores[index]),
                    expected=float(expected[place]),
                    seen=float(seen[place]),
                    residual=residual,
                    times_usual=None
                    if usual is None
                    else abs(residual) / max(float(usual[place]), np.finfo(np.float64).tiny),
                )
            )
        return reasons

    def __str__(self) -> str:
        shown = min(len(self), 10)
        lines = []
        for index in range(shown):
            said = "; ".join(map(str, [*self.row(index), *self.outside(index)[:1]]))
            lines.append(f"row {index}  score {self.scores[index]:.4g}  {said}")
        if len(self) > shown:
            lines.append(f"... and {len(self) - shown} more rows")
        return "\n".join(lines)


def _each_row(values: Floats, ndim: int) -> Floats:
    """Return values of shape (n,) with as many axes as the rows, to broadcast against them."""
    return values.reshape(-1, *(1,) * (ndim - 1))


def _times(factor: float) -> str:
    if factor >= 1e6:
        return "over 1e6 ×"
    # Three digits would be "1e+02" with two.
    return f"{factor:.2g} ×" if factor < 99.5 else f"{factor:.0f} ×"
