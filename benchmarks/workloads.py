"""What is measured: rows, a network, batch and epochs, the same for every contender.

A workload is added by one entry in `_WORKLOADS`; `docs/benchmarks.md` shows how. Every contender
gets the rows and the first weights from here, and the loops by hand the order of the rows too.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from aeanom import architectures
from aeanom.architectures import Architecture
from aeanom.core import initial_weights
from aeanom.core.fastest import flops_per_row

LEARNING_RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-8

Product = tuple[str, int, int, int]
"""Form and sizes: "nn" (m, k) @ (k, n), "tn" (k, m).T @ (k, n), "nt" (m, k) @ (n, k).T."""


@dataclass(frozen=True)
class Workload:
    """One thing to do, whoever does it.

    Attributes
    ----------
    name, title : str
    kind : {"dense", "convolutional", "lstm", "conv1d"}
        Which hand-written loops can do it.
    architecture : callable
        Makes the description of the network.
    make_rows : callable
        Makes so many float32 rows.
    n_rows, batch_size, epochs : int
    first_epochs : int, optional
        Epochs of the first fit, which compiles; as many as of the others if None. For networks so
        large that a second whole fit would tell nothing new.
    trains : bool
        False if only scoring is of interest: then one epoch of `batch_size` rows is trained.
    reference : str
        Contender that reports set every other one against.
    """

    name: str
    title: str
    kind: str
    architecture: Callable[[], Architecture]
    make_rows: Callable[[int], np.ndarray]
    n_rows: int
    batch_size: int
    epochs: int
    first_epochs: int | None = None
    trains: bool = True
    reference: str = "torch_dataloader"

    def quick(self) -> Workload:
        """Return the same with few rows and epochs, to try things out."""
        return replace(
            self,
            n_rows=min(self.n_rows, 4 * self.batch_size if self.trains else 20 * self.batch_size),
            epochs=min(self.epochs, 2),
            first_epochs=None,
        )

    def rows(self, count: int | None = None) -> np.ndarray:
        """All float32 rows, or so many."""
        return self.make_rows(self.n_rows if count is None else count)

    def weights(self) -> dict[str, np.ndarray]:
        """First weights (float32) by canonical name, in the library's layouts."""
        return initial_weights(self.architecture(), 0, "float32")

    def steps(self, rows: int | None = None) -> int:
        """Optimiser steps of one epoch."""
        return -(-(rows or self.n_rows) // self.batch_size)

    def products(self) -> list[Product]:
        """Matrix products of one training step of a dense network; empty for other networks.

        Per layer the output, the gradient of the kernel and, but for the first layer, the gradient
        of the input.
        """
        if self.kind != "dense":
            return []
        products: list[Product] = []
        shapes = [array.shape for array in self.weights().values() if array.ndim == 2]
        for index, (inputs, outputs) in enumerate(shapes):
            products.append(("nn", self.batch_size, inputs, outputs))
            products.append(("tn", inputs, self.batch_size, outputs))
            if index:
                products.append(("nt", self.batch_size, outputs, inputs))
        return products

    def flops_per_row(self) -> tuple[int, int]:
        """Floating-point operations that one row takes in training, and in scoring."""
        return flops_per_row(self.architecture())


def epoch_order(rows: int, epoch: int, seed: int = 0) -> np.ndarray:
    """Return the order in which one epoch visits the rows: a function of seed and epoch alone."""
    return np.random.default_rng((seed, epoch)).permutation(rows)


def fashion_rows(count: int) -> np.ndarray:
    """Fashion-MNIST images in [0, 1], flat; random numbers where `AEANOM_DATA` names none.

    Which of the two does not matter for the time that they take.
    """
    root = os.environ.get("AEANOM_DATA")
    path = Path(root or "", "images", "train-images-idx3-ubyte.gz")
    if root is None or not path.exists():
        return np.random.default_rng(0).random((count, 784), dtype=np.float32)
    pixels = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16)
    return pixels.reshape(-1, 784)[:count].astype(np.float32) / np.float32(255)


def random_rows(*shape: int) -> Callable[[int], np.ndarray]:
    """Return a maker of rows of standard normal numbers that lean on each other."""

    def make(count: int) -> np.ndarray:
        generator = np.random.default_rng(0)
        rows = generator.standard_normal((count, *shape), dtype=np.float32)
        rows += generator.standard_normal((count, *(1 for _ in shape)), dtype=np.float32)
        return rows

    return make


def unit_rows(*shape: int) -> Callable[[int], np.ndarray]:
    """Return a maker of rows of uniform numbers in [0, 1]."""
    return lambda count: np.random.default_rng(0).random((count, *shape), dtype=np.float32)


_WORKLOADS = [
    Workload(
        "fashion",
        "784-128-32-128-784, sigmoid",
        "dense",
        lambda: architectures.dense(
            784, (128,), 32, latent_activation="relu", output_activation="sigmoid"
        ),
        fashion_rows,
        n_rows=30_000,
        batch_size=256,
        epochs=10,
    ),
    Workload(
        "tiny",
        "10-5-2-5-10",
        "dense",
        lambda: architectures.dense(10, (5,), 2, latent_activation="relu"),
        random_rows(10),
        n_rows=1_000,
        batch_size=32,
        epochs=50,
        reference="torch_permutation",
    ),
    Workload(
        "tutorial",
        "30-64-32-64-30, sigmoid",
        "dense",
        lambda: architectures.dense(
            30, (64,), 32, latent_activation="relu", output_activation="sigmoid"
        ),
        unit_rows(30),
        n_rows=10_000,
        batch_size=32,
        epochs=10,
    ),
    Workload(
        "wide",
        "1024-2048-256-2048-1024",
        "dense",
        lambda: architectures.dense(1024, (2048,), 256, latent_activation="relu"),
        random_rows(1024),
        n_rows=65_536,
        batch_size=1024,
        epochs=3,
        first_epochs=1,
    ),
    Workload(
        "image",
        "convolutional, 28 × 28, filters 8 and 16, latent 32",
        "convolutional",
        lambda: architectures.convolutional((28, 28), (8, 16), 32, output_activation="sigmoid"),
        lambda count: fashion_rows(count).reshape(-1, 28, 28),
        n_rows=10_000,
        batch_size=128,
        epochs=3,
    ),
    Workload(
        "series-lstm",
        "LSTM of 64 units, windows of 64 × 19",
        "lstm",
        lambda: architectures.recurrent((64, 19), 64),
        random_rows(64, 19),
        n_rows=5_000,
        batch_size=64,
        epochs=3,
    ),
    Workload(
        "series-conv1d",
        "convolutional over time, windows of 64 × 19",
        "conv1d",
        lambda: architectures.convolutional_1d((64, 19)),
        random_rows(64, 19),
        n_rows=5_000,
        batch_size=64,
        epochs=3,
    ),
    Workload(
        "scoring",
        "30-64-32-64-30, 1,000,000 rows scored",
        "dense",
        lambda: architectures.dense(30, (64,), 32, latent_activation="relu"),
        random_rows(30),
        n_rows=1_000_000,
        batch_size=1024,
        epochs=1,
        trains=False,
        reference="scoring_onnxruntime",
    ),
]
WORKLOADS = {workload.name: workload for workload in _WORKLOADS}
