"""Shared dropout draws: keyed by seed, step and site, with the rate that was asked for."""

import numpy as np
from support import DROPOUT_NETWORK, NETWORK

from aeanom.architectures import dense
from aeanom.core.noise import dropout_sites, segment_noise, step_noise


def test_every_dropout_layer_is_a_site():
    assert dropout_sites(DROPOUT_NETWORK) == {"encoder.2": (0.25, (5,)), "decoder.2": (0.25, (5,))}


def test_factors_are_zero_with_the_rate_and_else_grow_by_its_complement():
    noise = step_noise(dense(4, (1000,), 2, dropout=0.25), 0, 0, 100, "float64")["encoder.2"]
    assert np.isin(noise, (0, 1 / 0.75)).all()
    # 100,000 draws: five standard deviations of the share are 0.007.
    assert abs((noise == 0).mean() - 0.25) < 0.007


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


def test_both_precisions_drop_the_same_elements():
    single = step_noise(DROPOUT_NETWORK, 0, 0, 64, "float32")["encoder.2"]
    double = step_noise(DROPOUT_NETWORK, 0, 0, 64, "float64")["encoder.2"]
    assert np.array_equal(single == 0, double == 0)


def test_a_segment_s_noise_is_that_of_its_steps():
    stacked = segment_noise(DROPOUT_NETWORK, 5, 10, 3, 8, "float64")["decoder.2"]
    assert stacked.shape == (3, 8, 5)
    assert np.array_equal(stacked[1], step_noise(DROPOUT_NETWORK, 5, 11, 8, "float64")["decoder.2"])


def test_a_network_without_dropout_has_no_noise():
    assert segment_noise(NETWORK, 0, 0, 3, 8, "float64") is None
