"""NumPy's layer functions, called by themselves: against torch's own functions and plain loops."""

import numpy as np
import pytest
from support import (
    largest_difference,
    make_trainer,
    normal_rows,
    relative_difference,
    same_bits,
    train,
)

from aeanom.architectures.layers import (
    GRU,
    LSTM,
    ActivityRegularization,
    AveragePool,
    BatchNorm,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    GaussianLatent,
    GaussianOutput,
    InputNoise,
    LayerNorm,
    MaxPool,
    Upsample,
    place_layers,
)
from aeanom.backends.numpy import convolution, layers, trainer
from aeanom.backends.numpy.context import NumpyContext, Workspace
from aeanom.core import get_backend
from aeanom.core.layers import bind

SERIES_ROWS = np.random.default_rng(2).normal(size=(3, 7, 2))
IMAGE_ROWS = np.random.default_rng(3).normal(size=(3, 7, 6, 2))


def call(layer, x, mode="score", *, workspace=None, **context):
    """What a layer's function returns for rows, its random weights, gradients and context."""
    placed = place_layers("encoder", [layer], x.shape[1:])[0]
    rng = np.random.default_rng(1)
    weights = {p.name: rng.uniform(-0.7, 0.7, p.shape) for p in placed.parameters}
    positive = {name: np.exp(w) for name, w in weights.items() if name.endswith(".variance")}
    gradients = {name: np.full_like(w, np.nan) for name, w in weights.items()}
    context = NumpyContext(
        mode=mode, workspace=workspace or Workspace("float64"), gradients=gradients, **context
    )
    bound = bind(placed, {**weights, **positive})
    y, backward = layers.LAYERS[layer.kind](bound, x, context)
    return y, backward, bound.parameters, context


def t(array):
    return pytest.importorskip("torch").from_numpy(np.ascontiguousarray(array))


def channels_first(x):
    return t(np.moveaxis(x, -1, 1))


def assert_is(y, tensor, *, channels_last=True):
    expected = tensor.detach().numpy()
    expected = np.moveaxis(expected, 1, -1) if channels_last else expected
    assert y.shape == expected.shape
    assert relative_difference(y, expected) < 1e-12


@pytest.mark.parametrize(
    "layer",
    [Conv1D(3, 3), Conv1D(3, 4, 3), Conv1D(3, 2, padding="valid"), Conv1D(3, 3, 2, ((0, 2),))],
    ids=["same", "stride", "valid", "behind"],
)
def test_a_convolution_over_time_is_torch_s(layer):
    functional = pytest.importorskip("torch").nn.functional
    y, _, weights, _ = call(layer, SERIES_ROWS)
    (edge,) = layer.geometry((7, 2)).edges
    padded = functional.pad(channels_first(SERIES_ROWS), edge)
    kernel = t(weights["kernel"].transpose(2, 1, 0))
    assert_is(y, functional.conv1d(padded, kernel, t(weights["bias"]), layer.stride))


@pytest.mark.parametrize(
    "layer",
    [
        Conv2D(3, 3),
        Conv2D(3, (4, 3), (3, 2)),
        Conv2D(3, 2, padding="valid"),
        Conv2D(3, 3, (1, 2), ((0, 2), (1, 0))),
    ],
    ids=["same", "stride", "valid", "odd"],
)
def test_a_convolution_over_an_image_is_torch_s(layer):
    functional = pytest.importorskip("torch").nn.functional
    y, _, weights, _ = call(layer, IMAGE_ROWS)
    vertical, horizontal = layer.geometry((7, 6, 2)).edges
    padded = functional.pad(channels_first(IMAGE_ROWS), (*horizontal, *vertical))
    kernel = t(weights["kernel"].transpose(3, 2, 0, 1))
    assert_is(y, functional.conv2d(padded, kernel, t(weights["bias"]), layer.stride))


@pytest.mark.parametrize(
    "layer",
    [
        Conv2DTranspose(3, 4, 2),
        Conv2DTranspose(3, (3, 2), (1, 2)),
        Conv2DTranspose(3, 2, 3, padding="valid"),
        Conv2DTranspose(3, 3, 2, ((0, 2), (1, 0))),
    ],
    ids=["same", "mixed", "valid with gaps", "odd"],
)
def test_a_transposed_convolution_is_torch_s_cropped(layer):
    functional = pytest.importorskip("torch").nn.functional
    y, _, weights, _ = call(layer, IMAGE_ROWS)
    kernel = t(weights["kernel"].transpose(2, 3, 0, 1))
    full = functional.conv_transpose2d(
        channels_first(IMAGE_ROWS), kernel, t(weights["bias"]), layer.stride
    )
    (top, bottom), (left, right) = layer.geometry((7, 6, 2)).edges
    height, width = full.shape[2:]
    assert_is(y, full[:, :, top : height - bottom, left : width - right])


@pytest.mark.parametrize("layer", [Conv1D(3, 3), Conv2D(3, 3, 2), Conv2DTranspose(3, 3, 2)])
def test_convolving_row_by_row_is_convolving_all_at_once(monkeypatch, layer):
    x = SERIES_ROWS if layer.rank == 1 else IMAGE_ROWS
    results = []
    for size in (convolution.BLOCK_BYTES, 1):
        monkeypatch.setattr(convolution, "BLOCK_BYTES", size)
        y, backward, _, context = call(layer, x, "train")
        delta = np.random.default_rng(0).normal(size=y.shape)
        results.append({"y": y, "x": backward(delta, True), **context.gradients})
    assert largest_difference(results[1], results[0]) < 1e-12


@pytest.mark.parametrize("kind", [MaxPool, AveragePool])
def test_pooling_is_torch_s(kind):
    functional = pytest.importorskip("torch").nn.functional
    name = "max_pool" if kind is MaxPool else "avg_pool"
    series, image = (getattr(functional, f"{name}{rank}d") for rank in (1, 2))
    assert_is(call(kind(2), SERIES_ROWS)[0], series(channels_first(SERIES_ROWS), 2))
    assert_is(call(kind((3, 4)), IMAGE_ROWS)[0], image(channels_first(IMAGE_ROWS), (3, 4)))


def test_where_several_are_largest_they_share_the_gradient_equally():
    x = np.array([1.0, 1, 0, 3, 3, 9]).reshape(1, 6, 1)
    _, backward, _, _ = call(MaxPool(5), np.minimum(x, 1))
    assert backward(np.full((1, 1, 1), 8.0), True).ravel().tolist() == [2, 2, 0, 2, 2, 0]


def test_upsampling_repeats_cells():
    assert np.array_equal(call(Upsample(3), SERIES_ROWS)[0], SERIES_ROWS.repeat(3, axis=1))
    expected = IMAGE_ROWS.repeat(2, axis=1).repeat(3, axis=2)
    assert np.array_equal(call(Upsample((2, 3)), IMAGE_ROWS)[0], expected)


def test_layer_norm_is_torch_s():
    functional = pytest.importorskip("torch").nn.functional
    y, _, weights, _ = call(LayerNorm(epsilon=0.1), IMAGE_ROWS)
    scale, bias = t(weights["scale"]), t(weights["bias"])
    expected = functional.layer_norm(t(IMAGE_ROWS), (2,), scale, bias, 0.1)
    assert_is(y, expected, channels_last=False)


@pytest.mark.parametrize("mode", ["score", "evaluate", "train"])
def test_batch_norm_is_torch_s(mode):
    functional = pytest.importorskip("torch").nn.functional
    y, _, w, _ = call(BatchNorm(epsilon=0.1), IMAGE_ROWS, mode)
    mean, variance, scale, bias = (t(w[name]) for name in ("mean", "variance", "scale", "bias"))
    expected = functional.batch_norm(
        channels_first(IMAGE_ROWS), mean, variance, scale, bias, mode == "train", eps=0.1
    )
    assert_is(y, expected)


@pytest.mark.parametrize("sequences", [False, True], ids=["last", "sequences"])
@pytest.mark.parametrize("kind", [LSTM, GRU])
def test_a_recurrent_layer_is_torch_s(kind, sequences):
    torch = pytest.importorskip("torch")
    y, _, weights, _ = call(kind(4, return_sequences=sequences), SERIES_ROWS)
    module = getattr(torch.nn, kind.__name__)(2, 4, batch_first=True, dtype=torch.float64)
    second_bias = np.zeros_like(weights["bias"])
    if kind is GRU:
        second_bias[8:] = weights["recurrent_bias"]
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    kernels = (weights["kernel"].T, weights["recurrent_kernel"].T, weights["bias"], second_bias)
    module.load_state_dict({name: t(array) for name, array in zip(names, kernels, strict=True)})
    states = module(t(SERIES_ROWS))[0]
    assert_is(y, states if sequences else states[:, -1], channels_last=False)


LATENT_ROWS = np.random.default_rng(4).normal(size=(3, 5))


def heads(weights):
    mean = LATENT_ROWS @ weights["kernel"] + weights["bias"]
    raw = LATENT_ROWS @ weights["log_variance_kernel"] + weights["log_variance_bias"]
    return mean, np.exp(10 * np.tanh(raw / 10) / 2)


@pytest.mark.parametrize(
    ("mode", "kl_in_score", "counts"),
    [("train", False, 1), ("evaluate", False, 1), ("score", False, 0), ("score", True, 1)],
)
def test_the_penalty_of_a_gaussian_latent_is_torch_s_divergence(mode, kl_in_score, counts):
    normal = pytest.importorskip("torch").distributions.Normal
    layer = GaussianLatent(4, beta=0.5, kl_in_score=kl_in_score)
    context = {"schedules": {"kl_weight": 0.3}, "n_elements": 7}
    _, _, weights, context = call(layer, LATENT_ROWS, mode, **context)
    kl_divergence = pytest.importorskip("torch").distributions.kl_divergence
    divergence = kl_divergence(normal(*map(t, heads(weights))), normal(0.0, 1.0)).sum(-1).numpy()
    expected = counts * 0.5 * 0.3 / 7 * divergence
    assert context.penalised(np.zeros(3)) == pytest.approx(expected, rel=1e-12)


def test_a_gaussian_latent_draws_in_training_and_is_its_mean_otherwise():
    draws = np.random.default_rng(5).normal(size=(3, 4))
    y, _, weights, _ = call(GaussianLatent(4), LATENT_ROWS, "train", draws={"encoder.0": draws})
    mean, deviation = heads(weights)
    assert y == pytest.approx(mean + deviation * draws, rel=1e-12)
    assert call(GaussianLatent(4), LATENT_ROWS)[0] == pytest.approx(mean, rel=1e-12)


def test_a_gaussian_output_is_its_means_and_only_they_have_a_gradient():
    y, backward, _, _ = call(GaussianOutput(), IMAGE_ROWS)
    assert np.array_equal(y, IMAGE_ROWS[..., :1])
    assert np.array_equal(backward(y, True), IMAGE_ROWS * [1, 0])


def test_input_noise_does_what_its_table_says():
    draws = np.random.default_rng(6).uniform(size=SERIES_ROWS.shape)
    weight = np.array([0.5, 2.0, 0.0])

    def noisy(noise):
        layer = InputNoise(noise, 0.6)
        return call(layer, SERIES_ROWS, "train", draws={"encoder.0": draws}, row_weight=weight)[0]

    assert noisy("gaussian") == pytest.approx(SERIES_ROWS + 0.6 * draws, rel=1e-15)
    assert np.array_equal(noisy("masking"), np.where(draws < 0.6, 0, SERIES_ROWS))
    swapped = noisy("swap")
    for row, *place in np.ndindex(SERIES_ROWS.shape):
        draw = draws[row, *place]
        # Two rows are not padding: below 0.3 it is the first one's element, below 0.6 the other's.
        source = 0 if draw < 0.3 else 1 if draw < 0.6 else row
        assert swapped[row, *place] == SERIES_ROWS[source, *place]


@pytest.mark.parametrize("mode", ["score", "evaluate", "train"])
def test_activity_regularization_penalises_the_mean_magnitude_but_in_scores(mode):
    y, _, _, context = call(ActivityRegularization(0.5), SERIES_ROWS, mode)
    expected = (mode != "score") * 0.5 * np.abs(SERIES_ROWS).mean(axis=(1, 2))
    assert y is SERIES_ROWS
    assert context.penalised(np.zeros(3)) == pytest.approx(expected, rel=1e-12)


class RecordingWorkspace(Workspace):
    """Knows which arrays were asked for."""

    def __init__(self):
        super().__init__("float64")
        self.names = set()

    def array(self, name, shape):
        self.names.add(name)
        return super().array(name, shape)


@pytest.mark.parametrize(
    "layer",
    [Dense(3), Conv1D(3, 3), Conv2D(3, 3), Conv2DTranspose(3, 3), Upsample(), LSTM(3), GRU(3)],
)
def test_an_input_s_gradient_that_nobody_wants_is_not_computed(layer):
    rows = SERIES_ROWS if layer.kind in ("dense", "conv1d", "lstm", "gru") else IMAGE_ROWS
    for wanted in (True, False):
        workspace = RecordingWorkspace()
        y, backward, _, _ = call(layer, rows, "train", workspace=workspace)
        backward(np.ones_like(y), wanted)
        assert any("delta" in str(name) for name in workspace.names) == wanted


def test_a_workspace_has_one_array_for_every_length():
    workspace = Workspace("float64")
    short = workspace.array("x", (2, 3))
    assert workspace.array("x", (2, 3)) is short
    long = workspace.array("x", (5, 3))
    again = workspace.array("x", (2, 3))
    assert again.shape == (2, 3)
    assert np.shares_memory(again, long)
    assert not np.shares_memory(again, short)
    assert not np.shares_memory(workspace.array("y", (2, 3)), long)


def test_adam_in_blocks_is_adam_at_once(monkeypatch):
    backend = get_backend("numpy")
    at_once = train(make_trainer(backend), normal_rows())
    monkeypatch.setattr(trainer, "ADAM_BLOCK", 7)
    assert same_bits(train(make_trainer(backend), normal_rows()), at_once)
