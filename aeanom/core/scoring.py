"""From rows in the table's units to scores: scale a part, hand it to the network, go on.

Memory grows with the part, not with the rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aeanom.core.autoencoder import Autoencoder
from aeanom.core.batches import slices
from aeanom.core.losses import Loss, elementwise_loss
from aeanom.core.scaling import Scaler
from aeanom.core.weights import Float

__all__ = [
    "Elements",
    "ScaledRows",
    "element_errors",
    "scale_rows",
    "scaled_parts",
    "score_rows",
]

ROWS_WORTH_A_THREAD = 8192


class ScaledRows(NamedTuple):
    """Rows as the network sees them.

    `beyond` is what lay outside [0, 1] and was clipped away, for a loss that is only defined
    there; None for the others.
    """

    rows: Float
    beyond: Float | None


class Elements(NamedTuple):
    """Rows as the network sees them, what it makes of them, and what each element costs.

    `errors` are float64, over the least that an element can cost: a log-likelihood may have either
    sign. What binary cross-entropy clips away is in them.
    """

    rows: Float
    reconstruction: Float
    errors: NDArray[np.float64]


def scale_rows(scaler: Scaler, loss: Loss, rows: Float, dtype: str) -> ScaledRows:
    """Scale rows of shape (n, ...) for a network of this dtype and loss.

    Binary cross-entropy has no meaning for targets outside [0, 1] (it would call a value far
    above the training range *less* odd), so such values are clipped. Their squared distance is
    added to the score instead.
    """
    scaled = scaler.transform(rows, dtype)
    if not loss.needs_unit_interval:
        return ScaledRows(scaled, None)
    inside = scaled.clip(0, 1)
    return ScaledRows(inside, scaled - inside)


def scaled_parts(
    autoencoder: Autoencoder, scaler: Scaler, loss: Loss, rows: Float
) -> Iterator[tuple[slice, ScaledRows]]:
    """Cut rows into parts of the size that the network likes, and scale one at a time."""
    for part in autoencoder.chunks(len(rows)):
        yield part, scale_rows(scaler, loss, rows[part], autoencoder.dtype)


def element_errors(
    autoencoder: Autoencoder, scaler: Scaler, loss: Loss, rows: Float
) -> Iterator[tuple[slice, Elements]]:
    """Compute reconstructions and the error of every element, a part of the rows at a time."""
    for part, scaled in scaled_parts(autoencoder, scaler, loss, rows):
        reconstruction = output = autoencoder.reconstruct(scaled.rows)
        if loss.takes_raw_output:
            output = autoencoder.raw_output(scaled.rows)
        errors = elementwise_loss(loss, output.astype(np.float64), scaled.rows.astype(np.float64))
        # Not below 0 by a rounding either.
        errors = np.maximum(errors - loss.least, 0)
        if scaled.beyond is not None:
            errors += np.square(scaled.beyond)
        yield part, Elements(scaled.rows, reconstruction, errors)


def score_rows(
    autoencoder: Autoencoder, scaler: Scaler, loss: Loss, rows: Float
) -> NDArray[np.float64]:
    """Anomaly score of each row of shape (n, ...): its reconstruction error after scaling."""
    threads = autoencoder.scoring_threads()
    scores = np.empty(len(rows))

    def score(whole: slice) -> None:
        own_rows, own_scores = rows[whole], scores[whole]
        if not loss.needs_unit_interval:
            autoencoder.errors(own_rows, loss, scaler, own_scores)
            return
        for part, scaled in scaled_parts(autoencoder, scaler, loss, own_rows):
            autoencoder.errors(scaled.rows, loss, out=own_scores[part])
            if scaled.beyond is not None:
                squares = np.square(scaled.beyond, dtype=np.float64)
                own_scores[part] += squares.reshape(len(squares), -1).mean(axis=1)

    if threads == 1 or len(rows) < ROWS_WORTH_A_THREAD * threads:
        score(slice(0, len(rows)))
        return scores
    # Cut at whole chunks: the parts are then the same ones as in a single thread.
    chunk = autoencoder.chunk_rows()
    share = -(-len(rows) // (threads * chunk)) * chunk
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(score, slices(0, len(rows), share)):
            pass
    return scores
