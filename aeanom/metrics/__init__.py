"""How good a detector is: true labels and scores in, figures out.

The names, argument order and results are scikit-learn's, for the one case that matters here: two
classes, where 1 (or True) marks an anomaly. It imports NumPy, the standard library and
`aeanom.errors`, so that evaluating a deployed model needs nothing else. The ranking figures, which
need no threshold, are in `ranking`; those of a decision already made in `classification`; the
scorer for scikit-learn's searches in `scorers`.
"""

from aeanom.metrics.classification import (
    classification_report,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)
from aeanom.metrics.ranking import (
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)
from aeanom.metrics.scorers import roc_auc_scorer

__all__ = [
    "average_precision_score",
    "classification_report",
    "confusion_matrix",
    "f1_score",
    "precision_recall_curve",
    "precision_score",
    "recall_score",
    "roc_auc_score",
    "roc_auc_scorer",
    "roc_curve",
]
