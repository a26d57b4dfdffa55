"""What proves that a backend computes as the others do: for its author, and for our own four.

Subclass `BackendConformance` in a test module and name the backend (`docs/conformance.md`).
`architectures.py` has the example networks and `ladder.py` the measures; neither needs pytest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aeanom.testing.architectures import EXAMPLES, Example
from aeanom.testing.ladder import BOUNDS, RUNGS

if TYPE_CHECKING:
    from aeanom.testing.conformance import BackendConformance

__all__ = ["BOUNDS", "EXAMPLES", "RUNGS", "BackendConformance", "Example"]


def __getattr__(name: str) -> Any:
    # Loaded when it is asked for, as it imports pytest.
    if name != "BackendConformance":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from aeanom.testing.conformance import BackendConformance

    return BackendConformance
