"""Scoring: part by part, so that memory grows with the part."""

import tracemalloc

import numpy as np

from aeanom.architectures import dense
from aeanom.core import Loss, Scaler, get_backend, initial_weights
from aeanom.core.scoring import score_rows

NETWORK = dense(30, (64,), 32)


def make_autoencoder():
    weights = initial_weights(NETWORK, 0, "float32")
    return get_backend("numpy").autoencoder(NETWORK, weights, dtype="float32", device="cpu")


def peak_beside_the_scores(autoencoder, scaler, rows):
    """Bytes that scoring holds at most, the scores themselves left out."""
    tracemalloc.start()
    scores = score_rows(autoencoder, scaler, Loss("mse"), rows)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak - scores.nbytes


def test_ten_times_the_rows_take_no_more_memory(monkeypatch):
    autoencoder = make_autoencoder()
    # Each thread has arrays of its own: how many there are is not the question here.
    monkeypatch.setattr(autoencoder, "scoring_threads", lambda: 1)
    rows = np.random.default_rng(0).standard_normal((100_000, 30), dtype=np.float32)
    scaler = Scaler.fit("standard", rows)
    # The first call makes the arrays that later ones use again.
    score_rows(autoencoder, scaler, Loss("mse"), rows[:10_000])
    few, many = (peak_beside_the_scores(autoencoder, scaler, rows[:n]) for n in (10_000, 100_000))
    assert many < 1.05 * few
