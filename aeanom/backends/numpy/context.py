"""What NumPy's layer functions are handed and what they return: a pass with the arrays it uses."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

import numpy as np

from aeanom.architectures import Shape
from aeanom.core import layers
from aeanom.core.batches import aligned_empty
from aeanom.core.layers import BoundLayer, Context
from aeanom.core.weights import Float

Bound = BoundLayer[Float]
Backward = layers.Backward[Float]
Result = layers.Result[Float]


class Workspace:
    """Arrays that are made at the first use and overwritten at every later one.

    A workspace belongs to one thread.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = dtype
        self._arrays: dict[tuple[Hashable, Shape], Float] = {}
        self._views: dict[tuple[Hashable, Shape], Float] = {}
        self._ones = np.ones(0, dtype)

    def array(self, name: Hashable, shape: Shape) -> Float:
        """Return an array of this name and shape; its content is whatever was left in it."""
        # Asked for several times a layer and step: one look-up if it has been asked for before.
        view = self._views.get((name, shape))
        return self._view(name, shape) if view is None else view

    def sum_rows(self, matrix: Float, out: Float) -> None:
        """Write the sum over a matrix's rows, as a product with ones: BLAS is quicker at it."""
        size = len(matrix)
        if len(self._ones) < size:
            self._ones = np.ones(size, self.dtype)
        np.dot(self._ones[:size], matrix, out=out)

    def _view(self, name: Hashable, shape: Shape) -> Float:
        """View the one array for every length, which is as long as the longest yet."""
        array = self._arrays.get((name, shape[1:]))
        if array is None or len(array) < shape[0]:
            array = self._arrays[name, shape[1:]] = aligned_empty(shape, self.dtype)
            # No view may keep a shorter one alive.
            self._views.clear()
        view = self._views[name, shape] = array[: shape[0]]
        return view


@dataclass(eq=False, kw_only=True)
class NumpyContext(Context[Float]):
    """A pass with the arrays that it writes into.

    Attributes
    ----------
    workspace : Workspace
    gradients : mapping of str to ndarray
        Where the parameters' gradients go, by canonical name.
    penalty_factor : ndarray of shape (n,), optional
        The gradient of each row's penalties; set before `backward` is called.
    """

    workspace: Workspace
    gradients: Mapping[str, Float] = field(default_factory=dict)
    penalty_factor: Float | None = None

    def start(
        self,
        row_weight: Float | None,
        draws: Mapping[str, Float],
        schedules: Mapping[str, float],
    ) -> None:
        """Begin another pass of the same kind; what the layers left in the last one is dropped."""
        self.row_weight, self.draws, self.schedules = row_weight, draws, schedules
        self.updates.clear()
        self.penalties.clear()

    def array(self, bound: Bound, name: str, shape: Shape) -> Float:
        """Return the workspace's array of this name that belongs to a layer."""
        return self.workspace.array((bound.name, name), shape)

    def gradient(self, bound: Bound, name: str) -> Float:
        """Return where the gradient of a layer's parameter goes."""
        return self.gradients[f"{bound.name}.{name}"]
