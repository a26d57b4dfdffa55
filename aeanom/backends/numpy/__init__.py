"""The NumPy backend: hand-derived gradients, no framework. It is the oracle of the others."""

from aeanom.backends.numpy.backend import NumpyBackend

__all__ = ["NumpyBackend"]
