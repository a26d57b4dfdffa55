"""`Network`: encoder and decoder as lists of layers that share the arrays of one vector."""

from __future__ import annotations

from math import prod

from aeanom.architectures import Architecture
from aeanom.backends.numpy.context import NumpyContext, Result, Workspace
from aeanom.backends.numpy.layers import forward
from aeanom.core.layers import bind
from aeanom.core.noise import step_noise
from aeanom.core.weights import Float, Weights


class Network:
    """Encoder and decoder as lists of layers.

    Attributes
    ----------
    layers, encoder, decoder : list of BoundLayer
    parameters : dict of str to ndarray
        Live arrays by canonical name.
    n_elements : int
        Elements of a row.
    """

    def __init__(self, architecture: Architecture, parameters: Weights) -> None:
        bound = [bind(placed, parameters) for placed in architecture.layers]
        self.layers = bound
        self.encoder = bound[: len(architecture.encoder)]
        self.decoder = bound[len(architecture.encoder) :]
        self.parameters = parameters
        self.n_elements = prod(architecture.input_shape)

    def __call__(self, x: Float) -> Float:
        """Reconstruct rows."""
        return self.output(x, NumpyContext(workspace=Workspace(x.dtype.name)), raw=False)

    def encode(self, x: Float, context: NumpyContext) -> Float:
        """Map rows to latents; the result lies in the workspace."""
        return forward(self.encoder, x, context)[0]

    def decode(self, z: Float, context: NumpyContext) -> Float:
        """Map latents to rows; the result lies in the workspace."""
        return forward(self.decoder, z, context)[0]

    def output(self, x: Float, context: NumpyContext, *, raw: bool) -> Float:
        """Reconstruct rows, or stop before the last layer."""
        return self.output_with_backward(x, context, raw=raw)[0]

    def output_with_backward(self, x: Float, context: NumpyContext, *, raw: bool) -> Result:
        """Do what `output` does; with the way back."""
        return forward(self.layers[:-1] if raw else self.layers, x, context)


def draw_noise(
    architecture: Architecture, seed: int, step: int, batch: int, dtype: str
) -> dict[str, Float]:
    """Draw one step's random numbers: NumPy's own are the shared ones."""
    return step_noise(architecture, seed, step, batch, dtype) if architecture.draws else {}
