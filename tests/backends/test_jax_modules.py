"""A `flax.nnx.Module` of a user's own as the network: trained, scored and saved like any other."""

import pickle
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from sklearn.base import clone
from support import (
    NETWORK,
    make_trainer,
    normal_rows,
    relative_difference,
    same_bits,
    score_difference,
    train,
)

import aeanom
from aeanom import AnomalyDetector
from aeanom.core import Block, Loss, TrainingPlan, get_backend, initial_weights
from aeanom.core.batches import Segment
from aeanom.core.modules import framework_of
from aeanom.errors import ArchitectureError, ModelFileError, UnsupportedError

jax = pytest.importorskip("jax", reason="backend 'jax' needs jax, not installed here")
pytest.importorskip("optax", reason="backend 'jax' needs optax, not installed here")
nnx = pytest.importorskip("flax.nnx", reason="backend 'jax' needs flax, not installed here")
jnp = jax.numpy

X = normal_rows(27)


def linear(n_in, n_out):
    """A layer with numbers of NumPy's: Flax's own take seconds to be compiled."""

    def drawn(key, shape, dtype):
        return jnp.asarray(np.random.default_rng(n_in).normal(size=shape) / n_in, dtype)

    return nnx.Linear(n_in, n_out, kernel_init=drawn, rngs=nnx.Rngs(0))


class Plain(nnx.Module):
    """The same network as `support.NETWORK`."""

    def __init__(self):
        self.encoder = nnx.Sequential(linear(6, 5), jnp.tanh, linear(5, 3))
        self.decoder = nnx.Sequential(linear(3, 5), jnp.tanh, linear(5, 6))

    def __call__(self, x):
        return self.decoder(self.encoder(x))


class Noisy(nnx.Module):
    """BatchNorm on the rows themselves, and dropout behind it."""

    rate = 0.5

    def __init__(self):
        rngs = nnx.Rngs(0)
        self.norm = nnx.BatchNorm(6, momentum=0.9, use_fast_variance=False, rngs=rngs)
        self.dropout = nnx.Dropout(self.rate, rngs=rngs)
        self.inner = linear(6, 3)
        self.outer = linear(3, 6)

    def __call__(self, x):
        return self.outer(jnp.tanh(self.inner(self.dropout(self.norm(x)))))


class Normed(Noisy):
    """Without dropout."""

    rate = 0.0


class Linear(nnx.Module):
    """One matrix; other small modules derive from it."""

    def __init__(self):
        self.linear = linear(6, 6)

    def __call__(self, x):
        return self.linear(x)


class Twice(Linear):
    """The difference of two dropped copies of the rows; its layers were made alike."""

    def __init__(self):
        super().__init__()
        self.first = nnx.Dropout(0.5, rngs=nnx.Rngs(0))
        self.second = nnx.Dropout(0.5, rngs=nnx.Rngs(0))

    def __call__(self, x):
        return 0 * self.linear(x) + self.first(x) - self.second(x)


class Tied(Linear):
    def __call__(self, x):
        return self.linear(x) @ self.linear.kernel.T


class Counting(Linear):
    """It has a whole number and an array that no variable holds."""

    def __init__(self):
        super().__init__()
        self.steps = nnx.Variable(jnp.array(0))
        self.factors = jnp.arange(6.0)

    def __call__(self, x):
        self.steps[...] += 1
        return self.linear(x * self.factors)


class Methods(Linear):
    def encode(self, x):
        return self.linear(x)[:, :2]

    def decode(self, z):
        return jnp.tile(z, 3)

    def __call__(self, x):
        return self.decode(self.encode(x))


class OtherEncode(Linear):
    """Its `encode` gives two arrays, as that of a variational network might."""

    def encode(self, x):
        return x, x

    def decode(self, z):
        return z


class Pair(Linear):
    def __call__(self, x):
        return x, self.linear(x)


class Narrow(Linear):
    def __call__(self, x):
        return self.linear(x)[:, :4]


class Failing(Linear):
    def __call__(self, x):
        raise RuntimeError("no rows today")


class Unlearning(nnx.Module):
    def __call__(self, x):
        return x


class Unseeded(Linear):
    """Its dropout has nothing to draw from, which only training tells."""

    def __init__(self):
        super().__init__()
        self.dropout = nnx.Dropout(0.5)

    def __call__(self, x):
        return self.dropout(self.linear(x))


class Keyed(Linear):
    """It keeps a random key as plain numbers."""

    def __init__(self):
        super().__init__()
        self.key = nnx.Variable(jnp.array([1, 2**31], jnp.uint32))


class Complex(Linear):
    def __init__(self):
        super().__init__()
        self.phase = nnx.Param(jnp.array([1j]))


class Nested(Linear):
    def __init__(self):
        super().__init__()
        self.both = nnx.Param((jnp.ones(2), jnp.ones(3)))


@cache
def describe(make, dtype="float64"):
    """Once for all tests: each description is compiled for itself."""
    return get_backend("jax").describe(make(), (6,), dtype)


def make_autoencoder(make, dtype="float64"):
    architecture = describe(make, dtype)
    weights = initial_weights(architecture, 0, dtype)
    return get_backend("jax").autoencoder(architecture, weights, dtype=dtype, device="cpu")


def make_module_trainer(make, **plan):
    plan = TrainingPlan(batch_size=9, **plan)
    return get_backend("jax").trainer(make_autoencoder(make), plan)


def native_call(module, rows):
    with jax.enable_x64(rows.dtype == np.float64):
        return np.asarray(module(jnp.asarray(rows)))


def arrays_of(module):
    """Every array that a module holds, random state too."""
    state = nnx.to_flat_state(nnx.state(module))
    values = {str(path): variable.get_value() for path, variable in state}
    return {
        name: np.array(jax.random.key_data(value) if name.endswith("'key')") else value)
        for name, value in values.items()
    }


# What is known of a module.


@pytest.mark.parametrize("make", [Plain, Noisy, Linear])
def test_an_nnx_module_is_one_of_jax(make):
    assert framework_of(make()) == "jax"


def test_the_table_names_arrays_by_their_paths_and_tells_buffers_apart():
    architecture = describe(Noisy)
    assert {parameter.name: parameter.shape for parameter in architecture.trainable} == {
        "inner.bias": (3,),
        "inner.kernel": (6, 3),
        "norm.bias": (6,),
        "norm.scale": (6,),
        "outer.bias": (6,),
        "outer.kernel": (3, 6),
    }
    buffers = {parameter.name for parameter in architecture.parameters if not parameter.trainable}
    assert buffers == {"norm.mean", "norm.var"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_module_starts_from_its_own_values_in_the_network_s_dtype(dtype):
    weights = make_autoencoder(Plain, dtype).weights()
    kernel = np.asarray(Plain().encoder.layers[0].kernel[...])
    assert np.array_equal(weights["encoder.layers.0.kernel"], kernel)
    assert {array.dtype for array in weights.values()} == {np.dtype(dtype)}


REFUSED = {
    Pair: "returns a tuple: it must return the reconstruction alone",
    Narrow: r"returns shape \(2, 4\) for rows of shape \(2, 6\)",
    Failing: r"fails on rows of shape \(2, 6\): no rows today",
    Unseeded: r"fails in training, on rows of shape \(2, 6\): .*no `rngs` argument",
    Unlearning: "no parameters that can be trained",
    Keyed: "key holds whole numbers too large for float32",
    Complex: "phase is complex64: all arrays must be real",
    Nested: "both holds a tuple: a variable must hold one array",
}


@pytest.mark.parametrize("make", REFUSED)
def test_a_module_that_cannot_be_used_is_refused_with_the_reason(make):
    with pytest.raises(ArchitectureError, match=REFUSED[make]):
        describe(make, "float32")


def test_what_is_done_to_a_module_later_does_not_reach_the_network():
    module = Linear()
    architecture = get_backend("jax").describe(module, (6,), "float64")
    del module.linear
    weights = initial_weights(architecture, 0)
    autoencoder = get_backend("jax").autoencoder(
        architecture, weights, dtype="float64", device="cpu"
    )
    expected = X @ weights["linear.kernel"] + weights["linear.bias"]
    assert autoencoder.reconstruct(X) == pytest.approx(expected, rel=1e-12)


def test_a_linen_module_is_refused_with_what_to_do():
    linen = pytest.importorskip("flax.linen")
    module = linen.Dense(6)
    assert framework_of(module) == "jax"
    with pytest.raises(ArchitectureError, match="ToNNX"):
        get_backend("jax").describe(module, (6,), "float32")


def test_a_linen_module_that_was_wrapped_is_taken():
    linen = pytest.importorskip("flax.linen")

    def wrapped():
        return nnx.bridge.ToNNX(linen.Dense(6), rngs=nnx.Rngs(0)).lazy_init(jnp.ones((2, 6)))

    autoencoder = make_autoencoder(wrapped)
    weights = autoencoder.weights()
    assert autoencoder.reconstruct(X) == pytest.approx(X @ weights["kernel"] + weights["bias"])


# Scoring.


def test_submodules_encoder_and_decoder_give_the_latents():
    autoencoder = make_autoencoder(Plain)
    latents = autoencoder.encode(X)
    assert latents.shape == (27, 3)
    assert autoencoder.decode(latents) == pytest.approx(autoencoder.reconstruct(X), rel=1e-12)


def test_methods_encode_and_decode_give_the_latents():
    autoencoder = make_autoencoder(Methods)
    latents = autoencoder.encode(X)
    assert latents.shape == (27, 2)
    assert np.array_equal(autoencoder.decode(latents), np.tile(latents, 3))


@pytest.mark.parametrize("make", [Linear, OtherEncode])
def test_a_module_without_usable_latents_says_how_to_have_some(make):
    with pytest.raises(UnsupportedError, match="methods `encode` and `decode`"):
        make_autoencoder(make).encode(X)


def test_the_native_module_is_the_user_s_set_to_score():
    autoencoder = make_autoencoder(Noisy, "float32")
    native, rows = autoencoder.native(), X.astype("float32")
    assert type(native) is Noisy
    assert relative_difference(native_call(native, rows), autoencoder.reconstruct(rows)) < 1e-6


def test_a_row_s_score_does_not_depend_on_the_rows_beside_it():
    trainer = make_module_trainer(Noisy)
    train(trainer, X)
    errors = trainer.autoencoder.errors(X, Loss())
    assert trainer.autoencoder.errors(X[:2], Loss()) == pytest.approx(errors[:2], rel=1e-12)


def test_penalties_are_zero_and_the_raw_output_is_the_reconstruction():
    autoencoder = make_autoencoder(Plain)
    assert np.array_equal(autoencoder.penalties(X), np.zeros(27))
    assert np.array_equal(autoencoder.raw_output(X), autoencoder.reconstruct(X))


# Training.


def test_our_own_network_written_as_a_module_ends_with_the_same_scores():
    ours = make_trainer(get_backend("jax"), NETWORK, epochs=4, batch_size=9, learning_rate=0.01)
    same = make_module_trainer(Plain, epochs=4, learning_rate=0.01)
    weights = initial_weights(NETWORK, 0)
    renamed = {name.replace("r.", "r.layers."): array for name, array in weights.items()}
    same.autoencoder.load_weights(renamed)
    histories = [trainer.fit(Block(X), Block(X[:9])) for trainer in (ours, same)]
    scores = [trainer.autoencoder.errors(X, Loss()) for trainer in (ours, same)]
    assert score_difference(scores[1], scores[0]) < 1e-8
    assert histories[1].loss == pytest.approx(histories[0].loss, rel=1e-8)
    assert histories[1].validation_loss == pytest.approx(histories[0].validation_loss, rel=1e-8)


def test_gradients_are_those_of_flax_in_training_mode():
    trainer = make_module_trainer(Normed)
    row_weights = np.linspace(0.5, 2, 27)
    schedules = trainer.plan.schedules(0, 1)
    loss, gradients = trainer.gradients(Block(X), row_weights, schedules)

    def weighted_sum(module):
        return (((module(X) - X) ** 2).mean(1) * row_weights).sum()

    with jax.enable_x64(True):
        module = trainer.autoencoder.native()
        module.train()
        value, expected = nnx.value_and_grad(weighted_sum)(module)
    expected = {".".join(path): leaf[...] for path, leaf in nnx.to_flat_state(expected)}
    assert list(gradients) == list(expected)
    assert float(loss.total) == pytest.approx(float(value), rel=1e-12)
    for name, gradient in gradients.items():
        assert gradient == pytest.approx(np.asarray(expected[name]), rel=1e-10, abs=1e-14)


def test_gradients_change_nothing_and_come_out_the_same_again():
    trainer = make_module_trainer(Noisy)
    weights = trainer.autoencoder.weights()
    arguments = Block(X), np.ones(27), trainer.plan.schedules(0, 1)
    _, first = trainer.gradients(*arguments)
    _, second = trainer.gradients(*arguments)
    assert same_bits(first, second)
    assert same_bits(trainer.autoencoder.weights(), weights)


def test_evaluation_changes_nothing_and_uses_no_noise():
    trainer = make_module_trainer(Noisy)
    weights = trainer.autoencoder.weights()
    loss = trainer.evaluate(trainer.place(Block(X)), trainer.plan.schedules(0, 1))
    assert loss.mean() == pytest.approx(trainer.autoencoder.errors(X, Loss()).mean(), rel=1e-12)
    assert same_bits(trainer.autoencoder.weights(), weights)


def test_a_short_last_batch_is_not_filled_up():
    trainer = make_module_trainer(Noisy, epochs=1, shuffle=False)
    trainer.fit(Block(X[:11]))
    mean, variance = np.zeros(6), np.ones(6)
    for batch in (X[:9], X[9:11]):
        mean = 0.9 * mean + 0.1 * batch.mean(0)
        variance = 0.9 * variance + 0.1 * batch.var(0)
    weights = trainer.autoencoder.weights()
    assert weights["norm.mean"] == pytest.approx(mean, rel=1e-12)
    assert weights["norm.var"] == pytest.approx(variance, rel=1e-12)


def first_loss(*, seed=0, first_step=0):
    """Loss of a single step on the same rows, whatever the seed."""
    trainer = make_module_trainer(Noisy, seed=seed)
    order, row_weight = np.arange(9, dtype=np.int32)[None], np.ones((1, 9))
    schedules = trainer.plan.schedules(first_step, 1)
    segment = Segment(first_step, 1, order, row_weight, schedules)
    return trainer.run_steps(trainer.place(Block(X)), segment).mean()


def test_the_same_step_of_the_same_seed_draws_the_same_numbers():
    assert first_loss(seed=1, first_step=2) == first_loss(seed=1, first_step=2)


def test_every_seed_draws_other_numbers():
    assert first_loss(seed=0) != first_loss(seed=1)


def test_every_step_draws_other_numbers():
    assert first_loss(first_step=0) != first_loss(first_step=1)


def test_the_same_training_twice_gives_the_same_bits():
    first, again = (train(make_module_trainer(Noisy), X, epochs=2) for _ in range(2))
    assert same_bits(first, again)


def test_each_stream_of_random_numbers_is_its_own():
    trainer = make_module_trainer(Twice)
    rows = np.ones((27, 6))
    loss, _ = trainer.gradients(Block(rows), np.ones(27), trainer.plan.schedules(0, 1))
    # With equal masks the output would be 0 everywhere, and the loss 1.
    assert loss.mean() > 1.5


def test_a_segment_cut_into_its_steps_gives_the_same_bits():
    results = []
    for parts in ([slice(0, 3)], [slice(step, step + 1) for step in range(3)]):
        trainer = make_module_trainer(Noisy)
        placed = trainer.place(Block(X))
        order = np.arange(27, dtype=np.int32).reshape(3, 9)
        for part in parts:
            steps = part.stop - part.start
            schedules = trainer.plan.schedules(part.start, steps)
            trainer.run_steps(
                placed,
                Segment(part.start, steps, order[part], np.ones((steps, 9)), schedules),
            )
        results.append(trainer.autoencoder.weights())
    assert same_bits(*results)


def test_a_state_brings_buffers_and_moments_back():
    trainer = make_module_trainer(Noisy)
    train(trainer, X)
    state, other = trainer.state(), make_module_trainer(Noisy)
    other.load_state(state)
    assert same_bits(train(other, X), train(trainer, X))


def test_a_snapshot_keeps_the_buffers():
    trainer = make_module_trainer(Noisy)
    train(trainer, X)
    weights, token = trainer.autoencoder.weights(), trainer.snapshot()
    train(trainer, X)
    trainer.restore(token)
    assert same_bits(trainer.autoencoder.weights(), weights)


def test_applied_gradients_leave_the_buffers_alone():
    trainer = make_module_trainer(Noisy)
    before = trainer.autoencoder.weights()
    gradients = {
        parameter.name: np.ones(parameter.shape)
        for parameter in trainer.autoencoder.architecture.trainable
    }
    trainer.apply(gradients, trainer.plan.schedules(0, 1))
    after = trainer.autoencoder.weights()
    assert np.array_equal(after["norm.var"], before["norm.var"])
    assert after["outer.bias"] == pytest.approx(before["outer.bias"] - 1e-3, rel=1e-6)


def test_the_native_module_is_live():
    trainer = make_module_trainer(Noisy)
    native = trainer.autoencoder.native()
    train(trainer, X)
    assert native_call(native, X) == pytest.approx(trainer.autoencoder.reconstruct(X), rel=1e-12)


def test_tied_weights_are_one_array_and_stay_tied():
    trainer = make_module_trainer(Tied)
    weights = train(trainer, X)
    assert set(weights) == {"linear.kernel", "linear.bias"}
    expected = (X @ weights["linear.kernel"] + weights["linear.bias"]) @ weights["linear.kernel"].T
    assert trainer.autoencoder.reconstruct(X) == pytest.approx(expected, rel=1e-10)


def test_whole_numbers_are_floats_outside_and_themselves_inside():
    trainer = make_module_trainer(Counting)
    weights = train(trainer, X)
    assert (weights["steps"].dtype, weights["steps"].shape) == (np.float64, ())
    assert weights["steps"] == 3
    assert trainer.autoencoder.native().steps.dtype == np.int32


def test_arrays_that_no_variable_holds_are_buffers_too():
    trainer = make_module_trainer(Counting)
    weights = {**trainer.autoencoder.weights(), "factors": np.full(6, 2.0)}
    trainer.autoencoder.load_weights(weights)
    expected = 2 * X @ weights["linear.kernel"]
    assert trainer.autoencoder.reconstruct(X) == pytest.approx(expected, rel=1e-12)
    assert np.array_equal(trainer.autoencoder.weights()["factors"], np.full(6, 2.0))


# The detector.


class Fitted(NamedTuple):
    """A detector that was fitted with a module, and what was there before."""

    detector: AnomalyDetector
    module: Noisy
    arrays: dict
    numpy_state: np.ndarray


@pytest.fixture(scope="module")
def fitted():
    module = Noisy()
    before = arrays_of(module), np.random.get_state()[1].copy()  # noqa: NPY002
    detector = AnomalyDetector(
        architecture=module, epochs=3, batch_size=16, dtype="float64", random_state=0
    )
    return Fitted(detector.fit(normal_rows(100)), module, *before)


@pytest.fixture
def detector(fitted):
    return fitted.detector


def test_a_detector_trains_scores_explains_and_calibrates_with_a_module(detector):
    odd = np.concatenate([X[:3], np.full((1, 6), 30.0)])
    assert detector.backend_ == "jax"
    assert detector.anomaly_score(odd).argmax() == 3
    assert detector.is_anomaly(odd)[3]
    explanation = detector.explain(odd)
    assert explanation.contribution.sum(1) == pytest.approx(detector.anomaly_score(odd))
    calibrated = detector.model_.calibrate(normal_rows(50, seed=3))
    assert calibrated.threshold.value != detector.threshold_


def test_the_user_s_module_is_not_changed(fitted):
    assert same_bits(arrays_of(fitted.module), fitted.arrays)
    assert fitted.module.dropout.deterministic is False
    assert fitted.module.norm.use_running_average is False


def test_the_global_random_state_and_precision_are_not_changed(fitted):
    assert np.array_equal(fitted.numpy_state, np.random.get_state()[1])  # noqa: NPY002
    assert jnp.ones(1).dtype == np.float32


def test_a_saved_model_scores_the_same_with_the_module_made_again(detector, tmp_path):
    path = tmp_path / "model.aeanom"
    detector.save(path)
    loaded = aeanom.load(path, module=Noisy())
    assert np.array_equal(loaded.anomaly_score(X), detector.anomaly_score(X))


def test_a_saved_model_cannot_be_loaded_without_its_module(detector, tmp_path):
    path = tmp_path / "model.aeanom"
    detector.save(path)
    with pytest.raises(ModelFileError, match=r"load\(path, module="):
        aeanom.load(path)


def test_a_saved_model_refuses_another_module_and_names_the_arrays(detector, tmp_path):
    path = tmp_path / "model.aeanom"
    detector.save(path)
    with pytest.raises(ModelFileError, match=r"these arrays differ: inner\.bias, inner\.kernel"):
        aeanom.load(path, module=Linear())


def test_no_other_backend_runs_a_module(detector):
    with pytest.raises(UnsupportedError, match="cannot run a jax module"):
        detector.model_.with_backend("numpy")


def test_a_pickled_detector_scores_the_same(detector):
    again = pickle.loads(pickle.dumps(detector))
    assert np.array_equal(again.anomaly_score(X), detector.anomaly_score(X))


def test_a_cloned_detector_has_a_module_of_its_own_with_the_same_arrays(fitted):
    cloned = clone(fitted.detector).architecture
    assert cloned is not fitted.module
    assert same_bits(arrays_of(cloned), fitted.arrays)
