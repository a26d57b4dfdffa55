"""`History`: what happened during a fit, one figure an epoch, and what was found out about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Finding", "History"]


@dataclass(frozen=True)
class Finding:
    """Something about a fit that its user should know; `aeanom.health` looks for them.

    Attributes
    ----------
    code : str
        Names the check, such as `"overfit"`.
    severity : {"warning", "note"}
        A note says that a check could not be made; it is not warned about.
    message : str
        What was found, with figures, and what to do.
    figures : dict of str to float
        The figures of the message.
    """

    code: str
    severity: str
    message: str
    figures: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return self.message


@dataclass
class History:
    """The course of a training run.

    Attributes
    ----------
    loss : list of float
        Mean training loss of each epoch, over the steps as they were taken.
    validation_loss : list of float
        Loss on the validation rows after each epoch; empty without them.
    seconds : list of float
        Wall-clock time of each epoch, validation included.
    best_epoch : int or None
        Epoch (counted from 1) whose weights were kept; None if there was nothing to choose by.
    stopped_by : str
        `"epochs"` (all of them done), `"early_stopping"` or `"callback"`.
    seed : int or None
        The seed of the fit: with it, the fit can be repeated.
    steps : int
        Optimiser steps taken.
    backend, device : str or None
        What trained; None in files of versions that did not write it down.
    chosen_because : str or None
        Why it was this backend, if that was left to `backend="fastest"`.
    health : tuple of Finding
        What is wrong with the fit, or could not be checked; empty for a healthy one, and in files
        of versions that did not look.
    """

    loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    stopped_by: str = "epochs"
    seed: int | None = None
    steps: int = 0
    backend: str | None = None
    device: str | None = None
    chosen_because: str | None = None
    health: tuple[Finding, ...] = ()

    @property
    def epochs(self) -> int:
        """Number of epochs done."""
        return len(self.loss)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values."""
        values = asdict(self)
        values["health"] = [asdict(finding) for finding in self.health]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> History:
        """Read back what `to_dict` gave; what is missing is as in a new `History`."""
        health = tuple(Finding(**finding) for finding in values.get("health", ()))
        return cls(**{**values, "health": health})
