"""Recorded steps, as a CUDA graph would be: on the CPU, by a tape that replays operators.

Like a graph, the tape knows nothing of Python: whatever changes from step to step without standing
in a tensor keeps the value that it had when the step was recorded.
"""

import numpy as np
import pytest
from support import largest_difference, make_trainer, normal_rows, same_bits, segment, unit_rows

from aeanom import architectures
from aeanom.core import Adam, Block, Loss, get_backend

torch = pytest.importorskip("torch")
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402
from torch.utils._pytree import tree_iter  # noqa: E402

from aeanom.backends.torch import graph, trainer  # noqa: E402

BACKEND = get_backend("torch")
WAITS = {"aten::_local_scalar_dense", "aten::is_nonzero", "aten::equal", "aten::nonzero"}


def tensors_in(tree):
    return [leaf for leaf in tree_iter(tree) if isinstance(leaf, torch.Tensor)]


class Tape(TorchDispatchMode):
    """Runs a function once and writes its operators down; called again, it does only these."""

    def __init__(self, function, device):
        super().__init__()
        self.function, self.calls, self.device = function, None, device

    def __torch_dispatch__(self, operator, types, arguments=(), settings=None):
        settings = settings or {}
        name = operator.name().split(".")[0]
        # Adam's operator has no form for tensors without values.
        skipped = self.device.type == "meta" and name == "aten::_fused_adamw_"
        results = None if skipped else operator(*arguments, **settings)
        assert name not in WAITS, f"{name} waits for the device"
        assert name != "aten::lift_fresh", "a number of the host is baked in"
        tensors = tensors_in(results)
        everywhere = tensors_in((arguments, settings)) + tensors
        assert all(tensor.device.type == self.device.type for tensor in everywhere), name
        if not skipped:
            self.calls.append((operator, arguments, settings, tensors))
        return results

    def __call__(self):
        if self.calls is None:
            self.calls = []
            with self:
                self.function()
            return
        for operator, arguments, settings, recorded in self.calls:
            results = tensors_in(operator(*arguments, **settings))
            for result, tensor in zip(results, recorded, strict=True):
                # Views and operators in place have the recorded memory already.
                if result.data_ptr() != tensor.data_ptr():
                    tensor.copy_(result)


@pytest.fixture
def recorded(monkeypatch):
    """Trainers made in the test record their steps."""
    monkeypatch.setattr(trainer, "recorder", lambda architecture, device, dtype: Tape)


# No GRU: the CPU's own turns tensors in place, which a tape cannot do twice.
NETWORKS = {
    "dense": architectures.dense(6, (5,), 3, activation="tanh"),
    "relu": architectures.dense(6, (5,), 3, latent_activation="relu", output_activation="sigmoid"),
    "dropout": architectures.dense(6, (5,), 3, activation="tanh", dropout=0.25),
    "batch norm": architectures.dense(6, (5,), 3, activation="tanh", normalization="batch"),
    "variational": architectures.variational(
        architectures.dense(6, (5,), 3, activation="tanh"), warm_up_steps=5
    ),
    "convolutional": architectures.convolutional((8, 8), (2,), 3),
    "conv1d": architectures.convolutional_1d((8, 3), (4,), 2),
    "lstm": architectures.recurrent((5, 3), 4, 2),
}
PLANS = {
    "plain": {},
    "clipped and decayed": {"optimizer": Adam(epsilon=1e-3, clip_norm=0.1, weight_decay=0.1)},
    "shared noise": {"noise": "shared"},
    "huber": {"loss": Loss("huber", delta=0.3)},
}


def rows_for(architecture):
    size = int(np.prod(architecture.input_shape))
    return unit_rows(40, size).reshape(40, *architecture.input_shape)


def fit(architecture, *, rows=None, **plan):
    # 16 rows at a time: the last batch of 40 is a short one.
    settings = {"batch_size": 16, "epochs": 3, "learning_rate": 0.02, **plan}
    # Adam's usual ε makes steps of the rounding errors where a gradient is zero (biases that a
    # normalisation takes out again).
    settings.setdefault("optimizer", Adam(epsilon=1e-3))
    fitted = make_trainer(BACKEND, architecture, **settings)
    history = fitted.fit(Block(rows_for(architecture) if rows is None else rows))
    return history.loss, fitted.autoencoder.weights()


@pytest.mark.parametrize("name", NETWORKS)
def test_replayed_steps_are_those_taken_one_by_one(name, monkeypatch):
    expected_loss, expected = fit(NETWORKS[name])
    monkeypatch.setattr(trainer, "recorder", lambda architecture, device, dtype: Tape)
    loss, weights = fit(NETWORKS[name])
    assert loss == pytest.approx(expected_loss, rel=1e-10)
    # Not over an array's largest value, which is 1e-15 where the gradient is zero.
    assert max(np.abs(weights[name] - expected[name]).max() for name in expected) < 1e-10


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("name", ["dropout", "variational"])
def test_replayed_steps_follow_the_plan(name, plan, monkeypatch):
    _, expected = fit(NETWORKS[name], **PLANS[plan])
    monkeypatch.setattr(trainer, "recorder", lambda architecture, device, dtype: Tape)
    _, weights = fit(NETWORKS[name], **PLANS[plan])
    assert largest_difference(weights, expected) < 1e-9


def test_the_learning_rate_of_each_step_is_read(recorded):
    rows = normal_rows(40)
    one, other = (make_trainer(BACKEND, batch_size=10) for _ in range(2))
    steps = segment(one.plan, 40)
    steps.schedules["learning_rate"][:] = [0.1, 0.05, 0.0, 0.0]
    one.run_steps(one.place(Block(rows)), steps)
    half = segment(other.plan, 40, part=slice(0, 2))
    half.schedules["learning_rate"][:] = [0.1, 0.05]
    other.run_steps(other.place(Block(rows)), half)
    assert same_bits(one.autoencoder.weights(), other.autoencoder.weights())


def test_a_segment_cut_in_two_ends_in_the_same_bits(recorded):
    whole, cut = (make_trainer(BACKEND, NETWORKS["dropout"], batch_size=10) for _ in range(2))
    whole.run_steps(whole.place(Block(normal_rows(40))), segment(whole.plan, 40))
    placed = cut.place(Block(normal_rows(40)))
    for part in (slice(0, 1), slice(1, 4)):
        cut.run_steps(placed, segment(cut.plan, 40, first_step=part.start, part=part))
    assert cut.step == whole.step == 4
    assert same_bits(cut.autoencoder.weights(), whole.autoencoder.weights())


def test_a_state_of_elsewhere_is_gone_on_from(recorded):
    rows = normal_rows(40)
    uninterrupted, first, second = (make_trainer(BACKEND, batch_size=10) for _ in range(3))
    placed = uninterrupted.place(Block(rows))
    for epoch in (0, 1):
        uninterrupted.run_steps(placed, segment(uninterrupted.plan, 40, epoch=epoch))
    first.run_steps(first.place(Block(rows)), segment(first.plan, 40))
    second.load_state(first.state())
    second.run_steps(second.place(Block(rows)), segment(second.plan, 40, epoch=1))
    assert same_bits(second.autoencoder.weights(), uninterrupted.autoencoder.weights())


def test_other_rows_or_batches_are_recorded_anew(recorded):
    one, other = (make_trainer(BACKEND, batch_size=10) for _ in range(2))
    blocks = [one.place(Block(normal_rows(40, seed=seed))) for seed in (0, 1)]
    for block in blocks:
        one.run_steps(block, segment(one.plan, 40))
    other._recorder = None
    for block in blocks:
        other.run_steps(block, segment(other.plan, 40))
    assert largest_difference(one.autoencoder.weights(), other.autoencoder.weights()) < 1e-10


def test_recorded_steps_make_no_tensor_elsewhere(recorded):
    # Tensors without values stand for those of a GPU: the tape looks where each result is.
    architecture = NETWORKS["relu"]
    autoencoder = BACKEND.autoencoder(
        architecture,
        {p.name: np.zeros(p.shape) for p in architecture.parameters},
        dtype="float32",
        device="meta",
    )
    placeless = BACKEND.trainer(autoencoder, make_trainer(BACKEND, batch_size=10).plan)
    total, _ = placeless.run_steps(
        placeless.place(Block(normal_rows(40))), segment(placeless.plan, 40)
    )
    assert total.device.type == "meta"


def test_only_our_own_layers_on_cuda_are_recorded():
    module = BACKEND.describe(torch.nn.Linear(6, 6), (6,), "float32")
    cuda, cpu = torch.device("cuda:0"), torch.device("cpu")
    assert graph.recorder(NETWORKS["dense"], cuda, torch.float32) is graph.CudaGraph
    assert graph.recorder(NETWORKS["dense"], cuda, torch.float64) is None
    assert graph.recorder(NETWORKS["dense"], cpu, torch.float32) is None
    assert graph.recorder(module, cuda, torch.float32) is None


def test_a_layer_of_a_user_s_own_is_not_recorded(monkeypatch):
    monkeypatch.setattr(graph, "RECORDABLE", frozenset({"activation"}))
    assert graph.recorder(NETWORKS["dense"], torch.device("cuda:0"), torch.float32) is None
