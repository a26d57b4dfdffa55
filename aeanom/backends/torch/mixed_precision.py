"""Networks that are trained in a narrower dtype than their weights have: bfloat16."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from aeanom.backends.torch.autoencoder import TorchAutoencoder
from aeanom.backends.torch.context import Result, TorchContext, Workspace
from aeanom.backends.torch.module import ModuleNetwork
from aeanom.backends.torch.network import Network


class CastNetwork:
    """A network whose layers compute in a narrower dtype than its weights have.

    In each step the weights are cast once, all together, and so is the gradient. Rows come in and
    the output goes out in the weights' dtype, as the loss is computed in that. What a layer keeps
    and does not learn (the moments of batches) is not cast.

    Parameters
    ----------
    autoencoder : TorchAutoencoder
    gradient : Tensor
        Like `autoencoder.trainable`: where the gradient goes.
    dtype : torch.dtype
    """

    def __init__(self, autoencoder: TorchAutoencoder, gradient: Tensor, dtype: torch.dtype) -> None:
        architecture = autoencoder.architecture
        self._weights, self._gradient = autoencoder.trainable, gradient
        self._cast_weights = torch.empty_like(gradient, dtype=dtype)
        self._cast_gradient = torch.zeros_like(gradient, dtype=dtype)
        self._gradients = autoencoder.views(self._cast_gradient, architecture.trainable)
        self._workspace = Workspace(self._cast_weights)
        learnt = autoencoder.views(self._cast_weights, architecture.trainable)
        self._network = Network(architecture, {**autoencoder.parameters, **learnt})
        self._dtype = dtype

    def output_with_backward(self, x: Tensor, context: TorchContext, *, raw: bool) -> Result:
        """Do what `Network.output_with_backward` does."""
        self._cast_weights.copy_(self._weights)
        own = replace(context, workspace=self._workspace, gradients=self._gradients)
        y, own_backward = self._network.output_with_backward(x.to(self._dtype), own, raw=raw)

        def backward(delta: Tensor, wanted: bool) -> Tensor:
            own.penalty_factor = context.penalty_factor
            delta = own_backward(delta.to(self._dtype), wanted)
            self._gradient.copy_(self._cast_gradient)
            return delta

        return y.to(x.dtype), backward


class AutocastNetwork:
    """A user's module under `torch.autocast`, which knows what each operator may compute in."""

    def __init__(self, network: ModuleNetwork, dtype: torch.dtype) -> None:
        self._network = network
        self._dtype = dtype

    def output_with_backward(self, x: Tensor, context: TorchContext, *, raw: bool) -> Result:
        """Do what `ModuleNetwork.output_with_backward` does."""
        with torch.autocast(x.device.type, self._dtype):
            return self._network.output_with_backward(x, context, raw=raw)


TrainedNetwork = Network | ModuleNetwork | CastNetwork | AutocastNetwork


def trained_network(
    autoencoder: TorchAutoencoder, gradient: Tensor, compute_dtype: str | None
) -> TrainedNetwork:
    """Return what `TrainingPlan.compute_dtype` asks for; the autoencoder's weights are learnt."""
    network = autoencoder.network
    if compute_dtype is None:
        return network
    dtype = getattr(torch, compute_dtype)
    if isinstance(network, ModuleNetwork):
        return AutocastNetwork(network, dtype)
    return CastNetwork(autoencoder, gradient, dtype)
