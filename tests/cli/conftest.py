from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from aeanom.cli.main import app

N_NORMAL, N_ODD = 160, 20


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Run a command in an empty folder, at 80 columns; gives exit_code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "dumb")

    def invoke(*arguments: object, **options: Any) -> Any:
        result = CliRunner().invoke(app, [str(argument) for argument in arguments], **options)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def train_csv(tmp_path: Path) -> Path:
    """Rows with b = 2a and c = -a; the odd ones, with label y = 1, break it."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=N_NORMAL + N_ODD)
    noise = rng.normal(scale=0.05, size=(2, a.size))
    y = np.repeat([0, 1], [N_NORMAL, N_ODD])
    b, c = 2 * a + noise[0], np.where(y == 1, a + 5, -a) + noise[1]
    path = tmp_path / "train.csv"
    lines = [f"r{i:03d},{a[i]!r},{b[i]!r},{c[i]!r},{y[i]}" for i in range(a.size)]
    path.write_text("id,a,b,c,y\n" + "\n".join(lines).replace("np.float64(", "").replace(")", ""))
    return path


@pytest.fixture
def model_file(run: Callable[..., Any], train_csv: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.aeanom"
    arguments = ("--label", "y", "--ignore", "id", "--backend", "numpy", "--epochs", 40)
    result = run("fit", train_csv, "--output", path, *arguments)
    assert result.exit_code == 0, result.stderr
    return path
