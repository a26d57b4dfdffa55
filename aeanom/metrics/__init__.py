"""How good a detector is: true labels and scores in, figures out.

The names, argument order and results are scikit-learn's, for the one case that matters here: two
classes, where 1 (or True) marks an anomaly. It imports NumPy, the standard library and
`aeanom.errors`, so that evaluating a deployed model needs nothing else. The figures of a ranking,
which need no threshold, are in `ranking`, their curves in `curves` and figures at one place of it
in `operating_points`; those of a decision already made in `classification`; how sure a figure is in
`bootstrap` and `bands`; whether p-values keep their promise in `calibration`; the scorer for
scikit-learn's searches in `scorers`.
"""

from aeanom.metrics.bands import CurveBand, precision_recall_curve_band, roc_curve_band
from aeanom.metrics.bootstrap import (
    Interval,
    bootstrap_difference,
    bootstrap_interval,
    resampled,
)
from aeanom.metrics.calibration import PValueCalibration, p_value_calibration
from aeanom.metrics.classification import (
    accuracy_score,
    balanced_accuracy_score,
    classification_report,
    confusion_matrix,
    f1_score,
    fbeta_score,
    matthews_corrcoef,
    precision_recall_fscore_support,
    precision_score,
    recall_score,
)
from aeanom.metrics.curves import precision_recall_curve, roc_curve
from aeanom.metrics.operating_points import (
    BestF1,
    best_f1_score,
    precision_at_k,
    recall_at_k,
    true_positive_rate_at,
)
from aeanom.metrics.ranking import average_precision_score, roc_auc_score
from aeanom.metrics.scorers import roc_auc_scorer

__all__ = [
    "BestF1",
    "CurveBand",
    "Interval",
    "PValueCalibration",
    "accuracy_score",
    "average_precision_score",
    "balanced_accuracy_score",
    "best_f1_score",
    "bootstrap_difference",
    "bootstrap_interval",
    "classification_report",
    "confusion_matrix",
    "f1_score",
    "fbeta_score",
    "matthews_corrcoef",
    "p_value_calibration",
    "precision_at_k",
    "precision_recall_curve",
    "precision_recall_curve_band",
    "precision_recall_fscore_support",
    "precision_score",
    "recall_at_k",
    "recall_score",
    "resampled",
    "roc_auc_score",
    "roc_auc_scorer",
    "roc_curve",
    "roc_curve_band",
    "true_positive_rate_at",
]
