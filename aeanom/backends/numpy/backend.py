"""`NumpyBackend`: networks as plain Python objects over one flat array, on the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from aeanom.architectures import Architecture
from aeanom.backends.numpy.autoencoder import NumpyAutoencoder
from aeanom.backends.numpy.layers import LAYERS
from aeanom.backends.numpy.trainer import NumpyTrainer
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.backend import Backend, Capabilities
from aeanom.core.plan import TrainingPlan
from aeanom.core.weights import Weights


class NumpyBackend(Backend):
    """NumPy: exact gradients by hand, in-place operations on preallocated arrays."""

    name: ClassVar[str] = "numpy"
    layers: ClassVar[dict[str, Callable[..., Any]]] = LAYERS
    capabilities: ClassVar[Capabilities] = Capabilities(
        layer_kinds=frozenset(LAYERS),
        dtypes=frozenset({"float32", "float64"}),
        device_kinds=frozenset({"cpu"}),
    )

    def devices(self) -> tuple[str, ...]:
        """Return `("cpu",)`."""
        return ("cpu",)

    def autoencoder(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> NumpyAutoencoder:
        """Build the network with these weights."""
        self.check(architecture, dtype)
        return NumpyAutoencoder(architecture, weights, dtype=dtype, device=device)

    def trainer(self, autoencoder: Autoencoder, plan: TrainingPlan) -> NumpyTrainer:
        """Make a trainer for one of this backend's autoencoders."""
        assert isinstance(autoencoder, NumpyAutoencoder)
        self.check(autoencoder.architecture, autoencoder.dtype, plan.compute_dtype)
        return NumpyTrainer(autoencoder, plan)
