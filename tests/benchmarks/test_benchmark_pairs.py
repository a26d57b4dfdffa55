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


def measured(clock, factor, seconds=None, products=None):
    rows = np.zeros((TINY.n_rows, 10), np.float32)
    fit_seconds = TINY.epochs * TINY.steps() / 1000 if seconds is None else seconds
    runner = Clocked(clock, factor, "ours")
    return pairs.measure(runner, OURS, TINY, "cpu", rows, fit_seconds, products)


def test_the_ratio_is_to_the_faster_of_the_experts(clock):
    figures = measured(clock, 2.0)
    assert figures["rival"] == "quick"
    assert pairs.FEWEST <= len(figures["rival_ratios"]) <= pairs.MOST
    np.testing.assert_allclose(figures["rival_ratios"], 4.0)


def test_each_comes_first_in_every_other_pair(clock):
    measured(clock, 2.0)
    # Before the pairs, we are warmed up once, and a rival is warmed up and timed twice.
    order = [name for name, *_ in clock.calls if name in ("ours", "quick")][4:]
    assert order[:6] == ["ours", "quick", "quick", "ours", "ours", "quick"]


def test_short_epochs_are_repeated_and_long_ones_cut(clock):
    measured(clock, 1.0)
    assert {(rows, epochs) for _, rows, epochs in clock.calls} == {(1000, 25)}
    clock.calls.clear()
    measured(clock, 1.0, seconds=TINY.epochs * 8.0)
    ((rows, epochs),) = {(rows, epochs) for _, rows, epochs in clock.calls}
    assert epochs == 1
    assert rows % TINY.batch_size == 0
    assert rows == 128


def test_products_are_timed_anew_for_every_pair(clock):
    asked = []

    def products():
        asked.append(1)
        return 0.001

    figures = measured(clock, 1.5, products=products)
    assert len(asked) == len(figures["floor_ratios"]) == len(figures["rival_ratios"])
    np.testing.assert_allclose(figures["floor_ratios"], 1.5)
    assert figures["floor_ratio"] == pytest.approx(1.5)


def test_nobody_to_be_paired_with(clock):
    assert pairs.has_rival(OURS, TINY, "cpu")
    alone = Contender("aeanom-jax", "aeanom_fit", "ours", "jax")
    assert not pairs.has_rival(alone, TINY, "cpu")
