"""`TorchBackend`: networks as `torch.nn.Module`, on the CPU and on CUDA devices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import torch

from aeanom.architectures import Architecture, Shape
from aeanom.backends.torch.autoencoder import TorchAutoencoder
from aeanom.backends.torch.layers import LAYERS
from aeanom.backends.torch.module import describe
from aeanom.backends.torch.trainer import TorchTrainer
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.backend import Backend, Capabilities
from aeanom.core.modules import ModuleArchitecture
from aeanom.core.plan import TrainingPlan
from aeanom.core.weights import Weights


class TorchBackend(Backend):
    """PyTorch: autograd, and the fused Adam operator on flat parameters."""

    name: ClassVar[str] = "torch"
    layers: ClassVar[dict[str, Callable[..., Any]]] = LAYERS
    capabilities: ClassVar[Capabilities] = Capabilities(
        layer_kinds=frozenset(LAYERS),
        dtypes=frozenset({"float32", "float64"}),
        device_kinds=frozenset({"cpu", "cuda"}),
        compute_dtypes=frozenset({"bfloat16"}),
    )

    def devices(self) -> tuple[str, ...]:
        """Return `"cpu"` and each CUDA device."""
        return ("cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count())))

    def autoencoder(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> TorchAutoencoder:
        """Build the module with these weights."""
        self.check(architecture, dtype)
        return TorchAutoencoder(architecture, weights, dtype=dtype, device=device)

    def trainer(self, autoencoder: Autoencoder, plan: TrainingPlan) -> TorchTrainer:
        """Make a trainer for one of this backend's autoencoders."""
        assert isinstance(autoencoder, TorchAutoencoder)
        return TorchTrainer(autoencoder, plan)

    def describe(self, module: Any, input_shape: Shape, dtype: str) -> ModuleArchitecture:
        """Return what is to be known of a user's `torch.nn.Module`."""
        return describe(module, input_shape, dtype)
