"""Descriptions: parameters, settings, JSON, sentences and refusals."""

import dataclasses
import json
import math

import numpy as np
import pytest

from aeanom import thresholds
from aeanom.errors import InvalidDataError, InvalidParameterError
from aeanom.thresholds import (
    IQR,
    MAD,
    METHODS,
    Conformal,
    ConformalByGroup,
    Contamination,
    Cost,
    FalsePositiveBound,
    FittedThreshold,
    Fixed,
    LabelledThreshold,
    MaxFBeta,
    MaxMCC,
    MeanStd,
    PeaksOverThreshold,
    Quantile,
    TargetPrecision,
    TargetRecall,
    Youden,
    resolve,
    threshold_from_dict,
)

# Those that take scores and nothing else.
OF_SCORES = [
    Conformal(0.01),
    FalsePositiveBound(0.1, 0.2),
    Quantile(0.99),
    Contamination(1 / 3),
    MeanStd(2),
    MAD(3.5, log=True),
    IQR(3),
    PeaksOverThreshold(1e-4),
]
WITH_LABELS = [MaxFBeta(2), MaxMCC(), Youden(), TargetRecall(0.5), TargetPrecision(0.5), Cost(1, 5)]
DESCRIPTIONS = [
    *OF_SCORES,
    Fixed(-0.1),
    *WITH_LABELS,
    ConformalByGroup("site", 0.1),
    ConformalByGroup(0, 0.1, edges=(0.5, 1.5)),
    ConformalByGroup("load", 0.1, quantiles=3),
]
any_description = pytest.mark.parametrize("description", DESCRIPTIONS, ids=repr)
SCORES = np.random.default_rng(0).gamma(2.0, size=199)
LABELS = SCORES + 2 * np.random.default_rng(1).random(199) > 5
COLUMN = np.arange(199) % 3


def fit(description, scores=SCORES, **settings):
    """Fit any method, with what it needs besides the scores."""
    if isinstance(description, LabelledThreshold):
        return description.fit(scores, LABELS, **settings)
    if isinstance(description, ConformalByGroup):
        return description.fit(scores, COLUMN, **settings)
    return description.fit(scores, **settings)


@any_description
def test_descriptions_go_through_json_unchanged(description):
    assert threshold_from_dict(json.loads(json.dumps(description.to_dict()))) == description


@any_description
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fitted_thresholds_go_through_json_unchanged(description, dtype):
    fitted = fit(description, SCORES.astype(dtype), sample="calibration")
    text = json.dumps(fitted.to_dict(), allow_nan=False)
    restored = FittedThreshold.from_dict(json.loads(text))
    assert restored == fitted
    assert restored.describe() == fitted.describe()


def test_a_description_as_json():
    assert Conformal(0.01).to_dict() == {"method": "conformal", "false_positive_rate": 0.01}


@any_description
def test_descriptions_are_frozen_and_hashable(description):
    assert {description: 1}[dataclasses.replace(description)] == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        description.method = "other"


def test_each_method_says_which_scores_it_wants():
    assert {name: kind.sample for name, kind in METHODS.items()} == {
        "conformal": "calibration",
        "conformal_by_group": "calibration",
        "false_positive_bound": "calibration",
        "quantile": "any",
        "contamination": "training",
        "mean_std": "any",
        "mad": "any",
        "iqr": "any",
        "peaks_over_threshold": "any",
        "fixed": "none",
        "max_f_beta": "labelled",
        "max_mcc": "labelled",
        "youden": "labelled",
        "target_recall": "labelled",
        "target_precision": "labelled",
        "cost": "labelled",
    }


def test_every_method_is_among_the_examples_here():
    assert {description.method for description in DESCRIPTIONS} == set(METHODS)


def test_the_public_names_are_there():
    assert all(hasattr(thresholds, name) for name in thresholds.__all__)


@pytest.mark.parametrize(
    ("make", "value", "message"),
    [
        (Conformal, 0.0, "false_positive_rate must be between 0 and 1, both excluded; got 0.0"),
        (Conformal, 1, "false_positive_rate must be between 0 and 1, both excluded; got 1"),
        (Conformal, "5 %", "false_positive_rate must be between 0 and 1, .* got '5 %'"),
        (Conformal, math.nan, "false_positive_rate must be .* got nan"),
        (Conformal, None, "false_positive_rate must be .* got None"),
        (Quantile, 0, "quantile must be above 0 and at most 1; got 0"),
        (Quantile, 95, "quantile must be above 0 and at most 1; got 95"),
        (Quantile, True, "quantile must be above 0 and at most 1; got True"),
        (Contamination, 0.51, "contamination must be above 0 and at most 0.5; got 0.51"),
        (Contamination, "auto", "contamination must be above 0 and at most 0.5; got 'auto'"),
        (MeanStd, -1, "deviations must be 0 or more; got -1"),
        (MeanStd, math.inf, "deviations must be 0 or more; got inf"),
        (FalsePositiveBound, 1.0, "alpha must be between 0 and 1, both excluded; got 1.0"),
        (lambda delta: FalsePositiveBound(0.05, delta), 0, "delta must be between 0 and 1"),
        (MAD, -1, "deviations must be 0 or more; got -1"),
        (lambda log: MAD(3, log), 1, "log must be True or False; got 1"),
        (IQR, "1.5", "ranges must be 0 or more; got '1.5'"),
        (PeaksOverThreshold, 0, "risk must be between 0 and 1, both excluded; got 0"),
        (PeaksOverThreshold, 0.1, r"risk=0.1 must be below 1 - initial_quantile.*Quantile\(0.9\)"),
        (MaxFBeta, 0, "beta must be above 0 and at most 1e6; got 0"),
        (TargetRecall, 1.1, "recall must be above 0 and at most 1; got 1.1"),
        (TargetPrecision, 0, "precision must be above 0 and at most 1; got 0"),
        (Cost, 0, "false_alarm must be above 0; got 0"),
        (lambda miss: Cost(1, miss), -1, "miss must be above 0; got -1"),
        (lambda share: Cost(1, 1, share), 1, "prevalence must be between 0 and 1"),
        (ConformalByGroup, 1.5, "by must be the name of a column or its place in a row; got 1.5"),
        (ConformalByGroup, "", "by must be the name of a column"),
        (ConformalByGroup, -1, "by must be a place in a row, from 0; got -1"),
        (lambda rate: ConformalByGroup("a", rate), 1, "false_positive_rate must be between 0"),
        (lambda edges: ConformalByGroup("a", edges=edges), (2, 1), "edges must increase"),
        (lambda edges: ConformalByGroup("a", edges=edges), (), "edges must be one increasing"),
        (lambda edges: ConformalByGroup("a", edges=edges), "1,2", "edges must be one increasing"),
        (lambda n: ConformalByGroup("a", quantiles=n), 1, "quantiles must be a whole number"),
        (
            lambda n: ConformalByGroup("a", edges=(1,), quantiles=n),
            2,
            "edges=.* and quantiles=2 exclude each other",
        ),
        (Fixed, math.nan, "value must be a finite number; got nan"),
    ],
)
def test_parameters_are_checked_when_described(make, value, message):
    with pytest.raises(InvalidParameterError, match=message):
        make(value)


def test_numpy_numbers_become_the_python_numbers_that_were_meant():
    assert Conformal(np.float32(0.05)) == Conformal(0.05)
    assert type(MeanStd(np.int64(3)).deviations) is float


@pytest.mark.parametrize(
    "description", [d for d in DESCRIPTIONS if not isinstance(d, Fixed)], ids=repr
)
@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([], "scores are empty"),
        (None, "is fitted to .*scores.*, and none were given"),
        ([1.0, math.nan, math.inf], "2 of 3 scores are NaN or infinite, the first at row 1"),
        ([[1.0, 2.0]], r"must be one-dimensional; their shape is \(1, 2\)"),
        (["1", "2"], "scores have dtype <U1; they must be numbers"),
        ([[1.0], [1.0, 2.0]], "scores are not an array"),
    ],
)
def test_unusable_scores_are_refused_with_the_reason(description, scores, message):
    with pytest.raises(InvalidDataError, match=message):
        fit(description, scores)


def test_precision_is_one_of_two():
    with pytest.raises(InvalidParameterError, match=r"must be 'float32' or 'float64'.*'bfloat16'"):
        Quantile().fit(SCORES, precision="bfloat16")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Conformal(0.05)),
        ({"false_positive_rate": 0.01}, Conformal(0.01)),
        ({"contamination": 0.2}, Contamination(0.2)),
        ({"threshold": "conformal", "false_positive_rate": 0.01}, Conformal(0.01)),
        ({"threshold": "quantile"}, Quantile(0.95)),
        ({"threshold": "contamination"}, Contamination(0.1)),
        ({"threshold": "mean_std"}, MeanStd(3.0)),
        ({"threshold": Fixed(0.5)}, Fixed(0.5)),
    ],
)
def test_settings_resolve_to_a_description(settings, expected):
    assert resolve(**settings) == expected


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": "quantile", "contamination": 0.1}, "exclude each other"),
        ({"threshold": Quantile(), "contamination": 0.1}, "exclude each other"),
        ({"threshold": "contamination", "contamination": 0.1}, "exclude each other"),
        ({"threshold": "percentile"}, "'quantile', 'contamination', 'mean_std'"),
        ({"threshold": "fixed"}, r"needs a value: pass thresholds.Fixed\(0.5\)"),
        ({"threshold": "conformal_by_group"}, r"needs a column: pass thresholds.ConformalByGroup"),
        ({"threshold": 0.5}, r"a fixed value is thresholds\.Fixed\(0\.5\)"),
        ({"threshold": None}, "threshold must be 'auto', one of .* got None"),
        ({"threshold": Quantile}, "threshold must be 'auto', one of"),
        ({"contamination": 0.7}, "contamination must be above 0 and at most 0.5; got 0.7"),
        ({"contamination": "Auto"}, "contamination must be .* got 'Auto'"),
        ({"contamination": None}, "contamination must be .* got None"),
        ({"false_positive_rate": 5}, "false_positive_rate must be .* got 5"),
        ({"threshold": "quantile", "false_positive_rate": 5}, "false_positive_rate must be"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(InvalidParameterError, match=message):
        resolve(**settings)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"method": "magic"}, "a threshold must have a method, one of 'conformal'"),
        ({}, "a threshold must have a method"),
        ("conformal", "a threshold must have a method"),
        ({"method": ["conformal"]}, "a threshold must have a method"),
        ({"method": "quantile"}, "a quantile threshold has missing entries 'quantile'"),
        ({"method": "quantile", "quantile": 0.9, "q": 1}, "has unknown entries 'q'"),
        ({"method": "quantile", "quantile": "0.9"}, "quantile must be above 0"),
    ],
)
def test_damaged_descriptions_are_refused(values, message):
    with pytest.raises(InvalidParameterError, match=message):
        threshold_from_dict(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"value": math.nan}, "value must be a finite number"),
        ({"value": "1"}, "value must be a finite number"),
        ({"n_scores": -1}, "n_scores must be a whole number of at least 0"),
        ({"n_scores": 1.5}, "n_scores must be a whole number"),
        ({"n_ties": 200}, "n_ties must be a whole number of at least 0 and at most 199"),
        ({"rank": 0}, "rank must be a whole number of at least 1"),
        ({"rank": True}, "rank must be a whole number of at least 1"),
        ({"level": 2.0}, "level must be from 0 to 1"),
        ({"sample": 3}, "sample must be a name"),
        ({"threshold": None}, "a threshold must have a method"),
        ({"figures": {"shape": 0.1}}, "figures of a conformal threshold has unknown entries"),
        ({"figures": []}, "figures of a conformal threshold must be a mapping"),
        ({"groups": 3}, "groups must be a list; got 3"),
        ({"groups": [[1.0]]}, "a group must be a list of limit, n_scores, rank, low, high"),
        ({"groups": [[None, 1, 1, 0.0, 0.0]]}, "limit of a group must be a finite number"),
        ({"groups": [[1.0, 1, 2, 0.0, 0.0]]}, "rank in a group must be a whole number"),
        ({"groups": [[1.0, 1, 1, "a", 0.0]]}, "low end of a group must be a finite number"),
        ({"extra": 1}, "a fitted threshold has unknown entries 'extra'"),
    ],
)
def test_damaged_fitted_thresholds_are_refused(change, message):
    values = Conformal(0.05).fit(SCORES).to_dict() | change
    with pytest.raises(InvalidParameterError, match=message):
        FittedThreshold.from_dict(values)


def test_what_earlier_versions_wrote_is_read_and_written_as_they_did():
    values = {
        "value": 2.5,
        "threshold": {"method": "quantile", "quantile": 0.95},
        "sample": "training",
        "n_scores": 20,
        "n_ties": 1,
        "rank": 2,
        "level": 0.05,
    }
    assert FittedThreshold.from_dict(values).to_dict() == values


def test_fitted_threshold_names_what_is_missing():
    with pytest.raises(InvalidParameterError, match="missing entries 'level', 'n_scores'"):
        FittedThreshold.from_dict({"value": 1.0})
    with pytest.raises(InvalidParameterError, match="must be a mapping; got list"):
        FittedThreshold.from_dict([])


@pytest.mark.parametrize(
    ("description", "sentence"),
    [
        (
            Conformal(0.05),
            "conformal: at most 5 % of normal rows flagged on average; a hair above the 10th "
            "largest of 199 calibration scores; with that many the realised rate lies between "
            "2.44 % and 8.41 % in 95 % of calibrations",
        ),
        (
            Quantile(0.95),
            "quantile: the 0.95 quantile of 199 calibration scores, a hair above the 10th largest; "
            "4.52 % of them are above it; promises nothing about new rows",
        ),
        (
            Contamination(0.1),
            "contamination: 10 % of the rows it was fitted to; 10.1 % of 199 calibration scores "
            "are above it; promises nothing about new rows",
        ),
        (
            MeanStd(3),
            "mean_std: mean + 3 standard deviations of 199 calibration scores; 1.01 % of them are "
            "above it; promises nothing about new rows",
        ),
        (Fixed(0.3), "fixed: 0.3, given; promises nothing about new rows"),
        (
            FalsePositiveBound(0.05, 0.1),
            "false_positive_bound: at most 5 % of normal rows flagged in 90 % of calibrations; "
            "a hair above the 6th largest of 199 calibration scores; 3 % are flagged on average",
        ),
        (
            MAD(3),
            "mad: median + 3 median absolute deviations (times 1.4826) of 199 calibration "
            "scores; 3.52 % of them are above it; promises nothing about new rows",
        ),
        (
            MAD(3, log=True),
            "mad: the logarithms' median + 3 median absolute deviations (times 1.4826) of 199 "
            "calibration scores; 0 % of them are above it; promises nothing about new rows",
        ),
        (
            IQR(1.5),
            "iqr: the upper quartile + 1.5 interquartile ranges of 199 calibration scores; 3.52 "
            "% of them are above it; promises nothing about new rows",
        ),
        (
            PeaksOverThreshold(0.001),
            "peaks_over_threshold: exceeded with probability 0.001, by a generalised Pareto "
            "tail of shape 0.155 and scale 0.908 above 3.75266, from 19 excesses of 199 "
            "calibration scores; 0 % of them are above it; promises nothing about new rows",
        ),
        (
            MaxFBeta(2),
            "max_f_beta: the largest F2, 0.9494, of 199 calibration scores, 15 of them of "
            "anomalies; 9.55 % of them are above it; promises nothing about new rows",
        ),
        (
            MaxMCC(),
            "max_mcc: the largest Matthews correlation, 0.9259, of 199 calibration scores, 15 "
            "of them of anomalies; 6.53 % of them are above it; promises nothing about new rows",
        ),
        (
            Youden(),
            "youden: the largest difference of detection and false-alarm rate, 0.9783, of 199 "
            "calibration scores, 15 of them of anomalies; 9.55 % of them are above it; promises "
            "nothing about new rows",
        ),
        (
            TargetRecall(0.9),
            "target_recall: the fewest rows flagged for a recall of 0.9, 0.9333 attained, of "
            "199 calibration scores, 15 of them of anomalies; 8.04 % of them are above it; "
            "promises nothing about new rows",
        ),
        (
            TargetPrecision(0.5),
            "target_precision: the most anomalies found with a precision of 0.5, 0.7895 "
            "attained, of 199 calibration scores, 15 of them of anomalies; 9.55 % of them are "
            "above it; promises nothing about new rows",
        ),
        (
            Cost(1, 10),
            "cost: the smallest expected cost of a row, 0.0201, with 1 for a false alarm, 10 "
            "for a miss and the sample's share of anomalies, of 199 calibration scores, 15 of "
            "them of anomalies; 9.55 % of them are above it; promises nothing about new rows",
        ),
        (
            ConformalByGroup("site", 0.05),
            "conformal_by_group: at most 5 % of normal rows flagged on average in each of 3 "
            "groups of column 'site', a hair above scores of their calibration rows (0: 5.2423 "
            "(67), 1: 4.8262 (66), 2: 4.34649 (66)); other rows: 4.3583, of 199 calibration "
            "scores, which promises nothing about a group by itself",
        ),
        (
            ConformalByGroup("load", 0.05, quantiles=3),
            "conformal_by_group: at most 5 % of normal rows flagged on average in each of 3 "
            "groups of column 'load', a hair above scores of their calibration rows (up to 0: "
            "5.2423 (67), above 0 up to 1: 4.8262 (66), above 1: 4.34649 (66)); other rows: "
            "4.3583, of 199 calibration scores, which promises nothing about a group by itself",
        ),
    ],
    ids=lambda value: getattr(value, "method", ""),
)
def test_each_threshold_says_what_it_is_in_one_sentence(description, sentence):
    assert fit(description, sample="calibration").describe() == sentence


@pytest.mark.parametrize(
    ("rank", "words"),
    [(1, "the largest of"), (2, "2nd largest"), (3, "3rd"), (11, "11th"), (21, "21st"), (4, "4th")],
)
def test_ranks_are_written_as_ordinals(rank, words):
    assert words in Conformal(rank / 100).fit(np.arange(99.0)).describe()


def test_the_sentence_mentions_ties_and_a_rate_that_was_not_attained():
    assert "10 of which are equal to it" in Conformal(0.05).fit([1.0] * 10 + [0.0] * 20).describe()
    with pytest.warns(UserWarning, match="too few"):
        fitted = Conformal(0.01).fit(np.arange(49.0))
    assert "at most 2 % of normal rows flagged on average (1 % asked for)" in fitted.describe()


def test_only_thresholds_at_a_rank_among_all_rows_have_an_interval():
    with_interval = {d.method for d in DESCRIPTIONS if fit(d).interval() is not None}
    assert with_interval == {"conformal", "false_positive_bound"}


def test_what_is_promised_is_a_rate_on_average_or_with_a_confidence():
    promises = {d.method: fit(d).promise for d in DESCRIPTIONS}
    assert {method: promise for method, promise in promises.items() if promise} == {
        "conformal": (0.01, None),
        "conformal_by_group": (0.1, None),
        "false_positive_bound": (0.1, 0.8),
    }


@pytest.mark.parametrize("kind", METHODS.values(), ids=METHODS)
def test_its_docstring_says_where_it_is_from_and_what_it_promises(kind):
    said = kind.__doc__
    if kind in (Conformal, ConformalByGroup, FalsePositiveBound):
        assert said.startswith("At most ")
    else:
        assert "promises nothing" in " ".join(said.split()) or "Nothing is promised" in said
    # The number of `Fixed` is the user's own.
    assert ("References\n    ------" in said) is (kind is not Fixed)
