"""`aeanom backends`: which backends there are, and how to install the others."""

from __future__ import annotations

from importlib import metadata
from typing import Annotated, Any

import typer

from aeanom.cli.options import JsonOption, examples
from aeanom.cli.output import Printer, print_json

__all__ = ["EXAMPLES", "backends"]

EXAMPLES = examples("aeanom backends", "aeanom backends --devices")

#: Distributions of a backend's packages; of several in one tuple, any will do.
_DISTRIBUTIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "numpy": (("numpy",),),
    "torch": (("torch",),),
    "jax": (("jax",), ("flax",)),
    "tensorflow": (
        ("tensorflow", "tensorflow-cpu", "tensorflow-intel", "tensorflow-macos", "tf-nightly"),
    ),
}


def backends(
    devices: Annotated[
        bool,
        typer.Option(
            "--devices", help="Ask each installed one for its devices, which imports it (seconds)."
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the backends: installed or not, versions, how to install."""
    from aeanom.core.registry import available_backends, known_backends

    available = available_backends()
    found = [_describe(name, name in available, devices) for name in known_backends()]
    if as_json:
        print_json(found)
        return
    printer = Printer()
    printer.table(
        ("backend", "version" + (", devices" if devices else ""), "to install"),
        [
            (
                entry["name"],
                "\n".join(
                    [
                        *(f"{name} {version}" for name, version in entry["versions"].items()),
                        *(f"on {device}" for device in entry.get("devices", ())),
                    ]
                )
                or ("installed" if entry["installed"] else "-"),
                "" if entry["installed"] else str(entry["install"]),
            )
            for entry in found
        ],
    )


def _describe(name: str, installed: bool, with_devices: bool) -> dict[str, Any]:
    built_in = name in _DISTRIBUTIONS
    entry: dict[str, Any] = {
        "name": name,
        "installed": installed,
        "versions": _versions(name) if built_in else _plug_in_version(name),
        "install": f'pip install "aeanom[{name}]"' if built_in and name != "numpy" else None,
    }
    if with_devices and installed:
        from aeanom.core.registry import get_backend

        entry["devices"] = list(get_backend(name).devices())
    return entry


def _versions(name: str) -> dict[str, str]:
    versions = {}
    for choices in _DISTRIBUTIONS[name]:
        for distribution in choices:
            try:
                versions[distribution] = metadata.version(distribution)
            except metadata.PackageNotFoundError:
                continue
            break
    return versions


def _plug_in_version(name: str) -> dict[str, str]:
    for entry in metadata.entry_points(group="aeanom.backends", name=name):
        if entry.dist is not None:
            return {entry.dist.name: entry.dist.version}
    return {}
