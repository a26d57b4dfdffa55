"""Baselines score as scikit-learn's own detectors do, whatever the shape of the rows."""

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest

from aeanom.baselines import baseline_scores
from aeanom.errors import InvalidDataError, InvalidParameterError


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(3, 6)) * [5, 1, 1, 1, 1, 100]
    training = rng.normal(size=(200, 3)) @ mixing + 0.01 * rng.normal(size=(200, 6))
    new = rng.normal(size=(50, 3)) @ mixing
    new[:5] += rng.normal(scale=[10, 2, 2, 2, 2, 200], size=(5, 6))
    return training, new


def standardised(training, new):
    return tuple((part - training.mean(0)) / training.std(0) for part in (training, new))


def residual(training, new, n_components):
    """Squared distance to the space of the first right singular vectors."""
    known, rows = standardised(training, new)
    components = np.linalg.svd(known, full_matrices=False)[2][:n_components]
    return np.square(rows - rows @ components.T @ components).sum(axis=1)


def test_pca_scores_are_distances_to_the_space_of_its_components(rows):
    scores = baseline_scores(*rows, n_components=2)
    np.testing.assert_allclose(
        scores["PCA, 2 components"], residual(*rows, 2), rtol=1e-6, atol=1e-9
    )
    known, _ = standardised(*rows)
    shares = np.linalg.svd(known, compute_uv=False) ** 2
    enough = int(np.searchsorted(np.cumsum(shares) / shares.sum(), 0.9)) + 1
    np.testing.assert_allclose(
        scores["PCA, 90 % of variance"], residual(*rows, enough), rtol=1e-6, atol=1e-9
    )


def test_forest_is_scikit_learn_s_with_its_defaults(rows):
    known, new = standardised(*rows)
    expected = -IsolationForest(random_state=3).fit(known).score_samples(new)
    np.testing.assert_allclose(
        baseline_scores(*rows, random_state=3)["isolation forest"], expected, atol=1e-12
    )


def test_rows_that_are_odd_score_higher(rows):
    for name, scores in baseline_scores(*rows, n_components=3).items():
        assert scores[:5].min() > np.median(scores[5:]), name


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_images_and_windows_are_rows_of_their_elements(rows, dtype):
    flat = tuple(part.astype(dtype) for part in rows)
    shaped = tuple(part.reshape(-1, 3, 2) for part in flat)
    for name, scores in baseline_scores(*shaped, n_components=2).items():
        np.testing.assert_array_equal(scores, baseline_scores(*flat, n_components=2)[name])


def test_a_size_that_the_rows_do_not_have_is_left_out(rows):
    assert list(baseline_scores(*rows, n_components=7)) == [
        "PCA, 90 % of variance", "isolation forest",
    ]  # fmt: skip


def test_one_column_and_constant_rows_will_do():
    one = np.arange(20.0)[:, None]
    assert set(baseline_scores(one, one)) == {"PCA, 90 % of variance", "isolation forest"}
    assert list(baseline_scores(np.ones((5, 3)), np.ones((2, 3)))) == ["isolation forest"]


@pytest.mark.parametrize(
    ("training", "new", "message"),
    [
        (np.ones((1, 2)), np.ones((3, 2)), "minimum of 2"),
        (np.ones((4, 3)), np.ones((3, 2)), r"training rows have shape \(3,\) .* \(2,\)"),
        ([[np.nan, 1], [1, 2]], np.ones((3, 2)), "NaN"),
    ],
)
def test_rows_that_cannot_be_used_are_refused(training, new, message):
    with pytest.raises(InvalidDataError, match=message):
        baseline_scores(training, new)


def test_a_pca_has_a_component_at_least(rows):
    with pytest.raises(InvalidParameterError, match="n_components must be at least 1; got 0"):
        baseline_scores(*rows, n_components=0)
