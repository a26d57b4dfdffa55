"""`JaxBackend`: networks in JAX, on the CPU and on CUDA devices.

Flax is imported only for what needs it, a user's own module and `Autoencoder.native`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import jax

from aeanom.architectures import Architecture, Shape
from aeanom.backends.jax.autoencoder import JaxAutoencoder
from aeanom.backends.jax.layers import LAYERS
from aeanom.backends.jax.trainer import JaxTrainer
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.backend import Backend, Capabilities
from aeanom.core.modules import ModuleArchitecture
from aeanom.core.plan import TrainingPlan
from aeanom.core.weights import Weights


class JaxBackend(Backend):
    """JAX: a segment of steps is one compiled call."""

    name: ClassVar[str] = "jax"
    layers: ClassVar[dict[str, Callable[..., Any]]] = LAYERS
    capabilities: ClassVar[Capabilities] = Capabilities(
        layer_kinds=frozenset(LAYERS),
        dtypes=frozenset({"float32", "float64"}),
        device_kinds=frozenset({"cpu", "cuda"}),
        compute_dtypes=frozenset({"bfloat16"}),
    )

    def devices(self) -> tuple[str, ...]:
        """Return `"cpu"` and each CUDA device."""
        try:
            n_gpus = len(jax.devices("cuda"))
        except RuntimeError:
            n_gpus = 0
        return ("cpu", *(f"cuda:{index}" for index in range(n_gpus)))

    def autoencoder(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> JaxAutoencoder:
        """Put these weights on the device."""
        self.check(architecture, dtype)
        return JaxAutoencoder(architecture, weights, dtype=dtype, device=device)

    def trainer(self, autoencoder: Autoencoder, plan: TrainingPlan) -> JaxTrainer:
        """Make a trainer for one of this backend's autoencoders."""
        assert isinstance(autoencoder, JaxAutoencoder)
        return JaxTrainer(autoencoder, plan)

    def describe(self, module: Any, input_shape: Shape, dtype: str) -> ModuleArchitecture:
        """Return what is to be known of a `flax.nnx.Module`."""
        from aeanom.backends.jax.module import describe

        return describe(module, input_shape, dtype)
