"""Three published autoencoder examples, run by this library on any backend.

Each module has a `run` that returns a frozen `Result` with the model, scores and flags, and
prints and draws nothing: `aeanom reproduce` does that. They are reproductions, thresholds fitted
to the test rows included, and not advice; where ours differs, both are in the result.
"""

from aeanom.reproduce import fashion_mnist, pytorch_tutorial, tensorflow_tutorial

__all__ = ["fashion_mnist", "pytorch_tutorial", "tensorflow_tutorial"]
