"""A third party's backend: built, installed, found by its entry point, tested and used.

The package in `tests/plugin_package` is installed into a temporary folder, from no index, and
everything runs in processes that have this folder on their path.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support import normal_rows

from aeanom import AnomalyDetector, load
from aeanom.core import known_backends

PACKAGE = Path(__file__).parents[1] / "plugin_package"
ROWS = np.vstack([normal_rows(200, seed=1), 3 * normal_rows(50, seed=2)])


@pytest.fixture(scope="module")
def plugged(tmp_path_factory):
    """Run a module or code where aeanom-plain is installed; gives what was printed."""
    pytest.importorskip("setuptools", reason="building the plug-in needs setuptools")
    folder = tmp_path_factory.mktemp("plugged")
    # A copy, as building leaves files beside the source.
    shutil.copytree(PACKAGE, folder / "source", ignore=shutil.ignore_patterns("__pycache__"))
    options = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    install = ("-m", "pip", "install", *options, "--target", folder / "site", folder / "source")
    path = os.pathsep.join(filter(None, (str(folder / "site"), os.environ.get("PYTHONPATH"))))

    def run(*arguments, status=0):
        done = subprocess.run(
            [sys.executable, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "80"},
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    run(*install)
    return run


COMMAND_LINE = "import sys; from aeanom.cli.main import main; sys.argv[0] = 'aeanom'; main()"


def test_it_is_not_installed_where_the_other_tests_run():
    assert "plain" not in known_backends()


def test_it_passes_the_conformance_kit(plugged):
    # Not from the package's folder: the installed module is to be found, not the one beside.
    options = ("-q", "-W", "error", "-p", "no:cacheprovider", "--import-mode", "importlib")
    printed = plugged("-m", "pytest", *options, "source/test_plain.py")
    assert " passed" in printed
    # It has three layer kinds: the examples with others are left out, which is said.
    assert " skipped" in printed


def test_it_is_found_by_its_entry_point_and_imported_only_when_asked_for(plugged):
    code = (
        "import sys; from aeanom.core import available_backends, get_backend\n"
        "print('plain' in available_backends(), 'aeanom_plain' in sys.modules)\n"
        "print(type(get_backend('plain')).__name__, 'aeanom_plain' in sys.modules)"
    )
    assert plugged("-c", code).split() == ["True", "False", "PlainBackend", "True"]


def test_a_detector_trains_with_it_as_with_numpy(plugged, tmp_path):
    code = (
        "import sys, numpy as np; from aeanom import AnomalyDetector\n"
        "detector = AnomalyDetector(backend='plain', dtype='float64', epochs=5, random_state=0)\n"
        "detector.fit(np.load(sys.argv[1])).save(sys.argv[2])"
    )
    np.save(tmp_path / "rows.npy", normal_rows(200))
    plugged("-c", code, tmp_path / "rows.npy", tmp_path / "model.aeanom")
    expected = AnomalyDetector(backend="numpy", dtype="float64", epochs=5, random_state=0)
    expected.fit(normal_rows(200))
    model = load(tmp_path / "model.aeanom", backend="numpy")
    assert model.anomaly_score(ROWS) == pytest.approx(expected.anomaly_score(ROWS), rel=1e-8)


def test_it_scores_a_model_that_another_backend_trained(plugged, tmp_path):
    detector = AnomalyDetector(backend="numpy", dtype="float64", epochs=5, random_state=0)
    detector.fit(normal_rows(200)).save(tmp_path / "model.aeanom")
    np.save(tmp_path / "rows.npy", ROWS)
    code = (
        "import sys, numpy as np; from aeanom import load\n"
        "model = load(sys.argv[1], backend='plain')\n"
        "np.save(sys.argv[3], model.anomaly_score(np.load(sys.argv[2])))"
    )
    paths = tmp_path / "model.aeanom", tmp_path / "rows.npy", tmp_path / "scores.npy"
    plugged("-c", code, *paths)
    assert np.load(paths[2]) == pytest.approx(detector.anomaly_score(ROWS), rel=1e-12)


def test_a_layer_that_it_does_not_have_is_refused_by_name(plugged):
    code = (
        "from aeanom.core import get_backend; from aeanom.testing import EXAMPLES\n"
        "from aeanom.errors import UnsupportedError\n"
        "try:\n    get_backend('plain').check(EXAMPLES['lstm'].architecture, 'float64')\n"
        "except UnsupportedError as error:\n    print(error)"
    )
    assert "backend 'plain' has no layer of kind lstm, repeat_vector" in plugged("-c", code)


def test_the_command_line_lists_it_with_its_version(plugged):
    listed = json.loads(plugged("-c", COMMAND_LINE, "backends", "--json"))
    (plain,) = (entry for entry in listed if entry["name"] == "plain")
    assert plain["installed"]
    assert plain["versions"] == {"aeanom-plain": "1.0"}
