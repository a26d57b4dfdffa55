"""Convolution and LSTM of every backend against the frameworks' own layers, forward in float64.

`test_numpy_functions.py` has the other layers, NumPy's against torch's.
"""

import numpy as np
import pytest
from support import make_autoencoder, normal_rows, relative_difference

from aeanom.architectures import LSTM, Architecture, Conv2D, Dense, Flatten, Reshape, Upsample

ROWS = normal_rows(5, 6 * 5 * 2).reshape(5, 6, 5, 2)
EDGES = ((1, 1), (0, 1))
CONVOLUTION = Architecture(
    (6, 5, 2),
    (Conv2D(3, (3, 2), stride=(2, 1), padding=EDGES, initializer="fan_in"),),
    (Flatten(), Dense(60), Reshape((6, 5, 2))),
)
WINDOWS = normal_rows(5, 7 * 3).reshape(5, 7, 3)
RECURRENCE = Architecture(
    (7, 3), (LSTM(4, True, initializer="fan_in"),), (Flatten(), Dense(21), Reshape((7, 3)))
)


def torch_conv2d(kernel, bias):
    torch = pytest.importorskip("torch")
    layer = torch.nn.Conv2d(2, 3, (3, 2), stride=(2, 1), dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(kernel.transpose(3, 2, 0, 1)))
        layer.bias.copy_(torch.from_numpy(bias))
        # Left, right, top, bottom.
        padded = torch.nn.functional.pad(
            torch.from_numpy(ROWS.transpose(0, 3, 1, 2)), (*EDGES[1], *EDGES[0])
        )
        return layer(padded).numpy().transpose(0, 2, 3, 1)


def flax_conv(kernel, bias):
    jax = pytest.importorskip("jax")
    nnx = pytest.importorskip("flax.nnx")
    with jax.enable_x64(True):
        layer = nnx.Conv(
            2, 3, (3, 2), strides=(2, 1), padding=EDGES, param_dtype=float, rngs=nnx.Rngs(0)
        )
        layer.kernel.set_value(jax.numpy.asarray(kernel))
        layer.bias.set_value(jax.numpy.asarray(bias))
        return np.asarray(layer(jax.numpy.asarray(ROWS)))


def tensorflow_conv2d(kernel, bias):
    tf = pytest.importorskip("tensorflow")
    padded = tf.pad(tf.constant(ROWS), [(0, 0), *EDGES, (0, 0)])
    return (tf.nn.conv2d(padded, kernel, strides=(2, 1), padding="VALID") + bias).numpy()


@pytest.mark.parametrize("oracle", [torch_conv2d, flax_conv, tensorflow_conv2d])
def test_a_convolution_is_that_of_every_framework(backend, oracle):
    autoencoder = make_autoencoder(backend, CONVOLUTION)
    weights = autoencoder.weights()
    expected = oracle(weights["encoder.0.kernel"], weights["encoder.0.bias"])
    assert relative_difference(autoencoder.encode(ROWS), expected) < 1e-12


def test_an_lstm_is_torch_s_with_its_second_bias_zero(backend):
    torch = pytest.importorskip("torch")
    autoencoder = make_autoencoder(backend, RECURRENCE)
    weights = autoencoder.weights()
    layer = torch.nn.LSTM(3, 4, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.from_numpy(weights["encoder.0.kernel"].T))
        layer.weight_hh_l0.copy_(torch.from_numpy(weights["encoder.0.recurrent_kernel"].T))
        layer.bias_ih_l0.copy_(torch.from_numpy(weights["encoder.0.bias"]))
        layer.bias_hh_l0.zero_()
        expected = layer(torch.from_numpy(WINDOWS))[0].numpy()
    assert relative_difference(autoencoder.encode(WINDOWS), expected) < 1e-12


@pytest.mark.parametrize("factor", [(2, 4), (3, 1), (41, 1)])
def test_enlarging_repeats_every_cell(backend, factor):
    # 3 times 41 cells are among the few of which torch's "nearest" takes a wrong one.
    rows = normal_rows(2, 3 * 3 * 2).reshape(2, 3, 3, 2)
    architecture = Architecture(
        (3, 3, 2), (Upsample(factor),), (Flatten(), Dense(18), Reshape((3, 3, 2)))
    )
    autoencoder = make_autoencoder(backend, architecture)
    expected = rows.repeat(factor[0], axis=1).repeat(factor[1], axis=2)
    np.testing.assert_array_equal(autoencoder.encode(rows), expected)
