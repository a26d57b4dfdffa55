"""Fits in turns within one process, of contenders that take made-up time."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import pairs
from benchmarks.contenders import Contender
from benchmarks.workloads import WORKLOADS

OURS = Contender("aeanom-numpy", "aeanom_fit", "ours", "numpy")
TINY = WORKLOADS["tiny"]


class Clocked:
    """Fits that take as many made-up seconds as they do steps, times a factor."""

    def __init__(self, clock, factor, name):
        self.clock, self.factor, self.name = clock, factor, name

    def fit(self, rows, epochs):
        self.clock.now += self.factor * epochs * TINY.steps(len(rows)) / 1000
        self.clock.calls.append((self.name, len(rows), epochs))


@pytest.fixture
def clock(monkeypatch):
    """A clock that only fits move, and two rivals, of which `quick` is the faster."""
    clock = SimpleNamespace(now=0.0, calls=[])
    monkeypatch.setattr(pairs, "perf_counter", lambda: clock.now)
    rivals = {}
    for name, factor in (("slow", 3.0), ("quick", 0.5)):
        rivals[name] = Contender(name, name, name, "numpy", is_expert=True)
        made = SimpleNamespace(
            contender=lambda workload, device, name=name, factor=factor: Clocked(
                clock, factor, name
            )
        )
        monkeypatch.setitem(sys.modules, f"benchmarks.comparators.{name}", made)
    rivals["beginner"] = Contender("beginner", "beginner", "beginner", "numpy")
    rivals["elsewhere"] = Contender("elsewhere", "elsewhere", "", "torch", is_expert=True)
    monkeypatch.setattr(pairs, "contenders", lambda: rivals)
    return clock


EPOCH_SECONDS = TINY.steps() / 1000


def measured(clock, factor, epoch_seconds=EPOCH_SECONDS, products=None):
    rows = np.zeros((TINY.n_rows, 10), np.float32)
    runner = Clocked(clock, factor, "ours")
    limits = SimpleNamespace(has_floor=products is not None, step_seconds=products)
    figures = {"epoch_seconds": epoch_seconds}
    return pairs.measure(runner, OURS, TINY, "cpu", rows, limits, figures)


def test_the_ratio_is_to_the_faster_of_the_experts(clock):
    figures = measured(clock, 2.0)
    assert figures["rival"] == "quick"
    assert pairs.FEWEST <= len(figures["rival_ratios"]) <= pairs.MOST
    np.testing.assert_allclose(figures["rival_ratios"], 4.0)
    assert figures["rival_ratio"] == pytest.approx(4.0)


def test_in_each_turn_theirs_lie_between_ours(clock):
    measured(clock, 2.0)
    # Before the turns, a rival is warmed up and timed twice, and we are warmed up once.
    order = [name for name, *_ in clock.calls if name in ("ours", "quick")][4:]
    assert order[:8] == ["ours", "quick", "quick", "ours"] * 2


def test_a_machine_that_slows_down_steadily_does_not_show(clock):
    class Slowing(Clocked):
        def fit(self, rows, epochs):
            self.clock.now += self.factor * (1 + self.clock.now / 1000)
            self.clock.calls.append((self.name, len(rows), epochs))

    runner, rival = Slowing(clock, 1.0, "ours"), Slowing(clock, 1.0, "theirs")
    sys.modules["benchmarks.comparators.quick"].contender = lambda workload, device: rival
    limits = SimpleNamespace(has_floor=False)
    rows = np.zeros((TINY.n_rows, 10), np.float32)
    figures = pairs.measure(runner, OURS, TINY, "cpu", rows, limits, {"epoch_seconds": 0.032})
    np.testing.assert_allclose(figures["rival_ratios"], 1.0, atol=1e-5)


def test_short_epochs_are_repeated_and_long_ones_cut(clock):
    measured(clock, 1.0)
    assert {(rows, epochs) for _, rows, epochs in clock.calls} == {(1000, 25)}
    clock.calls.clear()
    measured(clock, 1.0, epoch_seconds=8.0)
    assert {(rows, epochs) for _, rows, epochs in clock.calls} == {(128, 1)}


def test_products_are_timed_anew_for_every_turn(clock):
    asked = []

    def products():
        asked.append(1)
        return 0.001

    figures = measured(clock, 1.5, epoch_seconds=8.0, products=products)
    assert len(asked) == len(figures["floor_ratios"]) == len(figures["rival_ratios"])
    np.testing.assert_allclose(figures["floor_ratios"], 1.5)
    assert figures["paired_floor_ratio"] == pytest.approx(1.5)


def test_without_a_rival_there_is_nothing(clock):
    alone = Contender("aeanom-jax", "aeanom_fit", "ours", "jax")
    rows = np.zeros((TINY.n_rows, 10), np.float32)
    assert pairs.measure(None, alone, TINY, "cpu", rows, None, {"epoch_seconds": 1.0}) == {}
