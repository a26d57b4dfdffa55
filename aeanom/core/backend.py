"""`Backend`: the abstract way to run a network; one object a framework.

A plug-in derives from this class and names it in the entry-point group `aeanom.backends`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from aeanom.architectures import Architecture
from aeanom.core.autoencoder import Autoencoder
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
        `kind` of the layer descriptions that it has natively.
    dtypes : frozenset of str
    device_kinds : frozenset of str
        Such as `"cpu"` and `"cuda"`; which devices there are is `Backend.devices`.
    """

    layer_kinds: frozenset[str]
    dtypes: frozenset[str]
    device_kinds: frozenset[str]


class Backend(ABC):
    """Makes autoencoders and trainers of one framework."""

    name: ClassVar[str]
    capabilities: ClassVar[Capabilities]

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

    def check(self, architecture: Architecture, dtype: str) -> None:
        """Raise `UnsupportedError` if this backend cannot run the network."""
        missing = architecture.kinds - self.capabilities.layer_kinds
        if missing:
            raise UnsupportedError(
                f"backend {self.name!r} has no layer of kind {', '.join(sorted(missing))}"
            )
        if dtype not in self.capabilities.dtypes:
            known = ", ".join(sorted(self.capabilities.dtypes))
            raise UnsupportedError(
                f"backend {self.name!r} cannot compute in {dtype!r}; it can in {known}"
            )
