"""A user's own `tf.Module` or Keras model, against plain loops and against our own networks."""

import os
import pickle
import random
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from support import (
    NETWORK,
    SCHEDULES,
    largest_difference,
    normal_rows,
    relative_difference,
    same_bits,
    score_difference,
    segment,
    train,
)

from aeanom import AnomalyDetector, load
from aeanom.core import Block, Loss, TrainingPlan, get_backend, initial_weights
from aeanom.core.batches import epoch_batches
from aeanom.core.modules import framework_of
from aeanom.errors import ArchitectureError, ModelFileError, UnsupportedError

tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed here")
# Which fixes Keras' backend for the whole process; nothing else in the tests uses Keras.
os.environ["KERAS_BACKEND"] = "tensorflow"
keras = pytest.importorskip("keras", reason="keras is not installed here")

ROWS = normal_rows(42)


def drawn(*shape):
    return np.random.default_rng(shape).normal(size=shape) / shape[0]


class Plain(tf.Module):
    """The same network as `support.NETWORK`."""

    def __init__(self):
        super().__init__()
        weights = initial_weights(NETWORK, 0)
        arrays = [tf.Variable(array) for array in weights.values()]
        self.layers = [arrays[start : start + 2] for start in range(0, 8, 2)]

    def encode(self, x):
        return self.affine(1, tf.tanh(self.affine(0, x)))

    def decode(self, z):
        return self.affine(3, tf.tanh(self.affine(2, z)))

    def affine(self, index, x):
        kernel, bias = self.layers[index]
        return x @ kernel + bias

    def __call__(self, x):
        return self.decode(self.encode(x))


class Rich(tf.Module):
    """Running means, a counter, a constant, a shared variable, and two sources of noise."""

    def __init__(self, noisy=True, dropout=0.1):
        super().__init__()
        self.kernel = tf.Variable(drawn(6, 6).astype("float32"))
        self.tied = {"again": self.kernel}
        self.scale = tf.constant(0.1)
        self.mean = tf.Variable(tf.zeros(6), trainable=False)
        self.calls = tf.Variable(0)
        self.generator = tf.random.Generator.from_seed(7)
        self.noisy, self.dropout = noisy, dropout

    def __call__(self, x, training=False):
        if training:
            self.calls.assign_add(1)
            self.mean.assign(0.9 * self.mean + self.scale * tf.reduce_mean(x, axis=0))
            if self.noisy:
                x *= self.generator.uniform(tf.shape(x), dtype=x.dtype)
                x = tf.nn.dropout(x, self.dropout)
        return tf.tanh(x @ self.kernel) @ tf.transpose(self.tied["again"]) - self.mean


class Returning(tf.Module):
    """Returns whatever a function makes of the rows and a weight."""

    def __init__(self, function):
        super().__init__()
        self.kernel = tf.Variable(drawn(6, 6).astype("float32"))
        self.function = function

    def __call__(self, x):
        return self.function(x, self.kernel)


class Subclass(keras.Model):
    """As most people write one: layers in `__init__`, and no configuration."""

    def __init__(self, rate):
        super().__init__()
        self.middle = [keras.layers.BatchNormalization(momentum=0.9), keras.layers.Dropout(rate)]
        self.last = keras.layers.Dense(6)

    def call(self, x, training=False):
        for layer in self.middle:
            x = layer(x, training=training)
        return self.last(x)


def rich_keras(rate=0.3):
    model = Subclass(rate)
    model(tf.zeros((1, 6)))
    model.set_weights([drawn(9, *array.shape)[0] ** 2 for array in model.get_weights()])
    return model


def halves():
    """Named layers, not built: the first rows decide."""
    encoder = keras.Sequential([keras.layers.Dense(2)], name="encoder")
    decoder = keras.Sequential([keras.layers.Dense(6)], name="decoder")
    return keras.Sequential([encoder, decoder])


def functional(shape=(6,)):
    """A layer that is used twice, a `Lambda`, and a skip."""
    inputs = keras.Input(shape)
    layer = keras.layers.Dense(*shape)
    x = keras.layers.Lambda(lambda x: 0.5 * x)(layer(inputs))
    return keras.Model(inputs, layer(x) + inputs)


def describe(module, dtype="float64", input_shape=(6,)):
    return get_backend("tensorflow").describe(module, input_shape, dtype)


def make_autoencoder(module, dtype="float64"):
    architecture = describe(module, dtype)
    weights = initial_weights(architecture, 0, dtype)
    return get_backend("tensorflow").autoencoder(architecture, weights, dtype=dtype, device="cpu")


def make_trainer(module, **plan):
    plan = TrainingPlan(**{"batch_size": 8, **plan})
    return get_backend("tensorflow").trainer(make_autoencoder(module), plan)


def fitted(module, rows=ROWS, **settings):
    settings = {"epochs": 2, "random_state": 0, "contamination": 0.1, **settings}
    return AnomalyDetector(architecture=module, **settings).fit(rows)


def arrays_of(module):
    if isinstance(module, keras.layers.Layer):
        return module.get_weights()
    return [variable.numpy() for variable in module.variables]


def in_order(weights):
    return dict(enumerate(weights.values()))


MODULES = {"tf.Module": Rich, "Keras": rich_keras}


@pytest.fixture(params=MODULES)
def make(request):
    """Makes one of the two modules that have buffers and draw random numbers."""
    return MODULES[request.param]


# What is known of a module.


@pytest.mark.parametrize("module", [Rich, rich_keras, halves, functional])
def test_modules_are_known_without_importing_anything(module):
    assert framework_of(module()) == "tensorflow"


def test_the_table_of_a_plain_module_has_the_paths_of_its_attributes():
    table = describe(Rich()).parameters
    assert [(parameter.name, parameter.shape, parameter.trainable) for parameter in table] == [
        ("calls", (), False),
        ("kernel", (6, 6), True),
        ("mean", (6,), False),
    ]
    assert [parameter.name for parameter in describe(Plain()).parameters][:3] == [
        "layers.0.0",
        "layers.0.1",
        "layers.1.0",
    ]


def test_names_of_a_keras_model_do_not_count_what_was_made_before():
    names = [[held.name for held in describe(make()).parameters] for make in (halves, halves)]
    assert names[0] == ["dense/kernel", "dense/bias", "dense/kernel_1", "dense/bias_1"]
    assert names[1] == names[0]


def test_moving_statistics_of_keras_are_buffers():
    table = {held.name: held.trainable for held in describe(rich_keras()).parameters}
    assert table == {
        "batch_normalization/gamma": True,
        "batch_normalization/beta": True,
        "batch_normalization/moving_mean": False,
        "batch_normalization/moving_variance": False,
        "dense/kernel": True,
        "dense/bias": True,
    }


def test_frozen_layers_are_not_trained():
    model = rich_keras()
    model.last.trainable = False
    trainable = [parameter.name for parameter in describe(model).trainable]
    assert trainable == ["batch_normalization/gamma", "batch_normalization/beta"]


class OwnWeights(keras.layers.Layer):
    """Weights of its own, made at once."""

    def __init__(self, size):
        super().__init__()
        self.w = self.add_weight((size, size), name="w")

    def call(self, x):
        return x @ self.w


class BuiltWeights(keras.layers.Layer):
    """Weights of its own, made when it is built."""

    def build(self, input_shape):
        self.w = self.add_weight((input_shape[-1], input_shape[-1]), name="w")

    def call(self, x):
        return x @ self.w


def built_weights():
    layer = BuiltWeights()
    layer.build((None, 6))
    return layer


def fitted_by_keras():
    model = rich_keras()
    model.compile("adam", "mse", run_eagerly=True)
    model.fit(ROWS, ROWS, verbose=0)
    return model


@pytest.mark.parametrize(
    ("module", "dtype"),
    [
        (Rich, "float64"),
        (rich_keras, "float64"),
        (functional, "float32"),
        (functional, "float64"),
        (fitted_by_keras, "float32"),
        (built_weights, "float64"),
        (lambda: OwnWeights(6), "float64"),
    ],
    ids=["tf.Module", "subclass", "same dtype", "functional", "fitted", "built", "at once"],
)
def test_scoring_starts_from_the_module_s_own_values(module, dtype):
    made = module()
    expected = made(ROWS.astype("float32")).numpy()
    autoencoder = make_autoencoder(made, dtype)
    assert autoencoder.reconstruct(ROWS).dtype == dtype
    assert relative_difference(autoencoder.reconstruct(ROWS), expected) < 1e-6
    assert np.array_equal(autoencoder.raw_output(ROWS), autoencoder.reconstruct(ROWS))


@pytest.mark.parametrize("module", [Plain, halves], ids=["methods", "layers by name"])
def test_a_module_that_says_how_has_latents(module):
    autoencoder = make_autoencoder(module())
    latents = autoencoder.encode(ROWS)
    assert latents.shape == (42, 3 if module is Plain else 2)
    assert np.array_equal(autoencoder.decode(latents), autoencoder.reconstruct(ROWS))
    assert not autoencoder.penalties(ROWS).any()


def test_a_module_that_does_not_say_how_has_none():
    with pytest.raises(UnsupportedError, match="methods `encode` and `decode`"):
        make_autoencoder(Rich()).encode(ROWS)


# Training.


def test_the_same_network_as_a_module_gives_the_same_scores():
    settings = {"dtype": "float64", "batch_size": 16, "epochs": 3}
    scores = fitted(Plain(), **settings).anomaly_score(ROWS)
    reference = fitted(NETWORK, backend="numpy", **settings).anomaly_score(ROWS)
    assert score_difference(scores, reference) < 1e-8


def test_training_is_what_a_plain_loop_does():
    # 42 rows: the last batch has 2, which a batch normalisation would see if they were padded.
    plan = TrainingPlan(batch_size=8, epochs=2, seed=1)
    trainer = make_trainer(rich_keras(rate=0.0), **vars(plan))
    model = trainer.autoencoder.native()
    initial = model.get_weights()
    first = second = step = 0
    for epoch in range(plan.epochs):
        order, weights = epoch_batches(42, 8, seed=1, epoch=epoch)
        for batch, weight in zip(order, weights, strict=True):
            rows = tf.constant(ROWS[batch[weight > 0]])
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(model(rows, training=True) - rows))
            gradients = tape.gradient(loss, model.trainable_weights)
            gradient = np.concatenate([part.numpy().ravel() for part in gradients])
            step += 1
            first = 0.9 * first + 0.1 * gradient
            second = 0.999 * second + 0.001 * gradient**2
            root = np.sqrt(second / (1 - 0.999**step)) + plan.optimizer.epsilon
            update = plan.learning_rate * first / (1 - 0.9**step) / root
            for variable in model.trainable_weights:
                size = np.prod(variable.shape)
                variable.assign(variable.numpy() - update[:size].reshape(variable.shape))
                update = update[size:]
    expected = dict(enumerate(model.get_weights()))
    model.set_weights(initial)
    trainer.fit(Block(ROWS))
    assert largest_difference(in_order(trainer.autoencoder.weights()), expected) < 1e-9


def test_gradients_are_the_tape_s_of_the_weighted_loss():
    trainer = make_trainer(rich_keras(rate=0.0))
    model, rows, weights = trainer.autoencoder.native(), tf.constant(ROWS[:7]), np.arange(7.0)
    initial = model.get_weights()
    with tf.GradientTape() as tape:
        losses = tf.reduce_mean(tf.square(model(rows, training=True) - rows), axis=1)
        total = tf.reduce_sum(losses * weights)
    expected = tape.gradient(total, model.trainable_weights)
    model.set_weights(initial)
    loss, gradients = trainer.gradients(Block(ROWS[:7]), weights, SCHEDULES)
    assert float(loss.total) == pytest.approx(float(total), rel=1e-13)
    expected = {index: gradient.numpy() for index, gradient in enumerate(expected)}
    assert largest_difference(in_order(gradients), expected) < 1e-12


def test_sparse_gradients_are_made_dense():
    trainer = make_trainer(Returning(lambda x, w: x * tf.gather(w, 1)))
    gradients = trainer.gradients(Block(ROWS), np.ones(42), SCHEDULES)[1]["kernel"]
    factor = trainer.autoencoder.weights()["kernel"][1]
    expected = np.zeros((6, 6))
    expected[1] = 2 * (factor - 1) * np.square(ROWS).sum(0) / 6
    assert relative_difference(gradients, expected) < 1e-14


def test_gradients_and_scoring_change_nothing(make):
    trainer = make_trainer(make())
    before = trainer.autoencoder.weights()
    block, ones = Block(ROWS), np.ones(len(ROWS))
    first, second = (trainer.gradients(block, ones, SCHEDULES)[1] for _ in range(2))
    trainer.evaluate(trainer.place(block), SCHEDULES)
    trainer.autoencoder.errors(ROWS, Loss())
    if make is rich_keras:
        assert same_bits(first, second)
    assert same_bits(trainer.autoencoder.weights(), before)


def test_one_step_is_the_gradient_of_the_mean_loss_applied():
    trainer, rows = make_trainer(rich_keras(rate=0.0)), ROWS[:8]
    state = trainer.state()
    gradients = trainer.gradients(Block(rows), np.full(8, 1 / 8), SCHEDULES)[1]
    trainer.apply(gradients, SCHEDULES)
    applied = trainer.autoencoder.weights()
    trainer.load_state(state)
    stepped = train(trainer, rows)
    for name in gradients:
        assert relative_difference(applied[name], stepped[name]) < 1e-9


def test_buffers_follow_every_batch_and_the_last_is_as_short_as_it_is():
    trainer = make_trainer(Rich(noisy=False), epochs=1)
    trainer.fit(Block(ROWS))
    weights, expected = trainer.autoencoder.weights(), np.zeros(6)
    order, row_weight = epoch_batches(42, 8, seed=0, epoch=0)
    assert np.count_nonzero(row_weight[-1]) == 2
    for batch, weight in zip(order, row_weight, strict=True):
        expected = 0.9 * expected + np.float64(np.float32(0.1)) * ROWS[batch[weight > 0]].mean(0)
    assert relative_difference(weights["mean"], expected) < 1e-7
    assert weights["calls"] == 6


def test_a_shared_variable_stays_shared():
    native = make_trainer(Rich()).autoencoder.native()
    assert native.tied["again"] is native.kernel


def test_a_module_is_evaluated_as_it_is_scored(make):
    trainer = make_trainer(make())
    evaluated = trainer.evaluate(trainer.place(Block(ROWS)), SCHEDULES)
    scores = trainer.autoencoder.errors(ROWS, Loss())
    expected = np.square(trainer.autoencoder.native()(ROWS).numpy() - ROWS).mean(1)
    assert relative_difference(scores, expected) < 1e-14
    assert evaluated.mean() == pytest.approx(scores.mean(), rel=1e-13)


@pytest.mark.parametrize("module", [lambda: Rich(dropout=0.0), rich_keras], ids=MODULES)
def test_a_segment_split_in_two_gives_the_same_bits(module):
    whole, parts = make_trainer(module()), make_trainer(module())
    weights = train(whole, ROWS[:32])
    placed = parts.place(Block(ROWS[:32]))
    for part in (slice(0, 2), slice(2, 4)):
        parts.run_steps(placed, segment(parts.plan, 32, first_step=parts.step, part=part))
    assert same_bits(parts.autoencoder.weights(), weights)


def test_noise_is_a_function_of_seed_and_step_alone():
    model = keras.Sequential([keras.layers.Dropout(0.5), keras.layers.Dense(6)])
    trainer = make_trainer(model)
    placed, state = trainer.place(Block(ROWS[:8])), trainer.state()

    def stepped(seed, first_step):
        trainer.load_state(state)
        trainer.plan = TrainingPlan(batch_size=8, seed=seed)
        epoch = replace(segment(trainer.plan, 8), first_step=first_step)
        trainer.run_steps(placed, epoch)
        # The first moment is the gradient: not what Adam makes of the number of the step.
        return trainer.state().first_moment

    first = stepped(seed=0, first_step=0)
    assert not same_bits(stepped(seed=0, first_step=1), first)
    assert not same_bits(stepped(seed=1, first_step=0), first)
    assert same_bits(stepped(seed=0, first_step=0), first)
    # Draws shared with NumPy are those of described layers: a module keeps its own.
    shared = replace(segment(trainer.plan, 8), noise={})
    trainer.load_state(state)
    trainer.plan = TrainingPlan(batch_size=8, seed=0, noise="shared")
    trainer.run_steps(placed, shared)
    assert same_bits(trainer.state().first_moment, first)


def test_operators_that_draw_by_themselves_are_the_same_in_every_fit():
    first, second = (train(make_trainer(Rich()), ROWS[:16], epochs=2) for _ in range(2))
    assert same_bits(first, second)


def test_a_model_that_is_not_built_starts_the_same_every_time():
    first, second = (make_autoencoder(halves()).weights() for _ in range(2))
    assert same_bits(first, second)


def test_the_user_s_module_and_all_global_state_are_left_as_they_were(make):
    module = make()
    before, state = arrays_of(module), random.getstate()
    tf.random.set_seed(5)
    expected = tf.random.uniform((3,)).numpy()
    tf.random.set_seed(5)
    trainer = make_trainer(module)
    train(trainer, ROWS[:8])
    trainer.autoencoder.errors(ROWS[:8], Loss())
    assert np.array_equal(tf.random.uniform((3,)).numpy(), expected)
    assert random.getstate() == state
    assert keras.config.dtype_policy().name == "float32"
    for array, old in zip(arrays_of(module), before, strict=True):
        assert array.dtype == old.dtype
        assert np.array_equal(array, old)


def test_the_native_module_is_live():
    trainer = make_trainer(rich_keras())
    native = trainer.autoencoder.native()
    assert isinstance(native, Subclass)
    weights = train(trainer, ROWS[:8])
    assert same_bits(dict(enumerate(native.get_weights())), in_order(weights))
    trainer.restore(trainer.snapshot())
    assert np.array_equal(native(ROWS), trainer.autoencoder.reconstruct(ROWS))


# What is refused.


def with_regularizer():
    return keras.Sequential([keras.layers.Dense(6, kernel_regularizer="l2")])


def with_constraint():
    return keras.Sequential([keras.layers.Dense(6, kernel_constraint="non_neg")])


@pytest.mark.parametrize("make_one", [with_regularizer, with_constraint])
def test_what_the_training_would_leave_out_is_refused(make_one):
    with pytest.raises(UnsupportedError, match="regularizers, constraints or losses"):
        describe(make_one())


def test_keras_on_another_framework_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UnsupportedError, match="KERAS_BACKEND=tensorflow"):
        describe(halves())


ELSEWHERE = tf.Variable(tf.ones((6, 6)))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, w: (x @ w, x), "returns a tuple: it must return the reconstruction alone"),
        (lambda x, w: [x @ w], "returns a ListWrapper|returns a list"),
        (lambda x, w: (x @ w)[:, :4], r"shape \(2, 4\) for rows of shape \(2, 6\)"),
        (lambda x, w: tf.cast(x @ w, "float64"), r"returns float64 for float32"),
        (lambda x, w: x[:, :4] @ w, r"fails on rows of shape \(2, 6\): Dimensions"),
        (lambda x, w: x @ (w * ELSEWHERE), "uses a variable that it does not hold"),
    ],
    ids=["tuple", "list", "fewer features", "other dtype", "fails", "a variable from elsewhere"],
)
def test_a_module_that_does_not_map_rows_to_rows_is_refused(function, message):
    with pytest.raises(ArchitectureError, match=message):
        describe(Returning(function), "float32")


class Lazy(tf.Module):
    """Makes its variable in the first call."""

    kernel = None

    def __call__(self, x):
        if self.kernel is None:
            self.kernel = tf.Variable(tf.ones((6, 6)))
        return x @ self.kernel


class Large(Returning):
    """Holds a number that float32 does not."""

    def __init__(self):
        super().__init__(lambda x, w: x @ w)
        self.number = tf.Variable([2**24 + 1])


class Fixed(Returning):
    """Its one variable is not to be trained."""

    def __init__(self):
        super().__init__(lambda x, w: x @ w)
        self.kernel = tf.Variable(self.kernel, trainable=False)


class Text(Returning):
    """Holds words."""

    def __init__(self):
        super().__init__(lambda x, w: x @ w)
        self.words = tf.Variable("words")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (Lazy, "no parameters"),
        (Fixed, "no parameters that can be trained"),
        (Large, "number holds whole numbers too large for float32"),
        (Text, "words holds string"),
        (lambda: keras.layers.Flatten(), "no parameters"),
        (lambda: functional((5,)), r"cannot be copied and run on rows of shape \(2, 6\)"),
    ],
    ids=["lazy", "all fixed", "large integers", "text", "Keras without", "Keras of other rows"],
)
def test_a_module_that_cannot_be_used_is_refused(module, message):
    with pytest.raises(ArchitectureError, match=message):
        describe(module(), "float32")


def test_another_backend_is_refused(detector):
    with pytest.raises(UnsupportedError, match="cannot run a tensorflow module of your own"):
        fitted(Plain(), backend="numpy")
    with pytest.raises(UnsupportedError, match="cannot run a tensorflow module of your own"):
        detector.model_.with_backend("numpy")


# From the front door to the file and back.

# Keras pickles and copies with a call that NumPy warns of.
keras_copies = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module")
def detector():
    return fitted(functional())


@keras_copies
def test_a_detector_explains_calibrates_and_is_pickled(detector):
    explanation = detector.explain(ROWS[:3])
    assert explanation.contribution.sum(1) == pytest.approx(detector.anomaly_score(ROWS[:3]))
    again = pickle.loads(pickle.dumps(detector)).calibrate(normal_rows(50, seed=1), "conformal")
    assert again.threshold_ != detector.threshold_
    assert np.array_equal(again.anomaly_score(ROWS), detector.anomaly_score(ROWS))


@keras_copies
def test_a_clone_of_a_detector_fits_the_same(detector):
    again = clone(detector).fit(ROWS)
    assert np.array_equal(again.anomaly_score(ROWS), detector.anomaly_score(ROWS))


def test_a_saved_model_needs_the_module_again(detector, tmp_path):
    path = tmp_path / "model.aeanom"
    detector.save(path)
    model = load(path, module=functional())
    assert np.array_equal(model.anomaly_score(ROWS), detector.anomaly_score(ROWS))
    with pytest.raises(ModelFileError, match="tensorflow module of your own"):
        load(path)
    with pytest.raises(ModelFileError, match="these arrays differ: dense/bias, dense/bias_1, "):
        load(path, module=halves())
