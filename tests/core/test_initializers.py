"""Initial weights: the same for everyone, within their bounds, each parameter on its own."""

import numpy as np
import pytest
from scipy import stats

from aeanom.architectures import Activation, Architecture, Dense, dense
from aeanom.core import initial_weights

WIDE = {
    name: dense(100, (), 60, initializer=name)
    for name in ("glorot_uniform", "he_uniform", "fan_in")
}


def test_weights_follow_the_parameter_table():
    architecture = dense(6, (5,), 3)
    weights = initial_weights(architecture, 0)
    assert {name: array.shape for name, array in weights.items()} == {
        parameter.name: parameter.shape for parameter in architecture.parameters
    }


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    architecture = dense(6, (5,), 3)
    first, again, other = (initial_weights(architecture, seed) for seed in (7, 7, 8))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["encoder.0.kernel"], other["encoder.0.kernel"])


def test_appending_layers_does_not_move_the_others():
    short = Architecture((6,), (Dense(5),), (Dense(6),))
    long = Architecture((6,), (Dense(5), Activation("relu"), Dense(5)), (Dense(6), Dense(6)))
    before, after = initial_weights(short, 3), initial_weights(long, 3)
    assert list(before) == [
        "encoder.0.kernel",
        "encoder.0.bias",
        "decoder.0.kernel",
        "decoder.0.bias",
    ]
    assert all(np.array_equal(before[name], after[name]) for name in before)


def test_no_two_parameters_of_one_shape_get_the_same_draws():
    weights = initial_weights(Architecture((6,), (Dense(6), Dense(6)), (Dense(6),)), 0)
    kernels = [array for name, array in weights.items() if name.endswith("kernel")]
    assert len({kernel.tobytes() for kernel in kernels}) == 3


@pytest.mark.parametrize(
    ("initializer", "bound"),
    [
        ("glorot_uniform", (6 / 160) ** 0.5),
        ("he_uniform", (6 / 100) ** 0.5),
        ("fan_in", 100**-0.5),
    ],
)
def test_kernels_are_uniform_within_the_published_bounds(initializer, bound):
    kernel = initial_weights(WIDE[initializer], 0)["encoder.0.kernel"]
    uniform = stats.uniform(-bound, 2 * bound)
    assert stats.kstest(kernel.ravel(), uniform.cdf).pvalue > 0.01
    assert np.abs(kernel).max() <= bound


@pytest.mark.parametrize("initializer", ["glorot_uniform", "he_uniform"])
def test_biases_start_at_zero(initializer):
    assert not initial_weights(WIDE[initializer], 0)["encoder.0.bias"].any()


def test_fan_in_draws_the_biases_too_from_the_kernel_s_bounds():
    bias = initial_weights(WIDE["fan_in"], 0)["encoder.0.bias"]
    assert len(np.unique(bias)) == 60
    assert 0.05 < np.abs(bias).max() <= 0.1


def test_float32_weights_are_the_float64_ones_rounded():
    double, single = (initial_weights(WIDE["fan_in"], 0, dtype) for dtype in ("float64", "float32"))
    for name in double:
        assert single[name].dtype == np.float32
        assert np.array_equal(single[name], double[name].astype(np.float32))


def test_global_random_state_is_neither_read_nor_written():
    np.random.seed(1)  # noqa: NPY002
    first = initial_weights(WIDE["fan_in"], 0)
    drawn = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    assert np.random.random() == drawn  # noqa: NPY002
    again = initial_weights(WIDE["fan_in"], 0)
    assert all(np.array_equal(first[name], again[name]) for name in first)
