"""Which rows of a fit train, which watch the training, and which calibrate."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Split", "split_rows"]

MOST_CALIBRATION_ROWS = 10_000
LEAST_ROWS_TO_VALIDATE = 200
_STREAM = 0x05


class Split(NamedTuple):
    """Row indices of a random split."""

    training: NDArray[np.int64]
    validation: NDArray[np.int64]
    calibration: NDArray[np.int64]


def split_rows(
    n: int, seed: int, *, calibration: float | None, validation: float | str | None
) -> Split:
    """Split rows at random: a function of the seed, their number and the shares.

    Parameters
    ----------
    n : int
    seed : int
    calibration : float or None
        Share of the rows, of which there is at least one, as a threshold from one row says so in
        its warning. At most `MOST_CALIBRATION_ROWS`; none with None.
    validation : float, "auto" or None
        Share of the other rows. `"auto"` is 0.1, and 0 under `LEAST_ROWS_TO_VALIDATE` rows.
    """
    n_calibration = n_validation = 0
    if calibration is not None:
        n_calibration = min(max(round(calibration * n), 1), MOST_CALIBRATION_ROWS, n - 1)
    if validation is not None:
        automatic = 0.1 if n >= LEAST_ROWS_TO_VALIDATE else 0.0
        share = automatic if isinstance(validation, str) else validation
        n_validation = min(round(share * (n - n_calibration)), n - n_calibration - 1)
    sequence = np.random.SeedSequence(seed, spawn_key=(_STREAM,))
    order = np.random.default_rng(sequence).permutation(n)
    held_out = n_calibration + n_validation
    return Split(
        training=np.sort(order[held_out:]),
        validation=order[n_calibration:held_out],
        calibration=order[:n_calibration],
    )
