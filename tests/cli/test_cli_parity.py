from __future__ import annotations

import json

import numpy as np
import pytest

import aeanom
from aeanom import AnomalyDetector
from aeanom.core import registry
from aeanom.data import read_table
from aeanom.parity import compare


@pytest.fixture
def numpy_alone(monkeypatch):
    """No framework is installed."""
    find_spec, frameworks = registry.find_spec, ("torch", "jax", "tensorflow")
    monkeypatch.setattr(
        registry, "find_spec", lambda name: None if name in frameworks else find_spec(name)
    )


@pytest.fixture
def tampered_torch(monkeypatch):
    """PyTorch with scores that are a thousandth too large."""
    pytest.importorskip("torch")
    from aeanom.backends.torch.autoencoder import TorchAutoencoder

    errors = TorchAutoencoder.errors

    def larger(*given, **options):
        found = errors(*given, **options)
        found *= 1.001
        return found

    monkeypatch.setattr(TorchAutoencoder, "errors", larger)


def test_figures_are_those_of_compare(run, model_file, train_csv):
    pytest.importorskip("torch")
    result = run("parity", model_file, train_csv, "--backends", "numpy,torch", "--json")
    assert result.exit_code == 0
    values = json.loads(result.stdout)
    model = aeanom.load(model_file)
    rows = read_table(train_csv, columns=model.feature_names).rows
    expected = compare(model, rows, ["numpy", "torch"]).to_dict()
    for entry in (*values["backends"], *expected["backends"]):
        assert entry.pop("seconds") > 0
    assert values == {"model": str(model_file), "table": str(train_csv), **expected}
    assert values["n_rows"] == 180


def test_prints_a_table_of_80_columns_without_colours(run, model_file, train_csv):
    result = run("parity", model_file, train_csv, "--backends", "numpy")
    assert "180 rows scored in float32, held against numpy" in " ".join(result.stdout.split())
    assert all(word in result.stdout for word in ("absolute", "flags", "seconds", "agrees"))
    assert max(map(len, result.stdout.splitlines()[1:])) <= 80
    assert "\x1b" not in result.stdout


def test_a_backend_that_differs_is_exit_status_1(run, model_file, train_csv, tampered_torch):
    result = run("parity", model_file, train_csv, "--backends", "numpy", "--backends", "torch")
    assert result.exit_code == 1
    assert "DIFFERS" in result.stdout
    assert "1.0e-03" in result.stdout


def test_without_names_what_is_not_installed_is_told_and_no_failure(
    run, model_file, train_csv, numpy_alone
):
    result = run("parity", model_file, train_csv)
    assert result.exit_code == 0
    text = "".join(result.stdout.split())
    assert 'pipinstall"aeanom[torch]"' in text
    assert 'pipinstall"aeanom[tensorflow]"' in text


def test_what_is_named_and_not_installed_is_exit_status_1(run, model_file, train_csv, numpy_alone):
    result = run("parity", model_file, train_csv, "--backends", "numpy,jax")
    assert result.exit_code == 1
    assert "agrees" in result.stdout


def test_an_unknown_name_is_an_error_that_lists_the_known_ones(run, model_file, train_csv):
    result = run("parity", model_file, train_csv, "--backends", "numpy,tensorflw")
    assert result.exit_code == 1
    assert "known: numpy, torch, jax, tensorflow" in result.stderr
    assert "Did you mean 'tensorflow'?" in result.stderr
    assert result.stdout == ""


def test_columns_are_those_of_the_model_as_in_score(run, model_file, tmp_path):
    (tmp_path / "t.csv").write_text("note,c,b,a\nx,-1,2,1\ny,3,0,0\n")
    result = run("parity", model_file, "t.csv", "--backends", "numpy", "--json")
    assert json.loads(result.stdout)["n_rows"] == 2
    (tmp_path / "u.csv").write_text("a,b\n1,2\n")
    missing = run("parity", model_file, "u.csv")
    assert missing.exit_code == 1
    assert "lacks 1 of the 3 columns" in missing.stderr


def test_a_model_without_column_names_takes_all_columns_but_the_ignored(run, tmp_path):
    X = np.random.default_rng(0).normal(size=(120, 2))
    AnomalyDetector(backend="numpy", epochs=1, random_state=0).fit(X).save(tmp_path / "m.aeanom")
    (tmp_path / "t.csv").write_text("id,p,q\nx,1,2\n")
    result = run("parity", "m.aeanom", "t.csv", "--ignore", "id", "--backends", "numpy")
    assert result.exit_code == 0
