"""The PyTorch backend. Everything that imports torch stands in this folder."""

from aeanom.backends.torch.backend import TorchBackend

__all__ = ["TorchBackend"]
