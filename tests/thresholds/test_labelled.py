"""Thresholds from labels: each optimum against every cut there is, counted by a loop."""

import itertools
import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from aeanom.errors import CalibrationWarning, InvalidDataError
from aeanom.thresholds import (
    Cost,
    MaxFBeta,
    MaxMCC,
    TargetPrecision,
    TargetRecall,
    Youden,
)

METHODS = [
    MaxFBeta(1.0),
    MaxFBeta(0.5),
    MaxFBeta(2.0),
    MaxMCC(),
    Youden(),
    TargetRecall(0.9),
    TargetRecall(1.0),
    TargetPrecision(0.5),
    TargetPrecision(0.9),
    Cost(1, 10),
    Cost(5, 1),
    Cost(1, 10, prevalence=0.01),
]
any_method = pytest.mark.parametrize("method", METHODS, ids=repr)
CASES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 7.0]), st.booleans()),
    min_size=2,
    max_size=25,
).filter(lambda rows: len({label for _, label in rows}) == 2 == min(2, len({s for s, _ in rows})))


def worth(method, y, flags):
    """How good a decision is by the textbook's formulas, the larger the better."""
    tp, fp = int((y & flags).sum()), int((~y & flags).sum())
    fn, tn = int(y.sum()) - tp, int((~y).sum()) - fp
    precision, recall = tp / max(tp + fp, 1), tp / (tp + fn)
    match method:
        case MaxFBeta(beta=beta):
            if not tp:
                return 0.0
            return (1 + beta**2) * precision * recall / (beta**2 * precision + recall)
        case MaxMCC():
            spread = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
            return (tp * tn - fp * fn) / spread if spread else 0.0
        case Youden():
            return recall - fp / (tn + fp)
        case TargetRecall(recall=asked):
            return -(tp + fp) if recall >= asked - 1e-12 else -math.inf
        case TargetPrecision(precision=asked):
            return tp if tp and precision >= asked - 1e-12 else precision - 1
        case Cost(false_alarm=false_alarm, miss=miss, prevalence=share):
            share = y.mean() if share is None else share
            return -(share * miss * fn / (fn + tp) + (1 - share) * false_alarm * fp / (tn + fp))


def every_cut(scores):
    """The flags of each cut between two scores, of none flagged and of all, fewest first."""
    for cut in [math.inf, *sorted(set(scores), reverse=True)]:
        yield scores >= cut


@pytest.mark.filterwarnings("ignore::aeanom.errors.CalibrationWarning")
@any_method
@settings(deadline=None, max_examples=40)
@given(CASES)
def test_no_cut_is_better_and_none_as_good_flags_fewer(method, rows):
    scores, y = np.array([score for score, _ in rows]), np.array([label for _, label in rows])
    fitted = method.fit(scores, y)
    flags = fitted.exceeds(scores)
    assert fitted.value not in scores
    reached = worth(method, y, flags)
    others = [(worth(method, y, cut), cut.sum()) for cut in every_cut(scores)]
    assert reached == pytest.approx(max(value for value, _ in others), abs=1e-12)
    fewest = min(count for value, count in others if value >= reached - 1e-12)
    assert flags.sum() == fewest


@pytest.mark.filterwarnings("ignore::aeanom.errors.CalibrationWarning")
@pytest.mark.parametrize("seed", range(10))
def test_what_was_attained_is_what_scikit_learn_counts(seed):
    rng = np.random.default_rng(seed)
    y = rng.random(40) < 0.3
    scores = rng.integers(0, 12, 40) + 3.0 * y

    def attained(method):
        fitted = method.fit(scores, y)
        assert fitted.figures["anomalies"] == y.sum()
        return fitted.figures["attained"], fitted.exceeds(scores)

    for method, figure, options in (
        (MaxFBeta(2), sklearn.metrics.fbeta_score, {"beta": 2, "zero_division": 0}),
        (MaxMCC(), sklearn.metrics.matthews_corrcoef, {}),
        (Youden(), sklearn.metrics.balanced_accuracy_score, {"adjusted": True}),
        (TargetRecall(), sklearn.metrics.recall_score, {"zero_division": 0}),
        (TargetPrecision(), sklearn.metrics.precision_score, {"zero_division": 0}),
    ):
        value, flags = attained(method)
        assert value == pytest.approx(figure(y, flags, **options), abs=1e-12)
    value, flags = attained(Cost(2, 9))
    (_, fp), (fn, _) = sklearn.metrics.confusion_matrix(y, flags)
    assert value == pytest.approx((2 * fp + 9 * fn) / 40)


@pytest.mark.parametrize(("recall", "n", "found"), [(0.07, 100, 7), (0.29, 100, 29), (2 / 3, 9, 6)])
def test_a_recall_that_is_a_ratio_is_met_exactly(recall, n, found):
    scores = np.arange(2.0 * n)
    fitted = TargetRecall(recall).fit(scores, scores >= n)
    assert fitted.exceeds(scores).sum() == found


def test_a_precision_that_is_a_ratio_is_met_exactly():
    scores = np.arange(20.0)
    y = scores >= 11
    y[:10] = True
    fitted = TargetPrecision(0.9).fit(scores, y)  # 9 of 10 above, one normal row among them
    assert fitted.exceeds(scores).sum() == 20
    y[:2] = False
    assert TargetPrecision(0.9).fit(scores, y).exceeds(scores).sum() == 18


def test_a_threshold_lies_a_hair_above_the_largest_score_that_is_not_flagged():
    scores, y = [1.0, 2.0, 5.0, 6.0], [0, 0, 1, 1]
    assert MaxFBeta().fit(scores, y).value == 2.0 + 2e-9
    assert MaxFBeta().fit(scores, y, precision="float32").value == 2.0 + 2e-5


def test_all_rows_can_be_flagged_and_so_can_none():
    scores = np.array([1.0, 2.0, 3.0])
    everything = Cost(1, 1000).fit(scores, [1, 0, 1])
    assert everything.exceeds(scores).all()
    assert everything.value == 1.0 - 1e-9
    assert everything.level == 1
    assert not Cost(1000, 1).fit(scores, [1, 1, 0]).exceeds(scores).any()


def test_neighbouring_floats_are_not_cut_apart():
    upper = math.nextafter(2.0, 3.0)
    scores = np.array([1.0, 2.0, upper, 3.0])
    fitted = Youden().fit(scores, [0, 0, 1, 1])
    assert fitted.value not in scores
    # Either both or neither, and both are worse by one row than a cut that does not exist.
    assert fitted.exceeds(scores).sum() in (1, 3)
    assert fitted.figures["attained"] == 0.5


@any_method
def test_equal_scores_flag_nothing_and_warn(method):
    with pytest.warns(CalibrationWarning, match="all 4 scores are equal") as caught:
        fitted = method.fit(np.full(4, 3.0), [0, 0, 0, 1])
    assert {warning.filename for warning in caught} == {__file__}
    assert not fitted.exceeds([3.0] * 4).any()


def test_a_precision_that_no_cut_has_is_warned_of_with_the_best_there_is():
    scores, y = np.arange(10.0), np.arange(10) % 3 == 0
    y[9] = False
    with pytest.warns(CalibrationWarning, match="no threshold has a precision of 0.9 .* with 0.3$"):
        fitted = TargetPrecision(0.9).fit(scores, y)
    assert fitted.figures["attained"] == 0.3


@any_method
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, r"needs labels beside the scores: fit\(scores, y\)"),
        ([0, 0, 0], "all 3 labels are normal rows"),
        ([True] * 3, "all 3 labels are anomalies"),
        ([0, 1], r"one label for each of the 3 rows; its shape is \(2,\)"),
        ([0, 1, 2], "1 of 3 labels in y are neither 0"),
        ([0.0, 1.0, math.nan], "1 of 3 labels in y are neither 0"),
        ([1, -1, 1], "1 of 3 labels in y .* pass y == -1"),
        (["a", "b", "b"], "y has dtype <U1; labels are booleans"),
    ],
)
def test_unusable_labels_are_refused_with_the_reason(method, y, message):
    with pytest.raises(InvalidDataError, match=message):
        method.fit([1.0, 2.0, 3.0], y)


@pytest.mark.filterwarnings("ignore::aeanom.errors.CalibrationWarning")
@any_method
@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.sampled_from([0.25, 4.0, 1024.0]))
def test_scaled_scores_have_a_scaled_threshold_and_the_order_of_rows_does_not_matter(
    method, seed, scale
):
    rng = np.random.default_rng(seed)
    y = rng.random(60) < 0.3
    y[:2] = False, True
    scores = rng.exponential(size=60) + 2 * y
    shuffled = rng.permutation(60)
    fitted = method.fit(scores, y)
    assert method.fit(scale * scores, y).value == pytest.approx(scale * fitted.value, rel=1e-12)
    assert method.fit(scores[shuffled], y[shuffled]) == fitted


def test_all_orders_of_three_labels_are_tried():
    for labels in itertools.product([0, 1], repeat=3):
        if 0 < sum(labels) < 3:
            scores = np.array([1.0, 2.0, 3.0])
            fitted = Youden().fit(scores, labels)
            best = max(worth(Youden(), np.array(labels) == 1, cut) for cut in every_cut(scores))
            assert fitted.figures["attained"] == pytest.approx(best)
