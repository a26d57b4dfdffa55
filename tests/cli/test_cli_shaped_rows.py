"""The commands and models whose rows are no rows of a table."""

import json

import numpy as np
import pytest

from aeanom import AnomalyDetector

SHAPES = {"windows": (8, 2), "images": (6, 6)}


@pytest.fixture(params=SHAPES)
def shape(request):
    return SHAPES[request.param]


@pytest.fixture
def shaped_file(shape, tmp_path):
    rows = np.random.default_rng(0).normal(size=(120, *shape))
    detector = AnomalyDetector(backend="numpy", epochs=1, random_state=0).fit(rows)
    detector.save(tmp_path / "shaped.aeanom")
    return tmp_path / "shaped.aeanom"


def test_info_shows_the_scale_of_each_channel(run, shaped_file, shape):
    result = run("info", shaped_file.name)
    assert result.exit_code == 0
    assert "Channels (2)" in result.stdout if shape == (8, 2) else "all elements" in result.stdout
    assert f"{shape[0]}×{shape[1]} →" in result.stdout
    assert max(map(len, result.stdout.splitlines())) <= 80
    values = json.loads(run("info", shaped_file, "--json").stdout)
    assert len(values["columns"]) == (2 if shape == (8, 2) else 1)


@pytest.mark.parametrize("command", ["score", "evaluate", "parity"])
def test_a_table_is_refused_with_what_to_do(run, shaped_file, train_csv, command):
    options = ["--label", "y"] if command == "evaluate" else []
    result = run(command, shaped_file, train_csv, *options)
    assert result.exit_code == 1
    assert "which a table does not hold" in " ".join(result.stderr.split())
