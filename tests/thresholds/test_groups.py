"""ConformalByGroup: which rows are in which group, and which threshold each has.

That the promise holds for each group is shown in test_promises.
"""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aeanom.errors import CalibrationWarning, InvalidDataError, InvalidParameterError
from aeanom.thresholds import Conformal, ConformalByGroup, FittedThreshold

RNG = np.random.default_rng(0)
SITE = np.repeat([0.0, 1.0, 2.0], [40, 59, 100])
SCORES = RNG.exponential(size=199) * (1 + SITE)
NAMES = ("load", "site")


def rows(column):
    """Rows of two columns, of which the second is the one that groups are made by."""
    return np.column_stack([np.zeros(len(column)), column])


def test_each_value_has_the_conformal_threshold_of_its_own_scores():
    fitted = ConformalByGroup("site", 0.1).fit(SCORES, SITE)
    for group, value in zip(fitted.groups, (0.0, 1.0, 2.0), strict=True):
        alone = Conformal(0.1).fit(SCORES[value == SITE])
        assert (group.limit, group.rank, group.n_scores) == (
            alone.value,
            alone.rank,
            alone.n_scores,
        )
        assert (group.low, group.high) == (value, value)
    assert fitted.value == Conformal(0.1).fit(SCORES).value


def test_rows_get_the_threshold_of_their_value_and_unseen_ones_that_of_all():
    fitted = ConformalByGroup("site", 0.1).fit(SCORES, SITE)
    zero, one, two = (group.limit for group in fitted.groups)
    limits = fitted.limits(rows([2, 0, 1, 7, -1, 0.5]), NAMES)
    assert limits.tolist() == [two, zero, one, fitted.value, fitted.value, fitted.value]
    flags = fitted.exceeds([two + 1e-6] * 3, fitted.limits(rows([2, 1, 0]), NAMES))
    assert flags.tolist() == [True, True, True]


def test_a_value_that_went_through_float32_is_still_the_same_value():
    column = np.repeat([0.1, 0.2, 16_777_216.0, 16_777_217.0], 50)
    fitted = ConformalByGroup(1, 0.1).fit(RNG.exponential(size=200), column)
    limits = [group.limit for group in fitted.groups]
    narrow = rows(np.array([0.1, 0.2], dtype=np.float32))
    assert fitted.limits(narrow).tolist() == limits[:2]
    assert fitted.limits(rows([16_777_216, 16_777_217])).tolist() == limits[2:]


@settings(deadline=None)
@given(
    st.lists(st.integers(-3, 8), min_size=1, max_size=3, unique=True),
    st.lists(st.floats(-5, 10) | st.integers(-5, 10), min_size=1, max_size=20),
)
def test_intervals_are_open_below_and_closed_above(edges, cells):
    edges = sorted(edges)
    column = np.repeat([edges[0] - 1.0, *[edge + 0.5 for edge in edges]], 20)
    fitted = ConformalByGroup(1, 0.1, edges=edges).fit(
        np.random.default_rng(0).exponential(size=column.size), column
    )
    ends = [-np.inf, *edges, np.inf]
    for cell, limit in zip(cells, fitted.limits(rows(cells)), strict=True):
        (index,) = [i for i in range(len(edges) + 1) if ends[i] < cell <= ends[i + 1]]
        assert limit == fitted.groups[index].limit


def test_quantiles_cut_the_calibration_rows_into_equal_parts():
    load = RNG.permutation(200.0 * np.arange(1, 201))
    fitted = ConformalByGroup("load", 0.1, quantiles=4).fit(RNG.exponential(size=200), load)
    assert [group.n_scores for group in fitted.groups] == [50] * 4
    assert [group.high for group in fitted.groups] == [10_000, 20_000, 30_000, None]
    # One row of each group is not counted on: ⌊0.1 · 50⌋ and not ⌊0.1 · 51⌋; of 49 they differ.
    assert [group.rank for group in fitted.groups] == [5] * 4
    narrow = ConformalByGroup("load", 0.1, quantiles=4).fit(SCORES[:156], load[:156])
    assert [group.n_scores for group in narrow.groups] == [39] * 4
    assert [group.rank for group in narrow.groups] == [3] * 4


def test_quantiles_of_a_column_with_ties_make_fewer_groups():
    column = np.repeat([0.0, 1.0], [150, 50])
    fitted = ConformalByGroup(0, 0.1, quantiles=4).fit(RNG.exponential(size=200), column)
    assert [(group.low, group.high) for group in fitted.groups] == [(None, 0.0), (0.0, None)]
    constant = ConformalByGroup(0, 0.1, quantiles=4).fit(RNG.exponential(size=50), np.ones(50))
    assert [(group.low, group.high) for group in constant.groups] == [(None, None)]


@pytest.mark.parametrize(
    ("options", "needed"), [({}, 19), ({"edges": (0.5, 1.5)}, 19), ({"quantiles": 2}, 20)]
)
def test_small_groups_use_the_threshold_of_all_rows_and_say_how_many_it_takes(options, needed):
    column = np.repeat([0.0, 1.0, 2.0], [100, 3, needed - 1])
    if options == {"quantiles": 2}:
        column = np.repeat([0.0, 1.0], [100, needed - 1])
    scores = RNG.exponential(size=column.size)
    threshold = ConformalByGroup("site", 0.05, **options)
    if options == {"quantiles": 2}:
        # Of 119 rows the median is 0, so that the upper group has 19.
        assert np.median(column) == 0
    with pytest.warns(CalibrationWarning, match=f"fewer than the {needed} calibration") as caught:
        fitted = threshold.fit(scores, column)
    assert caught[0].filename == __file__
    small = [group for group in fitted.groups if group.rank is None]
    assert small
    assert all(group.limit == fitted.value for group in small)
    assert fitted.groups[0].rank is not None


def test_a_column_of_measurements_without_edges_is_told_to_have_some():
    with pytest.warns(CalibrationWarning, match=r"99 of 99 groups .* give edges=\(...\) or quant"):
        ConformalByGroup("load", 0.05).fit(RNG.exponential(size=99), RNG.random(99))


def test_too_few_rows_altogether_warn_twice_and_flag_by_the_largest_score():
    with pytest.warns(CalibrationWarning) as caught:
        fitted = ConformalByGroup("site", 0.05).fit(np.arange(10.0), np.zeros(10))
    assert len(caught) == 2
    assert fitted.limits(rows([0, 1]), NAMES).tolist() == [fitted.value] * 2
    # It promises no more than that does.
    assert fitted.promise == (pytest.approx(1 / 11), None)
    assert "no group of column 'site' has calibration rows enough" in fitted.describe()
    assert "at most 9.09 % of normal rows flagged on average" in fitted.describe()


def test_a_single_group_with_rows_enough_is_one_group():
    fitted = ConformalByGroup("site", 0.1).fit(SCORES[:40], SITE[:40])
    assert fitted.promise == (0.1, None)
    assert (
        "flagged on average in 1 group of column 'site', a hair above a score of their"
        in fitted.describe()
    )


def test_scores_alone_do_not_decide():
    fitted = ConformalByGroup("site", 0.1).fit(SCORES, SITE)
    with pytest.raises(InvalidParameterError, match=r"exceeds\(scores, limits\(rows\)\)"):
        fitted.exceeds(SCORES)


def test_a_threshold_without_groups_is_the_same_for_every_row():
    fitted = Conformal(0.1).fit(SCORES)
    assert fitted.limits(rows(SITE)).tolist() == [fitted.value] * 199
    np.testing.assert_array_equal(
        fitted.exceeds(SCORES, fitted.limits(rows(SITE))), fitted.exceeds(SCORES)
    )


@pytest.mark.parametrize("options", [{}, {"edges": (0.5, 1.5)}, {"quantiles": 3}])
def test_it_goes_through_json_with_its_groups(options):
    fitted = ConformalByGroup("site", 0.1, **options).fit(SCORES, SITE)
    again = FittedThreshold.from_dict(json.loads(json.dumps(fitted.to_dict(), allow_nan=False)))
    assert again == fitted
    cells = rows([0, 1, 2, 0.7, 9])
    np.testing.assert_array_equal(again.limits(cells, NAMES), fitted.limits(cells, NAMES))
    assert hash(again) == hash(fitted)


@pytest.mark.parametrize("options", [{}, {"edges": (0.5,)}, {"quantiles": 2}])
def test_equal_scores_flag_nothing_and_warn(options):
    column = np.repeat([0.0, 1.0], 50)
    with pytest.warns(CalibrationWarning, match="all 100 scores are equal") as caught:
        fitted = ConformalByGroup(0, 0.1, **options).fit(np.full(100, 2.0), column)
    assert {warning.filename for warning in caught} == {__file__}
    assert not fitted.exceeds(np.full(100, 2.0), fitted.limits(column[:, None])).any()


def test_the_column_is_found_by_name_or_place_in_rows_of_any_shape():
    images = np.arange(24.0).reshape(2, 3, 4)
    assert ConformalByGroup(5).column(images).tolist() == [5, 17]
    assert ConformalByGroup("b").column(rows([3, 4]), ("a", "b")).tolist() == [3, 4]


@pytest.mark.parametrize(
    ("by", "features", "message"),
    [
        (2, (), "made by column 2, and rows have 2 columns, 0 to 1"),
        ("sight", NAMES, "'sight', which rows do not have; did you mean 'site'"),
        (
            "zone",
            NAMES,
            "do not have; they have 'load', 'site'. Columns without names are found by",
        ),
        ("site", (), "which rows do not have: their columns have no names, so give its place"),
    ],
)
def test_a_column_that_is_not_there_is_refused(by, features, message):
    with pytest.raises(InvalidParameterError, match=message):
        ConformalByGroup(by).column(rows([1, 2]), features)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (None, r"needs the column's values beside the scores: fit\(scores, column\)"),
        (np.zeros(3), r"one value for each of the 199 scores; its shape is \(3,\)"),
        (np.full(199, np.nan), "199 of 199 values of the column are not finite"),
        (np.full(199, "a"), "the column has dtype <U1; it must be numbers"),
    ],
)
def test_an_unusable_column_is_refused(column, message):
    with pytest.raises(InvalidDataError, match=message):
        ConformalByGroup("site").fit(SCORES, column)
