"""The JAX backend: Flax modules, Optax, XLA. Everything that imports them stands in this folder."""

from aeanom.backends.jax.backend import JaxBackend

__all__ = ["JaxBackend"]
