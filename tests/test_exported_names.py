"""The public names: they exist, they are the documented ones, and each has a docstring."""

import ast
import importlib
import importlib.util
import inspect
import pkgutil

import pytest

import aeanom
from aeanom import errors

PACKAGES = ["aeanom", "aeanom.architectures", "aeanom.baselines", "aeanom.core", "aeanom.data",
            "aeanom.errors", "aeanom.evaluation", "aeanom.explain", "aeanom.health",
            "aeanom.metrics", "aeanom.parity", "aeanom.plots", "aeanom.report", "aeanom.storage",
            "aeanom.testing", "aeanom.thresholds", "aeanom.words"]  # fmt: skip


def exported(package):
    module = importlib.import_module(package)
    return [(name, getattr(module, name)) for name in module.__all__]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_exported_name_exists(package):
    assert exported(package)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_exported_class_and_function_has_a_docstring(package):
    missing = [
        name
        for name, value in exported(package)
        if (inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value))
        and not (value.__doc__ or "").strip()
    ]
    assert missing == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_method_has_a_docstring(package):
    missing = [
        f"{name}.{method}"
        for name, value in exported(package)
        if inspect.isclass(value) and value.__module__.startswith("aeanom")
        for method, member in vars(value).items()
        if not method.startswith("_")
        and (inspect.isfunction(member) or isinstance(member, property | classmethod))
        and not inspect.getdoc(member)
    ]
    assert missing == []


def test_every_module_has_a_docstring():
    missing = []
    for module in pkgutil.walk_packages(aeanom.__path__, "aeanom."):
        spec = importlib.util.find_spec(module.name)
        if not ast.get_docstring(ast.parse(spec.loader.get_source(module.name))):
            missing.append(module.name)
    assert missing == []


def test_the_front_door_has_the_documented_names():
    assert {"AnomalyDetector", "AnomalyModel", "load", "available_backends"} <= set(aeanom.__all__)
    assert {"architectures", "thresholds", "metrics", "data", "plots"} <= set(aeanom.__all__)
    assert set(aeanom.__all__) <= set(dir(aeanom))


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'AnomolyDetector'"):
        aeanom.AnomolyDetector  # noqa: B018


def test_the_detector_has_the_documented_methods():
    for name in (
        "fit", "calibrate", "anomaly_score", "is_anomaly", "predict", "decision_function",
        "score_samples", "p_values", "anomaly_probability", "extrapolates", "explain",
        "reconstruct", "encode", "decode", "save",
        "from_model", "fit_predict", "threshold_", "offset_", "history_", "backend_",
    ):  # fmt: skip
        assert hasattr(aeanom.AnomalyDetector, name), name


def test_the_model_has_every_scoring_method_of_the_detector():
    for name in (
        "anomaly_score", "is_anomaly", "predict", "decision_function", "score_samples", "p_values",
        "anomaly_probability", "extrapolates", "explain", "reconstruct", "encode", "decode",
        "calibrate", "save", "with_backend", "with_threshold", "summary", "native",
    ):  # fmt: skip
        assert hasattr(aeanom.AnomalyModel, name), name


def test_every_exception_derives_from_the_root_and_from_a_built_in_one():
    for name in errors.__all__:
        kind = getattr(errors, name)
        root = errors.AeanomWarning if issubclass(kind, Warning) else errors.AeanomError
        assert issubclass(kind, root)
    assert issubclass(errors.InvalidDataError, ValueError)
    assert issubclass(errors.DataTypeError, TypeError)
    assert issubclass(errors.BackendNotInstalledError, ImportError)
    assert issubclass(errors.DatasetNotFoundError, OSError)
    assert issubclass(errors.AeanomWarning, UserWarning)


def test_the_exception_tree_is_drawn_whole_in_the_docstring():
    assert all(name in errors.__doc__ for name in errors.__all__)
