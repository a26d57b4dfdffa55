"""From scores to decisions: a threshold, and what it promises.

A row is anomalous when ``score > threshold``, strictly, in float64; that is the only comparison
rule. A description such as ``Conformal(0.05)`` is fitted to a sample of scores and gives a
`FittedThreshold`, which knows how it came about and what it promises. It imports NumPy, the
standard library and `aeanom.errors`. `base` is the common ground, `placement` says where between
two scores a threshold goes, and the methods are

- `conformal`, `groups`, `bound`: a promise about new normal rows, all of them or by group;
- `sample`, `robust`, `peaks` (with `tail` and `streaming`): what a sample of scores says;
- `labelled`: the best cut where labels are known;
- `fixed`: a number.

`discovery` decides about a batch of rows by their p-values, without a threshold.
"""

from aeanom.thresholds.base import FittedThreshold, Group, Precision, Promise, Threshold
from aeanom.thresholds.bound import FalsePositiveBound
from aeanom.thresholds.conformal import Conformal, p_values
from aeanom.thresholds.discovery import (
    adjusted_p_values,
    benjamini_hochberg,
    warn_if_too_few_to_discover,
)
from aeanom.thresholds.fixed import Fixed
from aeanom.thresholds.groups import ConformalByGroup
from aeanom.thresholds.labelled import (
    Cost,
    LabelledThreshold,
    MaxFBeta,
    MaxMCC,
    TargetPrecision,
    TargetRecall,
    Youden,
)
from aeanom.thresholds.peaks import PeaksOverThreshold
from aeanom.thresholds.reading import read_labels
from aeanom.thresholds.robust import IQR, MAD
from aeanom.thresholds.sample import Contamination, MeanStd, Quantile
from aeanom.thresholds.settings import METHODS, resolve, threshold_from_dict
from aeanom.thresholds.streaming import StreamingPeaks

__all__ = [
    "IQR",
    "MAD",
    "METHODS",
    "Conformal",
    "ConformalByGroup",
    "Contamination",
    "Cost",
    "FalsePositiveBound",
    "FittedThreshold",
    "Fixed",
    "Group",
    "LabelledThreshold",
    "MaxFBeta",
    "MaxMCC",
    "MeanStd",
    "PeaksOverThreshold",
    "Precision",
    "Promise",
    "Quantile",
    "StreamingPeaks",
    "TargetPrecision",
    "TargetRecall",
    "Threshold",
    "Youden",
    "adjusted_p_values",
    "benjamini_hochberg",
    "p_values",
    "read_labels",
    "resolve",
    "threshold_from_dict",
    "warn_if_too_few_to_discover",
]
