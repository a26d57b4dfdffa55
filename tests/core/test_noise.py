"""Shared draws: keyed by seed, step and layer, distributed as the layer wants them."""

import numpy as np
import pytest
from scipy import stats
from support import DROPOUT_NETWORK, NETWORK

from aeanom.architectures import Architecture
from aeanom.architectures.layers import Dense, Dropout, GaussianLatent, InputNoise, Residual
from aeanom.core.noise import segment_noise, step_noise

NOISY_NETWORK = Architecture(
    (40,),
    (InputNoise("swap", 0.1), Dense(30), Residual([Dense(30), Dropout(0.5)]), GaussianLatent(20)),
    (InputNoise("gaussian", 0.1), Dense(40)),
)


def test_every_layer_that_draws_is_a_site_those_inside_others_too():
    assert NOISY_NETWORK.draws == {
        "encoder.0": ("uniform", (40,)),
        "encoder.2.1": ("uniform", (30,)),
        "encoder.3": ("normal", (20,)),
        "decoder.0": ("normal", (20,)),
    }


def test_layers_that_are_told_to_add_no_noise_draw_none():
    silent = (InputNoise("masking", 0.0), Dropout(0.0), Dense(3), GaussianLatent(2, beta=0.0))
    assert Architecture((4,), silent, (Dense(4),)).draws == {}


@pytest.mark.parametrize("site", NOISY_NETWORK.draws)
def test_draws_are_uniform_or_normal(site):
    distribution, shape = NOISY_NETWORK.draws[site]
    draws = step_noise(NOISY_NETWORK, 0, 0, 1000, "float64")[site]
    assert draws.shape == (1000, *shape)
    cumulative = {"uniform": "uniform", "normal": "norm"}[distribution]
    assert stats.kstest(draws.ravel(), cumulative).pvalue > 0.01


def test_the_first_rows_draws_do_not_depend_on_how_many_follow():
    few, many = (step_noise(NOISY_NETWORK, 0, 0, batch, "float64") for batch in (3, 8))
    assert all(np.array_equal(few[site], many[site][:3]) for site in few)


def test_draws_depend_on_seed_step_and_site_and_on_nothing_else():
    draws = {
        (seed, step, site): noise.tobytes()
        for seed in (0, 1)
        for step in (0, 1)
        for site, noise in step_noise(DROPOUT_NETWORK, seed, step, 64, "float64").items()
    }
    assert len(set(draws.values())) == len(draws) == 8
    again = step_noise(DROPOUT_NETWORK, 1, 1, 64, "float64")
    assert again["encoder.2"].tobytes() == draws[1, 1, "encoder.2"]


def test_both_precisions_see_the_same_numbers():
    single = step_noise(DROPOUT_NETWORK, 0, 0, 64, "float32")["encoder.2"]
    double = step_noise(DROPOUT_NETWORK, 0, 0, 64, "float64")["encoder.2"]
    assert np.array_equal(single, double.astype(np.float32))


def test_a_segment_s_noise_is_that_of_its_steps():
    stacked = segment_noise(DROPOUT_NETWORK, 5, 10, 3, 8, "float64")["decoder.2"]
    assert stacked.shape == (3, 8, 5)
    assert np.array_equal(stacked[1], step_noise(DROPOUT_NETWORK, 5, 11, 8, "float64")["decoder.2"])


def test_a_network_without_noisy_layers_has_no_noise():
    assert segment_noise(NETWORK, 0, 0, 3, 8, "float64") is None
