"""What a network is, with no framework in sight: descriptions of layers and how they connect.

Imports the standard library and `aeanom.errors` only. Every backend builds its native network
from an `Architecture`; start at `architecture.py`.
"""

from aeanom.architectures.architecture import Architecture, PlacedLayer
from aeanom.architectures.builders import dense, for_table
from aeanom.architectures.layers import (
    ACTIVATIONS,
    INITIALIZERS,
    Activation,
    Dense,
    Dropout,
    Layer,
    Parameter,
    Shape,
)

__all__ = [
    "ACTIVATIONS",
    "INITIALIZERS",
    "Activation",
    "Architecture",
    "Dense",
    "Dropout",
    "Layer",
    "Parameter",
    "PlacedLayer",
    "Shape",
    "dense",
    "for_table",
]
