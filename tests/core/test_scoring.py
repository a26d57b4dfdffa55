"""Scoring: part by part, so that memory grows with the part."""

import tracemalloc

import numpy as np
import pytest
from support import NETWORK as NARROW
from support import make_autoencoder as autoencoder_of
from support import normal_rows

from aeanom.architectures import dense
from aeanom.core import Loss, Scaler, get_backend, initial_weights
from aeanom.core.scoring import score_rows

NETWORK = dense(30, (64,), 32)
EIGHT = dense(8, (5,), 3)
"""As many columns as a compiled backend's largest chunk needs to be scaled by itself."""


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


@pytest.mark.parametrize("width", [6, 500, 5000])
def test_a_compiled_backend_computes_every_row_once_in_calls_of_few_sizes(compiled_backend, width):
    autoencoder = autoencoder_of(compiled_backend, dense(width, (), 2), "float32")
    for n in (0, 1, 4096, 4097, 16_384, 20_480, 100_000):
        parts = list(autoencoder.chunks(n))
        assert [row for part in parts for row in range(n)[part]] == list(range(n))
        assert len({part.stop - part.start for part in parts[:-1]}) <= 2


def test_many_rows_get_the_scores_of_few(backend):
    autoencoder = autoencoder_of(backend, EIGHT)
    rows = normal_rows(20_000, 8)
    scaler = Scaler.fit("standard", rows)
    scores = score_rows(autoencoder, scaler, Loss("mse"), rows)
    few = [score_rows(autoencoder, scaler, Loss("mse"), part) for part in np.array_split(rows, 200)]
    assert scores == pytest.approx(np.concatenate(few), rel=1e-12)


@pytest.mark.parametrize(("smallest_scale", "calls"), [(1.0, 2), (1e-31, 0)])
def test_a_compiled_backend_scales_large_chunks_itself(
    compiled_backend, monkeypatch, smallest_scale, calls
):
    autoencoder = autoencoder_of(compiled_backend, EIGHT)
    seen = []
    own = autoencoder._scaled
    monkeypatch.setattr(autoencoder, "_scaled", lambda *given: seen.append(1) or own(*given))
    scaler = Scaler("standard", np.zeros(8), np.full(8, smallest_scale))
    score_rows(autoencoder, scaler, Loss("mse"), normal_rows(40_000, 8))
    assert len(seen) == calls


def test_many_rows_are_reconstructed_like_few(backend):
    # A chunk must not be written over by the next one before it has been taken.
    autoencoder = autoencoder_of(backend)
    rows = normal_rows(100_000)
    whole = autoencoder.reconstruct(rows)
    few = [autoencoder.reconstruct(part) for part in np.array_split(rows, 20)]
    assert whole == pytest.approx(np.concatenate(few), rel=1e-12)


def test_an_error_in_a_thread_is_raised(monkeypatch):
    autoencoder = autoencoder_of(get_backend("numpy"), NARROW)
    monkeypatch.setattr(autoencoder, "scoring_threads", lambda: 2)
    rows = normal_rows(200_000)
    scaler = Scaler.fit("standard", rows)
    transform = Scaler.transform

    def failing(self, part, dtype):
        if rows[-1, 0] in part:
            raise MemoryError("no room for the last part")
        return transform(self, part, dtype)

    monkeypatch.setattr(Scaler, "transform", failing)
    with pytest.raises(MemoryError, match="last part"):
        score_rows(autoencoder, scaler, Loss("mse"), rows)
