"""The rule of `backend="fastest"`: what it counts, and which way it leans."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeanom.architectures import (
    GRU,
    LSTM,
    Activation,
    Architecture,
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    RepeatVector,
    Reshape,
    Residual,
    convolutional,
    dense,
    recurrent,
)
from aeanom.core.fastest import COSTS, Costs, Pace, Work, rank, work_of


def costs(imports=0.0, start=0.0, overhead=1e-6, rate=1e9):
    pace = Pace(start, overhead, rate)
    return Costs(imports, pace, pace, pace)


def seconds(work, entry, **settings):
    (expected,) = rank(work, [("some", "cpu")], table={("some", "cpu"): entry}, **settings)
    return expected.seconds


def test_an_expectation_is_import_start_and_steps():
    work = Work("dense", steps=100, operations=4, flops=2_000_000)
    entry = costs(imports=3.0, start=0.5, overhead=1e-3, rate=1e9)
    assert seconds(work, entry) == pytest.approx(3.0 + 0.5 + 100 * (4e-3 + 2e-3))


def test_a_framework_that_is_imported_is_not_paid_for_again():
    work = Work("dense", steps=1, operations=1, flops=1)
    entry = costs(imports=3.0)
    saved = seconds(work, entry) - seconds(work, entry, imported=["some"])
    assert saved == pytest.approx(3.0)


@pytest.mark.parametrize("kind", ["dense", "convolutional", "recurrent"])
def test_each_kind_of_network_has_its_own_pace(kind):
    slow, quick = Pace(0.0, 1.0, 1e9), Pace(0.0, 0.1, 1e9)
    paces = dict.fromkeys(("dense", "convolutional", "recurrent"), slow) | {kind: quick}
    work = Work(kind, steps=1, operations=1, flops=0)
    assert seconds(work, Costs(0.0, **paces)) == pytest.approx(0.1)


def test_of_equals_the_first_given_is_first_and_the_unknown_are_left_out():
    table = {("a", "cpu"): costs(), ("b", "cpu"): costs()}
    work = Work("dense", steps=1, operations=1, flops=1)
    for order in (["a", "b"], ["b", "a"]):
        candidates = [("plugged", "cpu"), *((name, "cpu") for name in order)]
        assert [one.backend for one in rank(work, candidates, table=table)] == order


entries = st.builds(
    costs,
    imports=st.floats(0, 10),
    start=st.floats(0, 10),
    overhead=st.floats(1e-7, 1e-2),
    rate=st.floats(1e8, 1e14),
)
works = st.builds(
    Work,
    kind=st.sampled_from(["dense", "convolutional", "recurrent"]),
    steps=st.integers(1, 10**6),
    operations=st.integers(1, 500),
    flops=st.integers(1, 10**12),
)


@given(work=works, a=entries, b=entries, factor=st.integers(1, 1000))
def test_more_steps_never_favour_the_one_that_takes_longer_for_each(work, a, b, factor):
    table = {("a", "cpu"): a, ("b", "cpu"): b}
    slower = max(
        "ab",
        key=lambda name: (
            work.operations * table[name, "cpu"].dense.overhead
            + work.flops / table[name, "cpu"].dense.rate
        ),
    )
    longer = work._replace(steps=work.steps * factor)
    before, after = (rank(w, list(table), table=table)[0].backend for w in (work, longer))
    assert before == slower or after != slower or seconds(work, a) == seconds(work, b)


@given(work=works, entry=entries, factor=st.integers(1, 100))
def test_more_work_is_never_expected_to_take_less(work, entry, factor):
    least = seconds(work, entry)
    for name in ("steps", "operations", "flops"):
        more = work._replace(**{name: getattr(work, name) * factor})
        assert seconds(more, entry) >= least


def test_the_table_has_numpy_and_numbers_that_can_be_times():
    assert ("numpy", "cpu") in COSTS
    for entry in COSTS.values():
        assert entry.imports >= 0
        for pace in entry[1:]:
            assert pace.start >= 0
            assert pace.overhead > 0
            assert pace.rate > 0


def test_small_tables_are_for_numpy_and_long_convolutional_training_is_not():
    on_cpu = [pair for pair in COSTS if pair[1] == "cpu"]
    tiny = work_of(dense(10, (5,), 2), steps=1_600, batch_size=32)
    assert rank(tiny, on_cpu)[0].backend == "numpy"
    images = work_of(convolutional((28, 28), (8, 16), 32), steps=20_000, batch_size=128)
    assert rank(images, on_cpu)[0].backend != "numpy"


def test_a_gpu_is_for_work_that_is_worth_its_start():
    pairs = [("torch", "cpu"), ("torch", "cuda")]
    network = dense(1024, (2048,), 256)
    short = work_of(network, steps=5, batch_size=1024)
    long = work_of(network, steps=20_000, batch_size=1024)
    assert rank(short, pairs, ["torch"])[0].device == "cpu"
    assert rank(long, pairs, ["torch"])[0].device == "cuda"


# What a step computes.


def test_a_dense_step_is_three_products_a_layer_and_two_for_the_first():
    work = work_of(dense(784, (128,), 32), steps=7, batch_size=256)
    shapes = [(784, 128), (128, 32), (32, 128), (128, 784)]
    products = 3 * sum(m * n for m, n in shapes) - 784 * 128
    assert work == Work("dense", 7, 4, 2 * 256 * products)


def windows(layer, input_shape):
    """Multiplications of a convolution's forward pass, counted place by place."""
    x = np.zeros((1, *input_shape))
    edges = layer.geometry(input_shape).edges
    window, strides, _ = layer.geometry(input_shape)
    padded = np.pad(x[0], (*edges, (0, 0)))
    count = 0
    starts = [
        range(0, size - cells + 1, stride)
        for size, cells, stride in zip(padded.shape, window, strides, strict=False)
    ]
    for place in np.ndindex(*(len(axis) for axis in starts)):
        corner = [axis[index] for axis, index in zip(starts, place, strict=True)]
        part = padded[tuple(slice(c, c + n) for c, n in zip(corner, window, strict=True))]
        count += part.size * layer.filters
    return count


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (Conv1D(3, 4, stride=2), (9, 2)),
        (Conv1D(3, 3, padding="valid"), (9, 2)),
        (Conv2D(3, (2, 3), stride=(1, 2)), (5, 6, 2)),
    ],
)
def test_a_convolution_is_counted_window_by_window(layer, shape):
    size = int(np.prod(shape))
    flat = int(np.prod(layer.output_shape(shape)))
    network = Architecture(shape, (layer, Flatten(), Dense(1)), (Dense(size), Reshape(shape)))
    work = work_of(network, steps=1, batch_size=10)
    assert (work.kind, work.operations) == ("convolutional", 3)
    assert work.flops == 2 * 10 * (2 * windows(layer, shape) + 3 * (flat + size))


def test_a_transposed_convolution_uses_its_kernel_at_every_place_of_its_input():
    network = Architecture((8, 8, 1), (Conv2D(2, 2, stride=2),), (Conv2DTranspose(1, 2, stride=2),))
    # 4 × 4 places, kernels of 2 · 2 · 1 · 2 and of 2 · 2 · 2 · 1.
    assert work_of(network, steps=1, batch_size=1).flops == 2 * (2 * 16 * 8 + 3 * 16 * 8)


@pytest.mark.parametrize(("layer", "gates"), [(LSTM(3), 4), (GRU(3), 3)])
def test_a_recurrent_layer_is_counted_time_by_time(layer, gates):
    network = Architecture(
        (5, 2),
        (layer,),
        (RepeatVector(5), Dense(2)),
    )
    work = work_of(network, steps=1, batch_size=1)
    # The kernel of the input, which is given, and that of the state, whose gradient goes back.
    by_time = 2 * gates * 3 * 2 + 3 * gates * 3 * 3
    assert work == Work("recurrent", 1, 5 + 1, 2 * (5 * by_time + 3 * 5 * 3 * 2))


def test_layers_inside_others_are_counted_once():
    plain = Architecture((4,), (Dense(3), Dense(3)), (Dense(4),))
    inside = Architecture((4,), (Dense(3), Residual((Dense(3), Activation("relu")))), (Dense(4),))
    assert work_of(inside, steps=1, batch_size=8) == work_of(plain, steps=1, batch_size=8)


def test_a_network_with_both_is_recurrent():
    network = recurrent((8, 2), 4)
    assert work_of(network, steps=1, batch_size=1).kind == "recurrent"
