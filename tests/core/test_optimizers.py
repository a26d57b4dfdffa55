"""`Adam.flushing`: no moment turns subnormal unseen, and none that matters is lost."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeanom.core import Adam

DTYPES = ("float32", "float64")
BETAS = st.sampled_from([0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999])


@pytest.mark.parametrize("dtype", DTYPES)
@given(beta1=BETAS, beta2=BETAS)
def test_what_is_left_alone_cannot_be_subnormal_before_it_is_looked_at_again(dtype, beta1, beta2):
    every, *least = Adam(beta1=beta1, beta2=beta2).flushing(dtype)
    number = np.dtype(dtype).type
    for beta, smallest in zip((beta1, beta2), least, strict=True):
        moment = np.nextafter(number(smallest), number(1))
        for _ in range(every - 1):
            moment *= number(beta or 1)
        assert moment >= np.finfo(dtype).tiny * (1 - 1e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@given(beta1=BETAS, beta2=BETAS, epsilon=st.sampled_from([1e-300, 1e-30, 1e-8, 1e-3, 1.0]))
def test_what_becomes_zero_would_not_have_moved_a_weight(dtype, beta1, beta2, epsilon):
    flushing = Adam(beta1=beta1, beta2=beta2, epsilon=epsilon).flushing(dtype)
    assert 1 <= flushing.every <= 1000
    assert flushing.first / epsilon <= 1e-12
    assert np.sqrt(flushing.second) / epsilon <= 1e-6
