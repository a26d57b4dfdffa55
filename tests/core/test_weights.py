"""`check_weights`: names, shapes and layout."""

import numpy as np
import pytest
from support import NETWORK

from aeanom.core import initial_weights
from aeanom.core.weights import check_weights
from aeanom.errors import ArchitectureError

WEIGHTS = initial_weights(NETWORK, 0)


def test_weights_come_back_in_canonical_order_contiguous_and_in_the_dtype():
    shuffled = {name: np.asfortranarray(WEIGHTS[name]) for name in reversed(WEIGHTS)}
    checked = check_weights(NETWORK.parameters, shuffled, "float32")
    assert list(checked) == [parameter.name for parameter in NETWORK.parameters]
    assert all(array.flags.c_contiguous for array in checked.values())
    assert {array.dtype.name for array in checked.values()} == {"float32"}


def test_missing_and_unknown_names_are_both_listed():
    wrong = {**WEIGHTS, "encoder.9.kernel": np.ones(1)}
    del wrong["encoder.0.bias"]
    with pytest.raises(
        ArchitectureError, match=r"missing encoder\.0\.bias; unknown encoder\.9\.kernel"
    ):
        check_weights(NETWORK.parameters, wrong, "float64")


def test_a_wrong_shape_is_named_with_the_right_one():
    wrong = {**WEIGHTS, "encoder.0.kernel": WEIGHTS["encoder.0.kernel"].T}
    with pytest.raises(ArchitectureError, match=r"kernel has shape \(5, 6\), needs \(6, 5\)"):
        check_weights(NETWORK.parameters, wrong, "float64")
