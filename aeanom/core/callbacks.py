"""Callbacks: what users may do between epochs.

A callback is any callable that takes a `Progress`; returning True ends the training after that
epoch. Nothing is called that a callback does not define, and none is ignored.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral

from aeanom.core.history import History
from aeanom.core.weights import Weights
from aeanom.errors import InvalidParameterError

__all__ = ["Callback", "PrintProgress", "Progress", "callbacks_from"]


@dataclass(frozen=True)
class Progress:
    """The state of a fit after an epoch.

    Attributes
    ----------
    epoch, epochs : int
        The epoch just done, counted from 1, and how many there are to be.
    loss : float
        Mean training loss of the epoch.
    validation_loss : float or None
    seconds : float
        Wall-clock time of the epoch.
    history : History
        Everything so far; a live object, copy it to keep it.
    weights : callable
        Returns a copy of the current weights by name.
    """

    epoch: int
    epochs: int
    loss: float
    validation_loss: float | None
    seconds: float
    history: History
    weights: Callable[[], Weights]


Callback = Callable[[Progress], bool | None]


class PrintProgress:
    """Print a line to standard error every `every` epochs, and after the last.

    Parameters
    ----------
    every : int
    """

    def __init__(self, every: int = 1) -> None:
        self.every = every

    def __call__(self, progress: Progress) -> None:
        """Print the line."""
        last = progress.epoch == progress.epochs or progress.history.stopped_by != "epochs"
        if progress.epoch % self.every and not last:
            return
        width = len(str(progress.epochs))
        line = f"epoch {progress.epoch:>{width}}/{progress.epochs}  loss {progress.loss:.6f}"
        if progress.validation_loss is not None:
            line += f"  validation {progress.validation_loss:.6f}"
        print(f"{line}  {progress.seconds * 1e3:.0f} ms", file=sys.stderr)


def callbacks_from(callbacks: object, verbose: object, epochs: int) -> list[Callback]:
    """Return the callbacks that a detector's settings mean.

    Parameters
    ----------
    callbacks : sequence of callable, or None
    verbose : int
        1 adds about ten printed lines to a fit, 2 one an epoch.
    epochs : int
        How many there are to be.
    """
    callbacks = callbacks or ()
    if not isinstance(callbacks, Sequence) or not all(map(callable, callbacks)):
        raise InvalidParameterError(
            f"callbacks must be callables that take a Progress, in a sequence; got {callbacks!r}"
        )
    if not isinstance(verbose, Integral):
        raise InvalidParameterError(f"verbose must be 0, 1 or 2, got {verbose!r}")
    made: list[Callback] = list(callbacks)
    if verbose:
        made.append(PrintProgress(1 if int(verbose) > 1 else max(epochs // 10, 1)))
    return made
