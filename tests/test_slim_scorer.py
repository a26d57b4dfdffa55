"""A scorer deployed with NumPy and safetensors alone, from the built wheel.

One virtual environment is made for the whole module: `pip install --no-deps` of the wheel beside
numpy and safetensors, nothing else. Building and installing need a package index.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import BACKENDS, normal_rows

from aeanom import AnomalyDetector
from aeanom.architectures import dense
from aeanom.core.registry import missing_packages

CHECKOUT = Path(__file__).parents[1]
BUILD_FILES = ("aeanom", "pyproject.toml", "README.md", "LICENSE")
ROWS = np.vstack([normal_rows(200, seed=1), 3 * normal_rows(50, seed=2)])
CLEAN = {
    key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")
}


NO_INDEX = ("Could not find a version", "No matching distribution", "Connection", "HTTPSConnection")


def run(*command):
    """Run a command; skip only where it failed because there is no package index to be reached."""
    done = subprocess.run(command, capture_output=True, text=True, env=CLEAN, check=False)
    said = done.stdout + done.stderr
    if done.returncode and any(phrase in said for phrase in NO_INDEX):
        pytest.skip("no package index can be reached to build and install from")
    assert done.returncode == 0, said


@pytest.fixture(scope="module")
def slim_python(tmp_path_factory):
    """The interpreter of an environment with numpy, safetensors and the wheel."""
    folder = tmp_path_factory.mktemp("slim")
    source = folder / "source"
    source.mkdir()
    for name in BUILD_FILES:
        kind = shutil.copytree if (CHECKOUT / name).is_dir() else shutil.copy
        kind(CHECKOUT / name, source / name)
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(source))
    (wheel,) = folder.glob("aeanom-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"))
    (python,) = (path for path in (folder / "venv").glob("*/python*") if path.stem == "python")
    into = (*pip, "--python", str(python), "install")
    run(*into, f"numpy=={np.__version__}", "safetensors")
    run(*into, "--no-deps", str(wheel))
    return python


def in_slim(python, code, *arguments):
    """Run code in the slim environment, away from the checkout; return what it printed."""
    command = [str(python), "-W", "error", "-c", code, *map(str, arguments)]
    return subprocess.check_output(command, text=True, env=CLEAN, cwd=python.parent)


def test_the_slim_environment_has_neither_scipy_nor_scikit_learn_nor_a_framework(slim_python):
    code = (
        "import json, importlib.metadata as m;"
        "print(json.dumps(sorted({d.name.lower() for d in m.distributions()})))"
    )
    assert json.loads(in_slim(slim_python, code)) == ["aeanom", "numpy", "safetensors"]


SCORE = """
import sys, numpy as np, aeanom
model = aeanom.load(sys.argv[1])
rows = np.load(sys.argv[2])
explanation = model.explain(rows)
assert model.backend == "numpy"
assert len(explanation.top(2)) == len(rows)
assert model.summary() and model.threshold.describe()
np.savez(sys.argv[3], scores=model.anomaly_score(rows), flags=model.is_anomaly(rows),
         predicted=model.predict(rows), p_values=model.p_values(rows))
"""


# GELU, as it is the one activation whose function NumPy lacks.
@pytest.mark.parametrize("activation", ["relu", "gelu"])
@pytest.mark.parametrize("name", BACKENDS)
def test_a_model_trained_in_any_framework_gives_the_same_flags_in_the_slim_environment(
    slim_python, tmp_path, name, activation
):
    if missing_packages(name):
        pytest.skip(f"backend {name!r} is not installed")
    detector = AnomalyDetector(
        backend=name,
        architecture=dense(6, (5,), 3, activation=activation),
        epochs=5,
        random_state=0,
    ).fit(normal_rows(300))
    detector.save(tmp_path / "model.aeanom")
    np.save(tmp_path / "rows.npy", ROWS)
    paths = tmp_path / "model.aeanom", tmp_path / "rows.npy", tmp_path / "result.npz"
    in_slim(slim_python, SCORE, *paths)
    result = np.load(tmp_path / "result.npz")

    expected = detector.anomaly_score(ROWS)
    assert np.array_equal(result["flags"], detector.is_anomaly(ROWS))
    assert np.array_equal(result["predicted"], detector.predict(ROWS))
    assert result["scores"] == pytest.approx(expected, rel=1e-4)
    assert 0 < result["flags"].sum() < len(ROWS)
    if name == "numpy" and activation == "relu":
        assert result["scores"].tobytes() == expected.tobytes()


def test_a_model_can_be_calibrated_and_saved_in_the_slim_environment(slim_python, tmp_path):
    AnomalyDetector(backend="numpy", epochs=2, random_state=0).fit(normal_rows(300)).save(
        tmp_path / "model.aeanom"
    )
    code = (
        "import sys, numpy as np; from aeanom import load, thresholds;"
        "rows = np.random.default_rng(0).normal(size=(100, 6));"
        "model = load(sys.argv[1]).calibrate(rows).with_threshold(thresholds.Quantile(0.9));"
        "model.save(sys.argv[1]); print(load(sys.argv[1]).threshold.value == model.threshold.value)"
    )
    assert in_slim(slim_python, code, tmp_path / "model.aeanom").strip() == "True"


def test_asking_for_the_detector_without_scikit_learn_names_what_is_missing(slim_python):
    code = "import aeanom\ntry:\n    aeanom.AnomalyDetector\nexcept ImportError as e:\n    print(e)"
    assert "sklearn" in in_slim(slim_python, code) or "scikit-learn" in in_slim(slim_python, code)


def test_bad_input_is_refused_there_by_the_same_rules(slim_python, tmp_path):
    AnomalyDetector(backend="numpy", epochs=2, random_state=0).fit(normal_rows(300)).save(
        tmp_path / "model.aeanom"
    )
    code = (
        "import sys, numpy as np; from aeanom import load, errors\n"
        "try:\n    load(sys.argv[1]).predict(np.full((2, 6), np.nan))\n"
        "except errors.InvalidDataError as error:\n    print(error)"
    )
    assert "12 NaN and 0 infinity" in in_slim(slim_python, code, tmp_path / "model.aeanom")
