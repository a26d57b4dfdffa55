"""What torch's training functions are handed and return: a pass with the tensors it uses."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from aeanom.architectures import Shape
from aeanom.core import layers
from aeanom.core.layers import BoundLayer, Context

Bound = BoundLayer[Tensor]
Backward = layers.Backward[Tensor]
Result = layers.Result[Tensor]


class Workspace:
    """Tensors that are made at the first use and overwritten at every later one."""

    def __init__(self, like: Tensor) -> None:
        self._like = like
        self._tensors: dict[tuple[Hashable, Shape], Tensor] = {}

    def tensor(self, name: Hashable, shape: Shape) -> Tensor:
        """Return the tensor of this name and shape; its content is whatever was left in it."""
        tensor = self._tensors.get((name, shape))
        if tensor is None:
            tensor = self._tensors[name, shape] = self._like.new_empty(shape)
        return tensor


@dataclass(eq=False, kw_only=True)
class TorchContext(Context[Tensor]):
    """A training pass with the tensors that it writes into.

    Attributes
    ----------
    workspace : Workspace
    gradients : mapping of str to Tensor
        Where the parameters' gradients go, by canonical name.
    penalty_factor : Tensor of shape (n,), optional
        The gradient of each row's penalties; set before `backward` is called.
    seed : int
        Of what a user's own module draws.
    kept : dict of str to object
        What layers have made for their next step on the same tensors, by their names.
    """

    workspace: Workspace
    gradients: Mapping[str, Tensor] = field(default_factory=dict)
    penalty_factor: Tensor | None = None
    seed: int = 0
    kept: dict[str, Any] = field(default_factory=dict)

    def start(
        self,
        row_weight: Tensor | None,
        draws: Mapping[str, Tensor],
        schedules: Mapping[str, Any],
        seed: int,
    ) -> None:
        """Begin another pass of the same kind; what the layers left in the last one is dropped."""
        self.row_weight, self.draws, self.schedules = row_weight, draws, schedules
        self.seed = seed
        self.updates.clear()
        self.penalties.clear()

    def tensor(self, bound: Bound, name: str, shape: Shape) -> Tensor:
        """Return the workspace's tensor of this name that belongs to a layer."""
        return self.workspace.tensor((bound.name, name), shape)

    def gradient(self, bound: Bound, name: str) -> Tensor:
        """Return where the gradient of a layer's parameter goes."""
        return self.gradients[f"{bound.name}.{name}"]
