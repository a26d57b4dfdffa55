"""The measures, the examples, and the differences that the rungs return."""

import subprocess
import sys

import numpy as np
import pytest

from aeanom.architectures import ACTIVATIONS
from aeanom.architectures.layers import LAYERS
from aeanom.backends.numpy import NumpyBackend
from aeanom.core import get_backend
from aeanom.testing import BOUNDS, EXAMPLES, RUNGS
from aeanom.testing.ladder import largest_difference


def test_the_examples_have_every_layer_kind_and_every_activation():
    kinds = set().union(*(example.architecture.kinds for example in EXAMPLES.values()))
    assert kinds == set(LAYERS)
    assert set(ACTIVATIONS) <= set(EXAMPLES)


def test_the_examples_have_every_loss():
    losses = {example.loss.name for example in EXAMPLES.values()}
    assert losses == {"mse", "mae", "huber", "bce", "gaussian"}


def test_rows_are_the_same_each_time_lie_in_the_unit_interval_and_have_exact_zeros():
    for example in EXAMPLES.values():
        rows = example.rows
        assert rows.shape == (14, *example.architecture.input_shape)
        assert np.array_equal(rows, example.rows)
        assert (rows >= 0).all()
        assert (rows < 1).all()
        assert not rows[::3].any()
        assert not rows.flags.writeable


@pytest.mark.parametrize("rung", RUNGS)
def test_numpy_in_float64_is_no_distance_from_itself(rung):
    assert RUNGS[rung](get_backend("numpy"), EXAMPLES["batch_norm"], "float64") == 0.0


@pytest.mark.parametrize("rung", ["forward", "gradients", "one_step"])
def test_numpy_in_float32_is_a_measurable_distance_away(rung):
    difference = RUNGS[rung](get_backend("numpy"), EXAMPLES["lstm"], "float32")
    assert 1e-9 < difference < BOUNDS[rung]["float32"]


def test_a_bias_that_is_left_out_is_a_difference_though_it_starts_at_zero():
    class NoBias(NumpyBackend):
        def autoencoder(self, architecture, weights, *, dtype, device):
            made = super().autoencoder(architecture, weights, dtype=dtype, device=device)
            load, bias = made.load_weights, "decoder.2.bias"
            made.load_weights = lambda arrays: load({**arrays, bias: 0 * arrays[bias]})
            return made

    assert RUNGS["forward"](NoBias(), EXAMPLES["dense"], "float64") > 0.01


def test_the_difference_is_that_of_the_worst_array_over_its_largest_value():
    expected = {"a": np.array([1.0, -10.0]), "b": np.array([100.0])}
    given = {"a": np.array([1.5, -10.0]), "b": np.array([101.0])}
    assert largest_difference(given, expected) == pytest.approx(0.05)


def test_an_array_of_zeros_is_measured_absolutely():
    assert largest_difference({"a": np.array([0.0, 0.25])}, {"a": np.zeros(2)}) == 0.25


@pytest.mark.parametrize(
    "given",
    [{"b": np.ones(2)}, {"a": np.ones(1)}, {"a": np.array([1.0, np.nan])}, {}],
    ids=["name", "shape", "nan", "missing"],
)
def test_what_cannot_be_compared_is_infinitely_far_away(given):
    assert largest_difference(given, {"a": np.ones(2)}) == float("inf")


def test_the_ladder_needs_no_pytest():
    code = "import sys, aeanom.testing; print('pytest' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "False\n"
