"""Labels in any spelling; which rows are anomalies out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from aeanom.data._text import number_of, quoted
from aeanom.errors import InvalidDataError

__all__ = ["is_anomaly_label"]


def is_anomaly_label(labels: Iterable[object], normal: Sequence[object]) -> NDArray[np.bool_]:
    """Tell for each row whether its label is none of the normal ones.

    Labels are compared as text without surrounding spaces, numbers by value and truth values
    whatever their case: "0" stands for 0, 0.0 and "0.0", "true" for True.

    Parameters
    ----------
    labels : iterable, length n
        One label a row: text, numbers or booleans.
    normal : sequence
        The labels of normal rows; at least one.

    Returns
    -------
    ndarray of bool, shape (n,)
        True for anomalies.

    Raises
    ------
    InvalidDataError
        No row has a normal label (the labels found are listed with their counts), or a row has no
        label and "" is not among the normal ones.
    """
    wanted = (normal,) if isinstance(normal, str) else tuple(normal)
    normal_keys = {_label_key(value) for value in wanted}
    labels = list(labels)
    keys = [_label_key(value) for value in labels]
    if "" in keys and "" not in normal_keys:
        raise InvalidDataError(
            f"{keys.count('')} rows have no label, the first of them row {keys.index('') + 1}; "
            "remove these rows or give them a label"
        )
    if normal_keys.isdisjoint(keys):
        counts = Counter(str(label).strip() for label in labels).most_common()
        found = ", ".join(f"{text!r} ({count} rows)" for text, count in counts[:10])
        more = f" and {len(counts) - 10} more" if len(counts) > 10 else ""
        raise InvalidDataError(
            f"no row has a normal label ({quoted(map(str, wanted))}); the labels are {found}{more}"
        )
    return np.array([key not in normal_keys for key in keys], dtype=np.bool_)


def _label_key(label: object) -> object:
    """Return what two equal labels have in common: a number, or text."""
    if label is None or (isinstance(label, float | np.floating) and math.isnan(label)):
        return ""
    text = str(label).strip()
    if text.lower() in ("true", "false"):
        return text.lower()
    number = number_of(text)
    return text if number is None else number
