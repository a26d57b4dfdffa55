"""Warnings point at the line of the caller's code, from however deep in the library."""

import warnings

import pytest
from support import normal_rows

from aeanom import AnomalyDetector
from aeanom.errors import CalibrationWarning, warn
from aeanom.thresholds import Conformal, Threshold

FEW = normal_rows(50)


def calibrate_detector(detector):
    return detector.calibrate(FEW[:10])


def calibrate_model(detector):
    return detector.model_.calibrate(FEW[:10], "conformal")


def detect(detector):
    return detector.detect(FEW[:10], false_discovery_rate=0.01)


def line_of(function):
    """Number of the only line in a function's body."""
    return function.__code__.co_firstlineno + 1


@pytest.fixture(scope="module")
def detector():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AnomalyDetector(backend="numpy", epochs=1, random_state=0).fit(FEW)


@pytest.mark.parametrize("call", [calibrate_detector, calibrate_model, detect])
def test_a_warning_points_at_the_line_that_called(detector, call):
    with pytest.warns(CalibrationWarning) as caught:
        call(detector)
    assert [(item.filename, item.lineno) for item in caught] == [(__file__, line_of(call))]


def test_every_fit_that_is_warned_of_is_so_at_its_own_line():
    def first():
        return AnomalyDetector(backend="numpy", epochs=1, random_state=0).fit(FEW)

    def second():
        return AnomalyDetector(backend="numpy", epochs=1, random_state=0).fit(FEW)

    with warnings.catch_warnings(record=True) as caught:
        # Each line once, as Python does where nobody says otherwise.
        warnings.simplefilter("default")
        first()
        second()
    lines = [item.lineno for item in caught if item.category is CalibrationWarning]
    assert lines == [line_of(first), line_of(second)]


class Mine(Threshold):
    """A threshold of somebody else's, which warns."""

    def _place(self, ordered, tolerance):
        warn("mine", CalibrationWarning)
        return Conformal(0.5)._place(ordered, tolerance)

    def _describe(self, fitted):
        return "mine"


def test_a_warning_from_outside_the_library_points_there():
    with pytest.warns(CalibrationWarning, match="mine") as caught:
        Mine().fit(range(10))
    assert (caught[0].filename, caught[0].lineno) == (
        __file__,
        Mine._place.__code__.co_firstlineno + 1,
    )
