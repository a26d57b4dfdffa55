"""Batches: every row once, padding without weight, a pure function of seed and epoch."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aeanom.architectures import Architecture, Conv2D, dense
from aeanom.core.batches import (
    ALIGNMENT,
    MAX_SEGMENT_STEPS,
    Segment,
    aligned_zeros,
    bucket,
    effective_batch_size,
    epoch_batches,
    evaluation_batches,
    pad_rows,
    rows_at_once,
    split,
)

SIZES = st.integers(1, 2000)
BATCHES = st.integers(1, 300)
SEEDS = st.integers(0, 2**64 - 1)


@given(SIZES, BATCHES, SEEDS, st.integers(0, 100), st.booleans())
def test_every_row_counts_exactly_once_in_an_epoch(n_rows, batch_size, seed, epoch, shuffle):
    order, weight = epoch_batches(n_rows, batch_size, seed=seed, epoch=epoch, shuffle=shuffle)
    assert sorted(order[weight == 1]) == list(range(n_rows))
    assert np.isin(weight, (0, 1)).all()


@given(SIZES, BATCHES, SEEDS)
def test_slots_without_weight_index_real_rows_and_stand_in_the_last_batch(n_rows, batch_size, seed):
    order, weight = epoch_batches(n_rows, batch_size, seed=seed, epoch=0)
    assert order.min() >= 0
    assert order.max() < n_rows
    assert weight[:-1].all()
    assert weight[-1].any()


@given(SIZES, BATCHES, SEEDS, st.integers(0, 5))
def test_batches_are_a_pure_function_of_seed_and_epoch(n_rows, batch_size, seed, epoch):
    first = epoch_batches(n_rows, batch_size, seed=seed, epoch=epoch)
    epoch_batches(n_rows, batch_size, seed=seed, epoch=epoch + 1)
    again = epoch_batches(n_rows, batch_size, seed=seed, epoch=epoch)
    assert np.array_equal(first[0], again[0])


def test_another_epoch_and_another_seed_give_another_order():
    orders = {
        epoch_batches(100, 10, seed=seed, epoch=epoch)[0].tobytes()
        for seed in range(5)
        for epoch in range(5)
    }
    assert len(orders) == 25


def test_without_shuffling_rows_keep_their_own_order():
    order, weight = epoch_batches(5, 2, seed=9, epoch=4, shuffle=False)
    assert order.tolist() == [[0, 1], [2, 3], [4, 0]]
    assert weight.tolist() == [[1, 1], [1, 1], [1, 0]]


def test_fewer_rows_than_a_batch_are_one_batch_and_none_is_skipped():
    order, weight = epoch_batches(3, 256, seed=0, epoch=0)
    assert len(order) == 1
    assert sorted(order[weight == 1]) == [0, 1, 2]


@given(SIZES, BATCHES)
def test_a_batch_is_never_much_wider_than_the_block(n_rows, batch_size):
    size = effective_batch_size(batch_size, n_rows)
    assert size <= batch_size
    assert size <= 1.125 * n_rows + 1


@given(st.integers(1, 10**9))
def test_a_bucket_is_at_most_an_eighth_larger_than_what_it_holds(size):
    assert size <= bucket(size) <= 1.125 * size + 1


@given(st.integers(1, 10**6), st.integers(0, 1000))
def test_a_larger_size_never_has_a_smaller_bucket(size, more):
    assert bucket(size) <= bucket(size + more)


@given(st.integers(1, 10**6))
def test_a_bucket_is_its_own_bucket(size):
    assert bucket(bucket(size)) == bucket(size)


def test_an_octave_has_eight_buckets():
    assert len({bucket(size) for size in range(1025, 2049)}) == 8


def test_evaluation_takes_every_row_once_in_its_own_order():
    order, weight = evaluation_batches(10_000, 4096)
    assert order.shape == (3, 4096)
    assert order[weight == 1].tolist() == list(range(10_000))


def images(height, filters):
    return Architecture((height, height, 1), (Conv2D(filters, 3),), (Conv2D(1, 3),))


@pytest.mark.parametrize(
    ("architecture", "rows"),
    [(dense(784), 4096), (images(28, 16), 1024), (images(256, 32), 8), (dense(10**7), 1)],
    ids=["dense", "small images", "large images", "millions of features"],
)
def test_rows_at_once_are_fewer_where_the_widest_layer_is_wider(architecture, rows):
    assert rows_at_once(architecture) == rows


@given(st.integers(1, 10_000))
def test_segments_are_bounded_and_cover_every_step_in_order(steps):
    parts = list(split(steps))
    assert [step for part in parts for step in range(part.start, part.stop)] == list(range(steps))
    assert max(part.stop - part.start for part in parts) <= MAX_SEGMENT_STEPS


def test_padding_appends_zeros_and_keeps_the_dtype():
    padded = pad_rows(np.array([[1, 2]], np.float32), 3)
    assert padded.tolist() == [[1, 2], [0, 0], [0, 0]]
    assert padded.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
@pytest.mark.parametrize("shape", [(1,), (3, 5), (7, 2, 3)])
def test_what_padding_copies_begins_where_compiled_backends_want_it(shape, dtype):
    array = np.arange(np.prod(shape), dtype=dtype).reshape(shape)
    padded = pad_rows(array, 9)
    assert padded.ctypes.data % ALIGNMENT == 0
    assert padded.flags.c_contiguous
    assert padded.flags.writeable
    np.testing.assert_array_equal(
        padded, np.concatenate([array, np.zeros((9 - len(array), *shape[1:]))])
    )


def test_padding_to_the_same_size_copies_nothing():
    array = np.ones((3, 2))
    assert pad_rows(array, 3) is array


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), st.sampled_from(["f4", "f8", "i4"]))
def test_aligned_arrays_are_like_others(shape, dtype):
    shape = tuple(shape)
    zeros = aligned_zeros(shape, dtype)
    assert zeros.ctypes.data % ALIGNMENT == 0
    assert zeros.flags.c_contiguous
    assert zeros.flags.writeable
    assert zeros.dtype == dtype
    assert np.array_equal(zeros, np.zeros(shape))


def test_the_rows_of_a_step_are_those_of_weight_one_that_come_first():
    weights = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1], [1, 0.5, 0], [0, 0, 0]], float)
    steps = Segment(0, 5, np.zeros((5, 3), np.int32), weights, {})
    assert steps.row_counts() == [3, 2, None, None, None]
