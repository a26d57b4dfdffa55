"""What torch computes in which precision, and that the process's own settings stay as they were."""

import numpy as np
import pytest
from support import SCHEDULES, make_autoencoder, make_trainer, normal_rows, same_bits, unit_rows

from aeanom import architectures
from aeanom.core import Block, Loss, get_backend

torch = pytest.importorskip("torch")
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from aeanom.backends.torch import precision  # noqa: E402

BACKEND = get_backend("torch")
SETTINGS = torch.backends.mkldnn.matmul, torch.backends.mkldnn.conv, torch.backends.mkldnn.rnn
CUDA_SETTINGS = (
    torch.backends.cuda.matmul,
    torch.backends.cudnn.conv,
    torch.backends.cudnn.rnn,
)


class Watch(TorchDispatchMode):
    """Notes the settings and the dtype of every product."""

    def __init__(self):
        super().__init__()
        self.seen, self.dtypes = [], set()

    def __torch_dispatch__(self, operator, types, arguments=(), settings=None):
        if operator.name().split(".")[0] in ("aten::mm", "aten::addmm", "aten::matmul"):
            self.seen.append([setting.fp32_precision for setting in SETTINGS])
            self.dtypes.add(arguments[-1].dtype)
        return operator(*arguments, **(settings or {}))


@pytest.fixture
def coarse():
    """Let the whole process compute float32 products coarsely, for the time of a test."""
    everything = (*SETTINGS, *CUDA_SETTINGS)
    before = [setting.fp32_precision for setting in everything]
    for setting in SETTINGS:
        setting.fp32_precision = "bf16"
    for setting in CUDA_SETTINGS:
        setting.fp32_precision = "tf32"
    yield
    for setting, value in zip(everything, before, strict=True):
        setting.fp32_precision = value


@pytest.mark.parametrize(
    ("device", "settings", "value"),
    [("cpu", SETTINGS, "bf16"), ("cuda:0", CUDA_SETTINGS, "tf32")],
    ids=["cpu", "cuda"],
)
def test_products_are_in_full_precision_and_the_settings_are_put_back(
    coarse, device, settings, value
):
    with precision.full_precision(torch.device(device)):
        assert [setting.fp32_precision for setting in settings] == ["ieee"] * 3
    assert [setting.fp32_precision for setting in settings] == [value] * 3


def test_settings_that_are_right_are_not_touched():
    before = [setting.fp32_precision for setting in (*SETTINGS, *CUDA_SETTINGS)]
    with precision.full_precision(torch.device("cpu")):
        assert [setting.fp32_precision for setting in (*SETTINGS, *CUDA_SETTINGS)] == before


@pytest.mark.parametrize(
    "compute",
    [
        lambda trainer: trainer.fit(Block(normal_rows(40))),
        lambda trainer: trainer.evaluate(trainer.place(Block(normal_rows(40))), SCHEDULES),
        lambda trainer: trainer.gradients(Block(normal_rows(40)), np.ones(40), SCHEDULES),
        lambda trainer: trainer.autoencoder.errors(normal_rows(40), Loss()),
        lambda trainer: trainer.autoencoder.encode(normal_rows(40)),
    ],
    ids=["fit", "evaluate", "gradients", "errors", "encode"],
)
def test_everything_is_computed_in_full_precision(coarse, compute):
    trainer = make_trainer(BACKEND, batch_size=10, epochs=1)
    with Watch() as watch:
        compute(trainer)
    assert watch.seen
    assert all(values == ["ieee"] * 3 for values in watch.seen)


# bfloat16.

NETWORKS = {
    "dense": architectures.dense(6, (5,), 3, activation="tanh", output_activation="sigmoid"),
    "dropout": architectures.dense(6, (5,), 3, dropout=0.25),
    "layer norm": architectures.dense(6, (5,), 3, activation="gelu", normalization="layer"),
    "batch norm": architectures.dense(6, (5,), 3, activation="tanh", normalization="batch"),
    "variational": architectures.variational(architectures.dense(6, (5,), 3, activation="tanh")),
    "denoising": architectures.denoising(architectures.dense(6, (5,), 3, activation="tanh")),
    "sparse": architectures.sparse(architectures.dense(6, (5,), 3, activation="tanh")),
    "convolutional": architectures.convolutional((8, 8), (2,), 3),
    "lstm": architectures.recurrent((5, 3), 4, 2),
    "gru": architectures.recurrent((5, 3), 4, 2, cell="gru"),
}


def fit(architecture, compute_dtype, dtype="float32"):
    size = int(np.prod(architecture.input_shape))
    rows = unit_rows(200, size).reshape(200, *architecture.input_shape).astype(dtype)
    trainer = make_trainer(
        BACKEND,
        architecture,
        dtype,
        batch_size=16,
        epochs=5,
        learning_rate=0.005,
        noise="shared",
        compute_dtype=compute_dtype,
    )
    history = trainer.fit(Block(rows), Block(rows))
    return trainer, history, rows


@pytest.mark.parametrize("name", NETWORKS)
def test_bfloat16_learns_nearly_what_float32_learns(name):
    _, exact, _ = fit(NETWORKS[name], None)
    _, coarse, _ = fit(NETWORKS[name], "bfloat16")
    assert coarse.loss != exact.loss
    assert coarse.loss == pytest.approx(exact.loss, rel=2e-2)
    assert coarse.validation_loss == pytest.approx(exact.validation_loss, rel=2e-2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_learnt_is_kept_and_scored_in_the_weights_own_dtype(dtype):
    trainer, history, rows = fit(NETWORKS["batch norm"], "bfloat16", dtype)
    state = trainer.state()
    for arrays in (state.weights, state.first_moment, state.second_moment):
        assert {array.dtype for array in arrays.values()} == {np.dtype(dtype)}
    # Weights that had ever been rounded to bfloat16 would end in zeros.
    kernel = torch.from_numpy(state.weights["encoder.0.kernel"])
    assert not torch.equal(kernel, kernel.bfloat16().to(kernel.dtype))
    plain = make_autoencoder(BACKEND, NETWORKS["batch norm"], dtype)
    plain.load_weights(state.weights)
    assert np.array_equal(plain.errors(rows, Loss()), trainer.autoencoder.errors(rows, Loss()))
    assert history.validation_loss[-1] == pytest.approx(plain.errors(rows, Loss()).mean(), rel=1e-5)


def test_layers_compute_in_bfloat16():
    with Watch() as watch:
        fit(NETWORKS["dense"], "bfloat16")
    assert torch.bfloat16 in watch.dtypes


def test_the_same_fit_in_bfloat16_gives_the_same_bits():
    runs = [fit(NETWORKS["dropout"], "bfloat16")[0].autoencoder.weights() for _ in range(2)]
    assert same_bits(*runs)


def test_a_module_of_ones_own_is_trained_under_autocast():
    module = torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.Tanh(), torch.nn.Linear(3, 6))
    architecture = BACKEND.describe(module, (6,), "float32")
    losses = {}
    for compute_dtype in (None, "bfloat16"):
        with Watch() as watch:
            _, history, _ = fit(architecture, compute_dtype)
        assert (torch.bfloat16 in watch.dtypes) == (compute_dtype is not None)
        losses[compute_dtype] = history.loss
    assert losses["bfloat16"] == pytest.approx(losses[None], rel=2e-2)


def test_a_backend_says_that_it_trains_in_bfloat16():
    assert BACKEND.capabilities.compute_dtypes == {"bfloat16"}
