"""Scoring as a service does it: a few rows through a loaded model, a cold start, a slim install.

A backend's model is saved to a file and loaded from it, then scores 1, 16 and 256 rows some
thousand times. The other two contenders are the command line, whose whole process is timed, and an
environment with nothing but NumPy, safetensors and the built wheel.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from shutil import copy, copytree
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING, Any

from benchmarks import devices, memory
from benchmarks.contenders import contenders

if TYPE_CHECKING:
    import numpy as np

    from aeanom import AnomalyModel

SIZES = (1, 16, 256)
CALLS, WARM_UP_CALLS, MOST_SECONDS = 5_000, 50, 4.0
COMMAND_LINE, SLIM = "aeanom score", "numpy and safetensors"
CHECKOUT = Path(__file__).parents[1]
_BUILT_FROM = ("aeanom", "pyproject.toml", "README.md", "LICENSE")


def measure(contender: str, device: str, quick: bool) -> dict[str, Any]:
    """Figures of a backend, of the command line or of the slim environment."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "model.aeanom")
        if contender == COMMAND_LINE:
            return _command_line(path)
        if contender == SLIM:
            return _slim(path)
        return _backend(contender, path, device, quick)


def _backend(name: str, path: Path, device: str, quick: bool) -> dict[str, float]:
    """Percentiles of the seconds that a call takes."""
    framework = contenders()[name].framework
    importlib.import_module(framework)
    devices.check(framework, device)
    import numpy as np

    from aeanom import load

    rows = _saved_model(path)
    model = load(path, backend=framework, device=device)
    result = {}
    for size in SIZES:
        part = np.array(rows[:size], np.float64)
        _seconds_of_calls(model, part, WARM_UP_CALLS)
        taken = _seconds_of_calls(model, part, 200 if quick else CALLS)
        for percent in (50, 99):
            result[f"p{percent}_seconds_{size}"] = float(np.percentile(taken, percent))
    return result


def _seconds_of_calls(model: AnomalyModel, rows: np.ndarray, calls: int) -> list[float]:
    taken: list[float] = []
    begin = now = perf_counter()
    while len(taken) < calls and now - begin < MOST_SECONDS:
        before = perf_counter()
        model.anomaly_score(rows)
        now = perf_counter()
        taken.append(now - before)
    return taken


def _command_line(path: Path) -> dict[str, float]:
    """Seconds of a whole process that scores one row."""
    rows = _saved_model(path)
    table = path.with_name("row.csv")
    table.write_text(
        ",".join(f"c{column}" for column in range(rows.shape[1]))
        + "\n"
        + ",".join(map(str, rows[0]))
        + "\n"
    )
    begin = perf_counter()
    _run(sys.executable, "-m", "aeanom.cli.main", "score", str(path), str(table))
    return {"cold_start_seconds": perf_counter() - begin}


#: Run in the slim environment: score one row of a model, and tell what that took.
_SCORE = """
import sys, json
from pathlib import Path
sys.path.insert(0, sys.argv[3])
import memory
from time import perf_counter
begin = perf_counter()
import numpy as np, aeanom
model = aeanom.load(sys.argv[1])
model.anomaly_score(np.load(sys.argv[2]))
seconds = perf_counter() - begin
packages = [Path(sys.modules[name].__file__).parent for name in ("aeanom", "numpy", "safetensors")]
packages += [path for path in packages[1].parent.glob("numpy.libs")]
print(json.dumps({
    "first_score_seconds": seconds,
    "resident_bytes": memory.resident_bytes(),
    "installed_bytes": {
        path.name: sum(file.stat().st_size for file in path.rglob("*")
                       if file.is_file() and file.suffix != ".pyc")
        for path in packages
    },
}))
"""


def _slim(path: Path) -> dict[str, Any]:
    """Size of the smallest installation that scores, and what its process holds."""
    import numpy as np

    rows = _saved_model(path)
    np.save(path.with_name("row.npy"), rows[:1])
    python = _slim_python(path.parent)
    # memory.py alone, without the package around it: aeanom here is the installed one.
    helpers = path.with_name("helpers")
    helpers.mkdir()
    copy(Path(memory.__file__), helpers)
    command = (str(python), "-c", _SCORE, *map(str, (path, path.with_name("row.npy"), helpers)))
    result = json.loads(_run(*command, cwd=path.parent))
    installed = result.pop("installed_bytes")
    result["installed_bytes"] = sum(installed.values())
    result["installed_aeanom_bytes"] = installed["aeanom"]
    return result


def _slim_python(folder: Path) -> Path:
    """Interpreter of a new environment with numpy, safetensors and the wheel of this checkout."""
    import numpy as np

    source = folder / "source"
    source.mkdir()
    for name in _BUILT_FROM:
        kind = copytree if (CHECKOUT / name).is_dir() else copy
        kind(CHECKOUT / name, source / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    _run(*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("aeanom-*.whl")
    _run(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"))
    (python,) = (found for found in (folder / "venv").glob("*/python*") if found.stem == "python")
    into = (*pip, "--python", str(python), "install")
    _run(*into, f"numpy=={np.__version__}", "safetensors")
    _run(*into, "--no-deps", str(wheel))
    return python


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, env=_clean(), cwd=cwd, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _clean() -> dict[str, str]:
    hidden = ("PYTHONPATH", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if name not in hidden}


def _saved_model(path: Path) -> np.ndarray:
    """Write the scoring workload's network, untrained, to a file; return some rows for it."""
    from benchmarks.comparators.aeanom_fit import model_of
    from benchmarks.workloads import WORKLOADS

    workload = WORKLOADS["scoring"]
    model_of(workload, workload.weights(), "numpy", "cpu").save(path)
    return workload.rows(max(SIZES))
