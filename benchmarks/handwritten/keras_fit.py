"""The reference autoencoder as most people write it: a Keras `Sequential`, `compile` and `fit`.

Keras shuffles with its own generator and adds Adam's epsilon elsewhere, so its losses are near the
other loops' and not equal to them: with the same weights, the last one is compared to 1 %.
"""

from __future__ import annotations

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras

from .common import BETA_1, BETA_2, EPSILON, LEARNING_RATE, main


def build(weights):
    """Return a compiled model with these first weights."""
    pairs = list(weights.values())
    layers = [keras.layers.Input((pairs[0][0].shape[0],))]
    for index, (kernel, _) in enumerate(pairs):
        activation = "relu" if index < len(pairs) - 1 else "sigmoid"
        layers.append(keras.layers.Dense(kernel.shape[1], activation=activation))
    model = keras.Sequential(layers)
    model.set_weights([array for pair in pairs for array in pair])
    optimizer = keras.optimizers.Adam(LEARNING_RATE, BETA_1, BETA_2, EPSILON)
    model.compile(optimizer=optimizer, loss="mse")
    return model


def train(rows, weights, *, epochs, batch_size, seed) -> dict:
    """Train with `fit`; `seconds` is a second model's fit in the same process.

    `first_seconds` is one epoch of the first model. Each model traces its own step, so
    `seconds` holds that too, as it does for everyone who calls `fit` once.
    """
    keras.utils.set_random_seed(seed)
    begin = time.perf_counter()
    build(weights).fit(rows, rows, epochs=1, batch_size=batch_size, shuffle=True, verbose=0)
    first = time.perf_counter() - begin
    model = build(weights)
    begin = time.perf_counter()
    history = model.fit(rows, rows, epochs=epochs, batch_size=batch_size, shuffle=True, verbose=0)
    seconds = time.perf_counter() - begin
    return {"loss": history.history["loss"], "seconds": seconds, "first_seconds": first}


if __name__ == "__main__":
    main(train, framework="keras", version=keras.__version__)
