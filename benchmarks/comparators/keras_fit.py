"""Keras as most people write it: a `Sequential`, `compile` and `fit`.

Keras shuffles with its own generator and adds Adam's epsilon elsewhere, so its losses are near the
other loops' and not equal to them.
"""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import tensorflow as tf

from benchmarks.workloads import BETA_1, BETA_2, EPSILON, LEARNING_RATE, Workload

TITLE = "Keras, fit"
KINDS = frozenset({"dense", "convolutional", "lstm", "conv1d"})
DEVICES = frozenset({"cpu", "cuda"})


def layer_of(placed) -> keras.layers.Layer:
    """Return the Keras layer of a layer of ours."""
    layer, kind = placed.layer, placed.layer.kind
    if kind == "dense":
        return keras.layers.Dense(layer.units)
    if kind == "activation":
        return keras.layers.Activation(layer.function)
    if kind == "conv1d":
        return keras.layers.Conv1D(layer.filters, layer.kernel_size, layer.stride, layer.padding)
    if kind == "conv2d":
        return keras.layers.Conv2D(layer.filters, layer.kernel_size, layer.stride, layer.padding)
    if kind == "upsample":
        if len(placed.output_shape) == 2:
            return keras.layers.UpSampling1D(*layer.factor)
        return keras.layers.UpSampling2D(layer.factor)
    if kind == "flatten":
        return keras.layers.Flatten()
    if kind == "reshape":
        return keras.layers.Reshape(layer.shape)
    if kind == "repeat_vector":
        return keras.layers.RepeatVector(layer.times)
    if kind == "lstm":
        # The bias of the forget gate is 0 at first here, too.
        return keras.layers.LSTM(layer.units, return_sequences=layer.return_sequences)
    raise NotImplementedError(kind)


def build(workload: Workload) -> keras.Sequential:
    """Return a compiled model."""
    architecture = workload.architecture()
    layers = [layer_of(placed) for placed in architecture.layers]
    model = keras.Sequential([keras.layers.Input(architecture.input_shape), *layers])
    optimizer = keras.optimizers.Adam(LEARNING_RATE, BETA_1, BETA_2, EPSILON)
    optimizer.build(model.trainable_variables)
    model.compile(optimizer=optimizer, loss="mse")
    return model


class Model:
    """Trains and scores with `fit` and `predict`.

    All fits share one model, whose step the first one traces.
    """

    def __init__(self, workload: Workload, device: str) -> None:
        self.workload = workload
        self.device = device.replace("cuda", "GPU").replace("cpu", "CPU")
        # Once only: it clears caches of TensorFlow, which a second fit would have to fill again.
        keras.utils.set_random_seed(0)
        with tf.device(self.device):
            self.model = build(workload)
        self.optimizer_state = [variable.numpy() for variable in self.model.optimizer.variables]

    def fit(self, rows: np.ndarray, epochs: int) -> list[float]:
        """Train anew; return the mean loss of each epoch."""
        with tf.device(self.device):
            # The same order and layouts: an LSTM's gates too, and its one bias.
            self.model.set_weights(list(self.workload.weights().values()))
            for variable, first in zip(
                self.model.optimizer.variables, self.optimizer_state, strict=True
            ):
                variable.assign(first)
            history = self.model.fit(
                rows, rows, epochs=epochs, batch_size=self.workload.batch_size, verbose=0
            )
        return history.history["loss"]

    def score(self, rows: np.ndarray) -> np.ndarray:
        """Mean squared error of each row."""
        with tf.device(self.device):
            difference = self.model.predict(rows, verbose=0) - rows
        return (difference**2).reshape(len(rows), -1).mean(axis=1)


def contender(workload: Workload, device: str) -> Model:
    """Make one for a workload."""
    return Model(workload, device)
