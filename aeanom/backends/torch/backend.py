"""`TorchBackend`: networks as `torch.nn.Module`, on the CPU and on CUDA devices."""

from __future__ import annotations

from typing import ClassVar

import torch

from aeanom.architectures import Architecture
from aeanom.backends.torch.autoencoder import TorchAutoencoder
from aeanom.backends.torch.layers import LAYERS
from aeanom.backends.torch.trainer import TorchTrainer
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.backend import Backend, Capabilities
from aeanom.core.plan import TrainingPlan
from aeanom.core.weights import Weights


class TorchBackend(Backend):
    """PyTorch: autograd, and the fused Adam operator on flat parameters."""

    name: ClassVar[str] = "torch"
    capabilities: ClassVar[Capabilities] = Capabilities(
        layer_kinds=frozenset(LAYERS),
        dtypes=frozenset({"float32", "float64"}),
        device_kinds=frozenset({"cpu", "cuda"}),
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
