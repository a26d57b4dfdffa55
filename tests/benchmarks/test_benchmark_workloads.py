from __future__ import annotations

import numpy as np
import pytest

from aeanom.architectures import Activation, Architecture, Conv2DTranspose, Reshape
from benchmarks.contenders import contenders
from benchmarks.workloads import WORKLOADS, Workload, epoch_order

DENSE = [workload for workload in WORKLOADS.values() if workload.kind == "dense"]


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=list(WORKLOADS))
def test_rows_are_float32_of_the_networks_shape(workload):
    rows = workload.rows(5)
    assert rows.dtype == np.float32
    assert rows.shape == (5, *workload.architecture().input_shape)
    assert np.array_equal(rows, workload.rows(5))


@pytest.mark.parametrize("workload", DENSE, ids=lambda workload: workload.name)
def test_the_operations_of_a_dense_step_are_those_of_its_products(workload):
    counted = sum(2 * m * k * n for _, m, k, n in workload.products())
    training, _ = workload.flops_per_row()
    assert counted == training * workload.batch_size


def test_the_products_of_a_step_are_outputs_and_gradients():
    assert WORKLOADS["tiny"].products()[:5] == [
        ("nn", 32, 10, 5),
        ("tn", 10, 32, 5),
        ("nn", 32, 5, 2),
        ("tn", 5, 32, 2),
        ("nt", 32, 2, 5),
    ]
    assert len(WORKLOADS["tiny"].products()) == 11
    assert WORKLOADS["image"].products() == []


def test_operations_of_convolutions_and_lstm_are_counted_at_every_position():
    # 3 x 3 x 1 x 8 at 14 x 14 places, and so on, layer by layer.
    image = 2 * (72 * 14**2 + 1152 * 7**2 + 784 * 32 + 32 * 784 + 1152 * 14**2 + 72 * 28**2)
    assert WORKLOADS["image"].flops_per_row()[1] == image
    lstm = 2 * (64 * (19 + 64) * 256 + 64 * 32 + 64 * (32 + 64) * 256 + 64 * 64 * 19)
    assert WORKLOADS["series-lstm"].flops_per_row()[1] == lstm


def test_a_transposed_convolution_is_counted_at_its_inputs():
    network = Architecture(
        (4, 4),
        (Reshape((4, 4, 1)), Activation("relu")),
        (Conv2DTranspose(1, (3, 3), (1, 1), padding="same"), Reshape((4, 4))),
    )
    workload = Workload("t", "", "convolutional", lambda: network, lambda n: np.ones(n), 1, 1, 1)
    assert workload.flops_per_row()[1] == 2 * 9 * 16


def test_an_epochs_order_is_a_function_of_seed_and_epoch():
    assert sorted(epoch_order(10, 3)) == list(range(10))
    assert np.array_equal(epoch_order(10, 3), epoch_order(10, 3))
    assert not np.array_equal(epoch_order(10, 3), epoch_order(10, 4))


@pytest.mark.parametrize("workload", WORKLOADS.values(), ids=list(WORKLOADS))
def test_everybody_is_set_against_somebody_who_can_do_the_workload(workload):
    reference = contenders()[workload.reference]
    assert workload.kind in reference.kinds
    assert not workload.trains or reference.trains
