"""`TrainingPlan` and `Adam`: what they refuse."""

import pytest

from aeanom.core import Adam, TrainingPlan
from aeanom.core.optimizers import optimizer_from
from aeanom.errors import InvalidParameterError


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be a positive number, got 0.0"),
        ({"learning_rate": float("nan")}, "learning_rate must be a positive number, got nan"),
        ({"learning_rate": float("inf")}, "learning_rate must be a positive number, got inf"),
        ({"patience": 0}, "patience must be at least 1, got 0"),
        ({"noise": "none"}, "noise is 'native' or 'shared', got 'none'"),
    ],
)
def test_a_plan_refuses_a_setting_outside_its_range(setting, message):
    with pytest.raises(InvalidParameterError, match=message):
        TrainingPlan(**setting)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"beta1": 1.0}, r"beta1 in \[0, 1\)"),
        ({"beta2": -0.1}, r"beta2 in \[0, 1\)"),
        ({"epsilon": 0.0}, "epsilon > 0"),
        ({"weight_decay": -1e-3}, "weight_decay >= 0"),
        ({"weight_decay": float("nan")}, "weight_decay >= 0"),
        ({"clip_norm": 0.0}, "clip_norm > 0"),
    ],
)
def test_adam_refuses_a_setting_outside_its_range(setting, message):
    with pytest.raises(InvalidParameterError, match=message):
        Adam(**setting)


def test_the_schedule_has_one_learning_rate_a_step():
    assert TrainingPlan(learning_rate=0.5).schedules(7, 3)["learning_rate"].tolist() == [0.5] * 3


def test_the_weight_of_the_divergence_rises_to_one_in_the_last_step_of_the_warm_up():
    schedules = [TrainingPlan().schedules(first, 3, warm_up_steps=4) for first in (0, 3)]
    assert [s["kl_weight"].tolist() for s in schedules] == [[0.25, 0.5, 0.75], [1, 1, 1]]


def test_without_a_warm_up_there_is_no_schedule_for_it():
    assert list(TrainingPlan().schedules(0, 3)) == ["learning_rate"]


def test_an_optimizer_is_itself_or_the_one_of_that_name():
    adam = Adam(clip_norm=1.0)
    assert optimizer_from(adam) is adam
    assert optimizer_from("adam") == Adam()


@pytest.mark.parametrize("value", ["sgd", 3, None])
def test_an_unknown_optimizer_is_refused_with_the_known_ones(value):
    with pytest.raises(InvalidParameterError, match="known: adam"):
        optimizer_from(value)
