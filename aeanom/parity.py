"""`compare`: whether all backends give a model's rows the same scores and flags on this machine.

`AnomalyModel.parity` and `aeanom parity` call it. Each backend's scores are held against NumPy's
in the model's own precision; `docs/parity.md` says what may differ, and why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from math import isfinite
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from aeanom.core.modules import ModuleArchitecture
from aeanom.core.registry import get_backend, known_backends
from aeanom.errors import BackendNotInstalledError, UnsupportedError

if TYPE_CHECKING:
    from aeanom.model import AnomalyModel

__all__ = ["SCORE_BOUNDS", "BackendParity", "ParityReport", "compare", "score_difference"]

REFERENCE = "numpy"
SCORE_BOUNDS: Mapping[str, float] = {"float64": 1e-10, "float32": 1e-4}
"""Largest difference of a score by the model's dtype, as `score_difference` measures it.

A score is made of differences between a row and its reconstruction, so the better a network
reconstructs, the fewer of the digits of both are left in it.
"""


@dataclass(frozen=True)
class BackendParity:
    """How one backend's scores compare; the figures are None where it could not run.

    Attributes
    ----------
    backend : str
    score_difference : float or None
        Largest difference of a row's score, over the larger of it and the median score.
    absolute_difference : float or None
        Largest difference of a row's score, in the units of the loss.
    flags_changed : int or None
        Rows that one of the two calls an anomaly and the other does not.
    seconds : float or None
        Time to score all rows, measured after a first call that may have compiled.
    reason : str or None
        Why it could not run.
    """

    backend: str
    score_difference: float | None = None
    absolute_difference: float | None = None
    flags_changed: int | None = None
    seconds: float | None = None
    reason: str | None = None

    def agrees(self, bound: float) -> bool | None:
        """Whether no flag is changed and no score differs by more; None if it could not run."""
        if self.score_difference is None:
            return None
        return self.flags_changed == 0 and self.score_difference <= bound


@dataclass(frozen=True)
class ParityReport:
    """What `compare` found; `str()` of it is a table.

    Attributes
    ----------
    reference : str
        The backend that the others are held against.
    dtype : str
        The model's precision.
    n_rows : int
    bound : float
        Largest `score_difference` that counts as agreement.
    backends : tuple of BackendParity
    """

    reference: str
    dtype: str
    n_rows: int
    bound: float
    backends: tuple[BackendParity, ...]

    @property
    def agrees(self) -> bool:
        """Whether every backend that could run agrees with the reference, and one could."""
        answers = [row.agrees(self.bound) for row in self.backends]
        return True in answers and False not in answers

    @property
    def complete(self) -> bool:
        """Whether every backend could run."""
        return all(row.reason is None for row in self.backends)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values; a difference that is not finite is None."""
        rows = [
            {
                name: None if isinstance(value, float) and not isfinite(value) else value
                for name, value in {**asdict(row), "agrees": row.agrees(self.bound)}.items()
            }
            for row in self.backends
        ]
        return {**asdict(self), "agrees": self.agrees, "backends": rows}

    def table(self) -> list[tuple[str, ...]]:
        """Return a heading and one line a backend, as text."""
        lines: list[tuple[str, ...]] = [
            ("backend", "score", "absolute", "flags", "seconds", "verdict")
        ]
        for row in self.backends:
            verdict = {True: "agrees", False: "DIFFERS", None: str(row.reason)}
            figures = (row.score_difference, row.absolute_difference)
            lines.append(
                (
                    row.backend,
                    *("-" if value is None else f"{value:.1e}" for value in figures),
                    "-" if row.flags_changed is None else str(row.flags_changed),
                    "-" if row.seconds is None else f"{row.seconds:.3g}",
                    verdict[row.agrees(self.bound)],
                )
            )
        return lines

    def title(self) -> str:
        """Return what was compared, and what may differ, in a line."""
        return (
            f"{self.n_rows:,} rows scored in {self.dtype}, held against {self.reference}: a score "
            f"may differ by {self.bound:g} of itself or of the median score, a flag not at all"
        )

    def __str__(self) -> str:
        lines = self.table()
        widths = [max(len(line[column]) for line in lines) for column in range(5)]
        rows = [
            "  ".join((line[0].ljust(widths[0]), *map(str.rjust, line[1:5], widths[1:]), line[5]))
            for line in lines
        ]
        return "\n".join((self.title(), *rows))


def compare(
    model: AnomalyModel, X: Any, backends: Iterable[str] | str | None = None
) -> ParityReport:
    """Score rows with several backends and hold each against NumPy.

    Parameters
    ----------
    model : AnomalyModel
        Nothing in it is changed.
    X : array-like or DataFrame
        Rows as `AnomalyModel.anomaly_score` takes them.
    backends : iterable of str, optional
        Names; None means every known backend, installed or not.

    Returns
    -------
    ParityReport

    Raises
    ------
    UnknownBackendError
        For a name that nothing provides; the message lists the known ones.
    InvalidDataError
        If the rows cannot be used.
    """
    asked = (backends,) if isinstance(backends, str) else backends
    names = known_backends() if asked is None else tuple(dict.fromkeys(asked))
    for name in names:
        if name not in known_backends():
            get_backend(name)  # It says so better.
    own = isinstance(model.architecture, ModuleArchitecture)
    reference = model.architecture.framework if own else REFERENCE  # type: ignore[attr-defined]
    expected = model.with_backend(reference).anomaly_score(X)
    return ParityReport(
        reference=reference,
        dtype=model.dtype,
        n_rows=len(expected),
        bound=SCORE_BOUNDS[model.dtype],
        backends=tuple(_compare(model, X, name, expected) for name in names),
    )


def score_difference(scores: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """Largest difference of a score, over the larger of it and the median score."""
    scale = np.maximum(np.abs(expected), np.median(np.abs(expected)))
    difference = np.abs(scores - expected)
    # Where rows are reconstructed exactly, the median too may be 0.
    relative = np.divide(difference, scale, out=difference.copy(), where=scale > 0)
    return float(relative.max())


def _compare(
    model: AnomalyModel, X: Any, name: str, expected: NDArray[np.float64]
) -> BackendParity:
    try:
        other = model.with_backend(name)
    except (BackendNotInstalledError, UnsupportedError) as error:
        return BackendParity(name, reason=str(error))
    other.anomaly_score(X)
    started = perf_counter()
    scores = other.anomaly_score(X)
    seconds = perf_counter() - started
    # A score that is no number would pass for a normal one.
    scores = np.where(np.isnan(scores), np.inf, scores)
    flags, expected_flags = (model.is_anomaly(X, scores=values) for values in (scores, expected))
    return BackendParity(
        name,
        score_difference=score_difference(scores, expected),
        absolute_difference=float(np.abs(scores - expected).max()),
        flags_changed=int((flags != expected_flags).sum()),
        seconds=seconds,
    )
