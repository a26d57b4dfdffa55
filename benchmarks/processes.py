"""The parent's side of `measure.py`: start one, wait for its line of JSON, tell what went wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[1]
#: A measurement that takes longer is given up.
LONGEST_SECONDS = 1_800
_LAST_LINES = 15


class MeasurementError(Exception):
    """A measurement failed; the message ends with what it said."""


def run_measurement(
    name: str, contender: str, framework: str, device: str, quick: bool
) -> dict[str, Any]:
    """Measure in a fresh process and return its figures.

    Raises
    ------
    MeasurementError
        If the process fails, says nothing usable, or takes longer than `LONGEST_SECONDS`.
    """
    command = [sys.executable, "-m", "benchmarks.measure", name, contender]
    command += ["--framework", framework, "--device", device, *(["--quick"] if quick else [])]
    with subprocess.Popen(
        command,
        cwd=CHECKOUT,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            printed, said = process.communicate(timeout=LONGEST_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise MeasurementError(f"took longer than {LONGEST_SECONDS} s") from None
        except BaseException:
            # Ctrl-C above all: nothing is left running.
            process.kill()
            raise
    try:
        return json.loads(printed)
    except json.JSONDecodeError:
        end = "\n".join(said.splitlines()[-_LAST_LINES:])
        raise MeasurementError(f"exit status {process.returncode}\n{end}") from None


def _environment() -> dict[str, str]:
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
    if data := environment.get("AEANOM_DATA"):
        environment["AEANOM_DATA"] = str(Path(data).absolute())
    return environment
