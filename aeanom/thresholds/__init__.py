"""From scores to decisions: a threshold, and what it promises.

A row is anomalous when ``score > threshold``, strictly, in float64; that is the only comparison
rule. A description such as ``Conformal(0.05)`` is fitted to a sample of scores and gives a
`FittedThreshold`, which knows how it came about and what it promises. It imports NumPy, the
standard library and `aeanom.errors`. `base` is the common ground, `placement` says where between
two scores a threshold goes, and the methods are in `conformal`, `sample` and `fixed`.
"""

from aeanom.thresholds.base import FittedThreshold, Precision, Threshold
from aeanom.thresholds.conformal import Conformal, p_values
from aeanom.thresholds.fixed import Fixed
from aeanom.thresholds.sample import Contamination, MeanStd, Quantile
from aeanom.thresholds.settings import METHODS, resolve, threshold_from_dict

__all__ = [
    "METHODS",
    "Conformal",
    "Contamination",
    "FittedThreshold",
    "Fixed",
    "MeanStd",
    "Precision",
    "Quantile",
    "Threshold",
    "p_values",
    "resolve",
    "threshold_from_dict",
]
