"""What trains: `backend="fastest"`, devices, bfloat16; and what a model remembers of it."""

import json

import numpy as np
import pytest
from sklearn.base import clone
from support import BACKENDS

from aeanom import AnomalyDetector, load
from aeanom.core import History, available_backends, registry
from aeanom.errors import InvalidParameterError, UnsupportedError

ROWS = np.random.default_rng(0).normal(size=(300, 4)) @ np.array(
    [[1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1.0]]
)


def detector(**settings):
    return AnomalyDetector(**{"random_state": 0, "epochs": 3, **settings})


def test_a_tiny_table_is_numpy_s_and_the_history_says_why():
    fitted = detector(backend="fastest").fit(ROWS)
    assert fitted.backend_ == fitted.history_.backend == "numpy"
    assert fitted.history_.device == "cpu"
    # 300 rows: 60 calibrate and 24 validate, so 216 train, in batches of 32.
    assert fitted.history_.chosen_because.startswith(
        "expected to be the first to finish 21 steps: numpy "
    )


def test_with_nothing_else_installed_it_is_numpy(monkeypatch):
    monkeypatch.setattr(registry, "find_spec", lambda name: None)
    fitted = detector(backend="fastest").fit(ROWS)
    assert fitted.backend_ == "numpy"
    assert "against" not in fitted.history_.chosen_because


def test_its_model_is_the_one_that_the_named_backend_makes():
    chosen, named = (detector(backend=name).fit(ROWS) for name in ("fastest", "numpy"))
    np.testing.assert_array_equal(chosen.anomaly_score(ROWS), named.anomaly_score(ROWS))


def test_a_copy_keeps_the_setting_and_a_model_does_not(tmp_path):
    fitted = detector(backend="fastest").fit(ROWS)
    assert clone(fitted).get_params()["backend"] == "fastest"
    fitted.save(tmp_path / "m.aeanom")
    loaded = load(tmp_path / "m.aeanom", backend="numpy")
    assert loaded.backend == loaded.provenance["backend"] == "numpy"
    assert loaded.history == fitted.history_


def test_a_model_is_not_loaded_for_the_fastest(tmp_path):
    detector(backend="numpy").fit(ROWS).save(tmp_path / "m.aeanom")
    with pytest.raises(UnsupportedError, match="chosen by the length of a fit"):
        load(tmp_path / "m.aeanom", backend="fastest")


@pytest.mark.parametrize("name", ["auto", "numpy"])
def test_every_history_says_what_trained(name):
    history = detector(backend=name).fit(ROWS).history_
    assert (history.backend, history.device, history.chosen_because) == ("numpy", "cpu", None)


def test_a_history_of_an_earlier_version_is_read_without_them():
    values = History(loss=[1.0], seed=3).to_dict()
    for name in ("backend", "device", "chosen_because"):
        del values[name]
    history = History.from_dict(json.loads(json.dumps(values)))
    assert (history.loss, history.backend, history.chosen_because) == ([1.0], None, None)


def test_a_module_of_one_s_own_is_its_framework_s():
    torch = pytest.importorskip("torch")
    module = torch.nn.utils.skip_init(torch.nn.Linear, 4, 4)
    torch.nn.init.constant_(module.weight, 0.1)
    torch.nn.init.zeros_(module.bias)
    history = detector(backend="fastest", architecture=module).fit(ROWS).history_
    assert history.backend == "torch"
    assert history.chosen_because == "a module of your own runs in its own framework"


def test_a_gpu_that_is_not_there_is_refused_with_the_devices_that_are(backend):
    if len(backend.devices()) > 1:
        pytest.skip("there is a GPU here")
    with pytest.raises(UnsupportedError, match=f"'{backend.name}' has no device 'cuda' here; it"):
        detector(backend=backend.name, device="cuda").fit(ROWS)


def test_the_fastest_of_no_gpu_is_refused_and_not_the_cpu_s():
    if available_backends() == ("numpy",):
        pytest.skip("no framework is installed here")
    try:
        device = detector(backend="fastest", device="cuda").fit(ROWS).history_.device
    except UnsupportedError as error:
        assert "has no device 'cuda' here" in str(error)  # noqa: PT017
    else:
        assert device == "cuda:0"


# bfloat16


def test_bfloat16_trains_nearly_as_float32_and_keeps_float32(framework_backend, tmp_path):
    exact, coarse = (
        detector(backend=framework_backend.name, dtype=dtype, epochs=5).fit(ROWS)
        for dtype in ("float32", "bfloat16")
    )
    np.testing.assert_allclose(coarse.history_.loss, exact.history_.loss, rtol=0.02)
    # Other numbers: it was not float32 under another name.
    assert coarse.history_.loss != exact.history_.loss
    coarse.save(tmp_path / "m.aeanom")
    loaded = load(tmp_path / "m.aeanom", backend="numpy")
    assert loaded.dtype == "float32"
    assert {array.dtype.name for array in loaded.weights.values()} == {"float32"}
    assert loaded.provenance["compute_dtype"] == "bfloat16"
    np.testing.assert_allclose(loaded.anomaly_score(ROWS), coarse.anomaly_score(ROWS), rtol=1e-4)


def test_numpy_refuses_bfloat16_and_names_those_that_can():
    with pytest.raises(UnsupportedError, match="use torch, jax or tensorflow"):
        detector(backend="numpy", dtype="bfloat16").fit(ROWS)


def test_auto_leaves_numpy_out_in_bfloat16():
    if available_backends() == ("numpy",):
        pytest.skip("no framework is installed here")
    expected = next(name for name in ("jax", "torch", "tensorflow") if name in available_backends())
    assert detector(dtype="bfloat16", epochs=1).fit(ROWS).backend_ == expected


def test_a_precision_that_is_none_is_refused_with_those_that_are():
    with pytest.raises(InvalidParameterError, match="'float32', 'float64' or 'bfloat16'"):
        detector(dtype="float8").fit(ROWS)


def test_each_backend_says_what_it_can_train_in(backend):
    expected = set() if backend.name == BACKENDS[0] else {"bfloat16"}
    assert backend.capabilities.compute_dtypes == expected
