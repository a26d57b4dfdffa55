"""Host memory of this process: what it holds now, and the most that it held since a moment."""

from __future__ import annotations

import contextlib
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def resident_bytes() -> int:
    """Memory that the process holds now; where that cannot be told, the most so far."""
    return _status("VmRSS") or _most_so_far()


def peak_bytes() -> int:
    """Most memory that the process has held, since `forget_peak` where that works."""
    # Not `ru_maxrss` where it can be helped: a new process inherits that of the one it came from.
    return _status("VmHWM") or _most_so_far()


def forget_peak() -> None:
    """Begin anew with `peak_bytes`; only Linux can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _status(name: str) -> int:
    if not _STATUS.exists():
        return 0
    lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines() if ":" in line)
    return 1024 * int(lines[name].split()[0]) if name in lines else 0


def _most_so_far() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
