"""The threshold that is simply a number. Imports the standard library and `base`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from numpy.typing import ArrayLike

from aeanom.thresholds.base import (
    FittedThreshold,
    Placement,
    Precision,
    Threshold,
)
from aeanom.thresholds.reading import Floats, read_parameter

__all__ = ["Fixed"]


@dataclass(frozen=True)
class Fixed(Threshold):
    """A threshold that was decided elsewhere and is used as it stands; it promises nothing.

    Parameters
    ----------
    value : float
        Any finite number. It is not moved off a score that happens to equal it: such a row is
        normal, and may be flagged where its score is rounded differently.
    """

    method: ClassVar[str] = "fixed"
    sample: ClassVar[Literal["none"]] = "none"

    value: float

    def __post_init__(self) -> None:
        value = read_parameter("value", self.value, "a finite number", lambda _: True)
        object.__setattr__(self, "value", value)

    def fit(
        self,
        scores: ArrayLike | None = None,
        *,
        precision: Precision = "float64",
        sample: str = "scores",
    ) -> FittedThreshold:
        """Return the value as a fitted threshold; the arguments are there for uniformity."""
        return FittedThreshold(value=self.value, threshold=self, sample=sample)

    def _place(self, ordered: Floats, tolerance: float) -> Placement:
        return Placement(self.value)

    def _describe(self, fitted: FittedThreshold) -> str:
        return f"{fitted.value:.6g}, given; promises nothing about new rows"
