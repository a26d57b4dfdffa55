"""The JAX backend: XLA, and Flax for modules. All that imports them stands in this folder."""

from aeanom.backends.jax.backend import JaxBackend

__all__ = ["JaxBackend"]
