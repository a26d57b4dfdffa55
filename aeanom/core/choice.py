"""What computes a fit: from the settings `backend` and `device` to a backend and a device of it.

All but `"fastest"` is the registry's business; the rule of that is in `fastest.py`, and here is
what it is asked about: backends that are installed and devices that seem to be there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import NamedTuple

from aeanom.architectures import Architecture
from aeanom.core.backend import Backend
from aeanom.core.fastest import COSTS, Expected, Work, rank, work_of
from aeanom.core.modules import ModuleArchitecture
from aeanom.core.plan import TrainingPlan
from aeanom.core.registry import available_backends, get_backend, is_imported, resolve_backend
from aeanom.errors import UnsupportedError

__all__ = ["Choice", "choose"]


class Choice(NamedTuple):
    """A backend, one of its devices, and why, if the rule of `"fastest"` has decided."""

    backend: Backend
    device: str
    because: str | None = None


def choose(
    backend: str | Backend,
    device: str,
    architecture: Architecture,
    plan: TrainingPlan,
    *,
    n_rows: int,
    dtype: str,
) -> Choice:
    """Return what is to train a network.

    Parameters
    ----------
    backend : str or Backend
        A name, `"auto"` (see `resolve_backend`) or `"fastest"`: of the built-in backends that are
        installed and can do this fit, the one that the rule expects to finish first. Nothing is
        known of the pace of plug-ins, so they never are.
    device : str
        `"auto"` is the CPU; with `"fastest"` also a CUDA device, if the machine has NVIDIA's
        driver, the framework sees the device, and the work is worth its start.
    architecture : Architecture
    plan : TrainingPlan
    n_rows : int
        Rows that train.
    dtype : str
        Of the weights.

    Raises
    ------
    BackendError
        If the backend is unknown, not installed or cannot do this fit, or has no such device.
    """
    if backend == "fastest" and not isinstance(architecture, ModuleArchitecture):
        steps = plan.epochs * ceil(n_rows / plan.batch_size)
        work = work_of(architecture, steps=steps, batch_size=min(plan.batch_size, n_rows))
        return _fastest(work, device, architecture, dtype, plan.compute_dtype)
    because = None
    if backend == "fastest":
        backend, because = "auto", "a module of your own runs in its own framework"
    made = resolve_backend(backend, architecture, plan.compute_dtype)
    made.check(architecture, dtype, plan.compute_dtype)
    return Choice(made, made.choose_device(device), because)


def _fastest(
    work: Work, device: str, architecture: Architecture, dtype: str, compute_dtype: str | None
) -> Choice:
    candidates = list(_candidates(device))
    imported = {name for name, _ in candidates if is_imported(name)}
    ranking = rank(work, candidates, imported, COSTS)
    # What a backend can do is known once its framework is imported: the first one's, as a rule.
    refusals = []
    for position, expected in enumerate(ranking):
        made = get_backend(expected.backend)
        try:
            made.check(architecture, dtype, compute_dtype)
            chosen = made.choose_device(expected.device if device == "auto" else device)
        except UnsupportedError as error:
            refusals.append(str(error))
            continue
        return Choice(made, chosen, _reason(work, ranking[position:], refusals))
    raise UnsupportedError(
        "; ".join(refusals) or f"no backend installed here is known to have a device {device!r}"
    )


def _candidates(device: str) -> Iterator[tuple[str, str]]:
    """Installed backends with the kinds of device that they may have here."""
    kinds = {device.split(":")[0]}
    if device == "auto":
        kinds = {"cpu", "cuda"} if _has_nvidia_driver() else {"cpu"}
    installed = available_backends()
    return (pair for pair in COSTS if pair[0] in installed and pair[1] in kinds)


def _has_nvidia_driver() -> bool:
    """Whether a framework is worth asking for CUDA devices: it must be imported for that."""
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


def _reason(work: Work, ranking: list[Expected], refusals: list[str]) -> str:
    """Say what was expected of the one that was chosen and of the others, and who was left out."""

    def seconds(expected: Expected) -> str:
        name = expected.backend if expected.device == "cpu" else f"{expected.backend} on a GPU"
        return f"{name} {expected.seconds:.2g} s"

    first, *others = map(seconds, ranking)
    parts = [
        f"expected to be the first to finish {work.steps:,} steps: {first}"
        + (f", against {', '.join(others)}" if others else "")
    ]
    plug_ins = set(available_backends()) - {name for name, _ in COSTS}
    if plug_ins:
        parts.append(f"the pace of {', '.join(sorted(plug_ins))} is not known")
    return "; ".join([*parts, *refusals])
