"""The latent space, against scikit-learn's PCA."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from aeanom import plots
from aeanom.errors import InvalidDataError

pytest.importorskip("matplotlib")

RNG = np.random.default_rng(0)
IS_ANOMALY = RNG.random(60) < 0.3
LATENTS = RNG.normal(size=(60, 5)) * [5, 3, 1, 0.5, 0.1] + IS_ANOMALY[:, None]


def points(axes):
    return np.concatenate([one.get_offsets() for one in axes.collections])


def entries(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_two_units_are_drawn_as_they_are():
    axes = plots.latent_space(LATENTS[:, :2], IS_ANOMALY)
    normal, anomalous = axes.collections
    np.testing.assert_array_equal(normal.get_offsets(), LATENTS[~IS_ANOMALY, :2])
    np.testing.assert_array_equal(anomalous.get_offsets(), LATENTS[IS_ANOMALY, :2])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("latent 0", "latent 1")
    assert entries(axes) == [f"normal ({sum(~IS_ANOMALY)})", f"anomalous ({sum(IS_ANOMALY)})"]
    # Apart in colour and in shape.
    assert tuple(normal.get_facecolor()[0][:3]) != tuple(anomalous.get_facecolor()[0][:3])
    assert len(normal.get_paths()[0].vertices) != len(anomalous.get_paths()[0].vertices)


@pytest.mark.parametrize("turned", [(1, 1), (-1, 1), (1, -1), (-1, -1)])
def test_more_units_are_drawn_by_their_principal_components(turned):
    latents = LATENTS * [*turned, 1, 1, 1]
    pca = PCA(2).fit(latents)
    expected = pca.transform(latents)
    signs = np.sign([row[np.abs(row).argmax()] for row in pca.components_])
    axes = plots.latent_space(latents)
    np.testing.assert_allclose(points(axes), expected * signs, atol=1e-9)
    first, second = pca.explained_variance_ratio_
    assert axes.get_xlabel() == f"component 1 ({first:.0%} of variance)"
    assert axes.get_ylabel() == f"component 2 ({second:.0%} of variance)"
    assert axes.get_legend() is None


def test_one_unit_is_drawn_against_the_row():
    axes = plots.latent_space(LATENTS[:, :1])
    np.testing.assert_array_equal(points(axes), np.column_stack([np.arange(60), LATENTS[:, 0]]))
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("row", "latent 0")


def test_further_axes_are_more_units():
    flat = points(plots.latent_space(LATENTS[:, :4]))
    np.testing.assert_array_equal(
        points(plots.latent_space(LATENTS[:, :4].reshape(-1, 2, 2))), flat
    )


@pytest.mark.parametrize("low", [0.5, 0.001])
def test_scores_are_colours_and_classes_shapes(low):
    scores = RNG.uniform(low, 1.0, 60)
    axes = plots.latent_space(LATENTS, IS_ANOMALY, scores=scores)
    normal, anomalous = axes.collections
    np.testing.assert_array_equal(normal.get_array(), scores[~IS_ANOMALY])
    np.testing.assert_array_equal(anomalous.get_array(), scores[IS_ANOMALY])
    assert normal.get_clim() == anomalous.get_clim() == (scores.min(), scores.max())
    bar = axes.figure.axes[1]
    assert bar.get_ylabel() == "score"
    assert bar.get_yscale() == ("log" if low < 0.01 else "linear")
    axes.figure.draw_without_rendering()
    handles = axes.get_legend().legend_handles
    assert {tuple(one.get_facecolor()[0][:3]) for one in handles} == {(128 / 255,) * 3}


@pytest.mark.parametrize("latents", [np.ones((1, 3)), np.ones((4, 3)), np.ones((2, 5))])
def test_a_single_row_and_dead_units_have_no_variance(latents):
    axes = plots.latent_space(latents, scores=np.ones(len(latents)))
    np.testing.assert_allclose(points(axes), 0, atol=1e-12)
    assert axes.get_xlabel() == "component 1 (0% of variance)"
    axes.figure.draw_without_rendering()


def test_bad_latents_are_refused():
    with pytest.raises(InvalidDataError, match=r"shape \(n, units\), got \(3,\)"):
        plots.latent_space([1.0, 2.0, 3.0])
    with pytest.raises(InvalidDataError, match=r"got \(0, 2\)"):
        plots.latent_space(np.ones((0, 2)))
    with pytest.raises(InvalidDataError, match="1 of 2 latents are not finite, the first in row 1"):
        plots.latent_space([[1.0, 2.0], [np.inf, 0.0]])
    with pytest.raises(InvalidDataError, match="as numbers"):
        plots.latent_space([["a", "b"]])
    with pytest.raises(InvalidDataError, match="there are 60 latents, but scores has 2 values"):
        plots.latent_space(LATENTS, scores=[1.0, 2.0])
    with pytest.raises(InvalidDataError, match="is_anomaly has 1 values"):
        plots.latent_space(LATENTS, [True])
