"""Data, first weights and row order, shared by the hand-written loops.

Every loop gets the same three things from NumPy, so that their losses can be compared to the
last digits that float32 leaves: the rows, the Glorot uniform weights, and the order of the rows
in each epoch. `AEANOM_DATA` may name a folder with the four Fashion-MNIST files (or one that has
them in `images/`); the rows are then the first 27,000 images of classes 0 to 4 in a fixed random
order. Without it they are random numbers of the same shape, which take the same time.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from itertools import pairwise
from pathlib import Path

import numpy as np

ROWS = 27_000
WIDTHS = (784, 128, 32, 128, 784)
EPOCHS = 10
BATCH_SIZE = 256
LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-8


def read_idx(path: Path) -> np.ndarray:
    """Return the array in one gzipped IDX file of unsigned bytes."""
    raw = gzip.decompress(path.read_bytes())
    dimensions = raw[3]
    shape = np.frombuffer(raw, ">u4", dimensions, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def load_rows(count: int = ROWS) -> np.ndarray:
    """`count` float32 rows of 784 numbers in [0, 1]."""
    root = os.environ.get("AEANOM_DATA")
    if not root:
        return np.random.default_rng(0).random((count, WIDTHS[0]), dtype=np.float32)
    folder = Path(root)
    if not (folder / "train-images-idx3-ubyte.gz").exists():
        folder = folder / "images"
    images = read_idx(folder / "train-images-idx3-ubyte.gz").reshape(-1, WIDTHS[0])
    labels = read_idx(folder / "train-labels-idx1-ubyte.gz")
    normal = np.random.default_rng(0).permutation(np.flatnonzero(labels <= 4))[:count]
    return images[normal].astype(np.float32) / np.float32(255)


def glorot_weights(widths=WIDTHS, seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """`{"dense_0": (kernel (in, out), bias), ...}`: Glorot uniform kernels and zero biases."""
    generator = np.random.default_rng(seed)
    weights = {}
    for index, (inputs, outputs) in enumerate(pairwise(widths)):
        limit = np.sqrt(6 / (inputs + outputs))
        kernel = generator.uniform(-limit, limit, (inputs, outputs)).astype(np.float32)
        weights[f"dense_{index}"] = kernel, np.zeros(outputs, np.float32)
    return weights


def epoch_order(rows: int, epoch: int, seed: int) -> np.ndarray:
    """Return the order in which one epoch visits the rows: a function of seed and epoch alone."""
    return np.random.default_rng((seed, epoch)).permutation(rows)


def main(train, **extra) -> None:
    """Train once from the command line and print one line of JSON."""
    parser = argparse.ArgumentParser(description=train.__doc__)
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    parser.add_argument("--batch-size", type=int, default=BATCH_SIZE)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=ROWS)
    arguments = parser.parse_args()
    result = train(
        load_rows(arguments.rows),
        glorot_weights(),
        epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        seed=arguments.seed,
    )
    print(json.dumps({**extra, **result}))
