"""PyOD's `AutoEncoder` with layers of the reference run's widths, to compare times.

It cannot be made the same network: its output is linear, its weights are torch's own draws, and
`fit` scores every training row at the end to set its threshold. Normalisation, dropout, weight
decay and standardising, which it does by default, are switched off.
"""

from __future__ import annotations

import time

import pyod
from pyod.models.auto_encoder import AutoEncoder

from .common import LEARNING_RATE, main


def build(weights, epochs, batch_size, seed):
    """Return a detector whose hidden widths are those of the encoder half."""
    widths = [kernel.shape[1] for kernel, _ in weights.values()]
    return AutoEncoder(
        preprocessing=False,
        lr=LEARNING_RATE,
        epoch_num=epochs,
        batch_size=batch_size,
        random_state=seed,
        verbose=0,
        optimizer_params={"weight_decay": 0.0},
        hidden_neuron_list=widths[: len(widths) // 2],
        batch_norm=False,
        dropout_rate=0.0,
    )


def train(rows, weights, *, epochs, batch_size, seed) -> dict:
    """Fit once more after one warm-up epoch. PyOD keeps no losses, so `loss` is empty."""
    begin = time.perf_counter()
    build(weights, 1, batch_size, seed).fit(rows)
    first = time.perf_counter() - begin
    detector = build(weights, epochs, batch_size, seed)
    begin = time.perf_counter()
    detector.fit(rows)
    return {"loss": [], "seconds": time.perf_counter() - begin, "first_seconds": first}


if __name__ == "__main__":
    main(train, framework="pyod", version=pyod.__version__)
