"""`compare`: agreement on real data, and disagreement found where a backend is tampered with."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer

from aeanom import AnomalyDetector
from aeanom.backends.numpy import NumpyBackend
from aeanom.core import registry
from aeanom.errors import InvalidDataError, UnknownBackendError
from aeanom.parity import SCORE_BOUNDS, compare, score_difference

X, Y = load_breast_cancer(return_X_y=True)


@pytest.fixture(scope="module", params=["float32", "float64"])
def any_model(request):
    """A model of each precision."""
    detector = AnomalyDetector(backend="numpy", dtype=request.param, epochs=40, random_state=0)
    return detector.fit(X[Y == 1]).model_


@pytest.fixture(scope="module")
def model():
    detector = AnomalyDetector(backend="numpy", epochs=40, random_state=0)
    return detector.fit(X[Y == 1]).model_


class Tampered(NumpyBackend):
    """NumPy with weights that are off by a share of themselves."""

    name = "tampered"
    share = 0.0

    def autoencoder(self, architecture, weights, *, dtype, device):
        off = {name: array * (1 + self.share) for name, array in weights.items()}
        return super().autoencoder(architecture, off, dtype=dtype, device=device)


class EntryPoint:
    name = "tampered"

    def load(self):
        return Tampered


@pytest.fixture
def tampered(monkeypatch):
    """A plug-in backend of that name; set how far its weights are off."""
    monkeypatch.setattr(registry, "_plug_ins", lambda: {"tampered": EntryPoint()})
    monkeypatch.setattr(registry, "_load", registry._load.__wrapped__)

    def by(share):
        monkeypatch.setattr(Tampered, "share", share)

    return by


def without(monkeypatch, *packages):
    """Pretend that these packages are not installed."""
    find_spec = registry.find_spec
    monkeypatch.setattr(
        registry, "find_spec", lambda name: None if name in packages else find_spec(name)
    )


def test_every_backend_agrees_on_real_data(backend, any_model):
    report = compare(any_model, X, [backend.name])
    (row,) = report.backends
    assert report.agrees
    assert report.complete
    assert row.score_difference <= SCORE_BOUNDS[any_model.dtype]
    assert row.flags_changed == 0
    assert row.seconds > 0


def test_numpy_differs_from_itself_by_nothing(any_model):
    (row,) = compare(any_model, X, "numpy").backends
    assert (row.score_difference, row.absolute_difference, row.flags_changed) == (0.0, 0.0, 0)


def test_figures_of_a_tampered_backend_are_those_of_its_scores(model, tampered):
    tampered(0.05)
    report = compare(model, X, ["numpy", "tampered"])
    expected = model.anomaly_score(X)
    scores = model.with_backend("tampered").anomaly_score(X)
    median = np.median(expected)
    relative = [abs(s - e) / max(e, median) for s, e in zip(scores, expected, strict=True)]
    row = report.backends[1]
    assert row.score_difference == pytest.approx(max(relative))
    assert row.absolute_difference == max(abs(scores - expected))
    assert row.flags_changed == sum(
        (s > model.threshold.value) != (e > model.threshold.value)
        for s, e in zip(scores, expected, strict=True)
    )
    assert row.flags_changed > 0
    assert not report.agrees
    assert report.backends[0].agrees(report.bound)


def test_scores_that_differ_disagree_though_no_flag_does(model, tampered):
    tampered(3e-4)
    report = compare(model, X, ["tampered"])
    (row,) = report.backends
    assert row.flags_changed == 0
    assert row.score_difference > report.bound
    assert not report.agrees


def test_a_flag_that_differs_disagrees_however_little_its_score_does(model, tampered):
    tampered(1e-6)
    scores = model.anomaly_score(X)
    others = model.with_backend("tampered").anomaly_score(X)
    row = np.abs(others - scores).argmax()
    between = replace(model.threshold, value=(scores[row] + others[row]) / 2)
    report = compare(replace(model, threshold=between), X, ["tampered"])
    assert report.backends[0].score_difference < report.bound
    assert report.backends[0].flags_changed >= 1
    assert not report.agrees


def test_scores_that_are_no_numbers_disagree_and_can_be_written_as_json(model, tampered):
    tampered(float("nan"))
    report = compare(model, X, ["tampered"])
    assert not report.agrees
    values = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert values["agrees"] is False
    assert values["backends"][0]["score_difference"] is None
    assert values["backends"][0]["flags_changed"] > 0


def test_a_backend_that_is_not_installed_has_its_reason_and_no_figures(model, monkeypatch):
    without(monkeypatch, "flax", "tensorflow", "torch")
    report = compare(model, X)
    numpy, torch, jax, tensorflow = report.backends
    assert report.agrees
    assert not report.complete
    assert numpy.reason is None
    assert 'pip install "aeanom[jax]"' in jax.reason
    assert jax.score_difference is jax.flags_changed is jax.seconds is None
    assert jax.agrees(report.bound) is None
    assert torch.reason
    assert tensorflow.reason


def test_a_layer_that_a_backend_does_not_have_is_its_reason(model, tampered, monkeypatch):
    few = replace(Tampered.capabilities, layer_kinds=frozenset({"dense"}))
    monkeypatch.setattr(Tampered, "capabilities", few)
    monkeypatch.setattr(Tampered, "layers", {})
    (row,) = compare(model, X, ["tampered"]).backends
    assert "no layer of kind activation" in row.reason


def test_an_unknown_name_is_an_error_that_lists_the_known_ones(model):
    with pytest.raises(UnknownBackendError, match="known: numpy, torch, jax, tensorflow"):
        compare(model, X, ["numpy", "pytorch"])


def test_rows_that_cannot_be_used_are_refused_as_by_the_model(model):
    with pytest.raises(InvalidDataError, match="30"):
        compare(model, X[:, :5], ["numpy"])


def test_a_model_has_it_as_a_method(model):
    (given,), (expected,) = (
        report.backends for report in (model.parity(X, "numpy"), compare(model, X, ["numpy"]))
    )
    assert replace(given, seconds=0.0) == replace(expected, seconds=0.0)


def test_a_name_that_is_given_twice_is_compared_once(model):
    assert len(compare(model, X, ["numpy", "numpy"]).backends) == 1


def test_the_text_has_a_line_for_each_backend_and_says_what_may_differ(model, tampered):
    tampered(0.05)
    title, heading, numpy, other = str(compare(model, X, ["numpy", "tampered"])).splitlines()
    assert title.startswith("569 rows scored in float32, held against numpy")
    assert heading.split() == ["backend", "score", "absolute", "flags", "seconds", "verdict"]
    assert numpy.split()[:4] == ["numpy", "0.0e+00", "0.0e+00", "0"]
    assert numpy.endswith("agrees")
    assert other.endswith("DIFFERS")


def test_the_difference_of_a_score_is_taken_over_the_larger_of_it_and_the_median():
    expected = np.array([0.0, 1.0, 2.0, 3.0, 100.0])
    assert score_difference(expected + 0.1 * (expected == 0), expected) == pytest.approx(0.1 / 2)
    assert score_difference(expected + 0.1 * (expected == 100), expected) == pytest.approx(
        0.1 / 100
    )


def test_where_the_median_score_is_zero_a_difference_is_absolute():
    assert score_difference(np.array([0.0, 0.5, 1.0]), np.array([0.0, 0.0, 1.0])) == 0.5
