"""Weights as every part of aeanom hands them around: canonical names, canonical layouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aeanom.architectures import Parameter
from aeanom.errors import ArchitectureError

__all__ = ["DType", "Float", "Weights", "check_weights"]

DType = Literal["float32", "float64"]
Float = NDArray[np.floating]
Weights = dict[str, Float]
"""Arrays by parameter name, C-contiguous, in the layouts of the architecture's table."""


def check_weights(
    parameters: Sequence[Parameter], weights: Mapping[str, Float], dtype: str
) -> Weights:
    """Return `weights` in the order of a parameter table, contiguous, as `dtype`.

    Raises
    ------
    ArchitectureError
        If a name is missing or unknown, or a shape is not the table's.
    """
    table = {parameter.name: parameter.shape for parameter in parameters}
    if table.keys() != weights.keys():
        missing = ", ".join(sorted(table.keys() - weights.keys())) or "none"
        unknown = ", ".join(sorted(weights.keys() - table.keys())) or "none"
        raise ArchitectureError(f"weights do not fit: missing {missing}; unknown {unknown}")
    for name, shape in table.items():
        if weights[name].shape != shape:
            raise ArchitectureError(
                f"weights do not fit: {name} has shape {weights[name].shape}, needs {shape}"
            )
    # Not `ascontiguousarray`, which makes a vector of a single number.
    return {name: np.asarray(weights[name], dtype=dtype, order="C") for name in table}
