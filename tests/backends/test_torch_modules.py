"""A user's own `torch.nn.Module`, against plain loops of torch and against our own networks."""

import pickle
import warnings

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
from typer.testing import CliRunner

from aeanom import AnomalyDetector, load
from aeanom.cli.main import app
from aeanom.core import Adam, Block, Loss, TrainingPlan, get_backend, initial_weights
from aeanom.core.batches import epoch_batches
from aeanom.core.losses import elementwise_loss
from aeanom.core.modules import framework_of
from aeanom.errors import (
    ArchitectureError,
    InvalidParameterError,
    ModelFileError,
    UnsupportedError,
)

torch = pytest.importorskip("torch", reason="torch is not installed here")
nn = torch.nn
functional = nn.functional

ROWS = normal_rows(120)


def seeded(make):
    """A module whose weights are the same every time, and nothing else's random numbers moved."""
    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        return make()


def plain_module():
    return seeded(lambda: nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 6)))


def rich_module(dropout=0.3):
    """Running statistics, an integer counter, dropout, and an operation in place."""
    return seeded(
        lambda: nn.Sequential(
            nn.Linear(6, 8, bias=False),
            nn.BatchNorm1d(8),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(8, 6),
        )
    )


class Halves(nn.Module):
    """Encoder and decoder as submodules."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 2)
        self.decoder = nn.Linear(2, 6)

    def forward(self, x):
        return self.decoder(self.encoder(x))


class Methods(nn.Module):
    """Encoder and decoder as methods, with a latent of two axes."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(6, 4)
        self.second = nn.Linear(4, 6)

    def encode(self, x):
        return self.first(x).reshape(-1, 2, 2)

    def decode(self, z):
        return self.second(z.reshape(-1, 4))

    def forward(self, x):
        return self.decode(self.encode(x))


class Returning(nn.Module):
    """Returns whatever a function makes of the rows and the weights."""

    def __init__(self, function):
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.function = function

    def forward(self, x):
        return self.function(x, self.linear)


class Noisy(nn.Module):
    """Draws in every pass, as a variational autoencoder may do."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)

    def forward(self, x):
        return self.linear(x + 0.5 * torch.randn_like(x))


def make_autoencoder(module, dtype="float64", input_shape=(6,)):
    backend = get_backend("torch")
    architecture = backend.describe(module, input_shape, dtype)
    weights = initial_weights(architecture, 0, dtype)
    return backend.autoencoder(architecture, weights, dtype=dtype, device="cpu")


def make_trainer(module, input_shape=(6,), **plan):
    plan = TrainingPlan(**{"batch_size": 8, "epochs": 3, **plan})
    autoencoder = make_autoencoder(module, input_shape=input_shape)
    return get_backend("torch").trainer(autoencoder, plan)


def fitted(module, **settings):
    return AnomalyDetector(architecture=module, **{"epochs": 3, "random_state": 0, **settings}).fit(
        ROWS
    )


def arrays_of(module):
    """Parameters and buffers by name, in the order of the parameter table, as floats."""
    arrays = [*module.named_parameters(), *module.named_buffers()]
    return {name: array.detach().double().numpy().copy() for name, array in arrays}


def describe(module, input_shape=(6,), dtype="float64"):
    return get_backend("torch").describe(module, input_shape, dtype)


# What is known of a module.


def test_a_module_of_torch_is_known_as_such():
    assert framework_of(rich_module()) == "torch"
    assert framework_of(torch.zeros(1)) is None


def test_the_table_has_torch_s_names_and_shapes_and_tells_buffers_apart():
    table = describe(rich_module()).parameters
    assert [(parameter.name, parameter.shape, parameter.trainable) for parameter in table] == [
        ("0.weight", (8, 6), True),
        ("1.weight", (8,), True),
        ("1.bias", (8,), True),
        ("4.weight", (6, 8), True),
        ("4.bias", (6,), True),
        ("1.running_mean", (8,), False),
        ("1.running_var", (8,), False),
        ("1.num_batches_tracked", (), False),
    ]


def test_the_start_is_the_module_s_own_weights():
    module = rich_module()
    module(torch.randn(9, 6, generator=torch.Generator().manual_seed(0)))
    assert same_bits(make_autoencoder(module).weights(), arrays_of(module))


def test_a_description_keeps_nothing_of_the_user_s_object():
    module = plain_module()
    autoencoder = make_autoencoder(module)
    before = autoencoder.reconstruct(ROWS)
    with torch.no_grad():
        module[0].weight.zero_()
    module[1] = nn.ReLU()
    architecture = autoencoder.architecture
    again = get_backend("torch").autoencoder(
        architecture, initial_weights(architecture, 0), dtype="float64", device="cpu"
    )
    assert np.array_equal(again.reconstruct(ROWS), before)


def test_two_networks_of_one_description_share_nothing():
    trainer = make_trainer(rich_module())
    architecture, weights = trainer.autoencoder.architecture, trainer.autoencoder.weights()
    other = get_backend("torch").autoencoder(architecture, weights, dtype="float64", device="cpu")
    other.load_weights({name: 0 * array for name, array in weights.items()})
    assert same_bits(train(trainer, ROWS), train(make_trainer(rich_module()), ROWS))
    assert not other.reconstruct(ROWS).any()


# Scoring.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_reconstructions_are_the_module_s_in_eval_mode(dtype):
    module = rich_module().to(getattr(torch, dtype))
    module(torch.randn(9, 6, generator=torch.Generator().manual_seed(0)).to(module[0].weight))
    rows = ROWS.astype(dtype)
    with torch.no_grad():
        expected = module.eval()(torch.tensor(rows)).numpy()
    autoencoder = make_autoencoder(module.train(), dtype)
    assert autoencoder.reconstruct(rows).dtype == dtype
    assert np.array_equal(autoencoder.reconstruct(rows), expected)
    assert np.array_equal(autoencoder.raw_output(rows), expected)


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_errors_are_the_mean_losses_of_the_rows(name):
    autoencoder = make_autoencoder(rich_module())
    output = autoencoder.reconstruct(ROWS)
    expected = elementwise_loss(Loss(name), output, ROWS).mean(1)
    assert relative_difference(autoencoder.errors(ROWS, Loss(name)), expected) < 1e-15
    assert not autoencoder.penalties(ROWS).any()


def test_a_module_that_works_in_place_spoils_no_rows():
    autoencoder = make_autoencoder(seeded(lambda: nn.Sequential(nn.ReLU(inplace=True), Halves())))
    rows = ROWS.copy()
    errors = autoencoder.errors(rows, Loss())
    expected = np.square(autoencoder.reconstruct(rows) - ROWS).mean(1)
    assert np.array_equal(rows, ROWS)
    assert relative_difference(errors, expected) < 1e-15


@pytest.mark.parametrize("module", [Halves, Methods], ids=["submodules", "methods"])
def test_a_module_that_says_how_has_latents(module):
    made = seeded(module)
    detector = fitted(made, scaler=None, dtype="float64")
    latents = detector.encode(ROWS)
    assert latents.shape[1:] == {Halves: (2,), Methods: (2, 2)}[module]
    assert np.array_equal(detector.decode(latents), detector.reconstruct(ROWS))


def test_a_module_that_does_not_say_how_has_none():
    with pytest.raises(UnsupportedError, match="methods `encode` and `decode`"):
        fitted(plain_module()).encode(ROWS)


def test_halves_that_do_not_make_up_rows_are_no_latents():
    class Variational(Halves):
        def encode(self, x):
            return self.encoder(x), self.encoder(x)

    assert describe(seeded(Variational)).latent is None


# Training.


def plain_loop(module, rows, plan):
    """What one would write in torch: its own Adam, the rows in the plan's order."""
    optimizer = torch.optim.Adam(module.parameters(), lr=plan.learning_rate)
    losses = []
    for epoch in range(plan.epochs):
        order, weights = epoch_batches(len(rows), plan.batch_size, seed=plan.seed, epoch=epoch)
        total = 0.0
        for batch, weight in zip(order, weights, strict=True):
            x = torch.tensor(rows[batch[weight > 0]])
            optimizer.zero_grad()
            loss = functional.mse_loss(module(x), x)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        losses.append(total / len(rows))
    return losses


def test_training_is_what_a_plain_loop_does():
    # 42 rows: the last batch has 2, which a batch normalisation would see if they were padded.
    plan = TrainingPlan(batch_size=8, epochs=3, learning_rate=0.01, seed=1)
    module = rich_module(dropout=0.0).double()
    expected = plain_loop(module, ROWS[:42], plan)
    trainer = get_backend("torch").trainer(make_autoencoder(rich_module(dropout=0.0)), plan)
    history = trainer.fit(Block(ROWS[:42]))
    assert history.loss == pytest.approx(expected, rel=1e-10)
    weights, reference = trainer.autoencoder.weights(), arrays_of(module)
    assert weights.pop("1.num_batches_tracked") == reference.pop("1.num_batches_tracked") == 18
    assert largest_difference(weights, reference) < 1e-9


def test_the_same_network_as_a_module_gives_the_same_scores():
    weights = initial_weights(NETWORK, 0)
    module = nn.Sequential(
        nn.Linear(6, 5),
        nn.Tanh(),
        nn.Linear(5, 3),
        nn.Linear(3, 5),
        nn.Tanh(),
        nn.Linear(5, 6),
    ).double()
    with torch.no_grad():
        for parameter, array in zip(module.parameters(), weights.values(), strict=True):
            parameter.copy_(torch.tensor(array.T))
    settings = {"dtype": "float64", "batch_size": 32, "optimizer": Adam(clip_norm=0.5)}
    scores = fitted(module, **settings).anomaly_score(ROWS)
    reference = fitted(NETWORK, backend="numpy", **settings).anomaly_score(ROWS)
    assert score_difference(scores, reference) < 1e-8


@pytest.mark.parametrize("name", ["mse", "mae", "huber"])
def test_gradients_are_autograd_s_of_the_weighted_loss(name):
    module, rows = rich_module(dropout=0.0).double(), torch.tensor(ROWS[:7])
    weights = torch.arange(7, dtype=torch.float64)
    elements = {
        "mse": functional.mse_loss,
        "mae": functional.l1_loss,
        "huber": functional.huber_loss,
    }[name](module(rows), rows, reduction="none")
    total = (elements.mean(1) * weights).sum()
    total.backward()
    expected = {name: array.grad.numpy() for name, array in module.named_parameters()}
    trainer = make_trainer(rich_module(dropout=0.0), loss=Loss(name))
    loss, gradients = trainer.gradients(Block(ROWS[:7]), weights.numpy(), SCHEDULES)
    assert float(loss.total) == pytest.approx(total.item(), rel=1e-13)
    assert largest_difference(gradients, expected) < 1e-12


def test_gradients_change_nothing():
    trainer = make_trainer(rich_module())
    before = trainer.autoencoder.weights()
    scores = trainer.autoencoder.errors(ROWS, Loss())
    first = trainer.gradients(Block(ROWS), np.ones(len(ROWS)), SCHEDULES)[1]
    second = trainer.gradients(Block(ROWS), np.ones(len(ROWS)), SCHEDULES)[1]
    assert same_bits(first, second)
    assert same_bits(trainer.autoencoder.weights(), before)
    assert same_bits(arrays_of(trainer.autoencoder.native()), before)
    assert np.array_equal(trainer.autoencoder.errors(ROWS, Loss()), scores)


def test_one_step_is_the_gradient_of_the_mean_loss_applied():
    stepping, applying = (make_trainer(rich_module(), batch_size=10) for _ in range(2))
    rows = ROWS[:10]
    order = epoch_batches(10, 10, seed=0, epoch=0)[0][0]
    gradients = applying.gradients(Block(rows[order]), np.full(10, 0.1), SCHEDULES)[1]
    applying.apply(gradients, SCHEDULES)
    train(stepping, rows)
    for name, array in applying.autoencoder.weights().items():
        if name in gradients:
            assert relative_difference(array, stepping.autoencoder.weights()[name]) < 1e-12


def test_the_module_drops_out_in_training_only():
    with_dropout, without = (make_trainer(rich_module(rate)) for rate in (0.5, 0.0))
    losses = [trainer.autoencoder.errors(ROWS, Loss()) for trainer in (with_dropout, without)]
    assert np.array_equal(*losses)
    evaluated = with_dropout.evaluate(with_dropout.place(Block(ROWS)), SCHEDULES)
    assert evaluated.mean() == pytest.approx(losses[0].mean(), rel=1e-13)
    assert not same_bits(train(with_dropout, ROWS), train(without, ROWS))


def test_each_step_drops_out_other_elements():
    seen = []

    def remember(x, linear):
        y = functional.dropout(torch.ones_like(x), 0.5)
        seen.append(y.numpy())
        return linear(x) * y

    train(make_trainer(Returning(remember)), ROWS[:16])
    *_, first, second = seen
    assert first.shape == second.shape
    assert not np.array_equal(first, second)


def test_the_same_fit_gives_the_same_bits():
    scores = [fitted(rich_module(), random_state=3).anomaly_score(ROWS) for _ in range(2)]
    assert np.array_equal(*scores)


def test_another_seed_drops_out_other_elements():
    trainers = [make_trainer(rich_module(), seed=seed, shuffle=False) for seed in (3, 4)]
    for trainer in trainers:
        trainer.fit(Block(ROWS))
    assert not same_bits(*(trainer.autoencoder.weights() for trainer in trainers))


def test_a_segment_split_in_two_gives_the_same_bits():
    whole, parts = make_trainer(rich_module()), make_trainer(rich_module())
    weights = train(whole, ROWS[:32])
    placed = parts.place(Block(ROWS[:32]))
    for part in (slice(0, 1), slice(1, 4)):
        parts.run_steps(placed, segment(parts.plan, 32, first_step=parts.step, part=part))
    assert same_bits(parts.autoencoder.weights(), weights)


def test_a_resumed_fit_gives_the_same_bits():
    whole, first, second = (make_trainer(rich_module(), epochs=n) for n in (4, 2, 4))
    whole.fit(Block(ROWS), Block(ROWS[:9]))
    first.fit(Block(ROWS), Block(ROWS[:9]))
    second.fit(Block(ROWS), Block(ROWS[:9]), resume=first.loop_state())
    assert same_bits(second.autoencoder.weights(), whole.autoencoder.weights())


def test_a_snapshot_holds_buffers_too():
    trainer = make_trainer(rich_module())
    before, token = trainer.autoencoder.weights(), trainer.snapshot()
    errors = trainer.autoencoder.errors(ROWS, Loss())
    after = train(trainer, ROWS)
    assert not np.array_equal(after["1.running_var"], before["1.running_var"])
    trainer.restore(token)
    assert same_bits(trainer.autoencoder.weights(), before)
    assert np.array_equal(trainer.autoencoder.errors(ROWS, Loss()), errors)
    # A step from there is the same step again.
    trainer.load_state(make_trainer(rich_module()).state())
    assert same_bits(train(trainer, ROWS), after)


def test_the_user_s_module_is_left_as_it_was():
    module = rich_module()
    module[3].eval()
    before, modes = arrays_of(module), [part.training for part in module.modules()]
    fitted(module).anomaly_score(ROWS)
    assert same_bits(arrays_of(module), before)
    assert [part.training for part in module.modules()] == modes
    assert all(parameter.grad is None for parameter in module.parameters())


@pytest.mark.parametrize("module", [rich_module, Noisy], ids=["dropout", "draws in scoring too"])
def test_the_global_random_state_is_left_as_it_was(module):
    made = seeded(module)
    before = torch.get_rng_state()
    trainer = make_trainer(made)
    trainer.fit(Block(ROWS))
    trainer.gradients(Block(ROWS), np.ones(len(ROWS)), SCHEDULES)
    trainer.autoencoder.errors(ROWS, Loss())
    assert torch.equal(torch.get_rng_state(), before)


def test_scores_of_a_module_that_always_draws_are_the_same_at_every_call():
    autoencoder = make_autoencoder(seeded(Noisy))
    scores = [autoencoder.errors(ROWS, Loss()) for _ in range(2)]
    assert np.array_equal(*scores)


def test_the_last_batch_is_as_short_as_it_is():
    sizes = []

    def remember(x, linear):
        sizes.append(len(x))
        return linear(x)

    trainer = make_trainer(Returning(remember), epochs=2)
    sizes.clear()
    trainer.fit(Block(ROWS[:19]))
    assert sizes == [8, 8, 3] * 2


def test_targets_and_element_weights_count():
    rows, targets, weights = (normal_rows(8, seed=seed) for seed in range(3))
    module = plain_module().double()
    error = (module(torch.tensor(rows)) - torch.tensor(targets)).square() * torch.tensor(weights)
    error.mean(1).sum().backward()
    expected = {name: array.grad.numpy() for name, array in module.named_parameters()}
    block = Block(rows, targets, weights)
    _, gradients = make_trainer(plain_module()).gradients(block, np.ones(8), SCHEDULES)
    assert largest_difference(gradients, expected) < 1e-12


def test_the_native_module_is_live():
    trainer = make_trainer(rich_module())
    native = trainer.autoencoder.native()
    weights = train(trainer, ROWS)
    assert same_bits(arrays_of(native), weights)
    assert trainer.autoencoder.native() is native
    assert not native.training
    assert native[1].num_batches_tracked.dtype == torch.int64
    assert native[1].num_batches_tracked.item() == trainer.step
    with torch.no_grad():
        expected = native(torch.tensor(ROWS)).numpy()
    assert np.array_equal(trainer.autoencoder.reconstruct(ROWS), expected)


# Modules that are made in special ways.


class Tied(nn.Module):
    """The decoder's weights are the encoder's, transposed; its bias is used twice."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Linear(6, 6)
        self.decoder = nn.Linear(6, 6)
        self.decoder.bias = self.encoder.bias

    def forward(self, x):
        latent = self.encoder(x)
        return functional.linear(latent, self.encoder.weight.t(), self.decoder.bias)


def test_tied_weights_stay_tied():
    plan = TrainingPlan(batch_size=8, epochs=2, learning_rate=0.01)
    module = seeded(Tied).double()
    plain_loop(module, ROWS, plan)
    trainer = get_backend("torch").trainer(make_autoencoder(seeded(Tied)), plan)
    trainer.fit(Block(ROWS))
    assert list(trainer.autoencoder.weights()) == [
        "encoder.weight",
        "encoder.bias",
        "decoder.weight",
    ]
    assert largest_difference(trainer.autoencoder.weights(), arrays_of(module)) < 1e-9
    native = trainer.autoencoder.native()
    assert native.decoder.bias is native.encoder.bias


def test_two_parameters_in_the_same_memory_are_refused():
    module = Halves()
    module.decoder.weight = nn.Parameter(module.encoder.weight.t())
    with pytest.raises(ArchitectureError, match="two parameters in the same memory"):
        describe(module)


def test_parameters_side_by_side_in_one_memory_are_not():
    trained = make_trainer(rich_module())
    weights = train(trained, ROWS)
    again = make_autoencoder(trained.autoencoder.native())
    assert same_bits(again.weights(), weights)


def test_frozen_parameters_are_kept_and_not_trained():
    module = plain_module()
    module[0].requires_grad_(False)
    trainer = make_trainer(module)
    gradients = trainer.gradients(Block(ROWS), np.ones(len(ROWS)), SCHEDULES)[1]
    assert list(gradients) == ["2.weight", "2.bias"]
    weights = train(trainer, ROWS)
    for name, array in arrays_of(module).items():
        assert np.array_equal(weights[name], array) == name.startswith("0.")


def test_parameters_that_are_not_used_stay_as_they_are():
    trainer = make_trainer(seeded(Tied))
    weights = train(trainer, ROWS)
    assert np.array_equal(weights["decoder.weight"], arrays_of(seeded(Tied))["decoder.weight"])


@pytest.mark.parametrize("cell", [nn.LSTM, nn.GRU])
def test_recurrent_modules_are_trained_as_in_a_plain_loop(cell):
    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell = cell(2, 3, num_layers=2, batch_first=True)
            self.output = nn.Linear(3, 2)

        def forward(self, x):
            return self.output(self.cell(x)[0])

    windows = normal_rows(16, 10).reshape(16, 5, 2)
    plan = TrainingPlan(batch_size=8, epochs=2)
    module = seeded(Recurrent).double()
    plain_loop(module, windows, plan)
    trainer = get_backend("torch").trainer(
        make_autoencoder(seeded(Recurrent), input_shape=(5, 2)), plan
    )
    trainer.fit(Block(windows))
    assert largest_difference(trainer.autoencoder.weights(), arrays_of(module)) < 1e-9


class Averaging(nn.Module):
    """Puts another tensor in the place of its buffer at every pass, and has an expanded one."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(6, 6)
        self.temperature = nn.Parameter(torch.tensor(1.0))
        self.register_buffer("level", torch.zeros(6))
        self.register_buffer("ones", torch.ones(1, dtype=torch.int64).expand(6))

    def forward(self, x):
        self.level = 0.5 * self.level + 0.5 * x.mean(0)
        return self.linear(x) * self.temperature + self.level * self.ones


def test_a_buffer_may_be_replaced_in_a_pass():
    trainer = make_trainer(seeded(Averaging), batch_size=40)
    before = trainer.autoencoder.weights()
    trainer.autoencoder.errors(ROWS, Loss())
    assert same_bits(trainer.autoencoder.weights(), before)
    rows = ROWS[:80]
    weights = train(trainer, rows)
    order, _ = epoch_batches(80, 40, seed=0, epoch=0)
    first, second = rows[order].mean(1)
    assert weights["level"] == pytest.approx(0.25 * first + 0.5 * second, rel=1e-12)
    assert weights["temperature"].shape == ()
    assert weights["temperature"] != 1.0


def test_a_module_may_compute_in_another_precision():
    rounding = make_trainer(seeded(lambda: Returning(lambda x, linear: linear(x).bfloat16())))
    exact = make_trainer(seeded(lambda: Returning(lambda x, linear: linear(x))))
    expected = torch.tensor(exact.autoencoder.reconstruct(ROWS)).bfloat16().double().numpy()
    assert np.array_equal(rounding.autoencoder.reconstruct(ROWS), expected)
    assert 0 < largest_difference(train(rounding, ROWS), train(exact, ROWS)) < 0.01


def test_what_a_module_keeps_of_scoring_does_no_harm_in_training():
    kept = []

    def remember(x, linear):
        kept.append(torch.ones_like(x[:1]))
        return linear(x) * kept[0]

    trainer = make_trainer(Returning(remember))
    kept.clear()
    trainer.autoencoder.errors(ROWS, Loss())
    train(trainer, ROWS)


# What is refused.


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (
            lambda x, linear: (linear(x), x),
            r"returns a tuple: it must return the reconstruction al",
        ),
        (lambda x, linear: [linear(x)], r"returns a list"),
        (lambda x, linear: linear(x)[:, :4], r"shape \(2, 4\) for rows of shape \(2, 6\)"),
        (lambda x, linear: linear(x).sum(), r"shape \(\) for rows of shape \(2, 6\)"),
        (lambda x, linear: linear(x[:, :4]), r"fails on rows of shape \(2, 6\): mat1 and mat2"),
        (lambda x, linear: x, "depends on no parameter"),
    ],
    ids=["tuple", "list", "fewer features", "scalar", "fails", "identity"],
)
def test_a_module_that_returns_no_rows_is_refused(function, message):
    with pytest.raises(ArchitectureError, match=message):
        fitted(Returning(function))


def test_a_module_that_returns_something_else_in_training_is_refused():
    class Auxiliary(Halves):
        def forward(self, x):
            y = super().forward(x)
            return (y, x) if self.training else y

    with pytest.raises(ArchitectureError, match="returns a tuple"):
        fitted(Auxiliary())


def complex_module():
    return nn.ParameterList([nn.Parameter(torch.ones(2, dtype=torch.complex64))])


def large_index_module():
    module = plain_module()
    module.register_buffer("index", torch.tensor([2**24 + 1]))
    return module


def frozen_module():
    return plain_module().requires_grad_(False)


def uncopyable_module():
    module = plain_module()
    module.kept = module(torch.ones(1, 6))
    return module


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (nn.Identity, "no parameters"),
        (frozen_module, "no parameters that can be trained"),
        (lambda: nn.LazyLinear(6), "weight has no values yet: send a few rows"),
        (complex_module, "0 is complex"),
        (large_index_module, "index holds whole numbers too large for float32"),
        (uncopyable_module, "cannot be copied"),
    ],
    ids=["no parameters", "all frozen", "lazy", "complex", "large integers", "no copy"],
)
def test_a_module_that_cannot_be_used_is_refused(make, message):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Lazy modules are a new feature")
        module = make()
    with pytest.raises(ArchitectureError, match=message):
        fitted(module)


@pytest.mark.parametrize("loss", ["bce", "gaussian"])
def test_losses_of_the_last_layer_are_refused(loss):
    with pytest.raises(InvalidParameterError, match=loss):
        fitted(plain_module(), loss=loss)


def test_another_backend_is_refused():
    with pytest.raises(UnsupportedError, match="cannot run a torch module of your own"):
        fitted(plain_module(), backend="numpy")
    with pytest.raises(UnsupportedError, match="cannot run a torch module of your own"):
        fitted(plain_module()).model_.with_backend("numpy")


# From the front door to the file and back.


@pytest.fixture(scope="module")
def detector():
    return fitted(rich_module())


def test_a_detector_explains_and_calibrates(detector):
    explanation = detector.explain(ROWS[:3])
    assert explanation.contribution.sum(1) == pytest.approx(detector.anomaly_score(ROWS[:3]))
    again = pickle.loads(pickle.dumps(detector)).calibrate(normal_rows(50, seed=1))
    assert again.threshold_ != detector.threshold_
    assert np.array_equal(again.anomaly_score(ROWS), detector.anomaly_score(ROWS))


def test_a_saved_model_needs_the_module_again(detector, tmp_path):
    path = tmp_path / "model.aeanom"
    detector.save(path)
    model = load(path, module=rich_module())
    assert np.array_equal(model.anomaly_score(ROWS), detector.anomaly_score(ROWS))
    assert np.array_equal(model.is_anomaly(ROWS), detector.is_anomaly(ROWS))
    with pytest.raises(ModelFileError, match="torch module of your own"):
        load(path)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (plain_module, r"these arrays differ: 0\.bias, 0\.weight, 1\.bias, 1\.num_batches_tracked"),
        (lambda: NETWORK, "needs the torch module that it was fitted with, got Architecture"),
    ],
    ids=["another module", "an architecture"],
)
def test_another_module_is_refused(detector, tmp_path, other, message):
    path = tmp_path / "model.aeanom"
    detector.save(path)
    with pytest.raises(ModelFileError, match=message):
        load(path, module=other())


def test_a_module_that_does_something_else_with_the_same_arrays_is_refused(tmp_path):
    def network(function):
        return nn.Sequential(nn.Linear(6, 4), function, nn.Linear(4, 6))

    path = tmp_path / "model.aeanom"
    fitted(network(nn.Tanh())).save(path)
    with pytest.raises(ModelFileError, match="it computes something else with them"):
        load(path, module=network(nn.ReLU()))


def test_a_file_can_be_looked_at_without_the_module(detector, tmp_path):
    path = tmp_path / "model.aeanom"
    detector.save(path)
    result = CliRunner().invoke(app, ["info", str(path)])
    assert result.exit_code == 0, result.output
    assert "a torch module for rows of 6" in result.output
    assert "num_batches_tracked" in result.output


def test_parity_of_a_module_is_that_with_itself_and_says_why_not_with_others(detector):
    report = detector.model_.parity(ROWS, ["torch", "numpy"])
    assert report.reference == "torch"
    assert report.agrees
    assert "cannot run a torch module" in report.backends[1].reason
    assert not detector.model_.parity(ROWS, ["numpy"]).agrees


def test_a_clone_of_a_detector_fits_the_same(detector):
    again = clone(detector).fit(ROWS)
    assert np.array_equal(again.anomaly_score(ROWS), detector.anomaly_score(ROWS))


def test_a_detector_made_from_a_model_starts_where_the_module_started(detector):
    again = AnomalyDetector.from_model(detector.model_)
    again.set_params(epochs=3, random_state=0).fit(ROWS)
    assert np.array_equal(again.anomaly_score(ROWS), detector.anomaly_score(ROWS))


def test_the_best_weights_are_put_back_with_their_buffers():
    detector = fitted(rich_module(), epochs="auto", validation_fraction=0.2, learning_rate=0.05)
    assert detector.history_.stopped_by == "early_stopping"
    weights = detector.model_.weights
    assert weights["1.num_batches_tracked"] < detector.history_.steps
    rebuilt = pickle.loads(pickle.dumps(detector.model_))
    assert np.array_equal(rebuilt.anomaly_score(ROWS), detector.anomaly_score(ROWS))
    assert np.isin(detector.anomaly_score(ROWS), detector.model_.training_scores).any()
