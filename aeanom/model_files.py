"""A model to its file, and back: for any backend, or with the module that it was fitted with.

What a file looks like, and what is checked before it is trusted, is in `storage/`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aeanom.architectures import Architecture
from aeanom.core.history import History
from aeanom.core.losses import Loss
from aeanom.core.modules import ModuleArchitecture, architecture_from_dict, framework_of
from aeanom.core.registry import get_backend
from aeanom.core.scaling import Scaler, scales_of
from aeanom.core.weights import check_weights
from aeanom.errors import ModelFileError
from aeanom.explain import Familiar
from aeanom.model import AnomalyModel
from aeanom.storage import TensorSpecs, read_model_file, write_model_file
from aeanom.thresholds import FittedThreshold

__all__ = ["load", "read_model", "write_model"]


def load(
    path: str | os.PathLike[str],
    backend: str = "auto",
    device: str = "auto",
    *,
    module: Any = None,
) -> AnomalyModel:
    """Read a model from a `.aeanom` file.

    Parameters
    ----------
    path : path-like
    backend : str
        Who computes; it need not be the backend that trained. `"auto"` takes the first installed
        of a fixed order, which for tables begins with NumPy.
    device : str
    module : object, optional
        The module that the model was fitted with, if it was one of your own: a file holds its
        weights, not its code.

    Returns
    -------
    AnomalyModel

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ModelFileError
        If it is not a model file, is damaged, or was made by a newer version.
    BackendError
        If the backend is unknown, not installed, or cannot run the network.
    """
    model = read_model(path)
    if isinstance(model.architecture, ModuleArchitecture):
        model = _with_module(model, module, os.fspath(path))
    return model.with_backend(backend, device)


def read_model(path: str | os.PathLike[str]) -> AnomalyModel:
    """Read a model as it stands in its file: to look at, before a backend is chosen for it.

    One with a module of a user's own is without the module.
    """
    manifest, tensors = read_model_file(path, _expected_tensors)
    try:
        architecture = architecture_from_dict(manifest["architecture"])
        weights = {name: tensors[f"weights/{name}"] for name in _shapes(architecture)}
        names = manifest["feature_names"]
        return AnomalyModel(
            architecture=architecture,
            weights=check_weights(architecture.parameters, weights, manifest["dtype"]),
            scaler=Scaler(manifest["scaler"], tensors["scaler/center"], tensors["scaler/scale"]),
            loss=Loss.from_dict(manifest["loss"]),
            threshold=FittedThreshold.from_dict(manifest["threshold"]),
            training_scores=tensors["scores/training"],
            calibration_scores=tensors["scores/calibration"],
            feature_names=None if names is None else tuple(names),
            history=History.from_dict(manifest["history"]),
            provenance=manifest["provenance"],
            familiar=_familiar(manifest, tensors),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{os.fspath(path)}: not a usable model: {error}") from error


def write_model(model: AnomalyModel, path: str | os.PathLike[str]) -> None:
    """Write a model to a file, whole or not at all; see `AnomalyModel.save`."""
    # What cannot be read back is refused now, not when somebody needs the file.
    FittedThreshold.from_dict(model.threshold.to_dict())
    provenance = dict(model.provenance)
    if isinstance(model.architecture, ModuleArchitecture):
        provenance["probe"] = model.probe()
    manifest = {
        "architecture": model.architecture.to_dict(),
        "dtype": model.dtype,
        "loss": model.loss.to_dict(),
        "scaler": model.scaler.kind,
        "threshold": model.threshold.to_dict(),
        "feature_names": model.feature_names and list(model.feature_names),
        "history": model.history.to_dict(),
        "provenance": provenance,
        "backend": model.backend,
        "familiar": model.familiar and model.familiar.to_dict(),
    }
    tensors = {f"weights/{name}": array for name, array in model.weights.items()}
    tensors |= {
        "scaler/center": model.scaler.center,
        "scaler/scale": model.scaler.scale,
        "scores/training": model.training_scores,
        "scores/calibration": model.calibration_scores,
    }
    if model.familiar is not None:
        arrays = model.familiar.arrays()
        tensors |= {f"familiar/{name}": array for name, array in arrays.items()}
    write_model_file(path, manifest, tensors)


def _familiar(manifest: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Familiar | None:
    """Read what the model knows as usual; None from a file of a version that did not say."""
    values = manifest.get("familiar")
    if values is None:
        return None
    prefix = "familiar/"
    arrays = {
        name.removeprefix(prefix): array
        for name, array in tensors.items()
        if name.startswith(prefix)
    }
    return Familiar.from_parts(values, arrays)


def _with_module(model: AnomalyModel, module: Any, path: str) -> AnomalyModel:
    """Give a model the module that it was fitted with, or say why this is not the one."""
    saved = model.architecture
    assert isinstance(saved, ModuleArchitecture)
    if module is None:
        raise ModelFileError(
            f"{path}: this model was fitted with a {saved.framework} module of your own, of which "
            "a file holds the weights only. Make the same module again and hand it in: "
            "load(path, module=...)"
        )
    if framework_of(module) != saved.framework:
        raise ModelFileError(
            f"{path}: this model needs the {saved.framework} module that it was fitted with, got "
            f"{type(module).__name__}"
        )
    described = get_backend(saved.framework).describe(module, saved.input_shape, model.dtype)
    given, wanted = (
        {parameter.name: parameter.shape for parameter in architecture.parameters}
        for architecture in (described, saved)
    )
    if given != wanted:
        names = sorted(name for name in given | wanted if given.get(name) != wanted.get(name))
        raise ModelFileError(
            f"{path}: the module is not the one that the model was fitted with; these arrays "
            f"differ: {', '.join(names[:5])}" + (", ..." if len(names) > 5 else "")
        )
    model = replace(model, architecture=described, backend=saved.framework)
    # The same arrays may be put to another use.
    if not np.allclose(model.probe(), model.provenance["probe"], rtol=1e-3):
        raise ModelFileError(
            f"{path}: the module has the arrays that the model was fitted with, but it computes "
            "something else with them: another activation, another constant?"
        )
    return model


def _shapes(architecture: Architecture) -> dict[str, tuple[int, ...]]:
    return {parameter.name: parameter.shape for parameter in architecture.parameters}


def _expected_tensors(manifest: Mapping[str, Any]) -> TensorSpecs:
    """Names, dtypes and shapes that follow from the manifest: checked before anything is read."""
    architecture = architecture_from_dict(manifest["architecture"])
    specs: dict[str, tuple[str, tuple[int | None, ...]]] = {
        f"weights/{name}": (manifest["dtype"], shape)
        for name, shape in _shapes(architecture).items()
    }
    familiar = manifest.get("familiar")
    if familiar is not None:
        row_shape = architecture.input_shape
        specs["familiar/usual"] = ("float64", (2, *row_shape))
        if familiar["input_margin"] is not None:
            specs["familiar/inputs"] = ("float64", (3, *row_shape))
        if familiar["latent_margin"] is not None:
            specs["familiar/latents"] = ("float64", (3, *architecture.latent_shape))
    n_scales = scales_of(architecture)
    return specs | {
        "scaler/center": ("float64", (n_scales,)),
        "scaler/scale": ("float64", (n_scales,)),
        "scores/training": ("float64", (None,)),
        "scores/calibration": ("float64", (None,)),
    }
