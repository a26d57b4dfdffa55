"""Why a row is odd: how its error spreads over the features, and whether training saw its like."""

from aeanom.explain.explanation import Explanation, Outside, Reason
from aeanom.explain.familiar import Familiar, SeenRange, UsualErrors

__all__ = ["Explanation", "Familiar", "Outside", "Reason", "SeenRange", "UsualErrors"]
