"""The same fit twice is the same bit for bit, and a fit leaves every global state as it was."""

import os
import random
import subprocess
import sys

import numpy as np
import pytest
from support import DROPOUT_NETWORK, NETWORK, normal_rows, same_bits

from aeanom import AnomalyDetector
from aeanom.core.settings import drawn_seed

X = normal_rows(300)


def fit(backend, **settings):
    settings = {"epochs": 3, "random_state": 1, **settings}
    return AnomalyDetector(backend=backend, **settings).fit(X)


@pytest.mark.parametrize("architecture", [NETWORK, DROPOUT_NETWORK], ids=["plain", "dropout"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_fit_twice_is_the_same_bit_for_bit(backend, architecture, dtype):
    first, second = (fit(backend, architecture=architecture, dtype=dtype) for _ in range(2))
    assert same_bits(first.model_.weights, second.model_.weights)
    assert first.anomaly_score(X).tobytes() == second.anomaly_score(X).tobytes()
    assert first.threshold_ == second.threshold_
    assert first.history_.loss == second.history_.loss


def test_a_fit_without_a_seed_can_be_repeated_with_the_seed_that_it_drew(backend):
    first = fit(backend, random_state=None, architecture=DROPOUT_NETWORK)
    second = fit(backend, random_state=first.history_.seed, architecture=DROPOUT_NETWORK)
    assert same_bits(first.model_.weights, second.model_.weights)


def test_a_drawn_seed_is_another_one_every_time():
    # Imported as it is: within a test, fits draw theirs from a row that repeats.
    assert len({drawn_seed() for _ in range(10)}) == 10


def test_fits_without_a_seed_differ():
    first, second = (fit("numpy", random_state=None) for _ in range(2))
    assert first.history_.seed != second.history_.seed


def test_another_seed_gives_another_fit():
    assert not same_bits(
        fit("numpy", random_state=1).model_.weights, fit("numpy", random_state=2).model_.weights
    )


def test_a_random_state_object_decides_the_seed():
    seeds = [fit("numpy", random_state=np.random.RandomState(7)).history_.seed for _ in range(2)]
    assert seeds[0] == seeds[1]


def test_scores_do_not_change_from_call_to_call(backend):
    detector = fit(backend, architecture=DROPOUT_NETWORK)
    first = detector.anomaly_score(X)
    detector.explain(X[:5])
    assert detector.anomaly_score(X).tobytes() == first.tobytes()


# Global state: what a user would draw or read after a fit is what it would have been without.


def python_and_numpy():
    random.seed(5)
    np.random.seed(5)  # noqa: NPY002
    np.random.standard_normal()  # noqa: NPY002  (a second one is now kept back)
    return lambda: (
        random.random(),
        np.random.standard_normal(3).tolist(),  # noqa: NPY002
        np.geterr(),
    )


def torch_state():
    import torch

    torch.manual_seed(5)
    return lambda: (
        torch.rand(3).tolist(),
        torch.initial_seed(),
        torch.get_num_threads(),
        torch.get_num_interop_threads(),
        torch.get_default_dtype(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        torch.backends.cuda.matmul.allow_tf32,
    )


def jax_state():
    import jax

    return lambda: (
        jax.config.jax_enable_x64,
        jax.config.jax_default_matmul_precision,
        jax.config.jax_default_device,
        jax.config.jax_debug_nans,
        jax.numpy.ones(1).dtype,
    )


def tensorflow_state():
    import tensorflow as tf

    tf.random.set_seed(5)
    tf.random.set_global_generator(tf.random.Generator.from_seed(5))
    return lambda: (
        tf.random.uniform([3]).numpy().tolist(),
        tf.random.get_global_generator().uniform([3]).numpy().tolist(),
        tf.config.threading.get_inter_op_parallelism_threads(),
        tf.config.threading.get_intra_op_parallelism_threads(),
        tf.config.experimental.tensor_float_32_execution_enabled(),
        tf.config.optimizer.get_jit(),
        tf.config.functions_run_eagerly(),
        tf.keras.backend.floatx(),
        tf.keras.backend.backend(),
    )


STATES = {
    "numpy": python_and_numpy,
    "torch": torch_state,
    "jax": jax_state,
    "tensorflow": tensorflow_state,
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fit_neither_reads_nor_writes_global_state(backend, dtype):
    seeds = list({python_and_numpy, STATES[backend.name]})
    expected = [seed()() for seed in seeds]

    reads = [seed() for seed in seeds]
    first = fit(backend, architecture=DROPOUT_NETWORK, dtype=dtype)
    first.anomaly_score(X)
    assert [read() for read in reads] == expected

    # Nor does it depend on it: the state is another one by now.
    second = fit(backend, architecture=DROPOUT_NETWORK, dtype=dtype)
    assert same_bits(first.model_.weights, second.model_.weights)


def test_a_user_s_own_x64_setting_of_jax_changes_nothing():
    jax = pytest.importorskip("jax")
    expected = fit("jax").model_.weights
    with jax.enable_x64(True):
        assert same_bits(fit("jax").model_.weights, expected)


def test_a_user_s_default_dtype_of_torch_changes_nothing():
    torch = pytest.importorskip("torch")
    expected = fit("torch", architecture=DROPOUT_NETWORK).model_.weights
    torch.set_default_dtype(torch.float64)
    try:
        assert same_bits(fit("torch", architecture=DROPOUT_NETWORK).model_.weights, expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_a_user_s_no_grad_does_not_stop_the_training():
    torch = pytest.importorskip("torch")
    expected = fit("torch").model_.weights
    with torch.no_grad():
        assert same_bits(fit("torch").model_.weights, expected)


def test_a_fit_in_another_process_is_the_same_bit_for_bit():
    code = (
        "import numpy as np; from aeanom import AnomalyDetector;"
        "X = np.random.default_rng(0).normal(size=(300, 6));"
        "d = AnomalyDetector(backend='numpy', epochs=3, random_state=1).fit(X);"
        "print(d.anomaly_score(X).tobytes().hex())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12345"}
    printed = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)
    assert printed.strip() == fit("numpy").anomaly_score(X).tobytes().hex()
