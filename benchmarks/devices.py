"""Devices of a framework that is imported already: is there one, what is it called, its memory."""

from __future__ import annotations

import sys

from aeanom.errors import UnsupportedError


def check(framework: str, device: str) -> None:
    """Raise `UnsupportedError` if a framework has no such device, before it takes another."""
    if device != "cpu" and not _names(framework):
        raise UnsupportedError(f"has no {device} device here")


def name(framework: str) -> str | None:
    """Name of the framework's first GPU."""
    return next(iter(_names(framework)), None)


def peak_bytes(framework: str) -> int | None:
    """Most memory of the first GPU that the framework has used so far."""
    if not _names(framework):
        return None
    module = sys.modules[framework]
    if framework == "torch":
        return module.cuda.max_memory_allocated()
    if framework == "jax":
        statistics = module.devices("cuda")[0].memory_stats() or {}
        return statistics.get("peak_bytes_in_use")
    return module.config.experimental.get_memory_info("GPU:0")["peak"]


def _names(framework: str) -> list[str]:
    module = sys.modules.get(framework)
    if module is None or framework == "numpy":
        return []
    if framework == "torch":
        return [module.cuda.get_device_name(0)] if module.cuda.is_available() else []
    if framework == "jax":
        try:
            return [device.device_kind for device in module.devices("cuda")]
        except RuntimeError:
            return []
    if framework == "tensorflow":
        gpus = module.config.list_physical_devices("GPU")
        details = module.config.experimental.get_device_details
        return [details(gpu).get("device_name", gpu.name) for gpu in gpus]
    return []
