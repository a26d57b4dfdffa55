"""Why a row is odd: how its error spreads over the features."""

from aeanom.explain.explanation import Explanation, Reason

__all__ = ["Explanation", "Reason"]
