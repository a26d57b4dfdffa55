"""What a backend's layer functions are called with: a layer at its place, and the pass it is in.

A backend has one function for each kind of layer, `function(bound, x, context) -> y`, in the
table `LAYERS` of its `layers.py`. The containers here are the same for every framework; what is
in them is the framework's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, Literal, TypeVar

from aeanom.architectures import Layer, PlacedLayer, Shape
from aeanom.core.losses import Loss

__all__ = [
    "Backward",
    "BoundLayer",
    "Context",
    "Mode",
    "Result",
    "bind",
    "compute",
    "run",
    "run_flattened",
    "run_with_backward",
]

Array = TypeVar("Array")
Mode = Literal["score", "evaluate", "train"]
Backward = Callable[[Array, bool], Array]
"""`backward(delta, wanted)`: write the parameters' gradients, return that of the input.

`delta`, the gradient of the output, may be overwritten. What is returned means nothing if it was
not `wanted`.
"""
Result = tuple[Array, Backward[Array]]
"""A layer's output and the way back, of a backend that writes its gradients out."""


@dataclass(frozen=True, eq=False)
class BoundLayer(Generic[Array]):
    """A layer at its place, with the arrays that it holds.

    Attributes
    ----------
    name : str
        Such as `"encoder.0"`.
    layer : Layer
        The description.
    input_shape, output_shape : tuple of int
        Of one row.
    parameters : mapping of str to array
        Its own, by the names within the layer: `"kernel"`, `"bias"`.
    inner : tuple of BoundLayer
        The layers that it is made of.
    """

    name: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    parameters: Mapping[str, Array]
    inner: tuple[BoundLayer[Array], ...] = ()


def bind(placed: PlacedLayer, parameters: Mapping[str, Array]) -> BoundLayer[Array]:
    """Give a placed layer its arrays out of those of the network, by canonical name."""
    inner = tuple(bind(part, parameters) for part in placed.inner)
    nested = {parameter.name for part in placed.inner for parameter in part.parameters}
    own = {
        parameter.name.removeprefix(f"{placed.name}."): parameters[parameter.name]
        for parameter in placed.parameters
        if parameter.name not in nested
    }
    return BoundLayer(
        placed.name, placed.layer, placed.input_shape, placed.output_shape, own, inner
    )


@dataclass(eq=False)
class Context(Generic[Array]):
    """What a layer may know of the pass that it takes part in, and where it leaves what it adds.

    Attributes
    ----------
    mode : {"score", "evaluate", "train"}
        In `"train"` batches are normalised by themselves; in `"score"` only such terms are added
        to a row's loss as belong to its score.
    row_weight : array of shape (n,), optional
        In training; 0 for the rows that only fill up the batch.
    draws : mapping of str to array of shape (n, ...)
        Random numbers by layer name; a layer that finds none adds no noise.
    schedules : mapping of str to scalar
        Values of this step; see `schedule`.
    n_elements : int
        Elements of a row of the network's input, over which a row's loss is a mean.
    updates : dict of str to array
        New values of buffers by canonical name, as the layers leave them.
    penalties : list of array of shape (n,)
        Terms of each row's loss, as the layers add them.
    overwritable : array, optional
        The output of a layer that does not need it any more: the next one may write over it.
    """

    mode: Mode = "score"
    row_weight: Array | None = None
    draws: Mapping[str, Array] = field(default_factory=dict)
    schedules: Mapping[str, Any] = field(default_factory=dict)
    n_elements: int = 1
    updates: dict[str, Array] = field(default_factory=dict)
    penalties: list[Array] = field(default_factory=list)
    overwritable: Array | None = None

    def schedule(self, name: str) -> Any:
        """Value of a schedule in this step; 1 if the plan has none of that name."""
        return self.schedules.get(name, 1.0)

    def update(self, bound: BoundLayer[Array], name: str, value: Array) -> None:
        """Leave a buffer's new value."""
        self.updates[f"{bound.name}.{name}"] = value

    def penalise(self, value: Array) -> None:
        """Add a term of shape (n,) to the rows' losses."""
        self.penalties.append(value)

    def penalised(self, losses: Array) -> Array:
        """Return row losses with what the layers added."""
        for value in self.penalties:
            losses = losses + value  # type: ignore[operator]
        return losses


def run(
    functions: Mapping[str, Callable[[BoundLayer[Array], Array, Context[Array]], Array]],
    layers: Iterable[BoundLayer[Array]],
    x: Array,
    context: Context[Array],
) -> Array:
    """Send rows through layers, one behind the other."""
    # Only the layer right behind may write over an output: another one may have kept a view of it.
    context.overwritable = None
    for bound in layers:
        left = context.overwritable
        x = functions[bound.layer.kind](bound, x, context)
        if context.overwritable is left:
            context.overwritable = None
    return x


def run_with_backward(
    function_of: Callable[[str], Callable[[BoundLayer[Array], Array, Any], Result[Array]]],
    layers: Iterable[BoundLayer[Array]],
    x: Array,
    context: Any,
) -> Result[Array]:
    """Send rows through layers whose functions, by kind, return the way back too."""
    backwards: list[tuple[Backward[Array], bool]] = []
    learns = False
    for bound in layers:
        x, backward = function_of(bound.layer.kind)(bound, x, context)
        backwards.append((backward, learns))
        learns = learns or bool(bound.parameters or bound.inner)

    def all_backward(delta: Array, wanted: bool) -> Array:
        # Nobody wants the gradient of what comes before the first layer that learns.
        for backward, learns_before in reversed(backwards):
            delta = backward(delta, wanted or learns_before)
            if not (wanted or learns_before):
                break
        return delta

    return x, all_backward


def run_flattened(
    function: Callable[[BoundLayer[Array], Array, Any], Result[Array]],
    bound: BoundLayer[Array],
    x: Any,
    context: Any,
) -> Result[Any]:
    """Apply a layer for flat rows to each time or place of all rows; its output may be changed."""
    flat = replace(bound, input_shape=bound.input_shape[-1:])
    y: Any
    y, flat_backward = function(flat, x.reshape(-1, x.shape[-1]), context)

    def backward(delta: Any, wanted: bool) -> Any:
        delta = flat_backward(delta.reshape(y.shape), wanted)
        return delta.reshape(x.shape) if wanted else delta

    context.overwritable = output = y.reshape(*x.shape[:-1], -1)
    return output, backward


def compute(
    network: Any,
    what: str,
    x: Array,
    loss: Loss | None,
    context: Context[Array],
    row_losses: Callable[[Loss, Array, Array], Array],
    zeros: Array,
) -> Array:
    """Compute what `Autoencoder._compute` is asked for, in any framework.

    Parameters
    ----------
    network : object
        With `encode(x, context)`, `decode(z, context)` and `output(x, context, raw=)`.
    what : str
        Name of a method of `Autoencoder`.
    x : array of shape (n, ...)
    loss : Loss, optional
        For `"errors"`.
    context : Context
        Of mode `"score"`.
    row_losses : callable
        The backend's: of a loss, an output and what it should be.
    zeros : array of shape (n,)
    """
    if what in ("encode", "decode"):
        return getattr(network, what)(x, context)  # type: ignore[no-any-return]
    if what == "penalties":
        context.mode = "evaluate"
        network.output(x, context, raw=False)
        return context.penalised(zeros)
    if loss is None:
        return network.output(x, context, raw=what == "raw_output")  # type: ignore[no-any-return]
    output = network.output(x, context, raw=loss.takes_raw_output)
    return context.penalised(row_losses(loss, output, x))
