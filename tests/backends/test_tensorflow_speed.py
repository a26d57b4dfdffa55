"""What makes the TensorFlow backend fast, and bfloat16: that results stay what they are."""

import gc

import numpy as np
import pytest
from support import NETWORK, make_trainer, normal_rows, train

from aeanom import architectures
from aeanom.core import Block
from aeanom.core.batches import pad_rows
from aeanom.errors import UnsupportedError

tf = pytest.importorskip("tensorflow")

from aeanom.backends.tensorflow import TensorFlowBackend  # noqa: E402
from aeanom.backends.tensorflow.autoencoder import LARGE_BYTES  # noqa: E402
from aeanom.backends.tensorflow.trainer import SMALL, join, separate  # noqa: E402


@pytest.fixture
def tensorflow_backend():
    return TensorFlowBackend()


def test_arrays_of_a_small_network_are_joined_and_taken_apart_again():
    arrays = {"kernel": tf.constant([[3.0], [4.0]]), "bias": tf.constant([1.0, 2.0])}
    joined = join(arrays)
    assert [array.numpy().tolist() for array in joined.values()] == [[1, 2, 3, 4]]
    separated = separate(joined, arrays)
    assert separated.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(separated[name], array)


def test_arrays_of_a_large_network_are_left_alone():
    arrays = {"kernel": tf.zeros((SMALL, 1)), "bias": tf.zeros(1)}
    assert separate(join(arrays), arrays) is arrays


def large_rows():
    """Rows above the size from which on memory is handed over."""
    return np.random.default_rng(0).random((LARGE_BYTES // 400 + 1, 100), dtype=np.float32)


def test_rows_that_nobody_else_uses_are_not_copied_again(tensorflow_backend):
    trainer = make_trainer(tensorflow_backend, dtype="float32")
    padded = pad_rows(large_rows(), 3000)
    kept = trainer.autoencoder.take(padded)
    padded[0, 0] = 7
    assert kept.numpy()[0, 0] == 7


@pytest.mark.parametrize("start", [0, 1])
def test_a_tensor_is_right_wherever_the_array_begins(tensorflow_backend, start):
    trainer = make_trainer(tensorflow_backend, dtype="float32")
    array = pad_rows(large_rows(), 3000).ravel()[start:]
    taken = trainer.autoencoder.take(array)
    assert float(tf.reduce_sum(taken)) == pytest.approx(array.sum(), rel=1e-4)
    np.testing.assert_array_equal(taken, array)


def test_variables_are_the_parameters_and_are_trained_in_place(tensorflow_backend):
    trainer = make_trainer(tensorflow_backend)
    kernel = trainer.autoencoder.native().encoder[0].kernel
    before = kernel.numpy()
    train(trainer, normal_rows(20))
    assert trainer.autoencoder.native().encoder[0].kernel is kernel
    assert np.abs(kernel.numpy() - before).max() > 0


def test_what_is_compiled_outlives_the_network_it_was_compiled_with(tensorflow_backend):
    rows, losses = normal_rows(20), []
    for _ in range(2):
        trainer = make_trainer(tensorflow_backend)
        losses.append(trainer.fit(Block(rows)).loss)
        del trainer
        gc.collect()
    assert losses[0] == losses[1]


@pytest.mark.parametrize(
    "architecture",
    [
        NETWORK,
        architectures.dense(6, (5,), 3, normalization="batch"),
        architectures.convolutional((8, 8), (2,), 3, normalization="layer"),
    ],
    ids=["dense", "batch normalisation", "convolutional"],
)
def test_bfloat16_trains_nearly_as_float32(tensorflow_backend, architecture):
    rows = np.random.default_rng(0).normal(size=(32, *architecture.input_shape))
    trainers = [
        make_trainer(
            tensorflow_backend, architecture, dtype="float32", epochs=4, compute_dtype=dtype
        )
        for dtype in (None, "bfloat16")
    ]
    exact, rounded = (trainer.fit(Block(rows)).loss for trainer in trainers)
    assert rounded == pytest.approx(exact, rel=2e-2)
    assert rounded != exact
    state = trainers[1].state()
    for arrays in (state.weights, state.first_moment, state.second_moment):
        assert {array.dtype for array in arrays.values()} == {np.dtype("float32")}
    # More digits than bfloat16 has: nothing was rounded to it on the way.
    name = architecture.trainable[0].name
    for arrays in (state.weights, state.second_moment):
        assert np.any(arrays[name] != tf.cast(tf.cast(arrays[name], "bfloat16"), "float32"))


def test_a_module_of_a_user_is_not_trained_in_bfloat16(tensorflow_backend):
    class Scale(tf.Module):
        def __init__(self):
            super().__init__()
            self.factor = tf.Variable(tf.ones(3))

        def __call__(self, x):
            return x * self.factor

    architecture = tensorflow_backend.describe(Scale(), (3,), "float32")
    with pytest.raises(UnsupportedError, match="bfloat16"):
        make_trainer(tensorflow_backend, architecture, dtype="float32", compute_dtype="bfloat16")


def test_a_device_that_there_is_not_is_refused(tensorflow_backend):
    # TensorFlow itself would compute on the CPU without a word.
    with pytest.raises(UnsupportedError, match="cuda:7"):
        tensorflow_backend.autoencoder(NETWORK, {}, dtype="float32", device="cuda:7")
