"""Steps: Adam against PyTorch's and Optax's own, segments, padding, states, noise, compilations."""

import importlib

import numpy as np
import pytest
from scipy import stats
from support import (
    DROPOUT_NETWORK,
    NETWORK,
    SCHEDULES,
    largest_difference,
    make_trainer,
    normal_rows,
    same_bits,
    segment,
    train,
    unit_rows,
)

from aeanom.architectures import Architecture, dense
from aeanom.architectures.layers import (
    Dense,
    Dropout,
    GaussianLatent,
    InputNoise,
)
from aeanom.core import Adam, Block, Loss, Segment, initial_weights

RNG = np.random.default_rng(0)
GRADIENTS = [
    {name: RNG.normal(size=array.shape) for name, array in initial_weights(NETWORK, 0).items()}
    for _ in range(3)
]
RATES = (0.1, 0.05, 0.025)


def apply_all(backend, adam):
    trainer = make_trainer(backend, optimizer=adam)
    for gradients, rate in zip(GRADIENTS, RATES, strict=True):
        trainer.apply(gradients, {"learning_rate": np.array([rate])})
    assert trainer.step == 3
    return trainer.autoencoder.weights()


@pytest.mark.parametrize(
    "adam",
    [Adam(), Adam(weight_decay=0.3), Adam(beta1=0.5, beta2=0.9, epsilon=0.1)],
    ids=["default", "decay", "epsilon"],
)
def test_adam_is_torch_s_adamw(backend, adam):
    torch = pytest.importorskip("torch")
    weights = {
        name: torch.nn.Parameter(torch.tensor(array))
        for name, array in initial_weights(NETWORK, 0).items()
    }
    optimizer = torch.optim.AdamW(
        weights.values(),
        betas=(adam.beta1, adam.beta2),
        eps=adam.epsilon,
        weight_decay=adam.weight_decay,
    )
    for gradients, rate in zip(GRADIENTS, RATES, strict=True):
        optimizer.param_groups[0]["lr"] = rate
        for name, parameter in weights.items():
            parameter.grad = torch.tensor(gradients[name])
        optimizer.step()
    expected = {name: parameter.detach().numpy() for name, parameter in weights.items()}
    assert largest_difference(apply_all(backend, adam), expected) < 1e-13


@pytest.mark.parametrize("clip_norm", [0.5, 1e6], ids=["clipping", "never reached"])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3], ids=["no decay", "decay"])
def test_adam_with_clipping_and_decay_is_optax_s(backend, clip_norm, weight_decay):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    with jax.enable_x64(True):
        weights = {name: jax.numpy.array(w) for name, w in initial_weights(NETWORK, 0).items()}
        steps = iter(RATES)
        chain = optax.chain(
            optax.clip_by_global_norm(clip_norm),
            optax.scale_by_adam(),
            optax.add_decayed_weights(weight_decay),
        )
        state = chain.init(weights)
        for gradients in GRADIENTS:
            rate = next(steps)
            given = {name: jax.numpy.array(gradient) for name, gradient in gradients.items()}
            updates, state = chain.update(given, state, weights)
            weights = {name: weights[name] - rate * updates[name] for name in weights}
        expected = {name: np.asarray(array) for name, array in weights.items()}
    adam = Adam(weight_decay=weight_decay, clip_norm=clip_norm)
    assert largest_difference(apply_all(backend, adam), expected) < 1e-13


def test_the_first_float32_steps_are_as_long_as_they_should_be(backend):
    # 1 - 0.999 ** t, computed in float32, would be off by 1e-5 in the first steps.
    trainer = make_trainer(backend, dtype="float32")
    trainer.autoencoder.load_weights(
        {name: np.zeros_like(array) for name, array in GRADIENTS[0].items()}
    )
    for step in (1, 2, 3):
        trainer.apply(
            {name: np.ones_like(array) for name, array in GRADIENTS[0].items()}, SCHEDULES
        )
        # With a constant gradient both moments, corrected, are 1: each step is the rate itself.
        for array in trainer.autoencoder.weights().values():
            assert array == pytest.approx(-1e-3 * step, rel=1e-6)


def test_clipping_a_gradient_of_zero_does_not_divide_by_it(backend):
    trainer = make_trainer(backend, optimizer=Adam(clip_norm=1.0))
    before = trainer.autoencoder.weights()
    trainer.apply({name: np.zeros_like(array) for name, array in before.items()}, SCHEDULES)
    assert same_bits(trainer.autoencoder.weights(), before)


def test_moments_of_a_unit_that_no_row_reaches_become_zero(backend):
    # Else they stay subnormal for ever, and every operation on them takes many times as long.
    trainer = make_trainer(backend, dense(6, (3,), 2), dtype="float32", batch_size=4)
    state = trainer.state()
    for moments in (state.first_moment, state.second_moment):
        for array in moments.values():
            array.fill(1e-12)
    name = "encoder.0"
    state.weights[f"{name}.bias"][0] = -1e6
    trainer.load_state(state)
    train(trainer, normal_rows(40), epochs=100)
    assert trainer.step == 1000
    first, second = trainer.state().first_moment, trainer.state().second_moment
    assert not first[f"{name}.kernel"][:, 0].any()
    assert first[f"{name}.bias"][0] == 0
    assert first[f"{name}.kernel"][:, 1:].any()
    assert second[f"{name}.kernel"].all()
    # NumPy keeps them without their factors, by which what is subnormal may round to zero.
    kept = np.abs(np.asarray(getattr(trainer, "_first_moment", 0.0)))
    assert not ((kept > 0) & (kept < np.finfo(np.float32).tiny)).any()


def test_applying_gradients_does_not_change_them(backend):
    gradients = {name: gradient.copy() for name, gradient in GRADIENTS[0].items()}
    make_trainer(backend, optimizer=Adam(clip_norm=0.5)).apply(gradients, SCHEDULES)
    assert same_bits(gradients, GRADIENTS[0])


def test_one_step_is_the_gradient_of_the_mean_loss_applied(backend):
    rows = normal_rows(10)
    stepped, applied = (make_trainer(backend, batch_size=10) for _ in range(2))
    train(stepped, rows)
    _, gradients = applied.gradients(Block(rows), np.full(10, 0.1), SCHEDULES)
    applied.apply(gradients, SCHEDULES)
    assert largest_difference(stepped.autoencoder.weights(), applied.autoencoder.weights()) < 1e-12


def test_slots_that_only_fill_a_batch_up_change_nothing(backend):
    rows, schedules = normal_rows(10), {"learning_rate": np.array([0.1])}
    exact, padded = (make_trainer(backend) for _ in range(2))
    order = np.arange(10, dtype=np.int32)
    short = Segment(0, 1, order[None], np.ones((1, 10)), schedules)
    filled = Segment(
        0,
        1,
        np.resize(order, (1, 16)),
        np.repeat([1.0, 0.0], [10, 6])[None],
        schedules,
    )
    sums = [
        trainer.run_steps(trainer.place(Block(rows)), steps)
        for trainer, steps in ((exact, short), (padded, filled))
    ]
    assert largest_difference(padded.autoencoder.weights(), exact.autoencoder.weights()) < 1e-12
    assert sums[0].mean() == pytest.approx(sums[1].mean(), rel=1e-12)
    assert float(sums[1].weight) == 10


@pytest.mark.parametrize("architecture", [NETWORK, DROPOUT_NETWORK], ids=["plain", "dropout"])
def test_where_shapes_are_not_compiled_such_slots_are_not_computed(backend, architecture):
    trainer = make_trainer(backend, architecture)
    if trainer.autoencoder.has_static_shapes:
        pytest.skip(f"{backend.name} computes batches of one size")
    rows = normal_rows(10)
    rows[0] = np.nan
    order = np.array([[1, 2, 3, 4], [5, 6, 0, 0]], np.int32)
    weights = np.array([[1.0, 1, 1, 1], [1, 1, 0, 0]])
    schedules = {"learning_rate": np.array([0.1, 0.1])}
    total = trainer.run_steps(trainer.place(Block(rows)), Segment(0, 2, order, weights, schedules))
    assert np.isfinite(total.mean())
    assert all(np.isfinite(array).all() for array in trainer.autoencoder.weights().values())


@pytest.mark.parametrize("architecture", [NETWORK, DROPOUT_NETWORK], ids=["plain", "dropout"])
def test_a_segment_cut_in_two_ends_in_the_same_bits(backend, architecture):
    rows = normal_rows(40)
    whole, cut = (make_trainer(backend, architecture, batch_size=10) for _ in range(2))
    whole.run_steps(whole.place(Block(rows)), segment(whole.plan, 40))
    placed = cut.place(Block(rows))
    for part in (slice(0, 2), slice(2, 4)):
        cut.run_steps(placed, segment(cut.plan, 40, first_step=part.start, part=part))
    assert cut.step == whole.step == 4
    assert same_bits(cut.autoencoder.weights(), whole.autoencoder.weights())


def test_a_snapshot_survives_training_and_can_be_restored_twice(backend):
    trainer = make_trainer(backend, batch_size=10, learning_rate=0.1)
    before = trainer.autoencoder.weights()
    token = trainer.snapshot()
    for _ in range(2):
        assert not same_bits(train(trainer, normal_rows(40)), before)
        trainer.restore(token)
        assert same_bits(trainer.autoencoder.weights(), before)


def test_training_leaves_rows_targets_and_element_weights_alone(backend):
    arrays = normal_rows(40), normal_rows(40, seed=1), unit_rows(40, seed=2)
    kept = [array.copy() for array in arrays]
    make_trainer(backend, batch_size=10, epochs=1).fit(Block(*arrays), Block(*arrays))
    assert all(np.array_equal(array, copy) for array, copy in zip(arrays, kept, strict=True))


def test_a_state_has_canonical_arrays_and_the_step(backend):
    trainer = make_trainer(backend, batch_size=10)
    train(trainer, normal_rows(40))
    state = trainer.state()
    assert state.step == 4
    for arrays in (state.weights, state.first_moment, state.second_moment):
        assert list(arrays) == [parameter.name for parameter in NETWORK.parameters]
        assert [array.shape for array in arrays.values()] == [p.shape for p in NETWORK.parameters]


def test_a_state_is_a_copy(backend):
    trainer = make_trainer(backend, batch_size=10)
    state = trainer.state()
    train(trainer, normal_rows(40))
    assert same_bits(state.weights, initial_weights(NETWORK, 0))
    assert not any(moment.any() for moment in state.first_moment.values())


def test_training_handed_to_another_framework_goes_on_as_if_nothing_had_happened(
    framework_backend, numpy_backend
):
    rows = normal_rows(40)
    uninterrupted = make_trainer(numpy_backend, batch_size=10, learning_rate=0.05)
    expected = train(uninterrupted, rows, epochs=2)

    first = make_trainer(numpy_backend, batch_size=10, learning_rate=0.05)
    train(first, rows)
    second = make_trainer(framework_backend, batch_size=10, learning_rate=0.05)
    second.load_state(first.state())
    steps = segment(second.plan, 40, epoch=1, first_step=second.step)
    second.run_steps(second.place(Block(rows)), steps)
    assert largest_difference(second.autoencoder.weights(), expected) < 1e-10

    third = make_trainer(numpy_backend)
    third.load_state(second.state())
    assert third.step == 8
    for mine, theirs in (
        (third.state().first_moment, uninterrupted.state().first_moment),
        (third.state().second_moment, uninterrupted.state().second_moment),
    ):
        assert largest_difference(mine, theirs) < 1e-10


# Noise.


def test_shared_noise_makes_dropout_the_same_in_all_backends(framework_backend, numpy_backend):
    weights = []
    for backend in (framework_backend, numpy_backend):
        trainer = make_trainer(
            backend, DROPOUT_NETWORK, batch_size=10, epochs=2, noise="shared", learning_rate=0.05
        )
        trainer.fit(Block(normal_rows(40)))
        weights.append(trainer.autoencoder.weights())
    assert largest_difference(*weights) < 1e-10


def test_dropout_changes_what_is_learnt(backend):
    plain, dropped = (
        make_trainer(backend, architecture, batch_size=10, learning_rate=0.05)
        for architecture in (NETWORK, DROPOUT_NETWORK)
    )
    changed = zip(
        train(plain, normal_rows(40)).values(),
        train(dropped, normal_rows(40)).values(),
        strict=True,
    )
    assert max(np.abs(a - b).max() for a, b in changed) > 1e-3


@pytest.mark.parametrize("seed", [0, 2**31, 2**32 - 1, 2**63, 2**100])
def test_every_seed_works_and_dropout_repeats_with_it(backend, seed):
    runs = [
        train(make_trainer(backend, DROPOUT_NETWORK, batch_size=10, seed=seed), normal_rows(40))
        for _ in range(2)
    ]
    assert same_bits(*runs)


def test_native_dropout_differs_with_the_seed(backend):
    runs = []
    for seed in (0, 1):
        trainer = make_trainer(backend, DROPOUT_NETWORK, batch_size=40, seed=seed)
        order = np.arange(40, dtype=np.int32)[None]
        steps = Segment(0, 1, order, np.ones((1, 40)), {"learning_rate": np.array([0.1])})
        trainer.run_steps(trainer.place(Block(normal_rows(40))), steps)
        runs.append(trainer.autoencoder.weights())
    assert not same_bits(*runs)


def native_draws(name, architecture, batch):
    """What the framework's own generator draws in two steps."""
    draw_noise = importlib.import_module(f"aeanom.backends.{name}.network").draw_noise
    if name == "torch":
        import torch

        draw = lambda step: draw_noise(architecture, 0, step, batch, torch.float32, "cpu")  # noqa: E731
    elif name == "jax":
        import jax

        key, dtype = jax.random.key(0), jax.numpy.float32
        draw = lambda step: draw_noise(architecture, key, np.int32(step), batch, dtype)  # noqa: E731
    else:
        import tensorflow as tf

        seed, dtype = tf.constant(0), tf.float32
        draw = lambda step: draw_noise(architecture, seed, tf.constant(step), batch, dtype)  # noqa: E731
    return [{site: np.asarray(u) for site, u in draw(step).items()} for step in (0, 1)]


def test_native_draws_are_uniform_or_normal_and_differ_by_step_and_layer(framework_backend):
    layers = (Dropout(0.25), Dense(30), Dropout(0.5), GaussianLatent(30))
    architecture = Architecture((30,), layers, (InputNoise(), Dense(30)))
    steps = native_draws(framework_backend.name, architecture, 400)
    assert len({draws.tobytes() for step in steps for draws in step.values()}) == 8
    for step in steps:
        for site, (distribution, shape) in architecture.draws.items():
            assert step[site].shape == (400, *shape)
            cumulative = {"uniform": "uniform", "normal": "norm"}[distribution]
            assert stats.kstest(step[site].ravel(), cumulative).pvalue > 0.001


# Compilation.


def test_rows_put_in_order_before_the_steps_train_as_rows_gathered_in_each(
    compiled_backend, monkeypatch
):
    def weights(delta):
        # `delta` means nothing to this loss, but what is compiled for another is not used again.
        loss = Loss("mse", delta=delta)
        trainer = make_trainer(compiled_backend, loss=loss, batch_size=7, epochs=2)
        trainer.fit(Block(unit_rows(50), unit_rows(50, seed=1), unit_rows(50, seed=2)))
        return trainer.autoencoder.weights()

    ahead = weights(3.0)
    monkeypatch.setattr("aeanom.core.compiled.ELEMENTS_AHEAD", 0)
    assert largest_difference(weights(4.0), ahead) <= 1e-12


@pytest.fixture
def count_traces(monkeypatch):
    """Count how often Python goes through a network: once it is compiled, never again."""

    def start(backend):
        network = importlib.import_module(f"aeanom.backends.{backend.name}.network").Network
        calls = []
        output = network.output

        def counted(self, *arguments, **settings):
            calls.append(1)
            return output(self, *arguments, **settings)

        monkeypatch.setattr(network, "output", counted)
        return calls

    return start


def test_another_fit_on_nearly_as_many_rows_compiles_nothing(compiled_backend, count_traces):
    def fit(n):
        trainer = make_trainer(compiled_backend, seed=n, epochs=2, batch_size=32)
        trainer.fit(Block(normal_rows(n, seed=n)), Block(normal_rows(n // 4, seed=n)))

    fit(600)
    calls = count_traces(compiled_backend)
    for n in (601, 610, 638):
        fit(n)
    assert calls == []


def test_scoring_another_number_of_rows_of_one_bucket_compiles_nothing(
    compiled_backend, count_traces
):
    from aeanom.core import Loss

    autoencoder = make_trainer(compiled_backend).autoencoder
    autoencoder.errors(normal_rows(100), Loss())
    calls = count_traces(compiled_backend)
    for n in (65, 99, 256):
        autoencoder.errors(normal_rows(n), Loss())
    assert calls == []


def test_the_count_of_traces_sees_a_compilation_when_there_is_one(compiled_backend, count_traces):
    calls = count_traces(compiled_backend)
    make_trainer(compiled_backend, dense(6, (5,), 3, activation="elu"), epochs=1).fit(
        Block(normal_rows(24))
    )
    assert calls
