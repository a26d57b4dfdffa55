"""How tables and labels read numbers, and list names."""

from __future__ import annotations

import math
from collections.abc import Iterable


def quoted(names: Iterable[str]) -> str:
    """List names for a message, twenty at most."""
    listed = [repr(name) for name in names]
    shown = ", ".join(listed[:20])
    return shown if len(listed) <= 20 else f"{shown} and {len(listed) - 20} more"


def number_of(text: str) -> int | float | None:
    """Return the finite number that a text is, whole ones of any size exactly; else None."""
    if "_" in text:  # a digit separator to Python, not to the people who write tables
        return None
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
