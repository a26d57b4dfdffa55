"""StreamingPeaks: what it flags, what it learns, and that its state is all of it."""

import json

import numpy as np
import pytest

from aeanom.errors import CalibrationWarning, InvalidDataError, InvalidParameterError
from aeanom.thresholds import PeaksOverThreshold, Quantile, StreamingPeaks

FIRST = np.random.default_rng(0).exponential(size=1000)
LATER = np.random.default_rng(1).exponential(size=5000)


def test_it_begins_as_the_threshold_that_was_fitted():
    threshold = PeaksOverThreshold(1e-3)
    stream = threshold.stream(FIRST)
    assert stream.value == threshold.fit(FIRST).value
    assert (stream.n_scores, stream.n_excesses) == (1000, 100)


def test_one_score_at_a_time_is_the_same_as_all_at_once():
    at_once, one_by_one = (PeaksOverThreshold(1e-3).stream(FIRST) for _ in range(2))
    flags = at_once.update(LATER[:500])
    np.testing.assert_array_equal(
        np.concatenate([one_by_one.update([score]) for score in LATER[:500]]), flags
    )
    assert one_by_one.to_dict() == at_once.to_dict()


def test_it_ends_near_the_threshold_of_all_scores_together_and_the_truth():
    stream = PeaksOverThreshold(1e-3).stream(FIRST)
    flags = stream.update(LATER)
    assert 6000 - flags.sum() <= stream.n_scores <= 6000
    # exp(-x) is 0.001 at 6.9; 1,000 scores alone leave it between 5.5 and 8.5 or so.
    assert stream.value == pytest.approx(-np.log(1e-3), abs=0.5)
    assert 1 <= flags.sum() <= 15


@pytest.mark.parametrize(
    ("draw", "exceedance"),
    [
        (lambda rng, n: rng.exponential(size=n), lambda score: np.exp(-score)),
        (lambda rng, n: rng.random(n) ** -0.25, lambda score: score**-4.0),
        (lambda rng, n: 1 - rng.random(n) ** (1 / 3), lambda score: max(0, 1 - score) ** 3),
    ],
    ids=["exponential", "Pareto", "bounded"],
)
@pytest.mark.parametrize("share", [0.0, 0.01])
def test_a_long_stream_keeps_the_risk_with_anomalies_in_it_or_without(draw, exceedance, share):
    """Learning nothing from flags, it would be four to six times the risk after 20,000."""
    ratios = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        stream = PeaksOverThreshold(1e-3).stream(draw(rng, 500))
        scores = draw(rng, 6000)
        is_anomaly = rng.random(6000) < share
        scores[is_anomaly] = 1e3
        flags = stream.update(scores)
        assert flags[is_anomaly].all()
        ratios.append(exceedance(stream.value) / 1e-3)
    assert 0.2 < np.mean(ratios) < 2.5


def test_flagged_scores_are_not_learned_from_at_first_and_others_are():
    stream = PeaksOverThreshold(1e-3).stream(FIRST)
    before = stream.to_dict()
    assert stream.update([1e6, np.inf, 50.0]).all()
    assert stream.to_dict() == before
    low, excess = 0.5, stream.value - 0.5
    assert not stream.update([low, excess]).any()
    assert (stream.n_scores, stream.n_excesses) == (1002, 101)
    assert stream.value > before["fitted"]["value"]


def test_the_state_goes_through_json_and_goes_on_as_if_nothing_had_happened():
    stream = PeaksOverThreshold(1e-3).stream(FIRST, precision="float32")
    stream.update(LATER[:100])
    again = StreamingPeaks.from_dict(json.loads(json.dumps(stream.to_dict(), allow_nan=False)))
    np.testing.assert_array_equal(again.update(LATER[100:]), stream.update(LATER[100:]))
    assert again.to_dict() == stream.to_dict()
    assert repr(again) == repr(stream)


def test_the_state_stays_small():
    stream = PeaksOverThreshold(0.01, initial_quantile=0.5).stream(FIRST)
    stream.update(LATER[:2000])
    assert stream.n_excesses > 1000
    assert len(stream.to_dict()["peaks"]) == 1000


def test_what_it_is_now_can_be_described_and_used_elsewhere():
    stream = PeaksOverThreshold(1e-3).stream(FIRST)
    stream.update(LATER)
    fitted = stream.fitted()
    assert fitted.value == stream.value
    assert f"{stream.n_excesses} excesses of {stream.n_scores} streamed scores" in fitted.describe()


def test_the_threshold_is_never_exactly_a_score_that_it_learned():
    stream = PeaksOverThreshold(0.05, initial_quantile=0.9).stream(FIRST)
    for score in LATER[:300]:
        stream.update([score])
        assert stream.value not in stream.to_dict()["peaks"]


@pytest.mark.parametrize(
    ("scores", "message"),
    [([1.0, np.nan, np.nan], "2 of 3 scores are NaN"), (1.0, "must be one-dimensional")],
)
def test_unusable_scores_are_refused_and_nothing_is_learned(scores, message):
    stream = PeaksOverThreshold(1e-3).stream(FIRST)
    before = stream.to_dict()
    with pytest.raises(InvalidDataError, match=message):
        stream.update(scores)
    assert stream.to_dict() == before


def test_no_scores_change_nothing():
    stream = PeaksOverThreshold(1e-3).stream(FIRST)
    assert stream.update([]).shape == (0,)
    assert stream.n_scores == 1000


def test_a_beginning_with_few_excesses_warns_as_a_fit_does():
    with pytest.warns(CalibrationWarning, match="It takes 10 excesses, of 100 scores"):
        stream = PeaksOverThreshold(1e-3).stream(FIRST[:50])
    stream.update(FIRST[50:])
    assert stream.fitted().figures["shape"] != 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"peaks": [0.0]}, "each of peaks must be above"),
        ({"peaks": None}, "peaks must be a list"),
        ({"n_excesses": -1}, "n_excesses must be a whole number"),
        ({"n_first": 1e3}, "n_first must be a whole number"),
        ({"precision": "half"}, "precision must be 'float32' or 'float64'"),
        ({"fitted": Quantile().fit(FIRST).to_dict()}, "a stream is one of peaks over threshold"),
        ({"extra": 1}, "a stream has unknown entries 'extra'"),
    ],
)
def test_a_damaged_state_is_refused(change, message):
    values = PeaksOverThreshold(1e-3).stream(FIRST).to_dict() | change
    with pytest.raises(InvalidParameterError, match=message):
        StreamingPeaks.from_dict(values)


@pytest.mark.parametrize("first", [np.ones(100), np.array([3.0])])
def test_a_stream_that_began_without_an_excess_goes_on(first):
    with pytest.warns(CalibrationWarning):
        stream = PeaksOverThreshold(1e-3).stream(first)
    stream.update(np.ones(3000))
    assert stream.update([50.0, 60.0]).all()
    # The flags were learned from, as no larger than the threshold: it has hardly moved.
    assert stream.n_excesses == 2
    assert stream.value == pytest.approx(first.max(), rel=1e-6)
    assert StreamingPeaks.from_dict(stream.to_dict()).to_dict() == stream.to_dict()


def test_a_flag_after_hardly_any_excess_counts_as_one():
    """What a tenth of the risk exceeds is then no excess, and an excess of 0 has no tail."""
    with pytest.warns(CalibrationWarning):
        stream = PeaksOverThreshold(1e-3).stream([*np.ones(99), 2.0])
    stream.update(np.ones(30_000))
    before = stream.value
    assert stream.update([50.0]).all()
    assert (stream.n_excesses, stream.n_scores) == (2, 30_101)
    assert 1 < stream.value < before
    assert StreamingPeaks.from_dict(stream.to_dict()).to_dict() == stream.to_dict()
