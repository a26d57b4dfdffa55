"""Losses against SciPy, scikit-learn and their definitions."""

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as sklearn_metrics
from support import NETWORK, SIGMOID_NETWORK

from aeanom.core import Loss
from aeanom.core.losses import elementwise_loss, loss_from
from aeanom.errors import InvalidParameterError

RNG = np.random.default_rng(0)
TARGET = RNG.uniform(size=(7, 3))
OUTPUT = RNG.uniform(0.01, 0.99, size=(7, 3))


def test_mse_is_scikit_learn_s_mean_squared_error_of_a_row():
    ours = elementwise_loss(Loss("mse"), OUTPUT, TARGET).mean(axis=1)
    theirs = [sklearn_metrics.mean_squared_error(t, o) for t, o in zip(TARGET, OUTPUT, strict=True)]
    assert ours == pytest.approx(theirs, rel=1e-14)


def test_mae_is_scikit_learn_s_mean_absolute_error_of_a_row():
    ours = elementwise_loss(Loss("mae"), OUTPUT, TARGET).mean(axis=1)
    mean_absolute_error = sklearn_metrics.mean_absolute_error
    theirs = [mean_absolute_error(t, o) for t, o in zip(TARGET, OUTPUT, strict=True)]
    assert ours == pytest.approx(theirs, rel=1e-14)


@pytest.mark.parametrize("delta", [0.1, 1.0, 3.0])
def test_huber_is_scipy_s(delta):
    ours = elementwise_loss(Loss("huber", delta=delta), 4 * OUTPUT, TARGET)
    assert ours == pytest.approx(special.huber(delta, 4 * OUTPUT - TARGET), rel=1e-13)


def test_bce_is_scikit_learn_s_log_loss_where_targets_are_zero_or_one():
    labels = (TARGET > 0.5).astype(float)
    ours = elementwise_loss(Loss("bce"), OUTPUT, labels).mean()
    assert ours == pytest.approx(
        sklearn_metrics.log_loss(labels.ravel(), OUTPUT.ravel()), rel=1e-13
    )


def test_bce_of_fractional_targets_is_cross_entropy():
    ours = elementwise_loss(Loss("bce"), OUTPUT, TARGET)
    entropy = -special.xlogy(TARGET, OUTPUT) - special.xlog1py(1 - TARGET, -OUTPUT)
    assert ours == pytest.approx(entropy, rel=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bce_of_a_saturated_output_is_finite(dtype):
    edges = np.array([0.0, 1.0], dtype)
    assert np.isfinite(elementwise_loss(Loss("bce"), edges, edges[::-1])).all()


def test_bce_is_computed_from_logits_and_the_others_are_not():
    assert [Loss(name).from_logits for name in ("mse", "mae", "huber", "bce")] == [
        False, False, False, True,
    ]  # fmt: skip


def test_bce_refuses_a_network_that_does_not_end_in_a_sigmoid():
    Loss("bce").check(SIGMOID_NETWORK)
    with pytest.raises(
        InvalidParameterError, match=r"ends in 'linear'.*output_activation='sigmoid'"
    ):
        Loss("bce").check(NETWORK)


def test_an_unknown_loss_is_refused_with_the_known_ones():
    with pytest.raises(InvalidParameterError, match="'rmse'; known: mse, mae, huber, bce"):
        loss_from("rmse")


@pytest.mark.parametrize("delta", [0, -1.0, float("nan")])
def test_a_delta_that_is_not_positive_is_refused(delta):
    with pytest.raises(InvalidParameterError, match="delta > 0"):
        Loss("huber", delta=delta)


def test_a_loss_of_another_type_is_refused():
    with pytest.raises(InvalidParameterError, match="loss must be one of"):
        loss_from(3)


def test_a_loss_comes_back_from_its_dict():
    loss = Loss("huber", delta=0.3)
    assert Loss.from_dict(loss.to_dict()) == loss


def test_a_dict_of_no_loss_is_refused():
    with pytest.raises(InvalidParameterError, match="not a loss"):
        Loss.from_dict({"name": "mse", "weight": 3})
