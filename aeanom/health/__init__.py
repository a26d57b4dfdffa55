"""Health of a fit: checks for what silently ruins a detector.

`check_fit` makes all of them; `docs/health.md` says what each means. Imports NumPy, `core` and
`errors`.
"""

from aeanom.health.checks import CHECKS, Evidence, check_fit, warn_of
from aeanom.health.sample import Sample

__all__ = ["CHECKS", "Evidence", "Sample", "check_fit", "warn_of"]
