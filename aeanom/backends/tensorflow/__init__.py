"""The TensorFlow backend: `tf.Module` and XLA. Everything that imports it stands in this folder.

Keras is not used: Keras 3 fixes its own backend for the whole process when it is imported, so a
user's `KERAS_BACKEND=jax` would silently change this one.
"""

from aeanom.backends.tensorflow.backend import TensorFlowBackend

__all__ = ["TensorFlowBackend"]
