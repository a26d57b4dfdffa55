"""Layers with noise, a term of the loss or a likelihood, as descriptions."""

import pytest

from aeanom.architectures import (
    ActivityRegularization,
    Dense,
    Draws,
    GaussianLatent,
    GaussianOutput,
    InputNoise,
)
from aeanom.errors import ArchitectureError


def test_a_gaussian_latent_is_as_wide_as_its_units():
    assert GaussianLatent(3).output_shape((8,)) == (3,)


def test_the_mean_of_a_gaussian_latent_has_the_parameters_of_a_dense_layer():
    parameters = GaussianLatent(3, initializer="fan_in").parameters((8,))
    assert parameters[:2] == Dense(3, initializer="fan_in").parameters((8,))


def test_the_log_variance_of_a_gaussian_latent_has_as_many_parameters_as_its_mean():
    table = [(p.name, p.shape) for p in GaussianLatent(3).parameters((8,))[2:]]
    assert table == [("log_variance_kernel", (8, 3)), ("log_variance_bias", (3,))]


def test_a_gaussian_latent_wants_a_normal_draw_a_unit():
    assert GaussianLatent(3).draws((8,)) == Draws("normal", (3,))


def test_a_gaussian_latent_without_divergence_draws_nothing():
    assert GaussianLatent(3, beta=0).draws((8,)) is None


def test_a_gaussian_latent_refuses_rows_that_are_not_flat_with_what_to_do():
    with pytest.raises(ArchitectureError, match=r"got \(20, 8\): put Flatten\(\) before it"):
        GaussianLatent(3).output_shape((20, 8))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"units": 0}, "positive whole number of units, got 0"),
        ({"beta": -1}, "finite beta of at least 0, got -1"),
        ({"beta": float("inf")}, "finite beta of at least 0, got inf"),
        ({"warm_up_steps": -1}, "positive whole number of warm_up_steps, got -1"),
        ({"warm_up_steps": 2.5}, "positive whole number of warm_up_steps, got 2.5"),
        ({"initializer": "normal"}, "unknown initializer 'normal'"),
    ],
    ids=["units", "beta", "infinite beta", "warm_up_steps", "broken warm_up_steps", "initializer"],
)
def test_a_gaussian_latent_refuses_settings_that_are_none(settings, message):
    with pytest.raises(ArchitectureError, match=f"GaussianLatent.* {message}"):
        GaussianLatent(**{"units": 3, **settings})


def test_a_gaussian_output_has_half_of_the_last_axis():
    assert GaussianOutput().output_shape((28, 28, 6)) == (28, 28, 3)


def test_a_gaussian_output_refuses_an_odd_last_axis():
    with pytest.raises(ArchitectureError, match=r"even last axis, .* got \(28, 5\)"):
        GaussianOutput().output_shape((28, 5))


@pytest.mark.parametrize(
    ("noise", "distribution"),
    [("gaussian", "normal"), ("masking", "uniform"), ("swap", "uniform")],
)
def test_input_noise_wants_a_draw_an_element(noise, distribution):
    assert InputNoise(noise, 0.5).draws((28, 3)) == Draws(distribution, (28, 3))


def test_input_noise_of_no_amount_wants_no_draws():
    assert InputNoise("masking", 0).draws((28, 3)) is None


@pytest.mark.parametrize("layer", [InputNoise(), ActivityRegularization(0.1)],
                         ids=lambda layer: layer.kind)  # fmt: skip
def test_noise_and_regularization_keep_the_shape_and_hold_nothing(layer):
    assert layer.output_shape((28, 3)) == (28, 3)
    assert layer.parameters((28, 3)) == ()


def test_an_unknown_noise_is_refused_with_the_known_ones():
    with pytest.raises(ArchitectureError, match="unknown noise 'salt'; known: gaussian, masking"):
        InputNoise("salt")


@pytest.mark.parametrize("noise", ["masking", "swap"])
def test_a_probability_above_one_is_refused(noise):
    with pytest.raises(ArchitectureError, match=rf"InputNoise\('{noise}'\) needs a probability"):
        InputNoise(noise, 1.5)


def test_gaussian_noise_may_have_a_standard_deviation_above_one():
    assert InputNoise("gaussian", 1.5).amount == 1.5


@pytest.mark.parametrize("l1", [-0.1, float("nan"), "much", None])
def test_an_l1_that_is_no_number_of_at_least_zero_is_refused(l1):
    with pytest.raises(ArchitectureError, match="ActivityRegularization needs a finite l1"):
        ActivityRegularization(l1)
