"""Descriptions: parameters, settings, JSON, sentences and refusals."""

import dataclasses
import json
import math

import numpy as np
import pytest

from aeanom import thresholds
from aeanom.errors import InvalidDataError, InvalidParameterError
from aeanom.thresholds import (
    METHODS,
    Conformal,
    Contamination,
    FittedThreshold,
    Fixed,
    MeanStd,
    Quantile,
    resolve,
    threshold_from_dict,
)

DESCRIPTIONS = [Conformal(0.01), Quantile(0.99), Contamination(1 / 3), MeanStd(2), Fixed(-0.1)]
any_description = pytest.mark.parametrize("description", DESCRIPTIONS, ids=repr)
SCORES = np.random.default_rng(0).gamma(2.0, size=199)


@any_description
def test_descriptions_go_through_json_unchanged(description):
    assert threshold_from_dict(json.loads(json.dumps(description.to_dict()))) == description


@any_description
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fitted_thresholds_go_through_json_unchanged(description, dtype):
    fitted = description.fit(SCORES.astype(dtype), sample="calibration")
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
        "quantile": "any",
        "contamination": "training",
        "mean_std": "any",
        "fixed": "none",
    }


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
        (Fixed, math.nan, "value must be a finite number; got nan"),
    ],
)
def test_parameters_are_checked_when_described(make, value, message):
    with pytest.raises(InvalidParameterError, match=message):
        make(value)


def test_numpy_numbers_become_the_python_numbers_that_were_meant():
    assert Conformal(np.float32(0.05)) == Conformal(0.05)
    assert type(MeanStd(np.int64(3)).deviations) is float


@pytest.mark.parametrize("description", DESCRIPTIONS[:4], ids=repr)
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
        description.fit(scores)


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
        ({"threshold": "percentile"}, "'conformal', 'quantile', 'contamination', 'mean_std'"),
        ({"threshold": "fixed"}, r"needs a value: pass thresholds.Fixed\(0.5\)"),
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
        ({"extra": 1}, "a fitted threshold has unknown entries 'extra'"),
    ],
)
def test_damaged_fitted_thresholds_are_refused(change, message):
    values = Conformal(0.05).fit(SCORES).to_dict() | change
    with pytest.raises(InvalidParameterError, match=message):
        FittedThreshold.from_dict(values)


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
    ],
    ids=lambda value: getattr(value, "method", ""),
)
def test_each_threshold_says_what_it_is_in_one_sentence(description, sentence):
    assert description.fit(SCORES, sample="calibration").describe() == sentence


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


def test_only_conformal_has_an_interval():
    assert Conformal().fit(SCORES).interval() is not None
    assert all(d.fit(SCORES).interval() is None for d in DESCRIPTIONS[1:])
