"""`TensorFlowBackend`: networks as `tf.Module`, on the CPU and on GPUs that TensorFlow sees."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import tensorflow as tf

from aeanom.architectures import Architecture, Shape
from aeanom.backends.tensorflow.autoencoder import TensorFlowAutoencoder
from aeanom.backends.tensorflow.layers import LAYERS
from aeanom.backends.tensorflow.module import describe
from aeanom.backends.tensorflow.trainer import TensorFlowTrainer
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.backend import Backend, Capabilities
from aeanom.core.modules import ModuleArchitecture
from aeanom.core.plan import TrainingPlan
from aeanom.core.weights import Weights
from aeanom.errors import UnsupportedError


class TensorFlowBackend(Backend):
    """TensorFlow: a segment of steps is one compiled call.

    Products of float32 on a GPU are rounded to TF32 unless the process says
    `tf.config.experimental.enable_tensor_float_32_execution(False)`: TensorFlow has no other switch
    than that global one, which is the user's.
    """

    name: ClassVar[str] = "tensorflow"
    layers: ClassVar[dict[str, Callable[..., Any]]] = LAYERS
    capabilities: ClassVar[Capabilities] = Capabilities(
        layer_kinds=frozenset(LAYERS),
        dtypes=frozenset({"float32", "float64"}),
        device_kinds=frozenset({"cpu", "cuda"}),
        compute_dtypes=frozenset({"bfloat16"}),
    )

    def devices(self) -> tuple[str, ...]:
        """Return `"cpu"` and each CUDA device."""
        n_gpus = len(tf.config.list_physical_devices("GPU"))
        return ("cpu", *(f"cuda:{index}" for index in range(n_gpus)))

    def autoencoder(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> TensorFlowAutoencoder:
        """Build the module with these weights."""
        self.check(architecture, dtype)
        # TensorFlow would place on the CPU, without a word, what is meant for a GPU it lacks.
        device = self.choose_device(device)
        return TensorFlowAutoencoder(architecture, weights, dtype=dtype, device=device)

    def trainer(self, autoencoder: Autoencoder, plan: TrainingPlan) -> TensorFlowTrainer:
        """Make a trainer for one of this backend's autoencoders."""
        assert isinstance(autoencoder, TensorFlowAutoencoder)
        architecture = autoencoder.architecture
        if plan.compute_dtype is not None and isinstance(architecture, ModuleArchitecture):
            raise UnsupportedError(
                f"a TensorFlow module of your own has variables of its own dtype, and cannot be "
                f"trained in {plan.compute_dtype}"
            )
        return TensorFlowTrainer(autoencoder, plan)

    def describe(self, module: Any, input_shape: Shape, dtype: str) -> ModuleArchitecture:
        """Return what is to be known of a user's `tf.Module` or Keras model."""
        return describe(module, input_shape, dtype)
