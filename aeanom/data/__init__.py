"""Tables, images and series in, float arrays out.

`tables.py` reads and writes CSV and Parquet, `labels.py` tells which labels are anomalies,
`images.py` reads IDX files and Fashion-MNIST, `series.py` cuts windows, and `datasets.py` has small
labelled sets for demonstrations. Importing this package imports NumPy and nothing heavier; pyarrow
and scikit-learn are loaded by the functions that need them.
"""

from aeanom.data.datasets import (
    LabelledTable,
    breast_cancer,
    digits,
    pytorch_tutorial_rows,
    train_test_split_normal,
)
from aeanom.data.images import CLASS_NAMES, FashionMNIST, fashion_mnist, read_idx
from aeanom.data.labels import is_anomaly_label
from aeanom.data.series import point_scores, sliding_windows
from aeanom.data.tables import Table, read_table, write_scored

__all__ = [
    "CLASS_NAMES",
    "FashionMNIST",
    "LabelledTable",
    "Table",
    "breast_cancer",
    "digits",
    "fashion_mnist",
    "is_anomaly_label",
    "point_scores",
    "pytorch_tutorial_rows",
    "read_idx",
    "read_table",
    "sliding_windows",
    "train_test_split_normal",
    "write_scored",
]
