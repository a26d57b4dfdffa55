"""`Backend`: the abstract way to run a network; one object a framework.

A plug-in derives from this class and names it in the entry-point group `aeanom.backends`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from aeanom.architectures import Architecture, Shape
from aeanom.architectures.layers import LAYERS
from aeanom.core.autoencoder import Autoencoder
from aeanom.core.modules import ModuleArchitecture
from aeanom.core.plan import TrainingPlan
from aeanom.core.trainer import Trainer
from aeanom.core.weights import Weights
from aeanom.errors import UnsupportedError

__all__ = ["Backend", "Capabilities"]


@dataclass(frozen=True)
class Capabilities:
    """What a backend can run.

    Attributes
    ----------
    layer_kinds : frozenset of str
        `kind` of the layer descriptions that it has natively; `Backend.add_layer` adds others.
    dtypes : frozenset of str
    device_kinds : frozenset of str
        Such as `"cpu"` and `"cuda"`; which devices there are is `Backend.devices`.
    compute_dtypes : frozenset of str
        What layers can compute in while training besides the weights' own dtype; see
        `TrainingPlan.compute_dtype`.
    """

    layer_kinds: frozenset[str]
    dtypes: frozenset[str]
    device_kinds: frozenset[str]
    compute_dtypes: frozenset[str] = frozenset()


class Backend(ABC):
    """Makes autoencoders and trainers of one framework.

    Attributes
    ----------
    name : str
    capabilities : Capabilities
    layers : dict of str to callable
        The function of each kind of layer, for a backend that takes new ones.
    """

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]
    layers: ClassVar[dict[str, Callable[..., Any]]] = {}

    @abstractmethod
    def devices(self) -> tuple[str, ...]:
        """Names of the devices on this machine, `"cpu"` first."""

    @abstractmethod
    def autoencoder(
        self, architecture: Architecture, weights: Weights, *, dtype: str, device: str
    ) -> Autoencoder:
        """Build the native network with these weights."""

    @abstractmethod
    def trainer(self, autoencoder: Autoencoder, plan: TrainingPlan) -> Trainer:
        """Make a trainer for an autoencoder of this backend."""

    def add_layer(self, kind: str, function: Callable[..., Any]) -> None:
        """Teach this backend a layer of your own; `docs/layers.md` shows how.

        Parameters
        ----------
        kind : str
            Of a `Layer` description that is defined.
        function : callable
            `function(bound, x, context)` on the framework's arrays, see `aeanom.core.layers`. In
            the NumPy backend it returns the output and the way back.

        Raises
        ------
        UnsupportedError
            If no description has that kind, if the kind is one of the library's own, or if this
            backend has no table of layers.
        """
        if kind not in LAYERS:
            raise UnsupportedError(
                f"there is no layer description of kind {kind!r}: define it first"
            )
        if kind in self.capabilities.layer_kinds:
            raise UnsupportedError(f"backend {self.name!r} has a layer of kind {kind!r} already")
        if not self.layers:
            raise UnsupportedError(f"backend {self.name!r} takes no layers of your own")
        self.layers[kind] = function

    def describe(self, module: Any, input_shape: Shape, dtype: str) -> ModuleArchitecture:
        """Return what is to be known of a module that a user brings; it is not changed.

        Parameters
        ----------
        module : object
            The framework's own: maps arrays of shape (n, *input_shape) to the same shape. With
            methods `encode` and `decode`, or submodules `encoder` and `decoder`, it has latents.
        input_shape : tuple of int
        dtype : str

        Raises
        ------
        ArchitectureError
            If it returns anything else, or has nothing to train.
        UnsupportedError
            If this backend takes no modules.
        """
        raise UnsupportedError(f"backend {self.name!r} takes no modules of your own")

    def choose_device(self, device: str) -> str:
        """Return the device that a setting means; `"auto"` is the CPU, GPUs only if asked for.

        Raises
        ------
        UnsupportedError
            If there is no such device; the message lists those there are.
        """
        devices = self.devices()
        if device == "auto":
            return devices[0]
        matches = [name for name in devices if name == device or name.split(":")[0] == device]
        if not matches:
            raise UnsupportedError(
                f"backend {self.name!r} has no device {device!r} here; it has {', '.join(devices)}"
            )
        return matches[0]

    def check(
        self, architecture: Architecture, dtype: str, compute_dtype: str | None = None
    ) -> None:
        """Raise `UnsupportedError` if this backend cannot run the network, or not train it so.

        `compute_dtype` is that of a `TrainingPlan`.
        """
        missing = architecture.kinds - self.capabilities.layer_kinds - self.layers.keys()
        if isinstance(architecture, ModuleArchitecture):
            if architecture.framework != self.name:
                raise UnsupportedError(
                    f"backend {self.name!r} cannot run a {architecture.framework} module of your "
                    "own: only a network described with aeanom.architectures runs everywhere"
                )
        elif missing:
            raise UnsupportedError(
                f"backend {self.name!r} has no layer of kind {', '.join(sorted(missing))}"
            )
        if dtype not in self.capabilities.dtypes:
            known = ", ".join(sorted(self.capabilities.dtypes))
            raise UnsupportedError(
                f"backend {self.name!r} cannot compute in {dtype!r}; it can in {known}"
            )
        if compute_dtype is not None and compute_dtype not in self.capabilities.compute_dtypes:
            raise UnsupportedError(
                f"backend {self.name!r} cannot train in {compute_dtype}: use torch, jax or "
                "tensorflow"
            )
