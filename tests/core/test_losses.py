"""Losses against SciPy, scikit-learn and their definitions."""

import numpy as np
import pytest
from scipy import special, stats
from sklearn import metrics as sklearn_metrics
from support import NETWORK, SIGMOID_NETWORK

from aeanom.architectures import Architecture
from aeanom.architectures.layers import Dense, GaussianOutput
from aeanom.core import Loss
from aeanom.core.losses import elementwise_loss, loss_from
from aeanom.errors import InvalidParameterError

GAUSSIAN_NETWORK = Architecture((6,), (Dense(3),), (Dense(12), GaussianOutput()))
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
    ours = elementwise_loss(Loss("bce"), special.logit(OUTPUT), labels).mean()
    assert ours == pytest.approx(
        sklearn_metrics.log_loss(labels.ravel(), OUTPUT.ravel()), rel=1e-13
    )


def test_bce_of_fractional_targets_is_cross_entropy():
    ours = elementwise_loss(Loss("bce"), special.logit(OUTPUT), TARGET)
    entropy = -special.xlogy(TARGET, OUTPUT) - special.xlog1py(1 - TARGET, -OUTPUT)
    assert ours == pytest.approx(entropy, rel=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_bce_of_a_saturated_output_is_finite(dtype):
    logits, targets = np.array([-1e4, 1e4], dtype), np.array([1, 0], dtype)
    assert elementwise_loss(Loss("bce"), logits, targets).tolist() == [1e4, 1e4]


def test_gaussian_is_scipy_s_negative_log_density():
    raw = 9 * RNG.normal(size=(7, 6))
    deviation = np.exp(10 * np.tanh(raw[:, 3:] / 10) / 2)
    ours = elementwise_loss(Loss("gaussian"), raw, TARGET)
    assert ours == pytest.approx(-stats.norm.logpdf(TARGET, raw[:, :3], deviation), rel=1e-13)


def test_the_log_density_of_the_oddest_row_is_finite():
    raw = np.array([[0.0, -1e6], [0.0, 1e6]])
    assert np.isfinite(elementwise_loss(Loss("gaussian"), raw, np.full((2, 1), 1e6))).all()


def test_cross_entropy_and_likelihood_take_what_the_last_layer_is_given():
    names = ("mse", "mae", "huber", "bce", "gaussian")
    assert [name for name in names if Loss(name).takes_raw_output] == ["bce", "gaussian"]


def test_bce_refuses_a_network_that_does_not_end_in_a_sigmoid():
    Loss("bce").check(SIGMOID_NETWORK)
    with pytest.raises(
        InvalidParameterError, match=r"ends in 'linear'.*output_activation='sigmoid'"
    ):
        Loss("bce").check(NETWORK)


def test_an_unknown_loss_is_refused_with_the_known_ones():
    with pytest.raises(InvalidParameterError, match="'rmse'; known: mse, mae, huber, bce"):
        loss_from("rmse", NETWORK)


@pytest.mark.parametrize("delta", [0, -1.0, float("nan")])
def test_a_delta_that_is_not_positive_is_refused(delta):
    with pytest.raises(InvalidParameterError, match="delta > 0"):
        Loss("huber", delta=delta)


def test_a_loss_of_another_type_is_refused():
    with pytest.raises(InvalidParameterError, match="loss must be 'auto', one of"):
        loss_from(3, NETWORK)


def test_the_automatic_loss_is_that_of_the_network_s_output():
    assert loss_from("auto", NETWORK) == Loss("mse")
    assert loss_from("auto", GAUSSIAN_NETWORK) == Loss("gaussian")


def test_a_likelihood_and_a_gaussian_output_go_together():
    Loss("gaussian").check(GAUSSIAN_NETWORK)
    for loss, network in ((Loss("gaussian"), NETWORK), (Loss("mse"), GAUSSIAN_NETWORK)):
        with pytest.raises(InvalidParameterError, match="Gaussian output"):
            loss.check(network)


def test_a_loss_comes_back_from_its_dict():
    loss = Loss("huber", delta=0.3)
    assert Loss.from_dict(loss.to_dict()) == loss


def test_a_dict_of_no_loss_is_refused():
    with pytest.raises(InvalidParameterError, match="not a loss"):
        Loss.from_dict({"name": "mse", "weight": 3})
