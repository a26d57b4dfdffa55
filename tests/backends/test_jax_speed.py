"""What makes the JAX backend fast, as far as it can be shown without a clock."""

import subprocess
import sys

import numpy as np
import pytest
from support import NETWORK, make_trainer, normal_rows

from aeanom.architectures import Architecture, BatchNorm, Dense, convolutional, dense, recurrent
from aeanom.core import Block, TrainingPlan, get_backend
from aeanom.core.batches import bucket

jax = pytest.importorskip("jax", reason="backend 'jax' needs jax, not installed here")


@pytest.fixture
def backend():
    return get_backend("jax")


def in_a_process(script, **environment):
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        env={"PATH": "", "JAX_PLATFORMS": "cpu", **environment},
        check=False,
    )
    assert not done.returncode, done.stderr
    return done.stdout.split()


def test_a_fit_on_other_rows_in_the_same_bucket_compiles_nothing(backend):
    from aeanom.backends.jax.trainer import loss_sum, run_steps

    assert bucket(100) == bucket(104) != bucket(105)
    assert bucket(39) == bucket(40)

    def fit(n_rows, n_validation_rows):
        trainer = make_trainer(backend, dtype="float32", batch_size=8, epochs=2)
        trainer.fit(Block(normal_rows(n_rows)), Block(normal_rows(n_validation_rows)))

    fit(100, 39)
    compiled = run_steps._cache_size(), loss_sum._cache_size()
    fit(104, 40)
    assert (run_steps._cache_size(), loss_sum._cache_size()) == compiled
    fit(105, 40)
    assert run_steps._cache_size() == compiled[0] + 1


SCRIPT = """
import sys
import numpy as np
from aeanom.architectures import dense
from aeanom.core import Block, Loss, TrainingPlan, get_backend, initial_weights

architecture = dense(4, (3,), 2)
weights = initial_weights(architecture, 0, "float32")
backend = get_backend("jax")
autoencoder = backend.autoencoder(architecture, weights, dtype="float32", device={device!r})
trainer = backend.trainer(autoencoder, TrainingPlan(Loss()))
rows = np.ones((40, 4), "float32")
trainer.fit(Block(rows), Block(rows))
autoencoder.errors(rows, Loss())
"""


def test_a_fit_does_not_wait_for_the_import_of_flax():
    script = SCRIPT.format(device="cpu")
    assert in_a_process(script + "print(*[m for m in ('flax', 'optax') if m in sys.modules])") == []


def test_everything_stays_on_the_device_that_was_chosen():
    script = SCRIPT.format(device="cpu:1") + (
        "arrays = [*autoencoder.parameters.values(), *trainer._moments.first.values()]\n"
        "arrays += [trainer.place(Block(rows)).block.rows, *trainer.snapshot().values()]\n"
        "print(*{device.id for array in arrays for device in array.devices()})\n"
        "print(all(array.committed for array in arrays))"
    )
    flags = "--xla_force_host_platform_device_count=2"
    assert in_a_process(script, XLA_FLAGS=flags) == ["1", "True"]


def test_the_native_module_and_training_share_their_arrays(backend):
    trainer = make_trainer(backend, dtype="float32", batch_size=8, epochs=1)
    module = trainer.autoencoder.native()
    assert trainer.autoencoder.native() is module
    trainer.fit(Block(normal_rows(20)))
    trained = trainer.autoencoder.weights()["encoder.0.kernel"]
    np.testing.assert_array_equal(module.encoder[0].kernel.get_value(), trained)
    module.encoder[0].kernel.set_value(2 * module.encoder[0].kernel.get_value())
    np.testing.assert_array_equal(trainer.autoencoder.weights()["encoder.0.kernel"], 2 * trained)


@pytest.mark.parametrize(
    ("architecture", "rows"),
    [
        (dense(6, (5,), 3, dropout=0.1), normal_rows(64)),
        (
            Architecture((6,), (Dense(5), BatchNorm(), Dense(3)), (Dense(6),)),
            normal_rows(64),
        ),
        (convolutional((8, 8), (4,), 3), normal_rows(64, 64).reshape(64, 8, 8)),
        (recurrent((5, 3), 4), normal_rows(64, 15).reshape(64, 5, 3)),
    ],
    ids=["dense", "batch norm", "convolutional", "recurrent"],
)
def test_training_in_bfloat16_keeps_weights_and_moments_in_float32(backend, architecture, rows):
    losses, weights = {}, {}
    for compute_dtype in (None, "bfloat16"):
        plan = {"batch_size": 16, "epochs": 3, "learning_rate": 1e-2}
        trainer = make_trainer(
            backend, architecture, "float32", compute_dtype=compute_dtype, **plan
        )
        losses[compute_dtype] = trainer.fit(Block(rows), Block(rows)).loss
        state = trainer.state()
        weights[compute_dtype] = state.weights
        for arrays in (state.weights, state.first_moment, state.second_moment):
            assert {array.dtype for array in arrays.values()} == {np.dtype("float32")}
        assert all(array.dtype == np.float32 for array in trainer.autoencoder.parameters.values())
    np.testing.assert_allclose(losses["bfloat16"], losses[None], rtol=2e-2)
    assert losses["bfloat16"] != losses[None]
    kernel = next(iter(weights[None]))
    # Not rounded to the eight bits of a bfloat16's mantissa.
    assert np.any(weights["bfloat16"][kernel].view(np.uint32) & 0xFFFF)


def test_evaluating_is_in_float32_whatever_is_trained_in(backend):
    rows, losses = Block(normal_rows(30)), []
    for compute_dtype in (None, "bfloat16"):
        trainer = make_trainer(backend, NETWORK, "float32", compute_dtype=compute_dtype)
        schedules = TrainingPlan().schedules(0, 1)
        losses.append(trainer.evaluate(trainer.place(rows), schedules).mean())
    assert losses[0] == losses[1]
