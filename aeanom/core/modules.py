"""Networks that users bring: a framework's own module in the place of an architecture.

Such a module maps rows to rows. Its backend is known from its type, without importing any
framework; its weights go by the names that the framework gives them; and it runs in that
framework only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from aeanom.architectures import Architecture, Parameter, PlacedLayer, Shape
from aeanom.core.weights import Weights
from aeanom.errors import ArchitectureError, UnsupportedError

__all__ = [
    "ModuleArchitecture",
    "architecture_from_dict",
    "check_reconstruction",
    "framework_of",
    "module_kind",
]

# By the module and the name of a base class, the nearest first.
_BASES = {
    ("torch.nn.modules.module", "Module"): "torch",
    ("flax.nnx.module", "Module"): "jax",
    # Without weights of its own; the backend says what to do about it.
    ("flax.linen.module", "Module"): "jax",
    ("tensorflow.python.module.module", "Module"): "tensorflow",
    ("keras.src.layers.layer", "Layer"): "tensorflow",
}


def framework_of(module: object) -> str | None:
    """Return the backend that runs a module; None if it is no framework's module."""
    for base in type(module).__mro__:
        framework = _BASES.get((base.__module__, base.__qualname__))
        if framework is not None:
            return framework
    return None


def module_kind(framework: str) -> str:
    """Layer kind that stands for a whole module in a backend's capabilities."""
    return f"{framework} module"


@dataclass(frozen=True, eq=False)
class ModuleArchitecture(Architecture):
    """What is known of a network that is a framework's own module.

    Parameters
    ----------
    input_shape : tuple of int
        Of one row; the module returns rows of the same shape.
    framework : str
        The backend that it runs in.
    table : tuple of Parameter
        Its arrays by the framework's names, in the framework's layouts.
    latent : tuple of int, optional
        Shape of one latent, if the module says how to encode and decode.
    module : object
        The module; it is copied, never changed. None in a description read from a file.
    initial : dict of str to ndarray
        Its arrays as they were given.
    """

    encoder: tuple[Any, ...] = ()
    decoder: tuple[Any, ...] = ()
    framework: str = ""
    table: tuple[Parameter, ...] = ()
    latent: Shape | None = None
    module: Any = field(default=None, repr=False)
    initial: Weights = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if not self.trainable:
            raise ArchitectureError("the module has no parameters that can be trained")

    # Two modules are the same network only if they are one object.
    __hash__ = object.__hash__
    __eq__ = object.__eq__

    @cached_property
    def layers(self) -> tuple[PlacedLayer, ...]:
        """None: what the module is made of is its own business."""
        return ()

    def walk(self) -> Iterator[PlacedLayer]:
        """No layers."""
        return iter(())

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The module's arrays."""
        return self.table

    @property
    def latent_shape(self) -> Shape:
        """Shape of one latent; raises `UnsupportedError` if the module has none."""
        if self.latent is None:
            raise UnsupportedError(
                "this module only maps rows to rows: give it methods `encode` and `decode` (or "
                "submodules `encoder` and `decoder`) to look at its latents"
            )
        return self.latent

    @property
    def kinds(self) -> frozenset[str]:
        """The one kind that only its own framework has."""
        return frozenset({module_kind(self.framework)})

    @property
    def raw_output_shape(self) -> Shape:
        """Shape of one row: a module has no last layer that could be left out."""
        return self.input_shape

    @property
    def output_activation(self) -> str:
        """`"linear"`, as far as anybody can know."""
        return "linear"

    @property
    def has_gaussian_output(self) -> bool:
        """False: a module returns rows."""
        return False

    def summary(self) -> str:
        """Return a table of arrays and their shapes, as plain text."""
        rows = [(parameter.name, str(parameter.shape)) for parameter in self.table]
        width = max(len(name) for name, _ in rows)
        lines = [f"{name:<{width}}  {shape}" for name, shape in [("array", "shape"), *rows]]
        lines.insert(1, "-" * max(map(len, lines)))
        end = f"{self.framework} module of your own, {self.n_parameters:,} trainable parameters"
        return "\n".join([*lines, end])

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-able values that `from_dict` reads back, without the module itself."""
        return {
            "module": self.framework,
            "input_shape": list(self.input_shape),
            "latent_shape": None if self.latent is None else list(self.latent),
            "parameters": [
                {
                    "name": parameter.name,
                    "shape": list(parameter.shape),
                    "trainable": parameter.trainable,
                }
                for parameter in self.table
            ],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ModuleArchitecture:
        """Read back what `to_dict` gave; raises `ArchitectureError` if it is anything else."""
        try:
            table = tuple(
                Parameter(
                    str(parameter["name"]),
                    tuple(int(size) for size in parameter["shape"]),
                    "module",
                    trainable=bool(parameter["trainable"]),
                )
                for parameter in values["parameters"]
            )
            latent = values["latent_shape"]
            return cls(
                tuple(int(size) for size in values["input_shape"]),
                framework=str(values["module"]),
                table=table,
                latent=None if latent is None else tuple(int(size) for size in latent),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ArchitectureError(f"not a description of a module: {error!r}") from None


def check_reconstruction(output: Any, array_type: Any, rows: Any) -> None:
    """Raise `ArchitectureError` unless a module returned one array of the shape of its rows."""
    shape = tuple(rows.shape)
    if not isinstance(output, array_type):
        raise ArchitectureError(
            f"the module returns a {type(output).__name__}: it must return the reconstruction "
            f"alone, one array of shape {shape} for rows of that shape"
        )
    if tuple(output.shape) != shape:
        raise ArchitectureError(
            f"the module returns shape {tuple(output.shape)} for rows of shape {shape}: it must "
            "return rows of the same shape"
        )


def architecture_from_dict(values: Mapping[str, Any]) -> Architecture:
    """Read back what `to_dict` gave, of layers or of a module."""
    return (ModuleArchitecture if "module" in values else Architecture).from_dict(values)
