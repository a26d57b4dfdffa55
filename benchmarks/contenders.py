"""Who is measured: our backends, and every file in `comparators/`.

What a file says of itself (`TITLE`, `KINDS`, `DEVICES`) is read from its syntax tree, as importing
it would import its framework. Where it does not say `FRAMEWORK`, that is the one it imports.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from aeanom.core.registry import missing_packages
from aeanom.errors import InvalidParameterError

FOLDER = Path(__file__).with_name("comparators")
BACKENDS = ("numpy", "torch", "jax", "tensorflow")
OURS = "aeanom_fit"
ALL_KINDS = frozenset({"dense", "convolutional", "lstm", "conv1d"})

#: Framework of the packages that a comparator may import.
_FRAMEWORKS = {
    "torch": "torch",
    "pyod": "torch",
    "jax": "jax",
    "flax": "jax",
    "optax": "jax",
    "tensorflow": "tensorflow",
    "keras": "tensorflow",
    "onnx": "onnxruntime",
    "onnxruntime": "onnxruntime",
}


@dataclass(frozen=True)
class Contender:
    """Somebody who can do workloads.

    Attributes
    ----------
    name : str
        Such as `"aeanom-jax"`, or a comparator's file name.
    module : str
        File in `comparators/` without its ending.
    title : str
        What tables print.
    framework : str
    kinds : frozenset of str
        Kinds of workload that it can do.
    devices : frozenset of str
    packages : tuple of str
        What it imports.
    trains : bool
        False if it only scores, with the first weights.
    is_expert : bool
        Whether it was written to win: our backends are paired with the best of these.
    options : tuple of str
        Handed to the module's `contender` after workload and device.
    """

    name: str
    module: str
    title: str
    framework: str
    kinds: frozenset[str] = ALL_KINDS
    devices: frozenset[str] = frozenset({"cpu", "cuda"})
    packages: tuple[str, ...] = ()
    trains: bool = True
    is_expert: bool = False
    options: tuple[str, ...] = ()

    @property
    def is_ours(self) -> bool:
        """Whether it is a backend of this library."""
        return self.module == OURS

    @property
    def can_be_paired(self) -> bool:
        """Whether it is set beside the best loop by hand: ours, where both compute in float32."""
        return self.is_ours and len(self.options) == 1

    def why_not(self, device: str) -> str | None:
        """Tell why it cannot run here, as far as that is known without importing it."""
        missing = missing_packages(self.framework) if self.is_ours else ()
        missing = missing or tuple(name for name in self.packages if find_spec(name) is None)
        if missing:
            return f"{', '.join(missing)}: not installed here"
        if device not in self.devices:
            return f"runs on {', '.join(sorted(self.devices))} only"
        return None


def _ours() -> list[Contender]:
    plain = [
        Contender(f"aeanom-{name}", OURS, f"aeanom, {name}", name, options=(name,))
        for name in BACKENDS
    ]
    # A processor without bfloat16 units only emulates it.
    mixed = [
        Contender(
            f"aeanom-{name}-bfloat16",
            OURS,
            f"aeanom, {name}, bfloat16",
            name,
            devices=frozenset({"cuda"}),
            options=(name, "bfloat16"),
        )
        for name in BACKENDS[1:]
    ]
    return plain + mixed


@cache
def contenders() -> dict[str, Contender]:
    """All of them by name, those of one framework side by side: pairs are measured in a row."""
    found = _ours()
    found += [
        _read(path)
        for path in sorted(FOLDER.glob("*.py"))
        if path.stem not in ("__init__", OURS) and _is_contender(path)
    ]
    frameworks = (*BACKENDS, "onnxruntime")
    found.sort(key=lambda contender: frameworks.index(contender.framework))
    return {contender.name: contender for contender in found}


def chosen(patterns: tuple[str, ...], backends: tuple[str, ...]) -> list[Contender]:
    """Contenders whose names match one of the patterns, of some frameworks; all if none is named.

    Raises
    ------
    InvalidParameterError
        If a pattern matches nobody; the message lists who there is.
    """
    everybody = contenders()
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in everybody):
            raise InvalidParameterError(
                f"there is no contender {pattern!r}; there are {', '.join(everybody)}"
            )
    for name in backends:
        if name not in BACKENDS:
            raise InvalidParameterError(
                f"there is no backend {name!r}; there are {', '.join(BACKENDS)}"
            )
    return [
        contender
        for contender in everybody.values()
        if not patterns or any(fnmatchcase(contender.name, pattern) for pattern in patterns)
        if not backends or contender.framework in backends
    ]


def _is_contender(path: Path) -> bool:
    return "KINDS" in _constants(ast.parse(path.read_text(encoding="utf-8")))


def _read(path: Path) -> Contender:
    """Read what a comparator's file says of itself."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    constants = _constants(tree)
    packages = tuple(name for name in _imports(tree) if name in _FRAMEWORKS)
    of_imports = next((_FRAMEWORKS[name] for name in packages), "numpy")
    return Contender(
        name=path.stem,
        module=path.stem,
        title=constants["TITLE"],
        framework=constants.get("FRAMEWORK", of_imports),
        kinds=frozenset(constants["KINDS"]),
        devices=frozenset(constants["DEVICES"]),
        packages=packages,
        trains=constants.get("TRAINS", True),
        is_expert=constants.get("EXPERT", False),
    )


def _constants(tree: ast.Module) -> dict:
    """Values of the module's constants that are literals, or a frozenset of one."""
    values = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            if isinstance(value, ast.Call) and len(value.args) == 1:
                value = value.args[0]
            try:
                values[node.targets[0].id] = ast.literal_eval(value)
            except ValueError:
                continue
    return values


def _imports(tree: ast.Module) -> list[str]:
    """Top-level packages that the module imports, in order, each once."""
    names: list[str] = []
    for node in tree.body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return list(dict.fromkeys(name.split(".")[0] for name in names))
